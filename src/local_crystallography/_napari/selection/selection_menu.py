"""The menu of what can be done with the selected atoms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.selection.class_commands import ClassCommands
from local_crystallography._napari.selection.commands import SelectionCommands
from local_crystallography._napari.selection.image_lasso import ImageLasso
from local_crystallography._napari.selection.own_columns import OwnColumns
from local_crystallography._napari.session.controller import Controller
from local_crystallography.data.columns import HAND_LABEL
from local_crystallography.recipe import Recipe
from local_crystallography.views.styles import ClassStyles

CLASSES = range(1, 10)
INSIDE = "<qt>Select the atoms inside what is drawn in a shapes layer; Shift adds them, Alt takes them away</qt>"
BY_HAND = "<qt>Classes given by hand, in the column hand_label, with a map of their own</qt>"
TIP = "Select in the image, and give the selected atoms a class, a column, a layer or a network of their own"
BACK = "All atoms stay in a hidden layer: to work on all again choose it under Extract sub-images, atoms from."
TIPS = {
    "Take class away": "The selected atoms have no class of their own any more",
    "Undo class": "Undo the last change of classes; again to redo it",
    "Merge classes": "Make one class of all the classes that the selected atoms have from Cluster",
    "Split class": "Make two of the class that most of the selected atoms have from Cluster",
    "Undo merge or split": "Undo the last merge or split",
    "New points layer": "A layer of the selected atoms with all their columns, which no later result changes",
    "New labels layer": "The pixels nearest the selected atoms, as the maps are painted",
    "New column …": "A column that is 1 for the selected atoms and 0 for the others",
    "Work on these only": f"Take the selected atoms for the atoms of the image. {BACK}",
    "Work on these only and train": f"The same, and run sub-images, training, encoding, classes and maps. {BACK}",
    "Export …": "Write the selected atoms with all their columns to a CSV file",
    "Invert": "Select what is not selected",
    "Undo": "Take back the last change of the selection",
    "Clear": "Select nothing (Esc)",
}
KEYS = {"Take class away": "0"}


class SelectionActions(QtCore.QObject):  # type: ignore[misc]
    """What can be done with the selected atoms of the active image.

    Key k, with the keyboard in one of the widgets of `listen_in`, gives the selected atoms class k of the column
    `hand_label`, and 0 takes it away. Without a selection the keys are those of napari.
    """

    def __init__(self, controller: Controller, recipe: Callable[[], Recipe] | None = None) -> None:
        super().__init__(controller)
        self.controller = controller
        self.own, self.lasso = OwnColumns(controller, self), ImageLasso(controller, self)
        self.commands, self.of_cluster = (
            SelectionCommands(controller, self.own, recipe),
            ClassCommands(controller, self),
        )
        window = controller.parent() if isinstance(controller.parent(), QtWidgets.QWidget) else None
        # children of the window, whose theme they have then
        self.menu = QtWidgets.QMenu("Selection", window)
        self.shapes, self.classes = self.menu.addMenu("Atoms inside shapes layer"), self.menu.addMenu("Give a class")
        self.class_actions = {
            number: self._action("", partial(self.own.label, number), str(number)) for number in CLASSES
        }
        does: dict[str, Callable[[], object]] = {
            "Take class away": partial(self.own.label, -1),
            "Undo class": self.own.undo,
            "Merge classes": self.of_cluster.merge,
            "Split class": self.of_cluster.split,
            "Undo merge or split": self.of_cluster.undo,
            "New points layer": self.commands.add_points,
            "New labels layer": self.commands.add_labels,
            "New column …": self.commands.add_column,
            "Work on these only": partial(self.commands.work_on, train=False),
            "Work on these only and train": partial(self.commands.work_on, train=True),
            "Export …": self.commands.export,
            "Invert": controller.selection.invert,
            "Undo": controller.selection.undo,
            "Clear": controller.selection.clear,
        }
        self.actions = {name: self._action(name, does[name], KEYS.get(name, "")) for name in TIPS}
        self._fill()
        self._name_classes()
        self.classes.aboutToShow.connect(self._name_classes)
        self.shapes.aboutToShow.connect(self._offer_shapes)
        self.menu.aboutToShow.connect(self._refresh)
        controller.changed.connect(self._refresh)
        controller.selection.changed.connect(self._on_selection_changed)
        self._refresh()

    def listen_in(self, widget: QtWidgets.QWidget) -> None:
        """Take the keys of the classes and of the lasso while the keyboard is in this widget."""
        widget.addActions([*self.class_actions.values(), self.actions["Take class away"], self.lasso.action])

    def leave(self) -> None:
        """Follow the controller no more."""
        for part in (self.lasso, self.commands, self.of_cluster, self.own):
            part.leave()
        self.controller.changed.disconnect(self._refresh)
        self.controller.selection.changed.disconnect(self._on_selection_changed)
        self.menu.deleteLater()
        for action in (*self.class_actions.values(), *self.actions.values()):
            action.deleteLater()

    def _action(self, text: str, does: Callable[[], object], key: str) -> QtGui.QAction:
        action = QtGui.QAction(text, self)
        action.triggered.connect(lambda: does())
        action.setToolTip(f"<qt>{TIPS.get(text, '')}</qt>")
        if key:
            action.setShortcut(QtGui.QKeySequence(key))
            action.setShortcutContext(QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut)
        return action

    def _fill(self) -> None:
        actions = self.actions
        self.classes.addActions([*self.class_actions.values()])
        self.classes.addSeparator()
        self.classes.addActions([actions["Take class away"], actions["Undo class"]])
        self.menu.insertAction(self.shapes.menuAction(), self.lasso.action)
        self.menu.addSeparator()
        for name in TIPS:
            if name not in ("Take class away", "Undo class"):
                self.menu.addAction(actions[name])
            if name in ("Undo merge or split", "New column …", "Work on these only and train", "Export …"):
                self.menu.addSeparator()
        for menu in (self.menu, self.shapes, self.classes):
            menu.setToolTipsVisible(True)
        self.shapes.menuAction().setToolTip(INSIDE)
        self.classes.menuAction().setToolTip(BY_HAND)

    def _refresh(self) -> None:
        selection, session = self.controller.selection, self.controller.active
        ready = session is not None and session.analysis.atoms is not None and not self.controller.runner.running
        some = bool(selection.count) and ready
        for name in TIPS:
            self.actions[name].setEnabled(some)
        # their keys are taken while a job runs, too: napari would delete the selected points at 1
        for action in (*self.class_actions.values(), self.actions["Take class away"]):
            action.setEnabled(bool(selection.count))
        self.actions["Undo class"].setEnabled(self.own.can_undo)
        for name in ("Merge classes", "Split class"):
            self.actions[name].setEnabled(self.of_cluster.ready)
        self.actions["Undo merge or split"].setEnabled(self.of_cluster.can_undo)
        self.actions["Undo"].setEnabled(selection.can_undo)
        self.actions["Invert"].setEnabled(len(selection) > 0)
        self.actions["Clear"].setEnabled(selection.count > 0)
        self.classes.menuAction().setEnabled(some or self.own.can_undo)
        self.shapes.menuAction().setEnabled(len(selection) > 0 and bool(self.commands.shapes_layers()))

    def _name_classes(self) -> None:
        """Show the classes by the names and colours they have in the plots."""
        styles = ClassStyles() if self.controller.active is None else self.controller.active.analysis.styles
        for number, action in self.class_actions.items():
            name, swatch = styles.name(HAND_LABEL, number), QtGui.QPixmap(12, 12)
            swatch.fill(QtGui.QColor(styles.colour(HAND_LABEL, number)))
            action.setIcon(QtGui.QIcon(swatch))
            action.setText(name)
            action.setToolTip(f"<qt>Let the selected atoms be {name}; key {number} in the plots and on the image</qt>")

    def _offer_shapes(self) -> None:
        self.shapes.clear()
        for layer in self.commands.shapes_layers():
            self.shapes.addAction(layer.name, partial(self.commands.select_inside, layer)).setToolTip(INSIDE)

    def _on_selection_changed(self, source: object) -> None:
        self._refresh()

"""Menu of the selected atoms, and its keyboard shortcuts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.explorer.plot_box import KEYS
from local_crystallography._napari.selection.by_hand import ClassCommands, OwnColumns
from local_crystallography._napari.selection.commands import SelectionCommands
from local_crystallography._napari.selection.image_lasso import ImageLasso
from local_crystallography._napari.session.controller import Controller
from local_crystallography.data.columns import HAND_LABEL
from local_crystallography.recipe import Recipe
from local_crystallography.views.styles import ClassStyles

CLASSES = range(1, 10)
REMOVE_CLASS = "Remove class"
INSIDE = f"<qt>Select the atoms inside the areas of a shapes layer. {KEYS}.</qt>"
BY_HAND = "<qt>Classes assigned by hand, in the column hand_label with its own map</qt>"
TIP = "Select in the image, and use the selected atoms: assign a class, add a layer, train a network"
BACK = "All atoms are kept in a hidden layer; to return to them, choose it in Extract sub-images, “atoms from”."
TIPS = {
    REMOVE_CLASS: "Remove the class assigned to the selected atoms by hand",
    "Merge classes": "Merge all classes of the selected atoms found by Cluster into one",
    "Split class": "Split the most frequent class of the selected atoms found by Cluster in two",
    "New points layer": "Add a layer of the selected atoms with all their columns; later results do not change it",
    "New labels layer": "Add a layer of the pixels nearest to the selected atoms, as in the maps",
    "New column …": "Add a column that is 1 for the selected atoms and 0 for all others",
    "Analyse these only": f"Continue the analysis with the selected atoms alone. {BACK}",
    "Analyse these only and train": "Continue with the selected atoms alone, and run sub-images, training, encoding, "
    f"classes and maps. {BACK}",
    "Export …": "Write the selected atoms with all their columns to a CSV file",
    "Invert": "Select what is not selected",
    "Clear": "Select nothing (Esc)",
}
SHORTCUTS = {REMOVE_CLASS: 0}
"""Digits, as of the classes."""


class SelectionActions(QtCore.QObject):  # type: ignore[misc]
    """Actions on the selected atoms of the active image.

    Alt and a digit assign a class to the selected atoms, in the column `hand_label`, and Alt+0 removes it: napari has
    other uses for the digits alone, which do the same only in the plots.
    """

    def __init__(self, controller: Controller, recipe: Callable[[], Recipe] | None = None) -> None:
        super().__init__(controller)
        self.controller = controller
        self.own, self.lasso = OwnColumns(controller, self), ImageLasso(controller, self)
        self.commands = SelectionCommands(controller, self.own, recipe)
        self.of_cluster = ClassCommands(controller, self)
        window = controller.parent() if isinstance(controller.parent(), QtWidgets.QWidget) else None
        # children of the window, so that they have its theme
        self.menu = QtWidgets.QMenu("Selection", window)
        self.shapes, self.classes = self.menu.addMenu("Select inside shapes layer"), self.menu.addMenu("Assign class")
        self.class_actions = {number: self._action("", partial(self.own.label, number), number) for number in CLASSES}
        does: dict[str, Callable[[], object]] = {
            REMOVE_CLASS: partial(self.own.label, -1),
            "Merge classes": self.of_cluster.merge,
            "Split class": self.of_cluster.split,
            "New points layer": self.commands.add_points,
            "New labels layer": self.commands.add_labels,
            "New column …": self.commands.add_column,
            "Analyse these only": partial(self.commands.work_on, train=False),
            "Analyse these only and train": partial(self.commands.work_on, train=True),
            "Export …": self.commands.export,
            "Invert": controller.selection.invert,
            "Clear": controller.selection.clear,
        }
        self.actions = {name: self._action(name, does[name], SHORTCUTS.get(name)) for name in TIPS}
        for number, action in {**self.class_actions, 0: self.actions[REMOVE_CLASS]}.items():
            controller.viewer.bind_key(f"Alt-{number}", lambda _, action=action: action.trigger(), overwrite=True)
        self._fill()
        self._name_classes()
        self.classes.aboutToShow.connect(self._name_classes)
        self.shapes.aboutToShow.connect(self._offer_shapes)
        self.menu.aboutToShow.connect(self._refresh)
        controller.changed.connect(self._refresh)
        controller.selection.changed.connect(self._on_selection_changed)
        self._refresh()

    def listen_in(self, plots: QtWidgets.QWidget) -> None:
        """Enable the keys while the plots have the keyboard."""
        plots.addActions([*self.class_actions.values(), self.actions[REMOVE_CLASS], self.lasso.action])

    def listen_on_image(self, canvas: QtWidgets.QWidget) -> None:
        """Enable the keys while the image has the keyboard."""
        canvas.addAction(self.lasso.action)

    def leave(self) -> None:
        """Disconnect from the controller."""
        self.lasso.leave()
        self.own.leave()
        self.controller.changed.disconnect(self._refresh)
        self.controller.selection.changed.disconnect(self._on_selection_changed)
        for number in (0, *CLASSES):
            self.controller.viewer.bind_key(f"Alt-{number}", None)
        self.menu.deleteLater()
        for action in (*self.class_actions.values(), *self.actions.values()):
            action.deleteLater()

    def _action(self, text: str, does: Callable[[], object], digit: int | None) -> QtGui.QAction:
        action = QtGui.QAction(text, self)
        action.triggered.connect(lambda: does())
        action.setToolTip(f"<qt>{TIPS.get(text, '')}</qt>")
        if digit is not None:
            action.setShortcuts([QtGui.QKeySequence(key) for key in (f"Alt+{digit}", str(digit))])
            action.setShortcutContext(QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut)
        return action

    def _fill(self) -> None:
        actions = self.actions
        self.classes.addActions([*self.class_actions.values()])
        self.classes.addSeparator()
        self.classes.addAction(actions[REMOVE_CLASS])
        self.menu.insertAction(self.shapes.menuAction(), self.lasso.action)
        self.menu.addSeparator()
        for name in TIPS:
            if name != REMOVE_CLASS:
                self.menu.addAction(actions[name])
            if name in ("Split class", "New column …", "Analyse these only and train", "Export …"):
                self.menu.addSeparator()
        for menu in (self.menu, self.shapes, self.classes):
            menu.setToolTipsVisible(True)
        self.shapes.menuAction().setToolTip(INSIDE)
        self.classes.menuAction().setToolTip(BY_HAND)

    def _refresh(self) -> None:
        selection = self.controller.selection
        ready = self.controller.atoms is not None and not self.controller.runner.running
        some = bool(selection.count) and ready
        for name in TIPS:
            self.actions[name].setEnabled(some)
        # enabled while a job runs, too, to say why nothing happens
        for action in (*self.class_actions.values(), self.actions[REMOVE_CLASS]):
            action.setEnabled(bool(selection.count))
        for name in ("Merge classes", "Split class"):
            self.actions[name].setEnabled(self.of_cluster.ready)
        self.actions["Invert"].setEnabled(len(selection) > 0)
        self.actions["Clear"].setEnabled(selection.count > 0)
        self.classes.menuAction().setEnabled(some)
        self.shapes.menuAction().setEnabled(len(selection) > 0 and bool(self.commands.shapes_layers()))

    def _name_classes(self) -> None:
        """Show the classes with their names and colours in the plots."""
        styles = ClassStyles() if self.controller.analysis is None else self.controller.analysis.styles
        for number, action in self.class_actions.items():
            name, swatch = styles.name(HAND_LABEL, number), QtGui.QPixmap(12, 12)
            swatch.fill(QtGui.QColor(styles.colour(HAND_LABEL, number)))
            action.setIcon(QtGui.QIcon(swatch))
            action.setText(name)
            action.setToolTip(f"<qt>Assign the selected atoms to {name} (Alt+{number}, or {number} in the plots)</qt>")

    def _offer_shapes(self) -> None:
        self.shapes.clear()
        for layer in self.commands.shapes_layers():
            self.shapes.addAction(layer.name, partial(self.commands.select_inside, layer)).setToolTip(INSIDE)

    def _on_selection_changed(self, source: object) -> None:
        self._refresh()

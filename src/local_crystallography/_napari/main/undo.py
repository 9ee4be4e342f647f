"""Undo and Redo: buttons with the history of the active image, and their keys."""

from __future__ import annotations

from functools import partial
from typing import Any

from napari.layers import Labels
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.layers import convert, masks
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.icons import icon
from local_crystallography._napari.widgets.theme import theme_of

UNDO, REDO = "Undo", "Redo"
KEYS = {UNDO: "Ctrl+Z", REDO: "Ctrl+Shift+Z"}
NAPARI = {UNDO: "Control-Z", REDO: "Control-Shift-Z"}
"""The same keys in the words of napari; a labels layer that is painted on keeps its own."""
ICON, ARROW = 18, 22
LISTED = 20
"""Maximum number of changes in a menu."""


class UndoActions(QtCore.QObject):  # type: ignore[misc]
    """Undoes and redoes selections, classes, names, edits of atoms and runs of steps."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self.controller = controller
        self.menus = {name: QtWidgets.QMenu(name, parent) for name in KEYS}
        self.actions = {name: self._action(name) for name in KEYS}
        self._bind(controller.viewer)
        controller.viewer.layers.selection.events.active.connect(self._on_active_changed)
        controller.changed.connect(self.refresh)
        controller.selection.changed.connect(self._on_selection_changed)
        self.set_theme(dark=True)
        self.refresh()

    def buttons(self, *, listed: bool = True) -> list[QtWidgets.QToolButton]:
        """New buttons; with `listed`, their menus list the changes, to go back or forward by several."""
        made = []
        for name, action in self.actions.items():
            button = QtWidgets.QToolButton(autoRaise=True)
            button.setDefaultAction(action)
            button.setAccessibleName(name)
            button.setIconSize(QtCore.QSize(ICON, ICON))
            if listed:
                button.setMenu(self.menus[name])
                button.setPopupMode(button.ToolButtonPopupMode.MenuButtonPopup)
                button.setMinimumWidth(ICON + ARROW)  # otherwise napari's style leaves no room for the icon
            made.append(button)
        return made

    def listen_in(self, widget: QtWidgets.QWidget) -> None:
        """Enable the keys while this widget or one in it has the keyboard."""
        widget.addActions([*self.actions.values()])

    def refresh(self) -> None:
        """Show what would be undone and redone."""
        session = self.controller.active
        history = None if session is None else session.history
        for name, titles in (
            (UNDO, [] if history is None else history.undoable),
            (REDO, [] if history is None else history.redoable),
        ):
            action = self.actions[name]
            action.setEnabled(bool(titles) and not self.controller.runner.running)
            action.setToolTip(f"{name}: {titles[0]} ({KEYS[name]})" if titles else f"{name} ({KEYS[name]})")

    def set_theme(self, dark: bool) -> None:
        """Draw the icons in the colour of the text."""
        for name, action in self.actions.items():
            action.setIcon(icon(name, theme_of(dark).text, theme_of(dark).held))

    def leave(self) -> None:
        """Disconnect from the viewer and the controller."""
        self.controller.viewer.layers.selection.events.active.disconnect(self._on_active_changed)
        labels = [layer for layer in self.controller.viewer.layers if has_own_undo(layer)]
        for key in NAPARI.values():
            for bound in (self.controller.viewer, *labels):
                bound.bind_key(key, None)
        self.controller.changed.disconnect(self.refresh)
        self.controller.selection.changed.disconnect(self._on_selection_changed)

    def _bind(self, to: Any) -> None:
        """Bind the keys of the viewer, or of a layer."""
        for name, key in NAPARI.items():
            to.bind_key(key, lambda _, name=name: self._go(name), overwrite=True)

    def _on_active_changed(self, event: Any) -> None:
        if event.value is not None and has_own_undo(event.value):
            self._bind(event.value)

    def _action(self, name: str) -> QtGui.QAction:
        action = QtGui.QAction(name, self)
        action.setShortcut(QtGui.QKeySequence(KEYS[name]))
        action.setShortcutContext(QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(lambda: self._go(name))
        self.menus[name].aboutToShow.connect(partial(self._list, name))
        return action

    def _go(self, name: str, steps: int = 1) -> None:
        self.controller.travel(-steps if name == UNDO else steps)

    def _list(self, name: str) -> None:
        session, menu = self.controller.active, self.menus[name]
        menu.clear()
        if session is not None:
            titles = session.history.undoable if name == UNDO else session.history.redoable
            for steps, title in enumerate(titles[:LISTED], 1):
                menu.addAction(title, partial(self._go, name, steps))

    def _on_selection_changed(self, source: Any) -> None:
        self.refresh()


def has_own_undo(layer: Any) -> bool:
    """Whether napari would undo painting on a layer that shows classes, which nobody paints on."""
    return isinstance(layer, Labels) and convert.is_result(layer) and convert.note_of(layer)["result"] != masks.NAME

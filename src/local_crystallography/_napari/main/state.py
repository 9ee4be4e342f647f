"""State of the main dock that is remembered: folds, hint, device, keys."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.settings import Settings

if TYPE_CHECKING:
    from local_crystallography._napari.main.dock import MainDock

RUN_ALL = "Ctrl+Shift+Return"


class DockState(QtCore.QObject):  # type: ignore[misc]
    """Shows the dock as it was left, and remembers what changes."""

    def __init__(self, dock: MainDock) -> None:
        super().__init__(dock)
        self.dock, self.settings, self._device = dock, Settings(), ""
        for name in self.settings.unfolded & set(dock.panels):
            dock.panels[name].expand(animate=False)
        for panel in dock.panels.values():
            panel.toggled.connect(self._on_toggled)
        dock.hint.dismissed.connect(self._on_dismissed)
        dock.controller.changed.connect(self._on_controller_changed)
        self.settings.follow(self._on_settings_changed)
        shortcut = QtGui.QShortcut(QtGui.QKeySequence(RUN_ALL), dock)
        shortcut.setContext(QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(dock.run_all.click)
        tab_in_reading_order(dock)
        self._on_settings_changed()

    def leave(self) -> None:
        """Follow the settings no more."""
        self.settings.leave(self._on_settings_changed)

    def _on_toggled(self) -> None:
        self.settings.unfolded = frozenset(name for name, panel in self.dock.panels.items() if panel.isExpanded())

    def _on_dismissed(self) -> None:
        self.settings.shows_hint = False
        self._on_settings_changed()

    def _on_controller_changed(self) -> None:
        session = self.dock.session
        if session is not None and session.analysis.maps is not None and self.settings.shows_hint:
            self._on_dismissed()

    def _on_settings_changed(self, event: Any = None) -> None:
        self.dock.hint.setVisible(self.settings.shows_hint)
        device = self.settings.device
        if device != self._device and (device or self._device):
            for name in self.dock.watches:
                self.dock.panels[name].form.fields["device"].set(device)
        self._device = device or ""


def tab_in_reading_order(root: QtWidgets.QWidget) -> None:
    """Let the Tab key go through the controls as they are read, from top to bottom."""
    controls = [widget for widget in _in_order(root) if widget.focusPolicy() & QtCore.Qt.FocusPolicy.TabFocus]
    for before, after in pairwise(controls):
        QtWidgets.QWidget.setTabOrder(before, after)


def _in_order(widget: QtWidgets.QWidget) -> list[QtWidgets.QWidget]:
    """A widget and what its layout holds, in the order of the layout."""
    found = [widget]
    if isinstance(widget, QtWidgets.QScrollArea) and widget.widget() is not None:
        return found + _in_order(widget.widget())
    if (layout := widget.layout()) is not None:
        found += _in_layout(layout)
    return found


def _in_layout(layout: QtWidgets.QLayout) -> list[QtWidgets.QWidget]:
    found = []
    places = list(range(layout.count()))
    if isinstance(layout, QtWidgets.QFormLayout):  # rows that were put in later come last
        places.sort(key=lambda place: layout.getItemPosition(place)[0])
    for item in map(layout.itemAt, places):
        if item.widget() is not None:
            found += _in_order(item.widget())
        elif item.layout() is not None:
            found += _in_layout(item.layout())
    return found

"""Place of the latent explorer in the window: restored when it opens, and remembered when it is moved."""

from __future__ import annotations

from typing import Any
from weakref import ref

from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.settings import Settings

TAB, BESIDE, BELOW, FLOATING = "tab", "beside", "below", "floating"
AREAS = {
    "left": QtCore.Qt.DockWidgetArea.LeftDockWidgetArea,
    "right": QtCore.Qt.DockWidgetArea.RightDockWidgetArea,
    "top": QtCore.Qt.DockWidgetArea.TopDockWidgetArea,
    "bottom": QtCore.Qt.DockWidgetArea.BottomDockWidgetArea,
}
PAUSE = 300
"""Time after the last move before the place is remembered, in ms."""


class ExplorerPlace(QtCore.QObject):  # type: ignore[misc]
    """Moves a dock, which was added as a tab of the main one, to its last place, and remembers where the user moves it.

    A place is one of `TAB`, `BESIDE` or `BELOW` the main dock, an area of the window, or `FLOATING` with the position
    and size on the screen.
    """

    def __init__(self, dock: QtWidgets.QDockWidget, main: QtWidgets.QDockWidget, window: QtWidgets.QMainWindow) -> None:
        super().__init__(dock)
        self._dock, self._main, self._window = ref(dock), ref(main), ref(window)  # so that the window can be let go of
        self._timer = QtCore.QTimer(self, singleShot=True, interval=PAUSE)
        self._timer.timeout.connect(self.remember)
        self.restore(Settings().explorer_place)
        dock.topLevelChanged.connect(self._on_moved)
        dock.dockLocationChanged.connect(self._on_moved)
        dock.installEventFilter(self)

    @property
    def dock(self) -> Any:
        """The dock of the explorer."""
        return self._dock()

    @property
    def main(self) -> Any:
        """The main dock."""
        return self._main()

    @property
    def window(self) -> Any:
        """The window of both."""
        return self._window()

    def place(self) -> str:
        """The present place."""
        if self.dock.isFloating():
            rect = self.dock.geometry()
            return f"{FLOATING} {rect.x()} {rect.y()} {rect.width()} {rect.height()}"
        if self.main in self.window.tabifiedDockWidgets(self.dock):
            return TAB
        area = self.window.dockWidgetArea(self.dock)
        if area == self.window.dockWidgetArea(self.main):
            across = abs(self.dock.x() - self.main.x()) > abs(self.dock.y() - self.main.y())
            return BESIDE if across else BELOW
        return next((name for name, each in AREAS.items() if each == area), TAB)

    def restore(self, place: str) -> None:
        """Move the dock to a place; it stays where it is for one that is unknown."""
        kind, *numbers = place.split() or [TAB]
        ways = {BESIDE: QtCore.Qt.Orientation.Horizontal, BELOW: QtCore.Qt.Orientation.Vertical}
        if kind in ways:
            # beside a tab, `splitDockWidget` would make another tab
            self.window.addDockWidget(self.window.dockWidgetArea(self.main), self.dock, ways[kind])
        elif kind in AREAS:
            self.window.addDockWidget(AREAS[kind], self.dock)
        elif kind == FLOATING:
            self.dock.setFloating(True)
            if len(numbers) == 4 and all(number.lstrip("-").isdigit() for number in numbers):
                self._put_at(QtCore.QRect(*map(int, numbers)))

    def remember(self) -> None:
        """Keep the present place for the next time, unless the dock is hidden or closed."""
        there = self.dock.isVisible() or self.main in self.window.tabifiedDockWidgets(self.dock)
        if there and self.place() != Settings().explorer_place:
            Settings().explorer_place = self.place()

    def eventFilter(self, dock: Any, event: QtCore.QEvent) -> bool:
        """Follow the dock; within an area of the window Qt reports no new place."""
        if event.type() in (QtCore.QEvent.Type.Move, QtCore.QEvent.Type.Resize):
            self._timer.start()
        return False

    def _put_at(self, rect: QtCore.QRect) -> None:
        """Float at a rectangle, if that is on a screen of this machine."""
        screens = [screen.availableGeometry() for screen in QtGui.QGuiApplication.screens()]
        if any(screen.contains(rect.center()) for screen in screens):
            self.dock.setGeometry(rect)

    def _on_moved(self, *news: object) -> None:
        self._timer.start()

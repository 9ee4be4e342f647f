"""Time from a user action until everything that changes on the screen has been drawn; needs Qt alone."""

import time
from collections.abc import Callable, Sequence

import numpy as np
from qtpy import QtCore, QtGui, QtWidgets

LEFT, NO_BUTTON = QtCore.Qt.MouseButton.LeftButton, QtCore.Qt.MouseButton.NoButton
TYPES = QtCore.QEvent.Type
SETTLED = 0.2
"""Seconds without work after which drawing is considered finished."""
IDLE = 0.003
"""Seconds up to which one pass of the event loop counts as one without work."""


class Repaints(QtCore.QObject):
    """Watches widgets being drawn."""

    def __init__(self, widgets: Sequence[QtWidgets.QWidget]) -> None:
        super().__init__()
        self._seen = False
        self.watch(widgets)

    def watch(self, widgets: Sequence[QtWidgets.QWidget]) -> None:
        """Watch these as well."""
        for widget in widgets:
            widget.installEventFilter(self)

    def eventFilter(self, watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        """Record a repaint without changing it."""
        self._seen |= event.type() == TYPES.Paint
        return False

    def after(self, act: Callable[[], object]) -> tuple[float, float]:
        """Milliseconds from an action to the end of the last repaint it causes: wall time, CPU time of this thread."""
        settle(SETTLED)
        self._seen, wall, busy = False, time.perf_counter(), time.thread_time()
        act()
        drawn = wall, busy
        since = time.perf_counter()
        while time.perf_counter() - since < SETTLED:
            turn = time.perf_counter()
            QtWidgets.QApplication.processEvents()
            if self._seen:
                self._seen, drawn = False, (time.perf_counter(), time.thread_time())
            if time.perf_counter() - turn > IDLE:  # it was at work, and may have requested a repaint
                since = time.perf_counter()
            time.sleep(0.0005)
        return 1000 * (drawn[0] - wall), 1000 * (drawn[1] - busy)


def settle(seconds: float) -> None:
    """Process events for a while."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        QtWidgets.QApplication.processEvents()
        time.sleep(0.001)


def mouse(widget: QtWidgets.QWidget, kind: QtCore.QEvent.Type, spot: QtCore.QPointF, held: bool) -> None:
    """Send one mouse event to a position in a widget."""
    button = NO_BUTTON if kind == TYPES.MouseMove else LEFT
    down = LEFT if held else NO_BUTTON
    place = QtCore.QPointF(widget.mapToGlobal(spot))
    keys = QtCore.Qt.KeyboardModifier.NoModifier
    QtWidgets.QApplication.sendEvent(widget, QtGui.QMouseEvent(kind, spot, place, button, down, keys))


def draw(widget: QtWidgets.QWidget, spots: Sequence[QtCore.QPointF]) -> None:
    """Press the left button at the first position and draw through the others, without releasing it."""
    mouse(widget, TYPES.MouseButtonPress, spots[0], True)
    for spot in spots[1:]:
        settle(0.012)  # some take no more moves than 100 a second
        mouse(widget, TYPES.MouseMove, spot, True)


def release(widget: QtWidgets.QWidget, spot: QtCore.QPointF) -> None:
    """Release the button."""
    mouse(widget, TYPES.MouseButtonRelease, spot, False)


def outline(centre: np.ndarray, reach: float, corners: int = 24) -> np.ndarray:
    """(corners, 2) positions on an uneven ring, as drawn by hand."""
    turn = np.linspace(0, 2 * np.pi, corners)
    ring = reach * (1 + 0.1 * np.sin(5 * turn))
    return centre + ring[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def canvas_of(window: QtWidgets.QWidget) -> QtWidgets.QWidget:
    """The widget napari draws the layers on."""
    from qtpy.QtOpenGLWidgets import QOpenGLWidget

    return next(each for each in window.findChildren(QOpenGLWidget) if each.isVisible())

"""The mouse over a plot, as a hand moves it."""

from qtpy import QtCore, QtGui, QtWidgets

LEFT, NO_BUTTON = QtCore.Qt.MouseButton.LeftButton, QtCore.Qt.MouseButton.NoButton
PLAIN = QtCore.Qt.KeyboardModifier.NoModifier


def drag(view, path, qtbot, modifiers=PLAIN, *, release=True):
    """Drag the left button along x, y in data coordinates of a PlotView."""
    types = QtCore.QEvent.Type
    _send(view, types.MouseButtonPress, path[0], (LEFT, LEFT), modifiers)
    for place in path[1:]:
        qtbot.wait(15)  # pyqtgraph takes at most 100 moves per second
        _send(view, types.MouseMove, place, (NO_BUTTON, LEFT), modifiers)
    if release:
        _send(view, types.MouseButtonRelease, path[-1], (LEFT, NO_BUTTON), modifiers)


def _send(view, kind, place, buttons, modifiers):
    port = view.plot.viewport()
    spot = QtCore.QPointF(view.plot.mapFromScene(view.box.mapViewToScene(QtCore.QPointF(*place))))
    event = QtGui.QMouseEvent(kind, spot, QtCore.QPointF(port.mapToGlobal(spot)), *buttons, modifiers)
    QtWidgets.QApplication.sendEvent(port, event)


def click(view, place, modifiers=PLAIN):
    """Click with the left button at x, y in data coordinates."""
    types = QtCore.QEvent.Type
    _send(view, types.MouseButtonPress, place, (LEFT, LEFT), modifiers)
    _send(view, types.MouseButtonRelease, place, (LEFT, NO_BUTTON), modifiers)


def move(view, place, qtbot, modifiers=PLAIN):
    """Point at x, y in data coordinates."""
    for step in (0.1, 0.0):
        _send(view, QtCore.QEvent.Type.MouseMove, (place[0] + step, place[1]), (NO_BUTTON, NO_BUTTON), modifiers)
        qtbot.wait(15)

"""View box and axes of a plot: panning, zooming, drawing and pointing."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from qtpy import QtCore, QtGui, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography.data.polygons import simplify
from local_crystallography.views.selection import How

Tool = Literal["Lasso", "Rectangle", "Click", "Move"]

KEYS = "Shift adds, Alt or Ctrl subtracts, both intersect"
# by whether Shift, and whether Alt or Ctrl is held down
HOW: dict[tuple[bool, bool], How] = {
    (False, False): "replace",
    (True, False): "add",
    (False, True): "subtract",
    (True, True): "intersect",
}
# span in degrees, with suitable tick spacings
DEGREES = ((200, (90, 30)), (100, (45, 15)), (50, (20, 5)))


class PlotBox(pg.ViewBox):  # type: ignore[misc]
    """A view box whose left button follows the tool; positions are x, y in the units of the axes."""

    drawn = QtCore.Signal(object, str)
    """(M, 2) vertices, and how to combine with the selection."""
    clicked = QtCore.Signal(float, float, str)
    pointed = QtCore.Signal(object)
    """(x, y), or None once the pointer has left."""
    double_clicked = QtCore.Signal()

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.tool: Tool = "Lasso"
        self._trail: list[tuple[float, float]] = []
        self._line = QtWidgets.QGraphicsPathItem(self)
        self._line.setZValue(100)

    def set_tool(self, tool: Tool) -> None:
        """Switch to another tool."""
        self.tool = tool
        shapes = QtCore.Qt.CursorShape
        cursors = {"Click": shapes.PointingHandCursor, "Move": shapes.OpenHandCursor}
        self.setCursor(cursors.get(tool, shapes.CrossCursor))

    def set_color(self, color: str) -> None:
        """Set the colour of the line while it is drawn."""
        fill = QtGui.QColor(color)
        fill.setAlpha(30)
        self._line.setPen(pg.mkPen(color, width=1.5))
        self._line.setBrush(fill)

    def drop(self) -> bool:
        """Discard the line being drawn; whether there was one."""
        was_drawing, self._trail = bool(self._trail), []
        self._line.setPath(QtGui.QPainterPath())
        return was_drawing

    def pixel(self) -> tuple[float, float]:
        """Width and height of a pixel in the units of the axes."""
        (x0, x1), (y0, y1) = self.viewRange()
        return (x1 - x0) / max(self.width(), 1), (y1 - y0) / max(self.height(), 1)

    def hoverEvent(self, event: Any) -> None:
        self.pointed.emit(None if event.isExit() else _xy(self.mapToView(event.pos())))

    def mouseClickEvent(self, event: Any) -> None:
        if event.button() != QtCore.Qt.MouseButton.LeftButton:
            return
        if event.double():
            self.double_clicked.emit()
        elif self.tool == "Click":
            self.clicked.emit(*_xy(self.mapToView(event.pos())), how(event.modifiers()))

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:
        draws = axis is None and self.tool in ("Lasso", "Rectangle")
        if not draws or event.button() != QtCore.Qt.MouseButton.LeftButton:
            super().mouseDragEvent(event, axis)
            return
        event.accept()
        if event.isStart():
            self._trail = [_xy(event.buttonDownPos())]
        if not self._trail:
            return
        self._trail.append(_xy(event.pos()))
        outline = _rectangle(self._trail) if self.tool == "Rectangle" else self._trail
        self._line.setPath(_path(outline))
        if event.isFinish():
            # simplified by one screen pixel, before the conversion to the units of the axes
            vertices = [self.mapToView(QtCore.QPointF(*vertex)) for vertex in simplify(outline, 1.0)]
            self.drop()
            self.drawn.emit(np.array([_xy(vertex) for vertex in vertices]), how(event.modifiers()))


class PlotAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis that may be periodic, and is then labelled within half a period of 0."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self.enableAutoSIPrefix(False)  # the columns already have their units
        self.period: float | None = None

    def tickSpacing(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, float]]:
        if self.period is not None:
            for span, (major, minor) in DEGREES:
                if maxVal - minVal > span:
                    return [(major, 0), (minor, 0)]
        return list(super().tickSpacing(minVal, maxVal, size))

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        if self.period is not None:
            half = self.period / 2
            # the seam is labelled as the positive end
            values = [half - (half - value) % self.period for value in values]
        return list(super().tickStrings(values, scale, spacing))


def how(modifiers: Any) -> How:
    """How to combine with the selection, by Qt's modifier keys."""
    keys = QtCore.Qt.KeyboardModifier
    subtracts = keys.AltModifier | keys.ControlModifier
    return HOW[bool(modifiers & keys.ShiftModifier), bool(modifiers & subtracts)]


def how_of(modifiers: Any) -> How:
    """How to combine with the selection, by napari's names of modifier keys."""
    return HOW["Shift" in modifiers, "Alt" in modifiers or "Control" in modifiers]


def _xy(point: Any) -> tuple[float, float]:
    return point.x(), point.y()


def _rectangle(trail: list[tuple[float, float]]) -> list[tuple[float, float]]:
    (x0, y0), (x1, y1) = trail[0], trail[-1]
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]


def _path(trail: list[tuple[float, float]]) -> Any:
    """The closed outline; Qt fills it by the even-odd rule, as the hit test does."""
    path = QtGui.QPainterPath()
    path.addPolygon(QtGui.QPolygonF([QtCore.QPointF(*vertex) for vertex in trail]))
    path.closeSubpath()
    return path

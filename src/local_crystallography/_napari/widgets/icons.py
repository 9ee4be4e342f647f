"""Icons of the tools, drawn in the colour of the text, so that they suit either theme."""

from __future__ import annotations

from collections.abc import Callable

from qtpy import QtCore, QtGui

SIDE, SCALE = 20, 3
Point = QtCore.QPointF


def icon(name: str, color: str, checked: str) -> QtGui.QIcon:
    """The icon of a tool, on a background of the second colour while it is checked."""
    both = QtGui.QIcon()
    both.addPixmap(_pixmap(name, color, ""), state=QtGui.QIcon.State.Off)
    both.addPixmap(_pixmap(name, color, checked), state=QtGui.QIcon.State.On)
    return both


def _pixmap(name: str, color: str, ground: str) -> QtGui.QPixmap:
    pixmap = QtGui.QPixmap(SIDE * SCALE, SIDE * SCALE)
    pixmap.fill(QtCore.Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(pixmap)
    painter.setRenderHint(painter.RenderHint.Antialiasing)
    painter.scale(SCALE, SCALE)
    if ground:
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setBrush(QtGui.QColor(ground))
        painter.drawRoundedRect(QtCore.QRectF(0, 0, SIDE, SIDE), 4, 4)
        painter.setBrush(QtCore.Qt.BrushStyle.NoBrush)
    painter.setPen(QtGui.QPen(QtGui.QColor(color), 1.6))
    painter.translate(1, 1)
    painter.scale((SIDE - 2) / SIDE, (SIDE - 2) / SIDE)
    DRAWN[name](painter, QtGui.QColor(color))
    painter.end()
    return pixmap


def _lasso(painter: QtGui.QPainter, color: QtGui.QColor) -> None:
    path = QtGui.QPainterPath(Point(6, 14))
    path.cubicTo(-2, 6, 8, 1, 12, 2.5)
    path.cubicTo(22, 5, 18, 15, 6, 14)
    path.cubicTo(3, 14, 4, 18, 8, 18)
    painter.drawPath(path)


def _image_lasso(painter: QtGui.QPainter, color: QtGui.QColor) -> None:
    painter.drawRect(QtCore.QRectF(2, 3, 16, 14))
    painter.translate(4.6, 5.2)
    painter.scale(0.54, 0.54)
    _lasso(painter, color)


def _rectangle(painter: QtGui.QPainter, color: QtGui.QColor) -> None:
    pen = painter.pen()
    pen.setDashPattern([2.2, 1.6])
    painter.setPen(pen)
    painter.drawRect(QtCore.QRectF(3, 4, 14, 12))


def _click(painter: QtGui.QPainter, color: QtGui.QColor) -> None:
    arrow = [(5, 2), (5, 15.5), (8.6, 12.4), (11, 17.6), (13, 16.7), (10.7, 11.6), (15, 11.3)]
    painter.drawPolygon(QtGui.QPolygonF([Point(*place) for place in arrow]))


def _move(painter: QtGui.QPainter, color: QtGui.QColor) -> None:
    painter.translate(10, 10)
    for _ in range(4):
        painter.drawLine(Point(0, 0), Point(0, -8))
        painter.drawPolyline(QtGui.QPolygonF([Point(-2.6, -5.4), Point(0, -8), Point(2.6, -5.4)]))
        painter.rotate(90)


def _clear(painter: QtGui.QPainter, color: QtGui.QColor) -> None:
    painter.drawLine(Point(4.5, 4.5), Point(15.5, 15.5))
    painter.drawLine(Point(4.5, 15.5), Point(15.5, 4.5))


def _invert(painter: QtGui.QPainter, color: QtGui.QColor) -> None:
    around = QtCore.QRectF(3, 3, 14, 14)
    painter.drawEllipse(around)
    painter.setBrush(color)
    painter.drawPie(around, 90 * 16, 180 * 16)


def _undo(painter: QtGui.QPainter, color: QtGui.QColor) -> None:
    painter.drawArc(QtCore.QRectF(4, 6, 12, 10), -100 * 16, 230 * 16)
    painter.drawPolyline(QtGui.QPolygonF([Point(8.6, 3.2), Point(5.2, 7.4), Point(10, 9.6)]))


def _redo(painter: QtGui.QPainter, color: QtGui.QColor) -> None:
    painter.translate(SIDE, 0)
    painter.scale(-1, 1)
    _undo(painter, color)


def _export(painter: QtGui.QPainter, color: QtGui.QColor) -> None:
    painter.drawLine(Point(10, 2.5), Point(10, 12))
    painter.drawPolyline(QtGui.QPolygonF([Point(6.4, 8.6), Point(10, 12.2), Point(13.6, 8.6)]))
    painter.drawPolyline(QtGui.QPolygonF([Point(3, 12), Point(3, 17), Point(17, 17), Point(17, 12)]))


DRAWN: dict[str, Callable[[QtGui.QPainter, QtGui.QColor], None]] = {
    "Lasso": _lasso,
    "Lasso on image": _image_lasso,
    "Rectangle": _rectangle,
    "Click": _click,
    "Move": _move,
    "Clear": _clear,
    "Invert": _invert,
    "Undo": _undo,
    "Redo": _redo,
    "Export figure …": _export,
}

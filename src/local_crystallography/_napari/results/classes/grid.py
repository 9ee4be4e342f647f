"""A small table of coloured cells with tooltips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.widgets.theme import theme_of

HEAD, TOP, GAP = 84, 18, 2
"""Largest width of the row heads, height of the column heads, and gap between cells, in points."""
PATCH = 14
"""Width of the colour patch of a class, with the gap beside it."""
LINE, TWO_LINES = 20, 30
WIDEST = 76
FULL = (42, 111, 181)
"""Red, green and blue of a cell whose share is 1."""
LIT = 0.55
"""Cells above this share have white text."""
SIZES = (8, 7, 6)
"""Font sizes in points; the first at which the text fits is used."""


@dataclass(frozen=True)
class Head:
    """Head of a row or column: words, the colour #rrggbb of a class, and a tooltip."""

    words: str
    colour: str = ""
    tip: str = ""


@dataclass(frozen=True)
class Cell:
    """Words, those of a second line, darkness from 0 to 1 (NaN: no colour), and a tooltip."""

    words: str
    below: str = ""
    share: float = float("nan")
    tip: str = ""


Rows = Sequence[Sequence[Cell]]


class ColourGrid(QtWidgets.QWidget):  # type: ignore[misc]
    """Rows and columns with their heads; words that do not fit into a cell are in its tooltip alone."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[Head, ...] = ()
        self.columns: tuple[Head, ...] = ()
        self.cells: tuple[tuple[Cell, ...], ...] = ()
        self._dark = True
        self.setMouseTracking(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)

    def show_cells(self, rows: Sequence[Head], columns: Sequence[Head], cells: Rows) -> None:
        """Show cells, row by row."""
        self.rows, self.columns, self.cells = tuple(rows), tuple(columns), tuple(map(tuple, cells))
        self.updateGeometry()
        self.update()

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        self._dark = dark
        self.update()

    def sizeHint(self) -> QtCore.QSize:
        """As high as its rows."""
        return QtCore.QSize(260, TOP + len(self.rows) * (self._line + GAP))

    def minimumSizeHint(self) -> QtCore.QSize:
        """Independent of the number of columns, which share the width of the dock."""
        return QtCore.QSize(round(self._head) + WIDEST, self.sizeHint().height())

    def tip_at(self, x: float, y: float) -> str:
        """Tooltip at a position, in points."""
        row = int((y - TOP) // (self._line + GAP)) if y >= TOP else -1
        column = int((x - self._head) // self._step) if x >= self._head else -1
        if row >= len(self.rows) or column >= len(self.columns):
            return ""
        if row < 0:
            return self.columns[column].tip if column >= 0 else ""
        return self.cells[row][column].tip if column >= 0 else self.rows[row].tip

    def place_of(self, row: int, column: int) -> QtCore.QRectF:
        """Rectangle of a cell; row -1 are the heads of the columns, column -1 those of the rows."""
        y, height = (0.0, TOP - GAP) if row < 0 else (TOP + row * (self._line + GAP), self._line)
        x, width = (0.0, self._head - 2 * GAP) if column < 0 else (self._head + column * self._step, self._step - GAP)
        return QtCore.QRectF(x, y, width, height)

    def event(self, event: Any) -> bool:
        """Show the tooltip of a cell."""
        if event.type() == QtCore.QEvent.Type.ToolTip:
            tip = self.tip_at(event.pos().x(), event.pos().y())
            QtWidgets.QToolTip.showText(event.globalPos(), tip and f"<qt>{tip}</qt>", self)
            return True
        return bool(super().event(event))

    def paintEvent(self, event: Any) -> None:
        painter = QtGui.QPainter(self)
        painter.setRenderHint(painter.RenderHint.Antialiasing)
        for j, head in enumerate(self.columns):
            self._draw_head(painter, self.place_of(-1, j), head, middle=True)
        for i, head in enumerate(self.rows):
            self._draw_head(painter, self.place_of(i, -1), head, middle=False)
            for j, cell in enumerate(self.cells[i]):
                self._draw_cell(painter, self.place_of(i, j), cell)
        painter.end()

    @property
    def _line(self) -> int:
        return TWO_LINES if any(cell.below for row in self.cells for cell in row) else LINE

    @property
    def _head(self) -> float:
        """Width of the row heads: as much as they need."""
        letters = QtGui.QFontMetrics(self._font_of(SIZES[0]))
        needed = [letters.horizontalAdvance(head.words) + (PATCH if head.colour else 0) for head in self.rows]
        return float(min(HEAD, max(needed, default=0) + 3 * GAP))

    @property
    def _step(self) -> float:
        return float(min(WIDEST, (self.width() - self._head) / max(len(self.columns), 1)))

    def _draw_head(self, painter: Any, place: QtCore.QRectF, head: Head, *, middle: bool) -> None:
        """A patch of colour and the words: cut to fit in a row, all of them or none in a column."""
        flags, room = QtCore.Qt.AlignmentFlag, place.width() + (GAP if middle else 0)
        patch = PATCH if head.colour else 0
        fits = self._fit(painter, head.words, room - patch)
        width = painter.fontMetrics().horizontalAdvance(head.words) + patch if fits else patch
        left = place.left() + (max(0.0, (room - max(width, 10)) / 2) if middle else 0)
        if head.colour:
            painter.fillRect(QtCore.QRectF(left, place.center().y() - 5, 10, 10), QtGui.QColor(head.colour))
        if fits or not middle:
            mode, metrics = QtCore.Qt.TextElideMode.ElideRight, painter.fontMetrics()
            words = head.words if fits else metrics.elidedText(head.words, mode, int(room - patch))
            beside = QtCore.QRectF(left + patch, place.top(), room, place.height())
            painter.setPen(QtGui.QColor(theme_of(self._dark).text))
            painter.drawText(beside, flags.AlignLeft | flags.AlignVCenter, words)

    def _draw_cell(self, painter: Any, place: QtCore.QRectF, cell: Cell) -> None:
        theme, ink = theme_of(self._dark), theme_of(self._dark).text
        if np.isfinite(cell.share):
            share = float(np.clip(cell.share, 0, 1))
            painter.fillRect(place, _mixed(theme.window, share))
            ink = "#ffffff" if share > LIT else theme.text
        lines = [cell.words, cell.below] if cell.below else [cell.words]
        painter.setPen(QtGui.QColor(ink))
        for number, words in enumerate(lines):
            if self._fit(painter, words, place.width(), *SIZES[number:]):
                height = place.height() / len(lines)
                part = QtCore.QRectF(place.left(), place.top() + number * height, place.width(), height)
                painter.drawText(part, QtCore.Qt.AlignmentFlag.AlignCenter, words)

    def _fit(self, painter: Any, words: str, room: float, *sizes: int) -> bool:
        """Set the largest font in which words fit; False if none does."""
        for size in sizes or SIZES:
            painter.setFont(self._font_of(size))
            if painter.fontMetrics().horizontalAdvance(words) <= room:
                return True
        return False

    def _font_of(self, size: int) -> QtGui.QFont:
        font = QtGui.QFont(self.font())
        font.setPointSize(size)
        return font


def _mixed(ground: str, share: float) -> QtGui.QColor:
    """A colour between the background and the full one."""
    start = np.array(QtGui.QColor(ground).getRgb()[:3])
    return QtGui.QColor(*np.rint(start + share * (np.array(FULL) - start)).astype(int).tolist())

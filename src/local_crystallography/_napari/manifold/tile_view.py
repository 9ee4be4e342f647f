"""The decoded grid with the atoms on it; tiles can be pointed at and clicked."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtGui, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.explorer.plot_box import PlotBox, how
from local_crystallography._napari.widgets.theme import theme_of
from local_crystallography.views import raster
from local_crystallography.views.greys import Colors
from local_crystallography.views.manifold import Floats, Grid, tick_words

FRAME_MS = 16
MOST_TICKS = 7
MARK = "#ffae00"
SMALLEST, USUAL = 80, 318
BESIDE, BELOW = 56, 44
"""Room for the axes, in points."""

KEYS = QtCore.Qt.Key
STEPS = {KEYS.Key_Up: (-1, 0), KEYS.Key_Down: (1, 0), KEYS.Key_Left: (0, -1), KEYS.Key_Right: (0, 1)}
"""Rows down and columns to the right of the arrow keys."""
ENTER = (KEYS.Key_Return, KEYS.Key_Enter, KEYS.Key_Space)


class TileView(pg.PlotWidget):  # type: ignore[misc]
    """A picture of tiles with axes of their latents, and atoms as dots on it; `tile` is pointed at, -1 for none."""

    chosen = QtCore.Signal(int, str)
    """Number of a tile, and how to combine."""
    pointed = QtCore.Signal(int)
    """Number of the tile under the pointer, -1 for none."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        self.box = PlotBox()
        super().__init__(parent, viewBox=self.box)
        self.grid: Grid | None = None
        self.tile = -1
        self._places: Floats = np.empty((0, 2))
        self._colors = np.empty((0, 4), np.uint8)
        self._mask = np.empty(0, bool)
        self._picture, self._dots = (pg.ImageItem(axisOrder="row-major") for _ in range(2))
        self._mark = QtWidgets.QGraphicsRectItem()
        self._timer = QtCore.QTimer(self, singleShot=True, interval=FRAME_MS)
        self._timer.timeout.connect(self._draw_dots)
        self._lay_out()
        self.box.clicked.connect(self._on_clicked)
        self.box.pointed.connect(self._on_pointed)
        self.box.sigResized.connect(self._on_resized)
        self.set_theme(dark=True)

    def show_tiles(self, grid: Grid, picture: Colors, names: tuple[str, ...]) -> None:
        """Show the (h, w, 4) picture of all tiles; names of the latents along the axes."""
        self.grid = grid
        rows, columns = grid.shape
        self._picture.setImage(picture, autoLevels=False, rect=(-0.5, -0.5, columns, rows))
        self.box.setRange(xRange=(-0.5, columns - 0.5), yRange=(-0.5, rows - 0.5), padding=0.01)
        words = [(k, tick_words(tick, 1)) for k, tick in enumerate(grid.ticks)]
        some = words[:: -(-columns // MOST_TICKS)]
        self.getAxis("bottom").setTicks([some])
        self.getAxis("left").setTicks([[(rows - 1 - k, word) for k, word in some] if rows > 1 else []])
        self.setLabels(bottom=names[0], left=names[1] if rows > 1 else "")
        self._point_at(-1)
        self._fit()
        self._draw_soon()

    def show_atoms(self, places: Floats, colors: Colors, mask: npt.NDArray[np.bool_]) -> None:
        """Show (N, 2) places, column and row in tiles, as dots; those of the mask stand out."""
        self._places, self._colors, self._mask = places, colors, mask
        self._draw_soon()

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        theme = theme_of(dark)
        self.setBackground(theme.window)
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(None)
            self.getAxis(side).setTextPen(theme.text)

    def sizeHint(self) -> QtCore.QSize:
        """As large as the dock is wide."""
        return QtCore.QSize(USUAL, USUAL - BESIDE + BELOW)

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self._draw_soon()

    def keyPressEvent(self, event: Any) -> None:
        key = event.key()
        if self.grid is None or key not in (*STEPS, *ENTER):
            super().keyPressEvent(event)
        elif key in ENTER:
            if self.tile >= 0:
                self.chosen.emit(self.tile, how(event.modifiers()))
        else:
            rows, columns = self.grid.shape
            row, column = divmod(max(self.tile, 0), columns)
            down, right = STEPS[key]
            self._go(min(max(row + down, 0), rows - 1) * columns + min(max(column + right, 0), columns - 1))

    def _lay_out(self) -> None:
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.box.set_tool("Click")
        self.box.setMouseEnabled(x=False, y=False)
        self.box.setAspectLocked(True)
        self.box.invertY(True)
        self.hideButtons()
        self.setMinimumHeight(SMALLEST)
        for item in (self._picture, self._dots):
            self.addItem(item, ignoreBounds=True)
        pen = QtGui.QPen(QtGui.QColor(MARK), 2)
        pen.setCosmetic(True)
        self._mark.setPen(pen)
        self._mark.hide()
        self.box.addItem(self._mark, ignoreBounds=True)
        for side in ("left", "bottom"):
            self.getAxis(side).setStyle(tickLength=0)
        self.getPlotItem().setContentsMargins(0, 4, 6, 0)

    def _fit(self) -> None:
        """No higher than the picture, so that its axis lies right below it."""
        rows, columns = (1, 1) if self.grid is None else self.grid.shape
        self.setMaximumHeight(max(self.minimumHeight(), round((self.width() - BESIDE) * rows / columns) + BELOW))

    def _tile_at(self, place: tuple[float, float] | None) -> int:
        if self.grid is None or place is None:
            return -1
        (column, row), (rows, columns) = np.rint(place).astype(int), self.grid.shape
        return int(row * columns + column) if 0 <= row < rows and 0 <= column < columns else -1

    def _on_clicked(self, x: float, y: float, way: str) -> None:
        if (tile := self._tile_at((x, y))) >= 0:
            self.chosen.emit(tile, way)

    def _on_pointed(self, place: tuple[float, float] | None) -> None:
        if (tile := self._tile_at(place)) != self.tile:
            self._go(tile)

    def _go(self, tile: int) -> None:
        self._point_at(tile)
        self.pointed.emit(tile)

    def _on_resized(self) -> None:
        self._fit()
        self._draw_soon()

    def _point_at(self, tile: int) -> None:
        self.tile = tile
        self._mark.setVisible(tile >= 0)
        if self.grid is not None and tile >= 0:
            row, column = divmod(tile, self.grid.n)
            self._mark.setRect(column - 0.5, row - 0.5, 1, 1)

    def _draw_soon(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _draw_dots(self) -> None:
        if not self.isVisible() or self.grid is None:
            return
        rows, columns = self.grid.shape
        ratio, (width, height) = self.devicePixelRatioF(), self.box.viewPixelSize()
        size = max(1, round(rows / height * ratio)), max(1, round(columns / width * ratio))
        radius = max(1, round((raster.radius_for(len(self._places)) - 1) * ratio))
        mask = self._mask if len(self._mask) == len(self._places) else np.zeros(len(self._places), bool)
        ink, view = raster.dim(self._colors, mask), (-0.5, columns - 0.5, -0.5, rows - 0.5)
        dots = raster.rasterise(self._places, ink, view=view, size=size, radius=radius, on_top=mask)
        self._dots.setImage(dots, autoLevels=False, rect=(-0.5, -0.5, columns, rows))

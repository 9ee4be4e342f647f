"""The grid of decoded tiles with the atoms on it, and the controls above it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtGui, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.explorer.plot_box import PlotBox, how
from local_crystallography._napari.widgets.boxes import offer
from local_crystallography._napari.widgets.help import LookLine
from local_crystallography._napari.widgets.panels import KEYS
from local_crystallography._napari.widgets.plots import ThemedPlot
from local_crystallography.studies.gallery import Gallery, mosaic_of
from local_crystallography.views import raster
from local_crystallography.views.greys import Colors, grey
from local_crystallography.views.looking import PANELS
from local_crystallography.views.manifold import Floats, Grid, labels_of, tick_words
from local_crystallography.views.styles import ClassStyles

COLUMN = "label"
FEWEST, MOST, FIRST = 5, 15, 9
"""Tiles along an axis."""
ARROWS = "→↑"
TIPS = {
    "right": "Latent that increases to the right",
    "up": "Latent that increases upwards",
    "channel": "Channel shown, where the network sees several images",
    "tiles": "Decoded images along each axis, from the 5 % to the 95 % quantile of the prior; the other latents are at "
    "the median of all atoms",
    "atoms": "Show every atom as a dot in the colour of its class, in the tile with the nearest latents",
    "save": "Save the grid as a figure: PNG, PDF or SVG",
    "grid": "Click a tile, or go there with the arrow keys and press Enter: select the atoms whose latents are nearest "
    f"to it ({KEYS}). Atoms beyond the outermost tiles are shown in these.",
}
FRAME_MS = 16
MOST_TICKS = 7
MARK = "#ffae00"
SMALLEST, USUAL = 80, 318
BESIDE, BELOW = 56, 44
"""Room for the axes, in points."""

KEY = QtCore.Qt.Key
STEPS = {KEY.Key_Up: (-1, 0), KEY.Key_Down: (1, 0), KEY.Key_Left: (0, -1), KEY.Key_Right: (0, 1)}
"""Rows down and columns to the right, by arrow key."""
ENTER = (KEY.Key_Return, KEY.Key_Enter, KEY.Key_Space)


class TilePanel(QtWidgets.QWidget):  # type: ignore[misc]
    """The tiles of a gallery with its atoms, and the choice of axes, channel and number."""

    changed = QtCore.Signal()
    """Other tiles are requested."""
    chosen = QtCore.Signal(int, str)
    """Index of a tile, and how to combine."""
    pointed = QtCore.Signal(int)
    """Index of the tile under the pointer, -1 for none."""

    def __init__(self) -> None:
        super().__init__()
        self.axes = {role: QtWidgets.QComboBox() for role in ("right", "up")}
        self.channel = QtWidgets.QComboBox()
        self.tiles = QtWidgets.QSpinBox()
        self.atoms = QtWidgets.QCheckBox("atoms")
        self.save = QtWidgets.QPushButton("Save …")
        self.view, self.status = TileView(), QtWidgets.QLabel()
        self._gallery: Gallery | None = None
        self._lay_out()
        self._connect()

    def offer(self, latents: int, channels: int) -> None:
        """Offer latents and channels to choose from; the choice stays where it can."""
        for place, combo in enumerate(self.axes.values()):
            offer(combo, [f"{ARROWS[place]} z{i}" for i in range(latents)], place)
            combo.setVisible(latents > 2)
        offer(self.channel, [f"image {i + 1}" for i in range(channels)])
        self.channel.setVisible(channels > 1)

    def grid(self, rest: tuple[float, ...]) -> Grid:
        """The grid as chosen; latents that are not its axes are as in (d,) `rest`."""
        right, up = (combo.currentIndex() for combo in self.axes.values())
        axes = (right,) if len(rest) == 1 or right == up else (right, up)
        return Grid(self.tiles.value(), axes, rest)

    def show_gallery(self, gallery: Gallery) -> None:
        """Show other tiles."""
        self._gallery = gallery
        grid = gallery.asked.grid
        self.view.show_tiles(grid, grey(mosaic_of(gallery.tiles), gallery.limits), names_of(grid))

    def show_atoms(self, styles: ClassStyles, mask: npt.NDArray[np.bool_]) -> None:
        """Show the atoms in the colours of their classes, those of the mask on top."""
        if self._gallery is None:
            return
        places, labels = self._gallery.places, labels_of(self._gallery.asked.atoms)
        if not self.atoms.isChecked() or not len(places):
            self.view.show_atoms(places[:0], np.empty((0, 4), np.uint8), np.empty(0, bool))
        else:
            colors = styles.colours(COLUMN, np.zeros(len(places)) if labels is None else labels)
            self.view.show_atoms(places, colors, mask)

    def say(self, tile: int, mask: npt.NDArray[np.bool_]) -> None:
        """How many atoms are in a tile, and how many of those in the mask; in all for -1."""
        if self._gallery is None:
            return
        grid, tile_of = self._gallery.asked.grid, self._gallery.tile_of
        if tile < 0:
            rows, columns = grid.shape
            self.status.setText(f"{int((tile_of >= 0).sum()):,} atoms in {rows} × {columns} tiles")
            return
        place = ", ".join(f"{name} {value:.2f}" for name, value in place_of(grid, tile).items())
        inside = tile_of == tile
        both = int((inside & mask).sum()) if len(mask) == len(inside) else 0
        selected = f", {both:,} selected" if both else ""
        self.status.setText(f"{place.replace('-', MINUS)} · {int(inside.sum()):,} atoms{selected}")

    def _lay_out(self) -> None:
        self.tiles.setRange(FEWEST, MOST)
        self.tiles.setValue(FIRST)
        self.tiles.setSuffix(" tiles")
        self.atoms.setChecked(True)
        controls: dict[str, Any] = {**self.axes, "channel": self.channel, "tiles": self.tiles, "atoms": self.atoms}
        for name, widget in {**controls, "save": self.save, "grid": self.view}.items():
            widget.setToolTip(f"<qt>{TIPS[name]}</qt>")
            widget.setAccessibleName(name)
        top, choices = QtWidgets.QHBoxLayout(), QtWidgets.QHBoxLayout()
        for widget in (self.tiles, self.atoms, self.save):
            top.addWidget(widget)
        top.insertStretch(2)
        for widget in (*self.axes.values(), self.channel):
            # short entries, and hidden where there is nothing to choose
            widget.setSizeAdjustPolicy(widget.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            widget.setMinimumContentsLength(3)
            widget.hide()
            choices.addWidget(widget, stretch=1)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addLayout(choices)
        layout.addWidget(self.view)
        layout.addWidget(LookLine(PANELS["manifold"], self.view))
        layout.addWidget(self.status)
        layout.addStretch(1)

    def _connect(self) -> None:
        for combo in (*self.axes.values(), self.channel):
            combo.activated.connect(lambda _: self.changed.emit())
        self.tiles.valueChanged.connect(lambda _: self.changed.emit())
        self.view.chosen.connect(self.chosen)
        self.view.pointed.connect(self.pointed)


MINUS = "\N{MINUS SIGN}"


def names_of(grid: Grid) -> tuple[str, ...]:
    """Names of the latents along the axes."""
    return tuple(f"z{axis}" for axis in grid.axes)


def place_of(grid: Grid, tile: int) -> dict[str, float]:
    """Latents of a tile along the axes, by name."""
    z = grid.latents.reshape(-1, len(grid.rest))[tile]
    return {f"z{axis}": float(z[axis]) for axis in grid.axes}


class TileView(ThemedPlot):
    """A picture of tiles with axes of their latents and atoms as dots; `tile` is pointed at, -1 for none."""

    chosen = QtCore.Signal(int, str)
    """Index of a tile, and how to combine."""
    pointed = QtCore.Signal(int)
    """Index of the tile under the pointer, -1 for none."""

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
        """Show the (h, w, 4) picture of all tiles, with the names of the latents along the axes."""
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
        """Show (N, 2) positions, column and row in tiles, as dots; those of the mask stand out."""
        self._places, self._colors, self._mask = places, colors, mask
        self._draw_soon()

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        super().set_theme(dark)
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(None)
            self.getAxis(side).setTextPen(self.theme.text)

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
        """Be no higher than the picture, so that its axis lies directly below it."""
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

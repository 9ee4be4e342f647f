"""The grid of decoded tiles with what can be chosen about it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.manifold.tile_view import TileView
from local_crystallography.studies.gallery import Gallery, mosaic_of
from local_crystallography.views.greys import grey
from local_crystallography.views.manifold import Grid, labels_of
from local_crystallography.views.styles import ClassStyles

COLUMN = "label"
FEWEST, MOST, FIRST = 5, 15, 9
"""Tiles along an axis."""
ARROWS = "→↑"
TIPS = {
    "right": "The latent that grows to the right",
    "up": "The latent that grows upwards",
    "channel": "Which of the images is shown, where the network sees several",
    "tiles": "Decoded images along each axis, over the quantiles 5 % to 95 % of the prior; latents that are not axes "
    "are at the median of all atoms",
    "atoms": "Show every atom as a dot, coloured by class, in the tile whose latents are nearest",
    "save": "Save the grid as a figure: PNG, PDF or SVG",
    "grid": "Click a tile, or go there with the arrow keys and press Enter: select the atoms whose latents are nearest "
    "to it (Shift adds, Alt or Ctrl subtracts, both intersect). "
    "Atoms beyond the outermost tiles are pressed into these.",
}


class TilePanel(QtWidgets.QWidget):  # type: ignore[misc]
    """Shows the tiles of a gallery with its atoms."""

    changed = QtCore.Signal()
    """Other tiles are wanted."""
    chosen = QtCore.Signal(int, str)
    """Number of a tile, and how to combine."""
    pointed = QtCore.Signal(int)
    """Number of the tile under the pointer, -1 for none."""

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
        """Let there be chosen between so many; what is chosen stays where it can."""
        for place, combo in enumerate(self.axes.values()):
            _offer(combo, [f"{ARROWS[place]} z{i}" for i in range(latents)], place)
            combo.setVisible(latents > 2)
        _offer(self.channel, [f"image {i + 1}" for i in range(channels)], 0)
        self.channel.setVisible(channels > 1)

    def grid(self, rest: tuple[float, ...]) -> Grid:
        """The grid as chosen; the latents that are not its axes are as in (d,) `rest`."""
        right, up = (combo.currentIndex() for combo in self.axes.values())
        axes = (right,) if len(rest) == 1 or right == up else (right, up)
        return Grid(self.tiles.value(), axes, rest)

    def show_gallery(self, gallery: Gallery) -> None:
        """Show other tiles."""
        self._gallery = gallery
        grid = gallery.asked.grid
        self.view.show_tiles(grid, grey(mosaic_of(gallery.tiles), gallery.limits), names_of(grid))

    def show_atoms(self, styles: ClassStyles, mask: npt.NDArray[np.bool_]) -> None:
        """Show the atoms in the colours of their classes, those of the mask before the others."""
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
            # a few letters are all there is in it, and what is seldom needed takes no room
            widget.setSizeAdjustPolicy(widget.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            widget.setMinimumContentsLength(3)
            widget.hide()
            choices.addWidget(widget, stretch=1)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addLayout(choices)
        layout.addWidget(self.view)
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


def _offer(combo: QtWidgets.QComboBox, names: list[str], place: int) -> None:
    """Fill a combo where its names are others, with the one at a place chosen."""
    if [combo.itemText(i) for i in range(combo.count())] != names:
        combo.clear()
        combo.addItems(names)
        combo.setCurrentIndex(min(place, len(names) - 1))

"""The classes in pictures: what they look like, and what varies within them."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.explorer.plot_box import how
from local_crystallography._napari.manifold.tile_panel import COLUMN
from local_crystallography._napari.widgets.pictures import pixmap, swatch
from local_crystallography.studies.gallery import Gallery, Tableaux, mosaic_of
from local_crystallography.views import raster
from local_crystallography.views.greys import Colors, grey
from local_crystallography.views.styles import ClassStyles

SIDE = 72
STRIP, GAP = 0.05, 0.03
"""Width of the strip of a colour and of what is between pictures, over their height."""
TABLEAU = 132
CLASS_CLICK = "Click: select this class (Shift adds, Alt or Ctrl subtracts, both intersect)."
CLASS_TIP = (
    "Left: mean of the sub-images as they were cut. Right: what the network decodes at the mean of the latents. "
)
CLASS_TIP += CLASS_CLICK
WITHIN_TIP = (
    "Left: decoded by the network that is told the classes; z0 grows to the right, z1 upwards. Right: the same "
)
WITHIN_TIP += "less the average of the nine, red above and blue below it. What is at one place differs by class alone."
NO_CLASSES = "Cluster first: there are no classes yet."
NO_TABLEAUX = "Train a conditional network first (Train cVAE): it tells what varies within the classes."


class Column(QtWidgets.QScrollArea):  # type: ignore[misc]
    """Widgets one below the other, or grey words where there are none."""

    def __init__(self, words: str) -> None:
        super().__init__(widgetResizable=True)
        self.setFrameShape(self.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.words = words
        self.fill([])

    def fill(self, widgets: list[QtWidgets.QWidget]) -> None:
        """Take the place of what was there."""
        inner = QtWidgets.QWidget()
        layout = QtWidgets.QVBoxLayout(inner)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        for widget in widgets or [_words(self.words)]:
            layout.addWidget(widget)
        layout.addStretch(1)
        self.setWidget(inner)


class ClassList(Column):
    """Mean sub-image, decoded image, name, count and share of every class (Figs. 5e and 8c to 8e)."""

    chosen = QtCore.Signal(int, str)
    """Number of a class, and how to combine."""

    def __init__(self) -> None:
        super().__init__(NO_CLASSES)
        self.buttons: dict[int, QtWidgets.QToolButton] = {}

    def show_gallery(self, gallery: Gallery | None, styles: ClassStyles) -> None:
        """Show the classes of a gallery, with their names and colours."""
        self.buttons = {}
        if gallery is not None:
            for each, centroid in zip(gallery.classes, gallery.centroids, strict=True):
                name, colour = styles.name(COLUMN, each.number), styles.colour(COLUMN, each.number)
                picture = side_by_side(colour, grey(each.mean, gallery.limits), grey(centroid, gallery.limits))
                atoms = f"{each.count:,} atoms" if each.count != 1 else "1 atom"
                button = picture_button(picture, f"{name}\n{atoms}\n{100 * each.share:.1f} %")
                button.clicked.connect(lambda _, number=each.number: self._on_clicked(number))
                self.buttons[each.number] = button
        self.fill(list(self.buttons.values()))

    def _on_clicked(self, number: int) -> None:
        self.chosen.emit(number, how(QtWidgets.QApplication.keyboardModifiers()))


class TableauList(Column):
    """What varies within every class, as decoded and less its average (Fig. 6)."""

    def __init__(self) -> None:
        super().__init__(NO_TABLEAUX)

    def show_gallery(self, gallery: Gallery | None, styles: ClassStyles) -> None:
        """Show the tableaux of a gallery, with names and colours of the classes."""
        tableaux = None if gallery is None else gallery.tableaux
        if gallery is None or tableaux is None:
            self.fill([])
            return
        about = f"Left: decoded. Right: less the average, blue {-tableaux.reach:.2g} to red {tableaux.reach:.2g}."
        rows = [_words(about.replace("-", "\N{MINUS SIGN}"))]
        for place, number in enumerate(tableaux.classes):
            name, colour = styles.name(COLUMN, number), styles.colour(COLUMN, number)
            pair = grey(mosaic_of(tableaux.shown[place]), gallery.limits), _signed(tableaux, place)
            rows += [QtWidgets.QLabel(f"{swatch(colour)} {name}"), _pair(*pair)]
        self.fill(rows)


def _words(words: str) -> QtWidgets.QLabel:
    return QtWidgets.QLabel(f'<span style="color: gray">{words}</span>', wordWrap=True)


def picture_button(picture: Colors, words: str, tip: str = CLASS_TIP, high: int = SIDE) -> QtWidgets.QToolButton:
    """A button as wide as there is room, with a picture so many points high and words beside it."""
    button = QtWidgets.QToolButton()
    height, width, _ = picture.shape
    side = round(high * width / height)
    button.setIcon(QtGui.QIcon(pixmap(picture, side, button.devicePixelRatioF())))
    button.setIconSize(QtCore.QSize(side, high))
    button.setText(words)
    button.setToolTip(f"<qt>{tip}</qt>")
    button.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
    button.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
    return button


def _pair(left: Colors, right: Colors) -> QtWidgets.QWidget:
    both = QtWidgets.QWidget()
    both.setToolTip(f"<qt>{WITHIN_TIP}</qt>")
    layout = QtWidgets.QHBoxLayout(both)
    layout.setContentsMargins(0, 0, 0, 4)
    for picture in (left, right):
        label = QtWidgets.QLabel()
        label.setPixmap(pixmap(picture, TABLEAU, both.devicePixelRatioF()))
        layout.addWidget(label)
    layout.addStretch(1)
    return both


def side_by_side(colour: str | None, *pictures: Colors) -> Colors:
    """Pictures of one height beside a strip of a colour #rrggbb, or of nothing."""
    height = len(pictures[0])
    strip, gap = (np.zeros((height, max(1, round(share * height)), 4), np.uint8) for share in (STRIP, GAP))
    if colour is not None:
        strip[:] = (*bytes.fromhex(colour[1:]), 255)
    parts: list[Any] = [strip]
    for picture in pictures:
        parts += [gap, picture]
    return np.concatenate(parts, axis=1)


def _signed(tableaux: Tableaux, place: int) -> Colors:
    """The differences within a class from blue to red, transparent where unknown."""
    from napari.utils.colormaps import ensure_colormap

    values = mosaic_of(tableaux.less[place])
    table = ensure_colormap(raster.DIVERGING).map(np.linspace(0, 1, 64))
    colors = raster.colors_of(values.ravel(), table, (-tableaux.reach, tableaux.reach)).reshape(*values.shape, 4)
    colors[..., 3] = np.where(np.isfinite(values), 255, 0)
    return colors

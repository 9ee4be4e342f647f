"""The manifold dock: decoded images over the latents with the atoms on them, and pictures of the classes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.manifold.tiles import COLUMN, TilePanel, names_of, place_of
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.help import HelpButton
from local_crystallography._napari.widgets.panels import KEYS, ResultPanel, keys_held
from local_crystallography._napari.widgets.pictures import (
    PictureButton,
    atoms_words,
    faint,
    picture_button,
    pixmap,
    range_words,
    side_by_side,
    swatch,
)
from local_crystallography._napari.widgets.theme import paint
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.report.paper_style import PaperStyle
from local_crystallography.studies.gallery import Asked, Gallery, Tableaux, gallery, mosaic_of
from local_crystallography.views import raster
from local_crystallography.views.greys import Colors, grey
from local_crystallography.views.manifold import labels_of, latents_of, medians
from local_crystallography.views.selection import How
from local_crystallography.views.styles import ClassStyles

NO_NETWORK = "Train a network first: the manifold is what it decodes."
NO_CLASSES = "Cluster first: there are no classes yet."
NO_TABLEAUX = "Train a conditional network first (Train cVAE): it shows what varies within the classes."
CLASS_TIP = (
    "Left: mean of the sub-images. Right: what the network decodes at the mean of the latents. Click: select this "
    f"class ({KEYS})."
)
WITHIN_TIP = (
    "Left: decoded by the network that is given the classes; z0 increases to the right, z1 upwards. Right: the same "
    "minus the average of the nine, red above and blue below it. Pictures at the same position differ by class alone."
)
SIDE, TABLEAU = 72, 132
"""Height of the pictures of a class, and side of a tableau, in points."""


class ManifoldDock(ResultPanel):
    """What the network of the active image decodes."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(controller, parent)
        self.panel, self.classes, self.within = TilePanel(), ClassList(), TableauList()
        self.scale, self.tabs = QtWidgets.QLabel(wordWrap=True), QtWidgets.QTabWidget()
        self.split = QtWidgets.QSplitter(QtCore.Qt.Orientation.Vertical)
        self._lay_out()
        self._connect()

    @property
    def gallery(self) -> Gallery | None:
        """The pictures shown."""
        return cast(Gallery | None, self.result)

    def sizeHint(self) -> QtCore.QSize:
        """As narrow as the main dock."""
        return QtCore.QSize(330, 700)

    def request(self, analysis: Analysis | None) -> Asked | str:
        """The pictures of the network, as chosen with the controls."""
        vae = None if analysis is None else analysis.vae
        self.split.setVisible(vae is not None)
        if vae is None or analysis is None:
            return NO_NETWORK
        self.say("")
        self.panel.offer(vae.settings.latents, vae.settings.channels)
        grid = self.panel.grid(self._rest(analysis.atoms, vae.settings.latents))
        channel = self.panel.channel.currentIndex()
        return Asked(vae, analysis.cvae, analysis.sub_images, analysis.atoms, grid, channel)

    @staticmethod
    def compute(request: Asked, earlier: Gallery | None) -> Gallery:
        """Decode what is new."""
        return gallery(request, earlier)

    def show_result(self, result: Gallery) -> None:
        """Show tiles and classes."""
        self.panel.show_gallery(result)
        self.scale.setText(f"All grey pictures: {range_words(result.limits)}.")
        self._show_classes()

    def restyle(self, column: str) -> None:
        """Show other names and colours of the classes."""
        if column == COLUMN and self.isVisible():
            self._show_classes()

    def select_tile(self, tile: int, how: How = "replace") -> None:
        """Select the atoms whose latents are nearest to a tile."""
        if self.gallery is not None:
            self.select_atoms(self.gallery.tile_of == tile, how)

    def select_class(self, number: int, how: How = "replace") -> None:
        """Select the atoms of a class."""
        if self.gallery is not None and (labels := labels_of(self.gallery.asked.atoms)) is not None:
            self.select_atoms(labels == number, how)

    def save_figure(self, path: Path, style: PaperStyle) -> None:
        """Write the grid in the format of the suffix, at the width of a style."""
        from local_crystallography.report.manifold import save_manifold

        if (shown := self.gallery) is not None:
            grid = shown.asked.grid
            what: dict[str, Any] = {"tiles": shown.tiles, "ticks": grid.ticks, "names": names_of(grid)}
            self.save_file(path, partial(save_manifold, limits=shown.limits, style=style, **what))

    def show_status(self, words: str) -> None:
        """Say how saving went."""
        self.panel.status.setText(words)

    def show_problem(self, problem: str) -> None:
        """Say why saving failed."""
        self.show_status(problem)

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        paint(self, dark)
        super().set_theme(dark)

    def leave(self) -> None:
        """Stop following anything that outlives the dock."""
        super().leave()
        self.controller.selection.changed.disconnect(self._on_selection_changed, missing_ok=True)

    def _lay_out(self) -> None:
        # as high as can be, or napari would put empty room below
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Expanding)
        self.tabs.addTab(self.classes, "Classes")
        self.tabs.addTab(self.within, "Within classes")
        self.tabs.setCornerWidget(HelpButton("Manifold"))
        lower = QtWidgets.QWidget()
        below = QtWidgets.QVBoxLayout(lower)
        below.setContentsMargins(0, 0, 0, 0)
        below.addWidget(self.tabs, stretch=1)
        below.addWidget(self.scale)
        for place, (widget, share) in enumerate(((self.panel, 0), (lower, 1))):
            self.split.addWidget(widget)
            self.split.setStretchFactor(place, share)
            self.split.setCollapsible(place, False)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addWidget(self.message, alignment=QtCore.Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.split, stretch=1)

    def _connect(self) -> None:
        self.panel.changed.connect(self.refresh)
        self.panel.atoms.toggled.connect(lambda _: self._show_atoms())
        self.panel.chosen.connect(self.select_tile)
        self.panel.pointed.connect(self._on_pointed)
        self.panel.save.clicked.connect(lambda _: self.ask_paper("manifold.pdf", self.save_figure))
        self.classes.chosen.connect(self.select_class)
        escape = QtGui.QShortcut(QtGui.QKeySequence("Esc"), self)
        escape.setContext(QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut)
        escape.activated.connect(lambda: self.controller.selection.clear(self))
        self.controller.changed.connect(self.refresh)
        self.controller.selection.changed.connect(self._on_selection_changed)

    def _rest(self, atoms: Atoms | None, d: int) -> tuple[float, ...]:
        """(d,) values of the latents that may not be axes; they stay for the same atoms."""
        before = self.requested
        if before is not None and before.atoms is atoms and len(before.grid.rest) == d:
            return cast(tuple[float, ...], before.grid.rest)
        return medians(latents_of(atoms, d), d) if d > 2 else (0.0,) * d

    def _show_classes(self) -> None:
        self.classes.show_gallery(self.gallery, self._styles)
        self.within.show_gallery(self.gallery, self._styles)
        self._show_atoms()
        self.panel.say(-1, self.controller.selection.mask)

    def _show_atoms(self) -> None:
        self.panel.show_atoms(self._styles, self.controller.selection.mask)

    def _on_pointed(self, tile: int) -> None:
        self.panel.say(tile, self.controller.selection.mask)
        if self.gallery is None or tile < 0:
            self.controller.hover.clear(self)
        else:
            self.controller.hover.on_place(place_of(self.gallery.asked.grid, tile), self)

    def _on_selection_changed(self, source: object) -> None:
        if self.isVisible():
            self._show_atoms()
            self.panel.say(self.panel.view.tile, self.controller.selection.mask)


class Column(QtWidgets.QScrollArea):  # type: ignore[misc]
    """Widgets below each other, or grey words where there are none."""

    def __init__(self, words: str) -> None:
        super().__init__(widgetResizable=True)
        self.setFrameShape(self.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.words = words
        self.fill([])

    def fill(self, widgets: list[QtWidgets.QWidget]) -> None:
        """Show other widgets."""
        inner = QtWidgets.QWidget()
        layout = QtWidgets.QVBoxLayout(inner)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        for widget in widgets or [QtWidgets.QLabel(faint(self.words), wordWrap=True)]:
            layout.addWidget(widget)
        layout.addStretch(1)
        self.setWidget(inner)


class ClassList(Column):
    """Mean sub-image, decoded image, name, count and share of every class (Figs. 5e and 8c to 8e)."""

    chosen = QtCore.Signal(int, str)
    """Number of a class, and how to combine."""

    def __init__(self) -> None:
        super().__init__(NO_CLASSES)
        self.buttons: dict[int, PictureButton] = {}

    def show_gallery(self, shown: Gallery | None, styles: ClassStyles) -> None:
        """Show the classes of a gallery, with their names and colours."""
        self.buttons = {}
        if shown is not None:
            for each, centroid in zip(shown.classes, shown.centroids, strict=True):
                name, colour = styles.name(COLUMN, each.number), styles.colour(COLUMN, each.number)
                picture = side_by_side(colour, grey(each.mean, shown.limits), grey(centroid, shown.limits))
                words = f"{name}\n{atoms_words(each.count)}\n{100 * each.share:.1f} %"
                button = picture_button(picture, words, CLASS_TIP, SIDE)
                button.clicked.connect(lambda _, number=each.number: self.chosen.emit(number, keys_held()))
                self.buttons[each.number] = button
        self.fill(list(self.buttons.values()))


class TableauList(Column):
    """What varies within every class, as decoded and with its average subtracted (Fig. 6)."""

    def __init__(self) -> None:
        super().__init__(NO_TABLEAUX)

    def show_gallery(self, shown: Gallery | None, styles: ClassStyles) -> None:
        """Show the tableaux of a gallery, with names and colours of the classes."""
        tableaux = None if shown is None else shown.tableaux
        if shown is None or tableaux is None:
            self.fill([])
            return
        about = f"Left: decoded. Right: minus the average, blue {-tableaux.reach:.2g} to red {tableaux.reach:.2g}."
        rows = [QtWidgets.QLabel(faint(about.replace("-", "\N{MINUS SIGN}")), wordWrap=True)]
        for place, number in enumerate(tableaux.classes):
            name, colour = styles.name(COLUMN, number), styles.colour(COLUMN, number)
            pair = grey(mosaic_of(tableaux.shown[place]), shown.limits), _signed(tableaux, place)
            rows += [QtWidgets.QLabel(f"{swatch(colour)} {name}"), _pair(*pair)]
        self.fill(rows)


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


def _signed(tableaux: Tableaux, place: int) -> Colors:
    """The differences within a class from blue to red, transparent where unknown."""
    from napari.utils.colormaps import ensure_colormap

    values = mosaic_of(tableaux.less[place])
    table = ensure_colormap(raster.DIVERGING).map(np.linspace(0, 1, 64))
    colors = raster.colors_of(values.ravel(), table, (-tableaux.reach, tableaux.reach)).reshape(*values.shape, 4)
    colors[..., 3] = np.where(np.isfinite(values), 255, 0)
    return colors

"""The manifold dock: decoded images over the latents with the atoms on them, and the classes in pictures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.manifold.class_views import ClassList, TableauList
from local_crystallography._napari.manifold.tile_panel import COLUMN, TilePanel, names_of, place_of
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography._napari.widgets.dialogs import ask_figure
from local_crystallography._napari.widgets.help import HelpButton
from local_crystallography._napari.widgets.pictures import range_words
from local_crystallography._napari.widgets.theme import paint
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.studies.gallery import Asked, Gallery, gallery
from local_crystallography.views.manifold import labels_of, latents_of, medians
from local_crystallography.views.selection import How
from local_crystallography.views.styles import ClassStyles

NO_NETWORK = "Train a network first: the manifold is what it decodes."


class ManifoldDock(QtWidgets.QWidget):  # type: ignore[misc]
    """What the network of the active image decodes; it works only while it is seen."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self.panel, self.classes, self.within = TilePanel(), ClassList(), TableauList()
        self.message, self.scale = (QtWidgets.QLabel(wordWrap=True) for _ in range(2))
        self.split = QtWidgets.QSplitter(QtCore.Qt.Orientation.Vertical)
        self.gallery: Gallery | None = None
        self._asked: Asked | None = None
        self._styles = ClassStyles()
        self._latest, self._saving = LatestTask(self), LatestTask(self)
        self._lay_out()
        self._connect()

    @property
    def busy(self) -> bool:
        """Whether pictures are being made, or saved."""
        return self._latest.busy or self._saving.busy

    def sizeHint(self) -> QtCore.QSize:
        """As narrow as the main dock."""
        return QtCore.QSize(330, 700)

    def refresh(self) -> None:
        """Make the pictures of what there is now, where it is new."""
        if not self.isVisible():
            return
        session = self.controller.active
        analysis = None if session is None else session.analysis
        self._follow_styles(ClassStyles() if analysis is None else analysis.styles)
        asked = None if analysis is None else self._ask(analysis)
        self.message.setVisible(asked is None)
        self.split.setVisible(asked is not None)
        if asked is None:
            self.message.setText(NO_NETWORK)
            self._latest.drop()
            self._asked = self.gallery = None
        elif self._asked is None or not asked.same(self._asked):
            self._asked = asked
            self._latest.ask(partial(gallery, asked, self.gallery), self._on_gallery, self._on_failed)

    def select_tile(self, tile: int, how: How = "replace") -> None:
        """Select the atoms whose latents are nearest to a tile."""
        if self.gallery is not None:
            self._select(self.gallery.tile_of == tile, how)

    def select_class(self, number: int, how: How = "replace") -> None:
        """Select the atoms of a class."""
        if self.gallery is not None and (labels := labels_of(self.gallery.asked.atoms)) is not None:
            self._select(labels == number, how)

    def save_figure(self, path: Path) -> None:
        """Write the grid, as what the path ends in."""
        from local_crystallography.report.manifold import save_manifold

        if (shown := self.gallery) is not None:
            grid = shown.asked.grid
            names, ticks = names_of(grid), grid.ticks
            self._saving.ask(
                lambda: save_manifold(path, shown.tiles, ticks=ticks, names=names, limits=shown.limits),
                lambda done: self.panel.status.setText(f"Saved {done.name}."),
                self.panel.status.setText,
            )

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        paint(self, dark)
        self.panel.view.set_theme(dark)

    def leave(self) -> None:
        """Listen no more."""
        self.controller.selection.changed.disconnect(self._on_selection_changed, missing_ok=True)
        self._styles.changed.disconnect(self._on_styles_changed, missing_ok=True)

    def showEvent(self, event: Any) -> None:
        self.refresh()

    def _lay_out(self) -> None:
        # as high as can be, or napari would put empty room below
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Expanding)
        tabs, lower = QtWidgets.QTabWidget(), QtWidgets.QWidget()
        tabs.addTab(self.classes, "Classes")
        tabs.addTab(self.within, "Within classes")
        tabs.setCornerWidget(HelpButton("Manifold"))
        below = QtWidgets.QVBoxLayout(lower)
        below.setContentsMargins(0, 0, 0, 0)
        below.addWidget(tabs, stretch=1)
        below.addWidget(self.scale)
        for place, (widget, share) in enumerate(((self.panel, 0), (lower, 1))):
            self.split.addWidget(widget)
            self.split.setStretchFactor(place, share)
            self.split.setCollapsible(place, False)
        self.tabs = tabs
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addWidget(self.message, alignment=QtCore.Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.split, stretch=1)

    def _connect(self) -> None:
        self.panel.changed.connect(self.refresh)
        self.panel.atoms.toggled.connect(lambda _: self._show_atoms())
        self.panel.chosen.connect(self.select_tile)
        self.panel.pointed.connect(self._on_pointed)
        self.panel.save.clicked.connect(self._on_save_clicked)
        self.classes.chosen.connect(self.select_class)
        escape = QtGui.QShortcut(QtGui.QKeySequence("Esc"), self)
        escape.setContext(QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut)
        escape.activated.connect(lambda: self.controller.selection.clear(self))
        self.controller.changed.connect(self.refresh)
        self.controller.selection.changed.connect(self._on_selection_changed)
        self.destroyed.connect(lambda: self.leave())

    def _follow_styles(self, styles: ClassStyles) -> None:
        if styles is not self._styles:
            self._styles.changed.disconnect(self._on_styles_changed, missing_ok=True)
            self._styles = styles
            styles.changed.connect(self._on_styles_changed)

    def _ask(self, analysis: Analysis) -> Asked | None:
        """What is to be shown of an analysis, by the controls; None without a network."""
        vae, atoms = analysis.vae, analysis.atoms
        if vae is None:
            return None
        d = vae.settings.latents
        self.panel.offer(d, vae.settings.channels)
        grid = self.panel.grid(self._rest(atoms, d))
        return Asked(vae, analysis.cvae, analysis.sub_images, atoms, grid, self.panel.channel.currentIndex())

    def _rest(self, atoms: Atoms | None, d: int) -> tuple[float, ...]:
        """(d,) what the latents are that may not be axes; of the same atoms it is the same."""
        before = self._asked
        if before is not None and before.atoms is atoms and len(before.grid.rest) == d:
            return before.grid.rest
        return medians(latents_of(atoms, d), d) if d > 2 else (0.0,) * d

    def _on_failed(self, why: str) -> None:
        self.message.setText(why)
        self.message.show()

    def _on_gallery(self, made: Gallery) -> None:
        self.gallery = made
        self.panel.show_gallery(made)
        self.scale.setText(f"All grey pictures: {range_words(made.limits)}.")
        self._show_classes()

    def _show_classes(self) -> None:
        self.classes.show_gallery(self.gallery, self._styles)
        self.within.show_gallery(self.gallery, self._styles)
        self._show_atoms()
        self.panel.say(-1, self.controller.selection.mask)

    def _show_atoms(self) -> None:
        self.panel.show_atoms(self._styles, self.controller.selection.mask)

    def _select(self, mask: npt.NDArray[np.bool_], how: How) -> None:
        if len(mask) == len(self.controller.selection):
            self.controller.selection.apply(mask, how, self)

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

    def _on_styles_changed(self, column: str) -> None:
        if column == COLUMN and self.isVisible():
            self._show_classes()

    def _on_save_clicked(self) -> None:
        if path := ask_figure(self, "manifold.png"):
            self.save_figure(path)

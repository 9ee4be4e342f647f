"""The tab of loadings: what the components of PCA, NMF, ICA, FFT and the mixtures look like, and where they score."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from qtpy import QtWidgets

from local_crystallography._napari.results.loadings.list import LoadingsList
from local_crystallography._napari.results.loadings.pictures import Asked, Made
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography._napari.widgets.dialogs import ask_figure
from local_crystallography._napari.widgets.timers import while_there
from local_crystallography.analysis import Analysis
from local_crystallography.baselines.loadings import PIXEL_LABEL
from local_crystallography.data.errors import InputError
from local_crystallography.steps.catalog import columns
from local_crystallography.steps.describe import Describe
from local_crystallography.steps.paint_map import PaintMap, default_columns
from local_crystallography.views.selection import How
from local_crystallography.views.styles import ClassStyles

NOTHING = (
    "Run Describe with PCA, NMF, ICA, FFT or a mixture first: its components are shown here. Zernike moments and "
    "neighbours have no pictures."
)
WAITING = "The pictures follow when the job that runs has ended."
MAKING = "Making the pictures …"
BROKEN = "The pictures could not be made."
STOPPED = "Stopped early: some pictures are missing."
LONG = "Describe took {0:.0f} s, and the pictures take about as long."
QUICK = 20.0
"""Seconds of Describe up to which the pictures are made without being asked for."""


class LoadingsPanel(QtWidgets.QWidget):  # type: ignore[misc]
    """A button per component; it works only while it is seen."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self.message, self.list = QtWidgets.QLabel(wordWrap=True), LoadingsList()
        self.make, self.save = QtWidgets.QPushButton("Make the pictures"), QtWidgets.QPushButton("Save figure …")
        self.made: Made | None = None
        self._asked: Asked | None = None
        self._by_hand: Asked | None = None
        self._due: tuple[ImageSession, str] | None = None
        self._styles = ClassStyles()
        self._saving = LatestTask(self)
        self._lay_out()
        self.make.clicked.connect(self._on_make_clicked)
        self.save.clicked.connect(self._on_save_clicked)
        self.list.painted.connect(self.paint_column)
        self.list.chosen.connect(self.select)
        self.destroyed.connect(lambda: self.leave())

    @property
    def busy(self) -> bool:
        """Whether a figure is being written."""
        return self._saving.busy

    def refresh(self) -> None:
        """Make the pictures of what there is now, where they are new."""
        if not self.isVisible():
            return
        session = self.controller.active
        analysis = None if session is None else session.analysis
        self._follow_styles(ClassStyles() if analysis is None else analysis.styles)
        self._show_due()
        asked = None if analysis is None else asked_of(analysis)
        if asked is None or analysis is None:
            self._forget(NOTHING)
        elif not asked.same(self._asked):
            self._forget(WAITING)
            if not self.controller.running:
                kept = asked.step.has_loadings(asked.sub_images, asked.columns)
                self._ask(asked, 0.0 if kept else analysis.seconds.get("describe", 0.0))
        elif self.message.text() == MAKING and not self.controller.running:
            self._say(BROKEN, offer=True)

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""

    def paint_column(self, column: str) -> None:
        """Show the map of a column and no other; where it is not painted yet, that is done first."""
        session = self.controller.active
        if session is None or self.controller.running:
            return
        self._due = session, column
        maps = session.analysis.maps
        if maps is None or column not in maps:
            self.controller.run((painting(session.analysis, column),), again=True)
        self._show_due()

    def select(self, number: int, how: How = "replace") -> None:
        """Select the atoms of a class of the pixel mixture."""
        if self.made is not None:
            labels = self.made.asked.atoms.features[PIXEL_LABEL].to_numpy()
            if len(labels) == len(self.controller.selection):
                self.controller.selection.apply(np.asarray(labels == number), how, self)

    def save_figure(self, path: Path) -> None:
        """Write the pictures, as what the path ends in."""
        from local_crystallography.report.loadings import save_loadings

        if (made := self.made) is not None:
            styles = self._styles
            self._saving.ask(
                lambda: save_loadings(path, made.loadings, styles), lambda _: None, self.controller.failed.emit
            )

    def leave(self) -> None:
        """Listen no more."""
        self._styles.changed.disconnect(self._on_styles_changed, missing_ok=True)

    def showEvent(self, event: Any) -> None:
        self.refresh()

    def _lay_out(self) -> None:
        layout, top = QtWidgets.QVBoxLayout(self), QtWidgets.QHBoxLayout()
        layout.setContentsMargins(2, 4, 2, 2)
        self.make.setToolTip("<qt>Fit the components again, as Describe did, for their pictures</qt>")
        self.save.setToolTip("<qt>Write all pictures as a figure: png, pdf or svg</qt>")
        top.addStretch()
        top.addWidget(self.save)
        layout.addLayout(top)
        for part in (self.message, self.make, self.list):
            layout.addWidget(part)
        layout.addStretch()
        self._forget(NOTHING)

    def _ask(self, asked: Asked, seconds: float) -> None:
        """Begin, or offer to where it takes long."""
        by_hand = self._by_hand is not None and asked.same(self._by_hand)
        if seconds > QUICK and not by_hand:
            self._say(LONG.format(seconds), offer=True)
            return
        self._asked = asked
        self._say(MAKING)
        self.controller.job(asked.job, while_there(self, partial(self._on_made, asked)))

    def _on_made(self, asked: Asked, made: Made | InputError) -> None:
        if asked is not self._asked:
            return
        if isinstance(made, InputError):
            self._say(str(made))
            return
        self.made = made
        missing = {*asked.columns} - {each.column for each in made.loadings}
        self._say(STOPPED if missing else "", offer=bool(missing))
        self.save.setEnabled(bool(made.loadings))
        self.list.show_made(made, self._styles)

    def _forget(self, words: str) -> None:
        """Show words instead of the pictures there were."""
        if self.made is not None:
            self.list.show_made(None, self._styles)
        self.made = self._asked = None
        self.save.setEnabled(False)
        self._say(words)

    def _say(self, words: str, *, offer: bool = False) -> None:
        self.message.setText(words)
        self.message.setVisible(bool(words))
        self.make.setVisible(offer)

    def _show_due(self) -> None:
        """Show the map that was asked for, once it is painted, and hide the others."""
        if self._due is None or self.controller.running:
            return
        (session, column), self._due = self._due, None
        if session is self.controller.active and column in (session.analysis.maps or {}):
            for name in session.analysis.maps or {}:
                if (layer := session.results.get(name)) is not None:
                    layer.visible = name == column

    def _follow_styles(self, styles: ClassStyles) -> None:
        if styles is not self._styles:
            self.leave()
            self._styles = styles
            styles.changed.connect(self._on_styles_changed)

    def _on_styles_changed(self, column: str) -> None:
        if column == PIXEL_LABEL and self.made is not None:
            self.list.show_made(self.made, self._styles)

    def _on_make_clicked(self) -> None:
        analysis = None if self.controller.active is None else self.controller.active.analysis
        self._by_hand = None if analysis is None else asked_of(analysis)
        self._asked = None
        self.refresh()

    def _on_save_clicked(self) -> None:
        if path := ask_figure(self, "loadings.png"):
            self.save_figure(path)


def asked_of(analysis: Analysis) -> Asked | None:
    """What pictures an analysis gives; None where Describe has made no column that has any."""
    step, atoms = cast(Describe | None, analysis.used.get("describe")), analysis.atoms
    if step is None or atoms is None or analysis.sub_images is None or analysis.image is None:
        return None
    found = tuple(name for name in analysis.columns.get("describe", []) if columns().painted([name]))
    return Asked(step, analysis.sub_images, atoms, found, analysis.image.shape) if found else None


def painting(analysis: Analysis, column: str) -> PaintMap:
    """What paints a column beside the maps there are; all that are usual, where there are none."""
    asked = analysis.asked.get("paint_map")
    if isinstance(asked, PaintMap) and analysis.maps is not None:
        return asked.model_copy(update={"columns": tuple(dict.fromkeys([*analysis.maps, column]))})
    others = [name for name in analysis.maps or () if not columns().painted([name])]
    return PaintMap(columns=(*default_columns(analysis.atoms), *others)) if others and analysis.atoms else PaintMap()

"""The tab of loadings: pictures of the components of PCA, NMF, ICA, FFT and the mixtures, and maps of their scores."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from html import escape
from pathlib import Path
from typing import cast

import numpy as np
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.results.loadings.pictures import LoadingPictures, LoadingRequest
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.shown_map import ShownMap
from local_crystallography._napari.widgets.help import LookLine
from local_crystallography._napari.widgets.panels import KEYS, ResultPanel, keys_held, narrow_label, panel_layout
from local_crystallography._napari.widgets.pictures import (
    PictureButton,
    atoms_words,
    beside,
    faint,
    picture_button,
    side_by_side,
    swatch,
)
from local_crystallography._napari.widgets.timers import while_there
from local_crystallography.analysis import Analysis
from local_crystallography.baselines.loadings import PIXEL_LABEL, Loading, grouped
from local_crystallography.data.errors import InputError
from local_crystallography.steps.catalog import columns
from local_crystallography.steps.describe import Describe
from local_crystallography.views import small_map
from local_crystallography.views.looking import PANELS
from local_crystallography.views.selection import How
from local_crystallography.views.styles import ClassStyles

NOTHING = (
    "Run Describe with PCA, NMF, ICA, FFT or a mixture first: its components are shown here. Zernike moments and "
    "neighbours have no pictures."
)
WAITING = "The pictures follow when the present job has ended."
MAKING = "Drawing the components …"
BROKEN = "The pictures could not be drawn."
STOPPED = "Stopped early: some pictures are missing."
LONG = "Describe took {0:.0f} s, and the pictures take about as long."
QUICK = 20.0
"""Seconds of Describe up to which the pictures are drawn without a click."""
HIGH = 88
"""Height of the pictures in points."""
EXPLAINED = {
    "PCA": "Directions of greatest variance: a sub-image is approximately the mean plus its scores times these "
    "pictures. A motif that rotates is spread over several of them.",
    "ICA": "The space of PCA along directions that are as independent as possible: a sub-image is approximately the "
    "mean plus its scores times these pictures. They overlap, so no share of the variance is given.",
    "NMF": "Parts that only add up: a sub-image is approximately the sum of its scores times these pictures. They "
    "overlap, so no share of the variance is given.",
    "FFT": "PCA of the logarithm of the power spectrum around every atom; zero frequency is in the middle.",
    "pixel mixture": "Means of the classes of a Gaussian mixture over raw pixels: every orientation of a motif is a "
    "class of its own.",
    "PCA mixture": "Mean of a class of the mixture over raw pixels, and the directions of greatest variance within it "
    "(GMM-PCA). Scores of different classes cannot be compared.",
}
COLOURS = "Red adds, blue subtracts, white is 0."
PAINT = (
    "Left: the picture. Right: its scores over the image. Click: show this map over the image, and no other. If it is "
    "not painted yet, Paint map is run."
)
SELECT = f"Left: mean sub-image. Right: where the class lies. Click: select this class ({KEYS})."


class LoadingsPanel(ResultPanel):
    """A button per component."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(controller, parent)
        self.list = LoadingsList()
        self.make, self.save = QtWidgets.QPushButton("Draw the components"), QtWidgets.QPushButton("Save figure …")
        self._by_hand: LoadingRequest | None = None
        self.shown_map = ShownMap(controller, self)
        self._lay_out()
        self.make.clicked.connect(self._on_make_clicked)
        self.save.clicked.connect(lambda _: self.ask_figure("loadings.png", self.save_figure))
        self.list.painted.connect(self.shown_map.show)
        self.list.chosen.connect(self.select)

    @property
    def made(self) -> LoadingPictures | None:
        """The pictures shown."""
        return cast(LoadingPictures | None, self.result)

    def refresh(self) -> None:
        """Draw the components of the active image, where they are new."""
        if self.isVisible():
            super().refresh()
            if self.message.text() == MAKING and not self.controller.running:
                self.say(BROKEN, offer=True)

    def request(self, analysis: Analysis | None) -> LoadingRequest | str:
        """The components that Describe made."""
        return (None if analysis is None else request_of(analysis)) or NOTHING

    def begin(self, request: LoadingRequest) -> None:
        """Draw as a job, or offer to where that takes long."""
        self.forget()
        self.say(WAITING)
        if self.controller.running or self.analysis is None:
            return
        kept = request.step.has_loadings(request.sub_images, request.columns)
        seconds = 0.0 if kept else self.analysis.seconds.get(Describe.name(), 0.0)
        if seconds > QUICK and not (self._by_hand is not None and request.same(self._by_hand)):
            self.say(LONG.format(seconds), offer=True)
            return
        self.requested = request
        self.say(MAKING)
        self.controller.job(request.job, while_there(self, partial(self._on_made, request)))

    def show_result(self, result: LoadingPictures) -> None:
        """Show the pictures; those that are missing are offered."""
        missing = {*result.request.columns} - {each.column for each in result.loadings}
        self.say(STOPPED if missing else "", offer=bool(missing))
        self.save.setEnabled(bool(result.loadings))
        self.list.show_made(result, self._styles)

    def forget(self) -> None:
        """Drop the pictures shown."""
        if self.result is not None:
            self.list.show_made(None, self._styles)
        self.save.setEnabled(False)
        super().forget()

    def restyle(self, column: str) -> None:
        """Show other names and colours of the classes of pixels."""
        if column == PIXEL_LABEL and self.result is not None:
            self.list.show_made(self.result, self._styles)

    def say(self, words: str, *, offer: bool = False) -> None:
        """Say something above the pictures, and offer to draw them."""
        super().say(words)
        self.make.setVisible(offer)

    def select(self, number: int, how: How = "replace") -> None:
        """Select the atoms of a class of the pixel mixture."""
        if self.made is not None:
            self.select_atoms(self.made.request.atoms.features[PIXEL_LABEL].to_numpy() == number, how)

    def save_figure(self, path: Path) -> None:
        """Write the pictures in the format of the suffix."""
        from local_crystallography.report.loadings import save_loadings

        if self.made is not None:
            self.save_file(path, partial(save_loadings, loadings=self.made.loadings, styles=self._styles))

    def _lay_out(self) -> None:
        top = QtWidgets.QHBoxLayout()
        self.make.setToolTip("<qt>Fit the components again, as Describe did, to draw them</qt>")
        self.save.setToolTip("<qt>Write all pictures as a figure: png, pdf or svg</qt>")
        top.addStretch()
        top.addWidget(self.save)
        panel_layout(self, top, self.message, self.make, LookLine(PANELS["loadings"]), self.list)
        self.forget()
        self.say(NOTHING)

    def _on_made(self, request: LoadingRequest, made: LoadingPictures | InputError) -> None:
        if request is not self.requested:
            return
        if isinstance(made, InputError):
            self.say(str(made))
        else:
            self._on_result(made)

    def _on_make_clicked(self) -> None:
        self._by_hand = None if self.analysis is None else request_of(self.analysis)
        self.requested = None
        self.refresh()


class LoadingsList(QtWidgets.QWidget):  # type: ignore[misc]
    """Components as buttons with the picture, the map of the scores, and the share of the variance."""

    painted = QtCore.Signal(str)
    """A column whose map is to be shown."""
    chosen = QtCore.Signal(int, str)
    """Number of a class of the pixel mixture, and how to combine."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: list[tuple[Loading, PictureButton]] = []
        self._rows = QtWidgets.QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(4)

    def show_made(self, made: LoadingPictures | None, styles: ClassStyles) -> None:
        """Show pictures, with the names and colours of the classes of the mixture."""
        while (item := self._rows.takeAt(0)) is not None:
            item.widget().deleteLater()
        self.buttons = []
        for group in [] if made is None else grouped(made.loadings):
            assert made is not None
            for widget in self._group(made, group, styles):
                self._rows.addWidget(widget)

    def _group(self, made: LoadingPictures, group: list[Loading], styles: ClassStyles) -> Iterator[QtWidgets.QWidget]:
        yield _title(group, styles)
        yield _note(group)
        for loading in group:
            pictures = [small_map.of_height(each) for each in made.pictures(loading, styles)]
            colour = None if loading.number is None else styles.colour(PIXEL_LABEL, loading.number)
            shown = side_by_side(colour, *pictures)
            words = "\n".join(beside(self, each) for each in _words(loading, made, styles))
            button = picture_button(shown, words, SELECT if loading.is_mean else PAINT, HIGH)
            button.clicked.connect(lambda _, loading=loading: self._on_clicked(loading))
            self.buttons.append((loading, button))
            yield button

    def _on_clicked(self, loading: Loading) -> None:
        if loading.is_mean:
            self.chosen.emit(loading.number, keys_held())
        else:
            self.painted.emit(loading.column)


def request_of(analysis: Analysis) -> LoadingRequest | None:
    """The pictures that an analysis gives; None where Describe made no column that has any."""
    step, atoms = analysis.last(Describe), analysis.atoms
    if step is None or atoms is None or analysis.sub_images is None or analysis.image is None:
        return None
    found = tuple(name for name in analysis.columns.get(Describe.name(), []) if columns().painted([name]))
    return LoadingRequest(step, analysis.sub_images, atoms, found, analysis.image.shape) if found else None


def _title(group: list[Loading], styles: ClassStyles) -> QtWidgets.QLabel:
    first = group[0]
    shares = np.array([each.share for each in group if not each.is_mean])
    words = f"<b>{first.method}</b>"
    if first.method == "PCA mixture" and first.number is not None:
        name, colour = (of(PIXEL_LABEL, first.number) for of in (styles.name, styles.colour))
        words = f"<b>PCA in</b> {swatch(colour)} {escape(name)}"
    if len(shares) and np.isfinite(shares).all():
        words += f" · {100 * shares.sum():.1f} % explained"
    label = narrow_label(words)
    label.setToolTip(f"<qt>{EXPLAINED[first.method]}</qt>")
    return label


def _note(group: list[Loading]) -> QtWidgets.QLabel:
    signed = any(each.signed for each in group)
    words = COLOURS if signed else "Black is 0." if group[0].method == "NMF" else "Means of the sub-images."
    note = QtWidgets.QLabel(faint(words), wordWrap=True)
    note.setToolTip(f"<qt>{EXPLAINED[group[0].method]}</qt>")
    return note


def _words(loading: Loading, made: LoadingPictures, styles: ClassStyles) -> list[str]:
    """Lines beside the pictures of a component or of a class."""
    share = f"{100 * loading.share:.1f} %" if np.isfinite(loading.share) else ""
    if not loading.is_mean:
        return [loading.column, *([share, "of variance"] if share else [])]
    assert loading.number is not None
    count = int((made.request.atoms.features[PIXEL_LABEL] == loading.number).sum())
    return [styles.name(PIXEL_LABEL, loading.number), atoms_words(count), share]

"""Card of what is under the pointer: sub-image, reconstruction and values of an atom, or the decoded image."""

from __future__ import annotations

import re
from functools import partial
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography._napari.widgets.pictures import pixmap, swatch
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.subimages import SubImages, fits
from local_crystallography.views import greys, manifold
from local_crystallography.views.readout import readout

FRAME_MS = 16
NARROWEST, WIDTH, SMALL, LARGE = 140, 172, 70, 118
SMALLER, FEWEST = 0.88, 4
LOWEST = 208
"""Height of the card of an atom, so that its neighbours do not move."""
CHANNELS = 2
"""Maximum number of channels shown."""
NO_NETWORK = "no network yet"
HINT = "Point at an atom in the image or in a plot."
TIPS = {
    "sub-image": "The sub-image extracted around this atom",
    "model": "Its reconstruction by the network, at the same angle and offset and with the same grey scale",
    "decoded": "The image that the network decodes at this point of the latent space; latents that are not plotted "
    "have the median of all atoms",
}
VALUES_TIP = (
    "Values ± standard deviation. Offset: of the motif from the centre of the sub-image. Error: residual variance "
    "divided by the noise variance, 1 if the model fits."
)


class HoverCard(QtWidgets.QWidget):  # type: ignore[misc]
    """Shows what is under the pointer in any view, otherwise the selected atom if there is just one."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self.title = QtWidgets.QLabel(wordWrap=True)
        self.pictures = {name: Picture(name) for name in ("sub-image", "model", "decoded")}
        self.values = QtWidgets.QLabel(wordWrap=True)
        self._latest = LatestTask(self)
        self._windows = Windows()
        self._timer = QtCore.QTimer(self, singleShot=True, interval=FRAME_MS)
        self._timer.timeout.connect(self._show)
        self._lay_out()
        controller.changed.connect(self.refresh)
        for signal in (controller.hover.changed, controller.selection.changed):
            signal.connect(self._on_changed)
            self.destroyed.connect(partial(signal.disconnect, self._on_changed, missing_ok=True))

    def refresh(self) -> None:
        """Update with the next frame."""
        if self.isVisible() and not self._timer.isActive():
            self._timer.start()

    def sizeHint(self) -> QtCore.QSize:
        """Narrow, to fit beside the plots."""
        return QtCore.QSize(WIDTH, 300)

    def showEvent(self, event: Any) -> None:
        self.refresh()

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self.refresh()

    @property
    def _line(self) -> int:
        """Height of a line of values, in points."""
        return int(SMALLER * self.fontMetrics().lineSpacing()) + 3

    def _show_values(self, lines: list[tuple[str, str]]) -> None:
        """Show as many lines as fit, and all of them in the tooltip."""
        size = SMALLER * QtGui.QFontInfo(self.font()).pixelSize()
        rows = [
            f'<tr><td>{_grey(name)}&nbsp;</td><td align="right" style="white-space: nowrap">{text}</td></tr>'
            for name, text in lines
        ]
        style = f'width="100%" cellpadding="0" style="font-size: {size:.0f}px"'
        shown = rows[: max(FEWEST, self.values.height() // self._line)]
        self.values.setText(f"<table {style}>{''.join(shown)}</table>")
        self.values.setToolTip(f'<qt><table cellspacing="2">{"".join(rows)}</table><p>{VALUES_TIP}</p></qt>')

    def _lay_out(self) -> None:
        self.setMinimumWidth(NARROWEST)
        self.setMaximumWidth(WIDTH)
        self.setMinimumHeight(LOWEST)
        self.values.setAlignment(QtCore.Qt.AlignmentFlag.AlignTop)
        policies = QtWidgets.QSizePolicy.Policy
        self.values.setSizePolicy(policies.Ignored, policies.Ignored)
        self.values.setMinimumHeight(FEWEST * self._line)
        pair = QtWidgets.QHBoxLayout()
        pair.setSpacing(4)
        for name in ("sub-image", "model"):
            pair.addWidget(self.pictures[name])
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(6, 2, 6, 2)
        layout.setSpacing(2)
        layout.addWidget(self.title)
        layout.addLayout(pair)
        layout.addWidget(self.pictures["decoded"])
        layout.addWidget(self.values, stretch=1)

    def _on_changed(self, source: object) -> None:
        self.refresh()

    def _show(self) -> None:
        if not self.isVisible():
            return
        analysis, atoms = self.controller.analysis, self.controller.atoms
        row, place = self.controller.hover.row, self.controller.hover.place
        if row is None and not place:
            row = self._only_selected()
        if analysis is not None and atoms is not None and row is not None and row < len(atoms):
            self._show_atom(analysis, atoms, row)
        elif analysis is not None and place and all(re.fullmatch(r"z\d+", name) for name in place):
            self._show_place(analysis, place)
        else:
            self._show_nothing()

    def _only_selected(self) -> int | None:
        selected = np.flatnonzero(self.controller.selection.mask)
        return int(selected[0]) if len(selected) == 1 else None

    def _show_nothing(self) -> None:
        self._latest.drop()
        self._show_pictures()
        self.title.setText(_grey(HINT))
        self.values.clear()

    def _show_atom(self, analysis: Analysis, atoms: Atoms, row: int) -> None:
        labels = manifold.labels_of(atoms)
        name = f"atom {atoms.ids[row]}"
        if labels is not None:
            number, styles = int(labels[row]), analysis.styles
            words = escape(styles.name("label", number)) if number >= 0 else "no class"
            name = f"{swatch(styles.colour('label', number))} <b>{words}</b> · {name}"
        self.title.setText(name)
        self._show_values(readout(atoms, row))
        self._windows.follow(analysis.sub_images)
        window = self._windows.of(int(atoms.ids[row]))
        self._show_pictures("sub-image", "model")
        vae, limits = analysis.vae, self._windows.limits
        if window is None:
            self._latest.drop()
            self.pictures["sub-image"].show_text(why_none(analysis, row))
            self.pictures["model"].show_text("" if analysis.sub_images is not None else NO_NETWORK)
            return
        self.pictures["sub-image"].show_picture(greys.in_grey(window, limits))
        if vae is None:
            self._latest.drop()
            self.pictures["model"].show_text(NO_NETWORK)
        else:
            # the previous one stays until this one is ready, which avoids flicker
            self._latest.ask(
                lambda: greys.in_grey(vae.reconstruct(window[None])[0], limits, vae),
                self.pictures["model"].show_picture,
                self.pictures["model"].show_text,
            )

    def _show_place(self, analysis: Analysis, place: dict[str, float]) -> None:
        vae = analysis.vae
        self._show_pictures("decoded")
        self.title.setText("<b>decoded image</b>")
        self._show_values([(name, manifold.tick_words(value, 2)) for name, value in place.items()])
        if vae is None:
            self._latest.drop()
            self.pictures["decoded"].show_text(NO_NETWORK)
            return
        self._windows.follow(analysis.sub_images)
        z = np.array(self._windows.medians(analysis.atoms, vae.settings.latents))
        for name, value in place.items():
            if int(name[1:]) < len(z):
                z[int(name[1:])] = value
        limits = self._windows.limits
        self._latest.ask(
            lambda: greys.in_grey(vae.decode(z[None])[0], limits, vae),
            self.pictures["decoded"].show_picture,
            self.pictures["decoded"].show_text,
        )

    def _show_pictures(self, *names: str) -> None:
        for name, picture in self.pictures.items():
            picture.setVisible(name in names)


def why_none(analysis: Analysis, row: int) -> str:
    """The reason why an atom has no sub-image."""
    sub_images, image, atoms = analysis.sub_images, analysis.image, analysis.atoms
    if sub_images is None or image is None or atoms is None:
        return "no sub-images yet"
    inside = fits(atoms.yx[row : row + 1], image.shape, sub_images.window_size).all()
    return "left out: weak or masked" if inside else "too close to an edge"


class Picture(QtWidgets.QWidget):  # type: ignore[misc]
    """A picture with its name below, or grey text in its place."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.side = LARGE if name == "decoded" else SMALL
        self.label = QtWidgets.QLabel(wordWrap=True, alignment=QtCore.Qt.AlignmentFlag.AlignCenter)
        self.label.setMinimumSize(self.side, self.side)
        caption = QtWidgets.QLabel(_grey(name), alignment=QtCore.Qt.AlignmentFlag.AlignCenter)
        self.setToolTip(f"<qt>{TIPS[name]}</qt>")
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.label)
        if name != "decoded":  # named in the title already
            layout.addWidget(caption)
        self.hide()

    def show_picture(self, picture: greys.Colors) -> None:
        """Show an (h, w, 4) picture."""
        ratio, height, width = self.devicePixelRatioF(), *picture.shape[:2]
        self.label.setPixmap(pixmap(picture, round(self.side * height / width), ratio))

    def show_text(self, words: str) -> None:
        """Show text instead."""
        self.label.setText(_grey(words))


class Windows:
    """Look-ups in the sub-images and atoms, computed once."""

    def __init__(self) -> None:
        self.limits: list[greys.Limits] = [(0.0, 1.0)]
        self._sub_images: SubImages | None = None
        self._rows: dict[int, int] = {}
        self._atoms: Atoms | None = None
        self._medians: tuple[float, ...] = ()

    def follow(self, sub_images: SubImages | None) -> None:
        """Use these sub-images, if they are new."""
        if sub_images is self._sub_images:
            return
        self._sub_images, self._rows = sub_images, {}
        if sub_images is not None:
            self._rows = {number: row for row, number in enumerate(sub_images.atoms.ids.tolist())}
            shown = min(sub_images.channels, CHANNELS)
            self.limits = [greys.grey_limits(sub_images, channel) for channel in range(shown)]

    def of(self, number: int) -> npt.NDArray[np.float32] | None:
        """The sub-image of an atom by its `id`; None if it has none."""
        row = self._rows.get(number)
        return None if row is None or self._sub_images is None else self._sub_images.windows[row]

    def medians(self, atoms: Atoms | None, d: int) -> tuple[float, ...]:
        """(d,) medians of the latents of all atoms."""
        if atoms is not self._atoms or len(self._medians) != d:
            self._atoms, self._medians = atoms, manifold.medians(manifold.latents_of(atoms, d), d)
        return self._medians


def _grey(words: str) -> str:
    return f'<span style="color: gray">{words}</span>'

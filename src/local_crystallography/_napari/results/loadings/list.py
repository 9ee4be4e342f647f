"""Components as buttons to click on: the picture, the map of its scores, and how much it explains."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import numpy as np
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.explorer.plot_box import how
from local_crystallography._napari.manifold.class_views import picture_button, side_by_side
from local_crystallography._napari.results.fitting import beside
from local_crystallography._napari.results.loadings.pictures import Made
from local_crystallography._napari.widgets.pictures import swatch
from local_crystallography.baselines.loadings import PIXEL_LABEL, Loading, grouped
from local_crystallography.views import small_map
from local_crystallography.views.styles import ClassStyles

HIGH = 88
"""Points of the pictures on the button."""
EXPLAINED = {
    "PCA": "Directions of greatest variance: a sub-image is about the mean plus its scores times these pictures. A "
    "motif that turns is spread over several of them.",
    "ICA": "The space of PCA along directions that are as independent as can be: a sub-image is about the mean plus "
    "its scores times these pictures. They overlap, so no share of the variance is told.",
    "NMF": "Parts that only add up: a sub-image is about the sum of its scores times these pictures. They overlap, so "
    "no share of the variance is told.",
    "FFT": "PCA of the logarithm of the power spectrum around every atom; zero frequency is in the middle.",
    "pixel mixture": "Means of the classes of a Gaussian mixture over raw pixels: every angle of a motif is a class "
    "of its own.",
    "PCA mixture": "Mean of a class of the mixture over raw pixels, and the directions of greatest variance within it "
    "(GMM-PCA). Scores of different classes do not compare.",
}
COLOURS = "Red adds, blue takes away, white is 0."
PAINT = "Left: the picture. Right: its scores over the image. Click: show this map over the image, and no other."
PAINT += " Where maps are not painted yet, Paint map is run."
SELECT = "Left: mean sub-image. Right: where the class lies. Click: select this class (Shift adds, Alt or Ctrl "
SELECT += "subtracts, both intersect)."


class LoadingsList(QtWidgets.QWidget):  # type: ignore[misc]
    """Groups of buttons, each below what it is of."""

    painted = QtCore.Signal(str)
    """A column whose map is to be shown."""
    chosen = QtCore.Signal(int, str)
    """Number of a class of the pixel mixture, and how to combine."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: list[tuple[Loading, QtWidgets.QToolButton]] = []
        self._rows = QtWidgets.QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(4)

    def show_made(self, made: Made | None, styles: ClassStyles) -> None:
        """Show pictures, with the names and colours of the classes of the mixture."""
        while (item := self._rows.takeAt(0)) is not None:
            item.widget().deleteLater()
        self.buttons = []
        for group in [] if made is None else grouped(made.loadings):
            assert made is not None
            for widget in self._group(made, group, styles):
                self._rows.addWidget(widget)

    def _group(self, made: Made, group: list[Loading], styles: ClassStyles) -> Iterator[QtWidgets.QWidget]:
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
            self.chosen.emit(loading.number, how(QtWidgets.QApplication.keyboardModifiers()))
        else:
            self.painted.emit(loading.column)


def _title(group: list[Loading], styles: ClassStyles) -> QtWidgets.QLabel:
    first = group[0]
    shares = np.array([each.share for each in group if not each.is_mean])
    words = f"<b>{first.method}</b>"
    if first.method == "PCA mixture" and first.number is not None:
        name, colour = (of(PIXEL_LABEL, first.number) for of in (styles.name, styles.colour))
        words = f"<b>PCA in</b> {swatch(colour)} {escape(name)}"
    if len(shares) and np.isfinite(shares).all():
        words += f" · {100 * shares.sum():.1f} % explained"
    label = QtWidgets.QLabel(words, wordWrap=True)
    label.setMinimumWidth(1)  # or a name without spaces would make the dock wider
    label.setToolTip(f"<qt>{EXPLAINED[first.method]}</qt>")
    return label


def _note(group: list[Loading]) -> QtWidgets.QLabel:
    signed = any(each.signed for each in group)
    words = COLOURS if signed else "Black is 0." if group[0].method == "NMF" else "Means of the sub-images."
    note = QtWidgets.QLabel(f'<span style="color: gray">{words}</span>', wordWrap=True)
    note.setToolTip(f"<qt>{EXPLAINED[group[0].method]}</qt>")
    return note


def _words(loading: Loading, made: Made, styles: ClassStyles) -> list[str]:
    """Lines that stand beside the pictures of a component or of a class."""
    share = f"{100 * loading.share:.1f} %" if np.isfinite(loading.share) else ""
    if not loading.is_mean:
        return [loading.column, *([share, "of variance"] if share else [])]
    assert loading.number is not None
    count = int((made.asked.atoms.features[PIXEL_LABEL] == loading.number).sum())
    return [styles.name(PIXEL_LABEL, loading.number), f"{count:,} atoms", share]

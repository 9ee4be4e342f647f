"""Pictures of the candidates for atomic columns found by Segment, to check and to choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.widgets.form import AlternativeForm, StepForm
from local_crystallography._napari.widgets.help import LookLine
from local_crystallography._napari.widgets.theme import theme_of
from local_crystallography.steps.segment import Network, Segment
from local_crystallography.views.greys import grey
from local_crystallography.views.looking import PANELS

if TYPE_CHECKING:
    from local_crystallography.models.scale import Candidate

SIDE, FRAME = 88, 3
"""Side of a picture and width of the frame around the chosen one, in points."""
MOST = 3
COLUMNS = 20
"""Approximate number of columns in a picture."""
WIDEST = 40.0
"""Maximum side of a picture in column widths; in larger ones, single columns would be too small to see."""
TAKEN = "#2a95ff"
CIRCLE, HALO = QtGui.QColor("#ffb02a"), QtGui.QColor(0, 0, 0, 150)
"""Colours of the circles around columns, visible on bright and on dark ones."""
SAME = 0.03
"""Difference of the logarithms of two widths that are considered equal."""
REPEATS = ((0.2, "are periodic, as in a crystal"), (0.05, "are partly periodic"))
WORDS = "Columns found. Where they are not right, click another to find atoms with it:"
NONE = "No columns were found at any scale."
SHOW, SHOW_TIP = "Show candidates", "Search all scales and both contrasts, and show the candidates for atomic columns"
AUTO_TIP = "Determine contrast and sigma from the image again"

State = Literal["", "taken", "asked"]


class CandidateView(QtWidgets.QWidget):  # type: ignore[misc]
    """The best candidates of the active image side by side, the chosen one framed.

    Attributes
    ----------
    chosen
        Signal: another candidate was chosen, and atoms are to be found with it.
    """

    chosen = QtCore.Signal()

    def __init__(self, controller: Controller, form: StepForm, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller, self.form = controller, form
        self.words, self.auto = QtWidgets.QLabel(WORDS, wordWrap=True), QtWidgets.QToolButton(text="auto")
        self.show_button = QtWidgets.QPushButton(SHOW)
        self.tiles: list[CandidateTile] = []
        self._shown: list[Candidate] | None = None
        self._dark = True
        self.auto.setToolTip(AUTO_TIP)
        self.auto.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.show_button.setToolTip(f"<qt>{SHOW_TIP}</qt>")
        self._lay_out()
        self.auto.clicked.connect(lambda: self._set(None, None))
        self.show_button.clicked.connect(self._on_show_clicked)

    def refresh(self) -> None:
        """Show the candidates of the active image; if they are unknown, offer to search."""
        session = self.controller.active
        step = None if session is None else session.network_step
        found = None if session is None else session.candidates
        self.setVisible(step is not None)
        self.show_button.setVisible(found is None)
        self.show_button.setEnabled(not self.controller.running)
        self.words.setVisible(found is not None)
        self.words.setText(WORDS if found else NONE)
        if found is not self._shown:
            self._shown = found
            self._show(found or [])
        asked = self._asked()
        self.auto.setVisible(found is not None and asked != (None, None))
        if step is not None:
            taken, wanted = (matching(found or [], *each) for each in ((step.contrast, step.network.sigma), asked))
            for tile in self.tiles:
                tile.set_state("taken" if tile.candidate is taken else "asked" if tile.candidate is wanted else "")

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        self._dark = dark
        for tile in self.tiles:
            tile.set_theme(dark)

    def _lay_out(self) -> None:
        layout, head = QtWidgets.QVBoxLayout(self), QtWidgets.QHBoxLayout()
        self._row = QtWidgets.QHBoxLayout()
        layout.setContentsMargins(18, 2, 0, 2)
        layout.setSpacing(2)
        self._row.setSpacing(4)
        head.addWidget(self.words, stretch=1)
        head.addWidget(self.auto)
        layout.addLayout(head)
        layout.addLayout(self._row)
        layout.addWidget(LookLine(PANELS["alternatives"]))
        layout.addWidget(self.show_button)

    def _show(self, candidates: Sequence[Candidate]) -> None:
        while (item := self._row.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        self.tiles = [CandidateTile(each) for each in candidates[:MOST]]
        for tile in self.tiles:
            tile.set_theme(self._dark)
            tile.clicked.connect(lambda _=False, tile=tile: self._on_chosen(tile))
            self._row.addWidget(tile)
        self._row.addStretch(1)
        for before, after in pairwise([self.auto, *self.tiles]):
            self.setTabOrder(before, after)

    def _asked(self) -> tuple[str | None, float | None]:
        """Contrast and sigma as set in the form."""
        return self.form.fields["contrast"].get(), self._network.fields["sigma"].get()

    @property
    def _network(self) -> AlternativeForm:
        forms: dict[str, AlternativeForm] = self.form.fields["by"].forms
        return forms[Network.key()]

    def _set(self, contrast: str | None, sigma: float | None) -> None:
        self.form.fields["contrast"].set(contrast)
        self._network.fields["sigma"].set(sigma)

    def _on_chosen(self, tile: CandidateTile) -> None:
        session = self.controller.active
        asked = None if session is None else session.analysis.requested(Segment)
        if tile.state == "taken" and isinstance(asked, Segment):
            self._set(asked.contrast, asked.network.sigma)
        else:
            self._set(contrast_of(tile.candidate), round(min(max(tile.candidate.sigma, 0.5), 200), 2))
            self.chosen.emit()

    def _on_show_clicked(self) -> None:
        session = self.controller.active
        if session is not None and (step := session.network_step) is not None:
            search = Segment(by=Network(weights=step.network.weights))
            self.controller.compute("Searching all scales …", lambda: _found(session, search))


def _found(session: ImageSession, step: Segment) -> Callable[[], object]:
    session.find_candidates(step)
    return lambda: None


class CandidateTile(QtWidgets.QAbstractButton):  # type: ignore[misc]
    """A section of the image with the columns of one candidate as circles of one standard deviation."""

    def __init__(self, candidate: Candidate, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.candidate = candidate
        self.state: State = ""
        self._image, self._circles, self._radius = picture(candidate)
        self._theme = theme_of(dark=True)
        self.setText(f"{contrast_of(candidate)}, {candidate.sigma:.1f} px")
        self.setToolTip(f"<qt>{in_words(candidate)}</qt>")
        self.setCursor(QtCore.Qt.CursorShape.PointingHandCursor)
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_Hover)
        self.setFixedSize(self.sizeHint())

    def sizeHint(self) -> QtCore.QSize:
        """A square with a line of text below."""
        return QtCore.QSize(SIDE, SIDE + self.fontMetrics().height() + 4)

    def set_state(self, state: State) -> None:
        """Set whether it was used, is requested by the form, or neither."""
        self.state = state
        self.update()

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        self._theme = theme_of(dark)
        self.update()

    def paintEvent(self, event: Any) -> None:
        painter, square = QtGui.QPainter(self), QtCore.QRectF(0, 0, SIDE, SIDE)
        painter.setRenderHints(painter.RenderHint.Antialiasing | painter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(square, self._image)
        painter.setClipRect(square)
        radius = max(1.5, self._radius * SIDE)
        for color, width in ((HALO, 3.0), (CIRCLE, 1.4)):
            painter.setPen(QtGui.QPen(color, width))
            for y, x in self._circles * SIDE:
                painter.drawEllipse(QtCore.QPointF(x, y), radius, radius)
        painter.setClipping(False)
        self._draw_frame(painter, square)
        words = QtCore.QRectF(0, SIDE, SIDE, self.height() - SIDE)
        painter.setPen(QtGui.QColor(self._theme.text))
        painter.drawText(words, QtCore.Qt.AlignmentFlag.AlignCenter, self.text())

    def _draw_frame(self, painter: QtGui.QPainter, square: QtCore.QRectF) -> None:
        lit = self.hasFocus() or self.underMouse()
        pen = QtGui.QPen(QtGui.QColor(TAKEN if self.state else self._theme.text if lit else self._theme.line))
        pen.setWidthF(FRAME if self.state else 2 if lit else 1)
        pen.setStyle(QtCore.Qt.PenStyle.DashLine if self.state == "asked" else QtCore.Qt.PenStyle.SolidLine)
        pen.setJoinStyle(QtCore.Qt.PenJoinStyle.MiterJoin)
        half = pen.widthF() / 2
        painter.setPen(pen)
        painter.drawRect(square.adjusted(half, half, -half, -half))


def picture(candidate: Candidate) -> tuple[QtGui.QImage, Any, float]:
    """A square section of the image, with the (N, 2) columns (y, x) and sigma in units of its side."""
    rows, columns = zoom(candidate)
    piece = candidate.part[rows, columns]
    low, high = np.percentile(piece, (0.5, 99.5))
    shades = np.ascontiguousarray(grey(piece, (float(low), float(high if high > low else low + 1))))
    side = len(shades)
    image = QtGui.QImage(shades.data, side, side, 4 * side, QtGui.QImage.Format.Format_RGBA8888).copy()
    return image, (candidate.yx + 0.5 - (rows.start, columns.start)) / side, candidate.sigma / side


def zoom(candidate: Candidate) -> tuple[slice, slice]:
    """A square with about twenty columns, around one near the centre of the candidate's part of the image."""
    shape, yx = np.array(candidate.part.shape), candidate.yx
    spacing = np.sqrt(np.prod(shape) / max(1, len(yx)))
    side = int(np.clip(np.sqrt(COLUMNS) * spacing, 8, min(WIDEST * candidate.sigma, *shape)))
    centre = yx[np.argmin(((yx - shape / 2) ** 2).sum(axis=1))] if len(yx) else shape / 2
    y, x = np.clip(np.rint(centre - side / 2), 0, shape - side).astype(int).tolist()
    return slice(y, y + side), slice(x, x + side)


def matching(candidates: Sequence[Candidate], contrast: str | None, sigma: float | None) -> Candidate | None:
    """The candidate with a given contrast and sigma, or None."""
    if contrast is None or sigma is None:
        return None
    fit = (each for each in candidates if contrast_of(each) == contrast and abs(np.log(each.sigma / sigma)) < SAME)
    return next(fit, None)


def contrast_of(candidate: Candidate) -> str:
    """Contrast of the columns as in Segment: bright or dark."""
    return "bright" if candidate.bright else "dark"


def in_words(candidate: Candidate) -> str:
    """Description of a candidate and its evidence."""
    repeats = next((words for least, words in REPEATS if candidate.repetition >= least), "are hardly periodic")
    return (
        f"{contrast_of(candidate).capitalize()} columns, sigma {candidate.sigma:.3g} px. The network is "
        f"{candidate.confidence:.0%} confident in them; they explain {candidate.explained:.0%} of the image contrast "
        f"and {repeats}. The circles have a radius of one sigma."
    )

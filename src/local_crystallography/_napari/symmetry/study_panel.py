"""Panel of the study of windows: cells per decision, their reliability, and the lattice of each region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy import QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.symmetry.tables import weights_table, window_table
from local_crystallography._napari.widgets.theme import theme_of
from local_crystallography._napari.widgets.timers import while_there
from local_crystallography.bayes.calibrate_windows import WindowCalibration, calibrate_windows
from local_crystallography.bayes.decision import Decision
from local_crystallography.bayes.nets import nets
from local_crystallography.bayes.study import WindowStudy
from local_crystallography.bayes.weights import ModelWeights, region_weights
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.steps.symmetry import DecideSymmetry
from local_crystallography.views.styles import DECIDED

SYMMETRIC, BROKEN, UNDECIDED = DECIDED[Decision.SYMMETRIC], DECIDED[Decision.BROKEN], "#a5aab2"
INTRO = (
    "Which window justifies a symmetry? Run Decide symmetry in the main panel for the map; here windows of several "
    "sizes are compared, with the settings of that panel."
)
TIPS = {
    "study": "Decide alternation around every atom in windows of several sizes, and predict from the noise of these "
    "atoms how often a decision is to be expected",
    "calibrate": "Simulate 1,000 windows of the radius of the map with the noise of this image, for a true difference "
    "of 0, at the edge of the ROPE and as large as measured, or twice the ROPE where nothing alternates",
    "weights": "Compare square, rectangular, oblique, hexagonal and doubled lattices in every region",
    "region": "What tells the regions apart: grains, classes, or the atoms selected and the others",
}
REGIONS = ("whole image", "grain", "label", "hand_label", "selection")
WINDOWS = 1000


class StudyPanel(QtWidgets.QWidget):  # type: ignore[misc]
    """A plot of window size against decisions, and two tables."""

    def __init__(
        self, controller: Controller, step: Callable[[], DecideSymmetry], parent: QtWidgets.QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.controller, self.step = controller, step
        self.plot = pg.PlotWidget()
        self.region = QtWidgets.QComboBox()
        self.region.addItems(REGIONS)
        self.words, self.calibrated, self.weighed = (QtWidgets.QLabel(wordWrap=True) for _ in range(3))
        self.buttons = {
            "study": QtWidgets.QPushButton("Study windows"),
            "calibrate": QtWidgets.QPushButton("Calibrate"),
            "weights": QtWidgets.QPushButton("Weigh lattices by"),
        }
        self.study: WindowStudy | None = None
        self._dark = True
        self._atoms: Atoms | None = None
        self._lay_out()
        self.buttons["study"].clicked.connect(self._on_study_clicked)
        self.buttons["calibrate"].clicked.connect(self._on_calibrate_clicked)
        self.buttons["weights"].clicked.connect(self._on_weights_clicked)

    def refresh(self) -> None:
        """Offer what can be done now; what was found for other atoms goes."""
        atoms = None if self.controller.active is None else self.controller.active.analysis.atoms
        if self._atoms is not None and (atoms is None or not atoms.same_atoms(self._atoms)):
            self._forget()
        self._atoms = atoms
        ready = atoms is not None and "grain" in atoms.features and not self.controller.running
        for button in self.buttons.values():
            button.setEnabled(ready)
        if self.study is None:
            missing = "" if atoms is not None and "grain" in atoms.features else "\nRun Measure lattice first."
            self.words.setText(f"{INTRO}{missing}")

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        self._dark, theme = dark, theme_of(dark)
        self.plot.setBackground(theme.window)
        for side in ("left", "bottom"):
            self.plot.getAxis(side).setPen(theme.line)
            self.plot.getAxis(side).setTextPen(theme.text)
        self.plot.setTitle(
            f'share <span style="color: {SYMMETRIC}">symmetric</span>, '
            f'<span style="color: {BROKEN}">broken</span>, <span style="color: {UNDECIDED}">undecided</span>',
            color=theme.text,
            size="9pt",
        )
        self.plot.setLabel("bottom", "unit cells in the window", color=theme.text)
        if self.study is not None:
            self._draw(self.study)

    def _lay_out(self) -> None:
        self.plot.setFixedHeight(220)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.getPlotItem().setContentsMargins(0, 0, 10, 0)
        self.plot.setToolTip(
            "<qt>Solid: measured on this image, with domain walls and all. Dashed: the probability of a decision as "
            "predicted from the noise, where nothing alternates (blue) or by as much as measured (orange).</qt>"
        )
        layout, weigh = QtWidgets.QVBoxLayout(self), QtWidgets.QHBoxLayout()
        layout.setContentsMargins(2, 4, 2, 2)
        weigh.addWidget(self.buttons["weights"])
        weigh.addWidget(self.region, stretch=1)
        for part in (self.words, self.buttons["study"], self.plot, self.buttons["calibrate"], self.calibrated):
            layout.addWidget(part)
        layout.addLayout(weigh)
        layout.addWidget(self.weighed)
        layout.addStretch()
        for name, widget in (*self.buttons.items(), ("region", self.region)):
            widget.setToolTip(f"<qt>{TIPS[name]}</qt>")
        self.plot.setVisible(False)

    def _forget(self) -> None:
        self.study = None
        self.plot.setVisible(False)
        for label in (self.calibrated, self.weighed):
            label.clear()

    def _on_study_clicked(self) -> None:
        # here, since a widget may be read in the thread of the window alone
        step = self.controller.attempt(self.step)
        if step is not None and (atoms := self._atoms) is not None:
            self.controller.job(lambda: step.study(atoms), while_there(self, self._on_studied))

    def _on_studied(self, study: WindowStudy) -> None:
        self.study = study
        self.plot.setVisible(True)
        self._draw(study)
        decided = study.symmetric + study.broken
        enough = np.flatnonzero(decided >= 0.95)
        size = (
            f"{study.cells[enough[0]]:.0f} cells decide 95 % of the atoms"
            if len(enough)
            else (f"even {study.cells[-1]:.0f} cells decide only {decided[-1]:.0%} of the atoms")
        )
        self.words.setText(
            f"In this image {size}; its noise is {study.noise:.2%} of the cell, and the difference of bonds "
            f"{study.difference:.2%}."
        )

    def _draw(self, study: WindowStudy) -> None:
        self.plot.clear()
        solid = ((study.symmetric, SYMMETRIC), (study.broken, BROKEN), (study.undecided, UNDECIDED))
        for share, ink in solid:
            self.plot.plot(study.cells, share, pen=pg.mkPen(ink, width=2), symbol="o", symbolSize=5, symbolBrush=ink)
        for share, ink in ((study.predicted_symmetric, SYMMETRIC), (study.predicted_broken, BROKEN)):
            self.plot.plot(study.cells, share, pen=pg.mkPen(ink, width=1, dash=(4, 4)))
        self.plot.setYRange(0, 1.02, padding=0)

    def _on_calibrate_clicked(self) -> None:
        step, study = self.controller.attempt(self.step), self.study
        if step is None:
            return
        if study is None:
            self.words.setText("⚠ Study windows first: the simulated windows take its noise and difference.")
            return
        measured = study.difference if study.difference > step.rope / 10 else 2 * step.rope
        differences = (0.0, step.rope, measured)
        self.controller.job(
            lambda: calibrate_windows(
                step.rule,
                radius=step.radius,
                noise=study.noise,
                differences=differences,
                windows=WINDOWS,
                seed=0,
            ),
            while_there(self, lambda found: self._on_calibrated(found, step.hdi_prob)),
        )

    def _on_calibrated(self, found: WindowCalibration, mass: float) -> None:
        self.calibrated.setText(window_table(found, mass))

    def _on_weights_clicked(self) -> None:
        atoms, by = self._atoms, self.region.currentText()
        if atoms is None:
            return
        try:
            regions = self._regions(atoms, by)
        except InputError as error:
            self.weighed.setText(f"⚠ {error}")
            return
        show = while_there(self, self._on_weighed)
        self.controller.compute("Weighing lattices …", lambda: _weighed(atoms, regions, by, show))

    def _regions(self, atoms: Atoms, by: str) -> Any:
        """(N,) number of the region of every atom."""
        if by == "whole image":
            return np.zeros(len(atoms), np.int64)
        if by == "selection":
            return np.asarray(self.controller.selection.mask, np.int64)
        if by not in atoms.features:
            raise InputError(f"The atoms have no {by}; run the step that makes it, or choose another region.")
        return np.nan_to_num(atoms.features[by].to_numpy(float), nan=-1).astype(np.int64)

    def _on_weighed(self, found: dict[str, ModelWeights]) -> None:
        few = "⚠ No region has enough atoms of one lattice; take larger ones."
        self.weighed.setText(weights_table(found) if found else few)


def _weighed(atoms: Atoms, regions: Any, by: str, then: Callable[[Any], object]) -> Callable[[], object]:
    found = region_weights(nets(atoms), regions)
    names = {"whole image": ["whole image"], "selection": ["others", "selected"]}.get(by)
    named = {names[number] if names else f"{by} {number}": weights for number, weights in found.items()}
    return lambda: then(named)

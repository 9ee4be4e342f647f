"""The panel of windows: unit cells per decision, their calibration, and the lattice of each region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy import QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.symmetry.decision_map import DecisionMap
from local_crystallography._napari.symmetry.tables import weights_table, window_table
from local_crystallography._napari.widgets.help import looked_at
from local_crystallography._napari.widgets.panels import ResultPanel, panel_layout, row
from local_crystallography._napari.widgets.plots import FixedPlot
from local_crystallography._napari.widgets.timers import while_there
from local_crystallography.bayes.calibrate_windows import WindowCalibration, calibrate_windows
from local_crystallography.bayes.decision import Decision
from local_crystallography.bayes.nets import nets
from local_crystallography.bayes.study import WindowStudy
from local_crystallography.bayes.weights import ModelWeights, region_weights
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.steps.symmetry import DecideSymmetry
from local_crystallography.views.looking import PANELS
from local_crystallography.views.styles import DECIDED

SYMMETRIC, BROKEN, UNDECIDED = DECIDED[Decision.SYMMETRIC], DECIDED[Decision.BROKEN], "#a5aab2"
INTRO = (
    "How large must a window be to decide on a symmetry? Windows of several sizes are compared with the settings of "
    "Decide symmetry in the main panel."
)
TIPS = {
    "study": "Decide on alternation around every atom in windows of several sizes, and predict from the noise of these "
    "atoms how often a decision is to be expected",
    "calibrate": "Simulate 1,000 windows with the radius of the map and the noise of this image, for a true difference "
    "of 0, at the edge of the ROPE and as measured (twice the ROPE where nothing alternates)",
    "weights": "Compare square, rectangular, oblique, hexagonal and doubled lattices in every region",
    "region": "How the image is divided into regions: grains, classes, or selected atoms and others",
}
TITLE = (
    f'share <span style="color: {SYMMETRIC}">symmetric</span>, <span style="color: {BROKEN}">broken</span>, '
    f'<span style="color: {UNDECIDED}">undecided</span>'
)
PLOT_TIP = (
    "Solid: measured on this image, including domain walls. Dashed: probability of a decision predicted from the "
    "noise, where nothing alternates (blue) or where bonds alternate as measured (orange)."
)
REGIONS = ("whole image", "grain", "label", "hand_label", "selection")
WINDOWS = 1000


class StudyPanel(ResultPanel):
    """A plot of window size against decisions, and two tables."""

    def __init__(
        self, controller: Controller, step: Callable[[], DecideSymmetry], parent: QtWidgets.QWidget | None = None
    ) -> None:
        super().__init__(controller, parent)
        self.step = step
        self.map = DecisionMap()
        self.plot = FixedPlot(220, PLOT_TIP, title=TITLE, bottom="unit cells in the window")
        self.region = QtWidgets.QComboBox()
        self.region.addItems(REGIONS)
        self.words = self.message
        self.calibrated, self.weighed = (QtWidgets.QLabel(wordWrap=True) for _ in range(2))
        self.buttons = {
            "study": QtWidgets.QPushButton("Study windows"),
            "calibrate": QtWidgets.QPushButton("Calibrate"),
            "weights": QtWidgets.QPushButton("Weigh lattices by"),
        }
        self.study: WindowStudy | None = None
        self._atoms: Atoms | None = None
        self._lay_out()
        self.buttons["study"].clicked.connect(self._on_study_clicked)
        self.buttons["calibrate"].clicked.connect(self._on_calibrate_clicked)
        self.buttons["weights"].clicked.connect(self._on_weights_clicked)

    def refresh(self) -> None:
        """Enable what can be done now, also while hidden; results of other atoms are dropped."""
        atoms = self.atoms
        if self._atoms is not None and (atoms is None or not atoms.same_atoms(self._atoms)):
            self._forget()
        self._atoms = atoms
        ready = atoms is not None and "grain" in atoms.features and not self.controller.running
        for button in self.buttons.values():
            button.setEnabled(ready)
        image = None if self.analysis is None else self.analysis.image
        can_decide = atoms is not None and len(atoms) > 0 and not self.controller.running
        self.map.show_atoms(atoms, (1, 1) if image is None else image.shape, ready=can_decide)
        if self.study is None:
            missing = "" if atoms is not None else "\nFind atoms first."
            self.words.setText(f"{INTRO}{missing}")

    def _lay_out(self) -> None:
        weigh = row(self.buttons["weights"], self.region, stretch=self.region)
        study, calibrate = self.buttons["study"], self.buttons["calibrate"]
        panel_layout(
            self,
            self.map,
            self.words,
            study,
            looked_at(self.plot, PANELS["windows"]),
            calibrate,
            self.calibrated,
            weigh,
            self.weighed,
        )
        for name, widget in (*self.buttons.items(), ("region", self.region)):
            widget.setToolTip(f"<qt>{TIPS[name]}</qt>")
        self.plot.setVisible(False)

    def _forget(self) -> None:
        self.study = None
        self.plot.setVisible(False)
        for label in (self.calibrated, self.weighed):
            label.clear()

    def _on_study_clicked(self) -> None:
        # here, because widgets may only be read in the thread of the window
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
            f"{study.cells[enough[0]]:.0f} unit cells decide 95 % of the atoms"
            if len(enough)
            else (f"even {study.cells[-1]:.0f} unit cells decide only {decided[-1]:.0%} of the atoms")
        )
        self.words.setText(
            f"In this image {size}. Its noise is {study.noise:.2%} of the unit cell, the difference between bonds "
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
            self.words.setText("⚠ Study windows first: calibration needs the noise and the difference it measures.")
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
            raise InputError(f"The atoms have no {by}; run the step that adds it, or choose other regions.")
        return np.nan_to_num(atoms.features[by].to_numpy(float), nan=-1).astype(np.int64)

    def _on_weighed(self, found: dict[str, ModelWeights]) -> None:
        few = "⚠ No region has enough atoms of one lattice; choose larger regions."
        self.weighed.setText(weights_table(found) if found else few)


def _weighed(atoms: Atoms, regions: Any, by: str, then: Callable[[Any], object]) -> Callable[[], object]:
    found = region_weights(nets(atoms), regions)
    names = {"whole image": ["whole image"], "selection": ["others", "selected"]}.get(by)
    named = {names[number] if names else f"{by} {number}": weights for number, weights in found.items()}
    return lambda: then(named)

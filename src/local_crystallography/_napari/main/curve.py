"""Reasons for the classes in the panel of Cluster: BIC and ICL by number of components, and which were merged."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy import QtCore, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.help import looked_at
from local_crystallography._napari.widgets.plots import FixedPlot
from local_crystallography.clustering.mixtures import CriterionCurve
from local_crystallography.data.atoms import Atoms
from local_crystallography.steps.cluster import Cluster, Reasons
from local_crystallography.views.looking import PANELS

BIC, ICL = "#2a95ff", "#ff9d2a"
HEIGHT = 130
TITLE = f'<span style="color: {BIC}">BIC</span> and <span style="color: {ICL}">ICL</span> over the lowest'
TIP = (
    "Show which number of components describes the atoms best, and for each pair of neighbouring components whether "
    "they are one class, judged by the density between them, the positions of their atoms, and their appearance"
)
NONE_NEAR = "No two components are close to each other."
PLOT_TIP = (
    "Bayesian information criterion and integrated completed likelihood relative to their minimum; lower is better. "
    "Where the curve is flat the data do not determine the number. ICL counts overlapping components as one."
)


class CurveTools(QtWidgets.QWidget):  # type: ignore[misc]
    """A button, with the curve of the active image below it."""

    def __init__(
        self, controller: Controller, step: Callable[[], Cluster], parent: QtWidgets.QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.controller, self.step = controller, step
        self.button = QtWidgets.QPushButton("Why these classes")
        self.plot = FixedPlot(HEIGHT, PLOT_TIP, title=TITLE, bottom="components")
        self.words = QtWidgets.QLabel(wordWrap=True)
        self.words.setTextInteractionFlags(QtCore.Qt.TextInteractionFlag.TextSelectableByMouse)
        self.curve: CriterionCurve | None = None
        self._atoms: Atoms | None = None
        self.button.setToolTip(f"<qt>{TIP}</qt>")
        self._show_parts(False)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addLayout(looked_at(self.plot, PANELS["components"]))
        layout.addWidget(self.words)
        self.button.clicked.connect(self._on_clicked)

    def refresh(self) -> None:
        """Enable the button if there are atoms, and hide the curve of other atoms."""
        atoms = self.controller.atoms
        self.button.setEnabled(atoms is not None and not self.controller.running)
        if self._atoms is not None and (atoms is None or not atoms.same_atoms(self._atoms)):
            self.curve = self._atoms = None
            self._show_parts(False)

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        self.plot.set_theme(dark)

    def _on_clicked(self) -> None:
        analysis = self.controller.analysis
        step = self.controller.attempt(self.step)
        if step is not None and analysis is not None and (atoms := analysis.atoms) is not None:
            sub_images = analysis.sub_images
            self.controller.job(lambda: step.reasons(atoms, sub_images), partial(self._show, atoms))

    def _show_parts(self, seen: bool) -> None:
        for part in (self.plot, self.words):
            part.setVisible(seen)

    def _show(self, atoms: Atoms, reasons: Reasons) -> None:
        self.curve, self._atoms = reasons.curve, atoms
        curve = reasons.curve
        self.words.setText("\n".join(f"• {pair.words}" for pair in reasons.pairs) or NONE_NEAR)
        self.plot.clear()
        for values, ink in ((curve.bic, BIC), (curve.icl, ICL)):
            line = pg.mkPen(ink, width=2)
            self.plot.plot(curve.components, values - values.min(), pen=line, symbol="o", symbolSize=4)
            best = int(curve.components[values.argmin()])
            self.plot.addItem(pg.InfiniteLine(best, 90, pen=pg.mkPen(ink, width=1, dash=(3, 3))))
        self._show_parts(True)

"""The symmetry dock: the chain of the paper, and what windows of the image can decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy import QtCore, QtWidgets

from local_crystallography._napari.bench.workbench import Workbench
from local_crystallography._napari.bench.worker import Report
from local_crystallography._napari.help import HelpButton
from local_crystallography._napari.symmetry.chain_panel import ChainPanel
from local_crystallography._napari.symmetry.study_panel import StudyPanel
from local_crystallography._napari.theme import paint
from local_crystallography.steps.symmetry import DecideSymmetry


class SymmetryDock(QtWidgets.QWidget):  # type: ignore[misc]
    """Two tabs, and below them how a job stands that was started here."""

    def __init__(
        self, bench: Workbench, step: Callable[[], DecideSymmetry], parent: QtWidgets.QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.bench = bench
        self.chain, self.study = ChainPanel(bench), StudyPanel(bench, step)
        self.tabs, self.progress = QtWidgets.QTabWidget(), QtWidgets.QProgressBar()
        self.cancel = QtWidgets.QPushButton("Cancel")
        self._lay_out()
        bench.changed.connect(self._on_bench_changed)
        bench.reported.connect(self._on_reported)
        self._on_bench_changed()

    def sizeHint(self) -> QtCore.QSize:
        """As narrow as the main dock."""
        return QtCore.QSize(330, 700)

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        paint(self, dark)
        self.chain.set_theme(dark)
        self.study.set_theme(dark)

    def _lay_out(self) -> None:
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Expanding)
        for name, panel in (("Chain", self.chain), ("Image", self.study)):
            scroll = QtWidgets.QScrollArea(widgetResizable=True)
            scroll.setWidget(panel)
            scroll.setFrameShape(scroll.Shape.NoFrame)
            scroll.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
            scroll.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            self.tabs.addTab(scroll, name)
        self.tabs.setTabToolTip(0, "The chain of section 1 of the paper, simulated or a row of atoms")
        self.tabs.setTabToolTip(1, "How many cells a decision takes in this image")
        self.tabs.setCornerWidget(HelpButton("Decide symmetry"))
        self.progress.setToolTip("How far the job is")
        self.cancel.setToolTip("Stop the job and keep what there is of it")
        self.cancel.clicked.connect(lambda: self.bench.stop(everything=True))
        layout, below = QtWidgets.QVBoxLayout(self), QtWidgets.QHBoxLayout()
        layout.setContentsMargins(6, 4, 6, 4)
        below.addWidget(self.progress, stretch=1)
        below.addWidget(self.cancel)
        layout.addWidget(self.tabs, stretch=1)
        layout.addLayout(below)

    def _on_bench_changed(self) -> None:
        running = self.bench.running
        self.progress.setVisible(running)
        self.cancel.setVisible(running)
        self.cancel.setEnabled(not self.bench.runner.stop.everything.is_set())
        self.chain.set_ready(not running)
        self.study.refresh()

    def _on_reported(self, report: Report) -> None:
        progress: Any = report.progress
        self.progress.setRange(0, 1000 if progress.fraction else 0)
        self.progress.setValue(round(1000 * progress.fraction))
        self.progress.setFormat(progress.message)

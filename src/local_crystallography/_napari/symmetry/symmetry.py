"""The symmetry dock: the chain of the paper, and decisions in windows of the image."""

from __future__ import annotations

from collections.abc import Callable

from qtpy import QtWidgets

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.symmetry.chain_panel import ChainPanel
from local_crystallography._napari.symmetry.study_panel import StudyPanel
from local_crystallography._napari.widgets.panels import TabbedDock
from local_crystallography.steps.symmetry import DecideSymmetry


class SymmetryDock(TabbedDock):
    """Chain and image."""

    def __init__(
        self, controller: Controller, step: Callable[[], DecideSymmetry], parent: QtWidgets.QWidget | None = None
    ) -> None:
        self.chain, self.study = ChainPanel(controller), StudyPanel(controller, step)
        tabs = (
            ("Chain", self.chain, "The chain of section 1 of the paper, simulated or a row of atoms"),
            ("Image", self.study, "Number of unit cells that a decision takes in this image"),
        )
        super().__init__(controller, tabs, "Decide symmetry", parent)
        controller.changed.connect(self._on_controller_changed)
        self._on_controller_changed()

    def _on_controller_changed(self) -> None:
        self.chain.set_ready(not self.controller.running)
        self.study.refresh()

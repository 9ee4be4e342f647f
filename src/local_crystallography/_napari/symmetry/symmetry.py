"""The symmetry dock: decisions on the image at hand, rows of its atoms, and the chains of the paper as examples."""

from __future__ import annotations

from collections.abc import Callable

from qtpy import QtWidgets

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.symmetry.chain_panel import ChainPanel
from local_crystallography._napari.symmetry.study_panel import StudyPanel
from local_crystallography._napari.widgets.panels import TabbedDock
from local_crystallography.steps.symmetry import DecideSymmetry


class SymmetryDock(TabbedDock):
    """Image and chain."""

    def __init__(
        self, controller: Controller, step: Callable[[], DecideSymmetry], parent: QtWidgets.QWidget | None = None
    ) -> None:
        self.chain, self.study = ChainPanel(controller), StudyPanel(controller, step)
        tabs = (
            ("Image", self.study, "Decisions on this image, and the number of unit cells that one takes"),
            ("Chain", self.chain, "A row of atoms of this image, or as an example the chain of section 1 of the paper"),
        )
        super().__init__(controller, tabs, "Decide symmetry", parent)
        if controller.active is None:
            self.tabs.setCurrentIndex(1)  # without an image there is the example alone
        controller.changed.connect(self._on_controller_changed)
        self._on_controller_changed()

    def _on_controller_changed(self) -> None:
        if not self.controller.running:
            self.chain.follow()
        self.chain.set_ready(not self.controller.running)
        self.study.refresh()

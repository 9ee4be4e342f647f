"""The measure dock: profile across a line, means of regions, displacement vectors, all of the active image."""

from __future__ import annotations

from collections.abc import Callable

from qtpy import QtWidgets

from local_crystallography._napari.measure.profile_panel import ProfilePanel
from local_crystallography._napari.measure.regions_panel import RegionsPanel
from local_crystallography._napari.measure.vectors_panel import VectorsPanel
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.panels import TabbedDock


class MeasureDock(TabbedDock):
    """Profile, regions and vectors; `show` shows a column or the vectors over the image."""

    def __init__(
        self, controller: Controller, show: Callable[[str], object], parent: QtWidgets.QWidget | None = None
    ) -> None:
        self.profile, self.regions = ProfilePanel(controller), RegionsPanel(controller)
        self.vectors = VectorsPanel(controller, show)
        tabs = (
            ("Profile", self.profile, "A column against the distance across an interface, plane by plane"),
            ("Regions", self.regions, "Means of areas, classes or grains, with standard errors"),
            ("Vectors", self.vectors, "Displacements in their cages as arrows and colours"),
        )
        super().__init__(controller, tabs, "Measure", parent)
        controller.changed.connect(self.refresh)
        self.tabs.currentChanged.connect(lambda _: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Show the visible tab as things are now; the others when they are shown."""
        self.panels[self.tabs.currentIndex()].refresh()

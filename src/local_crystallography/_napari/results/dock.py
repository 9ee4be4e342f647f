"""The components dock: classes, loadings of the baselines, window sizes and runs compared."""

from __future__ import annotations

from collections.abc import Callable

from qtpy import QtWidgets

from local_crystallography._napari.results.classes.panel import ClassesPanel
from local_crystallography._napari.results.compare.panel import ComparePanel
from local_crystallography._napari.results.loadings.panel import LoadingsPanel
from local_crystallography._napari.results.windows.panel import WindowsPanel
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.panels import TabbedDock
from local_crystallography.recipe import Recipe


class ComponentsDock(TabbedDock):
    """Classes, loadings, windows and comparison, all of the active image."""

    def __init__(
        self, controller: Controller, recipe: Callable[[], Recipe], parent: QtWidgets.QWidget | None = None
    ) -> None:
        self.classes, self.loadings = ClassesPanel(controller), LoadingsPanel(controller)
        self.windows, self.compare = WindowsPanel(controller, recipe), ComparePanel(controller)
        tabs = (
            (
                "Classes",
                self.classes,
                "Number of atoms, appearance, symmetry and neighbours of the classes",
            ),
            ("Loadings", self.loadings, "Pictures of the components of PCA, NMF and ICA"),
            ("Windows", self.windows, "Train for several window sizes, sources and seeds, and compare the results"),
            ("Compare", self.compare, "Two or more results side by side, with their differences"),
        )
        super().__init__(controller, tabs, "Components", parent)
        controller.changed.connect(self.refresh)
        self.tabs.currentChanged.connect(lambda _: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Show the visible tab as things are now; the others when they are shown."""
        self.panels[self.tabs.currentIndex()].refresh()

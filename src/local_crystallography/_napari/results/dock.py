"""The components dock: classes in numbers, loadings of the baselines, windows and runs compared."""

from __future__ import annotations

from collections.abc import Callable

from qtpy import QtWidgets

from local_crystallography._napari.results.classes.panel import ClassesPanel
from local_crystallography._napari.results.compare.panel import ComparePanel
from local_crystallography._napari.results.loadings.panel import LoadingsPanel
from local_crystallography._napari.results.windows.panel import WindowsPanel
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.tabbed import TabbedDock
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
                "How many atoms the classes have, what they look like, how symmetric they are",
            ),
            ("Loadings", self.loadings, "What the components of PCA, NMF and ICA look like"),
            ("Windows", self.windows, "Train for several windows, sources and seeds, and compare what comes of it"),
            ("Compare", self.compare, "Two or more results side by side, with what differs painted"),
        )
        super().__init__(controller, tabs, "Components", parent)
        controller.changed.connect(self.refresh)
        self.tabs.currentChanged.connect(lambda _: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Show the tab that is seen as things are now; the others when their turn comes."""
        self.panels[self.tabs.currentIndex()].refresh()

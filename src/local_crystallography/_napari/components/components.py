"""The components dock: classes in numbers, loadings of the baselines, windows and runs compared."""

from __future__ import annotations

from collections.abc import Callable

from qtpy import QtWidgets

from local_crystallography._napari.bench.workbench import Workbench
from local_crystallography._napari.components.classes_panel import ClassesPanel
from local_crystallography._napari.components.compare_panel import ComparePanel
from local_crystallography._napari.components.loadings_panel import LoadingsPanel
from local_crystallography._napari.components.windows_panel import WindowsPanel
from local_crystallography._napari.tabbed import TabbedDock
from local_crystallography.recipe import Recipe


class ComponentsDock(TabbedDock):
    """Classes, loadings, windows and comparison, all of the active image."""

    def __init__(self, bench: Workbench, recipe: Callable[[], Recipe], parent: QtWidgets.QWidget | None = None) -> None:
        self.classes, self.loadings = ClassesPanel(bench), LoadingsPanel(bench)
        self.windows, self.compare = WindowsPanel(bench, recipe), ComparePanel(bench)
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
        super().__init__(bench, tabs, "Components", parent)
        bench.changed.connect(self.refresh)
        self.tabs.currentChanged.connect(lambda _: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Show the tab that is seen as things are now; the others when their turn comes."""
        self.panels[self.tabs.currentIndex()].refresh()

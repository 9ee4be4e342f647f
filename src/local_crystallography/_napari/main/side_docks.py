"""Side docks: opened once, kept up to date with the atoms, closed with the main dock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

import pandas as pd
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.explorer.card import HoverCard
from local_crystallography._napari.explorer.explorer import LastChoices, LatentExplorer
from local_crystallography._napari.explorer.hover import ImageHover
from local_crystallography._napari.explorer.map_legend import MapLegend
from local_crystallography._napari.main.explorer_place import ExplorerPlace
from local_crystallography._napari.main.undo import UndoActions
from local_crystallography._napari.manifold.manifold import ManifoldDock
from local_crystallography._napari.measure.dock import MeasureDock
from local_crystallography._napari.results.dock import ComponentsDock
from local_crystallography._napari.selection.selection_menu import TIP, SelectionActions
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.settings import Settings
from local_crystallography._napari.symmetry.symmetry import SymmetryDock
from local_crystallography.clustering.doubts import Doubt
from local_crystallography.data.atoms import Atoms
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.measure_lattice import MeasureLattice
from local_crystallography.steps.paint_map import PaintMap
from local_crystallography.steps.symmetry import DecideSymmetry

D = TypeVar("D", bound=QtWidgets.QWidget)
MAIN, EXPLORER, MANIFOLD = "Local Crystallography", "Latent explorer", "Manifold"
SYMMETRY, COMPONENTS, MEASURE = "Symmetry", "Components", "Measure"
LAST_CHOICES = LastChoices()
"""Last choices in the explorer, kept as long as the program runs."""


class SideDocks(QtCore.QObject):  # type: ignore[misc]
    """The explorer, which opens as soon as latents exist, and all other docks, behind the main one."""

    def __init__(self, controller: Controller, main: QtWidgets.QWidget) -> None:
        super().__init__(main)
        self.controller, self.main, self.viewer = controller, main, controller.viewer
        self.explorer: LatentExplorer | None = None
        self._explored: Atoms | None = None
        self._previewed = False
        self._keys_enabled = False
        self._left = False
        self._dark = True
        self.behind: dict[str, Any] = {}
        self.pointer = ImageHover(self.viewer, controller, main)
        self.actions = SelectionActions(controller, lambda: main.recipe)
        self.undo = UndoActions(controller, main)
        self.undo.listen_in(main)
        self.map_legend = MapLegend(controller, main)
        controller.changed.connect(self._on_controller_changed)
        controller.previewed.connect(self.show_preview)

    def show_explorer(self) -> LatentExplorer:
        """Open the latent explorer behind the main dock, once, and bring it to the front."""
        explorer = self._add_explorer()
        explorer.parent().show()
        explorer.parent().raise_()
        return explorer

    def _add_explorer(self) -> LatentExplorer:
        """The explorer; created if there is none or it was closed."""
        if self.explorer is not None and EXPLORER not in self.viewer.window.dock_widgets:
            self.explorer.deleteLater()
            self.explorer = None
        if self.explorer is None:
            self.explorer, self._explored = self._new_explorer(), None
            self._add_behind(self.explorer, EXPLORER)
            if isinstance(window := self.main.window(), QtWidgets.QMainWindow):
                self.place = ExplorerPlace(self.explorer.parent(), self.main.parent(), window)
            self.controller.queue.add(self._fill)
        return self.explorer

    def show_manifold(self) -> ManifoldDock:
        """Open the manifold behind the main dock, once, and bring it to the front."""
        return self._show_behind(MANIFOLD, lambda: ManifoldDock(self.controller))

    def show_symmetry(self) -> SymmetryDock:
        """Open the symmetry dock behind the main dock, once, and bring it to the front."""
        return self._show_behind(SYMMETRY, self._new_symmetry)

    def show_components(self) -> ComponentsDock:
        """Open the components dock behind the main dock, once, and bring it to the front."""
        return self._show_behind(COMPONENTS, self._new_components)

    def show_measure(self) -> MeasureDock:
        """Open the measure dock behind the main dock, once, and bring it to the front."""
        return self._show_behind(MEASURE, lambda: MeasureDock(self.controller, self.main.show_box.choose))

    def show_preview(self, table: pd.DataFrame) -> None:
        """Show the latents of a network that still trains, until the job ends or the atoms change."""
        if self.explorer is None and Settings().opens_explorer and not self._left:
            self.controller.queue.add(self._open_explorer, partial(self.show_preview, table))
        elif self.explorer is not None:
            self._previewed = True
            self._fill_with(table)

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        self._dark = dark
        self.undo.set_theme(dark)
        self.map_legend.set_theme(dark)
        for dock in (self.explorer, *self.behind.values()):
            if dock is not None:
                dock.set_theme(dark)

    def leave(self) -> None:
        """Close the docks and disconnect from the controller."""
        self.controller.changed.disconnect(self._on_controller_changed)
        self.controller.previewed.disconnect(self.show_preview)
        self._left = True
        self.pointer.leave()
        self.map_legend.leave()
        self.actions.leave()
        self.undo.leave()
        for name, dock in {**self.behind, EXPLORER: self.explorer}.items():
            if dock is not None and name in self.viewer.window.dock_widgets:
                self.viewer.window.remove_dock_widget(dock)
                dock.deleteLater()
        self.explorer = None
        self.behind.clear()

    def _show_behind(self, name: str, make: Callable[[], D]) -> D:
        """The dock of this name, brought to the front; created if there is none or it was closed."""
        if name in self.behind and name not in self.viewer.window.dock_widgets:
            self.behind.pop(name).deleteLater()
        if name not in self.behind:
            self.behind[name] = make()
            self._add_behind(self.behind[name], name)
        dock: D = self.behind[name]
        dock.parent().show()
        dock.parent().raise_()
        return dock

    def _add_behind(self, dock: QtWidgets.QWidget, name: str) -> None:
        """Add a dock behind the main one, with the same width."""
        self.viewer.window.add_dock_widget(dock, name=name, area="right", tabify=True)
        self.undo.listen_in(dock)
        dock.set_theme(self._dark)
        if isinstance(window := self.main.window(), QtWidgets.QMainWindow):
            # long names in the tabs would widen both docks, or be cut off
            self.main.parent().setWindowTitle(MAIN)
            window.resizeDocks([dock.parent()], [self.main.width()], QtCore.Qt.Orientation.Horizontal)

    def _on_directed(self, step: Cluster) -> None:
        """Run Cluster and Paint map with other reference directions of the angles; the classes stay the same."""
        self.main.panels[step.name()].form.set(step)
        if (paint := self.controller.attempt(self.main.panels[PaintMap.name()].form.step)) is not None:
            self.controller.run((step, paint), again=True)

    def _open_explorer(self) -> None:
        """Open the explorer automatically, unless the main dock has been closed meanwhile; what is in front stays."""
        if not self._left:
            self._add_explorer()
            self.main.parent().raise_()

    def _new_explorer(self) -> LatentExplorer:
        explorer = LatentExplorer(self.controller.selection, self.controller.hover, last=LAST_CHOICES)
        explorer.failed.connect(self.controller.failed)
        explorer.add_side(HoverCard(self.controller))
        explorer.bar.add_menu("Selection", self.actions.menu, TIP)
        explorer.bar.add_tool(self.actions.lasso.action)
        explorer.bar.add_buttons(self.undo.buttons(listed=False))
        explorer.legend.add_buttons(self.main.class_count.buttons())
        self.actions.listen_in(explorer)
        return explorer

    def _new_symmetry(self) -> SymmetryDock:
        dock = SymmetryDock(self.controller, self.main.panels[DecideSymmetry.name()].form.step)
        dock.study.map.asked.connect(self._on_decision_asked)
        dock.study.map.wanted.connect(self.main.show_box.choose)
        return dock

    def _on_decision_asked(self) -> None:
        """Run Decide symmetry, after Measure lattice where there is none."""
        atoms = self.controller.atoms
        lattice = atoms is not None and "grain" in atoms.features
        names = [DecideSymmetry.name()] if lattice else [MeasureLattice.name(), DecideSymmetry.name()]
        steps = self.controller.attempt(lambda: tuple(self.main.panels[name].form.step() for name in names))
        if steps is not None:
            self.controller.run(steps, again=True)

    def _new_components(self) -> ComponentsDock:
        dock = ComponentsDock(self.controller, lambda: self.main.recipe)
        dock.windows.chosen.connect(self.main.panels[ExtractSubImages.name()].form.set)
        dock.classes.directed.connect(self._on_directed)
        dock.loadings.list.painted.connect(self.main.show_box.choose)
        return dock

    def _on_controller_changed(self) -> None:
        if not self._keys_enabled and isinstance(window := self.main.window(), QtWidgets.QMainWindow):
            self._keys_enabled = True
            self.actions.listen_on_image(window.centralWidget())
        atoms = self.controller.atoms
        wanted = Settings().opens_explorer and self.explorer is None
        if wanted and atoms is not None and "z0" in atoms.features:
            self.controller.queue.add(self._open_explorer)
        if self._previewed and not self.controller.runner.running:
            self._explored = None
        self._fill()

    def _fill(self) -> None:
        atoms, analysis = self.controller.atoms, self.controller.analysis
        if self.explorer is not None and atoms is not self._explored:
            self._explored, self._previewed = atoms, False
            doubts = () if analysis is None else analysis.doubts
            self._fill_with(pd.DataFrame() if atoms is None else atoms.to_frame(), doubts)

    def _fill_with(self, table: pd.DataFrame, doubts: Iterable[Doubt] = ()) -> None:
        analysis = self.controller.analysis
        if self.explorer is not None:
            self.explorer.set_table(table, None if analysis is None else analysis.styles, doubts)

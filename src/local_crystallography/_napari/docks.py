"""The docks beside the main one: opened once, filled with the atoms, closed with it."""

from __future__ import annotations

from typing import Any

import pandas as pd
from napari.utils.theme import get_theme
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.scatter import ScatterView
from local_crystallography._napari.workbench import Workbench
from local_crystallography.data.atoms import Atoms

EXPLORER = "Latent explorer"
EXPLORER_HEIGHT = 320


class SideDocks(QtCore.QObject):  # type: ignore[misc]
    """The latent explorer, shown below the canvas as soon as there are latents."""

    def __init__(self, bench: Workbench, main: QtWidgets.QWidget) -> None:
        super().__init__(main)
        self.bench, self.main, self.viewer = bench, main, bench.viewer
        self.explorer: ScatterView | None = None
        self._explored: Atoms | None = None
        bench.changed.connect(self._on_bench_changed)
        self.viewer.events.theme.connect(self._on_theme_changed)

    def show_explorer(self) -> ScatterView:
        """Open the scatter plot as a dock of its own, once."""
        if self.explorer is not None and EXPLORER not in self.viewer.window.dock_widgets:
            self.explorer.deleteLater()
            self.explorer = None
        if self.explorer is None:
            self.explorer, self._explored = ScatterView(self.bench.selection), None
            self.viewer.window.add_dock_widget(self.explorer, name=EXPLORER, area="bottom")
            self._make_room(self.explorer.parent())
            self._on_theme_changed()
            self.bench.turns.add(self._fill)
        return self.explorer

    def leave(self) -> None:
        """Close the docks and follow the viewer no more."""
        self.viewer.events.theme.disconnect(self._on_theme_changed)
        if self.explorer is not None and EXPLORER in self.viewer.window.dock_widgets:
            self.viewer.window.remove_dock_widget(self.explorer)
            self.explorer.deleteLater()
        self.explorer = None

    def _make_room(self, dock: Any) -> None:
        """Put the explorer below the canvas alone, so that panels and layer list keep their height."""
        window, corners, areas = self.main.window(), QtCore.Qt.Corner, QtCore.Qt.DockWidgetArea
        if isinstance(window, QtWidgets.QMainWindow):
            window.setCorner(corners.BottomLeftCorner, areas.LeftDockWidgetArea)
            window.setCorner(corners.BottomRightCorner, areas.RightDockWidgetArea)
            window.resizeDocks([dock], [EXPLORER_HEIGHT], QtCore.Qt.Orientation.Vertical)
            # the canvas has its new size only after the layout
            QtCore.QTimer.singleShot(100, self.viewer.reset_view)

    def _on_bench_changed(self) -> None:
        atoms = self._atoms()
        if atoms is not None and "z0" in atoms.features and self.explorer is None:
            self.bench.turns.add(self.show_explorer)
        self._fill()

    def _fill(self) -> None:
        atoms = self._atoms()
        if self.explorer is not None and atoms is not self._explored:
            self._explored = atoms
            self.explorer.set_table(pd.DataFrame() if atoms is None else atoms.to_frame())

    def _atoms(self) -> Atoms | None:
        return None if self.bench.active is None else self.bench.active.analysis.atoms

    def _on_theme_changed(self, event: Any = None) -> None:
        if self.explorer is not None:
            self.explorer.set_theme(get_theme(self.viewer.theme).type == "dark")

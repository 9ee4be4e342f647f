"""Commands on a comparison: select atoms, add a difference layer, enlarge maps, save files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.explorer.plot_box import how
from local_crystallography._napari.layers.convert import LayerData
from local_crystallography._napari.results.compare import layers as compare_layers
from local_crystallography._napari.results.compare.asked import Shown, written_figure, written_tables
from local_crystallography._napari.results.compare.legends import pair_legend, runs_legend
from local_crystallography._napari.results.compare.pictures import LARGE
from local_crystallography._napari.results.compare.results import Large
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography._napari.widgets.dialogs import ask_figure, ask_to_save
from local_crystallography.views.greys import Colors
from local_crystallography.views.selection import How

NOT_THESE = (
    "⚠ Neither of the two runs is of the atoms as they are now; tick the run now, or choose the image of these runs in "
    "the main panel."
)
NO_IMAGE = "⚠ The image of these runs is not in the viewer; open it first, differences are painted on it."
NONE_DIFFERS = "No atom differs between {} and {}: there is nothing to paint."


class CompareCommands(QtCore.QObject):  # type: ignore[misc]
    """Works with the comparison that is shown; `said` brings a sentence of how that went."""

    said = QtCore.Signal(str)

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self.controller, self.window = controller, parent
        self.shown: Shown | None = None
        self._latest = LatestTask(self)

    @property
    def busy(self) -> bool:
        """Whether something is drawn or written."""
        return self._latest.busy

    def select(self, mask: npt.NDArray[np.bool_], way: How = "replace") -> None:
        """Select atoms of the pair, (n,) of them, if one of its runs is of the present atoms."""
        atoms = None if self.controller.active is None else self.controller.active.analysis.atoms
        rows = None if self.shown is None or atoms is None else self.shown.rows_in(atoms)
        if rows is None or atoms is None or len(self.controller.selection) != len(atoms):
            self.said.emit(NOT_THESE)
            return
        chosen = np.zeros(len(atoms), bool)
        chosen[rows[mask]] = True
        self.controller.selection.apply(chosen, way, self)
        self.said.emit("")

    def select_cell(self, first: int, second: int) -> None:
        """Select the atoms that have one class in the first run and another in the second; keys held down combine."""
        if self.shown is not None:
            self.select(self.shown.in_cell(first, second), how(QtWidgets.QApplication.keyboardModifiers()))

    def paint(self) -> None:
        """Add a difference layer to the image."""
        if (shown := self.shown) is None:
            return
        session = compare_layers.work_of(self.controller, shown.asked.image)
        if session is None:
            self.said.emit(NO_IMAGE)
        else:
            draw = partial(compare_layers.painted, session, shown.comparison, shown.pair)
            self._latest.ask(draw, partial(self._on_painted, shown.pair.names), self._on_failed)

    def enlarge(self, number: int) -> None:
        """Show a map large, by its place; -1 for what differs."""
        if (shown := self.shown) is not None:
            pictures, pair = shown.pictures, shown.pair
            draw = partial(pictures.of_pair, pair, LARGE) if number < 0 else partial(pictures.of_run, number, LARGE)
            legend = pair_legend(pictures, pair) if number < 0 else runs_legend(pictures)
            title = " ↔ ".join(pair.names) if number < 0 else shown.comparison.names[number]
            self._latest.ask(draw, partial(self._on_large, title, legend), self._on_failed)

    def save_tables(self, path: Path) -> None:
        """Write agreement and differences."""
        self._write(written_tables, path)

    def save_figure(self, path: Path) -> None:
        """Write the figure of the comparison, as what the path ends in."""
        self._write(written_figure, path)

    def ask_tables(self) -> None:
        """Ask where to write the tables, and write them."""
        if path := ask_to_save(self.window, "Save tables", "comparison.csv"):
            self.save_tables(path)

    def ask_figure(self) -> None:
        """Ask where to write the figure, and write it."""
        if path := ask_figure(self.window, "comparison.png"):
            self.save_figure(path)

    def _write(self, write: Callable[[Shown, Path], str], path: Path) -> None:
        if self.shown is not None:
            self.said.emit(f"Writing {path.name} …")
            self._latest.ask(partial(write, self.shown, path), self.said.emit, self._on_failed)

    def _on_failed(self, why: str) -> None:
        self.said.emit(f"⚠ {why}")

    def _on_painted(self, names: tuple[str, str], new: LayerData) -> None:
        layer = compare_layers.put(self.controller.viewer, new)
        painted = layer is not None and len(new[0])
        self.said.emit(f"Painted in the layer “{layer.name}”." if painted else NONE_DIFFERS.format(*names))

    def _on_large(self, title: str, legend: str, picture: Colors) -> None:
        Large(picture, title, legend, self.window).show()

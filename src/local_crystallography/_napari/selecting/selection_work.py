"""What is made of the selected atoms: layers, columns, files, and what is worked on from then on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Shapes
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.bench.work import Work
from local_crystallography._napari.bench.workbench import Workbench
from local_crystallography._napari.explorer.plot_box import how
from local_crystallography._napari.selecting import selection_layers
from local_crystallography._napari.selecting.own_columns import OwnColumns
from local_crystallography._napari.settings import Settings
from local_crystallography._napari.viewer import layers
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.explore.assign import Mask, checked_name, table_of
from local_crystallography.explore.hit_test import inside_any
from local_crystallography.explore.styles import ClassStyles
from local_crystallography.recipe import Recipe
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.paint_map import PaintMap

TRAINING = ("extract_sub_images", "train_vae", "encode", "cluster", "paint_map")
"""What is run anew on atoms that are to have a network of their own."""
COLUMN = "Name of the new column, 1 for the selected atoms and 0 for the others:"


class SelectionWork(QtCore.QObject):  # type: ignore[misc]
    """Makes something of the selected atoms of the active image; `recipe` tells the settings of the steps."""

    def __init__(self, bench: Workbench, own: OwnColumns, recipe: Callable[[], Recipe] | None = None) -> None:
        super().__init__(own)
        self.bench, self.own, self._recipe = bench, own, recipe
        self._then: Callable[[], object] | None = None
        bench.changed.connect(self._on_bench_changed)

    def leave(self) -> None:
        """Follow the workbench no more."""
        self._then = None
        self.bench.changed.disconnect(self._on_bench_changed)

    def shapes_layers(self) -> list[Any]:
        """The layers of the viewer in which areas can be drawn."""
        return [layer for layer in self.bench.viewer.layers if isinstance(layer, Shapes)]

    def select_inside(self, layer: Any) -> None:
        """Select the atoms inside what is drawn in a shapes layer, of all frames; keys held down combine."""
        work, atoms = self.bench.active, self._atoms()
        if work is not None and atoms is not None:
            mask = inside_any(atoms.yx, layers.polygons_from(layer, work.layer))
            self.bench.selection.apply(mask, how(QtWidgets.QApplication.keyboardModifiers()), source=self)

    def add_points(self) -> None:
        """Add a points layer of the selected atoms."""
        work, atoms, mask = self.bench.active, self._atoms(), self.bench.selection.mask
        if work is not None and atoms is not None:
            name = f"selection of {work.layer.name}"
            self._compute("Making the layer …", lambda: [selection_layers.points(work, atoms[mask], name)], self._add)

    def add_labels(self) -> None:
        """Add a labels layer of the pixels nearest the selected atoms."""
        work, mask = self.bench.active, self.bench.selection.mask
        if work is None or self._atoms() is None:
            return

        def make() -> list[Any]:
            known = work.analysis.used.get("paint_map")
            step = known if isinstance(known, PaintMap) else PaintMap()
            atoms, image, sub_images = inputs = work.analysis.inputs(step)
            reach = step.resolve(atoms, image, sub_images).reach or 0.0
            brush = self.own.brush(work, reach, inputs)
            return [selection_layers.labels(work, mask, brush, f"pixels of selection of {work.layer.name}")]

        self._compute("Painting the selection …", make, self._add)

    def add_column(self) -> None:
        """Ask for a name, and make the selection a column."""
        atoms, mask = self._atoms(), self.bench.selection.mask
        name = None if atoms is None else ask_name("", "")
        while atoms is not None and name:
            try:
                self.own.add(checked_name(atoms, name), mask)
                return
            except InputError as error:
                name = ask_name(str(error), name)

    def export(self) -> None:
        """Ask for a file, and write the rows of the selected atoms."""
        work, atoms, mask = self.bench.active, self._atoms(), self.bench.selection.mask
        if work is not None and atoms is not None and (path := ask_file(f"selection of {work.layer.name}")):
            self._compute("Exporting …", lambda: write_table(path, atoms, mask, work.analysis.styles), None)

    def work_on(self, *, train: bool) -> None:
        """Take the selected atoms for the atoms of the image; all of them stay as a hidden layer."""
        work, mask = self.bench.active, self.bench.selection.mask
        if work is None or self._atoms() is None:
            return
        there = list(self.bench.viewer.layers)
        name = "Taking the selected atoms …"
        make = partial(_parts, work, there, mask)
        self._compute(name, make, partial(self._take, work, train))

    def _atoms(self) -> Atoms | None:
        """The atoms the selection is over."""
        atoms = None if self.bench.active is None else self.bench.active.analysis.atoms
        return atoms if atoms is not None and len(atoms) == len(self.bench.selection) else None

    def _compute(self, message: str, make: Callable[[], Any], then: Callable[[Any], object] | None) -> None:
        """Make something in the background, and do something with it in the window."""

        def function() -> Callable[[], object]:
            made = make()
            return lambda: None if then is None else then(made)

        self.bench.compute(message, function)

    def _add(self, made: list[Any]) -> None:
        for layer in made:
            self.bench.viewer.layers.append(layer)

    def _take(self, work: Work, train: bool, made: list[Any]) -> None:
        if self.bench.works.get(work.key) is not work:
            return
        selection = self.bench.viewer.layers.selection
        before = selection.active
        self._add(made)
        selection.active = before
        if self.bench.active is work:
            self.bench.choose_source("atoms", made[-1])
            # the bench is busy until this turn is over
            self._then = self._train if train else partial(self._give, work)

    def _give(self, work: Work) -> None:
        self.bench.compute("Taking the selected atoms …", partial(_given, work))

    def _train(self) -> None:
        assert self.bench.active is not None
        recipe = self.bench.active.analysis.recipe if self._recipe is None else self._recipe()
        self.bench.run(recipe.wanted(TRAINING), again=False)

    def _on_bench_changed(self) -> None:
        if self._then is not None and not self.bench.running:
            then, self._then = self._then, None
            then()


def write_table(path: Path, atoms: Atoms, mask: Mask, styles: ClassStyles) -> None:
    """Write the rows of the atoms of a (N,) mask as CSV.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    try:
        table_of(atoms, mask, styles).to_csv(path, index=False, lineterminator="\n")
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}), a folder with room and leave to write was "
            "expected; choose another one."
        ) from error


def ask_name(problem: str, name: str) -> str | None:
    """A name for a column; what was wrong with the one given before is said. None for cancelled."""
    said = f"<p>{problem}</p>" if problem else ""
    window = QtWidgets.QApplication.activeWindow()
    text, given = QtWidgets.QInputDialog.getText(window, "New column", f"<qt>{said}{COLUMN}</qt>", text=name)
    return text if given else None


def ask_file(name: str) -> Path | None:
    """Where to write the table; None for cancelled."""
    settings = Settings()
    start = f"{name}.csv" if settings.folder is None else str(settings.folder / f"{name}.csv")
    window = QtWidgets.QApplication.activeWindow()
    path, _ = QtWidgets.QFileDialog.getSaveFileName(window, "Export the selected atoms", start, "Tables (*.csv)")
    if not path:
        return None
    chosen = Path(path) if Path(path).suffix else Path(path).with_suffix(".csv")
    settings.folder = chosen.parent
    return chosen


def _parts(work: Work, there: list[Any], mask: Mask) -> list[Any]:
    everything = selection_layers.all_atoms(work, there)
    part = selection_layers.to_work_on(work, mask)
    return [part] if everything is None else [everything, part]


def _given(work: Work) -> Callable[[], object]:
    """Take the atoms from the layer chosen for them, without running a step."""
    work.prepare(work.given((ExtractSubImages(),)))
    work.results.prepare()
    return lambda: None

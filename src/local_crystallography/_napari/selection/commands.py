"""Commands on the selected atoms: layers, columns, files, and a new analysis of them alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Shapes
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.explorer.plot_box import how
from local_crystallography._napari.layers import convert
from local_crystallography._napari.selection import selection_layers
from local_crystallography._napari.selection.own_columns import OwnColumns
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.widgets.dialogs import ask_to_save
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError, writing
from local_crystallography.data.polygons import inside_any
from local_crystallography.recipe import Recipe
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.paint_map import PaintMap
from local_crystallography.views.assign import Mask, checked_name, table_of
from local_crystallography.views.styles import ClassStyles

TRAINING = ("extract_sub_images", "train_vae", "encode", "cluster", "paint_map")
"""What is run anew on atoms that are to have a network of their own."""
COLUMN = "Name of the new column, 1 for the selected atoms and 0 for the others:"


class SelectionCommands(QtCore.QObject):  # type: ignore[misc]
    """Makes something of the selected atoms of the active image; `recipe` tells the settings of the steps."""

    def __init__(self, controller: Controller, own: OwnColumns, recipe: Callable[[], Recipe] | None = None) -> None:
        super().__init__(own)
        self.controller, self.own, self._recipe = controller, own, recipe
        self._then: Callable[[], object] | None = None
        controller.changed.connect(self._on_controller_changed)

    def leave(self) -> None:
        """Follow the controller no more."""
        self._then = None
        self.controller.changed.disconnect(self._on_controller_changed)

    def shapes_layers(self) -> list[Any]:
        """The layers of the viewer in which areas can be drawn."""
        return [layer for layer in self.controller.viewer.layers if isinstance(layer, Shapes)]

    def select_inside(self, layer: Any) -> None:
        """Select the atoms inside what is drawn in a shapes layer, of all frames; keys held down combine."""
        session, atoms = self.controller.active, self._atoms()
        if session is not None and atoms is not None:
            mask = inside_any(atoms.yx, convert.polygons_from(layer, session.layer))
            self.controller.selection.apply(mask, how(QtWidgets.QApplication.keyboardModifiers()), source=self)

    def add_points(self) -> None:
        """Add a points layer of the selected atoms."""
        session, atoms, mask = self.controller.active, self._atoms(), self.controller.selection.mask
        if session is not None and atoms is not None:
            name = f"selection of {session.layer.name}"
            self._compute(
                "Making the layer …", lambda: [selection_layers.points(session, atoms[mask], name)], self._add
            )

    def add_labels(self) -> None:
        """Add a labels layer of the pixels nearest the selected atoms."""
        session, mask = self.controller.active, self.controller.selection.mask
        if session is None or self._atoms() is None:
            return

        def make() -> list[Any]:
            known = session.analysis.used.get("paint_map")
            step = known if isinstance(known, PaintMap) else PaintMap()
            atoms, image, sub_images = inputs = session.analysis.inputs(step)
            reach = step.resolve(atoms, image, sub_images).max_distance or 0.0
            brush = self.own.brush(session, reach, inputs)
            return [selection_layers.labels(session, mask, brush, f"pixels of selection of {session.layer.name}")]

        self._compute("Painting the selection …", make, self._add)

    def add_column(self) -> None:
        """Ask for a name, and make the selection a column."""
        atoms, mask = self._atoms(), self.controller.selection.mask
        name = None if atoms is None else ask_name("", "")
        while atoms is not None and name:
            try:
                self.own.add(checked_name(atoms, name), mask)
                return
            except InputError as error:
                name = ask_name(str(error), name)

    def export(self) -> None:
        """Ask for a file, and write the rows of the selected atoms."""
        session, atoms, mask = self.controller.active, self._atoms(), self.controller.selection.mask
        if (
            session is not None
            and atoms is not None
            and (path := ask_to_save(None, "Export the selected atoms", f"selection of {session.layer.name}.csv"))
        ):
            self._compute("Exporting …", lambda: write_table(path, atoms, mask, session.analysis.styles), None)

    def work_on(self, *, train: bool) -> None:
        """Take the selected atoms for the atoms of the image; all of them stay as a hidden layer."""
        session, mask = self.controller.active, self.controller.selection.mask
        if session is None or self._atoms() is None:
            return
        there = list(self.controller.viewer.layers)
        name = "Taking the selected atoms …"
        make = partial(_parts, session, there, mask)
        self._compute(name, make, partial(self._take, session, train))

    def _atoms(self) -> Atoms | None:
        """The atoms the selection is over."""
        atoms = None if self.controller.active is None else self.controller.active.analysis.atoms
        return atoms if atoms is not None and len(atoms) == len(self.controller.selection) else None

    def _compute(self, message: str, make: Callable[[], Any], then: Callable[[Any], object] | None) -> None:
        """Make something in the background, and do something with it in the window."""

        def function() -> Callable[[], object]:
            made = make()
            return lambda: None if then is None else then(made)

        self.controller.compute(message, function)

    def _add(self, made: list[Any]) -> None:
        for layer in made:
            self.controller.viewer.layers.append(layer)

    def _take(self, session: ImageSession, train: bool, made: list[Any]) -> None:
        if self.controller.sessions.get(session.key) is not session:
            return
        selection = self.controller.viewer.layers.selection
        before = selection.active
        self._add(made)
        selection.active = before
        if self.controller.active is session:
            self.controller.choose_source("atoms", made[-1])
            # the controller is busy until this turn is over
            self._then = self._train if train else partial(self._give, session)

    def _give(self, session: ImageSession) -> None:
        self.controller.compute("Taking the selected atoms …", partial(_given, session))

    def _train(self) -> None:
        assert self.controller.active is not None
        analysis = self.controller.active.analysis
        given = self._recipe or (lambda: analysis.recipe)
        if (recipe := self.controller.attempt(given)) is not None:
            self.controller.run(recipe.wanted(TRAINING), again=False)

    def _on_controller_changed(self) -> None:
        if self._then is not None and not self.controller.running:
            then, self._then = self._then, None
            then()


def write_table(path: Path, atoms: Atoms, mask: Mask, styles: ClassStyles) -> None:
    """Write the rows of the atoms of a (N,) mask as CSV.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    with writing(path):
        table_of(atoms, mask, styles).to_csv(path, index=False, lineterminator="\n")


def ask_name(problem: str, name: str) -> str | None:
    """A name for a column; what was wrong with the one given before is said. None for cancelled."""
    said = f"<p>{problem}</p>" if problem else ""
    window = QtWidgets.QApplication.activeWindow()
    text, given = QtWidgets.QInputDialog.getText(window, "New column", f"<qt>{said}{COLUMN}</qt>", text=name)
    return text if given else None


def _parts(session: ImageSession, there: list[Any], mask: Mask) -> list[Any]:
    everything = selection_layers.all_atoms(session, there)
    part = selection_layers.to_work_on(session, mask)
    return [part] if everything is None else [everything, part]


def _given(session: ImageSession) -> Callable[[], object]:
    """Take the atoms from the layer chosen for them, without running a step."""
    session.prepare(session.given((ExtractSubImages(),)))
    session.results.prepare()
    return lambda: None

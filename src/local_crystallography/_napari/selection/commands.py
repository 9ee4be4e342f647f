"""Commands on the selected atoms: layers, columns, files, and an analysis of these atoms alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Layer, Shapes
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.explorer.plot_box import how
from local_crystallography._napari.layers import convert, geometry
from local_crystallography._napari.selection.by_hand import OwnColumns
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.widgets.dialogs import ask_to_save
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError, writing
from local_crystallography.data.polygons import inside_any
from local_crystallography.graph import stale_after, without
from local_crystallography.recipe import Recipe
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.encode import Encode
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.paint_map import Brush, PaintMap
from local_crystallography.steps.train_vae import TrainVae
from local_crystallography.views.assign import Mask, checked_name, table_of
from local_crystallography.views.styles import ClassStyles

TRAINING = (ExtractSubImages.name(), TrainVae.name(), Encode.name(), Cluster.name(), PaintMap.name())
"""Steps that run when the selected atoms get a network of their own."""
RESTRICTING = "Restricting the analysis to the selected atoms …"
PART = "Analyse the selected atoms only"
RETURNING = "Returning to all atoms …"
COLUMN = "Name of the new column (1 for the selected atoms, 0 for all others):"
SELECTED = (0.0, 0.9, 1.0, 1.0)
"""Colour of the pixels of a selection, which no class has."""
ALL_OF = "all_atoms_of"
"""Key in the metadata of the layer with all atoms of an image, so that it is added only once."""


class SelectionCommands(QtCore.QObject):  # type: ignore[misc]
    """Commands on the selected atoms of the active image; `recipe` gives the settings of the steps."""

    def __init__(self, controller: Controller, own: OwnColumns, recipe: Callable[[], Recipe] | None = None) -> None:
        super().__init__(own)
        self.controller, self.own, self._recipe = controller, own, recipe

    def shapes_layers(self) -> list[Any]:
        """The shapes layers of the viewer that were drawn."""
        layers = self.controller.viewer.layers
        return [layer for layer in layers if isinstance(layer, Shapes) and not convert.is_result(layer)]

    def select_inside(self, layer: Any) -> None:
        """Select the atoms inside the areas of a shapes layer, in all frames; modifier keys combine."""
        session, atoms = self.controller.active, self.controller.selectable
        if session is not None and atoms is not None:
            mask = inside_any(atoms.yx, convert.polygons_from(layer, session.layer))
            self.controller.selection.apply(mask, how(QtWidgets.QApplication.keyboardModifiers()), source=self)

    def add_points(self) -> None:
        """Add a points layer of the selected atoms."""
        session, atoms, mask = self.controller.active, self.controller.selectable, self.controller.selection.mask
        if session is not None and atoms is not None:
            name = f"selection of {session.layer.name}"
            self._compute("Creating the layer …", lambda: [points_layer(session, atoms[mask], name)], self._add)

    def add_labels(self) -> None:
        """Add a labels layer of the pixels nearest to the selected atoms."""
        session, mask = self.controller.active, self.controller.selection.mask
        if session is None or self.controller.selectable is None:
            return

        def make() -> list[Any]:
            known = session.analysis.last(PaintMap)
            step = known if isinstance(known, PaintMap) else PaintMap()
            atoms, image, sub_images = inputs = session.analysis.inputs(step)
            reach = step.resolve(atoms, image, sub_images).max_distance or 0.0
            brush = self.own.brush(session, reach, inputs)
            return [labels_layer(session, mask, brush, f"pixels of selection of {session.layer.name}")]

        self._compute("Painting the selection …", make, self._add)

    def add_column(self) -> None:
        """Add the selection as a column, after asking for its name."""
        atoms, mask = self.controller.selectable, self.controller.selection.mask
        name = None if atoms is None else ask_name("", "")
        while atoms is not None and name:
            try:
                self.own.add(checked_name(atoms, name), mask)
                return
            except InputError as error:
                name = ask_name(str(error), name)

    def export(self) -> None:
        """Write the rows of the selected atoms to a file, after asking for its name."""
        session, atoms, mask = self.controller.active, self.controller.selectable, self.controller.selection.mask
        if session is None or atoms is None:
            return
        if path := ask_to_save(None, "Export the selected atoms", f"selection of {session.layer.name}.csv"):
            self._compute("Exporting …", lambda: write_table(path, atoms, mask, session.analysis.styles), None)

    def work_on(self, *, train: bool) -> None:
        """Continue with the selected atoms alone; all atoms are kept in a hidden layer."""
        session, mask = self.controller.active, self.controller.selection.mask
        if session is not None and self.controller.selectable is not None:
            make = partial(_parts, session, list(self.controller.viewer.layers), mask)
            self._compute(RESTRICTING, make, partial(self._take, session, train))

    def work_on_all(self) -> None:
        """Continue with all atoms, as they are in their hidden layer."""
        session = self.controller.active
        if session is not None:
            layers = self.controller.viewer.layers
            everything = next((each for each in layers if convert.note_of(each).get(ALL_OF) == session.key), None)
            self.controller.compute(RETURNING, partial(_given, session, everything), "Analyse all atoms")

    def _compute(self, message: str, make: Callable[[], Any], then: Callable[[Any], object] | None) -> None:
        """Make something in the background, then use it in the window."""

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
            take = partial(self.controller.compute, RESTRICTING, partial(_given, session, made[-1]), PART)
            self.controller.when_idle(partial(self._train, made[-1]) if train else take)

    def _train(self, layer: Any) -> None:
        analysis = self.controller.analysis
        assert analysis is not None
        if (recipe := self.controller.attempt(self._recipe or (lambda: analysis.recipe))) is not None:
            self.controller.choose_source("atoms", layer, noted=False)
            self.controller.run(recipe.wanted(TRAINING), again=False, title=PART)


def write_table(path: Path, atoms: Atoms, mask: Mask, styles: ClassStyles) -> None:
    """Write the rows of the atoms of a (N,) mask as CSV.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    with writing(path):
        table_of(atoms, mask, styles).to_csv(path, index=False, lineterminator="\n")


def ask_name(problem: str, name: str) -> str | None:
    """A name for a column, with the reason why the previous one was rejected; None if cancelled."""
    warning = f"<p>{problem}</p>" if problem else ""
    window = QtWidgets.QApplication.activeWindow()
    text, given = QtWidgets.QInputDialog.getText(window, "New column", f"<qt>{warning}{COLUMN}</qt>", text=name)
    return text if given else None


def points_layer(session: ImageSession, atoms: Atoms, name: str) -> Any:
    """A points layer of atoms with all their columns; no later result changes it."""
    colour = convert.default_colour(atoms)
    place, note = geometry.placement_of(session.layer), _note(session, atoms)
    data, arguments, kind = convert.points_from(
        atoms, place, note, colour=colour, stack=session.results.stack, styles=session.analysis.styles
    )
    return Layer.create(data, arguments | {"name": name}, kind)


def labels_layer(session: ImageSession, mask: Mask, brush: Brush, name: str) -> Any:
    """A labels layer: 1 on the pixels nearest to an atom of the (N,) mask, 0 elsewhere."""
    pixels = (brush.paint(mask.astype(float)) == 1).astype(np.uint8)
    from napari.utils.colormaps import CyclicLabelColormap

    atoms = session.analysis.atoms
    note = _note(session, None if atoms is None else atoms[mask])
    look = {"colormap": CyclicLabelColormap(colors=[(0, 0, 0, 0), SELECTED], background_value=0)}
    arguments = {"name": name, "metadata": {convert.KEY: note}, **look, **geometry.placement_of(session.layer)}
    return Layer.create(pixels, arguments, "labels")


def layer_of_all(session: ImageSession, viewer_layers: Any) -> Any | None:
    """A hidden points layer with all atoms and their present columns; None if there is one already."""
    atoms = session.analysis.atoms
    if atoms is None or any(convert.note_of(layer).get(ALL_OF) == session.key for layer in viewer_layers):
        return None
    layer = points_layer(session, atoms, f"all atoms of {session.layer.name}")
    convert.note_of(layer)[ALL_OF] = session.key
    layer.visible = False
    return layer


def layer_to_work_on(session: ImageSession, mask: Mask) -> Any:
    """A hidden points layer of the atoms of the mask, without the columns computed from sub-images."""
    analysis = session.analysis
    old = [column for step in stale_after({"sub_images"}) for column in analysis.columns.get(step, [])]
    atoms = without(analysis.atoms, old)
    assert atoms is not None
    layer = points_layer(session, atoms[mask], f"{np.count_nonzero(mask)} atoms of {session.layer.name}")
    layer.visible = False
    return layer


def _parts(session: ImageSession, there: list[Any], mask: Mask) -> list[Any]:
    everything = layer_of_all(session, there)
    part = layer_to_work_on(session, mask)
    return [part] if everything is None else [everything, part]


def _given(session: ImageSession, layer: Any | None) -> Callable[[], object]:
    """Use the atoms of a layer, or those of the steps, without running a step."""
    session.choose_source("atoms", layer)
    session.prepare(session.given((ExtractSubImages(),)))
    session.results.prepare()
    return lambda: None


def _note(session: ImageSession, atoms: Atoms | None) -> dict[str, Any]:
    """Provenance without `result`, so that the layer belongs to the user."""
    note = session.results.note("selection", PaintMap.name())
    note.pop("result")
    return note | {"atoms": 0 if atoms is None else len(atoms)}

"""Layers of the user's own, made of selected atoms; no later result changes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Layer

from local_crystallography._napari.bench.work import Work
from local_crystallography._napari.viewer import layers
from local_crystallography.columns import without
from local_crystallography.data.atoms import Atoms
from local_crystallography.explore.assign import Mask
from local_crystallography.recipe import stale_after
from local_crystallography.steps.paint_map import Brush

ALL_OF = "all_atoms_of"
"""What a layer with all atoms of an image notes, so that it is made once."""


def points(work: Work, atoms: Atoms, name: str) -> Any:
    """A points layer of atoms with all their columns, where the image is."""
    colour = layers.default_colour(atoms)
    place, note = layers.placement_of(work.layer), _note(work, atoms)
    data, arguments, kind = layers.points_from(
        atoms, place, note, colour=colour, stack=work.results.stack, styles=work.analysis.styles
    )
    return Layer.create(data, arguments | {"name": name}, kind)


def labels(work: Work, mask: Mask, brush: Brush, name: str) -> Any:
    """A labels layer: 1 on the pixels nearest an atom of the (N,) mask, 0 elsewhere."""
    pixels = (brush.paint(mask.astype(float)) == 1).astype(np.uint8)
    atoms = work.analysis.atoms
    note = _note(work, None if atoms is None else atoms[mask])
    return Layer.create(pixels, {"name": name, "metadata": {layers.KEY: note}, **_place(work)}, "labels")


def all_atoms(work: Work, viewer_layers: Any) -> Any | None:
    """A hidden points layer with all atoms and their columns as they are; None where there is one already."""
    atoms = work.analysis.atoms
    if atoms is None or any(layers.note_of(layer).get(ALL_OF) == work.key for layer in viewer_layers):
        return None
    layer = points(work, atoms, f"all atoms of {work.layer.name}")
    layers.note_of(layer)[ALL_OF] = work.key
    layer.visible = False
    return layer


def to_work_on(work: Work, mask: npt.NDArray[np.bool_]) -> Any:
    """A hidden points layer of the atoms of the mask, without the columns that sub-images gave."""
    analysis = work.analysis
    old = [column for step in stale_after({"sub_images"}) for column in analysis.columns.get(step, [])]
    atoms = without(analysis.atoms, old)
    assert atoms is not None
    layer = points(work, atoms[mask], f"{np.count_nonzero(mask)} atoms of {work.layer.name}")
    layer.visible = False
    return layer


def _place(work: Work) -> dict[str, Any]:
    return layers.placement_of(work.layer)


def _note(work: Work, atoms: Atoms | None) -> dict[str, Any]:
    """Where they came from; without `result`, so that the layer is the user's own."""
    note = work.results.note("selection", "paint_map")
    note.pop("result")
    return note | {"atoms": 0 if atoms is None else len(atoms)}

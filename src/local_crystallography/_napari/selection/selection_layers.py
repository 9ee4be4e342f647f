"""Layers of the user's own, made of selected atoms; no later result changes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Layer

from local_crystallography._napari.layers import convert
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography.data.atoms import Atoms
from local_crystallography.graph import stale_after, without
from local_crystallography.steps.paint_map import Brush
from local_crystallography.views.assign import Mask

ALL_OF = "all_atoms_of"
"""What a layer with all atoms of an image notes, so that it is made once."""


def points(session: ImageSession, atoms: Atoms, name: str) -> Any:
    """A points layer of atoms with all their columns, where the image is."""
    colour = convert.default_colour(atoms)
    place, note = convert.placement_of(session.layer), _note(session, atoms)
    data, arguments, kind = convert.points_from(
        atoms, place, note, colour=colour, stack=session.results.stack, styles=session.analysis.styles
    )
    return Layer.create(data, arguments | {"name": name}, kind)


def labels(session: ImageSession, mask: Mask, brush: Brush, name: str) -> Any:
    """A labels layer: 1 on the pixels nearest an atom of the (N,) mask, 0 elsewhere."""
    pixels = (brush.paint(mask.astype(float)) == 1).astype(np.uint8)
    atoms = session.analysis.atoms
    note = _note(session, None if atoms is None else atoms[mask])
    return Layer.create(pixels, {"name": name, "metadata": {convert.KEY: note}, **_place(session)}, "labels")


def all_atoms(session: ImageSession, viewer_layers: Any) -> Any | None:
    """A hidden points layer with all atoms and their columns as they are; None where there is one already."""
    atoms = session.analysis.atoms
    if atoms is None or any(convert.note_of(layer).get(ALL_OF) == session.key for layer in viewer_layers):
        return None
    layer = points(session, atoms, f"all atoms of {session.layer.name}")
    convert.note_of(layer)[ALL_OF] = session.key
    layer.visible = False
    return layer


def to_work_on(session: ImageSession, mask: npt.NDArray[np.bool_]) -> Any:
    """A hidden points layer of the atoms of the mask, without the columns that sub-images gave."""
    analysis = session.analysis
    old = [column for step in stale_after({"sub_images"}) for column in analysis.columns.get(step, [])]
    atoms = without(analysis.atoms, old)
    assert atoms is not None
    layer = points(session, atoms[mask], f"{np.count_nonzero(mask)} atoms of {session.layer.name}")
    layer.visible = False
    return layer


def _place(session: ImageSession) -> dict[str, Any]:
    return convert.placement_of(session.layer)


def _note(session: ImageSession, atoms: Atoms | None) -> dict[str, Any]:
    """Where they came from; without `result`, so that the layer is the user's own."""
    note = session.results.note("selection", "paint_map")
    note.pop("result")
    return note | {"atoms": 0 if atoms is None else len(atoms)}

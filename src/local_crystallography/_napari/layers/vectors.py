"""Layers of displacements: arrows, a colour map, and the colour wheel that explains both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography._napari.layers.convert import KEY, LayerData
from local_crystallography._napari.layers.geometry import Placement
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.image import Image
from local_crystallography.lattice.shells import neighbour_distance
from local_crystallography.steps.paint_map import Brush
from local_crystallography.views.vectors import Displacements, VectorField, wheel, wheel_colours

ARROWS, COLOURS, WHEEL = "displacement_vectors", "displacement_colours", "colour wheel"
SHOWN = (ARROWS, COLOURS)
"""Names under which they are chosen."""
WIDTH = 0.15
"""Width of an arrow, in nearest-neighbour distances."""
SIDE, LEAST = 0.22, 72
"""Side of the colour wheel over that of the image, and the least in pixels."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Displacements and what is drawn of them: colours (…, H, W, 4), and the wheel in the shape of the image."""

    field: VectorField
    atoms: Atoms
    vectors: Displacements
    colours: npt.NDArray[np.uint8]
    wheel: npt.NDArray[np.uint8]

    def of(self, field: VectorField, atoms: Atoms) -> bool:
        """Whether these are still the displacements of the atoms."""
        names = [name for name in self.atoms.features if str(name).startswith(("displacement", "sublattice"))]
        if field != self.field or not atoms.same_atoms(self.atoms) or not {*names} <= {*atoms.features}:
            return False
        return atoms.pixel_size == self.atoms.pixel_size and atoms.features[names].equals(self.atoms.features[names])


def draw(field: VectorField, atoms: Atoms, image: Image) -> Drawn:
    """Draw displacements; may take a second.

    Raises
    ------
    InputError
        If there are none.
    """
    vectors = field(atoms)
    brush = Brush(atoms, image, reach=2 * neighbour_distance(atoms), left_out=np.ones(len(atoms), bool))
    parts = []
    for axis in (0, 1):
        values = np.full(len(atoms), np.nan)
        values[vectors.rows] = vectors.shift[:, axis]
        parts.append(brush.paint(values))
    shift = np.stack(parts, axis=-1).astype(float)
    colours = np.concatenate([wheel_colours(shift, vectors.reach), np.isfinite(shift[..., :1])], axis=-1)
    height, width = image.shape
    side = int(min(max(LEAST, SIDE * min(height, width)), height, width))
    corner = np.zeros((height, width, 4), np.uint8)
    corner[:side, width - side :] = wheel(side, vectors.length_words(vectors.reach))
    stacked = np.broadcast_to(corner, (*image.data.shape, 4))
    return Drawn(field, atoms, vectors, np.rint(255 * colours).astype(np.uint8), stacked)


def arrows_layer(drawn: Drawn, place: Placement, note: Any, *, stack: bool) -> LayerData:
    """Arrows coloured by direction; the layer holds true displacements, and its `length` exaggerates them."""
    vectors = drawn.vectors
    frame = drawn.atoms.frame[vectors.rows, None]
    start = np.hstack([frame, vectors.yx]) if stack else vectors.yx
    along = np.hstack([0 * frame, vectors.shift]) if stack else vectors.shift
    length = np.linalg.norm(vectors.shift, axis=1)
    size = 1000 * (drawn.atoms.pixel_size or np.nan)
    features = pd.DataFrame(
        {
            "id": drawn.atoms.ids[vectors.rows],
            "displacement (px)": length.round(3),
            "displacement (pm)": (length * size).round(2),
            "direction (°)": np.degrees(np.arctan2(-vectors.shift[:, 0], vectors.shift[:, 1])).round(1),
        }
    )
    arguments = {
        "name": f"displacement ×{vectors.exaggeration:g}",
        "features": features,
        "edge_color": np.c_[vectors.colours, np.ones(len(length))],
        "edge_width": max(0.5, WIDTH * neighbour_distance(drawn.atoms)),
        "length": vectors.exaggeration,
        "vector_style": "arrow",
        "metadata": {KEY: note},
    }
    return np.stack([start, along], axis=1), {**arguments, **place}, "vectors"


def colours_layer(drawn: Drawn, place: Placement, note: Any) -> LayerData:
    """The displacement of the nearest atom in colours, hidden at first."""
    look = {"name": "displacement colours", "rgb": True, "opacity": 0.8, "visible": False}
    return drawn.colours, {"metadata": {KEY: note}, **look, **place}, "image"


def wheel_layer(drawn: Drawn, place: Placement, note: Any) -> LayerData:
    """The colour wheel in a corner of the image."""
    return drawn.wheel, {"name": WHEEL, "rgb": True, "metadata": {KEY: note}, **place}, "image"

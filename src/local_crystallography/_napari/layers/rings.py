"""The selected atoms in the image, as rings in a points layer of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from local_crystallography._napari.layers import convert
from local_crystallography.data.atoms import Atoms

NAME = "selected atoms"
RING, RING_SIZE = "#ffffff", 1.8


def made(atoms: Atoms, place: convert.Placement, note: Any, *, size: float, stack: bool) -> convert.LayerData:
    """The selected atoms as bright rings around points of a size."""
    look = {"face_color": "transparent", "border_color": RING, "border_width": 0.15}
    arguments = {"name": NAME, "size": RING_SIZE * size, "metadata": {convert.KEY: note}, **look, **place}
    return convert.coordinates(atoms, stack), arguments, "points"


def move(layer: Any, places: npt.NDArray[np.float64], size: float) -> None:
    """Put the rings elsewhere; only what changes is set, for each of it draws the layer anew."""
    layer.current_size = RING_SIZE * size
    layer.data = places
    if len(places) and not np.allclose(layer.size, RING_SIZE * size):
        layer.size = RING_SIZE * size

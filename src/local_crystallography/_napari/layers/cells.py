"""Unit cells on the image, one near the centre of every grain, with lengths and angle beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from local_crystallography._napari.layers import convert, geometry
from local_crystallography.data.atoms import Atoms
from local_crystallography.lattice.cells import GrainCell, grain_cells

NAME = "unit cell"
COLOUR = "#ff8c00"
EDGE, LEAST_EDGE = 0.1, 1.5
"""Width of the edges in sides of the cell, and the least in pixels."""


class Cells:
    """Cells of the atoms, found once, and the same object as long as they are equal."""

    def __init__(self) -> None:
        self._atoms: Atoms | None = None
        self._found: tuple[GrainCell, ...] = ()

    def of(self, atoms: Atoms | None) -> tuple[GrainCell, ...] | None:
        """Cells of the largest grains; None without a lattice."""
        if atoms is not self._atoms:
            found = () if atoms is None else grain_cells(atoms)
            self._found = self._found if found == self._found else found
            self._atoms = atoms
        return self._found or None


def cell_layer(cells: tuple[GrainCell, ...], place: geometry.Placement, note: Any, *, stack: bool) -> convert.LayerData:
    """The cells as outlines; for a stack the frame comes before y and x."""
    corners = [np.array(cell.corners) for cell in cells]
    side = float(np.median([np.linalg.norm(each[1] - each[0]) for each in corners]))
    if stack:
        corners = [np.c_[np.full(4, cell.frame), each] for cell, each in zip(cells, corners, strict=True)]
    arguments = {
        "name": NAME,
        "shape_type": "polygon",
        "edge_color": COLOUR,
        "face_color": "transparent",
        "opacity": 1.0,
        "edge_width": max(LEAST_EDGE, EDGE * side),
        "features": {"cell": [cell.words for cell in cells], "lattice": [cell.lattice for cell in cells]},
        "text": {"string": "{cell}", "color": COLOUR, "size": 11, "anchor": "upper_left"},
        "metadata": {convert.KEY: note},
    }
    return corners, {**arguments, **place}, "shapes"

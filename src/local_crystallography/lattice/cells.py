"""Cell of every grain where it can be seen: near the centre of the grain, and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from local_crystallography.data.arrays import Array, Index
from local_crystallography.data.atoms import Atoms
from local_crystallography.lattice.bravais import nearest_ideal

AROUND = 40
"""Atoms of a sublattice around the centre of a grain that place its cell."""
MOST = 20
"""Most grains in a frame whose cells are given, the largest ones."""
COLUMNS = ("grain", "cell_a", "cell_b", "sublattice", "a_px", "b_px", "gamma_rad")


@dataclass(frozen=True)
class GrainCell:
    """Unit cell of one grain.

    Parameters
    ----------
    frame, grain
        Numbers of the frame and of the grain.
    atoms, sublattices
        Number of atoms and of sublattices.
    corners
        Four corners (y, x) in pixels of a cell near the centre of the grain: an atom of sublattice 0, a, a + b and b.
    shape
        Median lengths of a and b, in `unit`, and the angle from a to b in degrees.
    unit
        "nm", or "px" where the scale is unknown.
    ideal
        Name of the ideal lattice nearest to it.
    conventional
        Sides of its conventional cell, in `unit`.
    """

    frame: int
    grain: int
    atoms: int
    sublattices: int
    corners: tuple[tuple[float, float], ...]
    shape: tuple[float, float, float]
    unit: str
    ideal: str
    conventional: tuple[float, float]

    @property
    def words(self) -> str:
        """Lengths and angle, such as "a 0.391 b 0.392 nm 90.1°"."""
        a, b, gamma = self.shape
        return f"a {_length(a)} b {_length(b)} {self.unit} {gamma:.1f}°"

    @property
    def lattice(self) -> str:
        """The ideal lattice, with the sides of the conventional cell of a centred one."""
        if self.ideal != "centred rectangular":
            return self.ideal
        first, second = self.conventional
        return f"{self.ideal} {_length(first)} × {_length(second)} {self.unit}"


def grain_cells(atoms: Atoms) -> tuple[GrainCell, ...]:
    """Cells of the largest grains of every frame, from the columns of Measure lattice; empty without them."""
    table = atoms.features
    if not set(COLUMNS) <= set(table):
        return ()
    found = []
    for frame in np.unique(atoms.frame).tolist():
        grains = table.loc[(atoms.frame == frame) & (table["grain"] >= 0).to_numpy(), "grain"]
        for grain in grains.value_counts().index[:MOST].tolist():
            rows = np.flatnonzero((atoms.frame == frame) & (table["grain"] == grain).to_numpy())
            cell = _cell(atoms, table.iloc[rows], rows, frame, int(grain))
            found += [] if cell is None else [cell]
    return tuple(found)


def _cell(atoms: Atoms, table: pd.DataFrame, rows: Index, frame: int, grain: int) -> GrainCell | None:
    """Cell of one grain; None where too few atoms of a sublattice place it."""
    yx, site = atoms.yx[rows], table["sublattice"].to_numpy()
    own = np.flatnonzero(site == 0)
    middle = own[np.linalg.norm(yx[own] - np.median(yx, axis=0), axis=1).argsort()[:AROUND]]
    index = table[["cell_a", "cell_b"]].to_numpy(float)[middle]
    if len(middle) < 4 or np.linalg.matrix_rank(index - index[0]) < 2:
        return None
    fitted = np.linalg.lstsq(np.c_[np.ones(len(index)), index - index[0]], yx[middle], rcond=None)[0]
    origin, vectors = fitted[0], np.asarray(fitted[1:], np.float64)
    steps = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    corners = origin + steps @ vectors
    shape = [float(np.nanmedian(table[name])) for name in ("a_px", "b_px", "gamma_rad")]
    if not np.isfinite(shape).all():
        return None
    scale = atoms.pixel_size or 1.0
    ideal = nearest_ideal(upright(*shape))
    sides = scale * np.linalg.norm(ideal.change @ upright(*shape), axis=1)
    return GrainCell(
        frame,
        grain,
        len(rows),
        int(site.max()) + 1,
        tuple((round(float(y), 2), round(float(x), 2)) for y, x in corners),
        (scale * shape[0], scale * shape[1], float(np.degrees(shape[2]))),
        "px" if atoms.pixel_size is None else "nm",
        ideal.name,
        (float(sides[0]), float(sides[1])),
    )


def upright(a: float, b: float, gamma: float) -> Array:
    """(2, 2) rows a, b as (y, x) of a cell with a along x; the angle from a to b is in radians."""
    return np.array([[0.0, a], [-b * np.sin(gamma), b * np.cos(gamma)]])


def _length(value: float) -> str:
    """A length with three or four digits."""
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"

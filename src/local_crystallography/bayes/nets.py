"""Nets: simple (primitive) lattices on which the atoms of a measured lattice lie, with integer indices.

Measure lattice finds the repeating cell, so a lattice with strong alternation gets a doubled cell and two sublattices.
Whether it *is* doubled is the question here, so similar sublattices are merged again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import numpy.typing as npt

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Together = Literal["alike", "apart", "all"]
"""Sublattices merged into one net: those of similar intensity, none, or all; only if together they form a lattice."""

COLUMNS = ("grain", "cell_a", "cell_b", "sublattice")
LIKE = 0.15
"""Sublattices are alike where their mean intensities differ by at most this fraction."""
STRAY = 0.3
"""Largest deviation of a sublattice from its site on a common net, in nearest-neighbour distances (paper: 0.25)."""
SIMILAR = 1.1
"""Vectors count as equally long up to this ratio, as in Measure lattice."""


@dataclass(frozen=True)
class Net:
    """Atoms on one simple lattice.

    Parameters
    ----------
    rows
        (n,) row numbers in the table of atoms.
    yx
        (n, 2) positions, (y, x) in pixels.
    index
        (n, 2) integer indices along a and b.
    vectors
        (2, 2) rows a, b as (y, x) in pixels, medians over the net; b is counter-clockwise of a as displayed.
    grain
        Number of their grain.
    """

    rows: Index
    yx: Array
    index: Index
    vectors: Array
    grain: int = 0

    @property
    def cell(self) -> float:
        """Side in pixels of the square with the area of the cell: the unit of radii."""
        return float(np.sqrt(abs(np.linalg.det(self.vectors))))

    def part(self, chosen: npt.NDArray[np.bool_]) -> Net:
        """Net of the atoms in a mask (n,)."""
        return Net(self.rows[chosen], self.yx[chosen], self.index[chosen], self.vectors, self.grain)


def nets(atoms: Atoms, *, together: Together = "alike", corrected: bool = True) -> list[Net]:
    """Nets of all grains; atoms off the lattice or without a position belong to none.

    Parameters
    ----------
    atoms
        Atoms with the columns of Measure lattice.
    together
        Which sublattices are merged into one net.
    corrected
        Whether scan-corrected positions are used, where the atoms have them.

    Raises
    ------
    InputError
        Where the atoms have no lattice.
    """
    if not set(COLUMNS) <= set(atoms.features):
        raise InputError("The atoms have no lattice (columns grain, cell_a, cell_b, sublattice); run Measure lattice.")
    yx = _positions(atoms) if corrected else atoms.yx
    table = atoms.features[list(COLUMNS)].to_numpy()
    whole = np.isfinite(table.astype(float)).all(axis=1) & np.isfinite(yx).all(axis=1)
    whole[whole] = (table[whole].astype(float)[:, [0, 3]] >= 0).all(axis=1)
    if not whole.any():
        raise InputError("No atom is on a lattice; run Measure lattice and check that it finds a grain.")
    intensity = atoms.features["intensity"].to_numpy(float) if "intensity" in atoms.features else None
    rows = np.flatnonzero(whole)
    keys = np.stack([atoms.frame[rows], table[rows, 0].astype(np.int64)], axis=1)
    found: list[Net] = []
    for frame, grain in np.unique(keys, axis=0).tolist():
        own = rows[(keys == (frame, grain)).all(axis=1)]
        found.extend(_of_grain(own, yx[own], table[own].astype(np.int64), intensity, together, grain))
    return found


def _positions(atoms: Atoms) -> Array:
    names = ["y_corrected_px", "x_corrected_px"]
    if not set(names) <= set(atoms.features):
        return atoms.yx
    yx = atoms.features[names].to_numpy(float)
    return np.where(np.isfinite(yx), yx, atoms.yx)


def _of_grain(
    rows: Index, yx: Array, table: Index, intensity: Array | None, together: Together, grain: int
) -> Iterator[Net]:
    """Nets of one grain; `table` holds grain, cell and site of each of its atoms."""
    index, site = table[:, 1:3], table[:, 3]
    vectors = median_vectors(yx, index, site)
    if not np.isfinite(vectors).all() or abs(np.linalg.det(vectors)) < 1e-9:
        return
    for sites in _merged(site, None if intensity is None else intensity[rows], together):
        shift = _shifts(yx, index, site, sites, vectors) if len(sites) > 1 else None
        if shift is None:
            for s in sites:
                own = site == s
                yield Net(rows[own], yx[own], index[own], vectors, grain)
            continue
        change = _finer(shift, vectors)
        own = np.isin(site, sites)
        fractional = index[own] + shift[np.searchsorted(sites, site[own])]
        finer = np.rint(fractional @ np.linalg.inv(change)).astype(np.int64)
        yield Net(rows[own], yx[own], finer, change @ vectors, grain)


def median_vectors(yx: Array, index: Index, site: Index) -> Array:
    """(2, 2) median steps (y, x) from (n, 2) atoms to the same site in the next cell; NaN where there are none."""
    steps, cells = np.full((2, 2), np.nan), np.column_stack([index, site])
    for axis in (0, 1):
        start, end = _pairs(cells + np.eye(3, dtype=np.int64)[axis], cells)
        if len(start):
            steps[axis] = np.median(yx[end] - yx[start], axis=0)
    return steps


def _pairs(first: Index, second: Index) -> tuple[Index, Index]:
    """Rows of two integer tables that are equal; the first of each where there are several."""
    low = np.minimum(first.min(axis=0), second.min(axis=0))
    span = np.maximum(first.max(axis=0), second.max(axis=0)) - low + 1
    keys = [np.ravel_multi_index(tuple((table - low).T), tuple(span)) for table in (first, second)]
    _, left, right = np.intersect1d(*keys, return_indices=True)
    return left, right


def _merged(site: Index, intensity: Array | None, together: Together) -> list[Index]:
    """Groups of sites that may share a net, each in increasing order."""
    sites = np.unique(site)
    if together == "apart":
        return [np.array([s]) for s in sites]
    if together == "all" or intensity is None:
        return [sites]
    groups = [intensity[site == s] for s in sites]
    means = np.array([np.nanmean(group) if np.isfinite(group).any() else np.nan for group in groups])
    if not np.isfinite(means).all():
        return [sites]
    order = np.argsort(means, kind="stable")
    steps = np.diff(means[order]) > LIKE * np.abs(means).max()
    return [np.sort(part) for part in np.split(sites[order], np.flatnonzero(steps) + 1)]


def _shifts(yx: Array, index: Index, site: Index, sites: Index, vectors: Array) -> Array | None:
    """(S, 2) ideal fractional shifts of the sites from the first on one net; None where they form none.

    The shifts are a group of S elements, so S times each is an integer (Lagrange).
    """
    seen = np.zeros((len(sites), 2))
    own = [np.flatnonzero(site == s) for s in sites]
    for number, rows in enumerate(own[1:], 1):
        start, end = _pairs(index[own[0]], index[rows])
        if len(start) == 0:
            return None
        seen[number] = np.median(yx[rows[end]] - yx[own[0][start]], axis=0) @ np.linalg.inv(vectors)
    count = len(sites)
    whole = np.rint(count * seen).astype(np.int64)
    group = {(int(u), int(v)) for u, v in whole % count}
    sums = {((u[0] + v[0]) % count, (u[1] + v[1]) % count) for u, v in product(group, group)}
    if len(group) < count or sums != group:
        return None
    shift = whole / count
    nearest = np.linalg.norm(_finer(shift, vectors)[0] @ vectors)
    off = np.linalg.norm((seen - shift) @ vectors, axis=1)
    return shift if (off <= STRAY * nearest).all() else None


def _finer(shift: Array, vectors: Array) -> Array:
    """(2, 2) rows a, b, in cells, of the net formed by (S, 2) shifts; named and oriented as in Measure lattice."""
    cells = np.array(list(product((-2, -1, 0, 1, 2), repeat=2)), float)
    steps = (shift[:, None] + cells).reshape(-1, 2)
    steps = np.unique(np.round(steps[np.abs(steps).sum(axis=1) > 1e-9], 9), axis=0)
    pixels = steps @ vectors
    length = np.linalg.norm(pixels, axis=1)
    short = np.flatnonzero(length <= SIMILAR * length.min())
    a = short[np.argmax(pixels[short, 1] / length[short])]
    area = pixels[a, 0] * pixels[:, 1] - pixels[a, 1] * pixels[:, 0]  # counter-clockwise as displayed, y down
    fit = np.flatnonzero(np.abs(area * len(shift) / abs(np.linalg.det(vectors)) - 1) < 1e-6)
    b = fit[np.argmin(length[fit])]
    return steps[[a, b]]

"""Lattices fitted to positions: one per grain or phase, followed through slowly varying distortions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from local_crystallography.data.arrays import Array, Index, Mask
from local_crystallography.lattice.grow import SMALLEST, Grown, Surroundings, enlarge, fit_all, grow, refit
from local_crystallography.lattice.sites import (
    PATCHES,
    TOLERANCES,
    Cell,
    cell_of_patch,
    find_superlattice,
    reduce_vectors,
)

OUTLIER = 4.0
"""Deviations of values from their surroundings (dirt, a scale bar) are clipped at this many median deviations."""
NEIGHBOURS = 24
"""Number of nearest atoms considered around each."""
VAIN = 3
"""Successive failed searches after which the remaining atoms are left without a lattice."""
TRIES = 8
"""Positions at which a lattice is sought before the best is grown."""


@dataclass(frozen=True)
class Lattice:
    """One lattice, and the atoms on it.

    Parameters
    ----------
    vectors
        (2, 2) rows a, b as (y, x) in pixels, the median over the lattice: reduced, 60 to 120 degrees from a to b
        counter-clockwise as displayed; |a| <= |b|, except that of vectors within 10 % of the shortest a is the one
        closest to +x.
    origin
        (2,) (y, x) in pixels of site 0 in cell (0, 0), from the affine map that fits all atoms best.
    basis
        (S, 2) fractional coordinates of the sites in the cell; site 0, at (0, 0), has the highest mean value if values
        were given.
    rows
        (n,) row numbers of the atoms that belong to it, increasing.
    index
        (n, 2) integer cell of each of those atoms.
    site
        (n,) site of each.
    """

    vectors: Array
    origin: Array
    basis: Array
    rows: Index
    index: Index
    site: Index

    @property
    def coordinates(self) -> Array:
        """(n, 2) fractional coordinates of the sites of the atoms: cell plus basis."""
        return self.index + self.basis[self.site]


def find_lattices(yx: Array, values: Array | None = None) -> list[Lattice]:
    """Lattices of (N, 2) positions, the largest first; atoms in none of them belong to no lattice.

    The patch of atoms whose difference vectors repeat best gives vectors and sites. From there indices are propagated
    outwards: each atom is indexed from its neighbours with vectors fitted around them, so that scan wobble, drift and
    strain are followed. Then larger cells are tested for whether they explain positions and values better.

    Parameters
    ----------
    yx
        (N, 2) positions (y, x) in pixels of one frame.
    values
        (N,) a quantity in which sublattices may differ (the intensity), or None.
    """
    n = len(yx)
    if n < SMALLEST:
        return []
    distance, near = cKDTree(yx).query(yx, k=min(NEIGHBOURS + 1, n))
    around = Surroundings(yx, near[:, 1:], distance[:, 1:])
    free, rng, found = np.ones(n, bool), np.random.default_rng(0), []
    untried, vain = np.ones(n, bool), 0
    while vain < VAIN:
        start = _best_patch(around, free, untried, rng)
        if start is None:
            break
        cell, patch = start
        grown = grow(around, cell, patch, free)
        parts = [part for part in _parts(around, grown) if part.sum() >= SMALLEST]
        vain = 0 if parts else vain + 1
        untried[patch[: len(patch) // 4]] = False
        for part in parts:
            found.append(_finish(around, grown, part, values))
            free &= ~part
    return sorted(found, key=lambda lattice: -len(lattice.rows))


def _best_patch(around: Surroundings, free: Mask, untried: Mask, rng: np.random.Generator) -> tuple[Cell, Index] | None:
    """Cell whose patch of free atoms repeats best, and the rows of the patch, the closest to its centre first.

    Atoms that were tried are removed from `untried` (N,).
    """
    rows = np.flatnonzero(free)
    inner = np.flatnonzero(untried & free & (free[around.near[:, :8]].mean(axis=1) >= 0.7))
    tree = cKDTree(around.yx[rows])
    for _ in range(VAIN):
        if len(inner) == 0:
            break
        picked = rng.choice(inner, min(TRIES, len(inner)), replace=False)
        untried[picked] = False
        inner = np.setdiff1d(inner, picked)
        for tolerance, size in product(TOLERANCES, PATCHES):
            patches = rows[tree.query(around.yx[picked], k=min(size, len(rows)))[1]]
            cells = ((cell_of_patch(around.yx[patch], tolerance), patch) for patch in patches)
            seen = [(*cell, patch) for cell, patch in cells if cell is not None]
            if seen:
                cell, _, patch = max(seen, key=lambda one: one[1])
                return cell, patch
    return None


def _parts(around: Surroundings, grown: Grown) -> list[Mask]:
    """Masks of the connected parts of a grown lattice."""
    known = grown.known
    joined = known[:, None] & known[around.near] & (around.distance <= grown.cell.reach())
    start, column = np.nonzero(joined)
    n = len(known)
    graph = csr_array((np.ones(len(start)), (start, around.near[start, column])), shape=(n, n))
    _, part = connected_components(graph, directed=False)
    return [known & (part == p) for p in np.unique(part[known])]


def _finish(around: Surroundings, grown: Grown, part: Mask, values: Array | None) -> Lattice:
    """Lattice of one connected part, in the cell that explains positions and values."""
    grown = replace(grown, coordinates=np.where(part[:, None], grown.coordinates, np.nan))
    rows = np.flatnonzero(part)
    index, site, _ = grown.cell.settle(grown.coordinates[rows])
    _, left, _ = fit_all(around, grown, rows)
    above = None if values is None else _above_surroundings(around, rows, site, values)
    larger = find_superlattice(index, site, left / grown.cell.nearest(), above)
    if larger is not None:
        grown = refit(around, enlarge(grown, larger), rounds=4)
    return _named(around.yx, grown, values)


def _named(yx: Array, grown: Grown, values: Array | None) -> Lattice:
    """Lattice with reduced vectors, its sites by decreasing mean value, cells counted from the centre."""
    rows = np.flatnonzero(grown.known)
    change = reduce_vectors(grown.cell.vectors)
    cell = Cell(change @ grown.cell.vectors, grown.cell.basis @ np.linalg.inv(change))
    coordinates = grown.coordinates[rows] @ np.linalg.inv(change)
    if values is not None:
        _, site, _ = cell.settle(coordinates)
        means = [values[rows[site == s]].mean() if s in site else -np.inf for s in range(len(cell.basis))]
        cell = replace(cell, basis=cell.basis[np.argsort(-np.array(means), kind="stable")])
    basis = cell.basis - cell.basis[0]
    basis -= np.floor(basis + 1e-6)
    index, site, _ = Cell(cell.vectors, basis).settle(coordinates - cell.basis[0])
    index = index - np.round((index + basis[site]).mean(axis=0)).astype(np.int64)
    design = np.c_[np.ones(len(rows)), index + basis[site]]
    origin = np.linalg.lstsq(design, yx[rows], rcond=None)[0][0]
    return Lattice(np.median(change @ grown.local[rows], axis=0), origin, basis, rows, index, site)


def _above_surroundings(around: Surroundings, rows: Index, site: Index, values: Array) -> Array:
    """(n,) values of rows minus the mean of neighbours on the same site (n,), which removes slow variations."""
    every = np.full(len(values), -1)
    every[rows] = site
    alike = every[around.near[rows]] == site[:, None]
    mean = (alike * values[around.near[rows]]).sum(axis=1) / np.maximum(alike.sum(axis=1), 1)
    above = np.where(alike.any(axis=1), values[rows] - mean, 0.0)
    usual = OUTLIER * float(np.median(np.abs(above)))
    return np.asarray(np.clip(above, -usual, usual))

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
from local_crystallography.lattice.join import Indexed, extended, joined
from local_crystallography.lattice.sites import (
    PATCHES,
    TOLERANCES,
    Cell,
    cell_of_patch,
    find_superlattice,
    new_sites,
    reduce_vectors,
)

OUTLIER = 4.0
"""Deviations of values from their surroundings (dirt, a scale bar) are clipped at this many median deviations."""
NEIGHBOURS = 24
"""Number of nearest atoms considered around each."""
VAIN = 3
"""Successive failed searches after which the remaining atoms are left without a lattice."""
FAINT, BRIGHT = 0.3, 0.75
"""Value of a faint column relative to this quantile of its surroundings."""
WHOLE = 0.9
"""Probability that two atoms are of one lattice, above which the faint columns are not sought separately."""
NEAR = 6
"""Atoms of a lattice that say where among them a faint one is."""
SITE, RARE = 0.2, 0.05
"""Largest distance of a faint column from its site, in nearest-neighbour distances; and the smallest fraction of cells
in which it is found."""
CELLS = 8
"""Fewest cells that make a lattice."""
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
    around = Surroundings.of(yx, NEIGHBOURS)
    found = _completed(yx, _grown_from_patches(around, values), values)
    if values is None or _unity(found, n) > WHOLE:
        return found
    strong = np.flatnonzero(values > FAINT * np.quantile(values[around.near], BRIGHT, axis=1))
    if not SMALLEST <= len(strong) < n:
        return found
    others = _grown_from_patches(Surroundings.of(yx[strong], NEIGHBOURS), values[strong])
    others = _completed(yx, [replace(each, rows=strong[each.rows]) for each in others], values)
    return others if _unity(others, n) > _unity(found, n) else found


def _completed(yx: Array, lattices: list[Lattice], values: Array | None) -> list[Lattice]:
    """Lattices with atoms that growth did not reach, and as one where they run on in each other; the largest first."""
    return _filled(yx, _as_one(yx, _filled(yx, lattices, values)), values)


def _unity(lattices: list[Lattice], count: int) -> float:
    """0 to 1, probability that two of so many atoms are of one lattice."""
    return float(sum(len(lattice.rows) ** 2 for lattice in lattices)) / count**2


def _filled(yx: Array, lattices: list[Lattice], values: Array | None) -> list[Lattice]:
    """Lattices with the other atoms between theirs that are on free sites, or on faint ones of their own.

    Faint columns, such as oxygen, are often found in a part of the cells alone; cells with and without them would be
    different lattices otherwise.
    """
    rows = np.concatenate([lattice.rows for lattice in lattices] or [np.empty(0, np.int64)])
    of = np.repeat(np.arange(len(lattices)), [len(lattice.rows) for lattice in lattices])
    free = np.setdiff1d(np.arange(len(yx)), rows)
    if not len(free) or len(rows) < SMALLEST:
        return lattices
    nearest, near = cKDTree(yx[rows]).query(yx[free], k=NEAR)
    coordinates = np.concatenate([lattice.coordinates for lattice in lattices])
    found = []
    for number, lattice in enumerate(lattices):
        mine = (of[near] == number).all(axis=1) & (nearest[:, 0] <= Cell(lattice.vectors, lattice.basis).reach())
        predicted = [
            extended(yx[rows[close]], coordinates[close], yx[atom])
            for atom, close in zip(free[mine], near[mine], strict=True)
        ]
        found.append(_with(lattice, free[mine], np.reshape(predicted, (-1, 2)), values))
    return found


def _with(lattice: Lattice, rows: Index, coordinates: Array, values: Array | None) -> Lattice:
    """A lattice with further atoms (n,) at fractional coordinates (n, 2), on free sites or on sites of their own."""
    cell = Cell(lattice.vectors, lattice.basis)
    near, cells = SITE * cell.nearest(), len(np.unique(lattice.index, axis=0))
    if values is not None:
        weakest = min(values[lattice.rows[lattice.site == s]].mean() for s in np.unique(lattice.site))
        faint = values[rows] < weakest
        cell = Cell(cell.vectors, np.array([*cell.basis, *new_sites(cell, coordinates[faint], near, RARE * cells)]))
    index, site, left = cell.settle(coordinates)
    sites = np.vstack([np.c_[lattice.index, lattice.site], np.c_[index, site]])
    _, once = np.unique(sites, axis=0, return_index=True)  # the atoms of the lattice come first
    on = np.r_[np.ones(len(lattice.rows), bool), np.linalg.norm(left @ cell.vectors, axis=1) <= near]
    every = np.r_[lattice.rows, rows]
    kept = np.intersect1d(once, np.flatnonzero(on))
    kept = kept[np.argsort(every[kept])]
    return replace(lattice, basis=cell.basis, rows=every[kept], index=sites[kept, :2], site=sites[kept, 2])


def _grown_from_patches(around: Surroundings, values: Array | None) -> list[Lattice]:
    """Lattices that grow from the patches that repeat best, the largest first."""
    n = len(around.yx)
    free, rng, found = np.ones(n, bool), np.random.default_rng(0), []
    untried, vain = np.ones(n, bool), 0
    while vain < VAIN:
        start = _best_patch(around, free, untried, rng)
        if start is None:
            break
        cell, patch = start
        grown = grow(around, cell, patch, free)
        fewest = max(SMALLEST, CELLS * len(grown.cell.basis))
        parts = [part for part in _parts(around, grown) if part.sum() >= fewest]
        vain = 0 if parts else vain + 1
        untried[patch[: len(patch) // 4]] = False
        for part in parts:
            found.append(_finish(around, grown, part, values))
            free &= ~part
    return sorted(found, key=lambda lattice: -len(lattice.rows))


def _as_one(yx: Array, lattices: list[Lattice]) -> list[Lattice]:
    """Lattices in which those that run on in each other are one, the largest first."""
    grains = [Indexed(Cell(each.vectors, each.basis), each.rows, each.coordinates) for each in lattices]
    whole = []
    for parts in joined(yx, grains):
        first = lattices[parts[0][0]]
        if len(parts) > 1:
            cell = Cell(first.vectors, first.basis)
            index, site, _ = cell.settle(np.vstack([coordinates for _, coordinates in parts]))
            rows = np.concatenate([lattices[number].rows for number, _ in parts])
            _, once = np.unique(np.c_[index, site], axis=0, return_index=True)  # the atoms of the first come first
            kept = once[np.argsort(rows[once])]
            first = replace(first, rows=rows[kept], index=index[kept], site=site[kept])
        whole.append(first)
    return sorted(whole, key=lambda lattice: -len(lattice.rows))


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

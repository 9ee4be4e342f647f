"""Growth of a lattice from a patch outwards: the cell of every atom that it reaches."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from local_crystallography.data.arrays import Array, Index, Mask
from local_crystallography.lattice.sites import Cell, cells_within, new_sites, primitive

SMALLEST = 16
"""Fewest atoms that make a lattice."""
STRAY = 0.28
"""Largest distance of an atom from its site in the lattice around it, in nearest-neighbour distances."""
REACH = 2.1
"""Distance up to which atoms predict the positions of their neighbours, in mean spacings."""
STIFF = (5.0, 0.5)
"""Number of observations that the previous vectors count for: during growth, and with neighbours on all sides."""
UNEVEN = (0.08, 2.2)
"""Largest misfit around an atom that predicts others, in nearest-neighbour distances and relative to the seed."""
SHELL = 1.3
"""Radius within which neighbours are counted, in mean spacings."""
SAME_SITE, COMMON = 0.2, 0.5
"""Largest distance of an atom from a site that the patch lacked, in nearest-neighbour distances; and the smallest
fraction of cells that have it."""
SAME = 0.1
"""Sites closer than this, in nearest-neighbour distances, are the same site of a smaller cell, unless the difference
proves to be more than noise (`find_superlattice`)."""


@dataclass(frozen=True)
class Surroundings:
    """(N, 2) positions of all atoms in pixels, and (N, k) rows and distances of their nearest atoms, by distance."""

    yx: Array
    near: Index
    distance: Array

    @classmethod
    def of(cls, yx: Array, count: int) -> Surroundings:
        """With so many nearest atoms of each, or all there are."""
        distance, near = cKDTree(yx).query(yx, k=min(count + 1, len(yx)))
        return cls(yx, near[:, 1:], distance[:, 1:])


@dataclass(frozen=True)
class Grown:
    """A lattice that is being fitted to N atoms.

    Parameters
    ----------
    cell
        Current cell.
    coordinates
        (N, 2) fractional coordinates of the sites of the atoms; NaN off the lattice.
    local
        (N, 2, 2) rows a, b around each atom, (y, x) in pixels.
    even, uneven
        (N,) whether the lattice fits around the atom to within `uneven` pixels.
    """

    cell: Cell
    coordinates: Array
    local: Array
    even: Mask
    uneven: float

    @property
    def known(self) -> Mask:
        """(N,) whether an atom is on the lattice."""
        return np.isfinite(self.coordinates[:, 0])


def grow(around: Surroundings, cell: Cell, patch: Index, free: Mask) -> Grown:
    """Propagate indices outwards from the centre of a patch to all free atoms that the lattice reaches."""
    n = len(around.yx)
    coordinates, local = np.full((n, 2), np.nan), np.tile(cell.vectors, (n, 1, 1))
    core = patch[np.linalg.norm(around.yx[patch] - around.yx[patch[0]], axis=1) <= 2.5 * cell.spacing()]
    index, site, left = cell.settle((around.yx[core] - around.yx[patch[0]]) @ np.linalg.inv(cell.vectors))
    on = np.linalg.norm(left @ cell.vectors, axis=1) <= STRAY * cell.nearest()
    coordinates[core[on]] = (index + cell.basis[site])[on]
    front = core[on]
    rough = float(np.sqrt((((left[on] - left[on].mean(axis=0)) @ cell.vectors) ** 2).sum(axis=1).mean()))
    uneven = max(UNEVEN[0] * cell.nearest(), UNEVEN[1] * rough)
    grown = Grown(cell, coordinates, local, np.isfinite(coordinates[:, 0]), uneven)
    crowd, bridge = _crowd(cell), cell.bridge()
    while len(front):
        reached = np.unique(around.near[front])
        reached = reached[free[reached] & ~grown.known[reached]]
        front = _place(around, grown, reached, crowd, bridge)
    grown = refit(around, grown)
    missed = _missed_sites(around, grown, free)
    if missed:
        return grow(around, Cell(grown.cell.vectors, np.array([*grown.cell.basis, *missed])), patch, free)
    smaller = primitive(grown.cell, SAME * grown.cell.nearest())
    if len(smaller.basis) < len(grown.cell.basis):
        grown = refit(around, _express(grown, smaller))
    return grown


def _place(around: Surroundings, grown: Grown, rows: Index, crowd: Index, bridge: float) -> Index:
    """Index atoms from their indexed neighbours, where these agree; writes into `grown` and returns the rows."""
    cell, most = grown.cell, STRAY * grown.cell.nearest()
    votes = grown.even[around.near[rows]] & (around.distance[rows] <= REACH * cell.spacing())
    rows, votes = rows[votes.sum(axis=1) >= 3], votes[votes.sum(axis=1) >= 3]
    if len(rows) == 0:
        return rows
    near, distance = around.near[rows], around.distance[rows]
    weight = votes / np.maximum(distance, 1e-9) ** 2
    weight /= weight.sum(axis=1, keepdims=True)
    apart, local = around.yx[rows][:, None] - around.yx[near], grown.local[near]
    predicted = np.where(votes[..., None], grown.coordinates[near] + _solve(local, apart), 0)
    mean = np.einsum("nk,nki->ni", weight, predicted)
    vectors = np.einsum("nk,nkij->nij", weight, local)
    off = np.einsum("nki,nij->nkj", predicted - mean[:, None], vectors)
    spread = np.sqrt((weight * (off**2).sum(axis=-1)).sum(axis=1))
    index, site, left = cell.settle(mean)
    stray = np.linalg.norm(np.einsum("ni,nij->nj", left, vectors), axis=1)
    touched = (votes & (distance <= 1.2 * bridge)).any(axis=1)
    crowded = (distance <= SHELL * cell.spacing()).sum(axis=1) > 1.5 * crowd[site] + 0.5
    good = (stray <= most) & (spread <= most) & touched & ~crowded
    rows, votes = rows[good], votes[good, :, None]
    grown.coordinates[rows] = (index + cell.basis[site])[good]
    step = np.where(votes, grown.coordinates[near[good]] - grown.coordinates[rows][:, None], 0)
    apart = np.where(votes, -apart[good], 0)
    grown.local[rows] = _fit(step, apart, vectors[good], STIFF[0])
    misfit = ((step @ grown.local[rows] - apart) ** 2).sum(axis=(1, 2)) / votes.sum(axis=(1, 2))
    grown.even[rows] = misfit <= grown.uneven**2
    return rows


def _missed_sites(around: Surroundings, grown: Grown, free: Mask) -> list[Array]:
    """Fractional coordinates (2,) of sites that most cells have, but not the cell of the patch."""
    rows = np.flatnonzero(grown.known)
    others = np.flatnonzero(free & ~grown.known)
    if not len(rows) or not len(others):
        return []
    distance, near = cKDTree(around.yx[rows]).query(around.yx[others])
    inside = distance <= grown.cell.reach()
    near, others = rows[near[inside]], others[inside]
    coordinates = grown.coordinates[near] + _solve(grown.local[near], around.yx[others] - around.yx[near])
    index, _, _ = grown.cell.settle(grown.coordinates[rows])
    return new_sites(grown.cell, coordinates, SAME_SITE * grown.cell.nearest(), COMMON * len(np.unique(index, axis=0)))


def _crowd(cell: Cell) -> Index:
    """(S,) number of neighbours of each site within `SHELL`."""
    apart = (cell.basis[None, :, None] + cells_within(2) - cell.basis[:, None, None]) @ cell.vectors
    distance = np.linalg.norm(apart, axis=-1).reshape(len(cell.basis), -1)
    return np.asarray((distance <= SHELL * cell.spacing()).sum(axis=1) - 1)


def _fit(step: Array, apart: Array, prior: Array, stiff: float) -> Array:
    """(n, 2, 2) least-squares vectors from (n, k, 2) fractional steps to (n, k, 2) pixels, with a prior."""
    normal = np.einsum("nki,nkj->nij", step, step)
    size = np.trace(normal, axis1=1, axis2=2) / np.maximum((step != 0).any(axis=2).sum(axis=1), 1)
    hold = stiff * size[:, None, None] * np.eye(2) + 1e-9 * np.eye(2)
    right = np.einsum("nki,nkj->nij", step, apart) + hold @ prior
    return np.asarray(np.linalg.solve(normal + hold, right))


def _solve(local: Array, apart: Array) -> Array:
    """Fractional steps of (..., 2) pixels in (..., 2, 2) vectors, by Cramer's rule, which is fast for many."""
    a, b = local[..., 0, :], local[..., 1, :]
    volume = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    first = (apart[..., 0] * b[..., 1] - apart[..., 1] * b[..., 0]) / volume
    second = (a[..., 0] * apart[..., 1] - a[..., 1] * apart[..., 0]) / volume
    return np.stack([first, second], axis=-1)


def refit(around: Surroundings, grown: Grown, rounds: int = 2) -> Grown:
    """Refit vectors and sites with neighbours on all sides, and remove atoms that are off the lattice."""
    for _ in range(rounds):
        grown = _without_strays(around, grown)
        rows = np.flatnonzero(grown.known)
        if len(rows) < SMALLEST:
            break
        local, left, count = fit_all(around, grown, rows)
        _, site, _ = grown.cell.settle(grown.coordinates[rows])
        fraction = _solve(local, left)
        move = np.array(
            [np.median(fraction[site == s], axis=0) if s in site else (0, 0) for s in range(len(grown.cell.basis))]
        )
        bad = (np.linalg.norm(left, axis=1) > 1.2 * STRAY * grown.cell.nearest()) | (count < 2)
        coordinates, every = grown.coordinates.copy(), grown.local.copy()
        coordinates[rows], every[rows] = coordinates[rows] + move[site], local
        coordinates[rows[bad]] = np.nan
        cell = Cell(np.median(local, axis=0), grown.cell.basis + move)
        grown = replace(grown, cell=cell, coordinates=coordinates, local=every)
    return grown


def fit_all(around: Surroundings, grown: Grown, rows: Index) -> tuple[Array, Array, Index]:
    """Vectors around indexed atoms, distance of each (px) from its predicted position, and number of neighbours."""
    near = around.near[rows]
    on = grown.known[near] & (around.distance[rows] <= 2 * REACH * grown.cell.spacing())
    step = np.where(on[..., None], grown.coordinates[near] - grown.coordinates[rows][:, None], 0)
    apart = np.where(on[..., None], around.yx[near] - around.yx[rows][:, None], 0)
    local = _fit(step, apart, grown.local[rows], STIFF[1])
    count = on.sum(axis=1)
    left = np.einsum("nki,nij->nj", step, local) - apart.sum(axis=1)
    return local, left / np.maximum(count, 1)[:, None], count


def _without_strays(around: Surroundings, grown: Grown) -> Grown:
    """Remove all but one atom of a site, and atoms whose surroundings belong to another lattice."""
    coordinates = grown.coordinates.copy()
    rows = np.flatnonzero(grown.known)
    index, site, _ = grown.cell.settle(coordinates[rows])
    order = np.argsort(around.distance[rows, :4].std(axis=1), kind="stable")
    _, first = np.unique(np.c_[index, site][order], axis=0, return_index=True)
    double = np.ones(len(rows), bool)
    double[order[first]] = False
    coordinates[rows[double]] = np.nan
    close = around.distance <= grown.cell.reach()
    known = np.isfinite(coordinates[:, 0])
    inside = (known[around.near] & close).sum(axis=1)
    coordinates[(inside < 0.35 * close.sum(axis=1)) | (inside < 2)] = np.nan
    return replace(grown, coordinates=coordinates)


def _express(grown: Grown, cell: Cell) -> Grown:
    """Lattice in another cell, whose vectors are an exact multiple or fraction of the present ones."""
    change = grown.cell.vectors @ np.linalg.inv(cell.vectors)
    rows = np.flatnonzero(grown.known)
    index, site, _ = cell.settle((grown.coordinates[rows] - grown.cell.basis[0]) @ change + cell.basis[0])
    coordinates = grown.coordinates.copy()
    coordinates[rows] = index + cell.basis[site]
    return replace(grown, cell=cell, coordinates=coordinates, local=np.linalg.inv(change) @ grown.local)


def enlarge(grown: Grown, larger: Index) -> Grown:
    """Lattice in a larger cell, with correspondingly more sites."""
    corners = np.indices(larger.diagonal().tolist()).reshape(2, -1).T
    back = np.linalg.inv(larger)
    cell = Cell(larger @ grown.cell.vectors, (grown.cell.basis[:, None] + corners).reshape(-1, 2) @ back)
    return replace(grown, cell=cell, coordinates=grown.coordinates @ back, local=larger @ grown.local)

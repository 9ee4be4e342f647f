"""From a patch outwards: the cell of every atom that a lattice reaches."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from local_crystallography.data.arrays import Array, Index, Mask
from local_crystallography.lattice.sites import Cell, cells_within, primitive

SMALLEST = 16
"""Fewest atoms that make a lattice."""
STRAY = 0.28
"""Farthest that an atom may lie from its place in the lattice around it, in nearest distances."""
REACH = 2.1
"""Distance up to which atoms tell where their neighbours belong, in mean spacings."""
STIFF = (5.0, 0.5)
"""How many observations the vectors known before count for in a fit: while growing, and with neighbours all round."""
UNEVEN = (0.08, 2.2)
"""Greatest misfit of the places around an atom whose word counts: in nearest distances, and times that of the seed."""
SHELL = 1.3
"""Radius in which neighbours are counted, in mean spacings."""
SAME = 0.05
"""Sites that agree to within this, in nearest distances, are the same site of a smaller cell."""


@dataclass(frozen=True)
class Surroundings:
    """(N, 2) places of all atoms in pixels, and for each the (N, k) rows and distances of the nearest, by distance."""

    yx: Array
    near: Index
    distance: Array


@dataclass(frozen=True)
class Grown:
    """A lattice while it is fitted to N atoms.

    Parameters
    ----------
    cell
        Its cell.
    places
        (N, 2) fractional coordinates of the places that the atoms belong to; NaN off the lattice.
    local
        (N, 2, 2) rows a, b around each atom, (y, x) in pixels.
    even, uneven
        (N,) whether the lattice fits around the atom to within `uneven` pixels.
    """

    cell: Cell
    places: Array
    local: Array
    even: Mask
    uneven: float

    @property
    def known(self) -> Mask:
        """(N,) whether an atom is on the lattice."""
        return np.isfinite(self.places[:, 0])


def grow(around: Surroundings, cell: Cell, patch: Index, free: Mask) -> Grown:
    """Carry indices outwards from the middle of a patch over all free atoms that the lattice reaches."""
    n = len(around.yx)
    places, local = np.full((n, 2), np.nan), np.tile(cell.vectors, (n, 1, 1))
    core = patch[np.linalg.norm(around.yx[patch] - around.yx[patch[0]], axis=1) <= 2.5 * cell.spacing()]
    index, site, left = cell.settle((around.yx[core] - around.yx[patch[0]]) @ np.linalg.inv(cell.vectors))
    on = np.linalg.norm(left @ cell.vectors, axis=1) <= STRAY * cell.nearest()
    places[core[on]] = (index + cell.basis[site])[on]
    front = core[on]
    rough = float(np.sqrt((((left[on] - left[on].mean(axis=0)) @ cell.vectors) ** 2).sum(axis=1).mean()))
    uneven = max(UNEVEN[0] * cell.nearest(), UNEVEN[1] * rough)
    grown = Grown(cell, places, local, np.isfinite(places[:, 0]), uneven)
    crowd, bridge = _crowd(cell), cell.bridge()
    while len(front):
        reached = np.unique(around.near[front])
        reached = reached[free[reached] & ~grown.known[reached]]
        front = _place(around, grown, reached, crowd, bridge)
    grown = refit(around, grown)
    smaller = primitive(grown.cell, SAME * grown.cell.nearest())
    if len(smaller.basis) < len(grown.cell.basis):
        grown = refit(around, _express(grown, smaller))
    return grown


def _place(around: Surroundings, grown: Grown, rows: Index, crowd: Index, bridge: float) -> Index:
    """Place atoms by their indexed neighbours, where these agree; writes into `grown` and gives the rows placed."""
    cell, most = grown.cell, STRAY * grown.cell.nearest()
    votes = grown.even[around.near[rows]] & (around.distance[rows] <= REACH * cell.spacing())
    rows, votes = rows[votes.sum(axis=1) >= 3], votes[votes.sum(axis=1) >= 3]
    if len(rows) == 0:
        return rows
    near, distance = around.near[rows], around.distance[rows]
    weight = votes / np.maximum(distance, 1e-9) ** 2
    weight /= weight.sum(axis=1, keepdims=True)
    apart, local = around.yx[rows][:, None] - around.yx[near], grown.local[near]
    said = np.where(votes[..., None], grown.places[near] + _solve(local, apart), 0)
    mean = np.einsum("nk,nki->ni", weight, said)
    vectors = np.einsum("nk,nkij->nij", weight, local)
    off = np.einsum("nki,nij->nkj", said - mean[:, None], vectors)
    spread = np.sqrt((weight * (off**2).sum(axis=-1)).sum(axis=1))
    index, site, left = cell.settle(mean)
    stray = np.linalg.norm(np.einsum("ni,nij->nj", left, vectors), axis=1)
    touched = (votes & (distance <= 1.2 * bridge)).any(axis=1)
    crowded = (distance <= SHELL * cell.spacing()).sum(axis=1) > 1.5 * crowd[site] + 0.5
    good = (stray <= most) & (spread <= most) & touched & ~crowded
    rows, votes = rows[good], votes[good, :, None]
    grown.places[rows] = (index + cell.basis[site])[good]
    step = np.where(votes, grown.places[near[good]] - grown.places[rows][:, None], 0)
    apart = np.where(votes, -apart[good], 0)
    grown.local[rows] = _fit(step, apart, vectors[good], STIFF[0])
    misfit = ((step @ grown.local[rows] - apart) ** 2).sum(axis=(1, 2)) / votes.sum(axis=(1, 2))
    grown.even[rows] = misfit <= grown.uneven**2
    return rows


def _crowd(cell: Cell) -> Index:
    """(S,) number of neighbours of each site within the shell."""
    apart = (cell.basis[None, :, None] + cells_within(2) - cell.basis[:, None, None]) @ cell.vectors
    distance = np.linalg.norm(apart, axis=-1).reshape(len(cell.basis), -1)
    return np.asarray((distance <= SHELL * cell.spacing()).sum(axis=1) - 1)


def _fit(step: Array, apart: Array, prior: Array, stiff: float) -> Array:
    """(n, 2, 2) vectors of least squares from (n, k, 2) fractional steps to (n, k, 2) pixels, held to a prior."""
    normal = np.einsum("nki,nkj->nij", step, step)
    size = np.trace(normal, axis1=1, axis2=2) / np.maximum((step != 0).any(axis=2).sum(axis=1), 1)
    hold = stiff * size[:, None, None] * np.eye(2) + 1e-9 * np.eye(2)
    right = np.einsum("nki,nkj->nij", step, apart) + hold @ prior
    return np.asarray(np.linalg.solve(normal + hold, right))


def _solve(local: Array, apart: Array) -> Array:
    """Fractional steps of (..., 2) pixels by (..., 2, 2) vectors; by Cramer's rule, which is fast for many."""
    a, b = local[..., 0, :], local[..., 1, :]
    volume = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    first = (apart[..., 0] * b[..., 1] - apart[..., 1] * b[..., 0]) / volume
    second = (a[..., 0] * apart[..., 1] - a[..., 1] * apart[..., 0]) / volume
    return np.stack([first, second], axis=-1)


def refit(around: Surroundings, grown: Grown, rounds: int = 2) -> Grown:
    """Fit vectors and sites with neighbours on all sides, and leave out atoms that are off the lattice."""
    for _ in range(rounds):
        grown = _without_strays(around, grown)
        rows = np.flatnonzero(grown.known)
        if len(rows) < SMALLEST:
            break
        local, left, count = fit_all(around, grown, rows)
        _, site, _ = grown.cell.settle(grown.places[rows])
        fraction = _solve(local, left)
        move = np.array(
            [np.median(fraction[site == s], axis=0) if s in site else (0, 0) for s in range(len(grown.cell.basis))]
        )
        bad = (np.linalg.norm(left, axis=1) > 1.2 * STRAY * grown.cell.nearest()) | (count < 2)
        places, every = grown.places.copy(), grown.local.copy()
        places[rows], every[rows] = places[rows] + move[site], local
        places[rows[bad]] = np.nan
        grown = replace(grown, cell=Cell(np.median(local, axis=0), grown.cell.basis + move), places=places, local=every)
    return grown


def fit_all(around: Surroundings, grown: Grown, rows: Index) -> tuple[Array, Array, Index]:
    """Vectors around indexed atoms, how far each lies in pixels from where its neighbours put it, and their number."""
    near = around.near[rows]
    on = grown.known[near] & (around.distance[rows] <= 2 * REACH * grown.cell.spacing())
    step = np.where(on[..., None], grown.places[near] - grown.places[rows][:, None], 0)
    apart = np.where(on[..., None], around.yx[near] - around.yx[rows][:, None], 0)
    local = _fit(step, apart, grown.local[rows], STIFF[1])
    count = on.sum(axis=1)
    left = np.einsum("nki,nij->nj", step, local) - apart.sum(axis=1)
    return local, left / np.maximum(count, 1)[:, None], count


def _without_strays(around: Surroundings, grown: Grown) -> Grown:
    """Drop all but one atom of a place, and atoms whose surroundings belong to another lattice."""
    places = grown.places.copy()
    rows = np.flatnonzero(grown.known)
    index, site, _ = grown.cell.settle(places[rows])
    order = np.argsort(around.distance[rows, :4].std(axis=1), kind="stable")
    _, first = np.unique(np.c_[index, site][order], axis=0, return_index=True)
    double = np.ones(len(rows), bool)
    double[order[first]] = False
    places[rows[double]] = np.nan
    close = around.distance <= grown.cell.reach()
    known = np.isfinite(places[:, 0])
    inside = (known[around.near] & close).sum(axis=1)
    places[(inside < 0.35 * close.sum(axis=1)) | (inside < 2)] = np.nan
    return replace(grown, places=places)


def _express(grown: Grown, cell: Cell) -> Grown:
    """The same lattice in another cell of which the vectors are an exact multiple or part."""
    change = grown.cell.vectors @ np.linalg.inv(cell.vectors)
    rows = np.flatnonzero(grown.known)
    index, site, _ = cell.settle((grown.places[rows] - grown.cell.basis[0]) @ change + cell.basis[0])
    places = grown.places.copy()
    places[rows] = index + cell.basis[site]
    return replace(grown, cell=cell, places=places, local=np.linalg.inv(change) @ grown.local)


def enlarge(grown: Grown, larger: Index) -> Grown:
    """The same lattice in a larger cell, with as many more sites."""
    corners = np.indices(larger.diagonal().tolist()).reshape(2, -1).T
    back = np.linalg.inv(larger)
    cell = Cell(larger @ grown.cell.vectors, (grown.cell.basis[:, None] + corners).reshape(-1, 2) @ back)
    return replace(grown, cell=cell, places=grown.places @ back, local=larger @ grown.local)

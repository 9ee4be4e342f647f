"""Local quantities of a lattice: vectors, strain and rotation, displacement in the cage, neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from local_crystallography.data.arrays import Array, Index
from local_crystallography.lattice.lattices import Lattice

GAP = 1.2
"""The shell of neighbours ends where the next atom is farther by this factor."""
MOST_NEIGHBOURS = 12
CAGE, NEXT, WIDE = 1.2, 1.05, 1.5
"""The cage contains the sites up to this many times the distance of the nearest; if they are not all around the atom,
also the next ones, which differ in distance by up to `NEXT`; none farther than `WIDE` times the nearest."""
FOUND = 0.75
"""Share of the cells in which the columns of a site are found, above which they can form a cage."""
ALIKE = 0.75
"""Ratio of the values of two sites above which they are columns of one kind."""
OPEN = 0.95 * np.pi
"""Largest angle between neighbouring atoms of a closed cage, radians."""
LARGEST_STRAIN = 0.2
"""Largest strain between two lattices of the same structure."""


def neighbour_shell(yx: Array) -> tuple[Index, Array]:
    """(N,) number of neighbours of each of (N, 2) positions up to the first gap, and their mean distance in pixels."""
    count = min(MOST_NEIGHBOURS + 1, len(yx) - 1)
    if count < 2:
        return np.zeros(len(yx), np.int64), np.full(len(yx), np.nan)
    distance = cKDTree(yx).query(yx, k=count + 1)[0][:, 1:]
    gap = distance[:, 1:] > GAP * distance[:, :-1]
    number = np.where(gap.any(axis=1), gap.argmax(axis=1) + 1, count - 1)
    inside = np.arange(count) < number[:, None]
    return number, (distance * inside).sum(axis=1) / number


def local_vectors(yx: Array, lattice: Lattice, neighbours: int, std: Array | None = None) -> tuple[Array, Array]:
    """Vectors a, b around every atom of a lattice, (n, 2, 2), and covariances (n, 2, 2, 2): axis, a or b, a or b.

    Each sublattice has its own origin in the fit to the nearest atoms, so that a shift of one sublattice against
    another does not count as strain. Nearest are those on the nearest sites: of atoms as near as each other, those that
    noise moves closer would make the vectors too short. Atoms count by their precision: a faint column in between tells
    little. NaN where fewer than four atoms or only a row of them are near.

    Parameters
    ----------
    std
        (N, 2) standard deviations of all positions in pixels; None: alike and 1, so that the covariances are those of
        a unit variance.
    """
    positions = yx[lattice.rows]
    sites = lattice.coordinates @ lattice.vectors
    near = cKDTree(sites).query(sites, k=min(neighbours + 1, len(sites)))[1]
    index, pixels, site = lattice.index[near].astype(float), positions[near], lattice.site[near]
    variance = np.ones_like(positions) if std is None else _known_variance(std[lattice.rows])
    precision = 1 / variance.mean(axis=1)[near]
    fitted = np.zeros(near.shape, bool)
    for s in range(len(lattice.basis)):
        part = site == s
        weight = part * precision
        weight = (weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-30))[..., None]
        for quantity in (index, pixels):
            centred = quantity - (weight * quantity).sum(axis=1, keepdims=True)
            quantity[part] = centred[part]
        fitted |= part & (part.sum(axis=1, keepdims=True) >= 2)
    index[~fitted] = 0
    weighted = index * precision[..., None]
    normal = np.einsum("nki,nkj->nij", weighted, index)
    good = (fitted.sum(axis=1) >= 4) & (np.linalg.det(normal) > 0.05 * np.trace(normal, axis1=1, axis2=2) ** 2 / 4)
    inverse = np.full(normal.shape, np.nan)
    inverse[good] = np.linalg.inv(normal[good])
    of_axis = np.einsum("nki,nka,nkj->naij", weighted, variance[near], weighted)
    spread = inverse[:, None] @ of_axis @ inverse[:, None]
    return inverse @ np.einsum("nki,nkj->nij", weighted, pixels), spread


def _known_variance(std: Array) -> Array:
    """(n, 2) variances, the median where one is unknown, and none below a hundredth of it."""
    variance = std**2
    usual = float(np.nanmedian(variance)) if np.isfinite(variance).any() else 1.0
    return np.asarray(np.maximum(np.where(np.isfinite(variance), variance, usual), 0.01 * usual or 1.0))


def lengths_and_angle(vectors: Array) -> tuple[Array, Array, Array]:
    """Lengths of a and b in the unit of the (n, 2, 2) vectors, and the angle from a to b in radians."""
    a, b = vectors[:, 0], vectors[:, 1]
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]  # counter-clockwise as displayed, y down
    return np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1), np.arctan2(cross, (a * b).sum(axis=1))


def vectors_from(table: pd.DataFrame) -> tuple[Array, Array]:
    """(n, 2, 2) vectors a, b around atoms, (y, x) in pixels, and their (2, 2) reference, from columns of the table.

    NaN where the reference of the strain is that of another lattice.
    """
    a, b, gamma, angle = (table[name].to_numpy(float) for name in ("a_px", "b_px", "gamma_rad", "lattice_angle_rad"))
    vectors = np.stack(
        [
            np.stack([-a * np.sin(angle), a * np.cos(angle)], axis=1),
            np.stack([-b * np.sin(angle + gamma), b * np.cos(angle + gamma)], axis=1),
        ],
        axis=1,
    )
    xx, yy, xy = (table[f"strain_{part}"].to_numpy(float) for part in ("xx", "yy", "xy"))
    stretch = np.stack([np.stack([1 + yy, xy], axis=1), np.stack([xy, 1 + xx], axis=1)], axis=1)
    turn = table["lattice_rotation_rad"].to_numpy(float)
    turned = np.stack([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]).transpose(2, 0, 1) @ stretch
    known = np.isfinite(turned).all(axis=(1, 2))
    if not known.any():
        return vectors, np.full((2, 2), np.nan)
    return vectors, np.median(vectors[known] @ np.swapaxes(np.linalg.inv(turned[known]), 1, 2), axis=0)


def affine(vectors: Array, reference: Array) -> Array:
    """(n, 2, 2) matrices M on (y, x) columns that map the (2, 2) reference vectors onto the (n, 2, 2) local ones."""
    return np.swapaxes(np.linalg.inv(reference) @ vectors, 1, 2)


def strain_and_rotation(matrix: Array) -> tuple[Array, Array]:
    """(n, 2, 2) strains U - 1 with axes (y, x) and (n,) rotations of the polar decomposition M = R U.

    Rotations are in radians, counter-clockwise as displayed. For small deformations U - 1 is the strain of linear
    elasticity, but unlike that it stays zero under rotations of any size.
    """
    angle = np.arctan2(matrix[:, 1, 0] - matrix[:, 0, 1], matrix[:, 0, 0] + matrix[:, 1, 1])
    back = np.stack([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    return back @ matrix - np.eye(2), angle


def matching(reference: Array, vectors: Array) -> Array | None:
    """Cell of a reference lattice most similar to the (2, 2) vectors; None where all differ by a strain above 0.2."""
    best = min(_similar(reference, vectors), key=lambda one: one[0] + abs(one[1]), default=None)
    return None if best is None else best[2]


def turned_onto(reference: Array, vectors: Array) -> Array | None:
    """Cell of a reference lattice of unknown orientation most similar to the (2, 2) vectors, rotated onto them.

    None where all differ by a strain above 0.2.
    """
    best = min(_similar(reference, vectors), key=lambda one: (round(one[0], 9), abs(one[1])), default=None)
    if best is None:
        return None
    _, angle, cell = best
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(cell @ turn)


def _similar(reference: Array, vectors: Array) -> Iterator[tuple[float, float, Array]]:
    """Strain, rotation and vectors of the cells of a reference lattice that differ by at most 0.2 in strain."""
    for entries in product((-1, 0, 1), repeat=4):
        change = np.array(entries).reshape(2, 2)
        if round(np.linalg.det(change)) == 1:
            strain, angle = strain_and_rotation(affine(vectors[None], change @ reference))
            size = float(np.abs(np.linalg.eigvalsh(strain[0])).max())
            if size <= LARGEST_STRAIN:
                yield size, float(angle[0]), change @ reference


def cage_displacements(
    yx: Array, lattice: Lattice, values: Array | None = None, of: int | None = None
) -> tuple[Array, Index]:
    """(n, 2) displacement of every atom from the centre of its cage, (y, x) in pixels, and (n, N') cage rows.

    The cage consists of the nearest columns of another kind, the most intense that surround the atom: B in the cage of
    A, A in that of B, and O in that of both. Where other kinds do not surround it, other sites of its own kind count as
    well. Sites that are found in part of the cells form no cage, or most cages would lack an atom. The rows are those
    of `yx`, -1 where the cage of the site is smaller. NaN where an atom of the cage is missing or there is no cage.

    Parameters
    ----------
    values
        (N,) intensity of all atoms, by which kinds differ; None: all sites are of one kind.
    of
        Site that forms the cages; None: as above.
    """
    chosen = None if of is None else np.array([of])
    pools = _pools(lattice, values)
    cages = [_cage(lattice, s, pools[s] if chosen is None else [chosen]) for s in range(len(lattice.basis))]
    widest = max(len(cage) for cage in cages)
    n = len(lattice.rows)
    displacement, members = np.full((n, 2), np.nan), np.full((n, max(widest, 1)), -1)
    low = lattice.index.min(axis=0) - 4
    span = lattice.index.max(axis=0) + 5 - low
    key = _key(lattice.index - low, lattice.site, span)
    order = np.argsort(key)
    for s, cage in enumerate(cages):
        own = np.flatnonzero(lattice.site == s)
        if len(cage) == 0 or len(own) == 0:
            continue
        wanted = _key(lattice.index[own][:, None] + cage[:, :2] - low, cage[:, 2], span)
        found = order[np.minimum(np.searchsorted(key[order], wanted), n - 1)]
        whole = (key[found] == wanted).all(axis=1)
        members[own[whole], : len(cage)] = lattice.rows[found[whole]]
        centre = yx[lattice.rows[found[whole]]].mean(axis=1)
        displacement[own[whole]] = yx[lattice.rows[own[whole]]] - centre
    return displacement, members


def _pools(lattice: Lattice, values: Array | None) -> list[list[Index]]:
    """For each site, the sites among which a cage is sought: of other kinds, more and more of them, then of its own."""
    sites = np.arange(len(lattice.basis))
    count = np.bincount(lattice.site, minlength=len(sites))
    if values is None:
        strength = np.ones(len(sites))
    else:
        of_site = (np.abs(values[lattice.rows[lattice.site == s]]) for s in sites)
        strength = np.array([np.median(each) if len(each) else 0.0 for each in of_site])
    order = np.argsort(-strength, kind="stable")
    weaker = strength[order][1:] < ALIKE * strength[order][:-1]
    kind = np.empty(len(sites), np.int64)
    kind[order] = np.r_[0, np.cumsum(weaker)]
    found = count >= FOUND * count.max()
    pools = []
    for s in sites:
        others = [k for k in range(kind.max() + 1) if k != kind[s]]
        several = [np.isin(kind, others[: i + 1]) for i in range(len(others))]
        several.append(several[-1] | (kind == kind[s]) if several else np.ones(len(sites), bool))
        pools.append([sites[pool & found & (sites != s)] for pool in several])
    return pools


def _cage(lattice: Lattice, site: int, pools: list[Index]) -> Index:
    """(c, 3) cell (h, k) and site of the atoms of the cage around a site, relative to its cell; empty if not closed.

    Of several pools of sites, the first that surrounds the site is taken.
    """
    for pool in pools:
        others = pool[pool != site].tolist()
        nodes = np.array([(i, j, s) for i, j, s in product(range(-3, 4), range(-3, 4), others)], int).reshape(-1, 3)
        apart = (nodes[:, :2] + lattice.basis[nodes[:, 2]] - lattice.basis[site]) @ lattice.vectors
        distance = np.linalg.norm(apart, axis=1)
        nearest = distance.min(initial=np.inf)
        limits = [
            CAGE * nearest,
            *(NEXT * np.sort(distance[(distance > CAGE * nearest) & (distance <= WIDE * nearest)])),
        ]
        for limit in limits:
            inside = distance <= limit
            if inside.any() and _closed(apart[inside]):
                return np.asarray(nodes[inside])
    return np.empty((0, 3), np.int64)


def _closed(apart: Array) -> bool:
    """Whether (c, 2) vectors from an atom to its neighbours point to all sides."""
    angle = np.sort(np.arctan2(apart[:, 0], apart[:, 1]))
    return bool(np.diff(np.append(angle, angle[0] + 2 * np.pi)).max() <= OPEN)


def _key(index: Index, site: Index, span: Index) -> Index:
    return np.asarray((site * span[0] + index[..., 0]) * span[1] + index[..., 1])

"""Local quantities of a lattice: vectors, strain and rotation, displacement in the cage, neighbours."""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.spatial import cKDTree

from local_crystallography.data.arrays import Array, Index
from local_crystallography.lattice.lattices import Lattice

GAP = 1.2
"""The shell of neighbours ends where the next atom is farther by this factor."""
MOST_NEIGHBOURS = 12
CAGE = 1.2
"""The cage contains the sites up to this many times the distance of the nearest other sublattice."""
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


def local_vectors(yx: Array, lattice: Lattice, neighbours: int) -> tuple[Array, Array]:
    """(n, 2, 2) vectors a, b around every atom of a lattice, and (n, 2, 2) spread of their least-squares fit.

    Each sublattice has its own origin in the fit to the nearest atoms, so that a shift of one sublattice against
    another does not count as strain. Nearest are those on the nearest sites: of atoms as near as each other, those that
    noise moves closer would make the vectors too short. The spread times the variance of a coordinate is the covariance
    of that coordinate of a and b. NaN where fewer than four atoms or only a row of them are near.
    """
    positions = yx[lattice.rows]
    sites = lattice.coordinates @ lattice.vectors
    near = cKDTree(sites).query(sites, k=min(neighbours + 1, len(sites)))[1]
    index, pixels, site = lattice.index[near].astype(float), positions[near], lattice.site[near]
    fitted = np.zeros(near.shape, bool)
    for s in range(len(lattice.basis)):
        part = site == s
        weight = (part / np.maximum(part.sum(axis=1, keepdims=True), 1))[..., None]
        for quantity in (index, pixels):
            centred = quantity - (weight * quantity).sum(axis=1, keepdims=True)
            quantity[part] = centred[part]
        fitted |= part & (part.sum(axis=1, keepdims=True) >= 2)
    index[~fitted] = 0
    normal = np.einsum("nki,nkj->nij", index, index)
    good = (fitted.sum(axis=1) >= 4) & (np.linalg.det(normal) > 0.05 * np.trace(normal, axis1=1, axis2=2) ** 2 / 4)
    spread = np.full(normal.shape, np.nan)
    spread[good] = np.linalg.inv(normal[good])
    return spread @ np.einsum("nki,nkj->nij", index, pixels), spread


def lengths_and_angle(vectors: Array) -> tuple[Array, Array, Array]:
    """Lengths of a and b in the unit of the (n, 2, 2) vectors, and the angle from a to b in radians."""
    a, b = vectors[:, 0], vectors[:, 1]
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]  # counter-clockwise as displayed, y down
    return np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1), np.arctan2(cross, (a * b).sum(axis=1))


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
    best: tuple[float, Array] | None = None
    for entries in product((-1, 0, 1), repeat=4):
        change = np.array(entries).reshape(2, 2)
        if round(np.linalg.det(change)) != 1:
            continue
        strain, angle = strain_and_rotation(affine(vectors[None], change @ reference))
        size = float(np.abs(np.linalg.eigvalsh(strain[0])).max())
        if size <= LARGEST_STRAIN and (best is None or size + abs(angle[0]) < best[0]):
            best = (size + abs(float(angle[0])), change @ reference)
    return None if best is None else best[1]


def cage_displacements(yx: Array, lattice: Lattice) -> tuple[Array, Index]:
    """(n, 2) displacement of every atom from the centre of its cage, (y, x) in pixels, and (n, N') cage rows.

    The cage consists of the nearest sites of other sublattices, if they surround the atom; the rows are those of `yx`,
    -1 where the cage of the site is smaller. NaN where an atom of the cage is missing or there is no cage.
    """
    cages = [_cage(lattice, s) for s in range(len(lattice.basis))]
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


def _cage(lattice: Lattice, site: int) -> Index:
    """(c, 3) cell (h, k) and site of the atoms of the cage around a site, relative to its cell; empty if not closed."""
    others = [s for s in range(len(lattice.basis)) if s != site]
    nodes = np.array([(i, j, s) for i, j, s in product(range(-3, 4), range(-3, 4), others)]).reshape(-1, 3)
    if len(nodes) == 0:
        return nodes
    apart = (nodes[:, :2] + lattice.basis[nodes[:, 2]] - lattice.basis[site]) @ lattice.vectors
    distance = np.linalg.norm(apart, axis=1)
    inside = distance <= CAGE * distance.min()
    angle = np.sort(np.arctan2(apart[inside, 0], apart[inside, 1]))
    widest = np.diff(np.append(angle, angle[0] + 2 * np.pi)).max()
    return nodes[inside] if widest <= OPEN else nodes[:0]


def _key(index: Index, site: Index, span: Index) -> Index:
    return np.asarray((site * span[0] + index[..., 0]) * span[1] + index[..., 1])

"""Grains that grew apart although one lattice runs through both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from local_crystallography.data.arrays import Array, Index
from local_crystallography.lattice.grow import STRAY
from local_crystallography.lattice.sites import Cell

NEAR = 12
"""Atoms of a grain that are compared with the other at each atom of a border."""
GAP = 2.0
"""Widest border, in units of the distance within which atoms of one crystal are connected."""
PAIRS = 8
"""Fewest atoms along a border that tell whether the lattice runs on."""
AGREE = 0.8
"""Fraction of them that must be offset by one vector; along a boundary between two orientations it changes."""
ERROR = 0.4
"""Largest error of the offset at a border, in nearest-neighbour distances."""
TURNED = 0.25
"""Largest difference of corresponding lattice vectors, as a fraction of the shorter one."""


@dataclass(frozen=True)
class Indexed:
    """Atoms of one grain: (n,) rows, (n, 2) fractional coordinates of their sites, and their cell."""

    cell: Cell
    rows: Index
    coordinates: Array


def continued(yx: Array, one: Indexed, other: Indexed) -> Array | None:
    """(n, 2) coordinates of the other's atoms in the lattice of the first; None unless it runs on without a break.

    Along the border, coordinates in the first grain are compared with their own. In one lattice that atoms were missing
    from, or in which rows jumped, all differ by one lattice vector. `yx`: (N, 2) positions of all atoms.
    """
    inverse = np.linalg.inv(one.cell.vectors)
    change = np.round(other.cell.vectors @ inverse)
    apart = np.linalg.norm(other.cell.vectors - change @ one.cell.vectors, axis=1).max()
    short = np.linalg.norm(one.cell.vectors, axis=1).min()
    if len(one.cell.basis) != len(other.cell.basis) or round(np.linalg.det(change)) != 1 or apart > TURNED * short:
        return None
    distance, near = cKDTree(yx[one.rows]).query(yx[other.rows], k=NEAR)
    border = np.flatnonzero(distance[:, 0] <= GAP * one.cell.reach())
    if len(border) < PAIRS:
        return None
    moved = other.coordinates @ change
    own = cKDTree(yx[other.rows]).query(yx[other.rows[border]], k=NEAR)[1]
    offset = np.array(
        [
            _offset(yx[one.rows[left]], one.coordinates[left], yx[other.rows[right]], moved[right])
            for left, right in zip(near[border], own, strict=True)
        ]
    )
    close = np.linalg.norm((offset[:, None] - offset) @ one.cell.vectors, axis=-1) <= STRAY * one.cell.nearest()
    usual = close[close.sum(axis=1).argmax()]
    if usual.mean() < AGREE:
        return None
    shift = np.median(offset[usual], axis=0)
    basis = other.cell.basis @ change + shift
    _, _, left = one.cell.settle(basis[:1])  # the shift between sites, of which the border gives an estimate
    _, sites, apart = one.cell.settle(basis - left)
    error, misfit = (float(np.linalg.norm(each @ one.cell.vectors, axis=1).max()) for each in (left, apart))
    nearest = one.cell.nearest()
    if len(set(sites.tolist())) < len(sites) or error > ERROR * nearest or misfit > STRAY * nearest:
        return None
    shift = shift - left[0]
    index, site, _ = one.cell.settle(moved + shift)
    return np.asarray(index + one.cell.basis[site])


def _offset(places: Array, coordinates: Array, others: Array, moved: Array) -> Array:
    """(2,) difference of coordinates of (k, 2) places from those of others, in the linear map that fits both best."""
    side = np.r_[np.ones(len(places)), np.zeros(len(others))]
    design = np.c_[side, 1 - side, np.vstack([places, others]) - others[0]]
    fitted = np.linalg.lstsq(design, np.vstack([coordinates, moved]), rcond=None)[0]
    return np.asarray(fitted[0] - fitted[1])


def extended(places: Array, coordinates: Array, place: Array) -> Array:
    """(2,) fractional coordinates of a place near (k, 2) places with known ones, by the affine map that fits those."""
    design = np.c_[np.ones(len(places)), places - place]
    return np.asarray(np.linalg.lstsq(design, coordinates, rcond=None)[0][0])


def joined(yx: Array, grains: Sequence[Indexed]) -> list[list[tuple[int, Array]]]:
    """For each lattice, the numbers of its grains and (n, 2) coordinates of their atoms, all in one cell."""
    groups: list[tuple[Indexed, list[tuple[int, Array]]]] = []
    for number, grain in enumerate(grains):
        for place, (whole, parts) in enumerate(groups):
            coordinates = continued(yx, whole, grain)
            if coordinates is not None:
                rows = np.r_[whole.rows, grain.rows]
                groups[place] = (
                    Indexed(whole.cell, rows, np.vstack([whole.coordinates, coordinates])),
                    [*parts, (number, coordinates)],
                )
                break
        else:
            groups.append((grain, [(number, grain.coordinates)]))
    return [parts for _, parts in groups]

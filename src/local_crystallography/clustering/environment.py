"""Environment of atoms in their crystal: interior, boundary of phases or grains, edge, or defect."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from local_crystallography.clustering.angle_peaks import preferred_angles
from local_crystallography.clustering.features import numbers, positions, whole_numbers
from local_crystallography.clustering.neighbours import AROUND, FAR, at_edge
from local_crystallography.data.atoms import Atoms

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

GRAIN, BANDWIDTH, WITHIN = 0.05, 0.04, 0.1
"""Smallest fraction of the atoms of a kind in an orientation; kernel width of the density of angles, and largest
deviation from the preferred angle, radians."""
CERTAIN = 0.2
"""Median standard deviation of the angle, radians, above which there are no orientations."""
INTERMIXED = 0.8
"""Fraction of the atoms of a kind with a neighbour of another kind above which the two belong to one domain."""
BORDER, ALONE = 0.2, 0.8
"""Fractions of neighbours in one other domain above which an atom is at a boundary, and above which it is isolated."""


class Environment(IntEnum):
    """Environment of an atom, in addition to its kind of site."""

    UNKNOWN = -1
    """The atom has no class."""
    INTERIOR = 0
    """All neighbours belong to its own domain."""
    BOUNDARY = 1
    """Some neighbours belong to another phase or grain."""
    EDGE = 2
    """The crystal ends at the atom."""
    DEFECT = 3
    """The atom differs from its surroundings, or from all kinds."""

    @property
    def words(self) -> str:
        """Text for users."""
        return self.name.lower()


def surrounded(atoms: Atoms, outlying: Mask | None = None) -> Atoms:
    """Atoms with the columns `environment` and `borders_label`, see `environments`."""
    found, beyond = environments(atoms, outlying)
    return atoms.with_features(environment=found, borders_label=beyond)


def environments(atoms: Atoms, outlying: Mask | None = None) -> tuple[Index, Index]:
    """(N,) `Environment` of atoms with classes, and (N,) class on the other side of a boundary, -1 for none.

    Intermixed kinds of site, such as alternating sublattices or orientations, belong to one domain; others belong to
    different phases or grains. An atom isolated among others, or whose latents match no kind (`outlying`), is a defect
    unless it lies at a boundary or an edge.
    """
    label = whole_numbers(atoms, "label")
    rows = np.flatnonzero(label >= 0)
    found, beyond = np.full(len(atoms), int(Environment.UNKNOWN)), np.full(len(atoms), -1)
    if len(rows) <= AROUND:
        found[rows] = Environment.INTERIOR
        return found, beyond
    yx = positions(atoms, rows)
    domain = domains(atoms)[rows]
    distance, near = cKDTree(yx).query(yx, AROUND + 1)
    distance, near = distance[:, 1:], near[:, 1:]
    spacing = float(np.median(distance[:, 0]))
    close = distance < FAR * spacing
    other = (domain[near] != domain[:, None]) & close
    alone = other.sum(axis=1) > ALONE * np.maximum(close.sum(axis=1), 1)
    other &= ~alone[near] & ~alone[:, None]
    boundary = (other.sum(axis=1) >= 2) & (other.sum(axis=1) >= BORDER * close.sum(axis=1))
    edge = at_edge(positions(atoms, np.arange(len(atoms))), atoms.yx)[rows]
    defect = alone if outlying is None else alone | outlying[rows]
    found[rows] = np.select(
        [boundary, edge, defect], [Environment.BOUNDARY, Environment.EDGE, Environment.DEFECT], Environment.INTERIOR
    )
    counts = np.zeros((len(rows), int(label.max()) + 1))
    at, which = np.nonzero(other)
    np.add.at(counts, (at, label[rows][near[at, which]]), 1)
    beyond[rows[boundary]] = counts.argmax(axis=1)[boundary]
    return found, beyond


def domains(atoms: Atoms) -> Index:
    """(N,) domain (phase and grain) of atoms with classes, -1 for others: intermixed kinds and orientations are one."""
    label = whole_numbers(atoms, "label")
    part, count = np.full(len(atoms), -1), 0
    for kind in np.unique(label[label >= 0]):
        which, angles, _, _ = orientations(atoms, int(kind))
        several = len(angles) > 1
        part[label == kind] = which[label == kind] + count if several else count
        part[(label == kind) & (which < 0) & several] = -1
        count += max(len(angles), 1)
    known = np.flatnonzero(part >= 0)
    domain = np.full(len(atoms), -1)
    domain[known] = intermixed(positions(atoms, known), part[known], count)[part[known]]
    unsure = np.flatnonzero((domain < 0) & (label >= 0))
    if len(unsure) and len(known):
        near = cKDTree(positions(atoms, known)).query(positions(atoms, unsure), min(AROUND, len(known)))[1]
        around = domain[known][near.reshape(len(unsure), -1)]
        domain[unsure] = [np.bincount(each).argmax() for each in around]
    return domain


def phases(atoms: Atoms) -> list[tuple[int, ...]]:
    """Groups of intermixed classes, by decreasing number of atoms."""
    label = whole_numbers(atoms, "label")
    rows = np.flatnonzero(label >= 0)
    kinds = np.unique(label[rows])
    group = intermixed(positions(atoms, rows), np.searchsorted(kinds, label[rows]), len(kinds))
    found = [tuple(int(kind) for kind in kinds[group == number]) for number in np.unique(group)]
    return sorted(found, key=lambda phase: -int(np.isin(label, phase).sum()))


def intermixed(yx: Array, part: Index, count: int) -> Index:
    """(count,) group of every part; parts are in one group if the atoms of each are surrounded by the other."""
    size = np.bincount(part, minlength=count)
    near = part[cKDTree(yx).query(yx, min(AROUND + 1, len(yx)))[1].reshape(len(yx), -1)[:, 1:]]
    reached = np.stack([(near == other).any(axis=1) for other in range(count)], axis=1)
    counts = np.stack([np.bincount(part, each, minlength=count) for each in reached.T], axis=1)
    shares = counts / np.maximum(size, 1)[:, None]
    together = coo_array((shares > INTERMIXED) | (shares.T > INTERMIXED))
    return np.asarray(connected_components(together, directed=False)[1], np.int64)


def orientations(atoms: Atoms, kind: int) -> tuple[Index, Array, Array, float]:
    """Preferred angles of a class: (N,) number of that of every atom, -1 for none; angles, errors; the period."""
    none = np.full(len(atoms), -1), np.zeros(0), np.zeros(0), 2 * np.pi
    label = whole_numbers(atoms, "label")
    if not {"angle_rad", "angle_std_rad", "symmetry_order"} <= set(atoms.features):
        return none
    angle, order = numbers(atoms, "angle_rad"), numbers(atoms, "symmetry_order")
    rows = np.flatnonzero((label == kind) & np.isfinite(angle) & (order >= 1))
    if not len(rows) or not np.nanmedian(numbers(atoms, "angle_std_rad")[rows]) < CERTAIN:
        return none
    peaks, period = preferred_angles(angle[rows], order[rows], bandwidth=BANDWIDTH)
    which = none[0]
    found: list[float] = []
    errors: list[float] = []
    for peak in peaks:
        away = (angle[rows] - peak + period / 2) % period - period / 2
        near = np.abs(away) < WITHIN
        if near.sum() >= GRAIN * len(rows):
            which[rows[near]] = len(found)
            found.append(float(peak + np.median(away[near])))
            errors.append(float(away[near].std() / np.sqrt(near.sum())))
    return which, np.array(found), np.array(errors), period

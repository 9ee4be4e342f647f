"""Matching of class numbers when atoms are clustered again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from local_crystallography.data.atoms import Atoms

Index = npt.NDArray[np.int64]

REACH = 0.25
"""Fraction of the nearest-neighbour distance within which an atom is still the same."""


def matched(labels: npt.ArrayLike, earlier: npt.ArrayLike) -> Index:
    """Labels (n,) renumbered to match earlier ones (n,) for as many atoms as possible; -1 is none in both.

    The Hungarian method pairs classes by the number of their common atoms. New classes get the lowest numbers that no
    earlier class has, so that none takes the name or colour of another.
    """
    from scipy.optimize import linear_sum_assignment

    new, old = np.asarray(labels, np.int64), np.asarray(earlier, np.int64)
    numbers, before = np.unique(new[new >= 0]), np.unique(old[old >= 0])
    both = (new >= 0) & (old >= 0)
    shared = np.zeros((len(numbers), len(before)), np.int64)
    np.add.at(shared, (np.searchsorted(numbers, new[both]), np.searchsorted(before, old[both])), 1)
    pairs = zip(*linear_sum_assignment(shared, maximize=True), strict=True)
    number_of = {int(numbers[i]): int(before[j]) for i, j in pairs if shared[i, j]}
    free = iter(np.setdiff1d(np.arange(len(numbers) + len(before)), before).tolist())
    number_of |= {number: next(free) for number in numbers.tolist() if number not in number_of}
    renumbered = np.full(len(new), -1)
    for number, other in number_of.items():
        renumbered[new == number] = other
    return renumbered


def labels_from(atoms: Atoms, earlier: Atoms, column: str) -> Index:
    """(N,) classes from a column of earlier atoms, by row, or by position where the atoms differ; -1 for none."""
    earlier_labels: Index = np.nan_to_num(earlier.features[column].to_numpy(float), nan=-1).astype(np.int64)
    if atoms.same_atoms(earlier) and np.array_equal(atoms.frame, earlier.frame):
        return earlier_labels
    if not len(earlier) or not len(atoms):
        return np.full(len(atoms), -1)
    from scipy.spatial import cKDTree

    apart = 10 * (1 + float(np.abs(np.concatenate([atoms.yx, earlier.yx])).max()))  # separates the frames
    positions, before = (np.column_stack([each.yx, each.frame * apart]) for each in (atoms, earlier))
    tree = cKDTree(before)
    spacing = float(np.median(tree.query(before, 2)[0][:, 1])) if len(before) > 1 else np.inf
    distance, row = tree.query(positions)
    return np.asarray(np.where(distance <= REACH * spacing, earlier_labels[row], -1), np.int64)

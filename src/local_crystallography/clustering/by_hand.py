"""Classes merged and split by hand."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from local_crystallography.clustering.mixtures import Shape, fit
from local_crystallography.data.errors import InputError

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

FEWEST = 10
"""Fewest atoms of a class that can be split."""


def merged(labels: npt.ArrayLike, numbers: Iterable[int]) -> Index:
    """Labels (n,) with several classes merged into the one with the lowest number; other numbers stay.

    Raises
    ------
    InputError
        For fewer than two classes, or a class without atoms.
    """
    labels, wanted = np.asarray(labels, np.int64), sorted(set(numbers))
    _there(labels, wanted)
    if len(wanted) < 2:
        raise InputError(f"Merging needs at least two classes, but {len(wanted)} is selected; select another one too.")
    return np.where(np.isin(labels, wanted), wanted[0], labels)


def split(points: Array, labels: npt.ArrayLike, number: int, seed: int) -> Index:
    """Labels (n,) with one class split in two by a mixture of two Gaussians; the larger part keeps the number.

    Parameters
    ----------
    points
        (n, d) features, as from `features`; rows that are not finite stay in the class.

    Raises
    ------
    InputError
        For a class without atoms, with too few of them, or whose atoms are all equal.
    """
    labels = np.asarray(labels, np.int64)
    _there(labels, [number])
    rows = np.flatnonzero((labels == number) & np.isfinite(points).all(axis=1))
    if len(rows) < FEWEST:
        raise InputError(f"Class {number} has {len(rows)} atoms; splitting it needs at least {FEWEST}.")
    part = points[rows]
    spread = part.std(axis=0)
    if not (spread > 1e-9).any():
        raise InputError(f"The atoms of class {number} are all equal, so they cannot be split.")
    part = (part[:, spread > 1e-9] - part[:, spread > 1e-9].mean(axis=0)) / spread[spread > 1e-9]
    second = fit(part, components=2, shape=Shape("full", 30, seed)).predict(part) == 1
    if second.mean() > 0.5:
        second = ~second
    if not second.any():
        raise InputError(f"The atoms of class {number} form a single group, so they cannot be split.")
    labels = labels.copy()
    labels[rows[second]] = labels.max() + 1
    return labels


def _there(labels: Index, numbers: list[int]) -> None:
    known = set(np.unique(labels[labels >= 0]).tolist())
    if unknown := [number for number in numbers if number not in known]:
        raise InputError(
            f"No atom is in class {', '.join(map(str, unknown))}; choose from {', '.join(map(str, sorted(known)))}."
        )

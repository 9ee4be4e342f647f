"""Neighbours of atoms: whether they belong to the same class, and whether they surround the atom."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NEIGHBOURS, TINY = 4, 16
"""Number of nearest atoms that decide whether two classes alternate, and fewest atoms of each class for this test."""
AROUND = 8
"""Number of nearest atoms that count as surroundings."""
ERRORS = 5.0
"""Standard errors by which the fraction of like neighbours must differ from chance."""
FAR, OPEN = 2.3, np.radians(150)
"""Radius, in spacings, of the surroundings of an atom, and free angle in them above which it is at an edge."""
NEAREST = 25
"""Most atoms in the surroundings of an atom, including itself."""
OUTSIDE = 1.5
"""Assumed distance of the image border from the outermost atoms, in spacings."""


def like_neighbours(yx: Array, first: Mask, second: Mask) -> tuple[float, float, bool]:
    """Fraction of nearest atoms with the same class as an atom, that expected by chance, and whether they differ.

    Chance is a random arrangement of the same atoms of both classes; its standard error is that of as many pairs.
    """
    rows = np.flatnonzero(first | second)
    ones = int(first.sum())
    others, count = len(rows) - ones, len(rows)
    if min(ones, others) < TINY or not np.ptp(yx[rows], axis=0).any():
        return float("nan"), float("nan"), False
    chance = (ones * (ones - 1) + others * (others - 1)) / (count * (count - 1))
    near = cKDTree(yx[rows]).query(yx[rows], NEIGHBOURS + 1)[1][:, 1:]
    like = float((first[rows][near] == first[rows][:, None]).mean())
    error = np.sqrt(chance * (1 - chance) / (count * NEIGHBOURS / 2))
    return like, float(chance), bool(abs(like - chance) > ERRORS * error)


def at_edge(yx: Array, in_frame: Array) -> Mask:
    """(n,) whether the atoms around positions (n, 2) leave a wide angle free that does not point out of the image.

    `in_frame` are the same positions within their frame, which may coincide in a stack.
    """
    low, high = in_frame.min(axis=0), in_frame.max(axis=0)
    if len(yx) < NEAREST:
        return np.zeros(len(yx), bool)
    distance, near = cKDTree(yx).query(yx, NEAREST)
    distance, near = distance[:, 1:], near[:, 1:]
    spacing = float(np.median(distance[:, 0]))
    close = distance < FAR * spacing
    away = yx[near] - yx[:, None]
    angle = np.arctan2(away[..., 0], away[..., 1])
    angle = np.sort(np.where(close, angle, angle[:, :1]), axis=1)  # duplicates leave no angle in between
    gap = np.diff(np.column_stack([angle, angle[:, 0] + 2 * np.pi]), axis=1)
    widest = gap.argmax(axis=1)[:, None]
    gap = np.take_along_axis(gap, widest, axis=1)[:, 0]
    middle = np.take_along_axis(angle, widest, axis=1)[:, 0] + gap / 2
    out = in_frame + OUTSIDE * spacing * np.column_stack([np.sin(middle), np.cos(middle)])
    inside = ((out >= low) & (out <= high)).all(axis=1)
    return np.asarray(~close.any(axis=1) | ((gap >= OPEN) & inside))


def near_edge(yx: Array) -> Mask:
    """(n,) whether an atom at positions (n, 2), or one of its neighbours, is at an edge."""
    edge = at_edge(yx, yx)
    if len(yx) <= AROUND:
        return edge
    near = cKDTree(yx).query(yx, AROUND + 1)[1]
    return np.asarray(edge[near].any(axis=1), np.bool_)

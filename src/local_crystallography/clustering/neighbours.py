"""Atoms around an atom: whether they are of its class, and whether they are all round it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NEIGHBOURS, TINY = 4, 16
"""Nearest atoms that tell whether two classes alternate, and the fewest atoms of each of which that is asked."""
AROUND = 8
"""Nearest atoms that an atom is surrounded by."""
ERRORS = 5.0
"""Standard errors by which the share of like neighbours has to differ from chance."""
FAR, OPEN = 2.3, np.radians(150)
"""Atoms within so many spacings surround an atom, unless they leave such an angle free: then it is at an edge."""
NEAREST = 25
"""Atoms that can surround one, itself included."""
OUTSIDE = 1.5
"""Spacings beyond the outermost atoms where the image ends, for all that the atoms tell."""


def like_neighbours(yx: Array, first: Mask, second: Mask) -> tuple[float, float, bool]:
    """Share of the nearest atoms of two classes that are like an atom, the same by chance, and whether they differ.

    Chance is any order of the same atoms, whose standard error is that of as many pairs.
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
    """(N,) whether the atoms around positions (n, 2) leave a wide angle free that does not look out of the image.

    `in_frame` are the same positions, where those of a stack may lie on each other.
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
    angle = np.sort(np.where(close, angle, angle[:, :1]), axis=1)  # one twice leaves no angle between
    gap = np.diff(np.column_stack([angle, angle[:, 0] + 2 * np.pi]), axis=1)
    widest = gap.argmax(axis=1)[:, None]
    gap = np.take_along_axis(gap, widest, axis=1)[:, 0]
    middle = np.take_along_axis(angle, widest, axis=1)[:, 0] + gap / 2
    out = in_frame + OUTSIDE * spacing * np.column_stack([np.sin(middle), np.cos(middle)])
    inside = ((out >= low) & (out <= high)).all(axis=1)
    return np.asarray(~close.any(axis=1) | ((gap >= OPEN) & inside))


def near_edge(yx: Array) -> Mask:
    """(n,) whether an atom at positions (n, 2), or one of those around it, is at an edge."""
    edge = at_edge(yx, yx)
    if len(yx) <= AROUND:
        return edge
    near = cKDTree(yx).query(yx, AROUND + 1)[1]
    return np.asarray(edge[near].any(axis=1), np.bool_)

"""Rows of atoms in an image and their bonds, the counterpart of the chain of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt

from local_crystallography.bayes.nets import Array, Index, Net
from local_crystallography.data.errors import InputError

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Bonds:
    """Bonds between neighbouring atoms of rows, in order: row by row, along each row.

    A gap is not bridged: the bonds on its two sides belong to one row, and their numbers give their distance.

    Parameters
    ----------
    length
        (n,) distance between the two atoms, in `unit`.
    row
        (n,) number of the row.
    number
        (n,) number along the row. Even and odd numbers are the two kinds of bonds; whether they are the same kinds in
        all rows of a net, see `bonds_along`.
    atoms
        (n, 2) row numbers in the table of the atoms at the start and at the end.
    unit
        "nm" or "px".
    """

    length: Array
    row: Index
    number: Index
    atoms: Index
    unit: str

    def __len__(self) -> int:
        return len(self.length)

    @property
    def even(self) -> Mask:
        """(n,) whether the number of a bond is even."""
        return np.asarray(self.number % 2 == 0)

    @property
    def odd(self) -> Mask:
        """(n,) whether the number of a bond is odd."""
        return ~self.even

    def of_row(self, row: int) -> Bonds:
        """Bonds of one row."""
        own = self.row == row
        return Bonds(self.length[own], self.row[own], self.number[own], self.atoms[own], self.unit)

    def pairs(self) -> Array:
        """(p, 2) lengths of an even bond and the odd one directly after it, where both exist."""
        follows = (self.row[1:] == self.row[:-1]) & (self.number[1:] == self.number[:-1] + 1) & self.even[:-1]
        return np.stack([self.length[:-1][follows], self.length[1:][follows]], axis=1)

    def neighbour_correlation(self) -> float:
        """Correlation of residuals of neighbouring bonds: -0.5 for noise on positions, 0 for noise on bonds.

        Residuals are deviations from the mean of the even or the odd bonds of each row; subtracting these means lowers
        the correlation by about 1 / n in rows of n bonds, and a wall across a row lowers it too. NaN for fewer than
        three pairs.
        """
        residual = self.length.astype(float).copy()
        _, group = np.unique(np.stack([self.row, self.number % 2]), axis=1, return_inverse=True)
        group = group.ravel()
        residual -= (np.bincount(group, residual) / np.maximum(np.bincount(group), 1))[group]
        next_to = (self.row[1:] == self.row[:-1]) & (self.number[1:] == self.number[:-1] + 1)
        first, second = residual[:-1][next_to], residual[1:][next_to]
        size = float(np.sqrt((first**2).sum() * (second**2).sum()))
        return float((first * second).sum() / size) if next_to.sum() >= 3 and size > 0 else float("nan")


def bonds_along(nets: Sequence[Net], direction: tuple[int, int], pixel_size: float | None = None) -> Bonds:
    """Bonds of all rows along a direction of the lattice; rows of different nets are different rows.

    Numbers count from the origin of the indices, so along a or b the same number means the same kind of bond in all
    rows where bonds alternate in phase; in a checkerboard the kinds change from row to row, so use `of_row`.

    Parameters
    ----------
    nets
        Nets, or parts of them: `net.part(mask[net.rows])` for a selection (N,) of atoms.
    direction
        Indices (h, k) from an atom to the next.
    pixel_size
        nm per pixel, for lengths in nm.

    Raises
    ------
    InputError
        For direction (0, 0), or where no row has two consecutive atoms.
    """
    h, k = direction
    if h == 0 and k == 0:
        raise InputError("(0, 0) is not a direction; use indices such as (1, 0), which is along a.")
    h, k = h // gcd(h, k), k // gcd(h, k)
    along = _inverse(h, k)
    found, rows = [], 0
    for net in nets:
        line = net.index[:, 1] * h - net.index[:, 0] * k
        step = net.index @ np.array(along)
        order = np.lexsort([step, line])
        next_to = (np.diff(line[order]) == 0) & (np.diff(step[order]) == 1)
        start, end = order[:-1][next_to], order[1:][next_to]
        numbers = np.unique(line[start], return_inverse=True)[1].ravel()
        length = np.linalg.norm(net.yx[end] - net.yx[start], axis=1)
        found.append((length, rows + numbers, step[start], np.stack([net.rows[start], net.rows[end]], axis=1)))
        rows += int(numbers.max(initial=-1)) + 1
    if not rows:
        raise InputError(f"No two atoms are neighbours along ({h}, {k}); choose another direction or more atoms.")
    length, row, number, atoms = (np.concatenate(part) for part in zip(*found, strict=True))
    return Bonds(length * (pixel_size or 1.0), row, number, atoms, "nm" if pixel_size else "px")


def _inverse(h: int, k: int) -> tuple[int, int]:
    """Integers (u, v) with u h + v k = 1, for coprime h and k (extended Euclidean algorithm)."""
    old, new, old_pair, new_pair = h, k, (1, 0), (0, 1)
    while new:
        times = old // new
        old, new = new, old - times * new
        old_pair, new_pair = new_pair, (old_pair[0] - times * new_pair[0], old_pair[1] - times * new_pair[1])
    return (old_pair[0] * old, old_pair[1] * old)


def bonds_on_line(
    yx: Array, start: npt.ArrayLike, end: npt.ArrayLike, tolerance: float, pixel_size: float | None = None
) -> Bonds:
    """Bonds of the atoms near a line, as one row; the atoms need no lattice.

    A distance longer than the longer bond by more than half the shorter one is a gap. Numbering continues after it by
    the rounded number of mean bonds, which may swap odd and even after long gaps; `bonds_along` avoids this.

    Parameters
    ----------
    yx
        (N, 2) positions (y, x) in pixels; NaN where there is none.
    start, end
        (2,) ends of the line, (y, x) in pixels.
    tolerance
        Largest distance from the line, in pixels.
    pixel_size
        nm per pixel, for lengths in nm.

    Raises
    ------
    InputError
        For a line of zero length, a tolerance that is not positive, or fewer than three atoms.
    """
    first, last = np.asarray(start, float), np.asarray(end, float)
    reach = float(np.linalg.norm(last - first))
    if not reach > 0 or not tolerance > 0:
        raise InputError(
            f"The length of the line ({reach:g} px) and the tolerance ({tolerance:g} px) must both be above 0."
        )
    unit = (last - first) / reach
    away = np.asarray(yx, float).reshape(-1, 2) - first
    along, off = away @ unit, np.abs(away @ np.array([-unit[1], unit[0]]))
    near = np.flatnonzero((off <= tolerance) & (along >= -tolerance) & (along <= reach + tolerance))
    if len(near) < 3:
        raise InputError(
            f"{len(near)} atoms lie within {tolerance:g} px of the line, but at least three are needed; draw it along "
            "a row, or increase the tolerance."
        )
    near = near[np.argsort(along[near], kind="stable")]
    pairs = np.stack([near[:-1], near[1:]], axis=1)
    length = np.linalg.norm(away[pairs[:, 1]] - away[pairs[:, 0]], axis=1)
    long, short = _two_bonds(length)
    gap = length > long + short / 2
    steps = np.where(gap, np.rint(length / (0.5 * (long + short))), 1).astype(np.int64)
    number = np.concatenate([[0], np.cumsum(steps)[:-1]])
    kept = ~gap
    row = np.zeros(int(kept.sum()), np.int64)
    return Bonds(length[kept] * (pixel_size or 1.0), row, number[kept], pairs[kept], "nm" if pixel_size else "px")


def _two_bonds(length: Array) -> tuple[float, float]:
    """The longer and the shorter bond: medians above and below the middle of the typical lengths, without gaps."""
    usual = length[length <= 3 * np.median(length)]
    middle = (usual.min() + np.quantile(usual, 0.9)) / 2
    return float(np.median(usual[usual >= middle])), float(np.median(usual[usual <= middle]))

"""Credible intervals of gridded posterior densities, of draws and of Student's t; probabilities within a ROPE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from local_crystallography.bayes.decision import Rope
from local_crystallography.data.errors import InputError

Array = npt.NDArray[np.float64]
Kind = Literal["HDI", "ETI"]
"""Highest density interval, as in the paper; or equal-tailed interval, invariant under monotonic transformations."""

SCANNED = 33
"""Lower tails tried before the best is refined: a density may have a second mode."""

GOLDEN = (np.sqrt(5) - 1) / 2


def interval_of_draws(draws: npt.ArrayLike, mass: float, kind: Kind = "HDI") -> tuple[float, float]:
    """Lower and upper edge of the interval that contains a fraction `mass` of draws (n,).

    Raises
    ------
    InputError
        For fewer than two draws, draws that are not finite, or a mass that is not between 0 and 1.
    """
    check_mass(mass)
    x = np.sort(np.asarray(draws, np.float64).ravel())
    if len(x) < 2 or not np.isfinite(x).all():
        raise InputError(f"An interval needs at least two draws, all finite; there are {len(x)}. Draw again.")
    if kind == "ETI":
        low, high = np.quantile(x, [(1 - mass) / 2, (1 + mass) / 2])
        return float(low), float(high)
    held = min(max(int(np.floor(mass * len(x))), 1), len(x) - 1)
    widths = x[held:] - x[: len(x) - held]
    first = int(widths.argmin())
    return float(x[first]), float(x[first + held])


def interval_of_density(x: Array, density: Array, mass: float, kind: Kind = "HDI") -> tuple[Array, Array]:
    """(n,) lower and upper edges of the intervals of n densities.

    The HDI of a density with several modes is its shortest interval.

    Parameters
    ----------
    x
        (n, k) grid points, increasing along each row.
    density
        (n, k) densities, not necessarily normalised; interpolated linearly between grid points.

    Raises
    ------
    InputError
        For a mass that is not between 0 and 1.
    """
    check_mass(mass)
    table = Cumulative.of(x, density)
    if kind == "ETI":
        low, high = table.quantiles(np.tile([(1 - mass) / 2, (1 + mass) / 2], (len(x), 1))).T
        return low, high

    def width(tail: Array) -> Array:
        return table.quantiles(tail + mass) - table.quantiles(tail)

    edges = np.tile(np.linspace(0, 1 - mass, SCANNED), (len(x), 1))
    best = width(edges).argmin(axis=1)[:, None]
    low_tail = np.take_along_axis(edges, np.maximum(best - 1, 0), axis=1)
    high_tail = np.take_along_axis(edges, np.minimum(best + 1, SCANNED - 1), axis=1)
    tail = _lowest(width, low_tail, high_tail)
    return table.quantiles(tail)[:, 0], table.quantiles(tail + mass)[:, 0]


def interval_of_t(degrees: npt.ArrayLike, mean: Array, scale: Array, mass: float) -> tuple[Array, Array]:
    """(n,) lower and upper edges for Student's t with n means and scales; by symmetry HDI and ETI agree."""
    check_mass(mass)
    half = stats.t.ppf((1 + mass) / 2, degrees) * scale
    return mean - half, mean + half


def share_within(x: Array, density: Array, rope: Rope) -> Array:
    """(n,) probability within the ROPE of each of n densities, rows as in `interval_of_density`."""
    below = Cumulative.of(x, density).cdf(np.tile([rope.low, rope.high], (len(x), 1)))
    return np.asarray(below[:, 1] - below[:, 0])


def share_against_half_width(x: Array, density: Array, half_widths: npt.ArrayLike) -> Array:
    """(n, w) probability within the ROPE about zero of each of w half widths, for n densities.

    As `plotAreaInROPE` of the R package BEST: the curve does not depend on a single choice of the ROPE.
    """
    half = np.tile(np.asarray(half_widths, np.float64).ravel(), (len(x), 1))
    table = Cumulative.of(x, density)
    return table.cdf(half) - table.cdf(-half)


def check_mass(mass: float) -> None:
    """Raise InputError unless a probability mass lies between 0 and 1."""
    if not 0 < mass < 1:
        raise InputError(f"The mass of an interval must lie between 0 and 1, not at {mass:g}; the paper uses 0.94.")


@dataclass(frozen=True)
class Cumulative:
    """Cumulative distributions of densities that are linear between grid points.

    Parameters
    ----------
    x, density, below
        (n, k) grid points, density there, and cumulative probability from 0 to 1.
    """

    x: Array
    density: Array
    below: Array

    @classmethod
    def of(cls, x: Array, density: Array) -> Cumulative:
        """From densities, not necessarily normalised."""
        cells = (density[:, 1:] + density[:, :-1]) * np.diff(x, axis=1) / 2
        below = np.concatenate([np.zeros((len(x), 1)), np.cumsum(cells, axis=1)], axis=1)
        whole = below[:, -1:]
        return cls(x, density / whole, below / whole)

    def quantiles(self, below: Array) -> Array:
        """(n, m) quantiles at cumulative probabilities (n, m)."""
        at = _cells(self._ladder, below)
        left, right, rest = self._of(self.density, at), self._of(self.density, at + 1), below - self._of(self.below, at)
        x = self._of(self.x, at)
        step = self._of(self.x, at + 1) - x
        slope = (right - left) / np.maximum(step, 1e-300)
        root = left + np.sqrt(np.maximum(left**2 + 2 * slope * rest, 0))
        return x + np.clip(2 * rest / np.maximum(root, 1e-300), 0, step)

    def cdf(self, values: Array) -> Array:
        """(n, m) cumulative probabilities at values (n, m)."""
        start, length = self.x[:, :1], self.x[:, -1:] - self.x[:, :1]
        inside = np.clip((values - start) / length, 0, 1)
        at = _cells(_apart((self.x - start) / length), inside)
        left, x = self._of(self.density, at), self._of(self.x, at)
        step = self._of(self.x, at + 1) - x
        over = np.clip(start + inside * length - x, 0, step)
        slope = (self._of(self.density, at + 1) - left) / np.maximum(step, 1e-300)
        return self._of(self.below, at) + over * (left + slope * over / 2)

    @cached_property
    def _ladder(self) -> Array:
        return _apart(self.below)

    @staticmethod
    def _of(table: Array, at: npt.NDArray[np.int64]) -> Array:
        return np.take_along_axis(table, at, axis=1)


def _apart(table: Array) -> Array:
    """Rows (n, k) from 0 to 1, offset by 2 each, so that one sorted search serves all rows."""
    return table + 2 * np.arange(len(table))[:, None]


def _cells(ladder: Array, values: Array) -> npt.NDArray[np.int64]:
    """(n, m) cell that contains each of the values (n, m), in rows (n, k) from `_apart`."""
    n, k = ladder.shape
    row = np.arange(n)[:, None]
    found = np.searchsorted(ladder.ravel(), (values + 2 * row).ravel(), side="right") - 1
    return np.asarray(np.clip(found.reshape(values.shape) - row * k, 0, k - 2), np.int64)


def _lowest(value: Callable[[Array], Array], low: Array, high: Array, rounds: int = 15) -> Array:
    """(n, 1) minimiser of a function of one number per row between bounds (n, 1), by golden-section search."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = value(left), value(right)
    for _ in range(rounds):
        goes_left = at_left < at_right
        low, high = np.where(goes_left, low, left), np.where(goes_left, right, high)
        new = np.where(goes_left, high - GOLDEN * (high - low), low + GOLDEN * (high - low))
        at_new = value(new)
        left, right = np.where(goes_left, new, right), np.where(goes_left, left, new)
        at_left, at_right = np.where(goes_left, at_new, at_right), np.where(goes_left, at_left, at_new)
    return (low + high) / 2

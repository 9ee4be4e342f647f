"""Density of points: counts in cells, contours of a binned kernel density estimate, histograms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from local_crystallography.views.plane import Periods
from local_crystallography.views.raster import View

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Shares of the points within the contours drawn."""
FEWEST = 10
"""Minimum number of points for contours."""
CELLS_PER_BANDWIDTH = 3
LEAST_CELLS, MOST_CELLS = 64, 512
LEAST_BINS, MOST_BINS = (20, 60), 400
"""Minimum number of bins, for few and for many values, and maximum."""


@dataclass(frozen=True)
class Density:
    """A kernel density estimate on a grid.

    Attributes
    ----------
    x, y
        (W,) and (H,) centres of the cells.
    values
        (H, W) share of the points per unit of area.
    bandwidth
        Standard deviation of the Gaussian along x and y.
    periods
        Period of each axis, or None; the grid covers one period.
    """

    x: Floats
    y: Floats
    values: Floats
    bandwidth: tuple[float, float]
    periods: Periods = (None, None)

    def level(self, share: float) -> float:
        """Density of the contour that contains this share of the points."""
        high_first = np.sort(self.values, axis=None)[::-1]
        mass = np.cumsum(high_first)
        return float(high_first[min(np.searchsorted(mass, share * mass[-1]), len(mass) - 1)])

    @cached_property
    def contours(self) -> list[list[Floats]]:
        """(M, 2) lines around each of `SHARES`; those across a periodic boundary continue beyond it."""
        from contourpy import contour_generator

        x, y, z = self.x, self.y, self.values
        if self.periods[0] is not None:
            x, z = np.append(x, x[0] + self.periods[0]), np.concatenate([z, z[:, :1]], axis=1)
        if self.periods[1] is not None:
            y, z = np.append(y, y[0] + self.periods[1]), np.concatenate([z, z[:1]], axis=0)
        generator = contour_generator(x, y, z)
        return [[np.asarray(line) for line in generator.lines(self.level(share))] for share in SHARES]


@dataclass(frozen=True)
class Histogram:
    """`counts` (groups, B) of values between the (B + 1,) `edges`."""

    edges: Floats
    counts: Counts


def counts(points: Floats, view: View, size: tuple[int, int]) -> Counts:
    """(height, width) number of the (N, 2) points in each cell of a view; row 0 is at y0, column 0 at x0."""
    (x0, x1, y0, y1), (height, width) = view, size
    column = np.floor((points[:, 0] - x0) * (width / (x1 - x0)))
    row = np.floor((points[:, 1] - y0) * (height / (y1 - y0)))
    # NaN compares false, so unknown points are left out as well
    seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    cell = (row[seen] * width + column[seen]).astype(np.intp)
    return np.bincount(cell, minlength=height * width).reshape(height, width)


def density_of(
    points: Floats, periods: Periods = (None, None), groups: npt.NDArray[np.intp] | None = None
) -> Density | None:
    """The density of (N, 2) points; None if there are too few, or if x or y is constant.

    Points are counted in cells of about a third of the bandwidth, and the counts blurred by a Gaussian. Bandwidth by
    Scott (1992), Multivariate Density Estimation: spread times N^(-1/6) along each axis. If (N,) groups are given,
    the spread is that within them, since that of all points would blur groups into each other.
    """
    from scipy.ndimage import gaussian_filter

    finite = np.isfinite(points).all(axis=1)
    known = points[finite]
    if len(known) < FEWEST:
        return None
    labels = np.zeros(len(known), np.intp) if groups is None else groups[finite]
    spread = [_spread(values, labels, period) for values, period in zip(known.T, periods, strict=True)]
    if min(spread) <= 0:
        return None
    h = [value * len(known) ** (-1 / 6) for value in spread]
    (x0, x1, columns), (y0, y1, rows) = (_axis(known[:, i], h[i], periods[i]) for i in range(2))
    counted = counts(known, (x0, x1, y0, y1), (rows, columns)).astype(float)
    width, height = (x1 - x0) / columns, (y1 - y0) / rows
    modes = ["constant" if period is None else "wrap" for period in periods]
    blurred = gaussian_filter(counted, (h[1] / height, h[0] / width), mode=(modes[1], modes[0]))
    x, y = x0 + (np.arange(columns) + 0.5) * width, y0 + (np.arange(rows) + 0.5) * height
    values = blurred / (len(known) * width * height)
    return Density(np.asarray(x), np.asarray(y), values, (h[0], h[1]), periods)


def histogram_of(values: Floats, groups: npt.NDArray[np.intp], number: int, period: float | None = None) -> Histogram:
    """Histogram of (N,) values, by group 0, 1, …, `number` - 1; whole numbers have one bin each.

    Bin width by Freedman and Diaconis (1981), doi:10.1007/BF01025868, within limits on the number of bins.
    """
    known = np.isfinite(values)
    values, groups = values[known], groups[known]
    edges = _edges(values, period)
    bins = len(edges) - 1
    counted = np.bincount(groups * bins + bin_of(values, edges), minlength=number * bins)
    return Histogram(edges, counted.reshape(number, bins))


def bin_of(values: npt.ArrayLike, edges: Floats) -> npt.NDArray[np.intp]:
    """(N,) number of the bin of each value; values beyond the ends are put in the outermost bins."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def _spread(values: Floats, groups: npt.NDArray[np.intp], period: float | None) -> float:
    """Standard deviation within groups; for periodic values, of the shorter distance to the circular mean."""
    number = np.maximum(np.bincount(groups), 1)
    if period is not None:
        phases = np.exp(2j * np.pi * values / period)
        resultants = np.bincount(groups, phases.real) + 1j * np.bincount(groups, phases.imag)
        values = np.angle(phases / np.exp(1j * np.angle(resultants))[groups]) * period / (2 * np.pi)
    away = values - (np.bincount(groups, values) / number)[groups]
    return float(np.sqrt(np.mean(away**2)))


def _axis(values: Floats, bandwidth: float, period: float | None) -> tuple[float, float, int]:
    """Ends and number of cells; 0.1 % of the values at either end may lie outside."""
    if period is not None:
        low, high = -period / 2, period / 2
    else:
        low, high = np.percentile(values, (0.1, 99.9)) + 3 * bandwidth * np.array([-1, 1])
    cells = np.ceil((high - low) / bandwidth * CELLS_PER_BANDWIDTH)
    return float(low), float(high), int(np.clip(cells, LEAST_CELLS, MOST_CELLS))


def _edges(values: Floats, period: float | None) -> Floats:
    if not len(values):
        return np.linspace(0.0, 1.0, LEAST_BINS[0] + 1)
    low, high = (float(values.min()), float(values.max())) if period is None else (-period / 2, period / 2)
    if period is None and high - low <= MOST_BINS and (values == np.floor(values)).all():
        return np.arange(low, high + 2) - 0.5
    high = high if high > low else low + 1
    quarter, rest = np.percentile(values, (25, 75))
    width = 2 * (rest - quarter) * len(values) ** (-1 / 3)
    least = np.clip(np.sqrt(len(values)), *LEAST_BINS)
    bins = np.clip((high - low) / width, least, MOST_BINS) if width > 0 else least
    return np.linspace(low, high, int(np.ceil(bins)) + 1)

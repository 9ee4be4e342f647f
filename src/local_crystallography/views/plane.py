"""Points on two axes, each of which may be periodic."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from local_crystallography.data.polygons import inside
from local_crystallography.views.raster import View

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Periods = tuple[float | None, float | None]


BESIDE = 0.05
"""Margin, as a share of the view, within which points may still extend into it."""


@dataclass(frozen=True)
class Plane:
    """(N, 2) points, x then y, and the period of each axis.

    On a periodic axis points lie within half a period of 0, with copies one period away on either side, so that the
    boundary can be viewed and selected across like any other position.
    """

    points: Floats
    periods: Periods = (None, None)

    def inside(self, polygon: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """(N,) which points, or copies of them, lie in a (M, 2) polygon."""
        polygon = np.asarray(polygon, np.float64).reshape(-1, 2)
        known = polygon[np.isfinite(polygon).all(axis=1)]
        mask = np.zeros(len(self.points), bool)
        if len(known):
            (x0, y0), (x1, y1) = known.min(axis=0), known.max(axis=0)
            for shift in self._shifts((x0, x1, y0, y1)):
                mask |= inside(self.points, polygon - shift)
        return mask

    def nearest(self, place: tuple[float, float], pixel: tuple[float, float], reach: float) -> int | None:
        """Row of the point nearest to a position, at most `reach` pixels away; `pixel` is the size of one."""
        away = self.points - np.asarray(place)
        for axis, period in enumerate(self.periods):
            if period is not None:
                away[:, axis] -= period * np.round(away[:, axis] / period)
        away /= np.asarray(pixel)
        distance = np.einsum("ij,ij->i", away, away)
        distance[np.isnan(distance)] = np.inf
        row = int(np.argmin(distance)) if len(distance) else -1
        return row if row >= 0 and distance[row] <= reach**2 else None

    def drawn(self, view: View) -> tuple[Rows | None, Floats]:
        """Rows of the points to draw in a view, None for all in order, and the points, including copies."""
        shifts = self._shifts(view)
        if len(shifts) == 1 and not np.any(shifts[0]):
            return None, self.points
        rows = [self._near(shift, view) for shift in shifts]
        copies = [self.points[some] + shift for some, shift in zip(rows, shifts, strict=True)]
        return np.concatenate([*rows, np.empty(0, np.intp)]), np.concatenate([*copies, np.empty((0, 2))])

    def copy_near(self, row: int, centre: tuple[float, float]) -> tuple[float, float]:
        """Position of the point of a row, or of its copy nearest to the centre."""
        position = [
            value if period is None else value + period * np.round((middle - value) / period)
            for value, period, middle in zip(self.points[row], self.periods, centre, strict=True)
        ]
        return float(position[0]), float(position[1])

    def extent(self) -> View | None:
        """x0, x1, y0, y1 of all known points, one full period for periodic axes; None without points."""
        known = self.points[np.isfinite(self.points).all(axis=1)]
        if not len(known):
            return None
        ends = [
            (low, high) if period is None else (-period / 2, period / 2)
            for low, high, period in zip(known.min(axis=0), known.max(axis=0), self.periods, strict=True)
        ]
        return float(ends[0][0]), float(ends[0][1]), float(ends[1][0]), float(ends[1][1])

    def _shifts(self, view: View) -> list[Floats]:
        """Shifts of the copies of all points that can lie in the view."""
        axes = []
        for (low, high), period in zip((sorted(view[:2]), sorted(view[2:])), self.periods, strict=True):
            if period is None:
                axes.append([0.0])
            else:
                first, last = np.ceil(low / period - 0.5), np.floor(high / period + 0.5)
                axes.append([float(k * period) for k in np.arange(first, last + 1)])
        # a view that ends exactly at the boundary needs no copy beyond it
        shifts = [np.array(shift) for shift in itertools.product(*axes)]
        return [shift for shift in shifts if self._reaches(shift, view)]

    def _near(self, shift: Floats, view: View) -> Rows:
        """Rows whose copies lie in or just beside the view, so that no copy is drawn in vain."""
        near = np.ones(len(self.points), bool)
        for axis, (ends, period) in enumerate(zip((view[:2], view[2:]), self.periods, strict=True)):
            if period is not None:
                low, high = min(ends) - shift[axis], max(ends) - shift[axis]
                spare, values = BESIDE * (high - low), self.points[:, axis]
                near &= (values >= low - spare) & (values <= high + spare)
        return np.flatnonzero(near)

    def _reaches(self, shift: Floats, view: View) -> bool:
        edges = zip((sorted(view[:2]), sorted(view[2:])), self.periods, shift, strict=True)
        return all(
            period is None or (by - period / 2 < high - 1e-9 * period and by + period / 2 > low + 1e-9 * period)
            for (low, high), period, by in edges
        )

"""Points inside a lasso or another polygon."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

Region = tuple[tuple[tuple[float, float], ...], ...]
"""Areas, each given by its corners (y, x) in pixels."""


def inside(points: npt.ArrayLike, polygon: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Exact test of which points lie inside a polygon, which is closed automatically.

    A lasso that crosses itself follows the even-odd rule: a point is inside when a ray from it crosses the
    line an odd number of times. Both loops of a figure eight are inside; the middle of a pentagram, circled
    twice, is not. Points on the line are outside, and so are points with a NaN or infinite coordinate.

    Parameters
    ----------
    points
        (N, 2), in the same coordinates and order as the polygon.
    polygon
        (M, 2) vertices; those with a NaN are ignored, and fewer than 3 enclose nothing.

    Returns
    -------
    mask
        (N,) bool.
    """
    points = np.asarray(points, np.float64).reshape(-1, 2)
    polygon = np.asarray(polygon, np.float64).reshape(-1, 2)
    polygon = polygon[np.isfinite(polygon).all(axis=1)]
    mask = np.zeros(len(points), bool)
    if len(polygon) < 3:
        return mask
    (x0, y0), (x1, y1) = polygon.min(axis=0), polygon.max(axis=0)
    x, y = points.T
    # NaN compares false with everything, so the box leaves those points out as well
    near = np.flatnonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))
    area = _even_odd(polygon)
    mask[near] = shapely.contains_xy(area, x[near], y[near])
    return mask


def inside_any(points: npt.ArrayLike, polygons: Iterable[npt.ArrayLike]) -> npt.NDArray[np.bool_]:
    """(N,) True for points (N, 2) inside at least one of the polygons; see `inside`."""
    masks = [inside(points, polygon) for polygon in polygons]
    return np.any(masks, axis=0) if masks else np.zeros(len(np.asarray(points)), bool)


def simplify(polygon: npt.ArrayLike, tolerance: float) -> npt.NDArray[np.float64]:
    """The (M, 2) path with fewer vertices, at most `tolerance` away from the given one (Douglas-Peucker)."""
    polygon = np.asarray(polygon, np.float64).reshape(-1, 2)
    if len(polygon) < 3:
        return polygon
    path = shapely.simplify(shapely.LineString(polygon), tolerance, preserve_topology=False)
    return np.asarray(shapely.get_coordinates(path), np.float64)


def _even_odd(polygon: npt.NDArray[np.float64]) -> Any:
    """The area of a polygon by the even-odd rule, prepared for repeated tests."""
    parts = shapely.get_parts(shapely.make_valid(shapely.Polygon(polygon)))
    # spikes and collapsed loops come back as lines, which enclose nothing; dimension 2 means area
    flat = shapely.get_parts(parts)
    area = shapely.multipolygons(flat[shapely.get_dimensions(flat) == 2])
    shapely.prepare(area)
    return area

"""Raster image of the points of a plot, with the selected ones on top, or of their number per cell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from local_crystallography.views import density, raster
from local_crystallography.views.plot_data import PlotData

CELL = 3
"""Side of a cell of counts, in pixels."""


def picture_of(
    data: PlotData, mask: npt.NDArray[np.bool_], *, view: raster.View, size: tuple[int, int], ratio: float = 1.0
) -> tuple[raster.Colors, str]:
    """(height, width, 4) image of a view, and a note for its title.

    Parameters
    ----------
    mask
        (N,) selected rows; with any other length, nothing is selected.
    view, size
        As in `raster.rasterise`.
    ratio
        Pixels of the image per logical pixel of the screen.
    """
    n = len(data.plane.points)
    mask = mask if len(mask) == n else np.zeros(n, bool)  # table and selection are updated one after the other
    radius = round(raster.radius_for(n) * ratio)
    rows, points = data.plane.drawn(view)
    if data.choice.mode.startswith("density"):
        chosen = mask if rows is None else mask[rows]
        inks = data.key.inks[mask] if rows is None else data.key.inks[rows[chosen]]
        above = raster.rasterise(points[chosen], inks, view=view, size=size, radius=radius)
        below, note = _cells(data, points, view, size, max(1, round(CELL * ratio)))
        return np.where(above[..., 3:] > 0, above, below), note
    inks = raster.dim(data.key.inks, mask)
    if rows is not None:
        inks, mask = inks[rows], mask[rows]
    return raster.rasterise(points, inks, view=view, size=size, radius=radius, on_top=mask), _contour_note(data)


def _cells(
    data: PlotData, points: npt.NDArray[np.float64], view: raster.View, size: tuple[int, int], cell: int
) -> tuple[raster.Colors, str]:
    """Squares coloured by the number of points in them, transparent without any."""
    (x0, x1, y0, y1), (height, width) = view, size
    rows, columns = -(-height // cell), -(-width // cell)
    # the last cells may extend beyond the view
    wide = (x0, x0 + (x1 - x0) * columns * cell / width, y0, y0 + (y1 - y0) * rows * cell / height)
    counted = density.counts(points, wide, (rows, columns))
    most = max(int(counted.max()), 1)
    log = data.choice.mode == "density (log)"
    part = np.log1p(counted) / np.log1p(most) if log else counted / most
    inks = raster.colors_of(part.ravel(), data.counts_table, (0.0, 1.0))
    inks[counted.ravel() == 0, 3] = 0
    picture = inks.reshape(rows, columns, 4).repeat(cell, axis=0).repeat(cell, axis=1)
    return picture[:height, :width], f"1 to {most} per cell{', log' if log else ''}"


def _contour_note(data: PlotData) -> str:
    if data.choice.mode != "contours":
        return ""
    if data.density is None:
        return "too few points for contours"
    x, y = data.density.bandwidth
    return f"σ {x:.2g} × {y:.2g}"

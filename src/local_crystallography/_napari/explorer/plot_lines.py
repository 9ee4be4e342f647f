"""Contours and bars of a plot, as items that move with its view."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore  # noqa: F401

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography.views.plot_data import ONE_COLOUR, PlotData


def lines_of(data: PlotData, mask: npt.NDArray[np.bool_], ink: str) -> list[Any]:
    """Everything of a plot that is a line; `ink` is the colour of contours and of the selected part."""
    if data.is_histogram:
        return _bars(data, mask, ink)
    return _contours(data, ink) if data.choice.mode == "contours" else []


def _contours(data: PlotData, ink: str) -> list[Any]:
    gap = np.full((1, 2), np.nan)
    outlines = [] if data.density is None else data.density.contours
    path = [part for lines in outlines for line in lines for part in (line, gap)]
    if not path:
        return []
    x, y = np.concatenate(path).T
    pen = pg.mkPen(ink, width=1)
    return [pg.PlotCurveItem(x + dx, y + dy, connect="finite", pen=pen) for dx in data.x.copies for dy in data.y.copies]


def _bars(data: PlotData, mask: npt.NDArray[np.bool_], ink: str) -> list[Any]:
    edges, counted = data.histogram.edges, data.histogram.counts
    inks = [entry.colour for entry in data.key.classes] or [ONE_COLOUR]
    lines = []
    for dx in data.x.copies:
        if data.is_stacked:
            # from the highest to the lowest, each over the one before
            for top, color in zip(np.cumsum(counted, axis=0)[::-1], inks[::-1], strict=True):
                lines.append(_steps(edges + dx, top, None, color))
        else:
            lines += [
                _steps(edges + dx, top, pg.mkPen(color, width=2)) for top, color in zip(counted, inks, strict=True)
            ]
        if len(mask) == len(data.plane.points) and mask.any():
            lines.append(_steps(edges + dx, data.counted(mask).counts[0], pg.mkPen(ink, width=1.5)))
    return lines


def _steps(edges: npt.NDArray[np.float64], heights: npt.NDArray[np.int64], pen: Any, brush: Any = None) -> Any:
    return pg.PlotCurveItem(
        edges, heights, stepMode="center", pen=pen, brush=brush, fillLevel=None if brush is None else 0
    )

"""Pictures of the runs of a window study: classes, angles and the histogram of angles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from local_crystallography.data.atoms import Atoms
from local_crystallography.io.window_runs import StudyRun, StudyTable
from local_crystallography.views.axis import axis_of
from local_crystallography.views.raster import Colors, colors_of, rasterise, scale_of
from local_crystallography.views.styles import ClassStyles

FINE = 3
"""Pixels drawn per pixel shown: scaled down smoothly, discs have no ragged edges."""
WIDE, GAP, BINS = 268, 6, 60
"""Width of a picture and of the gaps in it, and number of bars of a histogram."""
TALLEST = 120
STRIP = 5 * FINE
GREY = (140, 147, 158, 255)
"""Colour of bars, visible on light and on dark."""
MOST = 60
"""Most runs that are drawn."""


class Pictures(NamedTuple):
    """Pictures of the k runs of a study that have a result.

    Attributes
    ----------
    by_name
        (h, w, 4) of every run, by its name.
    reach
        Largest angle of the histograms, in degrees.
    agreement
        (k, k) adjusted Rand index of every pair.
    """

    by_name: dict[str, Colors]
    reach: float
    agreement: npt.NDArray[np.float64]


def pictures_of(study: StudyTable, shape: tuple[int, int], styles: ClassStyles) -> Pictures:
    """Pictures of runs on an image of a shape; below the bars are the colours of their angles."""
    from napari.utils.colormaps import ensure_colormap

    from local_crystallography.report.windows import angular_reach

    done = StudyTable(tuple(run for run in study.runs if not run.note))
    agreement, runs = done.agreement.to_numpy(), done.runs[:MOST]
    if not runs:
        return Pictures({}, 180.0, agreement)
    reach = angular_reach(runs)

    def drawn(run: StudyRun) -> Colors:
        colormap, limits = scale_of("angle_rad", _angle(run.atoms))
        table = ensure_colormap(colormap).map(np.linspace(0, 1, 64))
        inks = styles.colours("label", run.atoms.features["label"]), colors_of(_angle(run.atoms), table, limits)
        maps = [_map(run.atoms, ink, shape) for ink in inks]
        bars = _histogram(_angle(run.atoms), reach, len(maps[0]), table, limits)
        gap = np.zeros((len(bars), GAP * FINE, 4), np.uint8)
        return np.concatenate([maps[0], gap, maps[1], gap, bars], axis=1)

    return Pictures({run.name: drawn(run) for run in runs}, reach, agreement)


def _angle(atoms: Atoms) -> npt.NDArray[np.float64]:
    return np.asarray(atoms.features["angle_rad"], np.float64)


def _map(atoms: Atoms, inks: Colors, shape: tuple[int, int]) -> Colors:
    """The atoms of the first frame as discs that touch, in the extent of the image."""
    height, width = shape
    wide = (WIDE - 2 * GAP) / 3
    tall = min(wide * height / width, TALLEST)
    size = round(tall * FINE), round(tall * width / height * FINE)
    first = atoms.frame == 0
    spacing = np.sqrt(height * width / max(int(first.sum()), 1))
    radius = max(1, round(0.55 * spacing * size[0] / height))
    view = (-0.5, width - 0.5, -0.5, height - 0.5)
    return rasterise(atoms.yx[first][:, ::-1], inks[first], view=view, size=size, radius=radius)


def _histogram(
    angle: npt.NDArray[np.float64], reach: float, tall: int, table: Any, limits: tuple[float, float]
) -> Colors:
    """Bars on a strip of the colours of their angles."""
    wide = round((WIDE - 2 * GAP) / 3 * FINE)
    degrees = angle[np.isfinite(angle)] * axis_of("angle_rad").factor
    counts, edges = np.histogram(degrees, BINS, (-reach, reach))
    colours = colors_of(np.radians((edges[1:] + edges[:-1]) / 2), table, limits)
    bar = np.arange(wide) * BINS // wide
    heights = np.rint(counts / max(counts.max(), 1) * (tall - STRIP)).astype(int)[bar]
    above = np.arange(tall)[::-1, None]
    picture = np.where((above < heights + STRIP)[..., None], np.array(GREY, np.uint8), 0).astype(np.uint8)
    picture[above[:, 0] < STRIP] = colours[bar]
    return picture

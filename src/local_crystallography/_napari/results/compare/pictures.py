"""Small maps of the runs that are compared, and of what differs between two of them; without widgets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from local_crystallography.data.atoms import Atoms
from local_crystallography.studies.comparison import Agreement, Comparison, Correlation, Pair
from local_crystallography.views import raster
from local_crystallography.views.axis import axis_of
from local_crystallography.views.raster import Colors, View
from local_crystallography.views.styles import ClassStyles

Floats = npt.NDArray[np.float64]

SIDE, LARGE = 272, 660
"""Longest side of a map in pixels of the picture."""
GROUND = np.array([24, 26, 31, 255], np.uint8)
SAME, DIFFERS, ONLY_ONE = np.array([[84, 89, 98, 255], [239, 65, 53, 255], [86, 180, 233, 255]], np.uint8)
STEPS = 64
"""Colours of a scale."""
MARGIN = 0.02
FULL = 0.45
"""Share of a period that differences reach before they are shown as going round."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of a comparison, one frame of a stack."""

    comparison: Comparison
    styles: ClassStyles
    frame: int = 0

    @cached_property
    def look(self) -> tuple[str, tuple[float, float]]:
        """Colormap and limits of a column of numbers, the same in every map."""
        return raster.scale_of(self.comparison.column, np.concatenate(self.comparison.values))

    @cached_property
    def view(self) -> View:
        """Left, right, top and bottom edge of all maps, in pixels of the image."""
        yx = np.concatenate([atoms.yx for atoms in self.comparison.atoms.values()])
        (top, left), (bottom, right) = yx.min(axis=0), yx.max(axis=0)
        margin = max(MARGIN * float(max(bottom - top, right - left)), 1.0)
        return left - margin, right + margin, top - margin, bottom + margin

    def of_run(self, number: int, side: int = SIDE) -> Colors:
        """(h, w, 4) the values of a run, classes in their colours."""
        name, values = self.comparison.names[number], self.comparison.values[number]
        atoms = self.comparison.atoms[name]
        if self.comparison.of_classes:
            colors = self.styles.colours(self.comparison.column, values)
        else:
            colors = scaled(values, *self.look)
        return self._drawn(atoms.yx, colors, atoms.frame == self.frame, side)

    def of_pair(self, pair: Pair, side: int = SIDE) -> Colors:
        """(h, w, 4) what differs: of classes red, with atoms of one run only in blue; of numbers by how much."""
        first, second = (self.comparison.atoms[name] for name in pair.names)
        alone = [_others(atoms, rows) for atoms, rows in zip((first, second), pair.rows.T, strict=True)]
        yx = np.concatenate([self.comparison.yx(pair), *(each.yx for each in alone)])
        frame = np.concatenate([first.frame[pair.rows[:, 0]], *(each.frame for each in alone)])
        single = np.tile(ONLY_ONE, (len(yx) - len(pair.rows), 1))
        return self._drawn(yx, np.concatenate([difference_colours(pair), single]), frame == self.frame, side)

    def _drawn(self, yx: Floats, colors: Colors, shown: npt.NDArray[np.bool_], side: int) -> Colors:
        """Atoms as discs that nearly touch; what is not the grey of `SAME` lies on it, and in its maps is larger."""
        left, right, top, bottom = self.view
        scale = side / max(right - left, bottom - top)
        height, width = (max(round(length * scale), 1) for length in (bottom - top, right - left))
        pitch = np.sqrt(height * width / max(int(np.count_nonzero(shown)), 1))
        radius = int(np.clip(round(0.4 * pitch - 0.5), 0, 12))
        xy, colors = yx[shown][:, ::-1], colors[shown]
        same, picture = (colors == SAME).all(axis=1), np.tile(GROUND, (height, width, 1))
        for rows, size in ((same, radius), (~same, radius + int(same.any()))):
            drawn = raster.rasterise(xy[rows], colors[rows], view=self.view, size=(height, width), radius=size)
            picture = np.where(drawn[..., 3:] > 0, drawn, picture)
        return picture


def difference_colours(pair: Pair) -> Colors:
    """(n, 4) colours of the atoms of both runs, by what they differ in."""
    if isinstance(pair.found, Agreement):
        return np.asarray(np.where(pair.found.differ[:, None], DIFFERS, SAME))
    colormap, reach = difference_look(pair.found)
    return scaled(pair.found.deviation, colormap, (-reach, reach))


def difference_look(found: Correlation) -> tuple[str, float]:
    """Colormap of differences, and the one that has the last colour; what differs by half a period goes round."""
    known = np.abs(found.deviation[np.isfinite(found.deviation)])
    reach = float(np.percentile(known, 98)) if len(known) else 0.0
    if found.period is not None and reach > FULL * found.period:
        return raster.CYCLIC, found.period / 2
    return raster.DIVERGING, reach or 1.0


def usual_difference(found: Correlation) -> float:
    """Three standard deviations of the differences, by their median absolute deviation."""
    known = found.deviation[np.isfinite(found.deviation)]
    return float(3 * 1.4826 * np.median(np.abs(known - np.median(known)))) if len(known) else 0.0


def differing(pair: Pair, least: float) -> npt.NDArray[np.bool_]:
    """(n,) which atoms of both runs differ: in class, or by more than so much in the unit shown."""
    if isinstance(pair.found, Agreement):
        return pair.found.differ
    deviation = np.nan_to_num(np.abs(pair.found.deviation))
    return np.asarray(deviation > least)


def scaled(values: Floats, colormap: str, limits: tuple[float, float]) -> Colors:
    """(N, 4) colours of numbers; unknown ones are grey."""
    from napari.utils.colormaps import ensure_colormap

    return raster.colors_of(values, ensure_colormap(colormap).map(np.linspace(0, 1, STEPS)), limits)


def bar(colormap: str) -> Colors:
    """(8, 64, 4) the colours of a scale from its lowest to its highest value."""
    return np.repeat(scaled(np.linspace(0, 1, STEPS), colormap, (0, 1))[None], 8, axis=0)


def shown_number(value: float, column: str) -> str:
    """A value of a column with its unit."""
    how = axis_of(column)
    return f"{value * how.factor:.3g}{how.unit if how.unit == '°' else how.unit and f' {how.unit}'}".replace(
        "-", "\N{MINUS SIGN}"
    )


def _others(atoms: Atoms, rows: npt.NDArray[np.int64]) -> Atoms:
    return atoms[np.setdiff1d(np.arange(len(atoms)), rows)]

"""Maps of the runs compared and of the differences between two of them, with the request they answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from local_crystallography._napari.results.compare.runs import Run, aligned
from local_crystallography.data.atoms import Atoms
from local_crystallography.studies.comparison import Agreement, Comparison, Correlation, Pair, compare
from local_crystallography.views import raster
from local_crystallography.views.axis import axis_of
from local_crystallography.views.raster import Colors, View
from local_crystallography.views.styles import ClassStyles

Floats = npt.NDArray[np.float64]

SIDE, LARGE = 272, 660
"""Longest side of a map, in pixels; enlarged."""
GROUND = np.array([24, 26, 31, 255], np.uint8)
SAME, DIFFERS, ONLY_ONE = np.array([[84, 89, 98, 255], [239, 65, 53, 255], [86, 180, 233, 255]], np.uint8)
STEPS = 64
"""Number of colours of a scale."""
MARGIN = 0.02
FULL = 0.45
"""Share of a period above which differences get a cyclic colormap."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of a comparison, for one frame of a stack."""

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
        """(h, w, 4) differences: classes that differ in red, atoms of one run only in blue; numbers by difference."""
        first, second = (self.comparison.atoms[name] for name in pair.names)
        alone = [_others(atoms, rows) for atoms, rows in zip((first, second), pair.rows.T, strict=True)]
        yx = np.concatenate([self.comparison.yx(pair), *(each.yx for each in alone)])
        frame = np.concatenate([first.frame[pair.rows[:, 0]], *(each.frame for each in alone)])
        single = np.tile(ONLY_ONE, (len(yx) - len(pair.rows), 1))
        return self._drawn(yx, np.concatenate([difference_colours(pair), single]), frame == self.frame, side)

    def _drawn(self, yx: Floats, colors: Colors, shown: npt.NDArray[np.bool_], side: int) -> Colors:
        """Atoms as discs that nearly touch; those that are not in the grey of `SAME` lie on top and are larger."""
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


@dataclass(frozen=True)
class CompareRequest:
    """Runs, the column common to them, the frame of maps, and the pair of runs shown in detail.

    `revision` changes with the names or colours of classes.
    """

    runs: tuple[Run, ...]
    column: str
    frame: int = 0
    pair: tuple[int, int] = (0, 1)
    revision: int = 0

    @property
    def image(self) -> str:
        """Mark of the image of the runs; "" where it is not known."""
        return next((run.image for run in self.runs if run.image), "")

    def same(self, other: CompareRequest) -> bool:
        """Whether the other gives the same comparison."""
        return self == other

    def at_frame(self, frame: int) -> CompareRequest:
        """The same with another frame of maps, if the runs have more than one."""
        several = any(len(run.atoms) and np.ptp(run.atoms.frame) > 0 for run in self.runs)
        return replace(self, frame=frame) if several else self

    def shown(self, earlier: ShownComparison | None) -> ShownComparison:
        """Compare and draw; runs that have been compared already are only drawn.

        Raises
        ------
        InputError
            For runs that cannot be compared.
        """
        before = None if earlier is None else earlier.request
        if earlier is not None and before is not None and (before.runs, before.column) == (self.runs, self.column):
            comparison = earlier.comparison
        else:
            comparison = compare(*aligned(self.runs, self.column))
        pair = next(each for each in comparison.pairs if each.runs == self.pair)
        pictures = Pictures(comparison, self.runs[0].styles, self.frame)
        maps = [pictures.of_run(number) for number in range(len(comparison.names))]
        return ShownComparison(self, pictures, pair, [*maps, pictures.of_pair(pair)])


@dataclass(frozen=True, eq=False)
class ShownComparison:
    """A comparison, the pair of runs shown in detail, the maps of all runs, and last that of their differences."""

    request: CompareRequest
    pictures: Pictures
    pair: Pair
    maps: list[Colors]

    @property
    def comparison(self) -> Comparison:
        """The runs with the classes of the first one."""
        return self.pictures.comparison

    def rows_in(self, atoms: Atoms) -> npt.NDArray[np.int64] | None:
        """(n,) rows of the atoms of the pair in these atoms; None if neither run is of them."""
        for run, rows in zip(self.pair.runs, self.pair.rows.T, strict=True):
            if (given := self.request.runs[run].atoms) is atoms or given.same_atoms(atoms):
                return np.asarray(rows)
        return None

    def in_cell(self, first: int, second: int) -> npt.NDArray[np.bool_]:
        """(n,) atoms of the pair that have these two classes."""
        found = [self.comparison.values[run][rows] for run, rows in zip(self.pair.runs, self.pair.rows.T, strict=True)]
        return np.asarray((found[0] == first) & (found[1] == second))


def difference_colours(pair: Pair) -> Colors:
    """(n, 4) colours of the atoms of both runs, by their difference."""
    if isinstance(pair.found, Agreement):
        return np.asarray(np.where(pair.found.differ[:, None], DIFFERS, SAME))
    colormap, reach = difference_look(pair.found)
    return scaled(pair.found.deviation, colormap, (-reach, reach))


def difference_look(found: Correlation) -> tuple[str, float]:
    """Colormap of differences, and the difference of its last colour; cyclic if differences reach half a period."""
    known = np.abs(found.deviation[np.isfinite(found.deviation)])
    reach = float(np.percentile(known, 98)) if len(known) else 0.0
    if found.period is not None and reach > FULL * found.period:
        return raster.CYCLIC, found.period / 2
    return raster.DIVERGING, reach or 1.0


def usual_difference(found: Correlation) -> float:
    """Three standard deviations of the differences, from their median absolute deviation."""
    known = found.deviation[np.isfinite(found.deviation)]
    return float(3 * 1.4826 * np.median(np.abs(known - np.median(known)))) if len(known) else 0.0


def differing(pair: Pair, least: float) -> npt.NDArray[np.bool_]:
    """(n,) atoms of both runs that differ: in class, or by more than `least`."""
    if isinstance(pair.found, Agreement):
        return pair.found.differ
    deviation = np.nan_to_num(np.abs(pair.found.deviation))
    return np.asarray(deviation > least)


def scaled(values: Floats, colormap: str, limits: tuple[float, float]) -> Colors:
    """(N, 4) colours of numbers; unknown numbers are grey."""
    from napari.utils.colormaps import ensure_colormap

    return raster.colors_of(values, ensure_colormap(colormap).map(np.linspace(0, 1, STEPS)), limits)


def bar(colormap: str) -> Colors:
    """(8, 64, 4) colours of a scale, from its lowest to its highest value."""
    return np.repeat(scaled(np.linspace(0, 1, STEPS), colormap, (0, 1))[None], 8, axis=0)


def shown_number(value: float, column: str) -> str:
    """A value of a column with its unit."""
    how = axis_of(column)
    return f"{value * how.factor:.3g}{how.unit if how.unit == '°' else how.unit and f' {how.unit}'}".replace(
        "-", "\N{MINUS SIGN}"
    )


def _others(atoms: Atoms, rows: npt.NDArray[np.int64]) -> Atoms:
    return atoms[np.setdiff1d(np.arange(len(atoms)), rows)]

"""Contents of one plot of a table: axes, points, colours and their key, drawn by a canvas or a figure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography.views import raster
from local_crystallography.views.axis import Axis, axis_of, values_of, within
from local_crystallography.views.density import Density, Histogram, bin_of, density_of, histogram_of
from local_crystallography.views.plane import Plane
from local_crystallography.views.styles import ClassStyles

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Mode = Literal["points", "contours", "density (log)", "density (linear)", "histogram (stacked)", "histogram (stepped)"]
MODES: tuple[Mode, ...] = get_args(Mode)
LIGHTEST, DARKEST = 0.8, 0.3
"""Maximum luminance of colormap colours on a light canvas, and minimum on a dark one."""
TABLE = 256
SHORT = 20
"""Number of bins up to which a histogram is shown in full."""
ONE_COLOUR = "#2a95ff"
"""Colour of points without classes or a scale, and of bars without classes."""


@dataclass(frozen=True)
class Choice:
    """Columns of a plot and how they are drawn."""

    x: str = ""
    y: str = ""
    colour: str = ""
    mode: Mode = "points"


@dataclass(frozen=True)
class ClassEntry:
    """One class of a legend; `share` of the atoms with a class, NaN for those in none."""

    number: int
    name: str
    colour: str
    count: int
    share: float


@dataclass(frozen=True)
class Key:
    """Meaning of the colours: classes, a scale, or neither.

    Attributes
    ----------
    values
        (N,) values of the column, in the unit shown.
    classes
        Empty for a scale.
    colormap
        Name of the colormap of a scale.
    limits
        Values at its ends, in the unit shown.
    dark
        Whether the canvas is dark.
    """

    column: Axis
    values: Floats
    classes: tuple[ClassEntry, ...] = ()
    colormap: str = ""
    limits: tuple[float, float] = (0.0, 1.0)
    dark: bool = True

    @cached_property
    def table(self) -> Floats:
        """(K, 4) colours of the scale."""
        return colormap_table(self.colormap or raster.SEQUENTIAL, self.dark)

    @cached_property
    def inks(self) -> raster.Colors:
        """(N, 4) uint8 colours of the rows."""
        if self.colormap:
            return raster.colors_of(self.values, self.table, self.limits)
        colours = [entry.colour for entry in self.classes] or [ONE_COLOUR]
        table = np.array([[*bytes.fromhex(colour[1:]), 255] for colour in colours], np.uint8)
        return table[self.groups]

    def rows_of(self, number: int) -> Mask:
        """(N,) which rows are in a class; -1: those in none."""
        return np.asarray(self.values == number if number >= 0 else ~(self.values >= 0))

    def rows_within(self, low: float, high: float) -> Mask:
        """(N,) which rows have a value from `low` to `high`."""
        return within(self.values, low, high, self.column.period)

    @cached_property
    def groups(self) -> npt.NDArray[np.intp]:
        """(N,) index in `classes` of the class of each row; 0 for a scale."""
        index = np.zeros(len(self.values), np.intp)
        for i, entry in enumerate(self.classes):
            index[self.rows_of(entry.number)] = i
        return index


@dataclass(frozen=True)
class PlotData:
    """One plot of a table of N rows; positions are in the units shown."""

    choice: Choice
    x: Axis
    y: Axis
    plane: Plane
    key: Key

    @property
    def is_histogram(self) -> bool:
        """Whether only x is shown."""
        return self.choice.mode.startswith("histogram")

    @cached_property
    def density(self) -> Density | None:
        """The density of the points, blurred by the spread within the classes where there are any."""
        return density_of(self.plane.points, self.plane.periods, self.key.groups)

    @cached_property
    def counts_table(self) -> Floats:
        """(K, 4) colours of counts."""
        return colormap_table(raster.SEQUENTIAL, self.key.dark)

    @cached_property
    def histogram(self) -> Histogram:
        """Histogram of x by class."""
        return self.counted(None)

    @property
    def is_stacked(self) -> bool:
        """Whether the classes of a histogram are stacked."""
        return self.choice.mode == "histogram (stacked)"

    @property
    def is_image(self) -> bool:
        """Whether the axes are those of the image, in one unit."""
        ends = {name.removesuffix(f"_{self.x.unit}").rsplit("_", 1)[-1] for name in (self.x.name, self.y.name)}
        return not self.is_histogram and self.x.unit == self.y.unit and bool(self.x.unit) and ends == {"x", "y"}

    def same_points(self, other: PlotData) -> bool:
        """Whether the other has the same points."""
        return np.array_equal(self.plane.points, other.plane.points, equal_nan=True)

    def has_place(self, row: int) -> bool:
        """Whether a row exists and both its values are known."""
        return row < len(self.plane.points) and bool(np.isfinite(self.plane.points[row]).all())

    def extent(self) -> raster.View | None:
        """x0, x1, y0, y1 of everything; None without points."""
        if not self.is_histogram:
            return self.plane.extent()
        edges, counted = self.histogram.edges, self.histogram.counts
        top = float(counted.sum(axis=0).max() if self.is_stacked else counted.max())
        x0, x1 = edges[0], edges[-1]
        if self.x.period is None and len(edges) > SHORT:
            # a few outliers would leave no room for the rest
            x = self.plane.points[:, 0]
            x0, x1 = np.percentile(x[np.isfinite(x)], (0.25, 99.75)) + 2 * (edges[1] - edges[0]) * np.array([-1, 1])
        return float(x0), float(x1), 0.0, 1.05 * max(top, 1.0)

    def counted(self, mask: Mask | None) -> Histogram:
        """The histogram of all rows by class, or of the masked rows together."""
        x, period = self.plane.points[:, 0], self.x.period
        groups, number = (self.key.groups, max(1, len(self.key.classes))) if mask is None else (mask.astype(np.intp), 2)
        found = histogram_of(x, groups, number, period)
        return found if mask is None else Histogram(found.edges, found.counts[1:])

    def inside(self, polygon: npt.ArrayLike) -> Mask:
        """(N,) which points lie in a polygon; of a histogram, those in the range of x that it spans."""
        if not self.is_histogram:
            return self.plane.inside(polygon)
        x = np.asarray(polygon, np.float64).reshape(-1, 2)[:, 0]
        return within(
            self.plane.points[:, 0], np.nanmin(x, initial=np.inf), np.nanmax(x, initial=-np.inf), self.x.period
        )

    def at(self, place: tuple[float, float], pixel: tuple[float, float], reach: float) -> int | None:
        """Row of the point at a position, if there is one within `reach` pixels."""
        return None if self.is_histogram else self.plane.nearest(place, pixel, reach)

    def bin_at(self, x: float) -> Mask:
        """(N,) which rows are in the bin of a histogram at x."""
        edges, values, home = self.histogram.edges, self.plane.points[:, 0], float(self.x.period or 0)
        x = x - home * np.round(x / home) if home else x
        return np.asarray(np.isfinite(values) & (bin_of(values, edges) == bin_of(x, edges)))

    def place(self, x: float, y: float) -> dict[str, float]:
        """Columns and their values at a position, angles in radians."""
        columns = [(self.x, x)] if self.is_histogram else [(self.x, x), (self.y, y)]
        return {column.name: column.raw(value) for column, value in columns if column.name}

    def on_white(self) -> PlotData:
        """The same plot for a white page."""
        return replace(self, key=replace(self.key, dark=False)).taking(self)

    def taking(self, before: PlotData | None) -> PlotData:
        """This plot, with the density of an earlier one reused if its points are the same."""
        if before is None or "density" not in before.__dict__ or before.plane.periods != self.plane.periods:
            return self
        if before.same_points(self) and np.array_equal(before.key.groups, self.key.groups):
            self.__dict__["density"] = before.density
        return self


def plot_data(table: pd.DataFrame, choice: Choice, key: Key) -> PlotData:
    """Contents of a plot of these columns."""
    x, y = axis_of(choice.x, table), axis_of(choice.y, table)
    points = np.column_stack([column.shown(values_of(table, column.name)) for column in (x, y)])
    return PlotData(choice, x, y, Plane(points, (x.period, y.period)), key)


def key_of(table: pd.DataFrame, name: str, styles: ClassStyles, *, dark: bool) -> Key:
    """Colour key of a column on a dark or a light canvas; a single colour if there is no such column."""
    column, raw = axis_of(name, table), values_of(table, name)
    if name not in table:
        return Key(column, raw, dark=dark)
    if raster.is_categorical(name, raw):
        return Key(column, raw, _entries(name, raw, styles), dark=dark)
    colormap, (low, high) = raster.scale_of(name, raw)
    return Key(column, column.shown(raw), (), colormap, (low * column.factor, high * column.factor), dark)


def _entries(name: str, raw: Floats, styles: ClassStyles) -> tuple[ClassEntry, ...]:
    found, counted = np.unique(np.where(raw >= 0, raw, -1), return_counts=True)
    order = [*np.flatnonzero(found >= 0), *np.flatnonzero(found < 0)]
    numbers = [(int(found[i]), int(counted[i])) for i in order]
    total = max(int((raw >= 0).sum()), 1)
    return tuple(
        ClassEntry(
            number,
            styles.name(name, number),
            styles.colour(name, number),
            count,
            count / total if number >= 0 else np.nan,
        )
        for number, count in numbers
    )


def colormap_table(colormap: str, dark: bool) -> Floats:
    """(K, 4) colours of a colormap, adjusted so that all contrast with the canvas."""
    from matplotlib import colormaps

    table = np.asarray(colormaps[colormap](np.linspace(0, 1, TABLE)))
    light = table[:, :3] @ (0.2126, 0.7152, 0.0722)
    if dark:
        # blend with white where the luminance is too low
        part = np.clip((DARKEST - light) / (1 - light), 0, 1)[:, None]
        table[:, :3] += part * (1 - table[:, :3])
    else:
        table[:, :3] *= np.minimum(1, LIGHTEST / np.maximum(light, 1e-6))[:, None]
    return table

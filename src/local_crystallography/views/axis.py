"""Columns of the table as axes: title, unit, and the period of angles."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography.data.columns import UNITS, kind_of

Floats = npt.NDArray[np.float64]

DOWN = re.compile(r"(^|_)y_(px|nm)$")
TITLES = {
    "label": "Class",
    "hand_label": "Class by hand",
    "label_probability": "Class probability",
    "label_entropy": "Class entropy",
    "borders_label": "Class beyond the boundary",
}
"""Titles of columns whose names are not the words for them."""
LETTER = re.compile(r"[a-z]\d*")


@dataclass(frozen=True)
class Axis:
    """How a column is shown.

    Attributes
    ----------
    unit
        Unit shown; empty for a plain number.
    factor
        Conversion factor from the column to that unit.
    period
        Period in that unit; None if the axis is not periodic.
    down
        Whether values increase downwards in the image.
    """

    name: str
    title: str
    unit: str = ""
    factor: float = 1.0
    period: float | None = None
    down: bool = False

    @property
    def label(self) -> str:
        """Title with unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def copies(self) -> tuple[float, ...]:
        """Shifts at which everything is drawn, so that it continues across the periodic boundary."""
        return (0.0,) if self.period is None else (-self.period, 0.0, self.period)

    def shown(self, values: npt.ArrayLike) -> Floats:
        """Values of the column in the unit shown; periodic ones within half a period of 0."""
        values = np.asarray(values, np.float64) * self.factor
        return values if self.period is None else np.asarray(values - self.period * np.round(values / self.period))

    def raw(self, value: float) -> float:
        """The value of the column at a position on the axis."""
        return float(self.shown(value / self.factor)) / self.factor


def axis_of(name: str, table: pd.DataFrame | None = None) -> Axis:
    """How to show a column; the table, if given, provides the symmetry orders for the period of motif angles."""
    end = next((end for end in UNITS if name.endswith(end)), "")
    title = name.removesuffix(end).replace("_", " ")
    title = title if LETTER.fullmatch(title.split(" ")[0]) else title[:1].upper() + title[1:]
    title = TITLES.get(name, title.replace("Gpa", "GPA"))
    factor = 180 / np.pi if end == "_rad" else 1.0
    period = _period(name, table) * factor if kind_of(name) == "cyclic" else None
    return Axis(name, title, UNITS.get(end, ""), factor, period, bool(DOWN.search(name)))


def values_of(table: pd.DataFrame, name: str) -> Floats:
    """(N,) values of a column; NaN where unknown, and everywhere if there is no such column."""
    if name not in table:
        return np.full(len(table), np.nan)
    return np.asarray(table[name].to_numpy(np.float64, na_value=np.nan))


def within(values: Floats, low: float, high: float, period: float | None = None) -> npt.NDArray[np.bool_]:
    """(N,) which values lie from `low` to `high`; with a period, `low` above `high` is across the boundary."""
    if period is None:
        return (values >= low) & (values <= high)
    reach = high - low if high - low >= period else (high - low) % period
    return np.isfinite(values) & ((values - low) % period <= reach)


def _period(name: str, table: pd.DataFrame | None) -> float:
    """Period of an angle, in radians: π for an axis, and 2π / n for motifs of symmetry order n."""
    if name == "axis_angle_rad":
        return np.pi
    if name != "angle_rad" or table is None or not {name, "symmetry_order"} <= set(table.columns):
        return 2 * np.pi
    orders = values_of(table, "symmetry_order")
    known = orders[np.isfinite(orders) & (orders >= 1)].astype(np.int64)
    period = 2 * np.pi / float(np.gcd.reduce(known)) if len(known) else 2 * np.pi
    # angles not reduced by the symmetry of the motif have a period of 2π
    reach = np.nanmax(np.abs(values_of(table, name)), initial=0.0)
    return float(period if reach <= period / 2 + 1e-6 else 2 * np.pi)

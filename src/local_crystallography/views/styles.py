"""Names and colours of classes, shared by every legend, plot and layer."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from local_crystallography.bayes.decision import Decision
from local_crystallography.clustering.environment import Environment
from local_crystallography.data.columns import HAND_LABEL
from local_crystallography.data.errors import InputError
from local_crystallography.lattice.gpa import Validity
from local_crystallography.views.raster import HAND_PALETTE, PALETTE, Colors, categorical_colors

HEX = re.compile(r"#[0-9a-f]{6}")
DECIDED = {
    Decision.SYMMETRIC: "#0072b2",
    Decision.BROKEN: "#d55e00",
    Decision.UNDECIDED: "#c9ced6",
    Decision.TOO_FEW: "#5c6675",
}
"""Colours of decisions in all figures."""
SURROUNDED = {
    Environment.INTERIOR: "#56b4e9",
    Environment.BOUNDARY: "#d55e00",
    Environment.EDGE: "#f0e442",
    Environment.DEFECT: "#cc79a7",
}
"""Colours of environments."""
ENVIRONMENT, GPA = "environment", "gpa_decision"
LONGEST = 40
"""Maximum number of letters of a name."""


class ClassStyles:
    """Names and colours of the classes of each column; by default from number and palette.

    Every change emits `changed(column)`.
    """

    changed = Signal(str)

    def __init__(self) -> None:
        self._names: dict[str, dict[int, str]] = {}
        self._colours: dict[str, dict[int, str]] = {}

    def name(self, column: str, number: int) -> str:
        """Name of a class; "none" for -1. Decisions and environments have names of their own unless renamed."""
        if (given := self._names.get(column, {}).get(number)) is not None:
            return given
        if column == GPA and number in list(Validity):
            return Validity(number).words
        if column.endswith("_decision") and number in list(Decision):
            return Decision(number).words
        if column == ENVIRONMENT and number in list(Environment):
            return Environment(number).words
        return "none" if number < 0 else f"class {number}"

    def colour(self, column: str, number: int) -> str:
        """Colour of a class as #rrggbb."""
        plain = "#" + categorical_colors([number], _plain(column))[0, :3].tobytes().hex()
        return plain if number < 0 else self._chosen(column).get(number, plain)

    def colours(self, column: str, labels: npt.ArrayLike) -> Colors:
        """(N, 4) uint8 colours of class numbers; -1 and NaN are grey."""
        labels = np.asarray(labels, np.float64)
        colours = categorical_colors(labels, _plain(column))
        for number, colour in self._chosen(column).items():
            colours[labels == number, :3] = np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)
        return colours

    def palette(self, column: str) -> npt.NDArray[np.float64]:
        """(K, 4) floats: the colours of classes 0, 1, …, at least as many as in its palette."""
        once = len(_plain(column))
        turns = max([1, *(number // once + 1 for number in self._chosen(column))])  # napari repeats them as a whole
        return np.asarray(self.colours(column, np.arange(turns * once)) / 255)

    def rename(self, column: str, number: int, name: str) -> None:
        """Name a class; an empty name restores the default.

        Raises
        ------
        InputError
            If another class of the column has the name, if it is too long, and for class -1.
        """
        name = " ".join(name.split())
        taken = {other: given for other, given in self._names.get(column, {}).items() if other != number}
        if number < 0 or len(name) > LONGEST or name in taken.values():
            raise InputError(
                f"Class {number} cannot be named {name!r}; use up to {LONGEST} letters, and a name that no other class "
                "has."
            )
        self._set(self._names, column, number, name)

    def recolour(self, column: str, number: int, colour: str) -> None:
        """Give a class a colour #rrggbb; an empty one restores the default.

        Raises
        ------
        InputError
            For anything but such a colour, and for class -1.
        """
        colour = colour.lower()
        if number < 0 or (colour and not HEX.fullmatch(colour)):
            raise InputError(f"Class {number} cannot have the colour {colour!r}; give a colour as #rrggbb.")
        self._set(self._colours, column, number, colour)

    def to_dict(self) -> dict[str, Any]:
        """Names and colours that were set, for saving."""
        return {"names": _written(self._names), "colours": _written(self._colours)}

    def take(self, saved: dict[str, Any]) -> None:
        """Restore the result of `to_dict`, ignoring anything that is not a valid name or colour."""
        names, colours = (saved.get(kind) for kind in ("names", "colours"))
        self._names = _read(names, lambda text: len(text) <= LONGEST)
        self._colours = _read(colours, lambda text: bool(HEX.fullmatch(text)))
        for column in {*self._names, *self._colours}:
            self.changed.emit(column)

    def _chosen(self, column: str) -> dict[int, str]:
        """Colours that differ from the palette, by class."""
        decided: dict[int, str] = {}
        if column.endswith("_decision"):
            decided = {int(each): colour for each, colour in DECIDED.items() if each >= 0}
        elif column == ENVIRONMENT:
            decided = {int(each): colour for each, colour in SURROUNDED.items()}
        return {**decided, **self._colours.get(column, {})}

    def _set(self, table: dict[str, dict[int, str]], column: str, number: int, value: str) -> None:
        before = table.setdefault(column, {})
        if before.get(number, "") == value:
            return
        if value:
            before[number] = value
        else:
            before.pop(number)
        self.changed.emit(column)


def _plain(column: str) -> npt.NDArray[np.float64]:
    """Colours of the classes of a column that have none of their own."""
    return HAND_PALETTE if column == HAND_LABEL else PALETTE


def _written(table: dict[str, dict[int, str]]) -> dict[str, dict[str, str]]:
    return {column: {str(k): text for k, text in sorted(values.items())} for column, values in table.items() if values}


def _read(saved: Any, good: Any) -> dict[str, dict[int, str]]:
    table: dict[str, dict[int, str]] = {}
    for column, values in (saved if isinstance(saved, dict) else {}).items():
        items = values.items() if isinstance(values, dict) else ()
        table[column] = {int(k): t for k, t in items if k.isdecimal() and isinstance(t, str) and t and good(t)}
    return table

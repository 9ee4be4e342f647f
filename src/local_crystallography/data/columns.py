"""Columns of the table of atoms: the meaning of their names, and their declaration by the steps that add them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Kind = Literal["number", "class", "angle", "cyclic"]
"""class: whole numbers for categories, -1 for none; angle: in radians; cyclic: an angle that wraps around."""

UNITS = {"_rad": "°", "_px": "px", "_nm": "nm"}
"""Unit shown for a column with this suffix; angles are stored in radians and shown in degrees."""
CLASSES = ("label", "decision", "environment")
"""Last words of the names of class columns."""
HAND_LABEL = "hand_label"
"""Classes assigned by hand."""
IN_FILE = ("y_file_px", "x_file_px")
"""Positions in the pixels of the file, where those are not square and the image was resampled."""
FIXED = ("id", "frame", "kept", "flags", "found_y_px", "found_x_px", *IN_FILE, "left_out", HAND_LABEL)
"""Columns that no step adds."""


@dataclass(frozen=True)
class Column:
    """A column, or several of one kind, that a step adds to the atoms.

    Parameters
    ----------
    name
        Its name, or a regular expression that all names match: `z\\d+`.
    help
        What it holds, in a sentence.
    signed
        Whether it may be positive or negative, with 0 as the reference.
    painted
        Whether it is painted as a map when no columns are named.
    has_std
        Whether a column of its standard deviations is added too, under the name that `std_of` gives.
    leading
        Whether it is among the few shown of an atom or a run before anyone has chosen columns.
    """

    name: str
    help: str
    signed: bool = False
    painted: bool = False
    has_std: bool = False
    leading: bool = False

    @property
    def in_nm(self) -> bool:
        """Whether it is given in pixels and, at a known pixel size, in nm as well."""
        return self.name.endswith("_(px|nm)")

    def matches(self, name: str) -> bool:
        """Whether this describes the column of that name."""
        return re.fullmatch(self.name, name, re.IGNORECASE) is not None


class Columns:
    """All columns that steps declare.

    Parameters
    ----------
    by_step
        The columns that each step adds, by step name.
    """

    def __init__(self, by_step: Mapping[str, Iterable[Column]]) -> None:
        self.by_step = {step: tuple(columns) for step, columns in by_step.items()}

    def owner(self, name: str) -> str | None:
        """The step that adds a column of this name, or its standard deviations."""
        found = self._found(name) or self._found(without_std(name), std=True)
        return None if found is None else found[0]

    def help(self, name: str) -> str:
        """What a column holds, in a sentence; "" for one that no step adds."""
        if (found := self._found(name)) is not None:
            return found[1].help
        found = self._found(without_std(name), std=True)
        return "" if found is None else f"Standard deviation of {without_std(name)}."

    def signed(self, name: str) -> bool:
        """Whether a column may be positive or negative, with 0 as the reference."""
        found = self._found(name)
        return found is not None and found[1].signed

    def painted(self, names: Iterable[str]) -> tuple[str, ...]:
        """The columns painted by default, of those given; classes last, so that their maps are on top."""
        names = tuple(names)
        chosen = [name for column in self._all if column.painted for name in names if column.matches(name)]
        chosen += [HAND_LABEL] if HAND_LABEL in names else []
        if {"displacement_px", "displacement_nm"} <= set(chosen):
            chosen.remove("displacement_px")
        on_top = {name: is_class(name) + name.endswith("label") for name in chosen}
        return tuple(sorted(on_top, key=on_top.__getitem__))

    def leading(self, names: Iterable[str], most: int | None = None) -> tuple[str, ...]:
        """The columns shown first, of those given, as declared; at most so many of one declaration."""
        names = tuple(names)
        groups = ([name for name in names if column.matches(name)] for column in self._all if column.leading)
        return tuple(name for group in groups for name in group[:most])

    def is_reserved(self, name: str) -> bool:
        """Whether a name belongs to a result, or would be taken for a length, an angle or a class."""
        return (
            name.lower() in FIXED
            or self.owner(name) is not None
            or kind_of(name.lower()) != "number"
            or name.lower().endswith((*UNITS, "_std"))
        )

    @cached_property
    def _all(self) -> tuple[Column, ...]:
        return tuple(column for columns in self.by_step.values() for column in columns)

    def _found(self, name: str, *, std: bool = False) -> tuple[str, Column] | None:
        pairs = ((step, column) for step, columns in self.by_step.items() for column in columns)
        return next(((s, c) for s, c in pairs if (c.has_std or not std) and c.matches(name)), None)


def unit_of(name: str) -> str:
    """Unit in which a column is stored, by the end of its name; "" for a plain number."""
    end = name.rsplit("_", 1)[-1] if "_" in name else ""
    return {"rad": "rad", "px": "px", "nm": "nm", "(px|nm)": "px or nm"}.get(end, "")


def kind_of(name: str) -> Kind:
    """Kind of values in a column, from the last words of its name."""
    if name.split("_")[-1] in CLASSES:
        return "class"
    if not name.endswith("_rad") or name.endswith("_std_rad"):
        return "number"
    return "cyclic" if re.search(r"(^|_)angle_rad$", name) else "angle"


def is_class(name: str) -> bool:
    """Whether a column of this name holds classes, decisions or environments: whole numbers, -1 for none."""
    return kind_of(name) == "class"


def is_angle(name: str) -> bool:
    """Whether a column of this name holds angles, in radians."""
    return kind_of(name) in ("angle", "cyclic")


def std_of(name: str) -> str:
    """The column with the standard deviations of another: `angle_std_rad` of `angle_rad`, `z0_std` of `z0`."""
    return re.sub(r"(_rad|_px|_nm|)$", r"_std\1", name, count=1)


def without_std(name: str) -> str:
    """The column whose standard deviations a column holds."""
    return re.sub(r"_std(_rad|_px|_nm|)$", r"\1", name, count=1)

"""Values of one atom in words, with units."""

from __future__ import annotations

from typing import Any

import numpy as np

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import is_angle, std_of, unit_of
from local_crystallography.steps.catalog import columns
from local_crystallography.views.axis import axis_of

MOST_OF_A_KIND = 3
"""Columns of one declaration that are shown; more would not fit beside the plots."""
PM = 1000.0


def readout(atoms: Atoms, row: int) -> list[tuple[str, str]]:
    """Short names and values of the position and the leading columns of an atom; what is not known is left out.

    Positions are x, y: in nm where the pixel size is known, in px otherwise; other lengths in pm or px; angles in
    degrees.
    """
    size = atoms.pixel_size
    known = {str(name): value for name, value in atoms.features.iloc[row].items()}
    y, x = atoms.yx[row] * (1.0 if size is None else size)
    lines = [("x, y", f"{x:.1f}, {y:.1f} px" if size is None else f"{x:.3f}, {y:.3f} nm")]
    if atoms.frame.max(initial=0) > 0:
        lines.append(("frame", f"{atoms.frame[row]}"))
    lines += [
        (axis_of(name).title.lower(), _value(known, name, size))
        for name in columns().leading(known, most=MOST_OF_A_KIND)
    ]
    return [(name, text.replace("-", "\N{MINUS SIGN}")) for name, text in lines if text]


def _value(known: dict[str, Any], name: str, pixel_size: float | None) -> str:
    """A value with its standard deviation and unit; "" if it is not known."""
    value, spread = float(known[name]), float(known.get(std_of(name), np.nan))
    if not np.isfinite(value):
        return ""
    factor, digits, unit = axis_of(name).factor, ".4g", ""
    if is_angle(name):
        digits, unit = ".1f", "°"
    elif unit_of(name) == "px":
        factor, digits, unit = (1.0, ".2f", " px") if pixel_size is None else (pixel_size * PM, ".1f", " pm")
    elif std_of(name) in known:
        digits = ".2f"
    text = f"{value * factor:{digits}}"
    return f"{text} ± {spread * factor:{digits}}{unit}" if np.isfinite(spread) else f"{text}{unit}"

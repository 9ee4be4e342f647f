"""Values of one atom in words, with units."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from local_crystallography.data.atoms import Atoms

MOST_LATENTS = 3
"""Latents of a kind that are shown; more would not fit beside the plots."""
PM = 1000.0


def readout(atoms: Atoms, row: int) -> list[tuple[str, str]]:
    """Short names and values of an atom; what is not known is left out.

    Place and offset are x, y: in nm and pm where the pixel size is known, in px otherwise. Angles are in degrees.
    """
    size = atoms.pixel_size
    known = {str(name): value for name, value in atoms.features.iloc[row].items()}
    y, x = atoms.yx[row] * (1.0 if size is None else size)
    lines = [("x, y", f"{x:.1f}, {y:.1f} px" if size is None else f"{x:.3f}, {y:.3f} nm")]
    if atoms.frame.max(initial=0) > 0:
        lines.append(("frame", f"{atoms.frame[row]}"))
    angle = _with_std(known, "angle_rad", "angle_std_rad", factor=180 / np.pi, digits=1)
    lines += [("angle", f"{angle}°")] if angle else []
    away = [known.get(f"offset_{axis}_px", np.nan) * (1.0 if size is None else size * PM) for axis in "xy"]
    if np.isfinite(away).all():
        lines.append(
            ("offset", "{:.2f}, {:.2f} px".format(*away) if size is None else "{:.1f}, {:.1f} pm".format(*away))
        )
    for kind in "zc":
        names = [name for name in known if re.fullmatch(rf"{kind}\d+", name)][:MOST_LATENTS]
        values = [(name, _with_std(known, name, f"{name}_std", digits=2)) for name in names]
        lines += [(name, text) for name, text in values if text]
    for name, column in (("intensity", "intensity"), ("error", "reconstruction_error")):
        value = known.get(column, np.nan)
        lines += [(name, f"{value:.4g}")] if np.isfinite(value) else []
    return [(name, text.replace("-", "\N{MINUS SIGN}")) for name, text in lines]


def _with_std(known: dict[str, Any], name: str, std: str, *, digits: int, factor: float = 1.0) -> str:
    value, spread = known.get(name, np.nan) * factor, known.get(std, np.nan) * factor
    if not np.isfinite(value):
        return ""
    return f"{value:.{digits}f} ± {spread:.{digits}f}" if np.isfinite(spread) else f"{value:.{digits}f}"

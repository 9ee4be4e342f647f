"""Displacements of a sublattice as vectors and as colours: hue for the direction, brightness for the length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import Field

from local_crystallography.clustering.features import numbers
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.parameters import Parameters, unset
from local_crystallography.lattice.shells import neighbour_distance
from local_crystallography.lattice.strain import ALIKE

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

SHIFT, SHIFT_STD = ["displacement_y_px", "displacement_x_px"], ["displacement_y_std_px", "displacement_x_std_px"]
LONG = 95
"""Percentile of the lengths that is drawn at full brightness, and as long as `ARROW`."""
ARROW = 0.9
"""Length of a long arrow, in nearest-neighbour distances."""
STEPS = (1, 1.5, 2, 3, 5, 7)
"""First digits of the exaggeration of arrows."""


@dataclass(frozen=True, eq=False)
class Displacements:
    """Displacements of n atoms.

    Attributes
    ----------
    rows
        (n,) rows of the atoms in their table.
    yx, shift, std
        (n, 2) positions, displacements (y down, x) and their standard deviations, in pixels; NaN where these are
        unknown.
    sublattices
        The sublattices that are displaced.
    reach
        Length in pixels drawn at full brightness.
    exaggeration
        Factor by which arrows are drawn longer.
    pixel_size
        nm per pixel, or None.
    """

    rows: Index
    yx: Array
    shift: Array
    std: Array
    sublattices: tuple[int, ...]
    reach: float
    exaggeration: float
    pixel_size: float | None

    @property
    def colours(self) -> Array:
        """(n, 3) colours of the directions, at full brightness."""
        return wheel_colours(self.shift, 0.0)

    def length_words(self, pixels: float) -> str:
        """A length in pm, or in px where the scale is unknown."""
        return f"{pixels:.3g} px" if self.pixel_size is None else f"{1000 * pixels * self.pixel_size:.3g} pm"


class VectorField(Parameters):
    """Which displacements are drawn; calling it with atoms gives them."""

    sublattice: int | None = Field(
        None,
        ge=0,
        le=100,
        json_schema_extra=unset("auto"),
        description="Sublattice whose displacements are drawn, since those of the others point the opposite way; "
        "automatic: the second most intense kind of column, B in the cage of A.",
    )
    subtract_mean: bool = Field(
        False,
        description="Whether the mean displacement of each sublattice, which is that of the structure, is subtracted.",
    )

    def __call__(self, atoms: Atoms) -> Displacements:
        """The displacements of the atoms that have any.

        Raises
        ------
        InputError
            If displacements have not been measured, or the sublattice has none.
        """
        if not {*SHIFT, "sublattice"} <= {*atoms.features}:
            raise InputError("There are no displacements; run Measure lattice first.")
        site, shift = atoms.features["sublattice"].to_numpy(int), atoms.features[SHIFT].to_numpy(float)
        known = np.isfinite(shift).all(axis=1)
        chosen = _displaced(atoms, site, known) if self.sublattice is None else [self.sublattice]
        rows = np.flatnonzero(known & np.isin(site, chosen))
        if not len(rows):
            there = ", ".join(map(str, np.unique(site[known]))) or "none"
            raise InputError(f"No atom of this sublattice has a displacement; sublattices with displacements: {there}.")
        if self.subtract_mean:
            shift = shift.copy()
            for each in chosen:
                own = rows[site[rows] == each]
                shift[own] -= shift[own].mean(axis=0) if len(own) else 0
        std = atoms.features.reindex(columns=SHIFT_STD).to_numpy(float)[rows]
        length = float(np.percentile(np.linalg.norm(shift[rows], axis=1), LONG)) or 1e-6
        spacing = neighbour_distance(atoms[rows]) if len(rows) > 1 else 10.0
        times = _round(ARROW * spacing / length)
        return Displacements(
            rows, atoms.yx[rows], shift[rows], std, tuple(chosen), length, max(1.0, times), atoms.pixel_size
        )


def _displaced(atoms: Atoms, site: Index, known: npt.NDArray[np.bool_]) -> list[int]:
    """The sublattices of the second most intense kind with displacements; of the only kind, if there is one."""
    value = np.abs(numbers(atoms, "intensity")) if "intensity" in atoms.features else np.ones(len(atoms))
    median = {int(s): float(np.nanmedian(value[site == s])) for s in np.unique(site[known & (site >= 0)])}
    kinds: list[list[int]] = []
    for s in sorted(median, key=lambda s: -median[s]):
        if kinds and median[s] >= ALIKE * median[kinds[-1][-1]]:
            kinds[-1].append(s)
        else:
            kinds.append([s])
    return kinds[min(1, len(kinds) - 1)] if kinds else []


def _round(value: float) -> float:
    """The largest round number up to a value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(step * power for step in STEPS if step * power <= value * (1 + 1e-9)))


def wheel_colours(shift: Array, reach: float) -> Array:
    """(…, 3) RGB of vectors (…, 2) as (y down, x): hue for the direction, red to the right and counter-clockwise.

    Brightness is the length over `reach`, black for none; with reach 0 all are bright. NaN becomes black.
    """
    import matplotlib.colors

    y, x = np.moveaxis(np.asarray(shift, float), -1, 0)
    hue = np.nan_to_num(np.arctan2(-y, x) / (2 * np.pi)) % 1
    bright = np.ones_like(hue) if reach <= 0 else np.clip(np.nan_to_num(np.hypot(y, x) / reach), 0, 1)
    return np.asarray(matplotlib.colors.hsv_to_rgb(np.stack([hue, np.ones_like(hue), bright], axis=-1)))


def wheel(side: int, words: str) -> Bytes:
    """(side, side, 4) RGBA of the colour wheel: the direction of a vector from its middle, and in words its rim."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    half = 128
    y, x = np.mgrid[-half : half + 1, -half : half + 1] / half
    inside = np.hypot(y, x) <= 1
    colours = np.dstack([wheel_colours(np.stack([y, x], axis=-1), 1.0), inside])
    figure = Figure(figsize=(1, 1), dpi=side, facecolor=(0, 0, 0, 0.6))
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.14, 0.22, 0.72, 0.72))
    axes.imshow(colours)
    axes.set_axis_off()
    figure.text(0.5, 0.03, words, color="white", ha="center", va="bottom", fontsize=9)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.array(canvas.buffer_rgba(), np.uint8)[:side, :side]  # type: ignore[no-untyped-call]

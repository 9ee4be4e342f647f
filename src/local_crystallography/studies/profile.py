"""Profile of columns across an interface: means of atomic planes against the distance along or from a line."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field
from scipy import ndimage, signal

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.parameters import Parameters, unset
from local_crystallography.lattice.shells import neighbour_distance
from local_crystallography.studies.means import Mean, mean_of, reach_of, series_of

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Point = tuple[float, float]

TURN, STEP = 6.0, 0.1
"""Largest angle in degrees between a line and the normal of the atomic planes onto which it is turned, and steps of the
search."""
BLUR, FINE = 0.08, 0.02
"""Width and step of the density of atoms along the line in which planes are found, in nearest-neighbour distances."""
VALLEY, PEAK = 0.35, 0.1
"""Median density between two planes, relative to the lower one, up to which there are planes; and the smallest density
of a plane, relative to dense ones."""
EVEN = 0.25
"""Standard deviation of the distances of planes over their mean, up to which they are no chance."""
DRAWS = 100
"""Lines of as many atoms at random, all of which planes must be sharper than, unless they are evenly spaced."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Means of atomic planes, or of bins of one width, along a line.

    Attributes
    ----------
    distance
        (p,) mean distance of the atoms of each plane in pixels: from the start of the line along it, or from the line,
        positive to its right as one looks from start to end.
    count
        (p,) number of atoms.
    planes
        Whether these are atomic planes; else bins of one width.
    turned
        Angle in degrees, counter-clockwise as displayed, by which distances were turned onto the planes.
    series
        Means of the p planes by name: the column itself, or the share of each class.
    plane
        (N,) plane of each atom, -1 for atoms beside the line.
    pixel_size
        nm per pixel, or None.
    """

    distance: Array
    count: Index
    planes: bool
    turned: float
    series: dict[str, tuple[Mean, ...]]
    plane: Index
    pixel_size: float | None

    def values(self, name: str) -> tuple[Array, Array]:
        """(p,) means of a series and their standard errors."""
        return np.array([each.mean for each in self.series[name]]), np.array([each.error for each in self.series[name]])

    def table(self) -> pd.DataFrame:
        """A row per plane: number, distance, atoms; for each series mean, standard error, std and known values."""
        table = pd.DataFrame({"plane": np.arange(len(self.distance)), "distance_px": self.distance})
        if self.pixel_size is not None:
            table["distance_nm"] = self.distance * self.pixel_size
        table["atoms"] = self.count
        for name, several in self.series.items():
            table[name], table[f"{name}_standard_error"] = self.values(name)
            table[f"{name}_std"] = [each.std for each in several]
            table[f"{name}_atoms"] = [each.count for each in several]
        return table

    def words(self) -> str:
        """How distances were binned, in a sentence."""
        n = len(self.distance)
        if not self.planes:
            return f"{n} bins of one width: no atomic planes lie across this line, so planes may be mixed."
        turned = f", after turning the line by {self.turned:+.1f}° onto them" if abs(self.turned) >= STEP else ""
        return f"{n} atomic planes{turned}."


class LineProfile(Parameters):
    """Profile of columns along a line, or with the distance from it; calling it with atoms gives a `Profile`."""

    start: Point = Field(description="Start (y, x) of the line, in pixels.")
    end: Point = Field(description="End (y, x) of the line, in pixels.")
    distance: Literal["along the line", "from the line"] = Field(
        "along the line",
        description="Along a line drawn across an interface, or from a line drawn on the interface.",
    )
    width: float | None = Field(
        None,
        gt=0,
        le=100_000,
        json_schema_extra=unset("all"),
        description="Width of the strip of atoms around the line in pixels; for distances from the line, how far they "
        "go on both sides together; automatic: half the length of the line across, or all atoms beside it.",
    )
    bin: float | None = Field(
        None,
        gt=0,
        le=10_000,
        json_schema_extra=unset("planes"),
        description="Width of the bins in pixels; automatic: one for each atomic plane, or the nearest-neighbour "
        "distance where there are no planes.",
    )
    frame: int = Field(0, ge=0, description="Frame of a stack.")

    def __call__(self, atoms: Atoms, columns: tuple[str, ...], only: Mask | None = None) -> Profile:
        """Means of columns over the planes, of those of N atoms that are in a mask (N,).

        Classes give the share of each; angles that wrap around the mean direction. Standard errors allow for
        correlated neighbours, see `means.mean_of`; a plane with one atom has none.

        Raises
        ------
        InputError
            For a line without length, an unknown column, or fewer than two atoms beside the line.
        """
        start, end = np.array(self.start), np.array(self.end)
        length = float(np.linalg.norm(end - start))
        if length < 1:
            raise InputError("The line has no length; drag it from one side of the interface to the other.")
        if missing := [name for name in columns if name not in atoms.features]:
            raise InputError(f"There is no column {', '.join(missing)}; choose another, or run the step that adds it.")
        chosen = (atoms.frame == self.frame) & (np.ones(len(atoms), bool) if only is None else only)
        rows = np.flatnonzero(chosen & self._beside(atoms.yx, start, end, length))
        if len(rows) < 2:
            raise InputError(f"{len(rows)} atoms lie beside the line, at least 2 are needed; draw it over the atoms.")
        spacing, yx = neighbour_distance(atoms[chosen]), atoms.yx[rows] - start
        along = (end - start) / length
        normal = along if self.distance == "along the line" else np.array([along[1], -along[0]])
        middle = yx.mean(axis=0)
        turned, edges = 0.0, None
        if self.bin is None:
            turned = _onto_planes(yx - middle, normal, spacing)
            normal_of_planes = _turn(normal, turned)
            edges = _between_planes((yx - middle) @ normal_of_planes, spacing)
        if edges is None:
            turned, at, planes = 0.0, yx @ normal, False
            step = self.bin or spacing
            number = np.floor(at / step).astype(np.int64)
        else:
            # turned around the middle of the atoms, so that the mean distance stays
            at, planes = (yx - middle) @ normal_of_planes, True
            number = np.searchsorted(edges, at)
            at = at + middle @ normal
        _, number = np.unique(number, return_inverse=True)
        return self._profile(atoms, columns, rows, at, number, planes, turned)

    def _beside(self, yx: Array, start: Array, end: Array, length: float) -> Mask:
        """(N,) atoms that count."""
        along = (end - start) / length
        at, off = (yx - start) @ along, (yx - start) @ np.array([along[1], -along[0]])
        width = self.width or (length / 2 if self.distance == "along the line" else np.inf)
        return np.asarray((at >= 0) & (at <= length) & (np.abs(off) <= width / 2))

    def _profile(
        self, atoms: Atoms, columns: tuple[str, ...], rows: Index, at: Array, number: Index, planes: bool, turned: float
    ) -> Profile:
        count = np.bincount(number)
        reach = reach_of(atoms[atoms.frame == self.frame])
        members = np.split(rows[np.argsort(number, kind="stable")], np.cumsum(count)[:-1])
        series = {
            title: tuple(mean_of(values[of], atoms.yx[of], reach, period) for of in members)
            for name in columns
            for title, values, period in series_of(atoms, name)
        }
        plane = np.full(len(atoms), -1)
        plane[rows] = number
        distance = np.bincount(number, at) / count
        return Profile(distance, count, planes, turned, series, plane, atoms.pixel_size)


def _turn(vector: Array, degrees: float) -> Array:
    """A vector (y, x) turned counter-clockwise as displayed."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    y, x = vector
    return np.array([c * y - s * x, c * x + s * y])


def _onto_planes(yx: Array, normal: Array, spacing: float) -> float:
    """Angle in degrees by which a direction is turned so that atoms lie in the sharpest planes across it."""
    angles = np.arange(-TURN, TURN + STEP / 2, STEP)
    sharpness = [float((_density(yx @ _turn(normal, angle), spacing)[1] ** 2).sum()) for angle in angles]
    best = float(angles[int(np.argmax(sharpness))])
    return best if max(sharpness) > 1.02 * sharpness[len(angles) // 2] else 0.0


def _density(at: Array, spacing: float) -> tuple[Array, Array]:
    """Distances and density of atoms along a line."""
    step = FINE * spacing
    edges = np.arange(at.min() - spacing, at.max() + spacing, step)
    density = ndimage.gaussian_filter1d(np.histogram(at, edges)[0].astype(float), BLUR / FINE, mode="constant")
    return (edges[1:] + edges[:-1]) / 2, density


def _between_planes(at: Array, spacing: float) -> Array | None:
    """Distances that separate the planes of (n,) atoms along a line; None if there are none."""
    place, density = _density(at, spacing)
    tall = PEAK * float(np.median(np.sort(density)[-max(1, len(density) // 10) :]))
    peaks = signal.find_peaks(density, height=tall, prominence=tall)[0]
    if len(peaks) < 3:
        return None
    between = pairwise(peaks.tolist())
    valleys = np.array([first + int(np.argmin(density[first:last])) for first, last in between])
    depth = density[valleys] / np.minimum(density[peaks[:-1]], density[peaks[1:]])
    if np.median(depth) > VALLEY:
        return None
    gaps = np.diff(place[peaks])
    if gaps.std() > EVEN * gaps.mean():
        rng = np.random.default_rng(0)
        chance = [rng.uniform(at.min(), at.max(), len(at)) for _ in range(DRAWS)]
        if (density**2).sum() <= max((_density(each, spacing)[1] ** 2).sum() for each in chance):
            return None
    return np.asarray(place[valleys])

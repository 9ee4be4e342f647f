"""Shells of neighbours from the radial pair distribution, and a window size suggested by them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal
from scipy.spatial import cKDTree

from local_crystallography.data.arrays import Array
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError

SHELL = 1.0
"""Smallest prominence of a shell of neighbours, relative to the density of randomly placed atoms."""
SIDES = (8, 512)
"""Smallest and largest side of a window, in pixels."""
COMPARED = (0.75, 1.0, 1.5)
"""Window sizes to compare, relative to the suggested one."""


@dataclass(frozen=True)
class Suggestion:
    """Suggested side of the window in pixels, with the `density` of pairs against `radius` and its `shells`, in px."""

    window: int
    radius: Array
    density: Array
    shells: Array

    @property
    def windows(self) -> tuple[int, ...]:
        """Window sizes to compare: a smaller one, the suggested one and a larger one."""
        return tuple(dict.fromkeys(even(ratio * self.window) for ratio in COMPARED))


def even(side: float) -> int:
    """Nearest even side of a window, in pixels, within the limits."""
    return int(np.clip(2 * round(side / 2), *SIDES))


def neighbour_distance(atoms: Atoms) -> float:
    """Median nearest-neighbour distance within a frame, in pixels.

    Raises
    ------
    InputError
        Where no frame holds two atoms.
    """
    distances = [
        cKDTree(positions).query(positions, 2)[0][:, 1]
        for frame in np.unique(atoms.frame)
        if len(positions := atoms.yx[atoms.frame == frame]) > 1
    ]
    if not distances:
        raise InputError(
            f"No frame has two atoms ({len(atoms)} in all), so there is no neighbour distance; set the window size by "
            "hand."
        )
    return float(np.median(np.concatenate(distances)))


def shells(atoms: Atoms, spacing: float) -> Array:
    """Distances of the shells of neighbours in pixels, increasing, up to three times the nearest one, `spacing`."""
    radius, density = pair_distribution(atoms, spacing)
    return np.asarray(radius[shells_of(density)], np.float64)


def shells_of(density: Array) -> npt.NDArray[np.intp]:
    """Indices of the shells in a pair distribution."""
    return np.asarray(signal.find_peaks(density, prominence=SHELL)[0], np.intp)


def pair_distribution(atoms: Atoms, spacing: float, *, reach: float = 3.0, step: float = 0.02) -> tuple[Array, Array]:
    """Distances in pixels, and density of pairs at each relative to randomly placed atoms, from all frames.

    It is smoothed by 0.05; this, `reach` and `step` are in units of `spacing`, the nearest-neighbour distance in
    pixels. It is not corrected for atoms missing beyond the edges.
    """
    edges = spacing * np.arange(0, reach + 0.5, step)
    pairs, expected = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    for frame in np.unique(atoms.frame):
        yx = atoms.yx[atoms.frame == frame]
        area = float(np.prod(np.ptp(yx, axis=0) + spacing))
        tree = cKDTree(yx)
        pairs += np.diff(tree.count_neighbors(tree, edges))
        expected += len(yx) ** 2 / area * np.pi * np.diff(edges**2)
    pairs[0] = 0  # an atom with itself
    middle = (edges[1:] + edges[:-1]) / 2
    density = ndimage.gaussian_filter1d(pairs / np.maximum(expected, 1e-12), 0.05 / step)
    within = middle < reach * spacing
    return middle[within], density[within]

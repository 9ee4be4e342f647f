"""Shells of neighbours, from the radial pair distribution."""

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
"""Least prominence of a shell of neighbours, over the density of atoms at random places."""
SIDES = (8, 512)
"""Of windows, in pixels."""
COMPARED = (0.75, 1.0, 1.5)
"""Windows that are worth a comparison, over the one suggested."""


@dataclass(frozen=True)
class Suggestion:
    """A side of the window in pixels, and what tells it: `density` of pairs by `radius`, and its `shells`, in px."""

    window: int
    radius: Array
    density: Array
    shells: Array

    @property
    def windows(self) -> tuple[int, ...]:
        """It, a smaller and a larger one, to be compared."""
        return tuple(dict.fromkeys(even(share * self.window) for share in COMPARED))


def even(side: float) -> int:
    """The nearest even side that a window can have, in pixels."""
    return int(np.clip(2 * round(side / 2), *SIDES))


def neighbour_distance(atoms: Atoms) -> float:
    """Median distance of the nearest neighbour within a frame, in pixels.

    Raises
    ------
    InputError
        Where no frame holds two atoms.
    """
    distances = [
        cKDTree(places).query(places, 2)[0][:, 1]
        for frame in np.unique(atoms.frame)
        if len(places := atoms.yx[atoms.frame == frame]) > 1
    ]
    if not distances:
        raise InputError(
            f"{len(atoms)} atoms came, at least two in one frame were expected; set the window size by hand."
        )
    return float(np.median(np.concatenate(distances)))


def shells(atoms: Atoms, spacing: float) -> Array:
    """Distances of the shells of neighbours in pixels, rising, up to three spacings, that of nearest neighbours."""
    radius, density = pair_distribution(atoms, spacing)
    return np.asarray(radius[shells_of(density)], np.float64)


def shells_of(density: Array) -> npt.NDArray[np.intp]:
    """Where a pair distribution has its shells, as places in the array."""
    return np.asarray(signal.find_peaks(density, prominence=SHELL)[0], np.intp)


def pair_distribution(atoms: Atoms, spacing: float, *, reach: float = 3.0, step: float = 0.02) -> tuple[Array, Array]:
    """Distances in pixels, and how many times as many pairs are that far apart as at random places; from all frames.

    Smoothed by 0.05; this, reach and step are in spacings, the distance of nearest neighbours (px). Pairs across the
    edge are missing.
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

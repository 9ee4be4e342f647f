"""Places of the nearest atoms around every atom, as they are and turned to one common direction.

Places are complex numbers in units of the neighbour distance: real part to the right, imaginary part upwards, so that
their angle is counter-clockwise as displayed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError

Complex = npt.NDArray[np.complex128]

FEWEST, MOST = 3, 12
"""Numbers of neighbours to choose from."""
AS_WIDE = 0.95
"""Share of the widest gap between shells that a gap farther out must have to be taken instead."""
ROUNDS = 8


def neighbour_places(atoms: Atoms, *, number: int) -> Complex:
    """(N, number) places of the nearest atoms of the same frame, counter-clockwise from the right, nearest atoms only.

    The unit is the median distance of the nearest neighbour. NaN in frames of too few atoms.

    Raises
    ------
    InputError
        Where no frame holds more atoms than neighbours, a place is not finite, or most atoms have another at their
        very place.
    """
    places, distance = nearest(atoms, number=number)
    unit = float(np.nanmedian(distance[:, 0]))
    angle = np.angle(places) % (2 * np.pi)
    return np.take_along_axis(places, angle.argsort(axis=1), axis=1) / unit


def shell_number(atoms: Atoms) -> int:
    """Number of neighbours, 3 to 12, that ends a shell: where the next is farthest off, relative to the last.

    Of shells that end about as clearly, the larger: 8 for a square lattice, 6 for a hexagonal one.

    Raises
    ------
    InputError
        As `neighbour_places`.
    """
    largest = int(np.bincount(atoms.frame - atoms.frame.min()).max()) if len(atoms) else 0
    most = min(MOST, largest - 2)
    if most < FEWEST:
        raise InputError(
            f"{largest} atoms in a frame came, at least {FEWEST + 2} were expected to choose the number of neighbours; "
            "give the number."
        )
    _, distance = nearest(atoms, number=most + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        gaps = np.nanmedian(distance[:, FEWEST:] / distance[:, FEWEST - 1 : -1], axis=0)
    return FEWEST + int(np.flatnonzero(gaps >= 1 + AS_WIDE * (gaps.max() - 1))[-1])


def aligned(places: Complex) -> Complex:
    """Places (n, k), turned and renumbered in cyclic order to lie as near as can be to those of the mean atom.

    First the nearest neighbour of every atom points to the right. Then, again and again, each atom takes the cyclic
    order and the turn with the least squares distance from the mean of all (Procrustes). Turning all atoms around
    changes nothing. Rows with NaN stay NaN.
    """
    known = np.isfinite(places).all(axis=1)
    if not known.any():
        return places
    z = places[known]
    count = z.shape[1]
    first = np.abs(z).argmin(axis=1)
    best = np.take_along_axis(z, (first[:, None] + np.arange(count)) % count, axis=1)
    best = best * np.exp(-1j * np.angle(best[:, :1]))
    for _ in range(ROUNDS):
        mean = best.mean(axis=0)
        overlap = np.stack([np.roll(z, -shift, axis=1) @ mean.conj() for shift in range(count)], axis=1)
        shift = np.abs(overlap).argmax(axis=1)
        turn = np.angle(overlap[np.arange(len(z)), shift])
        best = np.take_along_axis(z, (shift[:, None] + np.arange(count)) % count, axis=1) * np.exp(-1j * turn[:, None])
    result = np.full_like(places, np.nan)
    result[known] = best * np.exp(-1j * np.angle(best.mean(axis=0)[0]))
    return result


def nearest(atoms: Atoms, *, number: int) -> tuple[Complex, npt.NDArray[np.float64]]:
    """(N, number) places in pixels, and distances, of the nearest atoms of the same frame, by rising distance."""
    if not np.isfinite(atoms.yx).all():
        raise InputError("Some atoms have no finite place, numbers were expected; find the atoms again.")
    places = np.full((len(atoms), number), np.nan, np.complex128)
    distances = np.full((len(atoms), number), np.nan)
    for frame in np.unique(atoms.frame):
        rows = np.flatnonzero(atoms.frame == frame)
        if len(rows) > number:
            yx = atoms.yx[rows]
            distance, index = cKDTree(yx).query(yx, number + 1)
            off = yx[index[:, 1:]] - yx[:, None]
            places[rows], distances[rows] = off[..., 1] - 1j * off[..., 0], distance[:, 1:]
    if np.isnan(distances).all():
        raise InputError(
            f"{len(atoms)} atoms came for {number} neighbours, at least {number + 1} in one frame were expected; ask "
            "for fewer neighbours."
        )
    if np.nanmedian(distances[:, 0]) == 0:
        raise InputError("Most atoms have another at the same place, single atoms were expected; find them again.")
    return places, distances

"""Relative positions of the nearest atoms around every atom, as found or rotated to a common orientation.

Positions are complex numbers in units of the neighbour distance: real part to the right, imaginary part upwards, so
that their angle is counter-clockwise as displayed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError

Complex = npt.NDArray[np.complex128]

FEWEST, MOST = 3, 12
"""Smallest and largest number of neighbours."""
AS_WIDE = 0.95
"""Width of a gap farther out, relative to the widest gap between shells, at which it is preferred."""
ROUNDS = 8


def neighbour_places(atoms: Atoms, *, number: int) -> Complex:
    """(N, number) relative positions of the nearest atoms in the same frame, counter-clockwise from the right.

    The unit is the median nearest-neighbour distance. NaN in frames with too few atoms.

    Raises
    ------
    InputError
        Where no frame has more atoms than neighbours, a position is not finite, or most atoms coincide with another.
    """
    positions, distance = nearest(atoms, number=number)
    unit = float(np.nanmedian(distance[:, 0]))
    angle = np.angle(positions) % (2 * np.pi)
    return np.take_along_axis(positions, angle.argsort(axis=1), axis=1) / unit


def shell_number(atoms: Atoms) -> int:
    """Number of neighbours, 3 to 12, that completes a shell: the largest relative gap to the next neighbour.

    Of shells with similar gaps the larger is used: 8 for a square lattice, 6 for a hexagonal one.

    Raises
    ------
    InputError
        As `neighbour_places`.
    """
    largest = int(np.bincount(atoms.frame - atoms.frame.min()).max()) if len(atoms) else 0
    most = min(MOST, largest - 2)
    if most < FEWEST:
        raise InputError(
            f"The number of neighbours cannot be chosen from {largest} atoms in a frame, but only from at least "
            f"{FEWEST + 2}; set the number."
        )
    _, distance = nearest(atoms, number=most + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        gaps = np.nanmedian(distance[:, FEWEST:] / distance[:, FEWEST - 1 : -1], axis=0)
    return FEWEST + int(np.flatnonzero(gaps >= 1 + AS_WIDE * (gaps.max() - 1))[-1])


def aligned(positions: Complex) -> Complex:
    """Relative positions (n, k), rotated and cyclically renumbered to match those of the mean atom best.

    First every atom is rotated so that its nearest neighbour points to the right. Then, repeatedly, each atom takes the
    cyclic order and rotation with the least squared distance from the mean of all (Procrustes analysis). The result is
    invariant under a rotation of all atoms. Rows with NaN stay NaN.
    """
    known = np.isfinite(positions).all(axis=1)
    if not known.any():
        return positions
    z = positions[known]
    count = z.shape[1]
    first = np.abs(z).argmin(axis=1)
    best = np.take_along_axis(z, (first[:, None] + np.arange(count)) % count, axis=1)
    best = best * np.exp(-1j * np.angle(best[:, :1]))
    for _ in range(ROUNDS):
        mean = best.mean(axis=0)
        overlap = np.stack([np.roll(z, -shift, axis=1) @ mean.conj() for shift in range(count)], axis=1)
        shift = np.abs(overlap).argmax(axis=1)
        rotation = np.angle(overlap[np.arange(len(z)), shift])
        best = np.take_along_axis(z, (shift[:, None] + np.arange(count)) % count, axis=1) * np.exp(
            -1j * rotation[:, None]
        )
    result = np.full_like(positions, np.nan)
    result[known] = best * np.exp(-1j * np.angle(best.mean(axis=0)[0]))
    return result


def nearest(atoms: Atoms, *, number: int) -> tuple[Complex, npt.NDArray[np.float64]]:
    """(N, number) relative positions in pixels, and distances, of the nearest atoms in the same frame, by distance."""
    if not np.isfinite(atoms.yx).all():
        raise InputError("Some atoms have positions that are not finite; find the atoms again.")
    positions = np.full((len(atoms), number), np.nan, np.complex128)
    distances = np.full((len(atoms), number), np.nan)
    for frame in np.unique(atoms.frame):
        rows = np.flatnonzero(atoms.frame == frame)
        if len(rows) > number:
            yx = atoms.yx[rows]
            distance, index = cKDTree(yx).query(yx, number + 1)
            off = yx[index[:, 1:]] - yx[:, None]
            positions[rows], distances[rows] = off[..., 1] - 1j * off[..., 0], distance[:, 1:]
    if np.isnan(distances).all():
        raise InputError(
            f"{number} neighbours need at least {number + 1} atoms in one frame, but there are {len(atoms)} atoms in "
            "all frames; choose fewer neighbours."
        )
    if np.nanmedian(distances[:, 0]) == 0:
        raise InputError("Most atoms have another atom at the same position; find them again.")
    return positions, distances

"""Preferred angles, as peaks of a circular density."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal
from scipy.spatial import cKDTree

from local_crystallography.clustering.neighbours import like_neighbours

BANDWIDTH = 0.1
"""Standard deviation of the kernel of the density of angles, radians: about 6 degrees."""
BINS = 720
"""Number of steps of the density over a period."""
STANDS_OUT = 0.1
"""Smallest prominence of a peak of angles, relative to the highest."""
SURE = 6.0
"""Smallest prominence of a peak over its counting noise, which about 2 % of sets of random angles exceed at most."""
COMMON = 0.05
"""Fraction of the atoms above which a symmetry order counts for the common period of the angles."""
ORDERS = (2, 3, 4, 6)
"""Rotational symmetry orders of crystals."""
EQUAL = np.radians(5)
"""Tolerance, in radians, within which the difference of two preferred angles is a symmetry rotation."""
AROUND, TAIL = 12, 3.0
"""Number of neighbours with which an angle is compared, and standard deviations beyond which one is an outlier."""


def angle_peaks(angle: npt.ArrayLike, order: npt.ArrayLike = 1) -> int:
    """Number of preferred angles, see `preferred_angles`; 0 where all angles are equally frequent."""
    return len(preferred_angles(angle, order)[0])


def preferred_angles(
    angle: npt.ArrayLike, order: npt.ArrayLike = 1, *, bandwidth: float = BANDWIDTH
) -> tuple[npt.NDArray[np.float64], float]:
    """Preferred angles, in increasing order from 0, and the common period; radians.

    The angles (n,) in radians, of motifs with rotational symmetry `order`, are periodic with a full rotation over the
    greatest common divisor of the orders that at least 5 % of the atoms have. Peaks of their kernel density (a wrapped
    Gaussian of `bandwidth`) need a prominence, the drop to the higher of the two valleys before higher ground, of at
    least 10 % of the highest density and six times the counting noise.
    """
    angle = np.asarray(angle, np.float64)
    orders = np.broadcast_to(np.asarray(order, np.float64), angle.shape)
    known = np.isfinite(angle) & np.isfinite(orders)
    count = int(known.sum())
    if not count:
        return np.zeros(0), 2 * np.pi
    values, numbers = np.unique(orders[known].astype(int), return_counts=True)
    period = 2 * np.pi / float(np.gcd.reduce(values[numbers >= COMMON * count]))
    cells = (angle[known] % period / period * BINS).astype(int) % BINS
    width = bandwidth / period * BINS
    density = ndimage.gaussian_filter1d(np.bincount(cells, minlength=BINS).astype(float), width, mode="wrap")
    density *= np.sqrt(2 * np.pi) * width  # number of atoms under a kernel of height 1
    three = np.tile(density, 3)
    peaks, found = signal.find_peaks(three, prominence=STANDS_OUT * density.max())
    noise = np.sqrt(three[peaks] / np.sqrt(2))  # the square of the kernel is narrower by this factor
    middle = (peaks >= BINS) & (peaks < 2 * BINS)
    chosen = peaks[middle & (found["prominences"] >= SURE * noise)]
    return (chosen - BINS + 0.5) / BINS * period, period


def effective_order(angle: npt.NDArray[np.float64], order: int, yx: npt.NDArray[np.float64]) -> int:
    """Effective rotational order of the angles (n,) of motifs with an `order`, at positions (n, 2); at least `order`.

    Where two preferred angles differ by a symmetry rotation of a higher order and their atoms are mixed at random, they
    are neither grains nor sublattices: noise has decided between nearly equivalent rotations.
    """
    peaks, period = preferred_angles(angle, order, bandwidth=np.radians(2.5))
    if len(peaks) < 2:
        return order
    away = (angle[:, None] - peaks + period / 2) % period - period / 2
    which = np.abs(away).argmin(axis=1)
    effective = order
    for one in range(len(peaks)):
        for other in range(one):
            between = (peaks[one] - peaks[other]) % period
            _, _, apart = like_neighbours(yx, which == one, which == other)
            turns = [n for n in ORDERS if n % order == 0 and n > order and equal(between, 2 * np.pi / n)]
            if turns and not apart:
                effective = int(np.lcm(effective, turns[0]))
    return effective if effective in (1, *ORDERS) else max(ORDERS)


def scatter(angle: npt.NDArray[np.float64], order: int, yx: npt.NDArray[np.float64]) -> float:
    """Standard deviation of the angles (n,) of motifs of one kind at positions (n, 2) from those of their neighbours.

    Only atoms of the same preferred angle are compared, so that rotated grains and sublattices and slow variations over
    the image do not contribute; true variations from atom to atom do. NaN for too few atoms.
    """
    peaks, period = preferred_angles(angle, order, bandwidth=np.radians(2.5))
    which = np.zeros(len(angle), int)
    if len(peaks) > 1:
        which = np.abs((angle[:, None] - peaks + period / 2) % period - period / 2).argmin(axis=1)
    turns, found = np.exp(2j * np.pi * angle / period), [np.zeros(0)]
    for number in np.unique(which):
        rows = np.flatnonzero(which == number)
        if len(rows) > 2 * AROUND:
            near = rows[cKDTree(yx[rows]).query(yx[rows], AROUND + 1)[1][:, 1:]]
            found.append(np.median(np.angle(turns[rows, None] * turns[near].conj()), axis=1) * period / (2 * np.pi))
    away = np.abs(np.concatenate(found))
    if not len(away):
        return float("nan")
    within = away[away <= TAIL * 1.48 * np.median(away)]
    return float(np.sqrt((within**2).mean() / (1 + np.pi / 2 / AROUND)))


def equal(angle: float, turn: float) -> bool:
    """Whether an angle is nearly a multiple of a rotation `turn`."""
    return bool(abs((angle + turn / 2) % turn - turn / 2) < EQUAL)

"""Preferred angles: peaks of a circular density."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal
from scipy.spatial import cKDTree

from local_crystallography.clustering.neighbours import like_neighbours

BANDWIDTH = 0.1
"""Standard deviation of the kernel that angles are counted with, radians: about 6 degrees."""
BINS = 720
"""Steps of a period in which their density is held."""
STANDS_OUT = 0.1
"""Least prominence of a peak of angles, over the height of the highest."""
SURE = 6.0
"""Least prominence of a peak over its counting noise: at most about 2 of 100 sets of random angles show one."""
COMMON = 0.05
"""Share of the atoms from which a symmetry order counts for the period of all angles."""
ORDERS = (2, 3, 4, 6)
"""Turns of a crystal."""
EQUAL = np.radians(5)
"""How far two preferred angles are from an equal turn apart that are told from each other by noise alone."""
AROUND, TAIL = 12, 3.0
"""Neighbours whose median angle an angle is compared with, and how many standard deviations off one still counts."""


def angle_peaks(angle: npt.ArrayLike, order: npt.ArrayLike = 1) -> int:
    """How many angles are preferred, see `preferred_angles`; 0 where all are alike."""
    return len(preferred_angles(angle, order)[0])


def preferred_angles(
    angle: npt.ArrayLike, order: npt.ArrayLike = 1, *, bandwidth: float = BANDWIDTH
) -> tuple[npt.NDArray[np.float64], float]:
    """The angles that are preferred, from 0 up, and the period of all; radians.

    The angles (n,) in radians, of motifs with `order` equal turns, lie on a circle of one turn over the greatest common
    divisor of the orders that at least 5 % of the atoms have. Their kernel density (a Gaussian of `bandwidth` that goes
    round) has a peak where its prominence, the drop to the higher of the two valleys before higher ground, is at least
    10 % of the highest and six times the counting noise there.
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
    density *= np.sqrt(2 * np.pi) * width  # atoms under a kernel of height 1
    three = np.tile(density, 3)
    places, found = signal.find_peaks(three, prominence=STANDS_OUT * density.max())
    noise = np.sqrt(three[places] / np.sqrt(2))  # the square of the kernel is narrower by that
    middle = (places >= BINS) & (places < 2 * BINS)
    chosen = places[middle & (found["prominences"] >= SURE * noise)]
    return (chosen - BINS + 0.5) / BINS * period, period


def order_told(angle: npt.NDArray[np.float64], order: int, yx: npt.NDArray[np.float64]) -> int:
    """Turns that the angles (n,) of motifs of an `order`, at positions (n, 2), do not tell apart: that order, or more.

    Where two preferred angles are a turn of a higher order apart and the atoms that have them lie at random among each
    other, they fill no grains and are no sublattices: noise has decided between turns that are nearly equal.
    """
    peaks, period = preferred_angles(angle, order, bandwidth=np.radians(2.5))
    if len(peaks) < 2:
        return order
    away = (angle[:, None] - peaks + period / 2) % period - period / 2
    which = np.abs(away).argmin(axis=1)
    told = order
    for one in range(len(peaks)):
        for other in range(one):
            between = (peaks[one] - peaks[other]) % period
            _, _, apart = like_neighbours(yx, which == one, which == other)
            turns = [n for n in ORDERS if n % order == 0 and n > order and equal(between, 2 * np.pi / n)]
            if turns and not apart:
                told = int(np.lcm(told, turns[0]))
    return told if told in (1, *ORDERS) else max(ORDERS)


def scatter(angle: npt.NDArray[np.float64], order: int, yx: npt.NDArray[np.float64]) -> float:
    """How far angles (n,) of motifs of one kind at positions (n, 2) are from those around, as a standard deviation.

    Compared are atoms of one preferred angle, so that grains and sublattices that lie turned add nothing, nor does what
    varies slowly over the image; what differs from atom to atom by nature does. NaN for too few.
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
    """Whether an angle is nearly a multiple of a turn."""
    return bool(abs((angle + turn / 2) % turn - turn / 2) < EQUAL)

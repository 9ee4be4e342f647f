"""Symmetry of mean sub-images, alone and between classes, with standard errors from halves of their members.

The correlation of images f and g is <f, g> / (|f| |g|), over the disc inscribed in the window and without the mean
over it. R_t f is f rotated by an angle t, counter-clockwise as displayed; M_p f is f mirrored at a line through the
centre at an angle p from x. The paper judges both by eye (Fig. 8); these scores are not in it:

- n-fold: the correlation of f and R_t f with t = 2 pi / n; for n = 2 the centrosymmetry
- best mirror: the largest correlation of f and M_p f over all p
- of two classes: the largest correlation of f and R_t g over all t, and of f and M_p g over all p

A maximum is positive even in noise. This bias of the search is measured and subtracted: how much higher a half of the
members scores at its own best angle than at that of the other half.

The standard error of a score comes from the scores a and b of two random halves, sqrt(mean((a - b)^2) / 2 / q). Halves
have q times the variance of the whole: 2 where the image is far above its noise, and 1 in noise alone, whose
correlations do not depend on the number of members. For a rotation, q is 1 plus the ceiling (see `Symmetry`). For a
searched score, evaluated in each half at the best angle of the other, q is 2; the subtracted bias compensates the rest.

An image is a sum of Fourier-Bessel functions, for which rotations and mirrors are phase factors, so that no pixel is
interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from local_crystallography.models.harmonics import Harmonics

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]
Index = npt.NDArray[np.int64]

ORDERS = (2, 3, 4, 6)
"""Rotational symmetry orders of crystals."""
STEPS = 720
"""Number of angles in a full rotation."""
GROUPS = 32
"""Number of random groups into which the members of a class are divided, to form halves."""
SPLITS = 32
"""Number of random pairs of halves."""


@dataclass(frozen=True)
class Score:
    """A correlation from -1 to 1 and its standard error, NaN where there are no halves."""

    value: float
    error: float


@dataclass(frozen=True)
class Symmetry:
    """Symmetry of a mean image.

    Attributes
    ----------
    turns
        Score of every n-fold rotation, n = 2, 3, 4, 6.
    mirror, mirror_angle
        Score of the best mirror, and its angle: radians in [0, pi) from x, counter-clockwise as displayed.
    ceiling
        Expected score of a perfectly symmetric image with this noise: 2 r / (1 + r), where r is the mean correlation
        of two halves (Spearman and Brown 1910), and 0 where r is below 0. NaN without halves.
    """

    turns: dict[int, Score]
    mirror: Score
    mirror_angle: float
    ceiling: float

    @property
    def centre(self) -> Score:
        """Centrosymmetry: correlation with the image rotated by 180 degrees."""
        return self.turns[2]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Similarity of the mean images of k classes; every array is (k, k).

    Attributes
    ----------
    turned, turned_error, turn_angle
        Score of the best rotation, its standard error, and the rotation in [-pi, pi) that maps the class of the column
        onto that of the row. The diagonal is without rotation.
    mirrored, mirrored_error, mirror_angle
        The same for a mirror, with its angle in [0, pi) from x. The diagonal has the best mirror of each class.
    """

    turned: Array
    turned_error: Array
    turn_angle: Array
    mirrored: Array
    mirrored_error: Array
    mirror_angle: Array


@dataclass(frozen=True, eq=False)
class Means:
    """Mean images of k classes as P complex coefficients, without their mean, and those of halves of their members.

    Attributes
    ----------
    whole
        (k, P) coefficients, NaN where a class has no member.
    halves
        (k, splits, 2, P) coefficients of halves, NaN for fewer than two members or images without members.
    orders
        (P,) rotational order of each coefficient.
    """

    whole: Complex
    halves: Complex
    orders: Index

    def turned(self, one: Complex, other: Complex) -> Array:
        """(…, STEPS) correlation of one (…, P) with the other rotated by 0, 2 pi / STEPS, …."""
        size = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
        shares = (one * other.conj()) @ np.eye(self.orders.max() + 1)[self.orders]
        curve = np.fft.ifft(shares, STEPS, axis=-1, norm="forward").real
        return np.asarray(curve / np.where(size > 0, size, np.nan)[..., None], np.float64)

    def mirrored(self, one: Complex, other: Complex) -> Array:
        """(…, STEPS) correlation of one (…, P) with the other mirrored at 0, pi / STEPS, … from x."""
        return self.turned(one, other.conj())


def means_of(
    windows: npt.NDArray[np.floating],
    labels: Index,
    harmonics: Harmonics,
    *,
    count: int,
    seed: int,
    angle: Array | None = None,
) -> Means:
    """Mean windows of classes, and those of random halves of their members.

    Parameters
    ----------
    windows
        (N, w, w) windows, read once.
    labels
        (N,) class of every window, 0 to count - 1, -1 for none.
    seed
        Random seed of the halves.
    angle
        (N,) radians by which every window is rotated back first; None: as they are.
    """
    random = np.random.default_rng(seed)
    group = _dealt(labels, random)
    rows = np.flatnonzero(labels >= 0)
    cells = labels[rows] * GROUPS + group[rows]
    member = csr_array((np.ones(len(rows), np.float32), (cells, rows)), shape=(count * GROUPS, len(windows)))
    flat = windows.reshape(len(windows), int(np.prod(windows.shape[1:])))
    sizes = np.bincount(cells, minlength=count * GROUPS).reshape(count, GROUPS)
    if angle is None:
        sums = _complex(np.asarray(member @ flat, np.float64), harmonics)
    else:
        sums = member @ (_complex(flat, harmonics) * np.exp(1j * angle[:, None] * _orders(harmonics)))
    c = sums.reshape(count, GROUPS, -1)
    first = np.stack([_half(random, n) for n in np.minimum(sizes.sum(axis=1), GROUPS)])
    halves = np.stack([first, (sizes > 0)[:, None] - first], axis=2).reshape(count, 2 * SPLITS, GROUPS)
    of_halves = _ratio(halves @ c, (halves @ sizes[:, :, None])[..., 0]).reshape(count, SPLITS, 2, -1)
    return Means(_ratio(c.sum(axis=1), sizes.sum(axis=1)), of_halves, _orders(harmonics))


def pictures_of(pictures: npt.NDArray[np.floating], harmonics: Harmonics) -> Means:
    """Images (k, w, w) without members, such as decoded ones; NaN outside the disc is ignored."""
    flat = np.where(harmonics.disc, pictures, 0).reshape(len(pictures), -1)
    whole = _complex(flat, harmonics)
    return Means(whole, np.full((len(whole), 1, 2, whole.shape[1]), np.nan, np.complex128), _orders(harmonics))


def symmetries(means: Means) -> list[Symmetry]:
    """Symmetry of every class."""
    turned = means.turned(means.whole, means.whole), means.turned(means.halves, means.halves)
    mirrored = means.mirrored(means.whole, means.whole), means.mirrored(means.halves, means.halves)
    mirror, error, best = _searched(*mirrored)
    again = means.turned(means.halves[:, :, 0], means.halves[:, :, 1])[..., 0].mean(axis=1)
    ceiling = np.maximum(2 * again / (1 + again), 0)
    found = []
    for i in range(len(means.whole)):
        turns = {}
        for n in ORDERS:
            at = STEPS // n
            turns[n] = Score(float(turned[0][i, at]), float(_error(turned[1][i, ..., at], 1 + ceiling[i])))
        best_mirror = Score(float(mirror[i]), float(error[i]))
        found.append(Symmetry(turns, best_mirror, float(best[i]) * np.pi / STEPS, float(ceiling[i])))
    return found


def alike_but_for_turns(means: Means) -> tuple[Array, Array]:
    """(k, k) correlation of classes at the best rotation, corrected for noise (Spearman 1904), and that rotation.

    The rotation maps the class of the column onto that of the row, radians in [-pi, pi). The correlation is NaN for a
    class whose halves are uncorrelated.
    """
    curves = np.stack([means.turned(one, means.whole) for one in means.whole])
    halves = means.turned(means.halves[:, :, 0], means.halves[:, :, 1])[..., 0].mean(axis=1)
    known = np.where(halves > 0, 2 * halves / (1 + halves), np.nan)
    turn = (curves.argmax(axis=-1) * 2 * np.pi / STEPS + np.pi) % (2 * np.pi) - np.pi
    return curves.max(axis=-1) / np.sqrt(known[:, None] * known), turn


def pairs(means: Means) -> Pairs:
    """Similarity of all pairs of classes."""
    rows: list[Array] = []
    for whole, halves in zip(means.whole, means.halves, strict=True):
        for compare in (means.turned, means.mirrored):
            rows += _searched(compare(whole, means.whole), compare(halves, means.halves))
    k = len(means.whole)
    turned, turned_error, turn, mirrored, mirrored_error, mirror = np.reshape(rows, (k, 6, k)).swapaxes(0, 1)
    turn = (turn * 2 * np.pi / STEPS + np.pi) % (2 * np.pi) - np.pi
    turn = np.where(np.isfinite(turned), turn, np.nan)
    return Pairs(turned, turned_error, turn, mirrored, mirrored_error, mirror * np.pi / STEPS)


def _searched(whole: Array, halves: Array) -> tuple[Array, Array, Array]:
    """Maximum of curves (k, STEPS) minus the search bias, its error and position; halves (k, s, 2, STEPS)."""
    held_out = np.take_along_axis(halves, halves.argmax(axis=-1)[..., ::-1, None], axis=-1)[..., 0]
    gain = np.nan_to_num((halves.max(axis=-1) - held_out).mean(axis=(-2, -1)))
    best = whole.max(axis=-1)
    return best - gain, _error(held_out, 2.0), np.where(np.isfinite(best), whole.argmax(axis=-1), np.nan)


def _error(halves: Array, times: float) -> Array:
    """Standard errors of scores from those (…, splits, 2) of halves, whose variance is `times` as large."""
    return np.asarray(np.sqrt(((halves[..., 0] - halves[..., 1]) ** 2).mean(axis=-1) / 2 / times), np.float64)


def _dealt(labels: Index, random: np.random.Generator) -> Index:
    """(N,) random group of every member of a class; group sizes within a class differ by at most one."""
    group = np.zeros(len(labels), np.int64)
    for number in range(int(labels.max(initial=-1)) + 1):
        members = random.permutation(np.flatnonzero(labels == number))
        group[members] = np.arange(len(members)) % GROUPS
    return group


def _half(random: np.random.Generator, groups: int) -> Array:
    """(splits, GROUPS) 1 for the groups in the first half, 0 for others."""
    first = np.zeros((SPLITS, GROUPS))
    for split in first:
        split[random.permutation(groups)[: groups // 2]] = 1
    return first


def _complex(flat: npt.NDArray[np.floating], harmonics: Harmonics) -> Complex:
    """(n, P) coefficients, without the mean, of pixels (n, w * w)."""
    real, minus_imaginary = np.split(flat @ harmonics.analysis.T, 2, axis=1)
    return np.asarray((real - 1j * minus_imaginary)[:, harmonics.frequencies > 0], np.complex128)


def _orders(harmonics: Harmonics) -> Index:
    return harmonics.orders[harmonics.frequencies > 0]


def _ratio(sums: Complex, counts: Array | Index) -> Complex:
    """Means from sums (…, P) and counts (…), NaN where the count is 0."""
    means = sums / np.maximum(counts, 1)[..., None]
    means[counts == 0] = np.nan
    return np.asarray(means, np.complex128)

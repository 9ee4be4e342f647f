"""Kinds of site from the Gaussians of a mixture, by the valleys between them and the positions of their atoms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.special import softmax

from local_crystallography.clustering.mixtures import Mixture, full_covariances, scatter_between
from local_crystallography.clustering.neighbours import NEIGHBOURS, TINY, like_neighbours, near_edge
from local_crystallography.fitting.evidence import repetition

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Verdict = Literal[
    "merged",
    "separated by density",
    "separated by position",
    "separated by appearance",
    "the same motif rotated",
    "the same motif",
]


class Seen(NamedTuple):
    """Similarity of the mean sub-images of k classes.

    Attributes
    ----------
    alike, turn
        (k, k) correlation of every two at the best rotation, corrected for noise, and that rotation, radians.
    lying
        (k, k) correlation without rotation.
    contrast
        (k,) norm of the mean sub-image of a class, without its mean.
    """

    alike: Array
    turn: Array
    lying: Array
    contrast: Array


Look = Callable[[Index], Seen]
"""Function from the class of every point, -1 for those to ignore, to the similarity of the classes."""

BROAD, THIN, FEW = 4.0, 0.1, 0.25
"""A Gaussian describes outliers if its volume, relative to the typical one, is above the first value, its density,
relative to the highest, below the second, and its weight below the third."""
BIN, SMOOTH = 0.05, 0.25
"""Bin width of the density between two Gaussians, and least width of its smoothing, in standard deviations."""
DEEP = 0.05
"""Valley below which two Gaussians are always separate."""
TUBE = 0.05
"""Fraction of the points of a Gaussian outside the tube in which the density is counted."""
VOTES = 5
"""Number of nearest points that vote on the class of an outlier."""
STEP = 0.7
"""Difference of the latents across the border of two regions, relative to that of all their atoms, that is a step."""
SMALL, REPEATED, NEAR = 0.1, 0.55, 0.03
"""A class with less than this fraction of the atoms is discarded as noise or a boundary if the repetition of its atoms,
relative to that of all, is below the second value, and the density on the way to another class above the third."""
ALIKE, CONTRAST = 0.99, 0.1
"""Correlation of the mean sub-images of two classes, corrected for noise, above which they show the same motif; and
largest relative difference of their contrast where neither is rotated."""
HARDLY = 0.2
"""Valley above which regions with the same motif are one kind whatever their contrast, as in a wedge."""
OTHER, SHALLOW, RIM = 0.975, 0.95, 0.3
"""Two classes are separate if the correlation of their motifs is below the first value, their valley below the second
and their atoms not mixed at random; unless this fraction of the atoms of one is near an edge, where motifs differ."""


@dataclass(frozen=True)
class Pair:
    """Decision on whether two classes are one kind of site, with its reasons.

    Parameters
    ----------
    sizes
        Numbers of atoms of the two at the time of the decision.
    valley
        Lowest density of the points between them, relative to the lower maximum: 1 for no valley.
    like, chance
        Fraction of the nearest atoms of both that belong to the class of an atom, and its value for a random order.
    verdict
        Decision.
    alike, turn
        Correlation of their mean sub-images at the best rotation, corrected for noise, and that rotation, radians; NaN
        where not computed.
    """

    sizes: tuple[int, int]
    valley: float
    like: float
    chance: float
    verdict: Verdict
    alike: float = float("nan")
    turn: float = float("nan")

    @property
    def words(self) -> str:
        """Reason, in a sentence."""
        one, other = self.sizes
        reason = f"{one:,} and {other:,} atoms: density between them {self.valley:.2f} of the lower maximum"
        if np.isfinite(self.like):
            reason += f", {self.like:.0%} like neighbours ({self.chance:.0%} by chance)"
        if np.isfinite(self.alike):
            turn = round(abs(np.degrees(self.turn)))
            rotated = f" when rotated by {turn} degrees" if turn else ""
            reason += f", correlation of mean sub-images {min(self.alike, 1):.3f}{rotated}"
        return f"{reason}: {self.verdict}."


@dataclass(frozen=True)
class Kinds:
    """Kinds of site of n points.

    Parameters
    ----------
    shares
        (n, k) probability of every kind.
    outliers
        (n,) whether a point belongs to a Gaussian of outliers or to a discarded class; it is assigned to the nearest
        kind.
    pairs
        Decisions on pairs of classes, the closest pairs first, without repetitions.
    turn
        (n,) radians to add to the angle of a point, for a common reference of merged classes that differ by a rotation.
    """

    shares: Array
    outliers: Mask
    pairs: tuple[Pair, ...]
    turn: Array


def kinds_of(
    points: Array, mixture: Mixture, yx: Array, *, classes: int | None, valley: float, look: Look | None = None
) -> Kinds:
    """Kinds of site of points (n, d), whose atoms are at (n, 2).

    Gaussians of outliers neither connect others nor form a kind. The others are merged where the points have no valley
    between them (Hennig 2010; here along the line that separates them best), since a bent or evenly filled ribbon needs
    several Gaussians; but not where their atoms alternate like sublattices, or fill separate regions. Small classes
    whose atoms follow no lattice are due to noise or a boundary and are discarded. Points without a kind are assigned
    to the nearest one. Classes whose mean sub-images (`look`) agree after a rotation are one kind, whatever their
    latents, and so are regions with the same motif, for which a network may have learned two motifs. With a number of
    `classes`, merging stops there or continues to it, see `fewer`.
    """
    density = log_density(points, mixture)
    cores = core(mixture, np.bincount(density.argmax(axis=1), minlength=density.shape[1]), at_least=classes or 1)
    own = cores[density[:, cores].argmax(axis=1)]
    outlying = ~np.isin(density.argmax(axis=1), cores)
    valleys = valleys_between(points, mixture, own, cores)
    kind, pairs = np.arange(len(cores)), []
    rank = np.where(outlying, -1, np.searchsorted(cores, own))
    seen = None if look is None or len(cores) < 2 else look(np.where(outlying, -1, middle(points, rank)))
    edge = near_edge(yx)
    order = np.column_stack(np.unravel_index(np.argsort(-valleys, axis=None), valleys.shape))
    for one, other in order[order[:, 0] < order[:, 1]].tolist():
        if kind[one] == kind[other] or valleys[one, other] < DEEP or (classes and len(np.unique(kind)) <= classes):
            continue
        first, second = (np.isin(own, cores[kind == kind[each]]) & ~outlying for each in (one, other))
        like, chance, clear = like_neighbours(yx, first, second)
        verdict: Verdict = "merged"
        if valleys[one, other] < valley:
            verdict = "separated by density"
        elif clear and valley_by_place(points, yx, first, second) < valley:
            verdict = "separated by position"
        elif clear and seen is not None and valleys[one, other] < SHALLOW and seen.alike[one, other] < OTHER:
            rims = max(float(edge[part].mean()) for part in (first, second))
            verdict = "separated by appearance" if rims < RIM else "merged"
        sizes = int(first.sum()), int(second.sum())
        looks = () if seen is None else (float(seen.alike[one, other]), float(seen.turn[one, other]))
        pairs.append(Pair(sizes, float(valleys[one, other]), like, chance, verdict, *looks))
        if verdict == "merged":
            kind[kind == kind[other]] = kind[one]
    kind = np.unique(kind, return_inverse=True)[1]
    label = kind[np.searchsorted(cores, own)]
    discarded = not_a_kind(points, label, outlying, yx, at_least=classes or 1)
    outlying |= np.isin(label, discarded)
    groups = [np.flatnonzero(kind == number) for number in range(kind.max() + 1) if number not in discarded]
    parts = [np.logaddexp.reduce(density[:, cores[group]], axis=1) for group in groups]
    shares = np.asarray(softmax(np.stack(parts, axis=1), axis=1), np.float64)
    if outlying.any() and not outlying.all():
        shares[outlying] = votes(points, shares, outlying)
    between = np.array([[valleys[np.ix_(one, other)].max() for other in groups] for one in groups])
    part, turn = shares.argmax(axis=1), np.zeros(len(groups))
    if look is not None and len(groups) > (classes or 1):
        label = np.where(outlying, -1, middle(points, part))
        into, turn, more = merged_by_motif(label, between, yx, look, at_least=classes or 1)
        pairs += more
        whole = [np.flatnonzero(into == number) for number in np.unique(into)]
        shares = np.stack([shares[:, group].sum(axis=1) for group in whole], axis=1)
        between = np.array([[between[np.ix_(one, other)].max() for other in whole] for one in whole])
    unique = tuple({(frozenset(pair.sizes), pair.verdict): pair for pair in reversed(pairs)}.values())[::-1]
    return Kinds(fewer(points, shares, between, classes or len(between)), outlying, unique, turn[part])


def merged_by_motif(
    label: Index, valleys: Array, yx: Array, look: Look, *, at_least: int
) -> tuple[Index, Array, list[Pair]]:
    """(k,) class into which each class merges by its motif, rotation (k,) from that class, and the merged pairs."""
    count = len(valleys)
    alike, turns, lying, contrast = look(label)
    into, turn, sizes = np.arange(count), np.zeros(count), np.bincount(label[label >= 0], minlength=count)
    pairs = []
    for one, other in zip(*np.unravel_index(np.argsort(-np.nan_to_num(alike), axis=None), alike.shape), strict=True):
        root, gone = into[one], into[other]
        if not alike[one, other] > ALIKE or len(np.unique(into)) <= at_least:
            break
        if root == gone or sizes[root] < sizes[gone]:
            continue
        like, chance, clear = like_neighbours(yx, label == one, label == other)
        rotated = lying[one, other] < ALIKE
        as_bright = abs(contrast[one] - contrast[other]) < CONTRAST * max(contrast[one], contrast[other])
        if not (rotated or (clear and like > chance and (as_bright or valleys[one, other] > HARDLY))):
            continue
        verdict: Verdict = "the same motif rotated" if rotated else "the same motif"
        measured = float(valleys[one, other]), like, chance
        found = float(alike[one, other]), float(turns[other, one])
        pairs.append(Pair((int(sizes[one]), int(sizes[other])), *measured, verdict, *found))
        members = into == gone
        turn[members] += turns[other, one] + turn[one] - turn[other]
        into[members] = root
    return into, turn, pairs


def middle(points: Array, label: Index) -> Index:
    """Class of the points in the central half of every class, about its median; -1 for the others."""
    kept = np.full(len(label), -1)
    for number in np.unique(label):
        rows = np.flatnonzero(label == number)
        away = np.abs(points[rows] - np.median(points[rows], axis=0))
        distance = (away / np.maximum(np.median(away, axis=0), 1e-12)).max(axis=1)
        kept[rows[distance <= np.median(distance)]] = number
    return kept


def fewer(points: Array, shares: Array, valleys: Array, classes: int) -> Array:
    """(n, classes) probabilities after merging to at most that number of classes.

    The pair with the shallowest of the valleys (k, k) is merged first. Where all valleys are deep, the pair with the
    least increase in scatter is merged (Ward 1963), as the depth says nothing about distant classes, and a small class
    would survive two large ones.
    """
    valleys = valleys.copy()
    np.fill_diagonal(valleys, -1)
    while shares.shape[1] > classes:
        into, gone = np.unravel_index(valleys.argmax(), valleys.shape)
        if valleys[into, gone] < DEEP:
            apart = scatter_between(shares, points)
            into, gone = np.unravel_index(apart.argmin(), apart.shape)
        shares[:, into] += shares[:, gone]
        valleys[into] = valleys[:, into] = np.maximum(valleys[into], valleys[gone])
        valleys[into, into] = -1
        shares, valleys = (np.delete(part, gone, axis=1) for part in (shares, valleys))
        valleys = np.delete(valleys, gone, axis=0)
    return shares


def core(mixture: Mixture, sizes: Index, *, at_least: int) -> Index:
    """Gaussians that are neither empty nor outliers (broad, of low density and weight); at least some number of them.

    `sizes` (K,) are the numbers of points of each.
    """
    weight = np.asarray(mixture.weights_, float)
    volume = np.sqrt(np.linalg.det(full_covariances(mixture)))
    order = np.argsort(volume)
    usual = volume[order][np.searchsorted(np.cumsum(weight[order]), 0.5 * weight.sum())]
    top = np.where(sizes > 0, weight / np.maximum(volume, 1e-300), 0)
    broad = (volume > BROAD * usual) & (top < THIN * top.max()) & (weight < FEW)
    score = np.where(sizes == 0, -1.0, np.where(broad, 0.0, 1.0)) + 1e-6 * weight
    kept = max(int((score > 0.5).sum()), min(at_least, len(score)))
    return np.sort(np.argsort(-score, kind="stable")[:kept])


def log_density(points: Array, mixture: Mixture) -> Array:
    """(n, K) logarithm of the weighted density of every Gaussian at points (n, d)."""
    columns = []
    for weight, mean, covariance in zip(mixture.weights_, mixture.means_, full_covariances(mixture), strict=True):
        lower = np.linalg.cholesky(covariance)
        away = np.linalg.solve(lower, (points - mean).T)
        scale = np.log(np.diag(lower)).sum() + 0.5 * len(mean) * np.log(2 * np.pi)
        columns.append(np.log(max(weight, 1e-300)) - scale - 0.5 * (away**2).sum(axis=0))
    return np.stack(columns, axis=1)


def valleys_between(points: Array, mixture: Mixture, own: Index, cores: Index) -> Array:
    """(K, K) valleys of the points (n, d) between all pairs of some Gaussians, see `Pair.valley`; symmetric."""
    covariances, sizes = full_covariances(mixture), np.bincount(own, minlength=len(mixture.weights_))
    found = np.zeros((len(cores), len(cores)))
    for i, one in enumerate(cores):
        for j, other in enumerate(cores[:i]):
            fraction = sizes[one] / max(sizes[one] + sizes[other], 1)
            within = fraction * covariances[one] + (1 - fraction) * covariances[other]
            found[i, j] = found[j, i] = valley_along(points, mixture.means_[one], mixture.means_[other], within)
    return found


def valley_along(points: Array, start: Array, end: Array, within: Array) -> float:
    """Lowest density of points (n, d) along a line from `start` to `end`, relative to the lower of the two maxima.

    Only points in a tube around the line count, whose width is that of the covariance (d, d) within the two. The lowest
    density is raised and the maximum lowered by a standard error, so that few points do not form a valley by chance.
    """
    from scipy.stats import chi2  # late, since it takes a third of a second

    lower = np.linalg.cholesky(within)
    at, way = np.linalg.solve(lower, (points - start).T).T, np.linalg.solve(lower, end - start)
    length = float(np.linalg.norm(way))
    if length < BIN:
        return 1.0
    along = at @ way / length
    aside = np.sqrt(np.maximum((at**2).sum(axis=1) - along**2, 0))
    inside = along[aside < np.sqrt(chi2.isf(TUBE, max(1, points.shape[1] - 1)))]
    width = max(SMOOTH, 0.45 * max(len(inside), 1) ** -0.2)
    margin = 4 * width
    counts = np.histogram(inside, np.arange(-margin, length + margin + BIN, BIN))[0].astype(float)
    smooth = ndimage.gaussian_filter1d(counts, width / BIN, mode="constant")
    density = smooth[round(margin / BIN) : round((margin + length) / BIN) + 1]
    tops = np.minimum(np.maximum.accumulate(density), np.maximum.accumulate(density[::-1])[::-1])
    error = 1 / np.sqrt(2 * np.sqrt(np.pi) * width / BIN)  # standard error of a count of 1 after smoothing
    lowest, lower = density + error * np.sqrt(density), tops - error * np.sqrt(tops)
    return float(np.clip(lowest / np.maximum(lower, 1e-12), 0, 1).min())


def valley_by_place(points: Array, yx: Array, first: Mask, second: Mask) -> float:
    """Deeper valley between two classes in the local mean of the latents, or in the difference from it.

    The mean over neighbours distinguishes regions, if the latents step at their border; the difference from it
    distinguishes sublattices. Slow variations over the image, or random ones from atom to atom, do neither.
    """
    rows = np.flatnonzero(first | second)
    one = first[rows]
    within = one.mean() * np.cov(points[first].T) + (1 - one.mean()) * np.cov(points[second].T)
    within = np.atleast_2d(within) + 1e-9 * np.eye(points.shape[1])
    along = points[rows] @ np.linalg.solve(within, points[second].mean(axis=0) - points[first].mean(axis=0))
    near = cKDTree(yx[rows]).query(yx[rows], NEIGHBOURS + 1)[1][:, 1:]
    found, border = [1.0], (one[near] != one[:, None]).any(axis=1)
    meets = (one & border).any() and (~one & border).any()
    step = (
        (along[~one & border].mean() - along[one & border].mean()) / (along[~one].mean() - along[one].mean())
        if meets
        else 0.0
    )
    around = along[near]
    for values, steps in (
        ((along + around.sum(axis=1)) / (NEIGHBOURS + 1), step > STEP),
        (along - around.mean(axis=1), True),
    ):
        spread = one.mean() * values[one].var() + (1 - one.mean()) * values[~one].var()
        start, end = (np.array([values[part].mean()]) for part in (one, ~one))
        if steps:
            found.append(valley_along(values[:, None], start, end, np.array([[max(spread, 1e-12)]])))
    return min(found)


def not_a_kind(points: Array, label: Index, outlying: Mask, yx: Array, *, at_least: int) -> Index:
    """Classes to discard: small, close to another one and without a lattice, the smallest first; `at_least` remain."""
    sizes = np.bincount(label[~outlying], minlength=label.max() + 1)
    whole = repeated(yx)
    gone: list[int] = []
    for number in np.argsort(sizes, kind="stable").tolist():
        if len(sizes) - len(gone) <= at_least or sizes[number] > max(SMALL * len(label), TINY):
            break
        mine = (label == number) & ~outlying
        if sizes[number] < TINY or (repeated(yx[mine]) < REPEATED * whole and nearness(points, label, mine) > NEAR):
            gone.append(number)
    return np.array(gone, int)


def nearness(points: Array, label: Index, mine: Mask) -> float:
    """Highest relative density along the lines from a class to the others, each at its lowest point."""
    own, most = points[mine], 0.0
    for other in np.unique(label[~mine]):
        theirs = points[(label == other) & ~mine]
        if len(theirs) > points.shape[1]:
            fraction = len(own) / (len(own) + len(theirs))
            within = fraction * np.cov(own.T) + (1 - fraction) * np.cov(theirs.T)
            within = np.atleast_2d(within) + 1e-6 * np.eye(points.shape[1])
            most = max(most, valley_along(points, own.mean(axis=0), theirs.mean(axis=0), within))
    return most


def repeated(yx: Array) -> float:
    """Repetition of positions (n, 2), 0 where they do not extend in both directions."""
    return repetition(yx) if len(yx) > 1 and np.ptp(yx, axis=0).all() else 0.0


def votes(points: Array, shares: Array, outlying: Mask) -> Array:
    """(m, k) probabilities of outlying points: the mean of those of the nearest points that are not outliers."""
    inner = ~outlying
    near = cKDTree(points[inner]).query(points[outlying], min(VOTES, int(inner.sum())))[1]
    return np.asarray(shares[inner][near.reshape(int(outlying.sum()), -1)].mean(axis=1))

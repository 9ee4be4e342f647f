"""Clustering methods, all with the same kind of result."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from local_crystallography.clustering.mixtures import far, means_of, nearest_distance, normalised_entropy, scatter

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

NEIGHBOURS = 10
"""Number of nearest points that vote on a point, for methods without probabilities, and that define its density."""
TREE = 5000
"""Most points in the tree of agglomeration; memory and time increase with their square."""
DENSE = 10_000
"""Most points in the tree of HDBSCAN; time increases with their square."""


@dataclass(frozen=True)
class Classes:
    """Class of every point.

    Parameters
    ----------
    label
        (n,) class, 0 to k - 1; -1 for none.
    shares
        (n, k) probability of every class; the sum is below 1 where a point may belong to none.
    outlying
        (n,) points that match no class, though they may be assigned to the nearest; None if the method has no outliers.
    """

    label: Index
    shares: Array
    outlying: Mask | None = None

    @classmethod
    def likeliest(cls, shares: Array) -> Classes:
        """Classes with every point in its most probable class."""
        return cls(shares.argmax(axis=1), shares)

    @property
    def probability(self) -> Array:
        """(n,) probability of the class of every point; NaN without one."""
        own = np.take_along_axis(self.shares, np.maximum(self.label, 0)[:, None], axis=1)[:, 0]
        return np.where(self.label < 0, np.nan, own)

    @property
    def entropy(self) -> Array:
        """(n,) 0 where the class is certain, 1 where all are equally probable; NaN without one."""
        return np.where(self.label < 0, np.nan, normalised_entropy(self.shares))

    def without(self, outliers: Mask) -> Classes:
        """Classes with some points removed from theirs."""
        return replace(self, label=np.where(outliers, -1, self.label))

    def by_size(self) -> Classes:
        """Classes numbered by decreasing size."""
        count = np.bincount(self.label[self.label >= 0], minlength=self.shares.shape[1])
        first = np.argsort(-count, kind="stable")
        label = np.append(np.argsort(first), -1)[self.label]
        return replace(self, label=label, shares=self.shares[:, first])


def by_k_means(points: Array, *, classes: int, n_init: int, seed: int, start: Array | None = None) -> Classes:
    """k-means of (n, d) points, started at (K, d) means if given.

    Probabilities are those of spherical Gaussians with equal weights and the mean variance within classes, of which
    k-means is the limit.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    init, n_init = ("k-means++", n_init) if start is None else (start, 1)
    with threadpool_limits(1):
        means = KMeans(classes, init=init, n_init=n_init, random_state=seed).fit(points)
    distance = cdist(points, means.cluster_centers_, "sqeuclidean")
    variance = max(float(distance.min(axis=1).mean()) / points.shape[1], 1e-12)
    power = (distance.min(axis=1, keepdims=True) - distance) / (2 * variance)
    weight = np.exp(power)
    return Classes.likeliest(weight / weight.sum(axis=1, keepdims=True))


def by_agglomeration(points: Array, *, classes: int, seed: int) -> Classes:
    """Ward's tree of (n, d) points, cut at a number of classes; of a sample if there are many points."""
    from sklearn.cluster import AgglomerativeClustering

    rows = np.random.default_rng(seed).permutation(len(points))[:TREE]
    if len(rows) < 2:
        return Classes.likeliest(np.ones((len(points), 1)))
    found = AgglomerativeClustering(classes).fit_predict(points[rows])
    return voted(points, points[rows], found)


def by_hdbscan(points: Array, *, smallest: float, seed: int) -> Classes:
    """HDBSCAN of (n, d) points: classes are dense regions of any shape, and points between them belong to none.

    Campello, Moulavi and Sander, PAKDD 2013, 160. It uses a sample if there are many points. A single class is only
    found where there are not two.

    Parameters
    ----------
    smallest
        Fraction of the points in the smallest class.
    """
    from sklearn.cluster import HDBSCAN

    rows = np.random.default_rng(seed).permutation(len(points))[:DENSE]
    size = min(max(round(smallest * len(rows)), 5), len(rows))
    found = np.full(len(rows), -1)
    for single in (False, True):
        if (found < 0).all() and size > 1:
            tree = HDBSCAN(size, min_samples=min(NEIGHBOURS, size), allow_single_cluster=single, copy=True)
            found = tree.fit_predict(points[rows])
    return voted(points, points[rows], found)


def voted(points: Array, known: Array, labels: Index) -> Classes:
    """Classes of all points from their nearest known one (-1: none), with probabilities from the nearest ten."""
    from scipy.spatial import cKDTree

    count = min(NEIGHBOURS, len(known))
    near = np.reshape(cKDTree(known).query(points, count)[1], (len(points), count))
    votes = labels[near]
    k = max(int(labels.max()) + 1, 1)
    shares = np.stack([(votes == number).mean(axis=1) for number in range(k)], axis=1)
    return Classes(votes[:, 0], shares)


def outside(points: Array, label: Index, *, tail: float) -> Mask:
    """(n,) whether points lie beyond the quantile 1 - `tail` of every class, taken as a Gaussian."""
    if not (label >= 0).any():
        return np.zeros(len(points), bool)
    means = means_of(points, label)
    numbers = np.unique(label[label >= 0])
    spread = np.stack([scatter(points[label == number], mean) for number, mean in zip(numbers, means, strict=True)])
    return far(nearest_distance(points, means, spread), dimensions=points.shape[1], tail=tail)

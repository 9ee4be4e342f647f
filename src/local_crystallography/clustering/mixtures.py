"""Gaussian mixtures of points: initialisation for elongated groups, number of components, merging to classes."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from local_crystallography.data.progress import Job, Progress

if TYPE_CHECKING:
    from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
T = TypeVar("T")
Covariance = Literal["full", "tied", "diagonal", "spherical"]
Criterion = Literal["BIC", "ICL"]
Mixture: TypeAlias = "GaussianMixture | BayesianGaussianMixture"

SAMPLE = 1000
"""Number of points sufficient to find initial values of mixtures."""
JUDGED = 5000
"""Number of points sufficient to compare numbers of components."""
BAYESIAN = 10_000
"""Number of points to which a Bayesian mixture is fitted, as it has no initial values."""
LEAST = 1e-6
"""Weight of a component below which it is empty."""
NARROWEST = 1e-4
"""Regularisation added to every variance, in units of that of the column."""


@dataclass(frozen=True)
class Shape:
    """Settings of a mixture: kind of covariance, number of initialisations, and their random seed."""

    covariance: Covariance
    n_init: int
    seed: int

    @property
    def kind(self) -> str:
        """Name of the covariance in scikit-learn."""
        return "diag" if self.covariance == "diagonal" else self.covariance


@dataclass(frozen=True)
class CriterionCurve:
    """Information criteria of mixtures of 1, 2, … components; the lowest value is best.

    Parameters
    ----------
    components
        (m,) numbers of components.
    bic
        (m,) Bayesian information criterion of each (Schwarz, Ann. Stat. 6, 461 (1978)).
    icl
        (m,) integrated completed likelihood: BIC and twice the entropy of the classes (Biernacki, Celeux and Govaert,
        IEEE Trans. Pattern Anal. Mach. Intell. 22, 719 (2000)), which counts components that overlap as one.
    """

    components: Index
    bic: Array
    icl: Array

    def best(self, criterion: Criterion) -> int:
        """Number of components with the lowest value."""
        return int(self.components[np.argmin(self.icl if criterion == "ICL" else self.bic)])


class Last(Generic[T]):
    """Cache of the last results of slow functions that Cluster, its panel and the report share."""

    def __init__(self) -> None:
        self._known: dict[Hashable, T] = {}

    def get(self, key: Hashable) -> T | None:
        """Cached result, or None."""
        return self._known.get(key)

    def keep(self, key: Hashable, result: T) -> T:
        """Cache a result, and drop the oldest."""
        self._known[key] = result
        while len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
        return result


KEPT = 8
"""Number of cached results."""
CURVES: Last[CriterionCurve] = Last()
FITS: Last[GaussianMixture] = Last()


def fit(points: Array, *, components: int, shape: Shape) -> GaussianMixture:
    """Best of several mixtures; it is cached and must not be modified.

    Random initialisations on a sample find elongated groups side by side, which k-means would cut across; the best is
    then fitted to all points.
    """
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    key = digest(points), components, shape
    if (known := FITS.get(key)) is not None:
        return known
    sample = points[np.random.default_rng(shape.seed).permutation(len(points))[:SAMPLE]]
    first = GaussianMixture(
        components,
        covariance_type=shape.kind,
        n_init=shape.n_init,
        # From single points, a common covariance would start as that of all points, and stay there.
        init_params="kmeans" if shape.covariance == "tied" else "random_from_data",
        random_state=shape.seed,
        reg_covar=NARROWEST,
        max_iter=200,
    )
    with threadpool_limits(1):  # for matrices of a few columns threads only wait for each other
        first.fit(sample)
        start = {"weights_init": first.weights_, "means_init": first.means_, "precisions_init": first.precisions_}
        best = GaussianMixture(
            components, covariance_type=shape.kind, reg_covar=NARROWEST, max_iter=300, random_state=shape.seed, **start
        )
        return FITS.keep(key, best.fit(points))


def digest(points: Array) -> str:
    """Hash of points (n, d)."""
    return f"{points.shape} {sha256(points.tobytes()).hexdigest()}"


def fit_from(points: Array, given: Index, *, shape: Shape) -> GaussianMixture:
    """Mixture with one component per given class, started at the means of their points.

    Parameters
    ----------
    given
        (n,) class of every point, -1 for none; components are in increasing order of these numbers.

    Notes
    -----
    Points are assigned to the nearest mean for the initial covariances, as a handful of labelled points is too few.
    """
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    means = means_of(points, given)
    with threadpool_limits(1):
        nearest = cdist(points, means).argmin(axis=1)
        count = np.bincount(nearest, minlength=len(means))
        within = np.stack([scatter(points[nearest == k], means[k]) for k in range(len(means))])
        start = {"weights_init": count / len(points), "means_init": means}
        start["precisions_init"] = precisions(within, count, kind=shape.kind)
        best = GaussianMixture(
            len(means), covariance_type=shape.kind, reg_covar=NARROWEST, max_iter=300, random_state=shape.seed, **start
        )
        return best.fit(points)


def means_of(points: Array, given: Index) -> Array:
    """(K, d) mean of the points of every class, by increasing number, without -1."""
    return np.stack([points[given == number].mean(axis=0) for number in np.unique(given[given >= 0])])


def scatter(points: Array, mean: Array) -> Array:
    """(d, d) covariance of points about a mean; a narrow spherical one where there are no points."""
    away = points - mean
    return np.asarray(away.T @ away / max(len(points), 1) + NARROWEST * np.eye(len(mean)), np.float64)


def precisions(covariances: Array, count: Index, *, kind: str) -> Array:
    """Inverse of (K, d, d) covariances of classes of some sizes, in the shape that scikit-learn expects for a kind."""
    if kind == "tied":
        return np.asarray(np.linalg.inv(np.average(covariances, axis=0, weights=count)), np.float64)
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    if kind == "diag":
        return np.asarray(1 / variances, np.float64)
    if kind == "spherical":
        return np.asarray(1 / variances.mean(axis=1), np.float64)
    return np.asarray(np.linalg.inv(covariances), np.float64)


def fit_bayesian(points: Array, *, components: int, shape: Shape) -> BayesianGaussianMixture:
    """Mixture with a Dirichlet process prior, in which unneeded components stay empty.

    It is fitted to a sample if there are many points.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import BayesianGaussianMixture
    from threadpoolctl import threadpool_limits

    sample = points[np.random.default_rng(shape.seed).permutation(len(points))[:BAYESIAN]]
    prior = None
    if shape.covariance in ("full", "tied"):  # that of scikit-learn has no inverse where columns depend on each other
        prior = np.atleast_2d(np.cov(sample.T)) + NARROWEST * np.eye(points.shape[1])
    mixture = BayesianGaussianMixture(
        n_components=components,
        covariance_type=shape.kind,
        n_init=1,
        covariance_prior=prior,
        random_state=shape.seed,
        reg_covar=NARROWEST,
        max_iter=300,
    )
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # emptying a component takes long and changes little
        return mixture.fit(sample)


def criterion_curve(points: Array, *, shape: Shape, most: int = 10, sample: int = JUDGED) -> Job[CriterionCurve]:
    """BIC and ICL of mixtures of 1 to at most `most` components, on a sample of the points (n, d).

    Numbers with fewer than 5 points per component are left out. Stopped early, the job returns the numbers tried so
    far.
    """
    from threadpoolctl import threadpool_limits

    part = points[np.random.default_rng(shape.seed).permutation(len(points))[:sample]]
    components = np.arange(1, min(most, len(part) // 5 or 1) + 1)
    key = digest(part), shape, len(components)
    if (known := CURVES.get(key)) is not None:
        return known
    bic: list[float] = []
    icl: list[float] = []
    for count in components.tolist():
        stop = yield Progress(len(bic) / len(components), f"Trying {count} of {len(components)} components …")
        if stop and bic:
            break
        mixture = fit(part, components=count, shape=shape)
        with threadpool_limits(1):
            bic.append(float(mixture.bic(part)))
            icl.append(bic[-1] + 2 * float(entropy(mixture.predict_proba(part)).sum()))
    curve = CriterionCurve(components[: len(bic)], np.array(bic), np.array(icl))
    return CURVES.keep(key, curve) if len(bic) == len(components) else curve


def entropy(shares: Array) -> Array:
    """(n,) entropy of the rows of probabilities (n, k), which sum to 1, in nats."""
    return np.asarray(-(shares * np.log(np.maximum(shares, 1e-300))).sum(axis=1), np.float64)


def normalised_entropy(shares: Array) -> Array:
    """(n,) entropy of rows relative to that of equal probabilities: 0 for a certain class, 1 for an undecided one."""
    whole = shares.sum(axis=1, keepdims=True)
    even = np.full_like(shares, 1 / shares.shape[1])
    known = np.divide(shares, whole, out=even, where=whole > 0)
    share: Array = np.clip(entropy(known) / np.log(max(shares.shape[1], 2)), 0, 1)
    return share + 0.0  # not -0


def scatter_between(shares: Array, points: Array) -> Array:
    """(k, k) increase of the sum of squares within classes when two are merged; infinite on the diagonal."""
    sizes = np.maximum(shares.sum(axis=0), 1e-12)
    means = shares.T @ points / sizes[:, None]
    apart = cdist(means, means, "sqeuclidean") * sizes[:, None] * sizes / (sizes[:, None] + sizes)
    np.fill_diagonal(apart, np.inf)
    return np.asarray(apart, np.float64)


def nearest_distance(points: Array, means: Array, covariances: Array) -> Array:
    """(n,) squared Mahalanobis distance of points (n, d) to the nearest of Gaussians (K, d), (K, d, d)."""
    least = np.full(len(points), np.inf)
    for mean, covariance in zip(means, covariances, strict=True):
        away = np.linalg.solve(np.linalg.cholesky(covariance), (points - mean).T)
        least = np.minimum(least, (away**2).sum(axis=0))
    return least


def far(distance: Array, *, dimensions: int, tail: float) -> Mask:
    """(n,) whether only a fraction `tail` of the points of a Gaussian would exceed each squared distance."""
    from scipy.stats import chi2  # late, since it takes a third of a second

    return np.asarray(distance > chi2.isf(tail, dimensions), np.bool_)


def outside_mixture(points: Array, mixture: Mixture, *, tail: float) -> Mask:
    """(n,) whether points (n, d) lie beyond the quantile 1 - `tail` of every component.

    Components with hardly any points do not count.
    """
    used = mixture.weights_ > LEAST
    distance = nearest_distance(points, mixture.means_[used], full_covariances(mixture)[used])
    return far(distance, dimensions=points.shape[1], tail=tail)


def full_covariances(mixture: Mixture) -> Array:
    """(K, d, d) covariances of a mixture of any kind."""
    k, d = mixture.means_.shape
    given = np.asarray(mixture.covariances_, np.float64)
    if mixture.covariance_type == "full":
        return given
    if mixture.covariance_type == "tied":
        return np.broadcast_to(given, (k, d, d))
    return np.reshape(given, (k, -1))[:, :, None] * np.eye(d)

"""Clustering methods: a small model for each, with its parameters and what it makes of points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from local_crystallography.clustering.features import Points, different
from local_crystallography.clustering.kinds import Kinds, Look, kinds_of
from local_crystallography.clustering.methods import Classes, by_agglomeration, by_hdbscan, by_k_means, outside
from local_crystallography.clustering.mixtures import (
    Covariance,
    Criterion,
    Mixture,
    Shape,
    criterion_curve,
    fit,
    fit_bayesian,
    fit_from,
    means_of,
    outside_mixture,
)
from local_crystallography.data.columns import HAND_LABEL
from local_crystallography.data.errors import InputError
from local_crystallography.data.parameters import ADVANCED, Alternative
from local_crystallography.data.progress import Job

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

MOST = 10
"""Components up to which an automatic number goes."""
LARGEST = 50
"""Components, and so classes, that there can be."""

NumberOfClasses = Annotated[
    int | None,
    Field(
        ge=1,
        le=LARGEST,
        description="Number of classes; automatic: components merge where there is no valley between them.",
    ),
]
Starts = Annotated[int, Field(ge=1, le=1000, description="Number of starts.", json_schema_extra=ADVANCED)]
StartFrom = Annotated[
    Literal["random", "hand_label"],
    Field(description="Start at random, or from the classes assigned by hand, which keep their numbers."),
]


@dataclass(frozen=True)
class Taken:
    """Input of the classes: points, positions of their atoms (n, 2), and their sub-images where there are any."""

    points: Points
    yx: Array
    look: Look | None


class ClusterMethod(Alternative):
    """A method of clustering."""

    mixes: ClassVar[bool] = False
    """Whether classes are made of the components of a mixture."""

    @property
    def starts_by_hand(self) -> bool:
        """Whether it starts from the classes assigned by hand."""
        return False

    @property
    def counts(self) -> dict[str, int | None]:
        """The numbers of classes and of components, as far as the method has them."""
        return {name: getattr(self, name) for name in ("classes", "components") if name in type(self).model_fields}

    def with_counts(self, count: int) -> Self:
        """The same with all of these numbers set."""
        return self.replace(**dict.fromkeys(self.counts, count))

    def shape(self, seed: int) -> Shape:
        """The form of Gaussians that describe the points."""
        return GaussianMixture().shape(seed)

    def resolve(self, taken: Taken, seed: int) -> Job[Self]:
        """The same method with the number of classes that these points have, as Gaussians tell; a job."""
        if self.counts.get("classes", 1) is not None:
            return self
        shape = self.shape(seed)
        mixture = yield from GaussianMixture(covariance=shape.covariance, n_init=shape.n_init).resolve(taken, seed)
        return self.replace(classes=mixture.classes)

    def find(self, taken: Taken, *, seed: int, outliers: float = 0.0, given: Index | None = None) -> Classes:
        """The points in classes, started from classes (n,) given to some of them."""
        points = taken.points.at
        self.check(points)
        found = self._found(points, seed, given)
        return found.without(outside(points, found.label, tail=outliers)) if outliers else found

    def check(self, points: Array) -> None:
        """Whether classes can be made of points (n, d)."""
        classes = self.counts.get("classes") or 1
        if (most := different(points, at_least=classes)) < classes:
            raise InputError(
                f"{classes} classes cannot be made of {len(points)} atoms of which {most} differ in these columns; "
                f"choose at most {most}."
            )

    def _found(self, points: Array, seed: int, given: Index | None) -> Classes:
        raise NotImplementedError


class Mixtures(ClusterMethod):
    """Gaussians, of which classes are made."""

    mixes: ClassVar = True

    classes: NumberOfClasses = None
    components: int | None = Field(
        None,
        ge=1,
        le=LARGEST,
        description="Number of Gaussians, of which classes are made; automatic: up to 10, by the criterion.",
    )
    covariance: Covariance = Field(
        "full",
        description="Form of the Gaussians: any (full), any but the same for all (tied), along the columns (diagonal) "
        "or round (spherical).",
    )
    valley: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Automatic classes are separate where the density of points between them falls below this fraction "
        "of the lower of their maxima, or where their atoms alternate or fill separate regions.",
        json_schema_extra=ADVANCED,
    )
    n_init: Starts = 30

    def shape(self, seed: int) -> Shape:
        """The form of the Gaussians."""
        return Shape(self.covariance, self.n_init, seed)

    def resolve(self, taken: Taken, seed: int) -> Job[Self]:
        """The same with the numbers of components and of classes for these points; a job."""
        step = self.replace(components=(yield from self.count(taken.points.at, seed)))
        if step.classes is None:
            step = step.replace(classes=step.find(taken, seed=seed).shares.shape[1])
        return step

    def count(self, points: Array, seed: int) -> Job[int]:
        """The number of components; a job."""
        if self.components is not None:
            return self.components
        found = yield from self._count(points, seed)
        return max(found, min(self.classes or 1, len(points)))

    def find(self, taken: Taken, *, seed: int, outliers: float = 0.0, given: Index | None = None) -> Classes:
        """The points in classes, started from classes (n,) given to some of them."""
        points = taken.points.at
        self.check(points)
        mixture = self.fit(points, seed, given)
        kinds = self.kinds(taken, mixture)
        found = replace(Classes.likeliest(kinds.shares), outlying=kinds.outliers)
        return found.without(outside_mixture(points, mixture, tail=outliers)) if outliers else found

    def fit(self, points: Array, seed: int, given: Index | None = None) -> Mixture:
        """The Gaussians of points (n, d)."""
        raise NotImplementedError

    def kinds(self, taken: Taken, mixture: Mixture) -> Kinds:
        """Classes of the components of a mixture, and which of these merged."""
        return kinds_of(taken.points.at, mixture, taken.yx, classes=self.classes, valley=self.valley, look=taken.look)

    def check(self, points: Array) -> None:
        """Whether classes can be made of points (n, d)."""
        super().check(points)
        count, components = len(points), self.components or 1
        if self.classes is not None and components < self.classes:
            raise InputError(
                f"{self.classes} classes cannot be made of {components} components; choose more components."
            )
        if count < components:
            raise InputError(f"{components} components cannot be fitted to {count} atoms; choose at most {count}.")

    def _count(self, points: Array, seed: int) -> Job[int]:
        raise NotImplementedError


class GaussianMixture(Mixtures):
    """Clusters of any ellipsoidal form."""

    method: Literal["mixture"] = "mixture"
    criterion: Criterion = Field(
        "BIC",
        description="Criterion for the number of components; ICL counts those that overlap as one.",
        json_schema_extra=ADVANCED,
    )
    start_from: StartFrom = "random"

    @property
    def starts_by_hand(self) -> bool:
        """Whether it starts from the classes assigned by hand."""
        return self.start_from == HAND_LABEL

    def fit(self, points: Array, seed: int, given: Index | None = None) -> Mixture:
        """The Gaussians of points (n, d), started from classes (n,) where they are given."""
        if given is not None:
            return fit_from(points, given, shape=self.shape(seed))
        return fit(points, components=self.components or 1, shape=self.shape(seed))

    def _count(self, points: Array, seed: int) -> Job[int]:
        return (yield from criterion_curve(points, shape=self.shape(seed))).best(self.criterion)


class BayesianMixture(Mixtures):
    """The same with a Dirichlet prior, so that components that are not needed stay empty."""

    method: Literal["bayesian mixture"] = "bayesian mixture"

    def fit(self, points: Array, seed: int, given: Index | None = None) -> Mixture:
        """The Gaussians of points (n, d)."""
        return fit_bayesian(points, components=self.components or 1, shape=self.shape(seed))

    def kinds(self, taken: Taken, mixture: Mixture) -> Kinds:
        """Classes of the components that are not empty."""
        used = len(np.unique(mixture.predict(taken.points.at)))
        if self.classes is not None and used < self.classes:
            raise InputError(
                f"{self.classes} classes cannot be made of the {used} components the Bayesian mixture keeps; "
                "choose fewer, or the other mixture."
            )
        return super().kinds(taken, mixture)

    def _count(self, points: Array, seed: int) -> Job[int]:
        yield from ()
        return min(MOST, len(points))


class KMeans(ClusterMethod):
    """Round clusters of similar size."""

    method: Literal["k-means"] = "k-means"
    classes: NumberOfClasses = None
    start_from: StartFrom = "random"
    n_init: Starts = 30

    @property
    def starts_by_hand(self) -> bool:
        """Whether it starts from the classes assigned by hand."""
        return self.start_from == HAND_LABEL

    def shape(self, seed: int) -> Shape:
        """The form of Gaussians that describe the points."""
        return GaussianMixture(n_init=self.n_init).shape(seed)

    def _found(self, points: Array, seed: int, given: Index | None) -> Classes:
        start = None if given is None else means_of(points, given)
        return by_k_means(points, classes=self.classes or 1, n_init=self.n_init, seed=seed, start=start)


class Hdbscan(ClusterMethod):
    """Dense regions; the atoms between them are left unclassified."""

    method: Literal["HDBSCAN"] = "HDBSCAN"
    min_size: float = Field(0.01, gt=0, le=0.5, description="Smallest class, as a fraction of the atoms.")

    renamed: ClassVar = {"smallest": "min_size"}

    def _found(self, points: Array, seed: int, given: Index | None) -> Classes:
        return by_hdbscan(points, smallest=self.min_size, seed=seed)


class Agglomerative(ClusterMethod):
    """Branches of Ward's tree."""

    method: Literal["agglomerative"] = "agglomerative"
    classes: NumberOfClasses = None

    def _found(self, points: Array, seed: int, given: Index | None) -> Classes:
        return by_agglomeration(points, classes=self.classes or 1, seed=seed)

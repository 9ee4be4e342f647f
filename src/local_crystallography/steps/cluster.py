"""Columns to classes: by a Gaussian mixture over the latents, or otherwise."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from local_crystallography.clustering.cores import by_cores
from local_crystallography.clustering.directions import directed
from local_crystallography.clustering.environment import surrounded
from local_crystallography.clustering.features import (
    Points,
    different,
    features,
    latent_columns,
    positions,
    whole_numbers,
)
from local_crystallography.clustering.kinds import Kinds, Look, Pair, kinds_of
from local_crystallography.clustering.look import look_at
from local_crystallography.clustering.matching import labels_from, matched
from local_crystallography.clustering.methods import Classes, by_agglomeration, by_hdbscan, by_k_means, outside
from local_crystallography.clustering.mixtures import (
    Covariance,
    Criterion,
    CriterionCurve,
    Mixture,
    Shape,
    criterion_curve,
    fit,
    fit_bayesian,
    fit_from,
    means_of,
    outside_mixture,
)
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import HAND_LABEL, Column
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job, Progress, finish
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.base import ADVANCED, Step

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

ENCODED = r"z\d+|angle_rad"
"""Columns of Encode that classes are commonly made of."""
MOST = 10
"""Components up to which an automatic number goes."""
LARGEST = 50
"""Components, and so classes, that there can be."""


@dataclass(frozen=True)
class Taken:
    """What classes are made of: points, where their atoms are (n, 2), and a look at their sub-images where they are."""

    points: Points
    yx: Array
    look: Look | None


@dataclass(frozen=True, eq=False)
class Reasons:
    """Why classes are what they are: BIC and ICL against the number of components, and what merged to classes."""

    curve: CriterionCurve
    pairs: tuple[Pair, ...]


class Cluster(Step):
    """Sort the atoms into classes by a Gaussian mixture (Fig. 5c), or by another method."""

    renamed: ClassVar = {"smallest": "min_size"}
    needs: ClassVar = ("atoms", "sub_images?")
    makes: ClassVar = "atoms"
    adds: ClassVar = (
        Column("environment", "Where in its crystal the atom is: interior, boundary, edge or defect.", painted=True),
        Column("label", "Class of the atom, by falling size; -1 for none.", painted=True),
        Column("label_probability", "Probability of the class."),
        Column("label_entropy", "Entropy of the class probabilities: 0 certain, 1 all alike."),
        Column("borders_label", "Class on the other side of a boundary; -1 for none."),
        Column("direction_angle_rad", "Direction of the reference of the class in the image.", painted=True),
    )
    reads: ClassVar = ("measure_lattice", "encode", "describe")
    continues: ClassVar = True

    columns: tuple[str, ...] = Field(
        (),
        description="Columns to sort by; none: all latents, or without any the components of Describe. "
        "Each enters over its standard deviation, an angle (ending in _rad) as cosine and sine, classes (ending in "
        "label) as 1 and 0 for each.",
    )
    method: Literal["mixture", "bayesian mixture", "k-means", "HDBSCAN", "agglomerative"] = Field(
        "mixture",
        description="What classes are: clouds of Gaussians (mixture; bayesian: those not needed stay empty), round "
        "clouds (k-means), dense places (HDBSCAN, which leaves some atoms out), branches of a tree (agglomerative).",
    )
    classes: int | None = Field(
        None,
        ge=1,
        le=LARGEST,
        description="Number of classes; automatic: components merge where there is no valley between them.",
    )
    components: int | None = Field(
        None,
        ge=1,
        le=LARGEST,
        description="Gaussians of the mixture, of which classes are made; automatic: 1 to 10, by the lowest BIC.",
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
        description="Automatic classes are two where the density of points between them falls below this share of that "
        "at the lower top, or where their atoms alternate or fill separate regions.",
        json_schema_extra=ADVANCED,
    )
    start_from: Literal["random", "hand_label"] = Field(
        "random",
        description="Where mixture and k-means start: anywhere, or at the classes given by hand, which keep their "
        "numbers.",
    )
    outliers: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Outlier fraction: atoms beyond this quantile of every class are left unclassified; 0: none, "
        "except the noise of HDBSCAN.",
    )
    period: int | None = Field(
        None,
        ge=1,
        le=12,
        description="Rotational symmetry order used for angle columns, 4 for a square; automatic: that of each atom.",
        json_schema_extra=ADVANCED,
    )
    criterion: Criterion = Field(
        "BIC",
        description="What chooses the number of components; ICL counts those that overlap as one.",
        json_schema_extra=ADVANCED,
    )
    n_init: int = Field(
        30, ge=1, le=1000, description="Starts of mixture and k-means that are tried.", json_schema_extra=ADVANCED
    )
    min_size: float = Field(
        0.01,
        gt=0,
        le=0.5,
        description="Smallest class of HDBSCAN, as a share of the atoms.",
        json_schema_extra=ADVANCED,
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Start of the random numbers.")
    directions: tuple[Annotated[int, Field(ge=0, lt=360)], ...] = Field(
        (),
        description="Directions in the decoded images of classes 0, 1, …, in whole degrees counter-clockwise from the "
        "right; where they point in the image becomes the column direction_angle_rad. None: no such column.",
        json_schema_extra=ADVANCED,
    )
    zero: Literal["directions", "lattice"] = Field(
        "directions",
        description="Where direction_angle_rad is counted from: the directions above, or for all classes alike the "
        "cell of Measure lattice.",
        json_schema_extra=ADVANCED,
    )

    @model_validator(mode="before")
    @classmethod
    def _without_mistaken(cls, given: Any) -> Any:
        """Recipes of 0.1.0 hold `mistaken`, by which classes merged then."""
        return (
            {name: value for name, value in given.items() if name != "mistaken"} if isinstance(given, dict) else given
        )

    def uses(self, replaced: set[str]) -> bool:
        """What Describe has replaced is nothing to classes of columns that all are of the network, nor is the lattice
        where no angles are counted from it.

        Other sub-images are nothing to classes, but for the columns that are made of them.
        """
        if self.columns and all(re.fullmatch(ENCODED, name) for name in self.columns):
            replaced = replaced - {"describe"}
        if self.zero != "lattice":
            replaced = replaced - {"measure_lattice"}
        return super().uses(replaced - {"sub_images"})

    def resolve(self, atoms: Atoms, sub_images: SubImages | None = None) -> Cluster:
        """The same step with columns, components and classes as they are for these atoms."""
        return finish(self.resolving(atoms, sub_images))

    def resolving(self, atoms: Atoms, sub_images: SubImages | None = None) -> Job[Cluster]:
        """`resolve` as a job, which where it is stopped takes the best number of components tried so far."""
        step = self.model_copy(update={"columns": self.columns or latent_columns(atoms)})
        taken = step._taken(atoms, sub_images)
        if self.start_from == HAND_LABEL:
            count = len(step._given(atoms, taken.points)[0])
            return step.model_copy(update={"classes": count, **({"components": count} if self.mixes else {})})
        if self.mixes:
            return (yield from step._resolved_mixture(taken))
        if self.method == "HDBSCAN" or self.classes is not None:
            return step
        mixture = step.model_copy(update={"method": "mixture", "components": None})
        like = yield from mixture._resolved_mixture(taken)
        return step.model_copy(update={"classes": like.classes})

    def summary(self, result: Atoms) -> str:
        labels = result.features["label"]  # classes keep their numbers when others are merged
        return f"{labels[labels >= 0].nunique()} classes"

    def run(self, atoms: Atoms, sub_images: SubImages | None = None) -> Job[Atoms]:
        """The atoms with `label` (0, 1, … by falling size; -1 for none), `label_probability` and `label_entropy`; with
        `environment`, where in its crystal an atom is (`clustering.environment.Environment`); and with `borders_label`,
        the class on the other side of a boundary.

        Without a class are atoms with NaN in a column, the noise of HDBSCAN, and `outliers`; probability and entropy
        are then NaN. The entropy is that of the probabilities of all classes: 0 where the class is certain, 1 where all
        are as likely. Where the method has no probabilities, they are those of round Gaussians (k-means) or the shares
        of classes among the ten nearest points (HDBSCAN, agglomerative).

        Raises
        ------
        InputError
            Where a column is missing, constant or no number, or there are fewer atoms than components or classes, or
            fewer components than classes, or a setting does not go with the method.
        """
        yield Progress(0.0, "sorting atoms into classes …")
        step = self.resolve(atoms, sub_images)
        taken = step._taken(atoms, sub_images)
        rows = taken.points.rows
        if step.start_from == HAND_LABEL:
            numbers, given = step._given(atoms, taken.points)
            found = step._classes(taken, given)
        else:
            found = step._classes(taken).by_size()
            numbers = np.arange(found.shares.shape[1])
        label = np.full(len(atoms), -1)
        label[rows] = np.append(numbers, -1)[found.label]
        columns: dict[str, Any] = {"label": label}
        for name, values in (("label_probability", found.probability), ("label_entropy", found.entropy)):
            columns[name] = np.full(len(atoms), np.nan)
            columns[name][rows] = values
        outlying = np.zeros(len(atoms), bool)
        if found.outlying is not None:
            outlying[rows] = found.outlying
        made = surrounded(atoms.with_features(**columns), outlying)
        if sub_images is not None and self.mixes and self.start_from != HAND_LABEL:
            made = surrounded(by_cores(made, sub_images), outlying)
        return self._directed(made)

    def continued(self, made: Atoms, last: Atoms) -> Atoms:
        """The atoms as called, with the class numbers of the last time; those given by hand stay as they are."""
        if self.start_from == HAND_LABEL or "label" not in last.features:
            return made
        label = made.features["label"].to_numpy(np.int64)
        new = matched(label, labels_from(made, last, "label"))
        number = np.full(int(label.max(initial=-1)) + 2, -1)  # a class without a number has the last place
        number[label] = new
        beyond = number[made.features["borders_label"].to_numpy(np.int64)]
        return self._directed(made.with_features(label=new, borders_label=beyond))

    def kinds(self, atoms: Atoms, sub_images: SubImages | None = None) -> Kinds:
        """What the classes of the mixture are made of, and why: `pairs` tell which merged and which are apart.

        Raises
        ------
        InputError
            As of the call, and for a method without a mixture.
        """
        step = self.model_copy(update={"columns": self.columns or latent_columns(atoms)})
        if not step.mixes:
            raise InputError(f"The method {step.method} merges no components; take mixture to see which do.")
        taken = step._taken(atoms, sub_images)
        step = step.model_copy(update={"components": finish(step._components(taken.points.at))})
        step._check(taken.points.at)
        return step._kinds(taken, step._mixture(taken.points.at, None))

    def reasons(self, atoms: Atoms, sub_images: SubImages | None = None) -> Job[Reasons]:
        """Why these are the classes: the criterion, and what was decided of every pair; a job, quick after the call.

        Raises
        ------
        InputError
            As of the call.
        """
        curve = yield from self.curve(atoms)
        automatic = self.mixes and self.start_from != HAND_LABEL
        return Reasons(curve, self.kinds(atoms, sub_images).pairs if automatic else ())

    def curve(self, atoms: Atoms) -> Job[CriterionCurve]:
        """BIC and ICL against the number of components, for these atoms; a job, as `criterion_curve`.

        Raises
        ------
        InputError
            As of the call.
        """
        step = self.model_copy(update={"columns": self.columns or latent_columns(atoms)})
        return (yield from criterion_curve(step._points(atoms).at, shape=self._shape))

    def _directed(self, atoms: Atoms) -> Atoms:
        if not self.directions and self.zero == "directions":
            return atoms
        return directed(atoms, self.directions, lattice=self.zero == "lattice")

    @property
    def mixes(self) -> bool:
        """Whether classes are made of the components of a mixture."""
        return self.method in ("mixture", "bayesian mixture")

    @property
    def _shape(self) -> Shape:
        return Shape(self.covariance, self.n_init, self.seed)

    def _points(self, atoms: Atoms) -> Points:
        return features(atoms, self.columns, period=self.period)

    def _taken(self, atoms: Atoms, sub_images: SubImages | None) -> Taken:
        points = self._points(atoms)
        look = None if sub_images is None else look_at(sub_images, atoms, points.rows)
        return Taken(points, positions(atoms, points.rows), look)

    def _resolved_mixture(self, taken: Taken) -> Job[Cluster]:
        """The same step with the number of components, and of the classes made of them, for these points."""
        components = yield from self._components(taken.points.at)
        step = self.model_copy(update={"components": components})
        if step.classes is None:
            step = step.model_copy(update={"classes": step._classes(taken).shares.shape[1]})
        return step

    def _components(self, points: Array) -> Job[int]:
        """The number of components, which is that of the lowest criterion unless it is given."""
        if self.components is not None:
            return self.components
        if self.method == "mixture":
            found = (yield from criterion_curve(points, shape=self._shape)).best(self.criterion)
        else:
            found = min(MOST, len(points))
        return max(found, min(self.classes or 1, len(points)))

    def _classes(self, taken: Taken, given: Index | None = None) -> Classes:
        """The points in classes, started at classes (n,) given to some of them."""
        points = taken.points.at
        self._check(points)
        if self.mixes:
            mixture = self._mixture(points, given)
            kinds = self._kinds(taken, mixture)
            found = replace(Classes.likeliest(kinds.shares), outlying=kinds.outliers)
            if not self.outliers:
                return found
            return found.without(outside_mixture(points, mixture, tail=self.outliers))
        if self.method == "HDBSCAN":
            found = by_hdbscan(points, smallest=self.min_size, seed=self.seed)
        elif self.method == "agglomerative":
            found = by_agglomeration(points, classes=self.classes or 1, seed=self.seed)
        else:
            start = None if given is None else means_of(points, given)
            found = by_k_means(points, classes=self.classes or 1, n_init=self.n_init, seed=self.seed, start=start)
        return found.without(outside(points, found.label, tail=self.outliers)) if self.outliers else found

    def _mixture(self, points: Array, given: Index | None) -> Mixture:
        if given is not None:
            return fit_from(points, given, shape=self._shape)
        make = fit if self.method == "mixture" else fit_bayesian
        return make(points, components=self.components or 1, shape=self._shape)

    def _kinds(self, taken: Taken, mixture: Mixture) -> Kinds:
        """Classes of the components of a mixture; those of a Bayesian one that are empty are none."""
        points = taken.points.at
        if self.method == "bayesian mixture" and self.classes is not None:
            used = len(np.unique(mixture.predict(points)))
            if used < self.classes:
                raise InputError(
                    f"{self.classes} classes cannot be made of the {used} components the Bayesian mixture keeps; ask "
                    "for fewer, or take the other mixture."
                )
        return kinds_of(points, mixture, taken.yx, classes=self.classes, valley=self.valley, look=taken.look)

    def _check(self, points: Array) -> None:
        """Whether classes can be made of points (n, d)."""
        count, most = len(points), different(points, at_least=self.classes or 1)
        if most < (self.classes or 1) and self.method != "HDBSCAN":
            raise InputError(
                f"{count} atoms came for {self.classes} classes, {most} of them with different numbers in the columns; "
                f"ask for at most {most}."
            )
        if self.mixes:
            components = self.components or 1
            if self.classes is not None and components < self.classes:
                raise InputError(
                    f"{self.classes} classes cannot be made of {components} components; ask for more components."
                )
            if count < components:
                raise InputError(f"{count} atoms came for {components} components; ask for at most {count}.")
        elif self.method == "HDBSCAN" and self.classes is not None:
            raise InputError(
                f"{self.classes} classes were asked for, HDBSCAN finds the number itself; leave it automatic."
            )

    def _given(self, atoms: Atoms, points: Points) -> tuple[Index, Index]:
        """Numbers of the classes given by hand, and (n,) of every point which of those it has; -1 for none."""
        hand = whole_numbers(atoms, HAND_LABEL)[points.rows]
        numbers = np.unique(hand[hand >= 0])
        if self.method not in ("mixture", "k-means"):
            raise InputError(f"The method {self.method} has no start; take mixture or k-means, or start from random.")
        if not len(numbers):
            raise InputError(
                f"No atom with latents has a class given by hand, a column {HAND_LABEL} was expected to start from; "
                "select atoms and press a number, or start from random."
            )
        if len(numbers) > LARGEST:
            raise InputError(f"{len(numbers)} classes are given by hand, at most {LARGEST} can be; take some away.")
        for name, wanted in (("classes", self.classes), ("components", self.components if self.mixes else None)):
            if wanted not in (None, len(numbers)):
                raise InputError(
                    f"{wanted} {name} were asked for, {len(numbers)} are given by hand; leave {name} automatic."
                )
        return numbers, np.where(hand < 0, -1, np.searchsorted(numbers, hand))

"""Columns to classes: by a Gaussian mixture over the latents, or otherwise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidatorFunctionWrapHandler, field_validator, model_validator

from local_crystallography.clustering.alternatives import (
    LARGEST,
    Agglomerative,
    BayesianMixture,
    GaussianMixture,
    Hdbscan,
    KMeans,
    Taken,
)
from local_crystallography.clustering.cores import by_cores
from local_crystallography.clustering.directions import directed
from local_crystallography.clustering.environment import surrounded
from local_crystallography.clustering.features import Points, features, latent_columns, positions, whole_numbers
from local_crystallography.clustering.kinds import Kinds, Pair
from local_crystallography.clustering.look import look_at
from local_crystallography.clustering.matching import labels_from, matched
from local_crystallography.clustering.mixtures import CriterionCurve, criterion_curve
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import HAND_LABEL, Column
from local_crystallography.data.errors import InputError
from local_crystallography.data.parameters import ADVANCED, Alternative, gathered, listed
from local_crystallography.data.progress import Job, Progress, finish
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.base import Step

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

ENCODED = r"z\d+|angle_rad"
"""Columns of Encode that classes are commonly made of."""
METHODS = (GaussianMixture, BayesianMixture, KMeans, Hdbscan, Agglomerative)


@dataclass(frozen=True, eq=False)
class Reasons:
    """Why classes are what they are: BIC and ICL against the number of components, and what merged to classes."""

    curve: CriterionCurve
    pairs: tuple[Pair, ...]


class Cluster(Step):
    """Sort the atoms into classes by a Gaussian mixture (Fig. 5c), or by another method."""

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
    by: GaussianMixture | BayesianMixture | KMeans | Hdbscan | Agglomerative = Field(
        default_factory=GaussianMixture,
        discriminator="method",
        description=listed("How atoms are clustered.", *METHODS),
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
    def _read_flat(cls, given: Any) -> Any:
        """Recipes of 0.1.0 have the parameters of all methods side by side, and `mistaken`, which has no effect now."""
        if isinstance(given, dict):
            given = {name: value for name, value in given.items() if name != "mistaken"}
        return gathered(given, "by", METHODS)

    @field_validator("by", mode="wrap")
    @classmethod
    def _read_method(cls, given: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        return Alternative.read(given, handler, GaussianMixture)

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
        step = self.replace(columns=self.columns or latent_columns(atoms))
        taken = step._taken(atoms, sub_images)
        if self.by.starts_by_hand:
            return step.replace(by=self.by.with_counts(len(step._given(atoms, taken.points)[0])))
        return step.replace(by=(yield from self.by.resolve(taken, self.seed)))

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
        if step.by.starts_by_hand:
            numbers, given = step._given(atoms, taken.points)
            found = step.by.find(taken, seed=self.seed, outliers=self.outliers, given=given)
        else:
            found = step.by.find(taken, seed=self.seed, outliers=self.outliers).by_size()
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
        if sub_images is not None and self.by.mixes and not self.by.starts_by_hand:
            made = surrounded(by_cores(made, sub_images), outlying)
        return self._directed(made)

    def continued(self, made: Atoms, last: Atoms) -> Atoms:
        """The atoms as called, with the class numbers of the last time; those given by hand stay as they are."""
        if self.by.starts_by_hand or "label" not in last.features:
            return made
        label = made.features["label"].to_numpy(np.int64)
        new = matched(label, labels_from(made, last, "label"))
        number = np.full(int(label.max(initial=-1)) + 2, -1)  # a class without a number has the last place
        number[label] = new
        beyond = number[made.features["borders_label"].to_numpy(np.int64)]
        return self._directed(made.with_features(label=new, borders_label=beyond))

    def mended(self, made: Atoms, now: Atoms, touched: npt.NDArray[np.bool_]) -> Atoms:
        """Atoms that were not edited keep their classes; edited ones get those that most of their new class have."""
        old, new = whole_numbers(now, "label"), whole_numbers(made, "label")
        label = np.where(touched, -1, old)
        for number in np.unique(new[touched & (new >= 0)]):
            votes = old[(new == number) & ~touched & (old >= 0)]
            label[touched & (new == number)] = np.bincount(votes).argmax() if len(votes) else number
        return self._directed(surrounded(made.with_features(label=label)))

    def kinds(self, atoms: Atoms, sub_images: SubImages | None = None) -> Kinds:
        """What the classes of the mixture are made of, and why: `pairs` tell which merged and which are apart.

        Raises
        ------
        InputError
            As of the call, and for a method without a mixture.
        """
        if not isinstance(self.by, GaussianMixture | BayesianMixture):
            raise InputError(f"{self.by.method} merges no components; choose mixture to see which do.")
        taken = self.replace(columns=self.columns or latent_columns(atoms))._taken(atoms, sub_images)
        points = taken.points.at
        by = self.by.replace(components=finish(self.by.count(points, self.seed)))
        by.check(points)
        return by.kinds(taken, by.fit(points, self.seed))

    def reasons(self, atoms: Atoms, sub_images: SubImages | None = None) -> Job[Reasons]:
        """Why these are the classes: the criterion, and what was decided of every pair; a job, quick after the call.

        Raises
        ------
        InputError
            As of the call.
        """
        curve = yield from self.curve(atoms)
        automatic = self.by.mixes and not self.by.starts_by_hand
        return Reasons(curve, self.kinds(atoms, sub_images).pairs if automatic else ())

    def curve(self, atoms: Atoms) -> Job[CriterionCurve]:
        """BIC and ICL against the number of components, for these atoms; a job, as `criterion_curve`.

        Raises
        ------
        InputError
            As of the call.
        """
        step = self.replace(columns=self.columns or latent_columns(atoms))
        return (yield from criterion_curve(step._points(atoms).at, shape=self.by.shape(self.seed)))

    def _directed(self, atoms: Atoms) -> Atoms:
        if not self.directions and self.zero == "directions":
            return atoms
        return directed(atoms, self.directions, lattice=self.zero == "lattice")

    def _points(self, atoms: Atoms) -> Points:
        return features(atoms, self.columns, period=self.period)

    def _taken(self, atoms: Atoms, sub_images: SubImages | None) -> Taken:
        points = self._points(atoms)
        look = None if sub_images is None else look_at(sub_images, atoms, points.rows)
        return Taken(points, positions(atoms, points.rows), look)

    def _given(self, atoms: Atoms, points: Points) -> tuple[Index, Index]:
        """Numbers of the classes given by hand, and (n,) of every point which of those it has; -1 for none."""
        hand = whole_numbers(atoms, HAND_LABEL)[points.rows]
        numbers = np.unique(hand[hand >= 0])
        if not len(numbers):
            raise InputError(
                f"No atom with latents has a class assigned by hand, in the column {HAND_LABEL}, to start from; "
                "select atoms and press Alt and a digit, or start from random."
            )
        if len(numbers) > LARGEST:
            raise InputError(f"{len(numbers)} classes are given by hand, at most {LARGEST} can be; take some away.")
        for name, wanted in self.by.counts.items():
            if wanted not in (None, len(numbers)):
                raise InputError(
                    f"{wanted} {name} were requested, but {len(numbers)} classes are assigned by hand; leave {name} "
                    "automatic."
                )
        return numbers, np.where(hand < 0, -1, np.searchsorted(numbers, hand))

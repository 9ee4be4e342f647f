"""Columns to classes: a Gaussian mixture over the latents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.steps.base import Step

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

Array = npt.NDArray[np.float64]

SAMPLE = 1000
"""Points that are enough to find where mixtures start from."""


class Cluster(Step):
    """Sort the atoms into classes by a Gaussian mixture (Fig. 5c)."""

    needs: ClassVar = ("atoms",)
    makes: ClassVar = "atoms"
    reads: ClassVar = ("encode", "describe")

    columns: tuple[str, ...] = Field(
        (),
        description="Columns to sort by; none: all latents, or without any the components of Describe. "
        "An angle (ending in _rad) enters as cosine and sine.",
    )
    classes: int | None = Field(
        None,
        ge=1,
        le=30,
        description="Number of classes; automatic: components merge until no two are mistaken for each other.",
    )
    components: int | None = Field(
        None,
        ge=1,
        le=50,
        description="Gaussians of the mixture, of which classes are made; automatic: 1 to 10, by the lowest BIC.",
    )
    mistaken: float = Field(
        0.005,
        ge=0,
        le=1,
        description="Automatic classes merge where they are taken for each other more often than this share.",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Start of the random numbers.")

    def resolve(self, atoms: Atoms) -> Cluster:
        """The same step with columns, components and classes as they are for these atoms."""
        step = self.model_copy(update={"columns": self.columns or latent_columns(atoms)})
        points, _ = step._points(atoms)
        if step.components is None:
            count = max(choose_components(points, seed=self.seed), min(self.classes or 1, len(points)))
            step = step.model_copy(update={"components": count})
        if step.classes is None:
            step = step.model_copy(update={"classes": step._shares(points).shape[1]})
        return step

    def __call__(self, atoms: Atoms) -> Atoms:
        """The atoms with `label` (0, 1, … by falling size; -1 where a column is NaN) and `label_probability`.

        Raises
        ------
        InputError
            Where a column is missing or constant, or there are fewer atoms than components or components than classes.
        """
        step = self.resolve(atoms)
        points, rows = step._points(atoms)
        shares = step._shares(points)
        first = np.argsort(-np.bincount(shares.argmax(axis=1), minlength=shares.shape[1]), kind="stable")
        shares = shares[:, first]
        label = np.full(len(atoms), -1)
        label[rows] = shares.argmax(axis=1)
        probability = np.full(len(atoms), np.nan)
        probability[rows] = shares.max(axis=1)
        return atoms.with_features(label=label, label_probability=probability)

    def _shares(self, points: Array) -> Array:
        """(n, classes) probability of every class for every point."""
        components = self.components or 1
        if self.classes is not None and components < self.classes:
            raise InputError(
                f"{self.classes} classes cannot be made of {components} components; ask for more components."
            )
        if len(points) < components:
            raise InputError(f"{len(points)} atoms came for {components} components; ask for at most {len(points)}.")
        shares = fit(points, components=components, seed=self.seed).predict_proba(points)
        return merge(shares, classes=self.classes, mistaken=self.mistaken)

    def _points(self, atoms: Atoms) -> tuple[Array, npt.NDArray[np.int64]]:
        """(n, d) standardised features of the atoms that have them all, and the rows of those atoms."""
        missing = [name for name in self.columns if name not in atoms.features]
        if missing:
            raise InputError(
                f"There is no column {', '.join(missing)}; pick from {', '.join(map(str, atoms.features))}."
            )
        table = atoms.features[list(self.columns)].astype(float)
        rows = np.flatnonzero(np.isfinite(table).all(axis=1))
        if not len(rows):
            raise InputError(f"No atom has a number in every one of {', '.join(self.columns)}; encode the atoms first.")
        table = table.iloc[rows]
        for name in [name for name in self.columns if name.endswith("_rad") and not name.endswith("_std_rad")]:
            table = table.assign(**{f"{name} cosine": np.cos(table[name]), f"{name} sine": np.sin(table[name])}).drop(
                columns=name
            )
        spread = table.std(ddof=0)
        if (spread < 1e-12).any():
            constant = ", ".join(spread.index[spread < 1e-12])
            raise InputError(f"Column {constant} is the same for every atom, differences were expected; leave it out.")
        return ((table - table.mean()) / spread).to_numpy(), rows


def latent_columns(atoms: Atoms) -> tuple[str, ...]:
    """z0, z1, … as far as they are there, or without any zernike0, zernike1, ….

    Raises
    ------
    InputError
        Where there are none.
    """
    for pattern in (r"z\d+", r"zernike\d+"):
        if names := tuple(name for name in map(str, atoms.features) if re.fullmatch(pattern, name)):
            return names
    raise InputError(
        "The atoms have no latents yet, columns z0, z1, … (or zernike0, zernike1, …) were expected; "
        "train and encode first, or describe."
    )


def fit(points: Array, *, components: int, seed: int) -> GaussianMixture:
    """The best of many full-covariance mixtures.

    Thirty starts from random points on a sample find long ribbons side by side, which k-means would cut across; the
    best goes on with all points.
    """
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    sample = points[np.random.default_rng(seed).permutation(len(points))[:SAMPLE]]
    first = GaussianMixture(
        components, n_init=30, init_params="random_from_data", random_state=seed, reg_covar=1e-4, max_iter=200
    )
    with threadpool_limits(1):  # matrices of a few columns: threads would only wait for each other
        first.fit(sample)
    best = GaussianMixture(
        components,
        weights_init=first.weights_,
        means_init=first.means_,
        precisions_init=first.precisions_,
        reg_covar=1e-4,
        max_iter=300,
    )
    with threadpool_limits(1):
        return best.fit(points)


def choose_components(points: Array, *, seed: int, most: int = 10, sample: int = 5000) -> int:
    """Number of Gaussians with the lowest Bayesian information criterion."""
    rows = np.random.default_rng(seed).permutation(len(points))[:sample]
    part = points[rows]
    counts = range(1, min(most, len(part) // 5 or 1) + 1)
    return min(counts, key=lambda count: float(fit(part, components=count, seed=seed).bic(part)))


def merge(shares: Array, *, classes: int | None, mistaken: float) -> Array:
    """(n, k) probabilities of components to those of classes, after Hennig 2010 ("misclassification probabilities").

    Atoms of one kind lie on bent ribbons, which take several Gaussians. The two most often taken for each other
    merge, again and again, until the wanted number is left or none are mistaken more often than allowed. Counted is the
    geometric mean of both ways: a wide component that takes a little of everything is no reason to merge.
    """
    while shares.shape[1] > (classes or 1):
        winner = shares.argmax(axis=1)
        taken = np.stack([shares[winner == i].sum(axis=0) for i in range(shares.shape[1])])
        taken /= np.maximum(shares.sum(axis=0), 1e-12)
        mutual = np.sqrt(taken * taken.T)
        np.fill_diagonal(mutual, -1)
        into, gone = np.unravel_index(mutual.argmax(), mutual.shape)
        if classes is None and mutual[into, gone] < mistaken:
            break
        shares = shares.copy()
        shares[:, into] += shares[:, gone]
        shares = np.delete(shares, gone, axis=1)
    return shares

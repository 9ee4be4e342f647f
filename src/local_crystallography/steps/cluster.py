"""Columns to classes: a Gaussian mixture over the latents."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
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

    columns: tuple[str, ...] = Field(
        (),
        description="Columns to sort by; none: all latents. An angle (ending in _rad) enters as cosine and sine.",
    )
    classes: int | None = Field(
        None,
        ge=1,
        le=30,
        description="Number of classes; automatic: 1 to 8, by the integrated completed likelihood.",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Start of the random numbers.")

    def resolve(self, atoms: Atoms) -> Cluster:
        """The same step with the columns named and the number of classes chosen."""
        names = self.columns or latent_columns(atoms)
        step = self.model_copy(update={"columns": names})
        if self.classes is not None:
            return step
        points, _ = step._points(atoms)
        return step.model_copy(update={"classes": choose_classes(points, seed=self.seed)})

    def __call__(self, atoms: Atoms) -> Atoms:
        """The atoms with `label` (0, 1, … by falling size; -1 where a column is NaN) and `label_probability`.

        Raises
        ------
        InputError
            Where a column is missing or constant, or there are fewer atoms than classes.
        """
        step = self.resolve(atoms)
        assert step.classes is not None
        points, rows = step._points(atoms)
        if len(points) < step.classes:
            raise InputError(
                f"{len(points)} atoms came for {step.classes} classes; ask for at most {len(points)} classes."
            )
        shares = fit(points, classes=step.classes, seed=self.seed).predict_proba(points)
        first = np.argsort(-np.bincount(shares.argmax(axis=1), minlength=step.classes), kind="stable")
        shares = shares[:, first]
        label = np.full(len(atoms), -1)
        label[rows] = shares.argmax(axis=1)
        probability = np.full(len(atoms), np.nan)
        probability[rows] = shares.max(axis=1)
        return atoms.with_features(label=label, label_probability=probability)

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
    """z0, z1, … as far as they are there.

    Raises
    ------
    InputError
        Where there are none.
    """
    names = tuple(name for name in map(str, atoms.features) if name.startswith("z") and name[1:].isdigit())
    if not names:
        raise InputError("The atoms have no latents yet, columns z0, z1, … were expected; train and encode first.")
    return names


def fit(points: Array, *, classes: int, seed: int) -> GaussianMixture:
    """The best of many full-covariance mixtures.

    Thirty starts from random points on a sample find long ribbons side by side, which k-means would cut across; the
    best goes on with all points.
    """
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    sample = points[np.random.default_rng(seed).permutation(len(points))[:SAMPLE]]
    first = GaussianMixture(
        classes, n_init=30, init_params="random_from_data", random_state=seed, reg_covar=1e-4, max_iter=200
    )
    with threadpool_limits(1):  # matrices of a few columns: threads would only wait for each other
        first.fit(sample)
    best = GaussianMixture(
        classes,
        weights_init=first.weights_,
        means_init=first.means_,
        precisions_init=first.precisions_,
        reg_covar=1e-4,
        max_iter=300,
    )
    with threadpool_limits(1):
        return best.fit(points)


def choose_classes(points: Array, *, seed: int, most: int = 8, sample: int = 5000) -> int:
    """Fewest classes that come near the lowest integrated completed likelihood (Biernacki, Celeux, Govaert 2000).

    Latents of real atoms lie on bent ribbons, not in ellipsoids: on 10,000 of them the criterion falls as long as one
    adds classes, steeply at first. Near is within a tenth of the whole fall, or 0.2 per atom.
    """
    rows = np.random.default_rng(seed).permutation(len(points))[:sample]
    curve = information_curve(points[rows], most=min(most, len(rows) // 5 or 1), seed=seed)["icl"]
    near = max(0.1 * (curve.iloc[0] - curve.min()), 0.2 * len(rows))
    return int(curve.index[curve <= curve.min() + near][0])


def information_curve(points: Array, *, most: int, seed: int) -> pd.DataFrame:
    """BIC and ICL (BIC plus twice the entropy of the labels) for 1 to `most` classes; lower is better."""
    rows = {}
    for classes in range(1, most + 1):
        mixture = fit(points, classes=classes, seed=seed)
        shares = mixture.predict_proba(points)
        entropy = -(shares * np.log(np.maximum(shares, 1e-300))).sum()
        bic = mixture.bic(points)
        rows[classes] = {"bic": bic, "icl": bic + 2 * entropy}
    return pd.DataFrame.from_dict(rows, orient="index")

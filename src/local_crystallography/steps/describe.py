"""Sub-images and places to columns without training: the baselines beside the network."""

from __future__ import annotations

from collections.abc import Container
from functools import partial
from typing import Any, ClassVar, Literal, cast, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, field_validator, model_validator

from local_crystallography.baselines.components import ComponentMethod
from local_crystallography.baselines.kept import Kept
from local_crystallography.baselines.loadings import (
    Loading,
    component_loadings,
    fitted_classes,
    fitted_components,
    fitted_mixture,
    mixture_loadings,
)
from local_crystallography.baselines.neighbours import aligned, neighbour_places, shell_number
from local_crystallography.baselines.zernike import zernike_columns
from local_crystallography.baselines.zernike import zernike_moments as zernike_moments
from local_crystallography.baselines.zernike import zernike_orders as zernike_orders
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import Column
from local_crystallography.data.progress import Job, Progress
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.base import Step

Method = Literal[
    "Zernike moments",
    "PCA",
    "NMF",
    "ICA",
    "pixel mixture",
    "PCA mixture",
    "neighbours",
    "neighbours aligned",
    "FFT",
]


class Describe(Step):
    """Describe every atom without training: moments, components, mixtures, neighbours or spectra, as baselines."""

    needs: ClassVar = ("sub_images", "atoms")
    makes: ClassVar = "atoms"
    adds: ClassVar = (
        Column(r"(pca|nmf|ica|fft)\d+", "Score of a component of all sub-images.", painted=True),
        Column(r"class_pca\d+", "Score of a principal component within the class of the atom.", painted=True),
        Column("pixel_label", "Class from a mixture of the pixels themselves.", painted=True),
        Column("pixel_label_probability", "Probability of that class."),
        Column(r"zernike_\d+_\d+", "Magnitude of a Zernike moment, by radial and azimuthal order."),
        Column(r"zernike\d+", "Principal component of the Zernike moments."),
        Column(r"fold_\d+", "Share of an n-fold rotational symmetry."),
        Column(r"(neighbour|aligned)\d+_[yx]", "Position of a neighbour, in neighbour distances."),
    )
    optional: ClassVar = True

    methods: tuple[Method, ...] = Field(
        ("Zernike moments",),
        description="What the columns are, one method or several. Zernike moments and neighbours aligned do not change "
        "as the motif turns; all others do. PCA mixture: classes of the pixels, then PCA within each (GMM-PCA).",
    )
    order: int = Field(
        8, ge=2, le=20, description="Highest order of the Zernike polynomials; higher sees finer. Of Zernike alone."
    )
    components: int = Field(
        3,
        ge=0,
        le=30,
        description="Number of components, to sort the atoms by: of Zernike moments, PCA, NMF, ICA, PCA mixture, FFT.",
    )
    classes: int = Field(4, ge=1, le=30, description="Number of classes of pixel mixture and PCA mixture.")
    neighbours: int | None = Field(
        None,
        ge=2,
        le=30,
        description="Number of nearest atoms whose places are taken; automatic: 3 to 12, where a shell ends.",
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        description="Start of the random numbers.",
        json_schema_extra={"advanced": True},
    )

    @model_validator(mode="before")
    @classmethod
    def _read_one_method(cls, given: Any) -> Any:
        """Recipes and sessions of before have one `method`."""
        if not isinstance(given, dict) or "method" not in given or "methods" in given:
            return given
        return {**{name: value for name, value in given.items() if name != "method"}, "methods": (given["method"],)}

    @field_validator("methods")
    @classmethod
    def _in_order(cls, methods: tuple[Method, ...]) -> tuple[Method, ...]:
        """Each once and in one order, so that steps that do the same are equal."""
        if not methods:
            raise ValueError("No method came, at least one was expected; choose what to describe the atoms by")
        return tuple(method for method in get_args(Method) if method in methods)

    def resolve(self, sub_images: SubImages, atoms: Atoms) -> Describe:
        """The same step with the number of neighbours as it is for these atoms, where a method asks for it."""
        if self.neighbours is not None or not any(method.startswith("neighbours") for method in self.methods):
            return self
        return self.model_copy(update={"neighbours": shell_number(strong(atoms, sub_images.atoms))})

    def summary(self, result: Atoms) -> str:
        made = [name for name in map(str, result.features) if any(column.matches(name) for column in self.adds)]
        return f"{int(result.features[made[-1]].notna().sum()):,} atoms described"

    def run(self, sub_images: SubImages, atoms: Atoms) -> Job[Atoms]:
        """The atoms with the columns of all methods; NaN, or class -1, for atoms without a sub-image.

        Where it is stopped gives the columns of the methods done so far.

        - Zernike moments: those of `zernike_columns`
        - PCA, NMF, ICA, FFT: `pca0`, `pca1`, …, and so on, the scores of `components`
        - pixel mixture: `pixel_label`, 0, 1, … by falling size, and `pixel_label_probability`
        - PCA mixture: `class_pca0`, `class_pca1`, … within the own class, and the columns of pixel mixture
        - neighbours: `neighbour0_y`, `neighbour0_x`, …, in units of the neighbour distance, y down, sorted by angle
          counter-clockwise from the right; neighbours aligned: `aligned0_y`, `aligned0_x`, …, turned to the mean atom.
          Neighbours are atoms of the same frame, those too near an edge for a sub-image too; light ones are left out.

        Raises
        ------
        InputError
            Where the sub-images or atoms are too few, a pixel is not finite, all sub-images are the same, or the order
            is higher than the window has pixels.
        """
        tables: list[pd.DataFrame] = []
        todo = self._different
        for done, method in enumerate(todo):
            stop = yield Progress(done / len(todo), f"{method} …")
            if stop and tables:
                break
            tables.append(self._columns(method, sub_images, atoms))
        described = atoms.join(sub_images.atoms.ids, pd.concat(tables, axis=1))
        if "pixel_label" in described.features:
            label = described.features["pixel_label"].fillna(-1).astype(np.int64)
            described = described.with_features(pixel_label=label)
        return described

    def loadings(self, sub_images: SubImages, columns: Container[str] | None = None) -> Job[list[Loading]]:
        """What the columns of PCA, NMF, ICA, FFT and the mixtures look like; a job, which can be stopped.

        Parameters
        ----------
        columns
            Only methods with a column among these; None: all.

        Raises
        ------
        InputError
            As the call.
        """
        found: list[Loading] = []
        todo = self._pictured(columns)
        for done, method in enumerate(todo):
            if (yield Progress(done / len(todo), f"Pictures of {method} …")):
                break
            if method in get_args(ComponentMethod):
                kind = cast(ComponentMethod, method)
                found += component_loadings(sub_images, method=kind, number=self.components, seed=self.seed)
            else:
                number = self.components if method == "PCA mixture" else None
                found += mixture_loadings(sub_images, classes=self.classes, number=number, seed=self.seed)
        return found

    def has_loadings(self, sub_images: SubImages, columns: Container[str] | None = None) -> bool:
        """Whether `loadings` takes no time, as it does after the call with the same sub-images."""
        fits = [self._fit(method) for method in self._pictured(columns)]
        return all(cast(Kept[Any], fit.func).has(sub_images, **fit.keywords) for fit in fits)

    def _pictured(self, columns: Container[str] | None) -> list[Method]:
        """The methods that have pictures, and of which a column is wanted."""
        first = {"PCA mixture": "class_pca0", "pixel mixture": "pixel_label"}
        first |= {method: f"{method.lower()}0" for method in get_args(ComponentMethod)}
        return [each for each in self._different if each in first and (columns is None or first[each] in columns)]

    def _fit(self, method: Method) -> partial[Any]:
        """What is fitted to sub-images for a method that has pictures."""
        if method == "pixel mixture":
            return partial(fitted_mixture, classes=self.classes, seed=self.seed)
        if method == "PCA mixture":
            return partial(fitted_classes, classes=self.classes, number=self.components, seed=self.seed)
        return partial(fitted_components, method=method, number=self.components, seed=self.seed)

    @property
    def _different(self) -> list[Method]:
        """The methods without those whose columns another one gives too: the classes of both mixtures are the same."""
        return [each for each in self.methods if each != "pixel mixture" or "PCA mixture" not in self.methods]

    def _columns(self, method: Method, sub_images: SubImages, atoms: Atoms) -> pd.DataFrame:
        """One row per sub-image."""
        if method == "Zernike moments":
            return zernike_columns(sub_images, order=self.order, number=self.components)
        if method == "pixel mixture":
            mixture = self._fit(method)(sub_images)
            return pd.DataFrame({"pixel_label": mixture.label, "pixel_label_probability": mixture.probability})
        if method == "PCA mixture":
            found = self._fit(method)(sub_images)
            mixture = found.mixture
            return numbered("class_pca", found.scores).assign(
                pixel_label=mixture.label, pixel_label_probability=mixture.probability
            )
        if method in ("neighbours", "neighbours aligned"):
            return self._neighbours(method, sub_images, atoms)
        return numbered(method.lower(), self._fit(method)(sub_images).scored(sub_images.windows).scores)

    def _neighbours(self, method: Method, sub_images: SubImages, atoms: Atoms) -> pd.DataFrame:
        number = self.resolve(sub_images, atoms).neighbours
        assert number is not None
        heavy = strong(atoms, sub_images.atoms)
        places = pd.DataFrame(neighbour_places(heavy, number=number), index=heavy.ids)
        z = places.reindex(sub_images.atoms.ids).to_numpy(np.complex128)
        name = "neighbour"
        if method == "neighbours aligned":
            z, name = aligned(z), "aligned"
        return pd.DataFrame(
            {
                f"{name}{i}_{axis}": part
                for i in range(number)
                for axis, part in (("y", -z[:, i].imag), ("x", z[:, i].real))
            }
        )


def strong(atoms: Atoms, cut: Atoms) -> Atoms:
    """The atoms that are not weaker than all those sub-images were cut around; all where intensities are not known."""
    if "intensity" not in atoms.features:
        return atoms
    size = atoms.relative_intensity()
    among = np.isin(atoms.ids, cut.ids)
    if not np.isfinite(size[among]).any():
        return atoms
    return atoms[among | ~(size < np.nanmin(size[among]))]


def numbered(name: str, scores: npt.NDArray[np.float64]) -> pd.DataFrame:
    """(n, k) scores as columns name0, name1, …."""
    return pd.DataFrame(scores, columns=[f"{name}{i}" for i in range(scores.shape[1])])

"""Sub-images and places to columns without training: the baselines beside the network."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import BeforeValidator, Field, field_validator, model_validator

from local_crystallography.baselines.alternatives import (
    FFT,
    ICA,
    NMF,
    PCA,
    AlignedNeighbours,
    Description,
    Neighbours,
    PCAMixture,
    PixelMixture,
    ZernikeMoments,
)
from local_crystallography.baselines.loadings import Loading
from local_crystallography.baselines.zernike import zernike_moments as zernike_moments
from local_crystallography.baselines.zernike import zernike_orders as zernike_orders
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import Column
from local_crystallography.data.parameters import ADVANCED, gathered, listed
from local_crystallography.data.progress import Job, Progress
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.base import Step

METHODS = (ZernikeMoments, PCA, NMF, ICA, PixelMixture, PCAMixture, Neighbours, AlignedNeighbours, FFT)


def written(given: Any) -> Any:
    """A method written as its name, and parameters after it: `PCA` or `PCA components=5`."""
    if not isinstance(given, str):
        return given
    name, *values = re.split(r"\s+(?=\w+=)", given.strip())
    return {"method": name, **dict(value.split("=", 1) for value in values)}


Method = Annotated[
    Annotated[
        ZernikeMoments | PCA | NMF | ICA | PixelMixture | PCAMixture | Neighbours | AlignedNeighbours | FFT,
        Field(discriminator="method"),
    ],
    BeforeValidator(written),
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
        (ZernikeMoments(),),
        description=listed(
            "What the columns are, one method or several, by name, with parameters after it: PCA components=5.",
            *METHODS,
        ),
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Start of the random numbers.", json_schema_extra=ADVANCED)

    @model_validator(mode="before")
    @classmethod
    def _read_flat(cls, given: Any) -> Any:
        """Recipes of 0.1.0 have one `method`, or names of `methods`, and the parameters of all side by side."""
        if not isinstance(given, dict):
            return given
        flat = {name for kind in METHODS for name in kind.model_fields} - {"method"}
        names = given.get("methods", (given["method"],) if "method" in given else (METHODS[0].key(),))
        if ("method" in given and "methods" in given) or not {*given} & {*flat, "method"}:
            return given
        shared = {name: value for name, value in given.items() if name in flat}
        each = [gathered({"method": name, **shared}, "of", METHODS).get("of", name) for name in names]
        return {name: value for name, value in given.items() if name not in {*flat, "method"}} | {"methods": each}

    @field_validator("methods")
    @classmethod
    def _in_order(cls, methods: tuple[Method, ...]) -> tuple[Method, ...]:
        """Each once and in one order, so that steps that do the same are equal."""
        if not methods:
            raise ValueError("Choose at least one method to describe the atoms by")
        made: dict[type[Description], Method] = {type(method): method for method in methods}
        mixtures = {made[kind].classes for kind in (PixelMixture, PCAMixture) if kind in made}  # type: ignore[union-attr]
        if len(mixtures) > 1:
            raise ValueError("Both mixtures give the column pixel_label; choose the same number of classes for both")
        return tuple(made[kind] for kind in METHODS if kind in made)

    def resolve(self, sub_images: SubImages, atoms: Atoms) -> Describe:
        """The same step with the number of neighbours as it is for these atoms, where a method needs it."""
        return self.replace(methods=tuple(method.resolve(sub_images, atoms) for method in self.methods))

    def summary(self, result: Atoms) -> str:
        made = [name for name in map(str, result.features) if any(column.matches(name) for column in self.adds)]
        return f"{int(result.features[made[-1]].notna().sum()):,} atoms described"

    def run(self, sub_images: SubImages, atoms: Atoms) -> Job[Atoms]:
        """The atoms with the columns of all methods; NaN, or class -1, for atoms without a sub-image.

        Where it is stopped gives the columns of the methods done so far.

        Raises
        ------
        InputError
            Where the sub-images or atoms are too few, a pixel is not finite, all sub-images are the same, or the order
            is higher than the window has pixels.
        """
        tables: list[pd.DataFrame] = []
        todo = self._different
        for done, method in enumerate(todo):
            stop = yield Progress(done / len(todo), f"{method.method} …")
            if stop and tables:
                break
            tables.append(method.columns(sub_images, atoms, self.seed))
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
            if (yield Progress(done / len(todo), f"Pictures of {method.method} …")):
                break
            found += method.loadings(sub_images, self.seed)
        return found

    def has_loadings(self, sub_images: SubImages, columns: Container[str] | None = None) -> bool:
        """Whether `loadings` takes no time, as it does after the call with the same sub-images."""
        return all(method.is_fitted(sub_images, self.seed) for method in self._pictured(columns))

    def _pictured(self, columns: Container[str] | None) -> list[Method]:
        """The methods with pictures of which a column is wanted."""
        return [each for each in self._different if each.pictured and (columns is None or each.pictured in columns)]

    @property
    def _different(self) -> list[Method]:
        """The methods without a pixel mixture whose classes those of a PCA mixture are too."""
        both = any(isinstance(each, PCAMixture) for each in self.methods)
        return [each for each in self.methods if not (both and type(each) is PixelMixture)]

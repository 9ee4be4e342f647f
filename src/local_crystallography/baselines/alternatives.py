"""Descriptions without training: a small model for each method, with its parameters and the columns it gives."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

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
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.parameters import Alternative
from local_crystallography.data.subimages import SubImages


class Description(Alternative):
    """A method of description."""

    pictured: ClassVar[str] = ""
    """The first column that has a picture; "" for a method without pictures."""

    def resolve(self, sub_images: SubImages, atoms: Atoms) -> Self:
        """The same with every automatic parameter filled in."""
        return self

    def columns(self, sub_images: SubImages, atoms: Atoms, seed: int) -> pd.DataFrame:
        """The columns, one row per sub-image."""
        raise NotImplementedError

    def loadings(self, sub_images: SubImages, seed: int) -> list[Loading]:
        """The pictures of the columns."""
        return []

    def is_fitted(self, sub_images: SubImages, seed: int) -> bool:
        """Whether `loadings` takes no time, as after `columns` of the same sub-images."""
        fit = self._fit(seed)
        return fit is None or cast(Kept[Any], fit.func).has(sub_images, **fit.keywords)

    def _fit(self, seed: int) -> partial[Any] | None:
        return None


class ZernikeMoments(Description):
    """Magnitudes of Zernike moments, which do not change with rotation."""

    method: Literal["Zernike moments"] = "Zernike moments"
    order: int = Field(8, ge=2, le=20, description="Highest order of the polynomials; higher resolves finer detail.")
    components: int = Field(3, ge=0, le=30, description="Number of principal components of the moments.")

    def columns(self, sub_images: SubImages, atoms: Atoms, seed: int) -> pd.DataFrame:
        """As `zernike_columns`."""
        return zernike_columns(sub_images, order=self.order, number=self.components)


class Linear(Description):
    """Linear components of all sub-images."""

    components: int = Field(3, ge=0, le=30, description="Number of components.")

    def columns(self, sub_images: SubImages, atoms: Atoms, seed: int) -> pd.DataFrame:
        """The scores of `components`: `pca0`, `pca1`, … for PCA."""
        return numbered(self.method.lower(), self._fit(seed)(sub_images).scored(sub_images.windows).scores)

    def loadings(self, sub_images: SubImages, seed: int) -> list[Loading]:
        """The components."""
        method = cast(ComponentMethod, self.method)
        return component_loadings(sub_images, method=method, number=self.components, seed=seed)

    def _fit(self, seed: int) -> partial[Any]:
        return partial(fitted_components, method=self.method, number=self.components, seed=seed)


class PCA(Linear):
    """Principal components of the pixels."""

    method: Literal["PCA"] = "PCA"
    pictured: ClassVar = "pca0"


class NMF(Linear):
    """Non-negative matrix factorisation of the pixels."""

    method: Literal["NMF"] = "NMF"
    pictured: ClassVar = "nmf0"


class ICA(Linear):
    """Independent components of the pixels."""

    method: Literal["ICA"] = "ICA"
    pictured: ClassVar = "ica0"


class PixelMixture(Description):
    """Classes from a Gaussian mixture of the pixels."""

    method: Literal["pixel mixture"] = "pixel mixture"
    pictured: ClassVar = "pixel_label"
    classes: int = Field(4, ge=1, le=30, description="Number of classes.")

    def columns(self, sub_images: SubImages, atoms: Atoms, seed: int) -> pd.DataFrame:
        """`pixel_label`, 0, 1, … by falling size, and `pixel_label_probability`."""
        return classified(self._fit(seed)(sub_images))

    def loadings(self, sub_images: SubImages, seed: int) -> list[Loading]:
        """The mean of every class."""
        return mixture_loadings(sub_images, classes=self.classes, number=None, seed=seed)

    def _fit(self, seed: int) -> partial[Any]:
        return partial(fitted_mixture, classes=self.classes, seed=seed)


class PCAMixture(PixelMixture):
    """Classes from a Gaussian mixture of the pixels, then principal components within each (GMM-PCA)."""

    method: Literal["PCA mixture"] = "PCA mixture"  # type: ignore[assignment]
    pictured: ClassVar = "class_pca0"
    components: int = Field(3, ge=0, le=30, description="Number of components of each class.")

    def columns(self, sub_images: SubImages, atoms: Atoms, seed: int) -> pd.DataFrame:
        """`class_pca0`, `class_pca1`, … within the class of the atom, and the columns of a pixel mixture."""
        found = self._fit(seed)(sub_images)
        return pd.concat([numbered("class_pca", found.scores), classified(found.mixture)], axis=1)

    def loadings(self, sub_images: SubImages, seed: int) -> list[Loading]:
        """The mean of every class, and its components."""
        return mixture_loadings(sub_images, classes=self.classes, number=self.components, seed=seed)

    def _fit(self, seed: int) -> partial[Any]:
        return partial(fitted_classes, classes=self.classes, number=self.components, seed=seed)


class Neighbours(Description):
    """Positions of the nearest atoms."""

    prefix: ClassVar[str] = "neighbour"

    method: Literal["neighbours"] = "neighbours"
    neighbours: int | None = Field(
        None, ge=2, le=30, description="Number of nearest atoms; automatic: 3 to 12, where a shell ends."
    )

    def resolve(self, sub_images: SubImages, atoms: Atoms) -> Self:
        """The same with the number of neighbours that these atoms have."""
        if self.neighbours is not None:
            return self
        return self.replace(neighbours=shell_number(strong(atoms, sub_images.atoms)))

    def columns(self, sub_images: SubImages, atoms: Atoms, seed: int) -> pd.DataFrame:
        """`neighbour0_y`, `neighbour0_x`, …, in neighbour distances, y down, by angle counter-clockwise from the right.

        Neighbours are atoms of the same frame, also those too near an edge for a sub-image; light ones are left out.
        """
        number = self.resolve(sub_images, atoms).neighbours
        assert number is not None
        heavy = strong(atoms, sub_images.atoms)
        positions = pd.DataFrame(neighbour_places(heavy, number=number), index=heavy.ids)
        z = self._aligned(positions.reindex(sub_images.atoms.ids).to_numpy(np.complex128))
        return pd.DataFrame(
            {
                f"{self.prefix}{i}_{axis}": part
                for i in range(number)
                for axis, part in (("y", -z[:, i].imag), ("x", z[:, i].real))
            }
        )

    def _aligned(self, z: npt.NDArray[np.complex128]) -> npt.NDArray[np.complex128]:
        return z


class AlignedNeighbours(Neighbours):
    """Positions of the nearest atoms, rotated to those of the mean atom, so that they do not change with rotation."""

    prefix: ClassVar = "aligned"

    method: Literal["neighbours aligned"] = "neighbours aligned"  # type: ignore[assignment]

    def _aligned(self, z: npt.NDArray[np.complex128]) -> npt.NDArray[np.complex128]:
        return aligned(z)


class FFT(Linear):
    """Principal components of the power spectra of the sub-images."""

    method: Literal["FFT"] = "FFT"
    pictured: ClassVar = "fft0"


def strong(atoms: Atoms, cut: Atoms) -> Atoms:
    """The atoms that are not weaker than all those with a sub-image; all where intensities are unknown."""
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


def classified(mixture: Any) -> pd.DataFrame:
    """The classes of a pixel mixture as columns."""
    return pd.DataFrame({"pixel_label": mixture.label, "pixel_label_probability": mixture.probability})

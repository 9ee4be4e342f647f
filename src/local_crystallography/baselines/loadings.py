"""Images of the baseline components: eigen-images, parts, and means of the classes of the pixel mixture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from local_crystallography.baselines.components import ComponentMethod, fit_components
from local_crystallography.baselines.kept import Kept
from local_crystallography.baselines.mixtures import class_components, pixel_mixture
from local_crystallography.data.subimages import SubImages

Array = npt.NDArray[np.float64]

fitted_components = Kept(fit_components)
fitted_mixture = Kept(pixel_mixture)
fitted_classes = Kept(class_components)

PIXEL_LABEL = "pixel_label"
"""Column of the classes of the pixel mixture."""


@dataclass(frozen=True, eq=False)
class Loading:
    """Image of one component or class.

    Parameters
    ----------
    method
        Name of the method, as in Describe.
    column
        Column with the scores of the atoms; `pixel_label` for the mean of a class.
    picture
        (C, w, w) picture of `Components`, or mean sub-image of a class.
    share
        Fraction of the variance explained, within its class for PCA mixture; fraction of all sub-images for the mean of
        a class; NaN where undefined.
    number
        Class of the mixture to which it belongs; None for all sub-images.
    """

    method: str
    column: str
    picture: Array
    share: float
    number: int | None = None

    @property
    def is_mean(self) -> bool:
        """Whether this is the mean of a class."""
        return self.column == PIXEL_LABEL

    @property
    def signed(self) -> bool:
        """Whether its values have either sign."""
        return self.method != "NMF" and not self.is_mean

    @property
    def limits(self) -> tuple[float, float]:
        """Values at the ends of its colour range: symmetric about 0 if signed, starting at 0 for NMF."""
        low, high = float(self.picture.min()), float(self.picture.max())
        reach = max(abs(low), abs(high)) or 1.0
        if self.signed:
            return -reach, reach
        low = low if self.is_mean else 0.0
        return low, high if high > low else low + 1

    @property
    def channels_below(self) -> Array:
        """(C * w, w) channels stacked vertically."""
        return self.picture.reshape(-1, self.picture.shape[-1])


def grouped(loadings: Sequence[Loading]) -> list[list[Loading]]:
    """Loadings grouped by method, and for a mixture with components also by class."""
    groups: dict[tuple[str, int | None], list[Loading]] = {}
    for each in loadings:
        groups.setdefault((each.method, each.number if each.method == "PCA mixture" else None), []).append(each)
    return list(groups.values())


def component_loadings(sub_images: SubImages, *, method: ComponentMethod, number: int, seed: int) -> list[Loading]:
    """Loadings of `components` with the same settings.

    Raises
    ------
    InputError
        As `components`.
    """
    found = fitted_components(sub_images, method=method, number=number, seed=seed)
    shares = found.share.tolist()
    return [Loading(method, f"{method.lower()}{i}", found.pictures[i], share) for i, share in enumerate(shares)]


def mixture_loadings(sub_images: SubImages, *, classes: int, number: int | None, seed: int) -> list[Loading]:
    """Class means of `pixel_mixture`, and with a `number` also the components of `class_components`.

    Raises
    ------
    InputError
        As these functions.
    """
    method = "pixel mixture" if number is None else "PCA mixture"
    if number is None:
        within, mixture = None, fitted_mixture(sub_images, classes=classes, seed=seed)
    else:
        within = fitted_classes(sub_images, classes=classes, number=number, seed=seed)
        mixture = within.mixture
    sizes = np.bincount(mixture.label, minlength=classes) / len(mixture.label)
    found = []
    for k in np.flatnonzero(sizes).tolist():
        found.append(Loading(method, PIXEL_LABEL, mixture.means[k], float(sizes[k]), k))
        if within is not None and np.isfinite(within.pictures[k]).all():
            shares = within.share[k].tolist()
            found += [Loading(method, f"class_pca{i}", within.pictures[k, i], each, k) for i, each in enumerate(shares)]
    return found

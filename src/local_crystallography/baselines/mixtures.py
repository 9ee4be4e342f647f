"""Gaussian mixture on raw pixels, and principal components within each of its classes (GMM-PCA of the paper)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from local_crystallography.baselines.components import window_loadings
from local_crystallography.baselines.pixels import as_pictures, as_rows, checked, parts, sample, without_warnings
from local_crystallography.data.errors import InputError
from local_crystallography.data.subimages import SubImages

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PixelMixture:
    """Classes of sub-images, by decreasing size.

    Parameters
    ----------
    label
        (n,) class, from 0.
    probability
        (n,) probability of that class.
    means
        (k, C, w, w) mean of each Gaussian, in units of the sub-images.
    """

    label: npt.NDArray[np.int64]
    probability: Array
    means: Array


@dataclass(frozen=True)
class ClassComponents:
    """Principal components within every class of a mixture; scores of different classes are not comparable.

    Parameters
    ----------
    mixture
        Classes.
    pictures
        (k, m, C, w, w) loadings of every class, NaN for a class of fewer than m + 1 sub-images.
    scores
        (n, m) scores in the components of the class of a sub-image; NaN where it has none.
    share
        (k, m) fraction of the variance within a class that a component explains; NaN where the pictures are.
    """

    mixture: PixelMixture
    pictures: Array
    scores: Array
    share: Array


def pixel_mixture(sub_images: SubImages, *, classes: int, seed: int) -> PixelMixture:
    """Gaussians with diagonal covariance in the space of all pixels, fitted to a sample of sub-images if they are many.

    The mixture does not model rotation, so every orientation of a motif becomes a separate class.

    Raises
    ------
    InputError
        For fewer sub-images than classes, pixels that are not finite, or sub-images that are all the same.
    """
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    windows = sub_images.windows
    checked(windows)
    if not 1 <= classes <= len(windows):
        raise InputError(
            f"{classes} classes were requested, but {len(windows)} sub-images allow 1 to {len(windows)}; change the "
            "number of classes."
        )
    model = GaussianMixture(classes, covariance_type="diag", n_init=3, max_iter=200, reg_covar=1e-6, random_state=seed)
    with without_warnings(), threadpool_limits(1):  # the initial k-means would spin on shared cores
        model.fit(as_rows(sample(windows, seed=seed)))
        shares = np.concatenate([model.predict_proba(as_rows(part)) for part in parts(windows)])
    order = np.argsort(-np.bincount(shares.argmax(axis=1), minlength=classes), kind="stable")
    shares = shares[:, order]
    return PixelMixture(shares.argmax(axis=1), shares.max(axis=1), as_pictures(model.means_[order], windows))


def class_components(sub_images: SubImages, *, classes: int, number: int, seed: int) -> ClassComponents:
    """Classes of `pixel_mixture`, with principal components of the sub-images within each.

    Raises
    ------
    InputError
        As `pixel_mixture`, and where no class has enough sub-images for the components.
    """
    windows = sub_images.windows
    mixture = pixel_mixture(sub_images, classes=classes, seed=seed)
    pictures = np.full((classes, max(number, 0), *mixture.means.shape[1:]), np.nan)
    scores = np.full((len(windows), max(number, 0)), np.nan)
    share = np.full((classes, max(number, 0)), np.nan)
    counts = np.bincount(mixture.label, minlength=classes)
    pixels = int(np.prod(windows.shape[1:]))
    most = min(counts.max() - 1, pixels)
    if not 1 <= number <= most:
        raise InputError(
            f"{number} components were requested, but classes of at most {counts.max()} sub-images of {pixels} pixels "
            f"allow 1 to {most}; change the number of components or classes."
        )
    for name in np.flatnonzero(counts > number):
        rows = np.flatnonzero(mixture.label == name)
        own = window_loadings(windows[rows], method="PCA", number=number, seed=seed).scored(windows[rows])
        pictures[name], scores[rows], share[name] = own.pictures, own.scores, own.share
    return ClassComponents(mixture, pictures, scores, share)

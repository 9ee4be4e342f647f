"""Linear components of sub-images: PCA, NMF, ICA, and PCA of their power spectra, with an image of each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from local_crystallography.baselines.pixels import CHUNK, as_pictures, as_rows, checked, parts, sample, without_warnings
from local_crystallography.baselines.spectra import log_spectra, noise_floor, power_spectra
from local_crystallography.data.errors import InputError
from local_crystallography.data.subimages import SubImages

Array = npt.NDArray[np.float64]
Windows = npt.NDArray[np.float32]
ComponentMethod = Literal["PCA", "NMF", "ICA", "FFT"]

logger = logging.getLogger(__name__)

ROUNDS = 1000
"""Most iterations of ICA."""
CONSTANT = 1e-6
"""Standard deviation, relative to the first component, below which a component does not exist."""


@dataclass(frozen=True)
class Components:
    """Linear model: every sub-image is approximately the mean plus its scores times the pictures (the loadings).

    Parameters
    ----------
    mean
        (C, w, w) mean, in units of the sub-images. For NMF the lowest pixel of each channel where that is negative,
        otherwise 0.
    pictures
        (k, C, w, w) loadings, each with a sum of squares of 1. For FFT those of the logarithm of the power, with zero
        frequency at pixel (w // 2, w // 2).
    scores
        (n, k) scores, by decreasing variance.
    share
        (k,) fraction of the variance of all pixels (for FFT, of the logarithm of the power) that a component explains;
        NaN for NMF and ICA, whose components overlap.
    """

    mean: Array
    pictures: Array
    scores: Array
    share: Array


@dataclass(frozen=True)
class Loadings:
    """`Components` without scores; `score` computes the (m, k) scores of windows."""

    mean: Array
    pictures: Array
    share: Array
    score: Callable[[Windows], Array]

    def scored(self, windows: Windows) -> Components:
        """Components with the scores of windows."""
        scores = np.concatenate([self.score(some) for some in parts(windows)])
        return Components(self.mean, self.pictures, scores, self.share)


@dataclass(frozen=True)
class Fit:
    """Rows (m, p) are approximately `mean` (p,) + scores (m, k) @ `rows` (k, p); `transform` gives the scores."""

    mean: Array
    rows: Array
    transform: Callable[[Array], Array]


def components(sub_images: SubImages, *, method: ComponentMethod, number: int, seed: int) -> Components:
    """Components of sub-images, fitted to a sample of them if they are many.

    PCA: directions of the largest variance. ICA: the same subspace along maximally independent directions (FastICA).
    NMF: additive parts; where pixels of a channel are negative, as in a normalised image, they are measured from the
    lowest. FFT: PCA of the logarithm of the power spectrum around every atom.
    The largest pixel of every picture is positive, so that signs do not change from run to run.

    Raises
    ------
    InputError
        For fewer sub-images or pixels than the components need, pixels that are not finite, or sub-images that are
        all the same or vary in fewer ways.
    """
    return fit_components(sub_images, method=method, number=number, seed=seed).scored(sub_images.windows)


def fit_components(sub_images: SubImages, *, method: ComponentMethod, number: int, seed: int) -> Loadings:
    """`components` without scores, which is faster for many sub-images.

    Raises
    ------
    InputError
        As `components`.
    """
    checked(sub_images.windows)
    return window_loadings(sub_images.windows, method=method, number=number, seed=seed)


def window_loadings(windows: Windows, *, method: ComponentMethod, number: int, seed: int) -> Loadings:
    """Components fitted to a sample of finite windows (n, w, w) or (n, w, w, C)."""
    pixels = int(np.prod(windows.shape[1:]))
    most = min(len(windows) - 1, pixels)
    if not 1 <= number <= most:
        raise InputError(
            f"{number} components were requested, but {len(windows)} sub-images of {pixels} pixels allow 1 to {most}; "
            "change the number of components or use more sub-images."
        )
    part = sample(windows, seed=seed)
    rows_of = _spectra_above(part) if method == "FFT" else as_rows
    rows = np.concatenate([rows_of(some) for some in parts(part)])
    if method == "NMF":
        fit = fit_nmf(rows, lowest(windows), number=number, seed=seed)
    else:
        fit = (fit_ica if method == "ICA" else fit_pca)(rows, number=number, seed=seed)
    scale = _scale(fit.rows)
    variance = (fit.transform(rows) * scale).var(axis=0)
    order = np.argsort(-np.sqrt(variance), kind="stable")
    total = rows.var(axis=0).sum() if method in ("PCA", "FFT") else 0.0
    share = variance[order] / total if total > 0 else np.full(number, np.nan)
    return Loadings(
        mean=as_pictures(fit.mean[None], windows)[0],
        pictures=as_pictures((fit.rows / scale[:, None])[order], windows),
        share=share,
        score=lambda some: (fit.transform(rows_of(some)) * scale)[:, order],
    )


def fit_pca(rows: Array, *, number: int, seed: int) -> Fit:
    """Principal components of (m, p) numbers."""
    from sklearn.decomposition import PCA

    with np.errstate(invalid="ignore", divide="ignore"):  # explained fraction of zero variance
        model = PCA(number, random_state=seed).fit(rows)
    return Fit(model.mean_, model.components_, lambda part: (part - model.mean_) @ model.components_.T)


def fit_ica(rows: Array, *, number: int, seed: int) -> Fit:
    """Independent components of (m, p) numbers: FastICA rotates the principal ones."""
    from sklearn.decomposition import FastICA

    first = fit_pca(rows, number=number, seed=seed)
    scores = first.transform(rows)
    spread = scores.std(axis=0)
    varies = int((spread > CONSTANT * spread[0]).sum())
    if varies < number:
        raise InputError(
            f"{number} independent components were requested, but the sub-images vary in only {varies} dimensions; "
            f"choose at most {varies}, or use PCA."
        )
    with without_warnings():
        model = FastICA(number, whiten="unit-variance", max_iter=ROUNDS, tol=1e-3, random_state=seed).fit(scores)
    if model.n_iter_ >= ROUNDS:
        logger.warning(
            "ICA did not converge in %d iterations: no directions are clearly more independent than others, and "
            "another seed may give other components. PCA is more reliable here.",
            ROUNDS,
        )
    return Fit(
        first.mean + model.mean_ @ first.rows,
        model.mixing_.T @ first.rows,
        lambda part: np.asarray(model.transform(first.transform(part)), np.float64),
    )


def fit_nmf(rows: Array, mean: Array, *, number: int, seed: int) -> Fit:
    """Non-negative parts of (m, p) numbers minus a mean (p,) that makes them non-negative."""
    from sklearn.decomposition import NMF

    model = NMF(number, init="nndsvda", max_iter=500, random_state=seed)

    def scores(part: Array) -> Array:
        with without_warnings():
            return np.asarray(model.transform(np.maximum(part - mean, 0)), np.float64)

    with without_warnings():  # the last iterations change little
        model.fit(np.maximum(rows - mean, 0))
    return Fit(mean, model.components_, scores)


def lowest(windows: Windows) -> Array:
    """(w * w * C) lowest pixel of the channel of each pixel where negative, otherwise 0."""
    channels = windows.reshape(len(windows), *windows.shape[1:3], -1)
    low = np.minimum(channels.min(axis=(0, 1, 2)), 0).astype(np.float64)
    return np.broadcast_to(low, channels.shape[1:]).ravel()


def _scale(rows: Array) -> Array:
    """(k,) norm of each row, negative where its largest number is."""
    sizes = np.linalg.norm(rows, axis=1)
    largest = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
    return np.where(largest < 0, -1, 1) * np.where(sizes > 0, sizes, 1)


def _spectra_above(windows: Windows) -> Callable[[Windows], Array]:
    """Function from windows to rows of their spectra, relative to the noise of these windows."""
    floor = noise_floor(power_spectra(windows[:: 1 + len(windows) // CHUNK]))
    return lambda part: log_spectra(part, floor)

"""Plausibility of the atoms found: complete, on maxima of the image, and regular or well above the noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from local_crystallography.data.arrays import Array, Mask, Pixels
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.image import Image
from local_crystallography.fitting.background import terraces
from local_crystallography.fitting.evidence import ALIKE, one_sided, repetition, response_of

NEAR = 1.3
"""Distance, in widths, within which an atom lies on a maximum."""
SMOOTH, PAIR, EQUAL = 0.6, 2.8, 0.5
"""Standard deviation of the smoothing before maxima are found, and largest distance in a pair, both in widths; and
smallest ratio of heights in a pair."""
FLANK = 2.5
"""Distance from a stronger column, in widths, within which weak columns have maxima only in the curvature."""
FAINT, STRONG = 0.15, 0.95
"""Height, relative to this quantile of all, below which a column beside others needs no maximum of its own."""
MISSED, OFF = 0.4, 0.2
"""Fractions of maxima without an atom, and of atoms without a maximum, above which the atoms are doubtful."""
CHANCE, CLEAR, SIDED = 0.08, 6.0, 0.5
"""Highest repetition by chance; signal-to-noise ratio above which atoms need no lattice; and smallest one-sidedness of
spots that are not all noise."""
WIDER = 0.55, 1.45
"""Ratios of the fitted to the expected width below and above which other features were fitted."""
FEWEST = 5
FRAMES = 5
"""Most frames of a stack that are checked."""
LARGEST = 1500
"""Side of the part of a frame that is checked, px for columns 2 px wide."""


@dataclass(frozen=True)
class Plausibility:
    """Agreement between atoms and image.

    Parameters
    ----------
    count
        Number of atoms.
    missed
        Fraction of the maxima similar to those of atoms that have no atom.
    off
        Fraction of the atoms that are not on a maximum, without faint ones above the noise.
    repetition
        0 to 1, fraction of the atoms that one vector maps onto others; NaN for few atoms.
    snr
        Median height over its standard deviation; NaN where unknown.
    wider
        Ratio of the fitted to the expected width; NaN where unknown.
    one_sided
        0 to 1, absence of spots of the other sign as strong as the atoms; about 0 in noise.
    """

    count: int
    missed: float
    off: float
    repetition: float
    snr: float
    wider: float
    one_sided: float

    @property
    def doubt(self) -> str:
        """What is wrong with the atoms, in words; "" where they are plausible."""
        if self.count < FEWEST:
            return f"only {self.count} atom{'s were' if self.count != 1 else ' was'} found"
        if self.missed > MISSED:
            return f"{self.missed:.0%} of the maxima that look like these atoms have no atom"
        if self.off > OFF:
            return f"{self.off:.0%} of the atoms are not on a maximum of the image"
        if not (np.isnan(self.wider) or WIDER[0] < self.wider < WIDER[1]):
            return f"the fitted columns are {self.wider:.1f} times as wide as expected"
        if self.repetition < CHANCE and not self.snr > CLEAR:
            return "the atoms are no more regular than by chance, and hardly above the noise"
        if self.repetition < CHANCE and self.one_sided < SIDED:
            return "the atoms are no more regular than by chance, and the inverted image has as many, as for noise"
        return ""


def plausibility(atoms: Atoms, image: Image, sigma: float | None) -> list[Plausibility]:
    """Plausibility of refined atoms in each of up to `FRAMES` frames with atoms, those with the fewest first.

    `sigma` is the expected standard deviation of a column, px; None: as fitted.
    """
    numbers, counts = np.unique(atoms.frame, return_counts=True)
    judged = []
    for number in numbers[np.argsort(counts, kind="stable")][:FRAMES].tolist():
        some = atoms.features[atoms.frame == number]
        fitted = float(np.nanmedian(some["sigma_px"])) if "sigma_px" in some else np.nan
        snr, dark, faint = np.nan, False, np.zeros(len(some), bool)
        if {"amplitude", "amplitude_std"} <= set(some):
            height, std = some["amplitude"].to_numpy(float), some["amplitude_std"].to_numpy(float)
            snr, dark = float(np.nanmedian(np.abs(height / std))), float(np.nanmedian(height)) < 0
            faint = (np.abs(height) < FAINT * np.nanquantile(np.abs(height), STRONG)) & (np.abs(height) > CLEAR * std)
        width = sigma or fitted
        if np.isfinite(width):
            frame, yx = image.frame(number), atoms.yx[atoms.frame == number]
            levels, steps = terraces(frame, width)
            masked = image.masked(number) | steps
            judged.append(
                judge(frame - levels, masked, yx, faint, sigma=width, dark=dark, snr=snr, wider=fitted / width)
            )
    return judged


def on_maxima(frame: Pixels, yx: Array, height: Array, width: float) -> Mask:
    """(N,) whether atoms (N, 2) lie on maxima of a frame (h, w), or on minima for heights (N,) below 0, or form a pair.

    The two atoms of a dumbbell may share one maximum between them; a maximum between several columns is not a pair.
    """
    sign = -1 if np.nanmedian(height) < 0 else 1
    scale, near = max(SMOOTH * width, 0.7), NEAR * width
    on = to_maxima(ndimage.gaussian_filter(sign * frame, scale), yx) <= near
    # Weak columns beside strong ones have a maximum in the curvature only, but so have gaps between close columns.
    curved = to_maxima(-ndimage.gaussian_laplace(sign * frame, scale), yx) <= near
    close = cKDTree(yx).query_pairs(FLANK * width, output_type="ndarray")
    between = np.zeros(len(yx), bool)
    between[np.where(np.abs(height[close[:, 0]]) < np.abs(height[close[:, 1]]), close[:, 0], close[:, 1])] = True
    on |= curved & ~between
    pairs = cKDTree(yx).query_pairs(PAIR * width, output_type="ndarray")
    ratio = height[pairs[:, 0]] / np.where(height[pairs[:, 1]] == 0, np.nan, height[pairs[:, 1]])
    single = np.bincount(pairs.ravel(), minlength=len(yx)) == 1
    alike = (ratio > EQUAL) & (ratio < 1 / EQUAL) & single[pairs].all(axis=1)
    on[pairs[alike].ravel()] = True
    return np.asarray(on, np.bool_)


def to_maxima(image: Pixels, yx: Array) -> Array:
    """(N,) distance of positions (N, 2) from the nearest local maximum of an image (h, w)."""
    maxima = np.argwhere(image == ndimage.maximum_filter(image, 3))
    return np.asarray(cKDTree(maxima).query(yx)[0])


def judge(
    frame: Pixels,
    masked: Mask,
    yx: Array,
    faint: Mask,
    *,
    sigma: float,
    dark: bool,
    snr: float = np.nan,
    wider: float = np.nan,
) -> Plausibility:
    """Plausibility of atoms (N, 2) in a frame (h, w) without gaps, for columns of width `sigma` px.

    `faint` atoms (N,) need not be on a maximum.
    """
    step = max(1, int(sigma / 2))
    h, w = (min(n, LARGEST * step) // step * step for n in frame.shape)
    top, left = ((n - part) // 2 for n, part in zip(frame.shape, (h, w), strict=True))
    blocks = frame[top : top + h, left : left + w].reshape(h // step, step, w // step, step).mean(axis=(1, 3))
    hidden = masked[top : top + h, left : left + w].reshape(h // step, step, w // step, step).any(axis=(1, 3))
    at, width = (yx - (top, left) + 0.5) / step - 0.5, sigma / step
    rim = 2 * width
    response = response_of(-blocks if dark else blocks, width)
    maxima = np.argwhere((response == ndimage.maximum_filter(response, 3)) & (response > 0))
    inner = ((maxima > rim) & (maxima < np.array(blocks.shape) - 1 - rim)).all(axis=1)
    maxima = maxima[inner & ~ndimage.binary_dilation(hidden, iterations=max(1, int(rim)))[tuple(maxima.T)]]
    inside = ((at > rim) & (at < np.array(blocks.shape) - 1 - rim)).all(axis=1)
    if inside.sum() < FEWEST or not len(maxima):
        return Plausibility(int(inside.sum()), np.nan, np.nan, np.nan, snr, wider, np.nan)
    at, faint = at[inside], faint[inside]
    height = response[tuple(np.rint(at).astype(int).T)]
    usual = float(np.median(height))
    like = maxima[response[tuple(maxima.T)] > ALIKE * max(usual, 0)]
    missed = float((cKDTree(at).query(like)[0] > NEAR * width).mean()) if len(like) else 0.0
    on = on_maxima(-blocks if dark else blocks, at, np.abs(height), width) & (height > 0)
    off = float((~on & ~faint).mean())
    return Plausibility(len(yx), missed, off, repetition(at), snr, wider, one_sided(response, at))

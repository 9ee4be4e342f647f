"""Plausibility of the atoms found: complete, on maxima of the image, regular or clear of the noise."""

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
"""Distance in widths within which an atom and a maximum are the same."""
SMOOTH, PAIR, EQUAL = 0.6, 2.8, 0.5
"""Standard deviation of the Gaussian an image is smoothed by to find its maxima, and largest distance of a pair, in
widths; and least height of one of a pair over the other's."""
FLANK = 2.5
"""Distance from a stronger column, in widths, within which the curvature of an image has maxima of its own."""
FAINT, STRONG = 0.15, 0.95
"""Height below which a column need have no maximum of its own beside others, over this quantile of all."""
MISSED, OFF = 0.4, 0.2
"""Shares of maxima without an atom, and of atoms without a maximum, that are not to be believed."""
CHANCE, CLEAR, SIDED = 0.08, 6.0, 0.5
"""Repetition that chance may give; signal-to-noise ratio from which atoms need no lattice; and how one-sided spots are
at least of which some are atoms and not all noise."""
WIDER = 0.55, 1.45
"""Width that was fitted over the one that was looked for, below and above which the two are of different things."""
FEWEST = 5
FRAMES = 5
"""Most frames of a stack that are judged."""
LARGEST = 1500
"""Side of the part of a frame that is looked at, px of columns 2 px wide."""


@dataclass(frozen=True)
class Plausibility:
    """How well atoms and image agree.

    Parameters
    ----------
    count
        Number of atoms.
    missed
        Share of the maxima that look like the atoms but have none.
    off
        Share of the atoms that are on no maximum, faint ones that stand out of the noise not counted.
    repetition
        0 to 1, how much of them one vector carries onto others; NaN for few.
    snr
        Median height over its standard deviation; NaN where not known.
    wider
        Width that was fitted over the one that was looked for; NaN where not known.
    one_sided
        0 to 1, how few spots of the other sign are as strong as the atoms; about 0 in noise.
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
        """What is wrong, in words; "" where nothing speaks against the atoms."""
        if self.count < FEWEST:
            return f"only {self.count} atoms were found"
        if self.missed > MISSED:
            return f"{self.missed:.0%} of the maxima that look like these atoms have none"
        if self.off > OFF:
            return f"{self.off:.0%} of the atoms are on no maximum of the image"
        if not (np.isnan(self.wider) or WIDER[0] < self.wider < WIDER[1]):
            return f"the columns fitted are {self.wider:.1f} times as wide as those that were looked for"
        if self.repetition < CHANCE and not self.snr > CLEAR:
            return "the atoms are no more regular than chance, and hardly clear of the noise"
        if self.repetition < CHANCE and self.one_sided < SIDED:
            return "the atoms are no more regular than chance, and the inverted image has as many, as noise has"
        return ""


def plausibility(atoms: Atoms, image: Image, sigma: float | None) -> list[Plausibility]:
    """How plausible refined atoms are, in each of up to `FRAMES` frames that hold some, first those with fewest.

    `sigma` is the standard deviation of the columns that were looked for, px; None: as they were fitted.
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
    """(N,) whether atoms at (N, 2) are on maxima of a frame (h, w), minima for heights (N,) below 0, or one of a pair.

    The two of a dumbbell may have one maximum between them; what lies between several columns is no pair.
    """
    sign = -1 if np.nanmedian(height) < 0 else 1
    scale, near = max(SMOOTH * width, 0.7), NEAR * width
    on = to_maxima(ndimage.gaussian_filter(sign * frame, scale), yx) <= near
    # weak columns on the flanks of strong ones have one in the curvature alone; so has what lies close between two
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
    """How plausible atoms at (N, 2) are in a frame (h, w) without gaps, for columns of width `sigma` px.

    Those that are `faint` (N,) need not be on a maximum.
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

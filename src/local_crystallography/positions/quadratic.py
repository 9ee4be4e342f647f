"""Atoms at the tops of a smoothed image: quick, and right where neighbours do not overlap on an even background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from local_crystallography.positions.background import Surface
from local_crystallography.positions.noise import Noise, noise_of_image

Array = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.float32]

CLIMB = 4
"""Most pixels that an atom moves to reach the top."""
SMOOTH = 0.8
"""Standard deviation of the filter, in widths: of 1 the noise would be least, but neighbours shift each other more."""
AXES = np.array([-1.0, 0.0, 1.0])


@dataclass(frozen=True)
class Tops:
    """Places (N, 2), heights above the background (N,), standard deviations (N, 2), background (N,) and noise.

    The standard deviations are NaN for atoms with no top near; these are where they were.
    """

    yx: Array
    height: Array
    std: Array
    background: Array
    noise: Noise


def tops(pixels: Pixels, yx: Array, *, width: float, dark: bool) -> Tops:
    """The tops (bottoms, for dark atoms) nearest to N places (N, 2) in an image (H, W).

    A parabola through the 3 x 3 pixels around the highest one, of the image smoothed almost as wide as the atoms.
    """
    smooth = ndimage.gaussian_filter(pixels, SMOOTH * width, truncate=3.0)
    sign = -1.0 if dark else 1.0
    start = np.clip(np.round(yx).astype(np.int64), 1, np.array(pixels.shape) - 2)
    at = _climb(smooth * np.float32(sign), start)
    shift, top, good = _vertex(_around(smooth, at), sign)
    surface = Surface.below(pixels, spacing=4 * width, width=width, dark=dark, roughness=1.0)
    background = surface.at(at)
    wider = 1 + SMOOTH**2
    height = np.where(good, (top - background) * wider, np.nan)
    noise = noise_of_image(pixels)
    std = top_std(height, background, noise, width)
    std[~good] = np.nan
    return Tops(np.where(good[:, None], at + shift, yx), height, np.stack([std, std], axis=1), background, noise)


def top_std(height: Array, background: Array, noise: Noise, width: float) -> Array:
    """(N,) standard deviation in pixels along either axis of the top of a smoothed Gaussian.

    White noise of the mean variance under the filter's slope, through that slope and over the bend at the top. The mean
    of the Gaussian itself under the square of the slope, y^2 exp(-r^2 / f^2) for a filter of f widths, is
    (1 + f^2 / 2)^-2.
    """
    mean = background + height * (1 + SMOOTH**2 / 2) ** -2
    variance = noise.variance(mean.astype(np.float32)).astype(np.float64)
    slope = np.sqrt(variance / (8 * np.pi)) / (SMOOTH * width) ** 2
    bend = np.abs(height) / (width**2 * (1 + SMOOTH**2) ** 2)
    std: Array = slope / np.maximum(bend, 1e-30)
    return std


def _around(image: Pixels, at: npt.NDArray[np.int64]) -> Array:
    """(N, 3, 3) pixels around places that are not on the rim."""
    view = np.lib.stride_tricks.sliding_window_view(image, (3, 3))
    return view[at[:, 0] - 1, at[:, 1] - 1].astype(np.float64)


def _climb(image: Pixels, start: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The highest pixels, at most CLIMB steps away."""
    at = start
    for _ in range(CLIMB):
        best = _around(image, at).reshape(-1, 9).argmax(axis=1)
        at = np.clip(at + np.stack([best // 3 - 1, best % 3 - 1], axis=1), 1, np.array(image.shape) - 2)
    return at


def _vertex(patch: Array, sign: float) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """Shift (N, 2) and value (N,) at the vertex of a least-squares parabola, and whether it is a top within reach."""
    patch = sign * patch
    down, across, mean = patch.mean(axis=2), patch.mean(axis=1), patch.mean(axis=(1, 2))
    gradient = np.stack([down @ AXES, across @ AXES], axis=1) / 2
    second = np.array([1.0, -2.0, 1.0])
    yy, xx = down @ second, across @ second
    xy = np.einsum("nab,a,b->n", patch, AXES, AXES) / 4
    determinant = yy * xx - xy**2
    good = (yy < 0) & (xx < 0) & (determinant > 0)
    safe = np.where(good, determinant, 1.0)
    shift = np.stack([xy * gradient[:, 1] - xx * gradient[:, 0], xy * gradient[:, 0] - yy * gradient[:, 1]], axis=1)
    shift /= safe[:, None]
    good &= np.abs(shift).max(axis=1, initial=0) <= 1.0
    centre = mean - (yy + xx) / 3
    return shift, sign * (centre + 0.5 * (shift * gradient).sum(axis=1)), good

"""Atoms at the maxima of a smoothed image: fast, and accurate for separate atoms on an even background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.linalg import cg
from scipy.spatial import cKDTree

from local_crystallography.data.arrays import Array, Index, Mask, Pixels
from local_crystallography.fitting.noise import Noise, noise_of_image

CLIMB = 4
"""Most pixels that an atom moves to reach its maximum."""
SMOOTH = 0.8
"""Standard deviation of the filter, in widths; 1 would minimise the noise, but neighbours would shift each other."""
WIDE = 2.0
"""Standard deviation, in widths, of the wider filter that estimates the background after subtracting the atoms."""
FAR = 9.0
"""Distance, in widths, beyond which atoms do not overlap even after the wider filter."""
AXES = np.array([-1.0, 0.0, 1.0])


@dataclass(frozen=True)
class Tops:
    """Maxima of a smoothed image, in units of the image and pixels.

    Parameters
    ----------
    yx, std
        (N, 2) positions, and (N,) their standard deviation along either axis; atoms without a maximum of their own keep
        their position, with NaN.
    height, height_std
        (N,) signed heights above the background, and their standard deviations due to white noise alone.
    background
        (N,) background at the atoms.
    """

    yx: Array
    std: Array
    height: Array
    height_std: Array
    background: Array


def tops(pixels: Pixels, yx: Array, *, width: float, dark: bool, reach: Array) -> Tops:
    """Maxima (minima, for dark atoms) nearest to positions (N, 2) in an image (H, W), each within (N,) reach pixels.

    Positions are vertices of a parabola through the 3 x 3 pixels around the highest one, in the image smoothed by
    almost the width of the atoms. Heights are those of Gaussians fitted together to the difference between this and a
    more strongly smoothed image, so that neither neighbours nor a slowly varying background count.
    """
    smooth, wide = (ndimage.gaussian_filter(pixels, f * width, truncate=3.0) for f in (SMOOTH, WIDE))
    sign = -1.0 if dark else 1.0
    start = np.clip(np.round(yx).astype(np.int64), 1, np.array(pixels.shape) - 2)
    at = _climb(smooth * np.float32(sign), start)
    shift, top, good = _vertex(_around(smooth, at), sign)
    own = good & (np.hypot(*(at + shift - yx).T) <= reach)
    yx = np.where(own[:, None], at + shift, yx)
    above, below = (ndimage.map_coordinates(p, yx.T, np.float64, order=1, mode="nearest") for p in (smooth, wide))
    above[own] = top[own]
    narrow_overlap, wide_overlap = (_overlap(yx, f, width) for f in (SMOOTH, WIDE))
    height, _ = cg(narrow_overlap - wide_overlap, above - below, rtol=1e-4)
    height = sign * np.maximum(sign * height, 0)
    background = below - wide_overlap @ height
    std, height_std = deviations(height, background, noise_of_image(pixels), width)
    return Tops(yx, np.where(own, std, np.nan), height, height_std, background)


def _overlap(yx: Array, smooth: float, width: float) -> sparse.csr_array:
    """(N, N) values of filtered Gaussians of height 1 at each other's positions (N, 2)."""
    n, spread = len(yx), 1 + smooth**2
    pairs = cKDTree(yx).query_pairs(FAR * width, output_type="ndarray")
    squares = ((yx[pairs[:, 0]] - yx[pairs[:, 1]]) ** 2).sum(axis=1)
    shared = sparse.csr_array((np.exp(-squares / (2 * spread * width**2)) / spread, pairs.T), shape=(n, n))
    return shared + shared.T + sparse.eye_array(n) / spread


def deviations(height: Array, background: Array, noise: Noise, width: float) -> tuple[Array, Array]:
    """(N,) standard deviations of positions along either axis, px, and of heights, for single atoms in white noise.

    The error of a position is the noise filtered by the derivative of the filter, over the curvature at the maximum;
    that of a height is the noise filtered by the difference of both filters. The variance of the noise is averaged with
    the square of the filter as weight: of a Gaussian, the fraction (1 + f^2 / 2)^-1 remains for a filter of f widths
    with the square exp(-r^2 / f^2), and the square of this fraction for its derivative, with the square
    y^2 exp(-r^2 / f^2).
    """
    part, s, w = 1 / (1 + SMOOTH**2 / 2), SMOOTH**2, WIDE**2
    flat, steep = (noise.variance((background + height * p).astype(np.float32)).astype(float) for p in (part, part**2))
    slope = np.sqrt(steep / (8 * np.pi)) / (SMOOTH * width) ** 2
    bend = np.abs(height) / (width**2 * (1 + s) ** 2)
    through = np.sqrt(flat * (1 / s + 1 / w - 4 / (s + w)) / (4 * np.pi)) / width
    return slope / np.maximum(bend, 1e-30), through / (1 / (1 + s) - 1 / (1 + w))


def _around(image: Pixels, at: Index) -> Array:
    """(N, 3, 3) pixels around positions away from the rim."""
    view = np.lib.stride_tricks.sliding_window_view(image, (3, 3))
    return view[at[:, 0] - 1, at[:, 1] - 1].astype(np.float64)


def _climb(image: Pixels, start: Index) -> Index:
    """Highest pixels, at most CLIMB steps away."""
    at = start
    for _ in range(CLIMB):
        best = _around(image, at).reshape(-1, 9).argmax(axis=1)
        at = np.clip(at + np.stack([best // 3 - 1, best % 3 - 1], axis=1), 1, np.array(image.shape) - 2)
    return at


def _vertex(patch: Array, sign: float) -> tuple[Array, Array, Mask]:
    """Shift (N, 2) and value (N,) at the vertex of a least-squares parabola, and whether it is a maximum inside."""
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

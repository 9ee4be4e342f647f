"""Blob detection of atoms: a Laplacian of Gaussian at the scale of an atom, without training."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.feature import peak_local_max
from skimage.measure import block_reduce
from skimage.segmentation import watershed

from local_crystallography.data.arrays import Array, Index, Pixels
from local_crystallography.data.errors import InputError

BLOB_SCALE = 0.22
"""Standard deviation of the Laplacian of Gaussian, relative to the distance between neighbours."""

LARGEST = 768
"""Side of the part of an image that suffices to measure the spacing, px."""


def busiest_part(frame: Pixels) -> Pixels:
    """Square of at most LARGEST pixels with the highest variance."""
    blocks = block_reduce(frame, (16, 16), np.var)
    local = ndimage.uniform_filter(blocks, min(LARGEST // 16, *blocks.shape), mode="constant")
    middle = np.unravel_index(local.argmax(), local.shape)
    starts = (max(0, min(16 * int(m) - LARGEST // 2, n - LARGEST)) for m, n in zip(middle, frame.shape, strict=True))
    return frame[tuple(slice(start, start + LARGEST) for start in starts)]


def find_spacing(frame: Pixels, *, name: str) -> float:
    """Median distance between neighbouring blobs, in pixels, at the finest scale where it is regular.

    At too fine a scale blobs are noise; at too coarse a scale neighbours merge. Scales are tried from fine to coarse.
    The first is selected at which neighbours are 3.5 to 5.5 standard deviations of the filter apart and the distance
    varies by less than a tenth between an atom and those around it, so grains and phases of different spacing may meet.

    Raises
    ------
    InputError
        Where no scale gives a regular pattern.
    """
    frame = busiest_part(frame)
    best = (np.inf, 0.0)
    for sigma in 1.1 * 1.25 ** np.arange(16):
        if 16 * sigma > min(frame.shape):
            break
        binning = max(1, int(sigma / 2))  # large blobs are found equally well, but faster, in a binned image
        coarse = block_reduce(frame, (binning, binning), np.mean)
        response = blob_response(coarse, sigma=sigma / binning)
        positions, _ = _clear_blobs(coarse, response, sigma / binning)
        if len(positions) < 16:
            continue
        spacing, spread = regularity(vertices(response, positions) * binning)
        if spread < 0.1 and 3.5 < spacing / sigma < 5.5:
            return spacing
        best = min(best, (spread, spacing))
    if best[0] > 0.2:
        raise InputError(
            f"{name}: no regular pattern of blobs was found, so the image may not be atomically resolved; set the "
            "spacing by hand or check the contrast (bright or dark atoms)."
        )
    return best[1]


def regularity(positions: Array) -> tuple[float, float]:
    """Median nearest-neighbour distance, and its median coefficient of variation over an atom and those around it."""
    distance, index = cKDTree(positions).query(positions, 9)
    around = distance[:, 1][index]
    return float(np.median(distance[:, 1])), float(np.median(around.std(axis=1) / around.mean(axis=1)))


def _clear_blobs(frame: Pixels, response: Pixels, sigma: float) -> tuple[Index, Pixels]:
    """(n, 2) positions and (n,) heights of the blobs clearly above the noise."""
    positions, height, level = find_blobs(frame, response, sigma=sigma, significance=5.0, weakest=0.1)
    return positions[height > level], height[height > level]


def find_blobs(
    frame: Pixels, response: Pixels, *, sigma: float, significance: float, weakest: float
) -> tuple[Index, Pixels, Pixels]:
    """Local maxima of the blob response: (n, 2) positions, (n,) heights, and (n,) the level required of each."""
    noise = _noise(frame, sigma)
    strongest = ndimage.gaussian_filter(ndimage.maximum_filter(response, size=int(12 * sigma)), 6 * sigma)
    level = np.maximum(significance * noise, weakest * strongest)
    # The atom of a blob whose maximum is on the outermost pixel lies outside the image.
    positions = peak_local_max(response, min_distance=max(2, round(sigma)), exclude_border=1, threshold_abs=0)
    rows, columns = positions.T
    return positions, response[rows, columns], level[rows, columns]


def vertices(response: Pixels, positions: Index) -> Array:
    """(n, 2) sub-pixel positions of local maxima: vertices of parabolas through their neighbours along both axes."""
    around = np.pad(response, 1, mode="edge")
    y, x = positions.T + 1
    top = around[y, x]
    shifts = []
    for before, after in ((around[y - 1, x], around[y + 1, x]), (around[y, x - 1], around[y, x + 1])):
        bend = np.maximum(2 * top - before - after, 1e-12)
        shifts.append(np.clip((after - before) / (2 * bend), -0.5, 0.5))
    tops: Array = positions + np.stack(shifts, axis=1)
    return tops


def blob_response(frame: Pixels, *, sigma: float) -> Pixels:
    """Scale-normalised Laplacian of Gaussian, positive on bright blobs (Lindeberg 1998)."""
    response: Pixels = (-(sigma**2) * ndimage.gaussian_laplace(frame, sigma)).astype(np.float32)
    return response


def blob_probability(frame: Pixels, *, sigma: float, significance: float, weakest: float) -> Pixels:
    """Probability map of one frame: the blob response relative to its peak, times the probability of the peak.

    A peak at its required level (set by noise and strong neighbours) has probability 0.5, one far above it 1. Lines of
    zeros separate the basins of neighbouring peaks, so that every atom is one blob at any threshold.
    """
    response = blob_response(frame, sigma=sigma)
    positions, height, level = find_blobs(frame, response, sigma=sigma, significance=significance, weakest=weakest)
    keep = height > 0.2 * level
    if not keep.any():
        return np.zeros(frame.shape, np.float32)
    (rows, columns), height, level = positions[keep].T, height[keep], level[keep]
    peak = np.where(height > level, 1 - 0.5 * level / height, 0.5 * height / level)
    seeds = np.zeros(frame.shape, np.int32)
    seeds[rows, columns] = np.arange(1, len(rows) + 1)
    basin = watershed(-response, seeds, mask=response > 0, watershed_line=True)
    scale = np.concatenate([[0], peak / height]).astype(np.float32)
    probability: Pixels = np.clip(response * scale[basin], 0, 1)
    return probability


def _noise(frame: Pixels, sigma: float) -> Pixels:
    """(H, W) standard deviation of the blob response to the local white noise.

    It is that of the pixels, from second differences along both axes (Immerkaer 1996), times sqrt(2 / (4 pi)) / sigma.
    """
    second = np.array([1, -2, 1], np.float32)
    difference = ndimage.convolve1d(ndimage.convolve1d(frame, second, axis=0), second, axis=1) / 6
    noise: Pixels = np.sqrt(ndimage.gaussian_filter(difference**2, 6 * sigma))
    return noise * float(np.sqrt(1 / (2 * np.pi)) / sigma)

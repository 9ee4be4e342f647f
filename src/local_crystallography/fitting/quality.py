"""Quality of fitted columns: precision, residual, roundness."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, sparse

from local_crystallography.data.arrays import Array, Index, Mask, Pixels
from local_crystallography.fitting.gaussians import factors
from local_crystallography.fitting.system import Scene, System

CORE = 1.5
"""Radius, in widths, of the core of a column in which its fit is evaluated."""
TILE, TILES, SPOT = 40.0, 300, 7
"""Side of the tiles whose power is measured, in widths; their approximate number; and side of the spots that are
removed from the spectrum, in frequency steps."""
BESIDE, OUTLIER = 2.5, 4.0
"""Distance from masked pixels, in widths, beyond which residuals measure the noise; and largest residual, in standard
deviations."""
LEFT = 0.1
"""Smallest fraction of the power of white noise that must remain after a fit for the ratio to be reliable."""
LEAST, LOUD = 0.8, 3.0
"""Lowest ratio of the variance of noise to that of white noise; and power, relative to the typical one, of excluded
tiles."""
ANOMALOUS = 8.0
"""Standard deviations, after filtering with the shape of a column, beyond which residuals are not noise."""
MOST = 6
"""Most partners of a column that are included in its standard deviation."""


def local_variance(system: System, hold: Array) -> Array:
    """(N, 4) variances of the parameters of every column, marginalised over its nearest partners.

    More distant columns and the background hardly affect them.
    """
    n = len(system.own)
    left, right = system.partners.T
    rows, columns = np.concatenate([np.arange(n), left, right]), np.concatenate([np.arange(n), right, left])
    lookup = sparse.csr_matrix((np.arange(1, len(rows) + 1), (rows, columns)), (n, n))
    own = system.own + hold[:, :, None] * np.eye(4)
    blocks = np.concatenate([np.zeros((1, 4, 4)), own, system.pairs, system.pairs.transpose(0, 2, 1)])
    variance, count = np.empty((n, 4)), np.diff(lookup.indptr)
    for size in np.unique(count):
        same = np.flatnonzero(count == size)
        for part in np.array_split(same, 1 + len(same) // 1000):
            near = lookup.indices[lookup.indptr[part][:, None] + np.arange(size)]
            others = near[near != part[:, None]].reshape(len(part), -1)[:, :MOST]
            near = np.concatenate([part[:, None], others], axis=1)
            variance[part] = _own_variance(lookup, blocks, near)
    return variance


def _own_variance(lookup: sparse.csr_matrix, blocks: Array, near: Index) -> Array:
    """(n, 4) variances of the first of each group (n, m) of columns; `lookup` gives the block of each pair."""
    n, m = near.shape
    number = np.asarray(lookup[np.repeat(near, m, axis=1).ravel(), np.tile(near, m).ravel()])
    dense = blocks[number.reshape(n, m, m)].transpose(0, 1, 3, 2, 4).reshape(n, 4 * m, 4 * m)
    scale = 1 / np.sqrt(np.maximum(np.einsum("nii->ni", dense), 1e-30))
    inverse = np.linalg.inv(dense * scale[:, :, None] * scale[:, None] + 1e-9 * np.eye(4 * m))
    variance: Array = np.abs(np.einsum("nii->ni", inverse)[:, :4]) * scale[:, :4] ** 2
    return variance


def core_errors(scene: Scene, expected: Pixels) -> Array:
    """(N,) root mean square residual in the core of each column over its standard deviation; 1 for noise alone."""
    chi = np.pad((scene.pixels - expected) ** 2 / scene.noise.variance(expected), scene.half)
    inside = np.pad(np.ones_like(expected), scene.half)
    error = np.empty(len(scene.columns))
    for rows, part, windows in scene.parts():
        reach = CORE * part.sigma[:, None, None]
        core = (windows.y[:, :, None] ** 2 + windows.x[:, None] ** 2 < reach**2) * windows.cut(inside)
        error[rows] = np.sqrt((windows.cut(chi) * core).sum(axis=(1, 2)) / np.maximum(core.sum(axis=(1, 2)), 1))
    return error


def correlation(scene: Scene, residual: Pixels | Array, white: Pixels | Array) -> Array:
    """(4,) factors by which correlated noise raises the standard deviations of height, y, x and width over white noise.

    The ratio of both residuals is the power of the noise at every frequency, whatever fraction of it a fit absorbs; it
    acts on a parameter through a filter matched to the derivative of a column.

    Parameters
    ----------
    residual
        (H, W) residual of the image over its standard deviation.
    white
        (H, W) residual of white noise of variance 1 after the same fit.
    """
    sigma = float(np.median(scene.columns.sigma))
    known = np.asarray(scene.known) > 0
    if not known.all():  # columns cut off by the mask are not fitted well
        far = ndimage.binary_erosion(known, np.ones((3, 3)), iterations=int(BESIDE * sigma), border_value=1)
        known = far if far.mean() > 0.2 else known
    clipped = np.asarray(np.clip(residual, -OUTLIER, OUTLIER), np.float64)
    far = known & (ndimage.distance_transform_edt(~anomalies(clipped, known, sigma)) > BESIDE * sigma)
    known = far if far.mean() > 0.5 * known.mean() else known  # otherwise the whole fit is wrong
    side = int(np.clip(TILE * sigma, 64, max(64, min(known.shape))))
    spectra = [smooth_spectrum(image, known, side) for image in (clipped, white)]
    ky, kx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)
    seen = np.exp(-4 * np.pi**2 * sigma**2 * (ky**2 + kx**2))
    filters = (1.0, ky**2, kx**2, (2 - 4 * np.pi**2 * sigma**2 * (ky**2 + kx**2)) ** 2)
    ratio = spectra[0] / np.maximum(spectra[1], LEFT * spectra[1].max())
    ratios = [float((f * seen * ratio).sum() / (f * seen).sum()) for f in filters]
    return np.asarray(np.sqrt(np.clip(ratios, LEAST, None)))


def anomalies(residual: Pixels | Array, known: Mask, sigma: float) -> Mask:
    """(H, W) where a normalised residual is not noise: missed columns, dirt, edges, steps."""
    seen = ndimage.gaussian_filter(np.clip(residual, -OUTLIER, OUTLIER) * known, sigma)
    usual = 1.48 * float(np.median(np.abs(seen[known][::3]))) if known.any() else 0.0
    return np.asarray(known & (np.abs(seen) > ANOMALOUS * usual), np.bool_)


def smooth_spectrum(image: Pixels | Array, known: Mask, side: int) -> Array:
    """Power spectrum without the spots due to columns that are not exactly Gaussian."""
    power = power_spectrum(image, known, side)
    mirrored = np.roll(power[::-1], 1, axis=0)[:, :0:-1]  # so that the median includes both sides of the axis
    full = np.concatenate([mirrored, power], axis=1)
    return np.asarray(ndimage.median_filter(full, SPOT, mode="wrap")[:, power.shape[1] - 1 :])


def power_spectrum(image: Pixels | Array, known: Mask, side: int) -> Array:
    """(side, side // 2 + 1) mean power of tiles of an image, or of the whole; 1 for white noise of variance 1.

    Tiles with far more power than others, as with dirt or steps, are excluded.
    """
    window = np.outer(np.hanning(side + 2)[1:-1], np.hanning(side + 2)[1:-1])
    powers, step = [], max(side // 2, int(np.sqrt(image.size / TILES)))
    for top in range(0, image.shape[0] - side + 1, step):
        for left in range(0, image.shape[1] - side + 1, step):
            tile = slice(top, top + side), slice(left, left + side)
            weight = window * known[tile]
            if (weight**2).sum() > 0.5 * (window**2).sum():
                powers.append(np.abs(np.fft.rfft2(image[tile] * weight)) ** 2 / (weight**2).sum())
    if not powers:  # the best available where most of the image is masked
        weight = known.astype(float)
        return np.asarray(np.abs(np.fft.rfft2(image * weight, (side, side))) ** 2 / max(weight.sum(), 1.0) + 1e-12)
    total = np.sum(powers, axis=(1, 2))
    return np.asarray(np.mean(np.array(powers)[total <= LOUD * np.median(total)], axis=0))


def ellipses(scene: Scene, expected: Pixels) -> tuple[Array, Array]:
    """(N, 2) standard deviations of the columns along their long and short axes, in pixels, and (N,) their angle.

    The angle is that of the long axis from the x axis, radians, counter-clockwise as displayed, -pi/2 to pi/2. The
    second moments of a Gaussian with covariance S, weighted by a Gaussian with s^2, are (1/S + 1/s^2)^-1, which gives S
    for any elongation. Background and neighbours (assumed round) are subtracted first; NaN where noise prevents it.
    """
    residual, spread = np.pad(scene.pixels - expected, scene.half), np.full((len(scene.columns), 2, 2), np.nan)
    for rows, part, windows in scene.parts():
        down, across = factors(windows.y, part.sigma), factors(windows.x, part.sigma)
        own = part.height.astype(np.float32)[:, None, None] * down[:, :, :1] * across[:, None, :, 0]
        moments = np.matmul(down.transpose(0, 2, 1), np.matmul(windows.cut(residual) + own, across)).astype(float)
        m = np.stack([moments[:, 2, 0], moments[:, 1, 1], moments[:, 1, 1], moments[:, 0, 2]], axis=1)
        m = (m / moments[:, 0, :1]).reshape(-1, 2, 2)
        good = (m[:, 0, 0] * m[:, 1, 1] > m[:, 0, 1] ** 2) & (np.trace(m, axis1=1, axis2=2) > 0)
        inverse = np.full_like(m, np.nan)
        inverse[good] = np.linalg.inv(m[good]) - np.eye(2)
        good &= np.einsum("nii->ni", np.nan_to_num(inverse)).min(axis=1) > 0
        good &= np.linalg.det(np.where(good[:, None, None], inverse, np.eye(2))) > 1e-6
        part_spread = np.full_like(m, np.nan)
        part_spread[good] = np.linalg.inv(inverse[good]) * part.sigma[good, None, None] ** 2
        spread[rows] = part_spread
    known = np.isfinite(spread[:, 0, 0])
    values, vectors = np.linalg.eigh(np.where(known[:, None, None], spread, np.eye(2)))
    angle = np.arctan2(-vectors[:, 0, 1], vectors[:, 1, 1])
    angle = (angle + np.pi / 2) % np.pi - np.pi / 2
    axes = np.where(known[:, None], np.sqrt(values[:, ::-1]), np.nan)
    return axes, np.where(known, angle, np.nan)

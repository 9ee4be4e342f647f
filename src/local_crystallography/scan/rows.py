"""Positions along x of the atom columns crossed by every row of an image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage, optimize, sparse

from local_crystallography.data.arrays import Array, Index
from local_crystallography.fitting.background import block_means

REACH = 3.0  # standard deviations of a column within which pixels are used
AMPLITUDE_ROUNDS = 3
BINS = 12


@dataclass(frozen=True)
class ImageModel:
    """Model of an image: atom columns as Gaussians of one width over a smooth background.

    Parameters
    ----------
    y
        (N,) positions in px along the slow axis.
    amplitude
        (N,) heights, in units of the image.
    sigma
        Standard deviation of every column in px.
    background
        (H, W) background, in units of the image.
    """

    y: Array
    amplitude: Array
    sigma: float
    background: Array


@dataclass(frozen=True)
class RowEvidence:
    """Information of each row on each column that it crosses.

    Parameters
    ----------
    weight
        (N, H) sparse: Fisher information in 1/px² of a row on the position of a column along it.
    pull
        (N, H) sparse: that information times the measured position, in px from an anchor.
    """

    weight: sparse.csr_array
    pull: sparse.csr_array

    def spread(self, y: Array) -> float:
        """Standard deviation in px of the rows that determine the positions of columns at (N,) `y`."""
        entries = self.weight.tocoo()
        apart = entries.coords[1] - y[entries.coords[0]]
        return float(np.sqrt((entries.data * apart**2).sum() / entries.data.sum()))


def stamps(model: ImageModel, x: Array, row_shift: Array, width: int) -> tuple[Index, Index, Array, Array]:
    """Pixels around every column: rows (N, n), pixel columns (N, n, n), heights of a unit Gaussian and slopes per px.

    Pixels outside the image have height 0 and an index inside it.
    """
    reach = int(np.ceil(REACH * model.sigma))
    offset = np.arange(-reach, reach + 1)
    rows = np.rint(model.y).astype(np.int64)[:, None] + offset
    inside = (rows >= 0) & (rows < len(row_shift))
    at = x[:, None] + row_shift[np.clip(rows, 0, len(row_shift) - 1)]
    positions = np.rint(at).astype(np.int64)[:, :, None] + offset
    inside_both = inside[:, :, None] & (positions >= 0) & (positions < width)
    distance = positions - at[:, :, None]
    vertical = np.exp(-0.5 * ((rows - model.y[:, None]) / model.sigma) ** 2)
    height = vertical[:, :, None] * np.exp(-0.5 * (distance / model.sigma) ** 2) * inside_both
    slope = height * distance / model.sigma**2
    return np.clip(rows, 0, len(row_shift) - 1), np.clip(positions, 0, width - 1), height, slope


def rendered(shape: tuple[int, int], rows: Index, positions: Index, height: Array) -> Array:
    """(H, W) sum of stamps."""
    flat = rows[:, :, None] * shape[1] + positions
    total: Array = np.bincount(flat.ravel(), height.ravel(), minlength=shape[0] * shape[1]).astype(np.float64)
    return total.reshape(shape)


def smooth(field: Array, width: float) -> Array:
    """(H, W) field smoothed by a Gaussian of about `width` px standard deviation, computed on coarse pixels."""
    step = max(1, round(width / 4))
    coarse = ndimage.gaussian_filter(block_means(field, step), width / step, mode="nearest", truncate=3.0)
    for axis, n in enumerate(field.shape):  # linear interpolation between coarse pixels
        at = np.clip((np.arange(n) - (step - 1) / 2) / step, 0, coarse.shape[axis] - 1)
        lower, fraction = at.astype(np.int64), at % 1 if axis else (at % 1)[:, None]
        upper = np.minimum(lower + 1, coarse.shape[axis] - 1)
        coarse = coarse.take(lower, axis) * (1 - fraction) + coarse.take(upper, axis) * fraction
    return np.asarray(coarse)


def fit_model(pixels: Array, model: ImageModel, x: Array, row_shift: Array, spacing: float) -> ImageModel:
    """Model with amplitudes and background fitted to (H, W) pixels, alternately, a few times."""
    rows, positions, height, _ = stamps(model, x, row_shift, pixels.shape[1])
    power = np.maximum((height**2).sum(axis=(1, 2)), 1e-9)
    amplitude, background = model.amplitude, model.background
    for _ in range(AMPLITUDE_ROUNDS):
        rest = pixels - rendered(pixels.shape, rows, positions, height * amplitude[:, None, None])
        background = smooth(rest, 0.7 * spacing)
        there = (rest - background)[rows[:, :, None], positions]
        amplitude = amplitude + 0.9 * (height * there).sum(axis=(1, 2)) / power
    return replace(model, amplitude=amplitude, background=background)


def initial_model(pixels: Array, yx: Array, spacing: float) -> ImageModel:
    """Model with columns at (N, 2) positions and the common width that minimises the residual."""
    no_shift, no_height = np.zeros(len(pixels)), np.zeros(len(yx))

    def fitted(sigma: float) -> ImageModel:
        return fit_model(pixels, ImageModel(yx[:, 0], no_height, sigma, pixels), yx[:, 1], no_shift, spacing)

    def unexplained(sigma: float) -> float:
        return float((residual(pixels, fitted(sigma), yx[:, 1], no_shift) ** 2).mean())

    best = optimize.minimize_scalar(
        unexplained,
        bounds=(0.08 * spacing, 0.4 * spacing),
        method="bounded",
        options={"xatol": 0.01 * spacing, "maxiter": 7},
    )
    return fitted(float(best.x))


def residual(pixels: Array, model: ImageModel, x: Array, row_shift: Array) -> Array:
    """(H, W) residual of the pixels."""
    rows, positions, height, _ = stamps(model, x, row_shift, pixels.shape[1])
    return pixels - model.background - rendered(pixels.shape, rows, positions, height * model.amplitude[:, None, None])


def noise_variance(rest: Array, expected: Array) -> Array:
    """(H, W) variance of the pixels: a constant plus a term proportional to the expected value, as for counts.

    It is estimated from the residual, so that images with any unit, offset and gain are weighted correctly.
    """
    edges = np.quantile(expected, np.linspace(0, 1, BINS + 1)[1:-1])
    group = np.digitize(expected, edges)
    count = np.maximum(np.bincount(group.ravel(), minlength=BINS), 1)
    level = np.bincount(group.ravel(), expected.ravel(), minlength=BINS) / count
    spread = np.bincount(group.ravel(), rest.ravel() ** 2, minlength=BINS) / count
    lowest = float(expected.min())
    design = np.stack([np.ones(BINS), level - lowest], axis=1) / np.maximum(spread, 1e-12)[:, None]
    (constant, gain), _ = optimize.nnls(design, np.ones(BINS))
    variance: Array = np.maximum(constant + gain * (expected - lowest), 0.05 * float(spread.min()) + 1e-12)
    return variance


def measure_rows(pixels: Array, model: ImageModel, x: Array, row_shift: Array, anchor: Array) -> RowEvidence:
    """Information of each row of (H, W) pixels on each column, at (N,) current positions and (H,) current shifts.

    Measured positions are relative to (N,) anchors.
    """
    rows, positions, height, slope = stamps(model, x, row_shift, pixels.shape[1])
    expected = model.background + rendered(pixels.shape, rows, positions, height * model.amplitude[:, None, None])
    rest = pixels - expected
    variance = noise_variance(rest, expected)
    slope *= model.amplitude[:, None, None]
    over = slope / variance[rows[:, :, None], positions]
    weight = (over * slope).sum(axis=2)
    present = (x - anchor)[:, None] + row_shift[rows]
    pull = (over * rest[rows[:, :, None], positions]).sum(axis=2) + weight * present
    index = np.broadcast_to(np.arange(len(x))[:, None], rows.shape).ravel()
    shape = (len(x), len(pixels))
    return RowEvidence(
        sparse.csr_array((weight.ravel(), (index, rows.ravel())), shape=shape),
        sparse.csr_array((pull.ravel(), (index, rows.ravel())), shape=shape),
    )


def flattened(pixels: Array, width: float) -> Array:
    """(H, W) pixels minus their smooth background, a low percentile of the surroundings.

    Parameters
    ----------
    width
        Width of the surroundings in px; about twice the distance between columns.
    """
    step = max(1, round(width / 8))
    low = ndimage.percentile_filter(smooth(pixels, width / 8)[::step, ::step], 20, size=9, mode="nearest")
    grown = np.repeat(np.repeat(low, step, axis=0), step, axis=1)[: pixels.shape[0], : pixels.shape[1]]
    return np.asarray(pixels - smooth(grown, width))

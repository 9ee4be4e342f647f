"""Positions along x of the columns that every row of an image crosses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage, optimize, sparse

from local_crystallography.data.arrays import Array, Index
from local_crystallography.fitting.background import block_means

REACH = 3.0  # standard deviations of a column within which its pixels are used
AMPLITUDE_ROUNDS = 3
BINS = 12


@dataclass(frozen=True)
class Picture:
    """Atom columns as Gaussians of one width over a smooth background.

    Parameters
    ----------
    y
        (N,) places in px along the slow axis.
    amplitude
        (N,) heights, in units of the image.
    sigma
        Standard deviation of every column in px.
    background
        (H, W), in units of the image.
    """

    y: Array
    amplitude: Array
    sigma: float
    background: Array


@dataclass(frozen=True)
class Sight:
    """What each row tells about each column it crosses.

    Parameters
    ----------
    weight
        (N, H) sparse: Fisher information in 1/px² of a row about the place of a column along it.
    pull
        (N, H) sparse: that information times the place measured in px from an anchor.
    """

    weight: sparse.csr_array
    pull: sparse.csr_array

    def spread(self, y: Array) -> float:
        """Standard deviation in px of the rows that tell the places of columns, which are at (N,) `y`."""
        entries = self.weight.tocoo()
        apart = entries.coords[1] - y[entries.coords[0]]
        return float(np.sqrt((entries.data * apart**2).sum() / entries.data.sum()))


def stamps(picture: Picture, x: Array, row_shift: Array, width: int) -> tuple[Index, Index, Array, Array]:
    """Pixels near every column: rows (N, n), image columns (N, n, n), heights of a unit Gaussian and slopes per px.

    Pixels beyond the image have height 0 and an index within it.
    """
    reach = int(np.ceil(REACH * picture.sigma))
    offset = np.arange(-reach, reach + 1)
    rows = np.rint(picture.y).astype(np.int64)[:, None] + offset
    inside = (rows >= 0) & (rows < len(row_shift))
    at = x[:, None] + row_shift[np.clip(rows, 0, len(row_shift) - 1)]
    places = np.rint(at).astype(np.int64)[:, :, None] + offset
    inside_both = inside[:, :, None] & (places >= 0) & (places < width)
    distance = places - at[:, :, None]
    vertical = np.exp(-0.5 * ((rows - picture.y[:, None]) / picture.sigma) ** 2)
    height = vertical[:, :, None] * np.exp(-0.5 * (distance / picture.sigma) ** 2) * inside_both
    slope = height * distance / picture.sigma**2
    return np.clip(rows, 0, len(row_shift) - 1), np.clip(places, 0, width - 1), height, slope


def painted(shape: tuple[int, int], rows: Index, places: Index, height: Array) -> Array:
    """(H, W) sum of stamps."""
    flat = rows[:, :, None] * shape[1] + places
    total: Array = np.bincount(flat.ravel(), height.ravel(), minlength=shape[0] * shape[1]).astype(np.float64)
    return total.reshape(shape)


def smooth(field: Array, width: float) -> Array:
    """(H, W) low-passed by a Gaussian of about `width` px standard deviation, worked out on coarse pixels."""
    step = max(1, round(width / 4))
    coarse = ndimage.gaussian_filter(block_means(field, step), width / step, mode="nearest", truncate=3.0)
    for axis, n in enumerate(field.shape):  # linear between coarse pixels
        at = np.clip((np.arange(n) - (step - 1) / 2) / step, 0, coarse.shape[axis] - 1)
        lower, share = at.astype(np.int64), at % 1 if axis else (at % 1)[:, None]
        upper = np.minimum(lower + 1, coarse.shape[axis] - 1)
        coarse = coarse.take(lower, axis) * (1 - share) + coarse.take(upper, axis) * share
    return np.asarray(coarse)


def fit_picture(pixels: Array, picture: Picture, x: Array, row_shift: Array, spacing: float) -> Picture:
    """The picture with amplitudes and background fitted to (H, W) pixels, each in turn, a few times."""
    rows, places, height, _ = stamps(picture, x, row_shift, pixels.shape[1])
    power = np.maximum((height**2).sum(axis=(1, 2)), 1e-9)
    amplitude, background = picture.amplitude, picture.background
    for _ in range(AMPLITUDE_ROUNDS):
        rest = pixels - painted(pixels.shape, rows, places, height * amplitude[:, None, None])
        background = smooth(rest, 0.7 * spacing)
        there = (rest - background)[rows[:, :, None], places]
        amplitude = amplitude + 0.9 * (height * there).sum(axis=(1, 2)) / power
    return replace(picture, amplitude=amplitude, background=background)


def start_picture(pixels: Array, yx: Array, spacing: float) -> Picture:
    """A picture of columns at (N, 2) places, their common width the one that leaves least of the image unexplained."""
    still, nothing = np.zeros(len(pixels)), np.zeros(len(yx))

    def fitted(sigma: float) -> Picture:
        return fit_picture(pixels, Picture(yx[:, 0], nothing, sigma, pixels), yx[:, 1], still, spacing)

    def unexplained(sigma: float) -> float:
        return float((residual(pixels, fitted(sigma), yx[:, 1], still) ** 2).mean())

    best = optimize.minimize_scalar(
        unexplained,
        bounds=(0.08 * spacing, 0.4 * spacing),
        method="bounded",
        options={"xatol": 0.01 * spacing, "maxiter": 7},
    )
    return fitted(float(best.x))


def residual(pixels: Array, picture: Picture, x: Array, row_shift: Array) -> Array:
    """(H, W) what the picture leaves of the pixels."""
    rows, places, height, _ = stamps(picture, x, row_shift, pixels.shape[1])
    return pixels - picture.background - painted(pixels.shape, rows, places, height * picture.amplitude[:, None, None])


def noise_variance(rest: Array, expected: Array) -> Array:
    """(H, W) variance of the pixels: a constant and a part in proportion to what is expected, as counting gives.

    Learned from the residual, so that images in any units, offset and gain are weighted as they deserve.
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


def look(pixels: Array, picture: Picture, x: Array, row_shift: Array, anchor: Array) -> Sight:
    """What each row of (H, W) pixels tells of each column, seen from (N,) present places and (H,) present shifts.

    The places measured are told from (N,) anchors.
    """
    rows, places, height, slope = stamps(picture, x, row_shift, pixels.shape[1])
    model = picture.background + painted(pixels.shape, rows, places, height * picture.amplitude[:, None, None])
    rest = pixels - model
    variance = noise_variance(rest, model)
    slope *= picture.amplitude[:, None, None]
    over = slope / variance[rows[:, :, None], places]
    weight = (over * slope).sum(axis=2)
    present = (x - anchor)[:, None] + row_shift[rows]
    pull = (over * rest[rows[:, :, None], places]).sum(axis=2) + weight * present
    index = np.broadcast_to(np.arange(len(x))[:, None], rows.shape).ravel()
    shape = (len(x), len(pixels))
    return Sight(
        sparse.csr_array((weight.ravel(), (index, rows.ravel())), shape=shape),
        sparse.csr_array((pull.ravel(), (index, rows.ravel())), shape=shape),
    )


def flattened(pixels: Array, width: float) -> Array:
    """(H, W) pixels less their smooth background, which is told by the darker third around each place.

    Parameters
    ----------
    width
        Of the surroundings in px; about twice the distance of columns.
    """
    step = max(1, round(width / 8))
    low = ndimage.percentile_filter(smooth(pixels, width / 8)[::step, ::step], 20, size=9, mode="nearest")
    grown = np.repeat(np.repeat(low, step, axis=0), step, axis=1)[: pixels.shape[0], : pixels.shape[1]]
    return np.asarray(pixels - smooth(grown, width))

"""Noise of pixels as a function of brightness, measured in the image itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from local_crystallography.data.arrays import Array, Index, Mask, Pixels

LEVELS, PARTS = 24, 5
"""Levels of brightness, and parts of the image along each axis, for each of which the variance is measured."""
LEAST = 0.01
"""Lowest variance of a pixel, relative to the typical one: where counts are clipped at 0 there seems to be no noise."""


@dataclass(frozen=True)
class Noise:
    """Noise whose variance is a linear function of the expected value of a pixel.

    Parameters
    ----------
    constant, slope
        variance = constant + slope * expected, in units of the image; slope is the gain, 1 for counted electrons.
    floor
        Lowest variance.
    """

    constant: float
    slope: float
    floor: float

    def variance(self, expected: Pixels) -> Pixels:
        """Variance of pixels of the given expected values, of the same shape."""
        variance: Pixels = np.maximum(self.constant + self.slope * expected, self.floor)
        return variance


def noise_of_image(pixels: Pixels, known: Pixels | None = None) -> Noise:
    """Noise of an image before any fit, from the residual of a narrow smoothing.

    Valid where the noise of neighbouring pixels is independent and the image is smooth over two pixels. Only pixels
    where `known` is nonzero, together with all their neighbours, are used.
    """
    height, width = pixels.shape
    step = stride_for(pixels.size)
    shifts = [(dy, dx) for dy in range(3) for dx in range(3)]
    around = np.array([pixels[dy : height - 2 + dy : step, dx : width - 2 + dx : step] for dy, dx in shifts])
    second = np.outer([-1, 2, -1], [-1, 2, -1]).astype(np.float32).ravel()  # Immerkaer 1996: blind to smooth parts
    valid = None
    if known is not None and not np.all(known):
        valid = np.all(
            [known[dy : height - 2 + dy : step, dx : width - 2 + dx : step] > 0 for dy, dx in shifts], axis=0
        )
    return _noise(around.mean(axis=0), (np.tensordot(second, around, axes=1) / 6).astype(np.float32), valid)


def noise_of_residual(expected: Pixels, residual: Pixels, known: Pixels | None = None) -> Noise:
    """Noise from the residuals of a fit: a line through their mean square at every level of brightness.

    At each level the median over parts of the image is used, so that local misfits (dirt, an unmodelled particle) do
    not count as noise. Only pixels where `known` is nonzero are used.
    """
    step = stride_for(expected.size)
    valid = None if known is None or np.all(known) else known[::step, ::step] > 0
    return _noise(expected[::step, ::step], residual[::step, ::step], valid)


def stride_for(size: int) -> int:
    """Stride along both axes that leaves a few hundred thousand pixels, enough to measure the noise to 1 %."""
    return 1 + int(np.sqrt(size / 400_000))


def _noise(expected: Pixels, residual: Pixels, valid: Mask | None = None) -> Noise:
    """Noise from expected values and residuals of pixels; only of those in `valid`, if given."""
    if valid is not None and not valid.any():
        valid = None
    rows, columns = (np.arange(n) * PARTS // n for n in expected.shape)
    part = rows[:, None] * PARTS + columns
    used = (slice(None),) if valid is None else (valid,)
    bright_of, square_of = expected[used].ravel(), np.square(residual[used], dtype=np.float64).ravel()
    cell = _levels(bright_of) * PARTS**2 + part[used].ravel()
    number, bright, square = (
        np.bincount(cell, weights, LEVELS * PARTS**2).reshape(LEVELS, -1) for weights in (None, bright_of, square_of)
    )
    enough = number >= max(20, 0.3 * number.mean())
    enough |= ~enough.any() & (number > 0)
    used_levels = enough.any(axis=1)
    number, bright, square = ((total * enough)[used_levels] for total in (number, bright, square))
    variance = np.nanmedian(np.where(enough[used_levels], square / np.maximum(number, 1), np.nan), axis=1)
    count = number.sum(axis=1)
    return _line(bright.sum(axis=1) / count, np.maximum(variance, 1e-12 * variance.max() + 1e-30), count)


def _line(x: Array, variance: Array, number: Array) -> Noise:
    """Weighted least-squares line; the relative error of a variance is sqrt(2 / number)."""
    design = np.stack([np.ones_like(x), x], axis=1)
    fitted = variance
    constant, slope = float(np.average(variance, weights=number)), 0.0
    for _ in range(3 if np.ptp(x) > 0 else 0):
        weight = np.sqrt(number) / np.maximum(fitted, 0.05 * variance.max())
        constant, slope = np.linalg.lstsq(design * weight[:, None], variance * weight, rcond=None)[0].tolist()
        fitted = constant + slope * x
    return Noise(constant, slope, floor=float(max(0.5 * variance.min(), LEAST * np.median(variance))))


def _levels(expected: Pixels) -> Index:
    """Level of every pixel: equal counts up to the middle, then equal steps of brightness, as bright pixels are few."""
    part = expected.ravel()[:: max(1, expected.size // 100_000)]
    middle, high = np.quantile(part, [0.5, 0.999])
    half = LEVELS // 2
    edges = np.concatenate(
        [np.quantile(part, np.linspace(0, 0.5, half + 1))[1:-1], np.linspace(middle, high, half + 1)]
    )
    return np.searchsorted(np.unique(edges[:-1]), expected)

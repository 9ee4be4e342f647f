"""How much pixels scatter at a given brightness, measured in the image itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

LEVELS, PLACES = 24, 25
"""Levels of brightness, and parts of the image for each, in which the scatter is measured."""


@dataclass(frozen=True)
class Noise:
    """The variance of a pixel is a straight line of its expected value.

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

    @property
    def gain(self) -> float:
        """Units of the image per count."""
        return self.slope

    @property
    def offset(self) -> float:
        """Value of the image where nothing is counted; 0 for counts, NaN where the noise does not follow the signal."""
        return -self.constant / self.slope if self.slope else float("nan")

    def in_units(self, level: float, unit: float) -> Noise:
        """The same noise of an image whose value is level + unit times the one of this."""
        slope = unit * self.slope
        return Noise(unit**2 * self.constant - slope * level, slope, unit**2 * self.floor)

    def variance(self, expected: Array) -> Array:
        """Variance of pixels of the given expected values, of the same shape."""
        variance: Array = np.maximum(self.constant + self.slope * expected, self.floor)
        return variance


def noise_of_image(pixels: Array) -> Noise:
    """Noise of an image of which nothing is known yet: from what a narrow smoothing takes away.

    Right where the noise of neighbouring pixels is independent and the image smooth over two pixels.
    """
    height, width = pixels.shape
    step = stride_for(pixels.size)
    around = np.array(
        [pixels[dy : height - 2 + dy : step, dx : width - 2 + dx : step] for dy in range(3) for dx in range(3)]
    )
    second = np.outer([-1, 2, -1], [-1, 2, -1]).astype(np.float32).ravel()  # Immerkaer 1996: blind to what is smooth
    return _noise(around.mean(axis=0), (np.tensordot(second, around, axes=1) / 6).astype(np.float32))


def noise_of_residual(expected: Array, residual: Array) -> Noise:
    """Straight line through the mean square of the residual at every level of brightness.

    At each level it is the median over parts of the image, so that what a model misses in places (a scale bar, a
    particle it does not know) does not count as noise.
    """
    step = stride_for(expected.size)
    return _noise(expected[::step, ::step], residual[::step, ::step])


def stride_for(size: int) -> int:
    """Every how many pixels along both axes to look at: a few hundred thousand tell the noise to a percent."""
    return 1 + int(np.sqrt(size / 400_000))


def _noise(expected: Array, residual: Array) -> Noise:
    level, place = _levels(expected), _places(expected.shape)
    cell = (level * PLACES + place).ravel()
    number = np.bincount(cell, minlength=LEVELS * PLACES).reshape(LEVELS, PLACES)
    square = np.bincount(cell, np.square(residual, dtype=np.float64).ravel(), LEVELS * PLACES).reshape(number.shape)
    bright = np.bincount(cell, expected.ravel(), LEVELS * PLACES).reshape(number.shape)
    enough = number >= max(20, 0.3 * number.mean())
    enough |= ~enough.any() & (number > 0)
    used = enough.any(axis=1)
    ratio = np.where(enough, square / np.maximum(number, 1), np.nan)[used]
    variance = np.nanmedian(ratio, axis=1)
    middle = (bright * enough).sum(axis=1)[used] / (number * enough).sum(axis=1)[used]
    return _line(middle, np.maximum(variance, 1e-12 * variance.max() + 1e-30), (number * enough).sum(axis=1)[used])


def _line(x: npt.NDArray[np.float64], variance: npt.NDArray[np.float64], number: npt.NDArray[np.float64]) -> Noise:
    """Weighted least squares; a variance is known to sqrt(2 / number) of itself."""
    design = np.stack([np.ones_like(x), x], axis=1)
    fitted = variance
    constant, slope = float(np.average(variance, weights=number)), 0.0
    for _ in range(3 if np.ptp(x) > 0 else 0):
        weight = np.sqrt(number) / np.maximum(fitted, 0.05 * variance.max())
        constant, slope = (
            float(v) for v in np.linalg.lstsq(design * weight[:, None], variance * weight, rcond=None)[0]
        )
        fitted = constant + slope * x
    return Noise(constant, slope, floor=float(0.5 * variance.min()))


def _levels(expected: Array) -> npt.NDArray[np.int64]:
    """Equal numbers of pixels up to the middle, then equal steps of brightness, as bright pixels are few."""
    part = expected.ravel()[:: max(1, expected.size // 100_000)]
    middle, high = np.quantile(part, [0.5, 0.999])
    half = LEVELS // 2
    edges = np.concatenate(
        [np.quantile(part, np.linspace(0, 0.5, half + 1))[1:-1], np.linspace(middle, high, half + 1)]
    )
    return np.searchsorted(np.unique(edges[:-1]), expected)


def _places(shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Number of the part of the image, of 5 x 5, that a pixel is in."""
    side = int(np.sqrt(PLACES))
    rows, columns = (np.arange(n) * side // n for n in shape)
    return rows[:, None] * side + columns

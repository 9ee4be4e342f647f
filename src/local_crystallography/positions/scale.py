"""How wide the columns of an image are, from its correlation with itself: no peak is looked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from skimage.measure import block_reduce

from local_crystallography.positions import Array, Pixels

LARGEST = 768
"""Side of the part of an image that is enough to measure in, px."""
SMOOTHED = (4, 6, 8, 12, 16, 24, 32, 48)
"""Standard deviations of the Gaussians that are tried as background, px."""
LINES = 24
"""Directions in which the correlation is looked along."""
FINE = 0.25
"""Step along them, px."""
NARROWER = 0.3
"""Share of the lines that may look narrower than what is taken: those towards close neighbours do."""
NARROWEST = 0.9
"""Standard deviation under which it is noise that was smoothed, px."""
SIGNIFICANT = 8.0
"""Least height of the correlation over its own scatter."""


@dataclass(frozen=True)
class Scale:
    """What is seen in an image: `sigma`, the standard deviation of a column along one axis, px."""

    sigma: float


def measure_scale(frame: Pixels) -> Scale | None:
    """Width of the columns of a frame (h, w), None where no columns are seen.

    The correlation of an image of equal Gaussian columns with itself is a Gaussian sqrt(2) times as wide, repeated
    where other columns stand; white noise adds to it at no shift alone. So its half-width is had at any dose.
    Backgrounds are taken off as Gaussian blurs from fine to coarse, and the first is taken that is well wider than the
    columns seen.
    """
    frame = busiest_part(np.asarray(frame, np.float32))
    seen = None
    for blur in SMOOTHED:
        if 6 * blur > min(frame.shape):
            break
        sigma = _width(frame - ndimage.gaussian_filter(frame, blur), blur)
        seen = sigma or seen
        if sigma and 3 * sigma < blur:
            break
    return None if seen is None else Scale(seen)


def busiest_part(frame: Pixels) -> Pixels:
    """The square of at most LARGEST pixels with the highest variance: enough to measure a distance in."""
    blocks = block_reduce(frame, (16, 16), np.var)
    local = ndimage.uniform_filter(blocks, min(LARGEST // 16, *blocks.shape), mode="constant")
    middle = np.unravel_index(local.argmax(), local.shape)
    starts = (max(0, min(16 * int(m) - LARGEST // 2, n - LARGEST)) for m, n in zip(middle, frame.shape, strict=True))
    return frame[tuple(slice(start, start + LARGEST) for start in starts)]


def _width(flat: Pixels, blur: float) -> float | None:
    """Standard deviation in px of the columns of a frame (h, w) less its blur, None where none are seen."""
    reach = min(int(4 * blur), min(flat.shape) // 2 - 1)
    correlation, scatter = correlate(flat, reach)
    steps = np.arange(0, reach, FINE)
    angle = np.pi * np.arange(LINES) / LINES
    places = [reach - np.outer(np.sin(angle), steps), reach + np.outer(np.cos(angle), steps)]
    lines = ndimage.map_coordinates(correlation, places, order=1)
    top = lines[0, 0]
    if top < SIGNIFICANT * scatter:
        return None
    widths: list[float] = []
    for line in lines:
        lowest = np.minimum.accumulate(line)
        rising = line - lowest > 0.1 * (top - lowest) + 2 * scatter
        dip = int(line[: rising.argmax() or None].argmin())  # before the line rises to the next column, if it does
        half = (top + line[dip]) / 2
        below = np.flatnonzero(line[:dip] < half)
        if len(below):
            after = int(below[0])
            beyond = (line[after - 1] - half) / (line[after - 1] - line[after])
            widths.append(FINE * (after - 1 + beyond) / (2 * np.sqrt(np.log(2))))
    sigma = float(np.quantile(widths, NARROWER)) if len(widths) >= LINES / 2 else 0.0
    return sigma if sigma > NARROWEST else None


def correlate(flat: Pixels, reach: int) -> tuple[Array, float]:
    """(2 reach + 1, 2 reach + 1) correlation of an image with itself, no shift in the middle, and its scatter.

    Without what white noise adds in the middle: the neighbours tell what would be there.
    """
    window = np.outer(np.hanning(flat.shape[0]), np.hanning(flat.shape[1]))
    weighted = (flat - (flat * window).sum() / window.sum()) * window
    shape = [fft.next_fast_len(side + reach, real=True) for side in flat.shape]

    def itself(image: npt.NDArray[np.floating]) -> Array:
        full = fft.irfft2(np.abs(fft.rfft2(image, shape)) ** 2, shape)
        return np.asarray(np.roll(full, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1])

    correlation = itself(weighted) / itself(window)
    beside, beyond = ((correlation[reach, reach + k] + correlation[reach + k, reach]) / 2 for k in (1, 2))
    middle = (4 * beside - beyond) / 3
    noise = max(float(correlation[reach, reach] - middle), 0.0)
    correlation[reach, reach] = middle
    return correlation, noise / float(np.sqrt((window**2).sum() ** 2 / (window**4).sum()))

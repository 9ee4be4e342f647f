"""How wide the columns of an image are, and how far apart, from its correlation with itself: no peak is looked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from skimage.measure import block_reduce

Array = npt.NDArray[np.float32]
Float = npt.NDArray[np.float64]

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
    """What is seen in an image.

    Parameters
    ----------
    sigma
        Standard deviation of a column along one axis, px.
    spacing
        Distance at which columns repeat most nearly, px.
    """

    sigma: float
    spacing: float


def measure_scale(frame: Array) -> Scale | None:
    """Width and distance of the columns of a frame (h, w), None where no columns are seen.

    The correlation of an image of equal Gaussian columns with itself is a Gaussian sqrt(2) times as wide, repeated
    where other columns stand; white noise adds to it at no shift alone. So its half-width is had at any dose.
    Backgrounds are taken off as Gaussian blurs from fine to coarse, and the first is taken that is well wider than the
    columns seen.
    """
    frame = busiest_part(np.asarray(frame, np.float32))
    seen: Scale | None = None
    for blur in SMOOTHED:
        if 6 * blur > min(frame.shape):
            break
        found = _seen(frame - ndimage.gaussian_filter(frame, blur), blur)
        if found is None:
            continue
        seen = found
        if 3 * found.sigma < blur:
            break
    return seen


def busiest_part(frame: Array, side: int = LARGEST) -> Array:
    """The square of at most `side` pixels with the highest variance: enough to measure a distance in."""
    blocks = block_reduce(frame, (16, 16), np.var)
    reach = min(side // 16, *blocks.shape)
    local = ndimage.uniform_filter(blocks, reach, mode="constant")
    y, x = (int(i) * 16 for i in np.unravel_index(local.argmax(), local.shape))
    top, left = (
        max(0, min(y - side // 2, frame.shape[0] - side)),
        max(0, min(x - side // 2, frame.shape[1] - side)),
    )
    return frame[top : top + side, left : left + side]


def _seen(flat: Array, blur: float) -> Scale | None:
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
    repeats: list[float] = []
    for line in lines:
        lowest = np.minimum.accumulate(line)
        rising = np.flatnonzero(line - lowest > 0.1 * (top - lowest) + 2 * scatter)
        dip = int(line[: rising[0]].argmin()) if len(rising) else int(line.argmin())
        below = np.flatnonzero(line[:dip] < (top + line[dip]) / 2)
        if len(below):
            half, after = (top + line[dip]) / 2, int(below[0])
            beyond = (line[after - 1] - half) / (line[after - 1] - line[after])
            widths.append(FINE * (after - 1 + beyond) / (2 * np.sqrt(np.log(2))))
        if len(rising):
            peak = dip + int(line[dip : dip + 2 * (dip + 1)].argmax())
            repeats.append(float(steps[peak]))
    if len(widths) < LINES / 2:
        return None
    sigma = float(np.quantile(widths, NARROWER))
    return (
        Scale(sigma, float(min((at for at in repeats if at > 2 * sigma), default=2 * reach)))
        if sigma > NARROWEST
        else None
    )


def correlate(flat: Array, reach: int) -> tuple[Float, float]:
    """(2 reach + 1, 2 reach + 1) correlation of an image with itself, no shift in the middle, and its scatter.

    Without what white noise adds in the middle: the neighbours tell what would be there.
    """
    window = np.outer(np.hanning(flat.shape[0]), np.hanning(flat.shape[1]))
    weighted = (flat - (flat * window).sum() / window.sum()) * window
    shape = [fft.next_fast_len(side + reach, real=True) for side in flat.shape]

    def itself(image: npt.NDArray[np.floating]) -> Float:
        full = fft.irfft2(np.abs(fft.rfft2(image, shape)) ** 2, shape)
        return np.asarray(np.roll(full, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1])

    correlation = itself(weighted) / itself(window)
    beside = (correlation[reach, reach + 1] + correlation[reach + 1, reach]) / 2
    beyond = (correlation[reach, reach + 2] + correlation[reach + 2, reach]) / 2
    noise = max(float(correlation[reach, reach] - (4 * beside - beyond) / 3), 0.0)
    correlation[reach, reach] = (4 * beside - beyond) / 3
    return correlation, noise / float(np.sqrt((window**2).sum() ** 2 / (window**4).sum()))

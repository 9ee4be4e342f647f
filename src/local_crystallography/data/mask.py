"""Detection of pixels without information on the specimen, and of saturated pixels."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import apply_hysteresis_threshold
from skimage.measure import block_reduce

Real = TypeVar("Real", np.float32, np.float64)
Mask = npt.NDArray[np.bool_]

EVEN, EVEN_SHARE = 7, 0.95
"""Side of a square in px, and share of its pixels equal to a neighbour above which it cannot be detector signal."""
SMALLEST = 60
"""Minimum number of pixels of such an area."""
BAR = 24
"""Minimum number of pixels of a bar: a rectangle of one exact value, at least 2 pixels thick and 2.5 times as long."""
ENDS = 0.01, 0.99
"""Quantiles of the image values below and above which bars are searched for."""
LETTERS = 0.75
"""Distance from a bar, in units of its length, up to which pixels of its value are taken for its lettering."""
PLATEAU = 0.01, 0.1
"""Area over that of the image, and step at its rim over the contrast, up to which an area at the end of the range is
the clipped top of something bright or dark."""
HOT = 4.0, 12.0
"""Height of a single pixel over the spread of its neighbours, and over the noise, above which it is a defect."""
CLIPPED = 0.002
"""Share of pixels at the highest value above which the detector was saturated."""


def find_mask(frame: npt.NDArray[Any]) -> Mask:
    """(H, W) True where pixels of a frame are invalid.

    These are NaN and infinite values; areas of constant value, such as clipped vacuum, data bars and padding; scale
    bars with their lettering; and single outlying pixels, such as X-ray hits and dead pixels.
    """
    known = np.isfinite(frame)
    if not known.any():
        return np.asarray(~known, np.bool_)
    values = np.where(known, frame, 0).astype(np.float64)
    mask = ~known | uniform_areas(values, known)
    mask |= bars(values, ~known)
    return np.asarray(mask | hot_pixels(values, ~mask), np.bool_)


def uniform_areas(values: npt.NDArray[np.float64], known: Mask) -> Mask:
    """(H, W) areas in which nearly all pixels equal their neighbours."""
    equal = np.zeros(values.shape, np.float32)
    equal[:, :-1] += values[:, :-1] == values[:, 1:]
    equal[:-1] += values[:-1] == values[1:]
    equal[:, -1] *= 2  # the last ones have one neighbour
    equal[-1] *= 2
    equal = np.where(known, np.minimum(equal, 2) / 2, 1)
    if equal.mean() < 1e-3:
        return np.zeros(values.shape, bool)
    core = ndimage.uniform_filter(equal, EVEN, mode="nearest") >= EVEN_SHARE
    grown = large(ndimage.binary_dilation(core, np.ones((3, 3)), iterations=EVEN // 2, mask=equal > 0.4), SMALLEST)
    return grown & ~plateaus(values, grown, known) if grown.any() else grown


def plateaus(values: npt.NDArray[np.float64], uniform: Mask, known: Mask) -> Mask:
    """(H, W) uniform areas that are clipped tops of columns: small, without a step at their rim."""
    areas, count = ndimage.label(uniform)
    number = np.arange(count + 1)
    low, high = np.quantile(values[known], [0.01, 0.99])
    middle, size = ndimage.median(values, areas, number), np.bincount(areas.ravel(), minlength=count + 1)
    near, far = (ndimage.grey_dilation(areas, (side, side)) for side in (5, 9))
    rim = np.where(near == 0, far, 0)
    around = np.bincount(rim.ravel(), minlength=count + 1)
    outside = np.bincount(rim.ravel(), values.ravel(), count + 1) / np.maximum(around, 1)
    at_end = (middle == values[known].max()) | (middle == values[known].min())
    top = at_end & (size < PLATEAU[0] * values.size) & (np.abs(outside - middle) < PLATEAU[1] * (high - low))
    top[0] = False
    return np.asarray(top[areas], np.bool_)


def large(mask: Mask, fewest: int) -> Mask:
    """The mask without areas of fewer than `fewest` pixels."""
    areas, count = ndimage.label(mask)
    return np.asarray(np.append(False, np.bincount(areas.ravel(), minlength=count + 1)[1:] >= fewest)[areas], np.bool_)


def bars(values: npt.NDArray[np.float64], masked: Mask) -> Mask:
    """(H, W) rectangles of constant value among the brightest or darkest of the image, and the lettering beside them.

    Letters are areas near a bar that are brighter (or darker) than the rest of the image.
    """
    found = np.zeros(values.shape, bool)
    if masked.all():
        return found
    low, high = np.quantile(values[~masked], ENDS)
    for sign, end in ((1, high), (-1, -low)):
        signed = sign * values
        uniform = of_one_value(signed) & (signed >= end) & ~masked
        levels, counts = np.unique(signed[uniform], return_counts=True)
        for level in levels[counts >= BAR].tolist():
            found |= bars_of(signed, level, uniform & (signed == level), masked)
    return found


def bars_of(signed: npt.NDArray[np.float64], level: float, uniform: Mask, masked: Mask) -> Mask:
    """(H, W) uniform areas of one level that are bars, and their lettering."""
    found = np.zeros(signed.shape, bool)
    areas, count = ndimage.label(uniform)
    sizes, boxes = np.bincount(areas.ravel(), minlength=count + 1), ndimage.find_objects(areas)
    for number in np.flatnonzero(sizes[1:] >= BAR) + 1:
        rows, columns = boxes[number - 1]
        sides = sorted((rows.stop - rows.start, columns.stop - columns.start))
        if sides[0] < 2 or sides[1] < 2.5 * sides[0] or sizes[number] < 0.8 * sides[0] * sides[1]:
            continue
        height, width = signed.shape
        if min(rows.start, columns.start) == 0 or rows.stop == height or columns.stop == width:
            found[rows, columns] = True  # padding or a data bar, which includes its own lettering
            continue
        box, reach = np.zeros_like(found), int(LETTERS * sides[1]) + 8
        box[tuple(slice(max(0, part.start - reach), part.stop + reach) for part in (rows, columns))] = True
        rest = signed[~box & ~masked]
        middle, most = np.minimum(np.quantile(rest, [0.5, 0.9999]), level) if rest.size else (level, level)
        # letters are as bright as their bar
        letters = apply_hysteresis_threshold(np.where(box, signed, -np.inf), (middle + most) / 2, (most + level) / 2)
        found |= ndimage.binary_dilation(large(letters, 10) | (areas == number), np.ones((3, 3)), iterations=3)
    return found


def of_one_value(values: npt.NDArray[np.float64]) -> Mask:
    """(H, W) pixels that belong to a square of 2 x 2 equal pixels."""
    lowest, highest = ndimage.minimum_filter(values, 2), ndimage.maximum_filter(values, 2)
    same = lowest == highest  # each pixel with those above and to the left
    return np.asarray(ndimage.maximum_filter(same, 2, origin=-1), np.bool_)


def hot_pixels(values: npt.NDArray[np.float64], known: Mask) -> Mask:
    """(H, W) single outlying pixels that neither columns, which are wider, nor noise explain."""
    if not known.any():
        return np.zeros(values.shape, bool)
    ring = np.ones((3, 3))
    ring[1, 1] = 0
    fill = float(np.median(values[known]))
    filled = np.where(known, values, fill)
    middle = ndimage.median_filter(filled, 3)
    off = filled - middle
    usual = np.abs(off[known])
    noise = float(np.sqrt(np.mean(np.minimum(usual, np.quantile(usual, 0.995)) ** 2)))
    suspect = known & (np.abs(off) > HOT[1] * noise)
    if not suspect.any():
        return np.asarray(suspect, np.bool_)
    high = ndimage.maximum_filter(filled, footprint=ring) - middle
    low = middle - ndimage.minimum_filter(filled, footprint=ring)
    return np.asarray(suspect & (np.abs(off) > HOT[0] * np.where(off > 0, high, low)), np.bool_)


def saturated(frame: npt.NDArray[Any], masked: Mask, *, dark: bool) -> Mask:
    """(H, W) pixels at the highest value, for dark columns the lowest, where the detector was saturated.

    Saturation is assumed if many pixels have that value and lie side by side, which counting noise does not cause.
    """
    values = np.asarray(frame)[~masked]
    if not values.size:
        return np.zeros(frame.shape, bool)
    same = np.asarray(frame == (values.min() if dark else values.max())) & ~masked
    if same.sum() < CLIPPED * values.size:
        return np.zeros(frame.shape, bool)
    together = large(ndimage.binary_opening(same, np.ones((2, 2))), 4)
    if together.sum() < 0.5 * same.sum():
        return np.zeros(frame.shape, bool)
    return np.asarray(ndimage.binary_dilation(together) & ~masked, np.bool_)


def filled(frame: npt.NDArray[Real], masked: Mask) -> npt.NDArray[Real]:
    """The frame with masked pixels filled in smoothly from their surroundings; by its mean where nothing is near."""
    if not masked.any():
        return frame
    known = ~masked
    values, result = np.where(known, frame, 0).astype(frame.dtype), frame.copy()
    left = np.argwhere(masked)
    for sigma in (1.0, 4.0, 16.0):
        step = max(1, int(sigma / 2))  # blocks of pixels suffice for a smooth result
        at = ((left - (step - 1) / 2) / step).T
        share, total = (
            ndimage.map_coordinates(
                ndimage.gaussian_filter(block_reduce(part, (step, step), np.mean), sigma / step, truncate=3),
                at,
                order=1,
                mode="nearest",
            )
            for part in (known.astype(np.float32), values)
        )
        near = share > 0.05
        result[tuple(left[near].T)] = total[near] / share[near]
        left = left[~near]
        if not len(left):
            return result
    result[tuple(left.T)] = float(frame[known].mean()) if known.any() else 0.0
    return result

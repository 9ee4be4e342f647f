"""Rasterisation of many points to one RGBA image, and colours of values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from local_crystallography.data.columns import is_angle, is_class
from local_crystallography.data.errors import InputError
from local_crystallography.steps.catalog import columns

Colors = npt.NDArray[np.uint8]
Ranks = npt.NDArray[np.int32]
View = tuple[float, float, float, float]

DIMMED = 0.22
"""Remaining opacity of a point outside the selection."""
MOST_CLASSES = 20
"""A column of whole numbers with more distinct values than this is shown as a scale."""
SEQUENTIAL, CYCLIC, DIVERGING = "viridis", "twilight", "RdBu_r"
"""Names of colormaps in both matplotlib and napari."""
ORDERS = (1, 2, 3, 4, 6)
"""Rotational symmetry orders of motifs in crystals."""
FULL = 0.95
"""Share of a sector that angles reduced to it must span."""
EDGE = 0.1
"""Width of the dark edge of a disc, in its diameters."""
EDGED = 4.0
"""Diameter from which on a disc has an edge, in pixels."""
HALO = 1.6
"""Diameter of a white rim, in diameters of its disc."""
DENSEST = 0.5
"""Share of an image that discs cover before they fade."""
GREY = np.array([0.5, 0.5, 0.5, 1.0])
"""Colour of "no value"."""


def _rgba(codes: str) -> npt.NDArray[np.float64]:
    return np.array([[*bytes.fromhex(code), 255] for code in codes.split()]) / 255


PALETTE = _rgba("8080ff d50000 ffff00 aa0080 d5aa55 55d5ff 2a8055 2a2aff ff2a80 d5ffaa")
"""(10, 4) floats, one colour per class.

Found by maximising the smallest CIEDE2000 difference among the first 8, whether seen with normal, protan, deutan or
tritan vision (Machado et al. 2009, doi:10.1109/TVCG.2009.113): 16, and 13 among all; at least 9 from every grey.
"""
HAND_PALETTE = _rgba("00aa55 55d500 0055aa aa002a 2a80d5 aa8000 ff8080 55aaff 00ff80")
"""(9, 4) floats, colours of the classes assigned by hand, the first being that of class 9.

At least 10 apart in the same sense, and for normal vision 13 from every colour of `PALETTE`.
"""


def rasterise(
    points: npt.ArrayLike,
    colors: Colors,
    *,
    view: View,
    size: tuple[int, int],
    radius: int,
    on_top: npt.NDArray[np.bool_] | None = None,
) -> Colors:
    """Draw each point as a disc; later points cover earlier ones, and those `on_top` cover all others.

    Parameters
    ----------
    points
        (N, 2), x then y; points with a NaN are not drawn.
    colors
        (N, 4) uint8 RGBA.
    view
        x0, x1, y0, y1 of the outer edges of the image. Row 0 is at y0, column 0 at x0; y1 < y0 flips it.
    size
        Height and width of the image in pixels; it is (height, width, 4) uint8, transparent between discs.
    radius
        Radius of the discs, in pixels; 0 draws single pixels.
    on_top
        (N,) bool, points drawn over all others.
    """
    _check(view, size)
    points = np.asarray(points, np.float64).reshape(-1, 2)
    order = _back_to_front(len(points), on_top)
    inks = np.zeros((len(order) + 1, 4), np.uint8)
    inks[1:] = colors[order]
    # each pixel keeps the rank of its topmost point, so the cost of discs does not depend on the number of points
    topmost = _spread(_ranks(points[order], view, size, radius), radius)
    return inks.view(np.uint32)[:, 0][topmost].view(np.uint8).reshape(*size, 4)


def dots(points: npt.ArrayLike, colors: Colors, *, view: View, size: tuple[int, int], diameter: float) -> Colors:
    """Draw each point as a small disc with a smooth edge, between the pixels where it lies.

    A disc never shrinks below a pixel; where discs are denser than the pixels all of them fade, so that what lies below
    is still seen. A pixel has the colour of one point, never a mixture, which might be that of another class. A disc of
    some pixels has a dark edge, so that it is seen on a map of its own colour.

    Parameters
    ----------
    points, colors, view, size
        As for `rasterise`; the result too.
    diameter
        Diameter of the discs, in pixels of the image.
    """
    _check(view, size)
    points = np.asarray(points, np.float64).reshape(-1, 2)
    diameter = max(diameter, 1.0)
    edged = diameter >= EDGED
    cover, ranks = _discs(points, diameter * (1 - EDGE) if edged else diameter, view, size)
    inks = np.zeros((len(points) + 1, 4), np.uint8)
    inks[1:] = colors
    image = inks.view(np.uint32)[:, 0][ranks].view(np.uint8).reshape(*size, 4)
    image[..., 3] = cover * image[..., 3]
    return _on_grey(image, _discs(points, diameter * (1 + EDGE), view, size)[0], 0) if edged else image


def with_rims(image: Colors, points: npt.ArrayLike, *, view: View, diameter: float) -> Colors:
    """A picture of `dots` in which some points, of its view and diameter, have a white rim."""
    points = np.asarray(points, np.float64).reshape(-1, 2)
    if not len(points):
        return image
    height, width, _ = image.shape
    return _on_grey(image, _discs(points, max(diameter, 1.0) * HALO + 1, view, (height, width))[0], 255)


def _on_grey(image: Colors, cover: npt.NDArray[np.float32], grey: int) -> Colors:
    """The image with grey below it, which covers a part of each pixel."""
    above = image[..., 3].astype(np.float32)
    below = cover * (255 - above)
    part = below / np.maximum(above + below, 1)
    drawn = np.empty_like(image)
    for channel in range(3):  # one by one is three times as fast
        ink = image[..., channel].astype(np.float32)
        drawn[..., channel] = ink + part * (grey - ink) + 0.5
    drawn[..., 3] = above + below + 0.5
    return drawn


def dim(colors: Colors, mask: npt.NDArray[np.bool_]) -> Colors:
    """The (N, 4) colours with all but the masked points faded; without masked points, none is faded."""
    faded = colors.copy()
    if mask.any():
        table = np.rint(np.arange(256) * DIMMED).astype(np.uint8)
        faded[:, 3] = np.where(mask, colors[:, 3], table[colors[:, 3]])
    return faded


def colors_of(values: npt.ArrayLike, colormap_table: npt.ArrayLike, limits: tuple[float, float]) -> Colors:
    """(N, 4) uint8 colours of a continuous column.

    Parameters
    ----------
    values
        (N,); NaN becomes grey.
    colormap_table
        (K, 4) floats, 0 to 1.
    limits
        Values of the first and the last colour, also used beyond them. Equal limits give the middle colour.
    """
    values = np.asarray(values, np.float64)
    table = _bytes([*np.asarray(colormap_table, np.float64), GREY])
    last = len(table) - 2
    low, high = limits
    part = np.clip((values - low) / (high - low), 0, 1) if high > low else np.where(np.isnan(values), np.nan, 0.5)
    index = np.where(np.isnan(part), last + 1, np.rint(part * last))
    return table[index.astype(np.intp)]


def categorical_colors(labels: npt.ArrayLike, palette: npt.ArrayLike = PALETTE) -> Colors:
    """(N, 4) uint8 colours of class labels 0, 1, …; -1 and NaN are grey; the palette is repeated as needed."""
    labels = np.asarray(labels, np.float64)
    table = _bytes([*np.asarray(palette, np.float64), GREY])
    classes = np.where(labels >= 0, labels, 0).astype(np.intp) % (len(table) - 1)
    return table[np.where(labels >= 0, classes, len(table) - 1)]


def is_categorical(name: str, values: npt.NDArray[np.float64]) -> bool:
    """Whether a column holds classes: whole numbers from -1, either by its name or with few distinct values."""
    known = values[np.isfinite(values)]
    if not len(known) or known.min() < -1 or (known != np.floor(known)).any():
        return False
    return is_class(name) or 1 < len(np.unique(known)) <= MOST_CLASSES


def limits_of(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The 1st and 99th percentile of the known values, so that a few outliers do not use up the colours."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = np.percentile(known, (1, 99))
    return float(low), float(high)


def scale_of(name: str, values: npt.NDArray[np.float64]) -> tuple[str, tuple[float, float]]:
    """Colormap and limits for a column: cyclic for angles that wrap around, white at 0 for signed values."""
    signed = columns().signed(name)
    if is_angle(name) and not signed:
        cyclic, limits = angle_limits(values)
        return CYCLIC if cyclic else SEQUENTIAL, limits
    known = values[np.isfinite(values)]
    if signed:
        reach = float(np.percentile(np.abs(known), 99)) if len(known) else 0.0
        return DIVERGING, (-(reach or 1.0), reach or 1.0)
    low, high = limits_of(known)
    return SEQUENTIAL, (low, high) if high > low else (low - 0.5, low + 0.5)


def angle_limits(values: npt.NDArray[np.float64]) -> tuple[bool, tuple[float, float]]:
    """Whether angles, in radians, are shown as cyclic, and the limits to show them between.

    If most of them differ by less than a quarter of the period, the limits are around these, and a few outliers share
    the end colours; otherwise one period is shown. The period is 2π / n if the angles fill the sector of a motif with
    n-fold symmetry, else 2π.
    """
    known = values[np.isfinite(values)]
    first, last = np.percentile(known, (10, 90)) if len(known) else (0.0, 0.0)
    reach = float(np.abs(known).max()) if len(known) else 0.0
    sector = min((np.pi / n for n in ORDERS if reach <= np.pi / n + 1e-6), default=np.pi)
    if reach < FULL * sector:
        sector = np.pi
    if last - first > sector / 2:
        return True, (-sector, sector)
    margin = max(0.5 * (last - first), np.radians(0.5))
    return False, (float(first - margin), float(last + margin))


def radius_for(n: int) -> int:
    """A suitable disc radius in pixels for n points: smaller for more points."""
    return 4 if n < 500 else 3 if n < 5_000 else 2


def _check(view: View, size: tuple[int, int]) -> None:
    x0, x1, y0, y1 = view
    if not (np.isfinite(view).all() and x0 != x1 and y0 != y1 and min(size) > 0):
        raise InputError(
            f"A view of {view} on {size[0]} x {size[1]} pixels cannot be drawn: it needs finite, different limits "
            "and at least one pixel; set the view to the extent of the points."
        )


def _discs(
    points: npt.NDArray[np.float64], diameter: float, view: View, size: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], Ranks]:
    """Share of each pixel that discs cover, 0 to 1, and 1 + the index of the disc whose colour it has, 0 for none."""
    reach, (height, width), (x0, x1, y0, y1) = int(np.ceil(diameter / 2 + 0.5)), size, view
    row, column = (points[:, 1] - y0) * (height / (y1 - y0)), (points[:, 0] - x0) * (width / (x1 - x0))
    seen = np.flatnonzero((row > -reach) & (row < height + reach) & (column > -reach) & (column < width + reach))
    row, column, number = row[seen] + 2 * reach, column[seen] + 2 * reach, (seen + 1).astype(np.int32)
    above, left = np.floor(row - 0.5), np.floor(column - 0.5)  # of the four pixels around each point
    across = width + 4 * reach
    start = (above * across + left).astype(np.intp)
    ranks = np.zeros((height + 4 * reach) * across, np.int32)
    y, x = (row - above - 0.5).astype(np.float32), (column - left - 0.5).astype(np.float32)
    span = range(1 - reach, reach + 1)
    down, along = ({step: (part - step) ** 2 for step in span} for part in (y, x))
    indices, shares = [], []
    for dy in span:
        for dx in span:
            share = np.float32(diameter / 2 + 0.5) - np.sqrt(down[dy] + along[dx])
            inside = np.flatnonzero(share > 0)
            index = start[inside] + (dy * across + dx)
            ranks[index] = number[inside]
            indices.append(index)
            shares.append(np.minimum(share[inside], 1))
    # where discs overlap, each keeps the colour of its middle
    ranks[(np.floor(row) * across + np.floor(column)).astype(np.intp)] = number
    covers = np.bincount(np.concatenate(indices), np.concatenate(shares), len(ranks)).astype(np.float32)
    np.minimum(covers, 1, out=covers)
    dense = len(number) * np.pi / 4 * diameter**2 / (height * width)
    covers *= min(1.0, DENSEST / max(1 - np.exp(-dense), 1e-9))  # what discs at random places cover
    inner = slice(2 * reach, 2 * reach + height), slice(2 * reach, 2 * reach + width)
    return (covers.reshape(-1, across)[inner], ranks.reshape(-1, across)[inner])


def _ranks(points: npt.NDArray[np.float64], view: View, size: tuple[int, int], radius: int) -> Ranks:
    """1 + the index of the last point centred in each pixel, 0 for none, with a margin of 2 radii."""
    (x0, x1, y0, y1), (height, width) = view, size
    column = np.floor((points[:, 0] - x0) * (width / (x1 - x0)))
    row = np.floor((points[:, 1] - y0) * (height / (y1 - y0)))
    # the margin holds discs centred just outside, so that no test at the edge is needed
    seen = (column >= -radius) & (column < width + radius) & (row >= -radius) & (row < height + radius)
    margin = 2 * radius
    ranks = np.zeros((height + 2 * margin, width + 2 * margin), np.int32)
    pixel = (row[seen] + margin) * ranks.shape[1] + column[seen] + margin
    # of several points in one pixel the last one remains
    ranks.reshape(-1)[pixel.astype(np.intp)] = (np.flatnonzero(seen) + 1).astype(np.int32)
    return ranks


def _back_to_front(n: int, on_top: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.intp]:
    if on_top is None:
        return np.arange(n)
    return np.concatenate([np.flatnonzero(~on_top), np.flatnonzero(on_top)])


def _spread(ranks: Ranks, radius: int) -> Ranks:
    """Largest rank within a disc of the radius; a margin of 2 radii is removed on each side."""
    height, width = (side - 4 * radius for side in ranks.shape)
    spread = np.zeros((height, width), np.int32)
    # an additional quarter of a pixel makes the disc rounder
    reach = (radius + 0.25) ** 2
    for dy in range(-radius, radius + 1):
        rows = ranks[2 * radius + dy :][:height]
        for dx in range(-radius, radius + 1):
            if dy * dy + dx * dx <= reach:
                np.maximum(spread, rows[:, 2 * radius + dx :][:, :width], out=spread)
    return spread


def _bytes(colors: list[npt.NDArray[np.float64]]) -> Colors:
    return np.rint(np.array(colors) * 255).astype(np.uint8)

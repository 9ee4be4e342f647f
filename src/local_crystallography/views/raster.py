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
GREY = np.array([0.5, 0.5, 0.5, 1.0])
"""Colour of "no value"."""


def _rgba(codes: str) -> npt.NDArray[np.float64]:
    return np.array([[*bytes.fromhex(code), 255] for code in codes.split()]) / 255


PALETTE = _rgba("2a95ff ea4080 eaea00 95eaff 6a6a00 aaeabf bf952a 4040ea 40aaaa 006a55")
"""(10, 4) floats, one colour per class.

Found by maximising the smallest CIEDE2000 difference, for normal, protan and deutan vision (Machado et al. 2009,
doi:10.1109/TVCG.2009.113), among the colours and from grey, white and a dark canvas.
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


def dim(colors: Colors, mask: npt.NDArray[np.bool_]) -> Colors:
    """The (N, 4) colours with all but the masked points faded; without masked points, none is faded."""
    faded = colors.copy()
    if mask.any():
        faded[~mask, 3] = np.rint(faded[~mask, 3] * DIMMED).astype(np.uint8)
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

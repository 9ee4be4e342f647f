"""Small maps, in which every pixel has the colour of the nearest atom."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from local_crystallography.data.atoms import Atoms
from local_crystallography.lattice.shells import neighbour_distance
from local_crystallography.views.greys import Colors

SIDE = 288
"""Longest side, in pixels."""
DIM, DARK = (90, 90, 90, 255), (60, 60, 60, 255)
"""Colours of atoms of other classes, and of none."""

Index = npt.NDArray[np.int64]

ARROW, LINE, THICK = (255, 170, 0, 255), (0.25, 1.0), 0.02
"""Colour of the line that shows a direction, its start and end over the radius of the image, and half its width over
the height of the image."""


def nearest_rows(atoms: Atoms, cut: npt.NDArray[np.bool_], shape: tuple[int, int]) -> Index:
    """(h, w) row of the nearest atom of the first frame that has a sub-image (N,), -1 if none is near; for a small map.

    Atoms without a sub-image have no scores, and light ones among them would leave holes.
    """
    step = max(1.0, max(shape) / SIDE)
    height, width = (max(1, round(side / step)) for side in shape)
    rows = np.flatnonzero(cut & (atoms.frame == atoms.frame[cut].min()))
    pixels = (np.indices((height, width)).reshape(2, -1).T + 0.5) * step - 0.5
    alone = np.unique(atoms.frame[cut], return_counts=True)[1].max() == 1
    reach = max(sum(shape) if alone else neighbour_distance(atoms[cut]), step)
    _, found = cKDTree(atoms.yx[rows]).query(pixels, distance_upper_bound=reach)
    return np.asarray(np.append(rows, -1)[found].reshape(height, width), np.int64)


def in_colours(rows: Index, colours: Colors) -> Colors:
    """(h, w, 4) the colours (N, 4) of the nearest atoms; transparent where none is near."""
    return np.append(colours, np.zeros((1, 4), np.uint8), axis=0)[rows].astype(np.uint8)


def of_class(rows: Index, labels: Index, number: int, colour: str) -> Colors:
    """(h, w, 4) map of a class in the colour #rrggbb, by labels (N,); others are grey, and -1 is darker."""
    own = [*bytes.fromhex(colour[1:]), 255]
    colours = np.where((labels == number)[:, None], np.array(own, np.uint8), np.array(DIM, np.uint8))
    colours[labels < 0] = DARK
    return in_colours(rows, colours)


def of_height(picture: Colors) -> Colors:
    """The image scaled to the height of a small map, and no wider than high, to fit beside one.

    Pixels are repeated, not interpolated; a wide image has transparent strips above and below.
    """
    height, width, _ = picture.shape
    if width > height:
        above = (width - height) // 2
        picture = np.pad(picture, ((above, width - height - above), (0, 0), (0, 0)))
        height = width
    columns = max(1, round(SIDE * width / height))
    rows = np.arange(SIDE) * height // SIDE
    return np.asarray(picture[rows][:, np.arange(columns) * width // columns])


def with_direction(picture: Colors, radians: float) -> Colors:
    """The (h, w, 4) image with a line from its centre in a direction, counter-clockwise from the right."""
    drawn, (height, width, _) = picture.copy(), picture.shape
    reach = 0.46 * min(height, width)
    for share in np.linspace(LINE[0], LINE[1], 4 * max(height, width)):
        y, x = (height - 1) / 2 - share * reach * np.sin(radians), (width - 1) / 2 + share * reach * np.cos(radians)
        rows, columns = (slice(round(at - THICK * height), round(at + THICK * height) + 1) for at in (y, x))
        drawn[rows, columns] = ARROW
    return drawn

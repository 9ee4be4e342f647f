"""Legends of a comparison, in rich text."""

from __future__ import annotations

import numpy as np

from local_crystallography._napari.results.compare import tables
from local_crystallography._napari.results.compare.pictures import (
    DIFFERS,
    ONLY_ONE,
    SAME,
    Pictures,
    bar,
    difference_look,
    shown_number,
)
from local_crystallography._napari.widgets.pictures import swatch
from local_crystallography.studies.comparison import Correlation, Pair
from local_crystallography.views.axis import axis_of
from local_crystallography.views.greys import Colors

DIFFERENCE = ((DIFFERS, "differs"), (ONLY_ONE, "in one run only"), (SAME, "the same"))
"""Colours in a map of what differs."""


def runs_legend(pictures: Pictures) -> str:
    """What the colours of the maps of runs stand for."""
    comparison, column = pictures.comparison, pictures.comparison.column
    if comparison.of_classes:
        numbers = np.unique(np.concatenate(comparison.values)).astype(int).tolist()
        return "<br>".join(tables.class_words(column, number, pictures.styles) for number in numbers)
    colormap, (low, high) = pictures.look
    return f"{axis_of(column).title}<br>{ramp(colormap)}<br>{shown_number(low, column)} to {shown_number(high, column)}"


def pair_legend(pictures: Pictures, pair: Pair) -> str:
    """What the colours in the map of what differs stand for."""
    red, blue, grey = (f"{swatch(hex_of(ink))}&nbsp;{words}" for ink, words in DIFFERENCE)
    if not isinstance(pair.found, Correlation):
        return "<br>".join([red, *([blue] if pair.share < 1 else []), grey])
    column, (apart, reach) = pictures.comparison.column, difference_look(pair.found)
    less = ",<br>less their mean" if pair.found.period is not None else ""
    ends = f"{shown_number(-reach, column)} to {shown_number(reach, column)}"
    alone = f"<br>{blue}" if pair.share < 1 else ""
    return f"Differences{less}<br>{ramp(apart)}<br>{ends}{alone}"


def hex_of(colour: Colors) -> str:
    """A (4,) colour as #rrggbb."""
    return "#" + colour[:3].tobytes().hex()


def ramp(colormap: str) -> str:
    """The colours of a scale as a row of patches, in rich text."""
    colours = [hex_of(each) for each in bar(colormap)[0, ::4]]
    return "".join(f'<span style="background-color: {each}">&nbsp;</span>' for each in colours)

"""Figure of the loadings of the baselines: one row of images per method."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from local_crystallography.baselines.loadings import PIXEL_LABEL, Loading, grouped
from local_crystallography.data.errors import InputError, writing
from local_crystallography.data.progress import finish
from local_crystallography.report.page import figure, grid
from local_crystallography.steps.describe import Describe
from local_crystallography.views.raster import DIVERGING
from local_crystallography.views.styles import ClassStyles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from local_crystallography.analysis import Analysis

ACROSS = 8
"""Maximum number of images in a row."""
INCHES = 1.15
"""Width of an image."""
MOST = 64
"""Largest number of images shown."""
CAPTION = (
    "Loadings: every sub-image is approximately the mean plus its scores times these images. Red is positive, blue "
    "negative, white 0; NMF loadings, from black, are never negative. FFT: of the logarithm of the power, zero "
    "frequency in the centre. Class means are grey. Percentages: variance explained, or share of sub-images in a class."
)


def loadings_section(analysis: Analysis) -> str:
    """HTML for the report; empty without columns of a baseline that has loadings."""
    step, sub_images = analysis.last(Describe), analysis.sub_images
    if step is None or sub_images is None or analysis.atoms is None:
        return ""
    try:
        found = finish(step.loadings(sub_images, set(map(str, analysis.atoms.features))))
    except InputError:  # the columns are of sub-images that no longer exist
        return ""
    if not found:
        return ""
    from local_crystallography.report.figures import png

    picture = figure(png(loadings_figure(found, analysis.styles)), escape(CAPTION), "Loadings of the baselines")
    return grid("two", [picture])


def save_loadings(path: Path, loadings: Sequence[Loading], styles: ClassStyles) -> Path:
    """Write the figure, in the format of the file extension.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    with writing(path):
        loadings_figure(loadings, styles).savefig(path, dpi=300, bbox_inches="tight")
    return path


def loadings_figure(loadings: Sequence[Loading], styles: ClassStyles) -> Figure:
    """One row of images per method, or per class of PCA mixture; long ones are wrapped."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from local_crystallography.report.figures import STYLE

    lines = [group[i : i + ACROSS] for group in grouped(loadings[:MOST]) for i in range(0, len(group), ACROSS)]
    columns = max(map(len, lines))
    ratio = np.divide(*loadings[0].channels_below.shape)
    with rc_context(STYLE):
        drawn = Figure((INCHES * columns + 0.2, (INCHES * ratio + 0.45) * len(lines)), layout="constrained")
        axes = drawn.subplots(len(lines), columns, squeeze=False)
        for row, line in zip(axes, lines, strict=True):
            for each in row:
                each.set_axis_off()
            for each, loading in zip(row, line, strict=False):
                _draw(each, loading, styles)
    return drawn


def title(loading: Loading, styles: ClassStyles) -> str:
    """Name of an image, with its share if it has one."""
    of = "" if loading.number is None else styles.name(PIXEL_LABEL, loading.number)
    of = of if loading.is_mean else ", ".join(filter(None, (of, loading.column)))
    share = f"{100 * loading.share:.1f} %" if np.isfinite(loading.share) else ""
    return "\n".join(filter(None, (of, share)))


def _draw(axes: Any, loading: Loading, styles: ClassStyles) -> None:
    low, high = loading.limits
    cmap = DIVERGING if loading.signed else "gray"
    axes.imshow(loading.channels_below, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
    axes.set_title(title(loading, styles), fontsize=7)

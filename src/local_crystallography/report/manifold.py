"""Manifold as a figure for a paper: images decoded over two latents (Figs. 4b and 7b)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from local_crystallography.report.paper_style import PaperStyle
from local_crystallography.views.greys import apart, mosaic
from local_crystallography.views.manifold import tick_words

MOST_TICKS = 7


def save_manifold(
    path: Path,
    tiles: npt.NDArray[np.floating],
    *,
    ticks: npt.NDArray[np.floating],
    names: tuple[str, ...],
    limits: tuple[float, float],
    style: PaperStyle | None = None,
) -> Path:
    """Write the figure of `manifold_figure` in the format of the file extension."""
    style = style or PaperStyle()
    return style.write(manifold_figure(tiles, ticks=ticks, names=names, limits=limits, style=style), path)


def manifold_figure(
    tiles: npt.NDArray[np.floating],
    *,
    ticks: npt.NDArray[np.floating],
    names: tuple[str, ...],
    limits: tuple[float, float],
    style: PaperStyle,
) -> Figure:
    """Decoded images (rows, columns, w, w) with axes and grey scale.

    Parameters
    ----------
    ticks
        Latents of the columns, and of the rows from bottom to top.
    names
        Names of the latent to the right and, if there is one, of that upwards.
    limits
        Values shown as black and white.
    """
    rows, columns = tiles.shape[:2]
    with rc_context(style.rc):
        letter, rims = style.letter, 14 * style.letter  # of the axes on the left and the scale on the right
        wide = style.inches - rims
        height = wide * rows / columns + 4 * letter
        figure = Figure((style.inches, height))
        part = wide * rows / columns / height
        axes = figure.add_axes((6 * letter / style.inches, 3.3 * letter / height, wide / style.inches, part))
        beside = figure.add_axes(
            ((6.6 * letter + wide) / style.inches, 3.3 * letter / height, letter / style.inches, part)
        )
        extent = (-0.5, columns - 0.5, -0.5, rows - 0.5)
        drawn = axes.imshow(
            mosaic(apart(tiles)), cmap="gray", norm=Normalize(*limits), extent=extent, interpolation="nearest"
        )
        some = np.arange(0, columns, -(-columns // MOST_TICKS))
        words = [tick_words(ticks[k], 2) for k in some]
        axes.set_xticks(some, words)
        axes.set_xlabel(names[0])
        axes.set_yticks(some if rows > 1 else [], words if rows > 1 else [])
        axes.set_ylabel(names[1] if rows > 1 else "")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        bar = figure.colorbar(drawn, cax=beside, label="Decoded intensity" if rows > 1 else "")
        bar.outline.set_visible(False)
    return figure

"""Manifold as a figure for a paper: images decoded over two latents (Figs. 4b and 7b)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from local_crystallography.report.figures import STYLE
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
) -> Path:
    """Write decoded images (rows, columns, w, w) with axes and grey scale, in the format of the file extension.

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
    with rc_context(STYLE):
        figure = Figure((6.0, 5.2 * rows / columns + 0.5), layout="constrained")
        axes = figure.add_subplot()
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
        bar = figure.colorbar(drawn, ax=axes, fraction=0.04, pad=0.02, label="Decoded intensity")
        bar.outline.set_visible(False)
        figure.savefig(path, dpi=300, bbox_inches="tight")
    return path

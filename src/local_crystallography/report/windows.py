"""Figure of a window study: a row of maps and histograms per run, as in Figs. S2, S5, S8 and S10."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import rc_context
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from local_crystallography.clustering.matching import matched
from local_crystallography.data.errors import InputError
from local_crystallography.io.window_runs import StudyTable
from local_crystallography.report.figures import Shown, shown
from local_crystallography.report.symmetry import GREY, INK, PAPER
from local_crystallography.views.styles import ClassStyles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from local_crystallography.data.atoms import Atoms
    from local_crystallography.data.image import Image
    from local_crystallography.io.window_runs import StudyRun

HEIGHT = 2.3
"""Height of a row, in inches."""
HISTOGRAM_BINS = 90
SECTORS = (30.0, 45.0, 60.0, 90.0)
"""Half the angular sector of 6-, 4-, 3- and 2-fold symmetry, degrees."""
OUTERMOST = (0.25, 99.75)
"""Percentiles between which latents are shown."""


def window_table(study: StudyTable) -> pd.DataFrame:
    """One row per run, rounded to significant digits for CSV."""
    return study.table.round({"elbo_per_pixel": 5, "rand_seeds": 4, "rand_windows": 4, "seconds": 1})


def agreement_table(study: StudyTable) -> pd.DataFrame:
    """Adjusted Rand index of every pair of runs, rounded for CSV, with the name of the run first."""
    return study.agreement.round(4).rename_axis("run").reset_index()


def matched_classes(study: StudyTable, earlier: Atoms | None = None) -> StudyTable:
    """The same runs with classes renumbered to match, atom by atom, those of earlier atoms as well as possible.

    Without earlier labels, the first run is the reference.
    """
    runs, known = [], None
    if earlier is not None and "label" in earlier.features:
        known = pd.Series(earlier.features["label"].to_numpy(), earlier.ids)
    for run in study.runs:
        if not run.note:
            label = run.atoms.features["label"].to_numpy()
            if known is None:
                known = pd.Series(label, run.atoms.ids)
            reference = known.reindex(run.atoms.ids).fillna(-1).astype(int)
            run = replace(run, atoms=run.atoms.with_features(label=matched(label, reference)))
        runs.append(run)
    return StudyTable(tuple(runs))


def window_figure(study: StudyTable, image: Image, styles: ClassStyles | None = None) -> Figure:
    """A row per run with a result: maps of class and angle in the first frame, histograms of angle and first latent.

    Classes have the colours of `styles`.

    Raises
    ------
    InputError
        If no run has a result.
    """
    runs = [run for run in study.runs if not run.note]
    if not runs:
        raise InputError("No run of the window study has finished yet; let it continue.")
    wide = HEIGHT * image.shape[1] / image.shape[0]
    wide = float(np.clip(wide, 0.5 * HEIGHT, 2 * HEIGHT))
    with rc_context(PAPER):
        figure = Figure((2 * wide + 5.6, (HEIGHT + 0.35) * len(runs) + 0.3), layout="constrained")
        grid: Any = figure.subplots(len(runs), 4, squeeze=False, width_ratios=(wide, wide + 0.6, 2.4, 2.4))
        for axes, title in zip(grid[0], ("Class", "Angle", "Angle", "Latent z0"), strict=True):
            axes.set_title(title)
        for row, run in zip(grid, runs, strict=True):
            colours = (styles or ClassStyles()).colours("label", run.atoms.features["label"]) / 255
            _map(row[0], run, image, c=colours)
            _row(row, run, image, angular_reach(runs))
    return figure


def angular_reach(runs: Sequence[StudyRun]) -> float:
    """Half the range of angles shown for all runs, in degrees: half the sector that contains them."""
    angles = np.concatenate([run.atoms.features["angle_rad"].to_numpy(float) for run in runs])
    farthest = float(np.degrees(np.nanquantile(np.abs(angles), 0.99)))
    return next((reach for reach in SECTORS if farthest <= reach + 1), 180.0)


def _row(row: Any, run: StudyRun, image: Image, reach: float) -> None:
    """The panels of a run except its classes; angles are shown from -reach to reach, in degrees."""
    angle, z0 = (run.atoms.features[name].to_numpy(float) for name in ("angle_rad", "z0"))
    how, latent = shown("angle_rad", angle), shown("z0", z0)
    row[0].set_ylabel(f"{run.source}, {run.window} px, seed {run.seed}\n{_count(run.classes, 'class', 'es')}")
    drawn = _map(row[1], run, image, c=angle * how.factor, cmap=how.cmap, norm=Normalize(*how.limits))
    bar = row[1].figure.colorbar(drawn, ax=row[1], fraction=0.05, pad=0.03)
    bar.outline.set_visible(False)
    bar.set_label(how.unit)
    _histogram(row[2], angle, how, (-reach, reach))
    _note(row[2], _count(run.angle_peaks, "peak"))
    low, high = np.percentile(z0[np.isfinite(z0)] * latent.factor, OUTERMOST)
    _histogram(row[3], z0, latent, (low, max(high, low + 1e-6)))
    _note(row[3], f"ELBO {run.elbo_per_pixel:.4f} per px")


def _map(axes: Axes, run: StudyRun, image: Image, **look: Any) -> Any:
    """The atoms of the first frame as touching discs, in the extent of the image, y down."""
    first = run.atoms.frame == 0
    height, width = image.shape
    inches = min(HEIGHT, HEIGHT * width / height)
    spacing = np.sqrt(height * width / max(int(first.sum()), 1)) * 72 * inches / width
    yx = run.atoms.yx[first]
    look["c"] = look["c"][first]
    drawn = axes.scatter(yx[:, 1], yx[:, 0], s=max(0.9 * spacing, 0.6) ** 2, linewidths=0, rasterized=True, **look)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_visible(False)
    return drawn


def _histogram(axes: Axes, values: npt.NDArray[np.float64], how: Shown, limits: tuple[float, float]) -> None:
    """Histogram of a column, in the unit shown."""
    axes.hist(values[np.isfinite(values)] * how.factor, bins=HISTOGRAM_BINS, range=limits, color=GREY, linewidth=0)
    axes.set(xlim=limits, xlabel=how.unit, yticks=[])
    axes.margins(y=0.15)  # room for text above the bars


def _note(axes: Axes, words: str) -> None:
    axes.text(0.98, 0.97, words, transform=axes.transAxes, ha="right", va="top", fontsize=8, color=INK)


def _count(number: int, word: str, plural: str = "s") -> str:
    return f"{number} {word}{'' if number == 1 else plural}"

"""Figure of a scan correction: row shifts, their spectrum, fly-back and spread of the columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from local_crystallography.report.figures import STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from local_crystallography.scan.distortion import ScanCorrection

BEFORE, AFTER = "#ff9d2a", "#2a95ff"
LINE = AFTER
ON_DARK: Any = {
    "text.color": "#f0f1f2",
    "axes.labelcolor": "#f0f1f2",
    "xtick.color": "#c9ccd1",
    "ytick.color": "#c9ccd1",
    "axes.edgecolor": "#a5aab2",
    "figure.facecolor": "#262930",
    "axes.facecolor": "#262930",
}
CAPTION = (
    "Shift of every row along x, its power spectrum, the fly-back at the start of rows where present, and the rms "
    "distance of columns from the best-fitting lattice, before and after correction."
)
LOWEST = 1e-6
"""Smallest power shown, relative to the largest."""


def scan_figure(
    correction: ScanCorrection,
    *,
    pixel_size: float | None = None,
    dark: bool = False,
    size: tuple[float, float] = (8.4, 5.0),
) -> Figure:
    """Row shifts, power spectrum, fly-back where present, and spread of the columns before and after.

    Parameters
    ----------
    pixel_size
        nm per pixel; if known, the spread also has a scale in pm.
    dark
        Light ink on a dark background.
    size
        Width and height in inches.
    """
    with rc_context(STYLE | (ON_DARK if dark else {})):
        figure = Figure(size, layout="constrained")
        falls = correction.flyback != 0
        grid = figure.add_gridspec(2, 3 if falls else 2, width_ratios=(1.5, 1, 1.25) if falls else (1.6, 1))
        _trace(figure.add_subplot(grid[0, :]), correction)
        _spectrum(figure.add_subplot(grid[1, 0]), correction)
        if falls:
            _flyback(figure.add_subplot(grid[1, 1]), correction)
        _spread(figure.add_subplot(grid[1, -1]), correction, pixel_size)
    return figure


def _trace(axes: Axes, correction: ScanCorrection) -> None:
    shift = correction.row_shift
    axes.plot(shift, color=LINE, linewidth=0.8)
    axes.axhline(0, color="#888888", linewidth=0.5)
    axes.set(xlabel="Row", ylabel="Shift along x (px)", xlim=(0, len(shift) - 1))
    axes.set_title(f"Row shifts, {_rms(shift):.2f} px rms", loc="left")


def _spectrum(axes: Axes, correction: ScanCorrection) -> None:
    frequency, power = correction.frequency[1:], correction.power[1:]
    axes.semilogy(frequency, np.maximum(power, LOWEST * power.max(initial=1e-12)), color=LINE, linewidth=0.8)
    axes.set(xlabel="Frequency (1 / rows)", ylabel="Power (px²)", xlim=(0, 0.5))
    axes.set_title("Power spectrum of the row shifts", loc="left")


def _flyback(axes: Axes, correction: ScanCorrection) -> None:
    reach = min(correction.width, 1 + int(np.ceil(6 * correction.flyback_decay)))
    x = np.arange(reach)
    axes.plot(x, correction.flyback * np.exp(-x / correction.flyback_decay), color=LINE, linewidth=1.2)
    axes.axhline(0, color="#888888", linewidth=0.5)
    axes.set(xlabel="Column", ylabel="Shift along x (px)", xlim=(0, reach - 1))
    axes.set_title(f"Fly-back, {correction.flyback:.1f} px", loc="left")


def _spread(axes: Axes, correction: ScanCorrection, pixel_size: float | None) -> None:
    """Pairs of bars with their values: rms distance of columns from their lattice."""
    x = np.arange(2)
    sides = ((-0.2, BEFORE, "before", correction.spread_before), (0.2, AFTER, "after", correction.spread_after))
    for offset, color, when, spread in sides:
        bars = axes.bar(x + offset, spread, 0.36, color=color, label=when)
        axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=8)
    axes.set(ylabel="rms (px)", xlim=(-0.6, 1.6))
    axes.set_xticks(x, ["along y", "along x"])
    axes.set_ylim(0, 1.35 * max(float(np.max((correction.spread_before, correction.spread_after))), 1e-6))
    axes.legend(frameon=False, ncols=2, loc="upper center", fontsize=8, handlelength=1.2)
    axes.set_title("Spread of the columns", loc="left")
    if pixel_size is not None:
        pm = 1000 * pixel_size
        right = axes.secondary_yaxis(
            "right", functions=(lambda px: np.multiply(px, pm), lambda length: np.divide(length, pm))
        )
        right.set_ylabel("rms (pm)")


def _rms(values: Any) -> float:
    return float(np.sqrt(np.mean((values - np.mean(values)) ** 2)))

"""Plots of the latent explorer as a figure for a paper: axes and text as vectors, points as a raster image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MultipleLocator

from local_crystallography.report.paper_style import PaperStyle
from local_crystallography.views.axis import Axis
from local_crystallography.views.plot_data import ONE_COLOUR, Key, PlotData
from local_crystallography.views.plot_picture import picture_of
from local_crystallography.views.raster import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("png", "svg", "pdf")
SIDE = 3.4
"""Width of a plot in inches."""
PER_POINT = 3
"""Pixels of the image of points per screen pixel."""
FINER = 2
"""Size of points and cells in these pixels, finer than on the screen."""
INK = "#1c2330"
TICKS = ((200, 90), (100, 45), (50, 20), (20, 10), (8, 5))
"""(minimum span of an axis, tick spacing), both in degrees."""


@dataclass(frozen=True)
class Panel:
    """A plot with the (N,) selected rows, and the view x0, x1, y0, y1."""

    data: PlotData
    mask: npt.NDArray[np.bool_]
    view: View


def write_plots(path: str | Path, panels: list[Panel], style: PaperStyle | None = None) -> None:
    """Write plots side by side, four of them two by two, in the format of the file extension.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    style = style or usual_style(panels)
    style.write(plots_figure(panels, style), Path(path))


def usual_style(panels: list[Panel]) -> PaperStyle:
    """One column of a journal for one plot, two for several."""
    return PaperStyle(width="single" if len(panels) == 1 else "double")


def plots_figure(panels: list[Panel], style: PaperStyle | None = None) -> Figure:
    """The figure of the plots, on white, with their colour keys: below a single plot, beside several."""
    style = style or usual_style(panels)
    with rc_context(style.rc):
        across = 2 if len(panels) == 4 else len(panels)
        down = -(-len(panels) // across)
        keys = {panel.data.key.column.name: panel.data.on_white().key for panel in panels}
        below = len(panels) == 1
        entries = sum(len(key.classes) for key in keys.values())
        wide = style.inches - (0 if below else 12 * style.letter)
        tall = 0.95 * wide / across * down + (1.6 * style.letter * (2 + entries // 2) if below and entries else 0)
        figure = Figure((style.inches, tall), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False).ravel()
        for panel, each in zip(panels, axes, strict=True):
            _draw(each, panel)
        for key in keys.values():
            _draw_key(figure, list(axes), key, below=below)
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    data = panel.data.on_white()
    x0, x1, y0, y1 = panel.view
    axes.set(xlim=(x0, x1), ylim=(y1, y0) if data.y.down and not data.is_histogram else (y0, y1))
    axes.set(xlabel=data.x.label, ylabel="Atoms" if data.is_histogram else data.y.label)
    axes.set_box_aspect(None if not data.is_image else abs((y1 - y0) / (x1 - x0)))
    _number(axes, "x", data.x, x1 - x0)
    if data.is_histogram:
        _draw_bars(axes, data, panel.mask)
        return
    _number(axes, "y", data.y, y1 - y0)
    size = round(SIDE * 100 * PER_POINT), round(SIDE * 100 * PER_POINT)
    picture, note = picture_of(data, panel.mask, view=panel.view, size=size, ratio=FINER)
    axes.imshow(picture, extent=(x0, x1, y1, y0), aspect="auto", origin="upper", interpolation="antialiased", zorder=1)
    axes.set(xlim=(x0, x1), ylim=(y1, y0) if data.y.down else (y0, y1))
    _draw_contours(axes, data)
    if note:
        axes.set_title(note, loc="right", color="#555555")


def _draw_contours(axes: Axes, data: PlotData) -> None:
    if data.choice.mode != "contours" or data.density is None:
        return
    for lines in data.density.contours:
        for line in lines:
            for dx in data.x.copies:
                for dy in data.y.copies:
                    axes.plot(line[:, 0] + dx, line[:, 1] + dy, color=INK, linewidth=0.7)


def _draw_bars(axes: Axes, data: PlotData, mask: npt.NDArray[np.bool_]) -> None:
    edges, counted = data.histogram.edges, data.histogram.counts
    inks = [entry.colour for entry in data.key.classes] or [ONE_COLOUR]
    for dx in data.x.copies:
        bottom = np.zeros(len(edges) - 1)
        for count, ink in zip(counted, inks, strict=True):
            if data.is_stacked:
                axes.stairs(bottom + count, edges + dx, baseline=bottom, fill=True, color=ink)
                bottom = bottom + count
            else:
                axes.stairs(count, edges + dx, baseline=None, color=ink, linewidth=1.2)
        if len(mask) == len(data.plane.points) and mask.any():
            axes.stairs(data.counted(mask).counts[0], edges + dx, baseline=None, color=INK, linewidth=0.9)


def _number(axes: Axes, axis: str, column: Axis, span: float) -> None:
    """Ticks of an angle, within half a period of 0."""
    if column.period is None:
        return
    half, period = column.period / 2, column.period
    ticks = getattr(axes, f"{axis}axis")
    ticks.set_major_locator(MultipleLocator(next((step for least, step in TICKS if span > least), 2)))
    ticks.set_major_formatter(FuncFormatter(lambda value, _: f"{half - (half - value) % period:g}"))


def _draw_key(figure: Figure, axes: list[Axes], key: Key, *, below: bool) -> None:
    """A legend of the classes with count and share, or a colour bar, below or to the right of all plots."""
    if key.classes:
        marks: list[Any] = [
            Line2D(
                [],
                [],
                color=entry.colour,
                marker="o",
                linestyle="",
                label=f"{entry.name}: {entry.count:,}" + (f" · {100 * entry.share:.1f} %" if entry.number >= 0 else ""),
            )
            for entry in key.classes
        ]
        place: Any = {"loc": "outside lower center", "ncols": 2} if below else {"loc": "outside right upper"}
        figure.legend(handles=marks, title=key.column.label, handletextpad=0.2, columnspacing=1.0, **place)
    elif key.colormap:
        scale = ScalarMappable(Normalize(*key.limits), ListedColormap(key.table))
        bar = figure.colorbar(scale, ax=axes, label=key.column.label, fraction=0.05, pad=0.02)
        bar.outline.set_visible(False)

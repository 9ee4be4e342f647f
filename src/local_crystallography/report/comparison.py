"""Figure that compares runs: maps in the same colours, differences, overlaid histograms, tables of classes."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from local_crystallography.data.errors import InputError
from local_crystallography.report.figures import round_length
from local_crystallography.report.symmetry import INK, PAPER
from local_crystallography.studies.comparison import Agreement, Comparison, Correlation, Pair
from local_crystallography.studies.comparison_tables import scores
from local_crystallography.views.axis import axis_of, values_of
from local_crystallography.views.raster import scale_of
from local_crystallography.views.styles import ClassStyles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]

SAME, DIFFERS, ONLY_ONE, NOTHING = "#d5d9df", "#d55e00", "#1c2330", "#a5aab2"
RUNS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#1c2330")
"""Colours of runs in histograms (Okabe and Ito)."""
SIDE = 3.1
"""Width of a panel in inches."""
BINS = 48
LONGEST = 24
"""Maximum number of letters of a run's name in a title."""


def comparison_figure(comparison: Comparison, styles: ClassStyles | None = None, frame: int | None = None) -> Figure:
    """Maps of every run, differences of later runs from the first, classes of every pair, and histograms.

    For a column of numbers, scatter plots of one run against the other take the place of tables of classes.

    Parameters
    ----------
    styles
        Names and colours of the classes of the first run; None: by number and palette.
    frame
        Frame of a stack shown in the maps; None: the first with atoms.

    Raises
    ------
    InputError
        If no run has atoms in the frame.
    """
    styles, frame = styles or ClassStyles(), _frame(comparison, frame)
    count, pairs = len(comparison.names), comparison.pairs
    columns = 4 if count == 2 else count
    beside = [
        name for name in pairs[0].beside if all(name in each.beside and _known(each.beside[name]) for each in pairs)
    ]
    squares = -(-(2 * count - 1 + (count > 2) + len(pairs)) // columns)
    tall = _aspect(comparison)
    heights = [tall] * squares + [0.62] * bool(beside)
    with rc_context(PAPER):
        figure = Figure((SIDE * columns, SIDE * sum(heights) + 0.5 + 0.35 * len(heights)), layout="constrained")
        rows = figure.add_gridspec(len(heights), 1, height_ratios=heights)
        grids = [rows[i].subgridspec(1, columns) for i in range(squares)]
        places = iter([grid[j] for grid in grids for j in range(columns)])
        maps = [figure.add_subplot(next(places)) for _ in range(count)]
        _maps(maps, comparison, styles, frame)
        for pair in pairs[: count - 1]:
            _difference_map(figure.add_subplot(next(places)), comparison, pair, frame)
        if count > 2:
            _matrix(figure.add_subplot(next(places)), comparison)
        for pair in pairs:
            _against(figure.add_subplot(next(places)), comparison, pair, styles)
        if beside:
            _histograms(figure.add_subfigure(rows[-1]), comparison, beside)
    return figure


def _maps(many: list[Axes], comparison: Comparison, styles: ClassStyles, frame: int) -> None:
    """Atoms of every run in the same colours."""
    how = axis_of(comparison.column)
    known = np.concatenate(comparison.values)
    cmap, (low, high) = scale_of(comparison.column, known)
    for axes, (name, atoms), values in zip(many, comparison.atoms.items(), comparison.values, strict=True):
        shown = np.flatnonzero(atoms.frame == frame)
        look: dict[str, Any] = {"c": values[shown] * how.factor, "cmap": cmap, "plotnonfinite": False}
        look["norm"] = Normalize(low * how.factor, high * how.factor)
        if comparison.of_classes:
            look = {"c": styles.colours(comparison.column, values[shown]) / 255}
        drawn = _dots(axes, comparison, atoms.yx[shown], look)
        axes.set_title(f"{_short(name)}, {len(atoms):,} atoms", loc="left")
    if comparison.of_classes:
        numbers = np.unique(known).astype(int).tolist()
        marks = [_dot(styles.colour(comparison.column, number)) for number in numbers]
        names = [styles.name(comparison.column, number) for number in numbers]
        many[0].figure.legend(marks, names, loc="outside upper left", ncols=10, handletextpad=0.1)
    else:
        bar = many[0].figure.colorbar(drawn, ax=many, location="bottom", fraction=0.04, pad=0.02, aspect=50)
        bar.set_label(how.label)
        bar.outline.set_visible(False)
    _scale_bar(many[0], comparison)


def _difference_map(axes: Axes, comparison: Comparison, pair: Pair, frame: int) -> None:
    """Map of where a later run differs from the first; atoms in only one of them as crosses."""
    first, second = (comparison.atoms[name] for name in pair.names)
    found = pair.found
    here = first.frame[pair.rows[:, 0]] == frame
    yx = comparison.yx(pair)[here]
    if isinstance(found, Agreement):
        differ = found.differ[here]
        _dots(axes, comparison, yx[~differ], {"c": SAME})
        _dots(axes, comparison, yx[differ], {"c": DIFFERS, "zorder": 3})
        words = f"{np.count_nonzero(found.differ):,} of {len(found.differ):,} differ"
    else:
        words = _painted(axes, comparison, yx, found, here)
    for atoms, rows in ((first, pair.rows[:, 0]), (second, pair.rows[:, 1])):
        alone = np.setdiff1d(np.flatnonzero(atoms.frame == frame), rows)
        axes.scatter(atoms.yx[alone, 1], atoms.yx[alone, 0], s=8, c=ONLY_ONE, marker="x", linewidths=0.7, zorder=4)
    axes.set_title(f"{_short(pair.names[1])}: {words}", loc="left")
    note = f"× in one run only; {pair.share:.1%} of the atoms in both"
    axes.set_xlabel(note if pair.share < 1 else "all atoms in both runs", loc="left")


def _painted(axes: Axes, comparison: Comparison, yx: Floats, found: Correlation, here: Any) -> str:
    """Paint differences of numbers, for angles minus their mean; words for the title."""
    how = axis_of(comparison.column)
    values = found.deviation[here]
    known = values[np.isfinite(values)]
    reach = (float(np.percentile(np.abs(known), 98)) if len(known) else 0.0) * how.factor or 1.0
    look = {"c": values * how.factor, "cmap": "RdBu_r", "norm": Normalize(-reach, reach), "plotnonfinite": False}
    drawn = _dots(axes, comparison, yx, look | {"edgecolors": "#c9ced6", "linewidths": 0.2})
    bar = axes.figure.colorbar(drawn, ax=axes, location="bottom", fraction=0.05, pad=0.02)
    less = f", minus {found.offset * how.factor:.3g} {how.unit}" if found.period is not None else ""
    bar.set_label(f"Difference ({how.unit})" if how.unit else "Difference")
    bar.outline.set_visible(False)
    return f"difference{less}"


def _against(axes: Axes, comparison: Comparison, pair: Pair, styles: ClassStyles) -> None:
    """Number of atoms in every pair of classes, or a scatter plot of one run against the other."""
    found, names = pair.found, [_short(name) for name in pair.names]
    if isinstance(found, Agreement):
        words = [[styles.name(comparison.column, int(n)) for n in numbers] for numbers in found.numbers]
        _numbers(axes, found.table / np.maximum(found.table.sum(axis=1, keepdims=True), 1), found.table, words)
        axes.set_title(f"Adjusted Rand {found.adjusted_rand:.3f}, Rand {found.rand:.3f}", loc="left")
    else:
        how = axis_of(comparison.column)
        x, y = (comparison.values[run][rows] * how.factor for run, rows in zip(pair.runs, pair.rows.T, strict=True))
        axes.scatter(x, y, s=float(np.clip(6000 / max(len(x), 1), 0.5, 10)), c=RUNS[0], linewidths=0, rasterized=True)
        axes.set_title(f"{how.label}: r = {found.value:.3f}", loc="left")
    axes.set(xlabel=names[1], ylabel=names[0])
    if not isinstance(found, Agreement):
        axes.set(xlabel=names[0], ylabel=names[1])


def _matrix(axes: Axes, comparison: Comparison) -> None:
    matrix, names = scores(comparison), [_short(name) for name in comparison.names]
    _numbers(axes, np.nan_to_num(matrix), matrix, [names, names])
    axes.set_title("Adjusted Rand index" if comparison.of_classes else "Correlation", loc="left")


def _numbers(axes: Axes, shade: Floats, table: npt.NDArray[Any], words: list[list[str]]) -> None:
    """A table of numbers on shades of blue from 0 to 1."""
    axes.imshow(shade, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    size = float(np.clip(60 / max(table.shape), 5, 9))
    for (row, column), value in np.ndenumerate(table):
        text = f"{value:,}" if table.dtype.kind == "i" else f"{value:.3f}"
        ink = "white" if shade[row, column] > 0.7 else INK if value else NOTHING
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=ink)
    tilted: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if table.shape[1] > 3 else {}
    axes.set_yticks(np.arange(table.shape[0]), words[0], fontsize=8)
    axes.set_xticks(np.arange(table.shape[1]), words[1], fontsize=8, **tilted)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _histograms(part: Any, comparison: Comparison, names: list[str]) -> None:
    """Histograms of a few columns of every run, as steps over the same edges."""
    many = np.atleast_1d(part.subplots(1, len(names)))
    for axes, name in zip(many, names, strict=True):
        how = axis_of(name)
        values = [values_of(each.features, name) * how.factor for each in comparison.atoms.values()]
        values = [each[np.isfinite(each)] for each in values]
        low, high = np.percentile(np.concatenate(values), (0.25, 99.75))
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        for each, line in zip(values, _lines(len(values)), strict=True):
            axes.stairs(np.histogram(each, edges)[0], edges, **line)
        rs = sorted({f"{pair.beside[name].value:.3f}" for pair in comparison.pairs}, key=float)
        r = f", r = {rs[0]}" if len(rs) == 1 else f", r from {rs[0]} to {rs[-1]}"
        axes.set(xlabel=how.label, ylabel="Atoms", xlim=(edges[0], edges[-1]))
        axes.set_title(how.title + r, loc="left")
    marks = [Line2D([], [], **line) for line in _lines(len(comparison.names))]
    part.legend(marks, [_short(name) for name in comparison.names], loc="outside lower left", ncols=6)


def _lines(count: int) -> list[dict[str, Any]]:
    """The first run as a wide line, later ones as alternating dashes, so that all are visible where they coincide."""
    dashes = [(2.5 * i, (2.5, 2.5 * max(count - 2, 1))) for i in range(count - 1)]
    looks: list[dict[str, Any]] = [{"linewidth": 2.6}, *({"linewidth": 1.4, "linestyle": dash} for dash in dashes)]
    return [look | {"color": RUNS[i % len(RUNS)]} for i, look in enumerate(looks)]


def _dots(axes: Axes, comparison: Comparison, yx: Floats, look: dict[str, Any]) -> Any:
    """Atoms as discs that nearly touch, with row 0 of the image at the top."""
    (top, left), (bottom, right) = _extent(comparison)
    shown = max(np.unique(each.frame, return_counts=True)[1].max(initial=1) for each in comparison.atoms.values())
    pitch = np.sqrt((bottom - top) * (right - left) / max(shown, 1)) / (right - left) * SIDE * 72
    look = {"linewidths": 0, "rasterized": True} | look
    drawn = axes.scatter(yx[:, 1], yx[:, 0], s=(0.65 * pitch) ** 2, **look)
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], aspect="equal", anchor="N")
    axes.spines[:].set_visible(False)
    return drawn


def _scale_bar(axes: Axes, comparison: Comparison) -> None:
    """A bar of round length below the map, about a quarter of its width; in px without a pixel size."""
    (_, left), (bottom, right) = _extent(comparison)
    scale = next(iter(comparison.atoms.values())).pixel_size
    size, unit = (1.0, "px") if scale is None else (scale, "nm")
    length = round_length(0.25 * (right - left) * size)
    thick = 0.015 * (right - left)
    axes.add_patch(Rectangle((left, bottom + thick), length / size, thick, fc=INK, clip_on=False))
    axes.text(left + length / size, bottom + thick, f"  {length:g} {unit}", va="center", fontsize=8)


def _extent(comparison: Comparison) -> tuple[Floats, Floats]:
    """Outer edges (y, x) of all atoms, with a margin of 2 %."""
    yx = np.concatenate([each.yx for each in comparison.atoms.values()])
    margin = max(0.02 * float(np.ptp(yx, axis=0).max()), 1.0)
    return yx.min(axis=0) - margin, yx.max(axis=0) + margin


def _aspect(comparison: Comparison) -> float:
    """Height of a map over its width, within limits that fit a page."""
    low, high = _extent(comparison)
    return float(np.clip((high - low)[0] / (high - low)[1], 0.6, 2.0))


def _frame(comparison: Comparison, wanted: int | None) -> int:
    """The requested frame, or the first with atoms."""
    frames = np.unique(np.concatenate([each.frame for each in comparison.atoms.values()]))
    if wanted is not None and wanted not in frames:
        raise InputError(f"Frame {wanted} has no atoms; choose one from {frames[0]} to {frames[-1]}.")
    return int(frames[0]) if wanted is None else wanted


def _known(found: Correlation) -> bool:
    return bool(np.isfinite(found.difference).any())


def _short(name: str) -> str:
    return shorten(name, LONGEST, placeholder="…") or name[:LONGEST]


def _dot(color: str) -> Line2D:
    return Line2D([], [], color=color, marker="o", linestyle="", markersize=7)

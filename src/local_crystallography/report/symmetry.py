"""Figures and tables of Bayesian symmetry: a chain (Fig. 1b to 1e), its calibration, windows, lattices.

Odd and symmetric are blue, even and broken vermilion, from the colour-blind safe palette of Okabe and Ito.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from local_crystallography.bayes.decision import Decision
from local_crystallography.bayes.weights import PRIOR
from local_crystallography.report.figures import STYLE
from local_crystallography.views.chain_view import decision_words
from local_crystallography.views.styles import DECIDED as COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from local_crystallography.bayes.calibrate import Calibration
    from local_crystallography.bayes.chain import Chain, ChainModel, ChainResult
    from local_crystallography.bayes.posterior import Posterior
    from local_crystallography.bayes.study import WindowStudy
    from local_crystallography.bayes.weights import ModelWeights

BLUE, RED = COLORS[Decision.SYMMETRIC], COLORS[Decision.BROKEN]
INK, GREY = "#1c2330", "#8a919c"
NO_UNIT = "a.u."
PAPER: Any = STYLE | {"svg.fonttype": "none", "pdf.fonttype": 42, "legend.frameon": False, "legend.fontsize": 8}
OUTCOMES = (Decision.SYMMETRIC, Decision.BROKEN, Decision.UNDECIDED)
RULES = {"at_end": "after all cells", "at_first": "at the first decision", "at_precision": "once precise enough"}
MOST_ROWS = 400
"""Largest number of posteriors in the panel of Fig. 1d; of more, evenly spaced ones are shown."""


def write_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure on white, in the format of the file extension: png, svg or pdf.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with rc_context(PAPER):
        figure.savefig(path, dpi=200, facecolor="white")


def chain_table(result: ChainResult) -> pd.DataFrame:
    """One row per number of unit cells: mean, edges of the interval, probability in the ROPE, decision in words."""
    return pd.DataFrame(
        {
            "cells": result.cells,
            "mean": result.mu3.mean(),
            "low": result.low,
            "high": result.high,
            "inside": result.inside,
            "decision": [Decision(int(value)).words for value in result.decision],
        }
    )


def chain_figure(chain: Chain, result: ChainResult, model: ChainModel, *, unit: str = NO_UNIT) -> Figure:
    """The bonds, the panels of Fig. 1b to 1e, the probability within ROPEs of other widths, and the decision in words.

    The unit is that of the bonds.
    """
    with rc_context(PAPER):
        figure = Figure((11.5, 7.0), layout="constrained")
        rows = figure.add_gridspec(2, 1)
        top: Any = rows[0].subgridspec(1, 3).subplots()
        bottom: Any = rows[1].subgridspec(1, 4, width_ratios=(1.15, 0.7, 1.15, 1.0)).subplots()
        _bonds(top[0], chain, unit)
        _pair(top[1], (result.mu1, result.mu2), f"Mean bond µ ({unit})")
        _pair(top[2], (result.sigma1, result.sigma2), f"Standard deviation σ of bonds ({unit})", 0.0)
        _picture(bottom[0], result, model, unit)
        _curves(bottom[1], result, bottom[0])
        _intervals(bottom[2], result, model, unit)
        _widths(bottom[3], result, model, unit)
        for letter, axes in zip("abcdefg", (*top, *bottom), strict=True):
            axes.set_title(f"{letter}  {axes.get_title(loc='left')}", loc="left")
        words = fill(" ".join(decision_words(result, model, unit="" if unit == NO_UNIT else unit)), 150)
        figure.suptitle(words, x=0.01, ha="left", fontsize=9.5, color=RED if result.on_edge[-1] else INK)
    return figure


def _bonds(axes: Axes, chain: Chain, unit: str) -> None:
    cell = np.arange(1, chain.cells + 1)
    for bonds, color, name, marker in ((chain.odd, BLUE, "odd", "o"), (chain.even, RED, "even", "^")):
        axes.plot(cell, bonds, marker, color=color, markersize=2.5, label=name, rasterized=chain.cells > 2000)
    low, high = chain.bonds.min(), chain.bonds.max()
    axes.set(xlabel="Unit cell", ylabel=f"Bond ({unit})", ylim=(low - 0.05 * (high - low), high + 0.2 * (high - low)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title("Bonds", loc="left")
    axes.legend(ncols=2, loc="upper right", handletextpad=0.1, markerscale=1.6)


def _pair(axes: Axes, posteriors: tuple[Posterior, Posterior], label: str, start: float | None = None) -> None:
    """Odd and even: lines after the first cell, filled after all; each relative to its maximum."""
    edges = [edge for each in posteriors for edge in (*each[0].interval(0.7, "HDI"), *each[-1].interval(0.999, "HDI"))]
    low, high = float(np.min(edges)), float(np.max(edges))
    low, high = low - 0.03 * (high - low) if start is None else start, high + 0.03 * (high - low)
    x = low + (high - low) * (np.arange(1500) + 0.5) / 1500
    for posterior, color in zip(posteriors, (BLUE, RED), strict=True):
        first, last = (np.interp(x, posterior.x[row], posterior.density[row], 0, 0) for row in (0, -1))
        axes.fill_between(x, last / last.max(), color=color, alpha=0.5, linewidth=0)
        axes.plot(x, first / first.max(), color=color, linewidth=1.1)
    axes.set(xlim=(low, high), ylim=(0, 1.3), xlabel=label, ylabel="Density (relative)", yticks=(0, 0.5, 1))
    axes.set_title("Means" if start is None else "Standard deviations", loc="left")
    marks = [Line2D([], [], color=color, linewidth=5, alpha=0.5) for color in (BLUE, RED)]
    marks.append(Line2D([], [], color=GREY, linewidth=1.1))
    axes.legend(marks, ["odd", "even", "after the first cell"], ncols=3, loc="upper center", handlelength=1.1)


def _picture(axes: Axes, result: ChainResult, model: ChainModel, unit: str) -> None:
    """Posteriors of the difference side by side, each relative to its maximum."""
    rows = np.unique(np.linspace(0, len(result.cells) - 1, min(len(result.cells), MOST_ROWS)).astype(int))
    low, high = result.mu3.interval(0.995, "HDI")
    y = np.linspace(low.min(), high.max(), 300)
    picture = np.array([np.interp(y, result.mu3.x[row], result.mu3.density[row], 0, 0) for row in rows])
    picture /= np.maximum(picture.max(axis=1, keepdims=True), 1e-300)
    axes.pcolormesh(result.cells[rows], y, picture.T, cmap="Blues", shading="nearest", rasterized=True)
    for edge in (model.rope.low, model.rope.high):
        if y[0] < edge < y[-1]:
            axes.axhline(edge, color=RED, linewidth=1, linestyle="--")
    axes.set(xlabel="Unit cells", ylabel=f"Difference µ3 ({unit})", ylim=(y[0], y[-1]))
    axes.set_title("Posterior of µ3", loc="left")


def _curves(axes: Axes, result: ChainResult, picture: Axes) -> None:
    """A few of the posteriors of `picture`, on its vertical axis."""
    wanted = np.geomspace(result.cells[0], result.cells[-1], 5)
    rows = np.unique(np.searchsorted(result.cells, np.rint(wanted).astype(int)))
    for row, color in zip(rows, colormaps["viridis"](np.linspace(0, 0.85, len(rows))), strict=True):
        axes.plot(result.mu3.density[row], result.mu3.x[row], color=color, linewidth=1.1, label=f"{result.cells[row]}")
    axes.set(xlabel="Density", ylim=picture.get_ylim(), xlim=(0, None), yticklabels=[])
    axes.set_title("After n cells", loc="left")
    axes.legend(loc="best", handlelength=1.0)


def _intervals(axes: Axes, result: ChainResult, model: ChainModel, unit: str) -> None:
    axes.axhspan(model.rope.low, model.rope.high, color=RED, alpha=0.15, linewidth=0, label="ROPE")
    axes.fill_between(result.cells, result.low, result.high, color=BLUE, alpha=0.4, linewidth=0, label=model.kind)
    axes.plot(result.cells, result.mu3.mean(), color=BLUE, linewidth=1, label="mean")
    if (first := result.first_decided) is not None:
        at = int(np.flatnonzero(result.cells == first)[0])
        label = f"first decided: {first},\n{Decision(int(result.decision[at])).words}"
        axes.plot([first, first], [result.low[at], result.high[at]], "o-", color=INK, ms=3.5, lw=1, label=label)
    low, high = min(result.low.min(), model.rope.low), max(result.high.max(), model.rope.high)
    axes.set(xlabel="Unit cells", ylabel=f"Difference µ3 ({unit})")
    axes.set_ylim(low - 0.05 * (high - low), high + 0.4 * (high - low))
    axes.set_title(f"{100 * model.hdi_prob:g} % {model.kind} against the ROPE", loc="left")
    axes.legend(ncols=2, loc="upper right", handlelength=1.1, columnspacing=1.0)


def _widths(axes: Axes, result: ChainResult, model: ChainModel, unit: str) -> None:
    """Probability within ROPEs of other widths, after `plotAreaInROPE` of the R package BEST."""
    reach = max(2 * model.rope_half_width, 1.3 * max(abs(result.low[-1]), abs(result.high[-1])))
    half = np.linspace(0, reach, 200)
    for row, color, line in ((-1, BLUE, "-"), (0, GREY, "--")):
        share = result.mu3[row].share_against_half_width(half)[0]
        axes.plot(half, share, line, color=color, linewidth=1.4, label=f"after {result.cells[row]} cells")
    axes.vlines(model.rope_half_width, 0, 1, color=RED, linewidth=1.2, label="this ROPE")
    axes.set(xlabel=f"Half width of the ROPE ({unit})", ylabel="Probability inside", xlim=(0, reach), ylim=(0, 1.4))
    axes.set_yticks([0, 0.5, 1])
    axes.set_title("Other ROPEs", loc="left")
    axes.legend(loc="upper left", handlelength=1.3)


def calibration_table(calibration: Calibration) -> pd.DataFrame:
    """One row per true difference: coverage with its standard error, and shares of the decisions under each rule."""
    names = ("coverage", "coverage_error", "first_cells", "precision_cells")
    table = {"difference": calibration.differences} | {name: getattr(calibration, name) for name in names}
    for rule in RULES:
        rates = getattr(calibration, rule)
        table |= {f"{name}_{rule}": getattr(rates, name) for name in ("symmetric", "broken", "undecided")}
    return pd.DataFrame(table)


def calibration_figure(calibration: Calibration, *, unit: str = NO_UNIT) -> Figure:
    """Measured coverage of the interval with its standard error, and shares of the decisions under three rules."""
    count, nominal = len(calibration.differences), 100 * calibration.model.hdi_prob
    with rc_context(PAPER):
        figure = Figure((11.5, 1.9 + 0.45 * count), layout="constrained")
        coverage, *rules = figure.subplots(1, 4, sharey=True)
        row = np.arange(count)
        spread = 100 * calibration.coverage_error
        coverage.errorbar(100 * calibration.coverage, row, xerr=spread, fmt="o", color=BLUE, capsize=3)
        coverage.axvline(nominal, color=GREY, linestyle="--", linewidth=1)
        coverage.set(yticks=row, ylim=(count - 0.5, -0.5), xlabel="Intervals that contain the truth (%)")
        coverage.set_xlim(float(np.nanmin(100 * calibration.coverage - 2 * spread, initial=nominal - 4)), 100)
        coverage.set(yticklabels=[f"{d:.3g}" for d in calibration.differences], ylabel=f"True difference ({unit})")
        coverage.set_title(f"Coverage, nominal {nominal:g} %", loc="left")
        for axes, (rule, title) in zip(rules, RULES.items(), strict=True):
            _stacked(axes, getattr(calibration, rule))
            axes.set_title(f"Decided {title}", loc="left")
        marks = [Line2D([], [], color=COLORS[each], marker="s", linestyle="", markersize=8) for each in OUTCOMES]
        names = [each.words for each in OUTCOMES]
        figure.legend(marks, names, loc="outside lower left", ncols=len(marks), handletextpad=0.2)
        trials = calibration.trials
        words = f"{trials.chains} simulated chains each, of {trials.cells} cells, noise of {trials.noise}"
        figure.suptitle(f"{words} {trials.deviation:.3g} {unit}", x=0.01, ha="left", fontsize=9.5)
    return figure


def _stacked(axes: Axes, rates: Any) -> None:
    """Bars of the shares in percent; the larger ones are labelled."""
    left = np.zeros(len(rates.symmetric))
    for which in OUTCOMES:
        share = 100 * np.nan_to_num(getattr(rates, which.words))
        bars = axes.barh(np.arange(len(share)), share, 0.62, left, color=COLORS[which])
        numbers = [f"{value:.0f}" if value >= 6 else "" for value in share]
        ink = INK if which is Decision.UNDECIDED else "white"
        axes.bar_label(bars, numbers, label_type="center", color=ink, fontsize=8)
        left += share
    axes.set(xlim=(0, 100), xlabel="Chains (%)")


def study_figure(study: WindowStudy) -> Figure:
    """Shares of decisions against window size: solid as measured, dashed as predicted from the noise."""
    with rc_context(PAPER):
        figure = Figure((6.2, 4.0), layout="constrained")
        axes = figure.add_subplot()
        marks = {Decision.SYMMETRIC: "o", Decision.BROKEN: "^", Decision.UNDECIDED: "s", Decision.TOO_FEW: "x"}
        for which, marker in marks.items():
            share = getattr(study, which.name.lower())
            if which is not Decision.TOO_FEW or share.any():
                color = GREY if which is Decision.UNDECIDED else COLORS[which]
                axes.plot(study.cells, 100 * share, marker + "-", color=color, ms=4.5, lw=1.4, label=which.words)
        words = "symmetric, predicted\nif none alternates"
        axes.plot(study.cells, 100 * study.predicted_symmetric, "--", color=BLUE, lw=1.2, label=words)
        if study.difference > 0:
            words = f"broken, predicted for\na difference of {study.difference:.3g}"
            axes.plot(study.cells, 100 * study.predicted_broken, "--", color=RED, lw=1.2, label=words)
        axes.set(xlabel="Doubled cells in the window", ylabel="Atoms (%)", ylim=(-3, 103))
        axes.set_title(f"Noise of positions: {100 * study.noise:.2g} % of the cell", loc="left")
        figure.legend(loc="outside right upper")
    return figure


def weights_table(weights: Mapping[str, ModelWeights]) -> pd.DataFrame:
    """One row per region: number of atoms, and weight of every lattice."""
    rows = {
        region: {"atoms": each.atoms} | {name: each.weights[each.names.index(name)] for name in PRIOR}
        for region, each in weights.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("region")


def weights_figure(weights: Mapping[str, ModelWeights]) -> Figure:
    """Probability of every lattice in every region, as numbers and shades."""
    table = weights_table(weights)
    shares = table[list(PRIOR)].to_numpy(float)
    with rc_context(PAPER):
        figure = Figure((7.2, 1.5 + 0.36 * len(table)), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            axes.text(column, row, f"{share:.2f}", ha="center", va="center", color="white" if share > 0.7 else INK)
        labels = [f"{region}, {atoms:,} atoms" for region, atoms in table["atoms"].items()]
        axes.set_yticks(np.arange(len(table)), labels)
        axes.set_xticks(np.arange(len(PRIOR)), [name.replace(" along ", "\nalong ") for name in PRIOR])
        axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
        axes.spines[:].set_visible(False)
    return figure

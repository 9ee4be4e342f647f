"""Report section on Decide symmetry: map and shares of each decision, and window sizes that decide."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from local_crystallography.bayes.decision import Decision
from local_crystallography.data.progress import finish
from local_crystallography.report.figures import STYLE, png
from local_crystallography.report.page import figure, grid
from local_crystallography.report.symmetry import study_figure
from local_crystallography.steps.symmetry import DecideSymmetry
from local_crystallography.views.styles import DECIDED as COLORS

if TYPE_CHECKING:
    from local_crystallography.analysis import Analysis
    from local_crystallography.data.atoms import Atoms
    from local_crystallography.data.image import Image

DECIDED = {
    "alternation": "Alternation of bonds",
    "tetragonality": "b / a compared with 1",
    "cell_angle": "Cell angle compared with the ideal",
}
MOST_ATOMS = 20_000
"""Largest number of atoms in a map; of more, evenly spaced rows of the table are shown."""


def symmetry_section(analysis: Analysis, image: Image) -> str:
    """HTML for the report; empty if the step was not run."""
    step, atoms = analysis.last(DecideSymmetry), analysis.atoms
    if step is None or atoms is None or "alternation_decision" not in atoms.features:
        return ""
    first = atoms[atoms.frame == int(atoms.frame.min())]
    figures = [_map(first, image, name, title) for name, title in DECIDED.items()]
    study = finish(step.study(atoms))
    caption = (
        "Cells needed for a decision: shares of atoms, and, dashed, as predicted from the noise of their positions. "
        "Windows across a domain wall contain a mixture."
    )
    curve = figure(png(study_figure(study)), caption, "Decisions against window size")
    return grid("three", figures) + grid("two", [curve])


def decision_map(atoms: Atoms, image: Image, name: str) -> Figure:
    """Atoms by the decision on alternation, tetragonality or cell_angle; row 0 at the top."""
    height, width = image.shape
    decisions = atoms.features[f"{name}_decision"].to_numpy(float)
    spacing = np.sqrt(height * width / max(len(atoms), 1)) * 3.5 * 72 / width
    step = max(1, len(atoms) // MOST_ATOMS)
    with rc_context(STYLE):
        drawn = Figure((3.5, min(3.5 * height / width, 7.0)), layout="constrained")
        axes = drawn.add_subplot()
        for each in Decision:
            here = atoms.yx[decisions == each][::step]
            axes.scatter(here[:, 1], here[:, 0], s=spacing**2, marker="s", linewidths=0, color=COLORS[each])
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal", xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return drawn


def _map(atoms: Atoms, image: Image, name: str, title: str) -> str:
    decisions = atoms.features[f"{name}_decision"].to_numpy(float)
    shares = [
        f'<span class="swatch" style="background: {COLORS[each]}"></span>{each.words} {share:.1%}'
        for each in Decision
        if (share := float((decisions == each).mean())) > 0
    ]
    caption = f"<b>{escape(title)}</b> &ensp;{' &ensp;'.join(shares)}"
    return figure(png(decision_map(atoms, image, name)), caption, f"Decisions on {title}")

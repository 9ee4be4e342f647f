"""View of a chain after a number of unit cells, with the decision at that point in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from local_crystallography.bayes.bonds import Chain
from local_crystallography.bayes.chain import ChainModel, ChainResult, bonds_after
from local_crystallography.bayes.decision import Decision
from local_crystallography.bayes.noise import ResidualCorrelation, residual_correlation
from local_crystallography.bayes.posterior import Posterior
from local_crystallography.data.errors import InputError

Array = npt.NDArray[np.float64]
ON_EDGE = (
    "⚠ An edge of the ROPE lies in the middle of the interval, so more data may never decide; choose the ROPE by "
    "what matters in practice."
)
HALF_WIDTHS = 101
"""Number of points on the curve of the probability inside the ROPE."""


@dataclass(frozen=True)
class ChainView:
    """Posterior of a chain under a model, up to a number of unit cells.

    Parameters
    ----------
    chain, model, result
        The whole chain, its model, and the result for all cells.
    cells
        Number of unit cells shown.
    mu1, mu2, sigma1, sigma2
        Two rows each: after the first cell, and after `cells`.
    correlation
        Correlation of the residuals of all bonds, which shows whether noise is on bonds or positions; None for too few.
    unit
        Unit of the bonds; empty for none.
    """

    chain: Chain
    model: ChainModel
    result: ChainResult
    cells: int
    mu1: Posterior
    mu2: Posterior
    sigma1: Posterior
    sigma2: Posterior
    correlation: ResidualCorrelation | None
    unit: str = ""

    @property
    def row(self) -> int:
        """Row of the result after this number of cells; the first row for fewer cells than it has."""
        return int(np.clip(self.cells - self.result.cells[0], 0, len(self.result.cells) - 1))

    @property
    def decision(self) -> Decision:
        """Decision after this number of cells."""
        return Decision(int(self.result.decision[self.row]))

    def in_rope_against_half_width(self) -> tuple[Array, Array]:
        """Half widths (k,) of a ROPE, and the probability (k,) that the difference lies in each."""
        row = self.result.mu3[self.row]
        reach = max(float(np.abs(row.interval(0.999, "ETI")).max()), 1.5 * self.model.rope_half_width)
        halves = np.linspace(0, reach, HALF_WIDTHS)
        return halves, row.share_against_half_width(halves)[0]

    def picture(self, points: int = 160) -> tuple[Array, float, float]:
        """(cells, points) density of mu3 so far, each row scaled to a maximum of 1, and lowest and highest value."""
        shown = self.result.mu3[: self.row + 1]
        low, high = float(self.result.low[: self.row + 1].min()), float(self.result.high[: self.row + 1].max())
        y = np.linspace(low - 0.1 * (high - low), high + 0.1 * (high - low), points)
        columns = [np.interp(y, x, d, left=0, right=0) / d.max() for x, d in zip(shown.x, shown.density, strict=True)]
        return np.array(columns), float(y[0]), float(y[-1])

    def words(self) -> list[str]:
        """Sentences on the decision, when it was first reached, and any warnings."""
        sentences = decision_words(self.result, self.model, self.row, self.unit)
        return sentences if self.correlation is None else [*sentences, self._on_noise(self.correlation)]

    def _on_noise(self, found: ResidualCorrelation) -> str:
        measured = f"Neighbouring bonds correlate by {found.correlation:.2f} ± {found.standard_error:.2f}"
        fits = {"positions": ("positions",), "bonds": ("paired", "independent")}
        if not found.favours:
            return f"{measured}: this does not show whether the noise is on bonds or on positions."
        warning = "" if self.model.difference in fits[found.favours] else "⚠ "
        remedy = f"; choose difference: {fits[found.favours][0]}" if warning else ""
        of_atoms = self.model.difference == "positions" and found.favours == "bonds"
        because = " (disorder or strain outweighs the noise of the positions)" if of_atoms else ""
        return f"{warning}{measured}: noise on {found.favours}{because}{remedy}."


def decision_words(result: ChainResult, model: ChainModel, row: int = -1, unit: str = "") -> list[str]:
    """Sentences on the decision in a row of the result, by default the last."""
    now, of = Decision(int(result.decision[row])), f" {unit}" if unit else ""
    sentences = [
        f"After {result.cells[row]} unit cells: {now.words}. Even - odd lies in {result.low[row]:.3g} to "
        f"{result.high[row]:.3g}{of} ({100 * model.hdi_prob:g} % {model.kind}), {result.inside[row]:.1%} of it in the "
        f"ROPE of ±{model.rope_half_width:.3g}{of}."
    ]
    first = result.first_decided
    if first is not None and first <= result.cells[row]:
        then = Decision(int(result.decision[result.cells == first][0]))
        kept = "" if then is now else ", which later cells revised"
        sentences.append(
            f"First decided after {first}, as {then.words}{kept}; stopping there is wrong more often than waiting "
            "(see Calibrate)."
        )
    return [*sentences, ON_EDGE] if result.on_edge[row] else sentences


def view_chain(chain: Chain, model: ChainModel, cells: int | None = None, unit: str = "") -> ChainView:
    """Evaluate a chain after a number of unit cells, None for all; see `looked_at` for other numbers.

    Raises
    ------
    InputError
        For a chain that does not suit the model.
    """
    result = model(chain)
    try:
        correlation = residual_correlation(chain.bonds)
    except InputError:
        correlation = None
    last = int(result.cells[-1])
    at = last if cells is None else min(max(cells, 1), last)
    return ChainView(chain, model, result, at, *bonds_after(chain, model, result.priors, at), correlation, unit)


def looked_at(view: ChainView, cells: int) -> ChainView:
    """The same view after another number of unit cells, without evaluating mu3 again."""
    at = min(max(cells, 1), int(view.result.cells[-1]))
    found = bonds_after(view.chain, view.model, view.result.priors, at)
    return ChainView(view.chain, view.model, view.result, at, *found, view.correlation, view.unit)

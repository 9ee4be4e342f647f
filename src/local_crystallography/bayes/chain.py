"""Symmetry of the diatomic chain of section 1 of the paper after every unit cell, as in Fig. 1b to 1e.

The data points of Fig. 1d and 1e are unit cells, each an odd bond and the even bond after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from local_crystallography.bayes.bonds import CASES, DEVIATION, Chain, Noise, alternation, simulate_chain
from local_crystallography.bayes.decision import Decision, Rope, decide, on_edge
from local_crystallography.bayes.interval import Kind
from local_crystallography.bayes.noise import ResidualCorrelation, residual_correlation
from local_crystallography.bayes.posterior import (
    POINTS,
    Posterior,
    Summary,
    difference,
    posterior_of_mean,
    posterior_of_sigma,
    posterior_of_t,
)
from local_crystallography.bayes.priors import Priors
from local_crystallography.data.errors import InputError

__all__ = [
    "CASES",
    "DEVIATION",
    "Chain",
    "ChainModel",
    "ChainPriors",
    "ChainResult",
    "Noise",
    "ResidualCorrelation",
    "residual_correlation",
    "simulate_chain",
]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ChainPriors:
    """Priors of the odd bonds, the even bonds and their difference even - odd.

    The paper states none for the difference, see `Priors.of_difference`.
    """

    mu1: Priors
    mu2: Priors
    mu3: Priors


@dataclass(frozen=True)
class ChainResult:
    """The posteriors and decisions of Fig. 1b to 1e for one chain.

    Parameters
    ----------
    priors
        Priors used.
    mu1, mu2, sigma1, sigma2
        Posteriors of the odd and the even bonds, two rows each: after the first unit cell and after all.
    cells
        (k,) numbers of unit cells, increasing by one.
    mu3
        Posterior of the difference even - odd of the mean bonds, k rows: after each number of cells.
    low, high
        (k,) edges of the interval of mu3.
    inside
        (k,) probability that mu3 lies in the ROPE.
    decision
        (k,) values of `Decision`.
    on_edge
        (k,) whether an edge of the ROPE lies near the middle of the interval, so that more data may never decide.
    """

    priors: ChainPriors
    mu1: Posterior
    mu2: Posterior
    sigma1: Posterior
    sigma2: Posterior
    cells: npt.NDArray[np.int64]
    mu3: Posterior
    low: Array
    high: Array
    inside: Array
    decision: npt.NDArray[np.int64]
    on_edge: npt.NDArray[np.bool_]

    @property
    def first_decided(self) -> int | None:
        """Number of unit cells at the first decision, or None; `calibrate_chain` gives its error rates."""
        decided = np.flatnonzero(self.decision != Decision.UNDECIDED)
        return int(self.cells[decided[0]]) if len(decided) else None


class ChainModel(BaseModel):
    """Test of a chain for alternation: posterior of the difference of its two bonds, and decision after every cell.

    Calling it with a `Chain` returns a `ChainResult`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prior_bonds: int = Field(10, ge=1, le=1000, description="First bonds, whose mean Y10 sets the priors; paper: 10.")
    prior_from: Literal["pooled", "per set"] = Field(
        "pooled",
        description="pooled: the first bonds of the chain set one prior for odd and even bonds, as the paper has one "
        "symbol for it. per set: the first odd bonds set the prior of mu1, the first even bonds that of mu2.",
    )
    hold_out: bool = Field(
        False,
        description="Exclude the bonds that set the priors from the data. The paper does not say; by default they are "
        "used twice, which makes almost no difference.",
    )
    difference: Literal["paired", "independent", "positions"] = Field(
        "paired",
        description="Meaning of mu3. paired: mean of even - odd of each cell, as described in the paper. independent: "
        "mu2 - mu1, fitted separately. positions: alternation in a lattice fitted to the positions (not in the paper), "
        "correct where the noise is on positions.",
    )
    hdi_prob: float = Field(0.94, ge=0.01, le=0.999, description="Probability mass of the interval; 0.94 in the paper.")
    kind: Kind = Field("HDI", description="HDI: shortest interval, as in the paper. ETI: equal-tailed.")
    rope_half_width: float = Field(
        0.1,
        ge=1e-9,
        le=1e9,
        description="Differences up to this, in the unit of the bonds, count as zero. The paper uses 0.1 for "
        "illustration: the true difference of case 2 lies on its edge, which no amount of data decides.",
    )
    first_cells: int = Field(
        10,
        ge=1,
        le=10_000,
        description="Number of unit cells at which the curve of mu3 begins; at least 2 for difference: positions.",
    )
    prior_mu1: Priors | None = Field(None, description="Prior of the odd bonds, instead of the paper's.")
    prior_mu2: Priors | None = Field(None, description="Prior of the even bonds, instead of the paper's.")
    prior_mu3: Priors | None = Field(
        None,
        description="Prior of the difference, instead of the default; not used for difference: independent. For "
        "difference: positions the default is flat, and the posterior is Student's t.",
    )

    @property
    def rope(self) -> Rope:
        """ROPE about zero."""
        return Rope.about_zero(self.rope_half_width)

    @property
    def held_cells(self) -> int:
        """Number of unit cells at the start that set the priors and are excluded from the data."""
        return self.prior_cells if self.hold_out else 0

    @property
    def prior_cells(self) -> int:
        """Number of unit cells needed for the priors."""
        return self.prior_bonds if self.prior_from == "per set" else (self.prior_bonds + 1) // 2

    def __call__(self, chain: Chain) -> ChainResult:
        """Posteriors and decisions after every unit cell.

        Raises
        ------
        InputError
            For a chain too short for the priors, without noise, or with noise that the prior of sigma excludes.
        """
        priors = self.priors(chain.positions[None])[0]
        data = Chain(chain.positions[2 * self.held_cells :])
        least = 2 if self.difference == "positions" else 1
        if data.cells < least:
            raise InputError(
                f"The chain has {chain.cells} unit cells, but at least {self.held_cells + least} are needed; choose a "
                "longer one, or set fewer prior bonds."
            )
        cells = np.arange(max(min(self.first_cells, data.cells), least), data.cells + 1)
        sums = tuple(summary[0, cells - 1] for summary in self.running(data.positions[None]))
        mu3 = self.posterior(sums, [priors])
        low, high = mu3.interval(self.hdi_prob, self.kind)
        decision, inside = decide(low, high, self.rope), mu3.share_inside(self.rope)
        edges = on_edge(low, high, self.rope)
        of_bonds = bonds_after(chain, self, priors, data.cells)
        return ChainResult(priors, *of_bonds, cells, mu3, low, high, inside, decision, edges)

    def priors(self, positions: Array) -> list[ChainPriors]:
        """Priors of each of r chains with positions (r, 2 n + 1)."""
        bonds = np.diff(positions)
        if bonds.shape[1] < 2 * self.prior_cells:
            raise InputError(
                f"The chain has {bonds.shape[1]} bonds, but the priors need at least {2 * self.prior_cells}; choose a "
                "longer one, or set fewer prior bonds."
            )
        first = [bonds[:, : self.prior_bonds].mean(axis=1)] * 2
        if self.prior_from == "per set":
            first = [bonds[:, start : 2 * self.prior_bonds : 2].mean(axis=1) for start in (0, 1)]
        if not (lowest := min(part.min() for part in first)) > 0:
            raise InputError(f"The mean of the first bonds is {lowest:g}, but must be above 0; reverse the chain.")
        return [self._of_means(float(odd), float(even)) for odd, even in zip(*first, strict=True)]

    def _of_means(self, odd: float, even: float) -> ChainPriors:
        return ChainPriors(
            self.prior_mu1 or Priors.of_paper([odd]),
            self.prior_mu2 or Priors.of_paper([even]),
            self.prior_mu3 or Priors.of_difference([odd, even]),
        )

    def running(self, positions: Array) -> tuple[Summary, ...]:
        """Sufficient statistics of mu3 for r chains (r, 2 n + 1), each of shape (r, n): after every unit cell."""
        if self.difference == "positions":
            return (alternation(positions),)
        odd, even = np.diff(positions)[:, 0::2], np.diff(positions)[:, 1::2]
        if self.difference == "paired":
            return (Summary.running(even - odd),)
        return Summary.running(odd), Summary.running(even)

    def posterior(self, sums: tuple[Summary, ...], priors: Sequence[ChainPriors], points: int = POINTS) -> Posterior:
        """Posterior of mu3, from rows of `running`, with the same priors for all rows or one set for each."""
        if self.difference == "independent":
            first = posterior_of_mean(sums[0], [p.mu1 for p in priors], points)
            second = posterior_of_mean(sums[1], [p.mu2 for p in priors], points)
            return difference(second, first, points * 5 // 2)
        if self.difference == "paired" or self.prior_mu3 is not None:
            return posterior_of_mean(sums[0], [p.mu3 for p in priors], points)
        degrees = sums[0].count - 1
        if not sums[0].squares.all():
            raise InputError(
                "The positions have no noise, so the posterior would be a single point; use measured ones."
            )
        scale = np.sqrt(sums[0].squares / degrees / sums[0].weight)
        return posterior_of_t(degrees, sums[0].mean, scale, points)


def bonds_after(
    chain: Chain, model: ChainModel, priors: ChainPriors, cells: int
) -> tuple[Posterior, Posterior, Posterior, Posterior]:
    """Posteriors of mu1, mu2, sigma1 and sigma2, two rows each: after the first unit cell and after `cells`."""
    start = model.held_cells
    mu1, sigma1 = _first_and_last(chain.odd[start : start + cells], priors.mu1)
    mu2, sigma2 = _first_and_last(chain.even[start : start + cells], priors.mu2)
    return mu1, mu2, sigma1, sigma2


def _first_and_last(bonds: Array, priors: Priors) -> tuple[Posterior, Posterior]:
    """Posteriors of mean and standard deviation after the first bond and after all."""
    data = Summary.running(bonds)[[0, -1]]
    mean = posterior_of_mean(data, priors)
    return mean, posterior_of_sigma(data, priors, mean)

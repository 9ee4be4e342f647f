"""Error rates of the decisions on a chain, from simulated chains of known difference (not in the paper)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from local_crystallography.bayes.bonds import Chain, Noise, alternation, simulate_positions
from local_crystallography.bayes.chain import ChainModel, ChainPriors
from local_crystallography.bayes.decision import Decision, decide
from local_crystallography.data.progress import Job, Progress

Array = npt.NDArray[np.float64]
OUTCOMES = (Decision.SYMMETRIC, Decision.BROKEN, Decision.UNDECIDED)

POINTS = 201
"""Grid points of a posterior here: interval edges to 0.1 % of the width, far below the error of a thousand chains."""


class ChainTrials(BaseModel):
    """Chains to simulate, usually with the length and the noise of a measured chain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: int = Field(100, ge=2, le=10_000, description="Unit cells used as data, not counting those held out.")
    bond: float = Field(1.0, gt=0, description="Mean bond.")
    deviation: float = Field(0.1, gt=0, description="Standard deviation of the noise, in the unit of the bonds.")
    noise: Noise = Field("bonds", description="Noise model: on bonds, as in the paper, or on positions.")
    differences: tuple[float, ...] = Field(
        (0.0, 0.1), min_length=1, description="True differences even - odd, in the unit of the bonds."
    )
    chains: int = Field(1000, ge=10, le=10_000, description="Chains for every difference.")
    stride: int = Field(
        5, ge=1, description="Unit cells between decisions when stopping at the first decision; 1 is slow."
    )
    precision: float = Field(
        0.8, gt=0, le=2, description="Width of the interval, in widths of the ROPE, when stopping at a precision."
    )
    seed: int = Field(0, ge=0, description="Random seed of the chains.")

    @classmethod
    def like(cls, chain: Chain, model: ChainModel, noise: Noise) -> ChainTrials:
        """Like a measured chain, with a true difference of 0, at the edge of the ROPE, and as measured."""
        if noise == "positions":
            fit = alternation(chain.positions[None])
            measured = float(fit.mean[0, -1])
            variance = fit.squares[0, -1] / max(fit.count[0, -1] - 1, 1)
        else:
            measured = float(chain.even.mean() - chain.odd.mean())
            variance = (chain.odd.var(ddof=min(1, chain.cells - 1)) + chain.even.var(ddof=min(1, chain.cells - 1))) / 2
        return cls(
            cells=min(max(chain.cells - model.held_cells, 2), 10_000),
            bond=float(chain.bonds.mean()),
            deviation=max(float(np.sqrt(variance)), 1e-9),
            noise=noise,
            differences=(0.0, model.rope_half_width, abs(measured)),
        )


@dataclass(frozen=True)
class Rates:
    """Fractions of the chains by outcome, for d true differences.

    Parameters
    ----------
    symmetric, broken, undecided
        (d,) fractions that sum to 1; NaN where the job was stopped before.
    """

    symmetric: Array
    broken: Array
    undecided: Array

    @classmethod
    def of(cls, fractions: Array) -> Rates:
        """From fractions (d, 3) in the order of `OUTCOMES`."""
        return cls(*fractions.T.copy())


@dataclass(frozen=True)
class Calibration:
    """Coverage of the interval and error rates of the decisions, for d true differences.

    Parameters
    ----------
    trials, model
        What was simulated, and the model that decided.
    differences
        (d,) true differences.
    coverage, coverage_error
        (d,) fraction of the intervals that contain the true difference, and its standard error.
    at_end
        Decisions after all unit cells.
    at_first
        Decisions when stopping at the first cell that decides.
    at_precision
        Decisions when stopping once the interval is narrow, whatever it shows (Kruschke 2015, section 13.3).
    first_cells, precision_cells
        (d,) median number of unit cells at which each of these two rules stopped; NaN where it never did.
    """

    trials: ChainTrials
    model: ChainModel
    differences: Array
    coverage: Array
    coverage_error: Array
    at_end: Rates
    at_first: Rates
    at_precision: Rates
    first_cells: Array
    precision_cells: Array


def calibrate_chain(model: ChainModel, trials: ChainTrials) -> Job[Calibration]:
    """Simulate chains, apply the model to each and count the decisions; after a stop the rest is NaN.

    Decisions after all cells come first, for all differences; the two stopping rules take most of the time.

    Raises
    ------
    InputError
        Where the chains are too short for the priors, or the prior of sigma excludes their noise.
    """
    differences = np.array(trials.differences)
    blank = np.full(len(differences), np.nan)
    rates = Rates.of(np.full((len(differences), 3), np.nan))
    result = Calibration(trials, model, differences, blank, blank, rates, rates, rates, blank, blank)
    for d, difference in enumerate(differences):
        message = f"{trials.chains} chains with a difference of {difference:.3g}"
        if (yield Progress(0.1 * d / len(differences), message)):
            return result
        result = _at_end(result, d)
    for d in range(len(differences)):
        result, stopped = yield from _stopping(result, d)
        if stopped:
            break
    return result


def _simulated(result: Calibration, d: int) -> tuple[Array, list[ChainPriors]]:
    """(r, 2 n + 1) positions used as data, and the priors of every chain."""
    trials, model = result.trials, result.model
    half = result.differences[d] / 2
    positions = simulate_positions(
        (trials.chains, max(trials.cells + model.held_cells, model.prior_cells)),
        (trials.bond - half, trials.bond + half),
        deviation=trials.deviation,
        noise=trials.noise,
        rng=np.random.default_rng([trials.seed, d]),
    )
    start = 2 * model.held_cells
    return positions[:, start : start + 2 * trials.cells + 1], model.priors(positions)


def _at_end(result: Calibration, d: int) -> Calibration:
    positions, priors = _simulated(result, d)
    model, true = result.model, result.differences[d]
    sums = tuple(summary[:, -1] for summary in model.running(positions))
    low, high = model.posterior(sums, priors, POINTS).interval(model.hdi_prob, model.kind)
    coverage = float(np.mean((low <= true) & (true <= high)))
    error = float(np.sqrt(max(coverage * (1 - coverage), 0.25 / len(low)) / len(low)))
    return replace(
        result,
        coverage=_set(result.coverage, d, coverage),
        coverage_error=_set(result.coverage_error, d, error),
        at_end=_counted(result.at_end, d, decide(low, high, model.rope)),
    )


class _Stopped:
    """Decisions of r chains under a stopping rule, and the number of cells at which each stopped (0: not yet)."""

    def __init__(self, chains: int) -> None:
        self.decision = np.full(chains, int(Decision.UNDECIDED))
        self.cells = np.zeros(chains, np.int64)

    def stop(self, chains: npt.NDArray[np.int64], cells: int, decision: npt.NDArray[np.int64]) -> None:
        """Stop these chains, except those stopped before."""
        new = self.cells[chains] == 0
        self.decision[chains[new]], self.cells[chains[new]] = decision[new], cells

    @property
    def median(self) -> float:
        """Median number of cells of the stopped chains."""
        return float(np.median(self.cells[self.cells > 0])) if self.cells.any() else np.nan


def _stopping(result: Calibration, d: int) -> Job[tuple[Calibration, bool]]:
    """Apply both stopping rules every few cells to the chains still running; also whether the job was stopped."""
    positions, priors = _simulated(result, d)
    model, trials = result.model, result.trials
    running, checks = model.running(positions), _checks(model, trials)
    first, narrow = _Stopped(trials.chains), _Stopped(trials.chains)
    for i, n in enumerate(checks):
        done = (d + i / len(checks)) / len(result.differences)
        message = f"Stopping rules for a difference of {result.differences[d]:.3g}: {n} cells"
        if (yield Progress(0.1 + 0.9 * done, message)):
            return result, True
        active = np.flatnonzero((first.cells == 0) | (narrow.cells == 0))
        if not len(active):
            break
        sums = tuple(summary[active, n - 1] for summary in running)
        posterior = model.posterior(sums, [priors[chain] for chain in active], POINTS)
        low, high = posterior.interval(model.hdi_prob, model.kind)
        decision = decide(low, high, model.rope)
        for rule, stops in (
            (first, decision != Decision.UNDECIDED),
            (narrow, high - low < trials.precision * model.rope.width),
        ):
            rule.stop(active[stops], n, decision[stops])
    return _with_rules(result, d, first, narrow), False


def _with_rules(result: Calibration, d: int, first: _Stopped, narrow: _Stopped) -> Calibration:
    return replace(
        result,
        at_first=_counted(result.at_first, d, first.decision),
        at_precision=_counted(result.at_precision, d, narrow.decision),
        first_cells=_set(result.first_cells, d, first.median),
        precision_cells=_set(result.precision_cells, d, narrow.median),
    )


def _checks(model: ChainModel, trials: ChainTrials) -> list[int]:
    """Numbers of unit cells after which the rules are checked; the last is all cells."""
    first = min(max(model.first_cells, 2 if model.difference == "positions" else 1), trials.cells)
    return sorted({*range(first, trials.cells, trials.stride), trials.cells})


def _set(values: Array, at: int, value: float) -> Array:
    return np.where(np.arange(len(values)) == at, value, values)


def _counted(rates: Rates, at: int, decision: npt.NDArray[np.int64]) -> Rates:
    fractions = [float(np.mean(decision == outcome)) for outcome in OUTCOMES]
    current = (rates.symmetric, rates.broken, rates.undecided)
    return Rates(*(_set(values, at, fraction) for values, fraction in zip(current, fractions, strict=True)))

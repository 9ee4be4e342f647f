"""Error rates of the decisions in windows of a lattice, from simulated windows. Ours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from local_crystallography.bayes.decision import Decision
from local_crystallography.bayes.local import ALTERNATIONS, alternation, pooled
from local_crystallography.bayes.nets import Net
from local_crystallography.bayes.study import Rule
from local_crystallography.bayes.windows import Regression, Windows, offsets_within, regress, sign
from local_crystallography.data.progress import Job, Progress

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class WindowCalibration:
    """Measured behaviour of interval and decision in whole windows, for d true differences.

    Parameters
    ----------
    cells
        Doubled cells in a window, half its atoms.
    differences
        (d,) true ones, in lengths of the cell.
    coverage, coverage_error
        (d,) share of the intervals that hold the true difference, and its standard error.
    symmetric, broken, undecided
        (d,) shares of the windows.
    """

    cells: float
    differences: Array
    coverage: Array
    coverage_error: Array
    symmetric: Array
    broken: Array
    undecided: Array


def calibrate_windows(
    rule: Rule, *, radius: float, noise: float, differences: tuple[float, ...], windows: int, seed: int
) -> Job[WindowCalibration]:
    """Simulate windows of a square lattice, judge them, and count; when stopped, the rest is NaN.

    Parameters
    ----------
    rule
        The one in use; where it chooses the kind of alternation by the data, windows alternate along a.
    radius
        Of the window, in cells.
    noise
        Standard deviation of a coordinate, in cells.
    differences
        True differences of neighbouring bonds, in cells.
    windows
        How many to simulate for each.
    seed
        Number that fixes the noise.
    """
    rows = [np.full(5, np.nan) for _ in differences]
    cells = len(offsets_within(np.eye(2), radius)[0]) / 2
    for d, difference in enumerate(differences):
        if (yield Progress(d / len(differences), f"{windows} windows that alternate by {difference:.3g}")):
            break
        fit = _middles(rule, radius, noise, difference, windows, np.random.default_rng([seed, d]))
        rows[d] = _counted(rule, fit, difference)
    return WindowCalibration(cells, np.array(differences), *np.array(rows).T)


def _middles(
    rule: Rule, radius: float, noise: float, difference: float, windows: int, rng: np.random.Generator
) -> Regression:
    """Regressions around the middle of each of as many windows, which lie too far apart to mix."""
    offsets, _ = offsets_within(np.eye(2), radius)
    apart = 4 * (int(np.ceil(radius)) + 1)
    side = int(np.ceil(np.sqrt(windows)))
    middle = apart * np.stack(np.divmod(np.arange(windows), side), axis=1)
    index = (middle[:, None] + offsets).reshape(-1, 2)
    mode, axis, along = ALTERNATIONS[rule.one or "a"]
    moved = np.zeros(2)
    moved[axis if along else 1 - axis] = difference / 4
    yx = index + sign(index, mode)[:, None] * moved + rng.normal(0, noise, index.shape)
    net = Net(np.arange(len(yx)), yx, index, np.eye(2))
    fits = [fit for _, (fit,) in regress(net, Windows((radius,), rule.modes, fill=False))]
    whole = Regression.joined(fits)
    middles = np.arange(windows) * len(offsets)  # the nearest offset is that of the middle itself
    names = ("coefficients", "spread", "covariance", "degrees", "atoms")
    fit = Regression(whole.modes, *(getattr(whole, name)[middles] for name in names))
    return pooled(fit) if rule.pool else fit


def _counted(rule: Rule, fit: Regression, difference: float) -> Array:
    """(5,) coverage, its error, and the shares of the three decisions."""
    posterior = alternation(fit, rule.one or "a")
    half = posterior.half_width(rule.hdi_prob)
    sense = np.sign(np.nanmedian(posterior.mean)) or 1.0
    coverage = float(np.mean(np.abs(sense * posterior.mean - difference) <= half))
    error = float(np.sqrt(max(coverage * (1 - coverage), 0.25 / len(half)) / len(half)))
    settled = rule if rule.kind == "strongest" else Rule(rule.one or "a", rule.rope, rule.hdi_prob, False, rule.fill)
    decision = settled.judge(fit)[2]
    shares = [float(np.mean(decision == each)) for each in (Decision.SYMMETRIC, Decision.BROKEN, Decision.UNDECIDED)]
    return np.array([coverage, error, *shares])

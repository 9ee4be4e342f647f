"""Error rates of the decisions in windows of a lattice, from simulated windows (not in the paper)."""

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
    """Coverage of the interval and error rates of the decision in complete windows, for d true differences.

    Parameters
    ----------
    cells
        Doubled cells in a window: half its number of atoms.
    differences
        (d,) true differences, in lengths of the cell.
    coverage, coverage_error
        (d,) fraction of the intervals that contain the true difference, and its standard error.
    symmetric, broken, undecided
        (d,) fractions of the windows.
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
    """Simulate windows of a square lattice, apply the rule to each and count the decisions; after a stop, NaN.

    Parameters
    ----------
    rule
        Rule to calibrate; where it selects the kind of alternation from the data, windows alternate along a.
    radius
        Radius of the window, in sides of the cell.
    noise
        Standard deviation of a coordinate, in sides of the cell.
    differences
        True differences of neighbouring bonds, in sides of the cell.
    windows
        Number of windows for each difference.
    seed
        Random seed of the noise.
    """
    rows = [np.full(5, np.nan) for _ in differences]
    cells = len(offsets_within(np.eye(2), radius)[0]) / 2
    for d, difference in enumerate(differences):
        if (yield Progress(d / len(differences), f"{windows} windows with a difference of {difference:.3g}")):
            break
        fit = _at_centres(rule, radius, noise, difference, windows, np.random.default_rng([seed, d]))
        rows[d] = _counted(rule, fit, difference)
    return WindowCalibration(cells, np.array(differences), *np.array(rows).T)


def _at_centres(
    rule: Rule, radius: float, noise: float, difference: float, windows: int, rng: np.random.Generator
) -> Regression:
    """Regressions at the centres of that many windows, too far apart to overlap."""
    offsets, _ = offsets_within(np.eye(2), radius)
    apart = 4 * (int(np.ceil(radius)) + 1)
    side = int(np.ceil(np.sqrt(windows)))
    centre = apart * np.stack(np.divmod(np.arange(windows), side), axis=1)
    index = (centre[:, None] + offsets).reshape(-1, 2)
    mode, axis, along = ALTERNATIONS[rule.one or "a"]
    displacement = np.zeros(2)
    displacement[axis if along else 1 - axis] = difference / 4
    yx = index + sign(index, mode)[:, None] * displacement + rng.normal(0, noise, index.shape)
    net = Net(np.arange(len(yx)), yx, index, np.eye(2))
    fits = [fit for _, (fit,) in regress(net, Windows((radius,), rule.modes, fill=False))]
    whole = Regression.joined(fits)
    centres = np.arange(windows) * len(offsets)  # the first offset is that of the central atom
    names = ("coefficients", "spread", "covariance", "degrees", "atoms")
    fit = Regression(whole.modes, *(getattr(whole, name)[centres] for name in names))
    return pooled(fit) if rule.pool else fit


def _counted(rule: Rule, fit: Regression, difference: float) -> Array:
    """(5,) coverage, its standard error, and the fractions of the three decisions."""
    posterior = alternation(fit, rule.one or "a")
    half = posterior.half_width(rule.hdi_prob)
    sense = np.sign(np.nanmedian(posterior.mean)) or 1.0
    coverage = float(np.mean(np.abs(sense * posterior.mean - difference) <= half))
    error = float(np.sqrt(max(coverage * (1 - coverage), 0.25 / len(half)) / len(half)))
    fixed = rule if rule.kind == "strongest" else Rule(rule.one or "a", rule.rope, rule.hdi_prob, False, rule.fill)
    decision = fixed.judge(fit)[2]
    outcomes = (Decision.SYMMETRIC, Decision.BROKEN, Decision.UNDECIDED)
    return np.array([coverage, error, *(float(np.mean(decision == each)) for each in outcomes)])

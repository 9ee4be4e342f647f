"""Number of cells needed for a decision: measured on the atoms of one image, and predicted from their noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import special

from local_crystallography.bayes.decision import Decision, Rope
from local_crystallography.bayes.local import (
    ALTERNATIONS,
    Alternation,
    Choice,
    Posterior,
    alternation,
    noise,
    pooled,
    strongest,
)
from local_crystallography.bayes.nets import Array, Index, Net
from local_crystallography.bayes.windows import Regression, Windows, all_regressions
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job

NODES = 200
"""Number of chi-squared quantiles over which a predicted probability is averaged."""


@dataclass(frozen=True)
class Rule:
    """Rule that decides on alternation.

    Parameters
    ----------
    kind
        One of `ALTERNATIONS`; "commonest": the kind most often outside the ROPE over all atoms, which favours no
        single atom; "strongest": for every atom the kind most probably outside, see `local.strongest`.
    rope
        ROPE, in lengths of the cell.
    hdi_prob
        Probability mass of the interval.
    pool
        Whether noise variances are pooled, see `local.pooled`.
    fill
        Whether windows over edges are filled, see `Windows`.
    """

    kind: Choice = "commonest"
    rope: Rope = field(default_factory=lambda: Rope(-0.05, 0.05))
    hdi_prob: float = 0.94
    pool: bool = False
    fill: bool = False

    @property
    def modes(self) -> tuple[str, ...]:
        """Modes to fit: one, or all where the data select one, so that no mode counts as noise of another."""
        return ("a", "b", "ab") if self.one is None else (ALTERNATIONS[self.one][0],)

    @property
    def one(self) -> Alternation | None:
        """The kind, unless the data select it."""
        return next((kind for kind in ALTERNATIONS if kind == self.kind), None)

    def settled(self, fit: Regression) -> Rule:
        """The rule with the kind that "commonest" selects."""
        if self.kind != "commonest" or not fit.known.any():
            return self
        kinds = list(ALTERNATIONS)
        inside = [np.nanmean(alternation(fit, kind).in_rope(self.rope)) for kind in kinds]
        return replace(self, kind=kinds[int(np.argmin(inside))])

    def judge(self, fit: Regression) -> tuple[Posterior, Array, Index, Index]:
        """Posterior, probability in the ROPE, decision and index of the kind in `ALTERNATIONS`, each (n,)."""
        if self.kind == "strongest":
            return strongest(fit, self.rope, self.hdi_prob)
        kind: Alternation = self.settled(fit).one or "a"
        one = alternation(fit, kind)
        number = np.where(fit.known, list(ALTERNATIONS).index(kind), -1)
        return one, one.in_rope(self.rope), one.decision(self.rope, self.hdi_prob), number


@dataclass(frozen=True)
class WindowStudy:
    """Decisions against the size of the window; every array is (k,), one value per radius.

    Parameters
    ----------
    radius, cells
        Radius in sides of the cell; median number of doubled cells inside (half the atoms), the paper's datapoints.
    symmetric, broken, undecided, too_few
        Fractions of the atoms.
    predicted_symmetric
        Probability that a window of typical size and noise decides "symmetric" where there is no alternation.
    predicted_broken
        Probability that a window of typical size and noise decides "broken" where the difference is `difference`.
    difference
        Median magnitude of the difference where the largest window decides "broken"; where none does, the root mean
        square of the differences after subtracting their noise.
    noise
        Median standard deviation of a coordinate, in sides of the cell.
    """

    radius: Array
    cells: Array
    symmetric: Array
    broken: Array
    undecided: Array
    too_few: Array
    predicted_symmetric: Array
    predicted_broken: Array
    difference: float
    noise: float


def window_study(nets: Sequence[Net], radii: Sequence[float], rule: Rule) -> Job[WindowStudy]:
    """Decisions of windows of several sizes, and those predicted from the noise; of some atoms only when stopped.

    A window across a domain wall averages both domains, so near walls the fractions do not reflect the noise.

    Raises
    ------
    InputError
        Where there is no radius or no net.
    """
    if not len(radii) or not len(nets):
        raise InputError(f"A study needs at least one radius and one lattice; it has {len(radii)} and {len(nets)}.")
    sizes = tuple(sorted(float(radius) for radius in radii))
    every = yield from all_regressions(nets, Windows(sizes, rule.modes, rule.fill))
    fits = [Regression.joined(list(same)) for same in zip(*every, strict=True)]
    fits = [pooled(fit) if rule.pool else fit for fit in fits]
    return _summary(np.array(sizes), fits, rule.settled(fits[-1]))


def _summary(radius: Array, fits: list[Regression], rule: Rule) -> WindowStudy:
    judged = [rule.judge(fit) for fit in fits]
    decisions = [decision for _, _, decision, _ in judged]
    fractions = [[float((d == which).mean()) for which in Decision] for d in decisions]
    few, symmetric, broken, undecided = np.array(fractions).T
    difference = _difference(judged[-1][0], decisions[-1])
    typical = [_typical_window(fit, rule) for fit in fits]
    predicted = np.array([predict(se, degrees, difference, rule) for se, degrees in typical])
    cells = np.array([float(np.median(fit.atoms)) / 2 for fit in fits])
    return WindowStudy(
        radius,
        cells,
        symmetric,
        broken,
        undecided,
        few,
        predicted[:, 0],
        predicted[:, 1],
        difference,
        _typical_noise(fits[-1]),
    )


def _difference(posterior: Posterior, decision: Index) -> float:
    broken = decision == Decision.BROKEN
    if broken.any():
        return float(np.median(np.abs(posterior.mean[broken])))
    known = np.isfinite(posterior.mean)
    if not known.any():
        return float("nan")
    beyond_noise = float(np.mean(posterior.mean[known] ** 2 - posterior.scale[known] ** 2))
    return float(np.sqrt(max(beyond_noise, 0.0)))


def _typical_noise(fit: Regression) -> float:
    """Median standard deviation of a coordinate, in sides of the cell."""
    if not fit.known.any():
        return float("nan")
    return float(np.median(noise(fit)[fit.known]))


def _typical_window(fit: Regression, rule: Rule) -> tuple[float, float]:
    """Median standard deviation of the difference, and median degrees of freedom."""
    one = alternation(fit, rule.one or "a")
    if not fit.known.any():
        return float("nan"), float("nan")
    return float(np.median(one.scale[fit.known])), float(np.median(one.degrees[fit.known]))


def predict(deviation: float, degrees: float, difference: float, rule: Rule) -> tuple[float, float]:
    """Probabilities of "symmetric" where the difference is zero and of "broken" where it is `difference`.

    Parameters
    ----------
    deviation
        True standard deviation of the posterior mean.
    degrees
        Degrees of freedom with which it is estimated.
    difference
        True difference, in lengths of the cell.
    rule
        Rule that decides; for "strongest" all six kinds must be inside, and the interval of "broken" is wider.
    """
    if not np.isfinite([deviation, degrees, difference]).all():
        return float("nan"), float("nan")
    many = len(ALTERNATIONS) if rule.kind == "strongest" else 1
    levels = (np.arange(NODES) + 0.5) / NODES
    seen = deviation * np.sqrt(special.chdtri(degrees, levels) / degrees)
    half = seen * special.stdtrit(degrees, (1 + rule.hdi_prob) / 2)
    wide = seen * special.stdtrit(degrees, 1 - (1 - rule.hdi_prob) / many / 2)
    low, high, se = rule.rope.low, rule.rope.high, np.maximum(deviation, 1e-300)
    inside = np.maximum(special.ndtr((high - half) / se) - special.ndtr((low + half) / se), 0)
    outside = special.ndtr((difference - high - wide) / se) + special.ndtr((low - wide - difference) / se)
    return float(inside.mean() ** many), float(outside.mean())

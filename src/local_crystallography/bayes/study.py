"""Number of cells that a decision takes: from the atoms of one image, and predicted from their noise."""

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
"""Quantiles of chi-squared that a predicted probability is a mean over."""


@dataclass(frozen=True)
class Rule:
    """How alternation is decided.

    Parameters
    ----------
    kind
        One of `ALTERNATIONS`; "commonest": the one that is most often outside the ROPE, for a whole lattice, which
        favours no single atom; "strongest": around every atom the one most outside, see `local.strongest`.
    rope
        In lengths of the cell.
    mass
        Of the interval.
    pool
        Whether noise is pooled, see `local.pooled`.
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
        """The modes to be fitted: one, or all where one is chosen, so that none counts as noise of another."""
        return ("a", "b", "ab") if self.one is None else (ALTERNATIONS[self.one][0],)

    @property
    def one(self) -> Alternation | None:
        """The kind, unless it is chosen by the data."""
        return next((kind for kind in ALTERNATIONS if kind == self.kind), None)

    def settled(self, fit: Regression) -> Rule:
        """The same with a kind for "commonest"."""
        if self.kind != "commonest" or not fit.known.any():
            return self
        kinds = list(ALTERNATIONS)
        inside = [np.nanmean(alternation(fit, kind).in_rope(self.rope)) for kind in kinds]
        return replace(self, kind=kinds[int(np.argmin(inside))])

    def judge(self, fit: Regression) -> tuple[Posterior, Array, Index, Index]:
        """Posterior, probability inside the ROPE, decision and number of the kind (of `ALTERNATIONS`), each (n,)."""
        if self.kind == "strongest":
            return strongest(fit, self.rope, self.hdi_prob)
        kind: Alternation = self.settled(fit).one or "a"
        one = alternation(fit, kind)
        number = np.where(fit.known, list(ALTERNATIONS).index(kind), -1)
        return one, one.in_rope(self.rope), one.decision(self.rope, self.hdi_prob), number


@dataclass(frozen=True)
class WindowStudy:
    """Size of the window against decisions; every array is (k,), one value per radius.

    Parameters
    ----------
    radius, cells
        In sides of the cell; and median number of doubled cells inside, half the atoms: the paper's datapoints.
    symmetric, broken, undecided, too_few
        Shares of the atoms.
    predicted_symmetric
        Probability that a window of usual size and noise decides "symmetric" where there is no alternation.
    predicted_broken
        Probability that a window of usual size and noise decides "broken" where the difference is `difference`.
    difference
        The median size of the difference where the largest window decides "broken"; where none does, the root mean
        square of the differences less their noise.
    noise
        Median standard deviation of a coordinate, over the side of the cell.
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
    """What windows of several sizes decide, and what the noise of these atoms lets expect; when stopped, of a part.

    A window over a domain wall decides on the mixture it sees, so near walls shares are no measure of the noise.

    Raises
    ------
    InputError
        Where there is no radius or no net.
    """
    if not len(radii) or not len(nets):
        raise InputError(f"{len(radii)} radii and {len(nets)} lattices came, at least one of each was expected.")
    sizes = tuple(sorted(float(radius) for radius in radii))
    every = yield from all_regressions(nets, Windows(sizes, rule.modes, rule.fill))
    fits = [Regression.joined(list(same)) for same in zip(*every, strict=True)]
    fits = [pooled(fit) if rule.pool else fit for fit in fits]
    return _summary(np.array(sizes), fits, rule.settled(fits[-1]))


def _summary(radius: Array, fits: list[Regression], rule: Rule) -> WindowStudy:
    judged = [rule.judge(fit) for fit in fits]
    decisions = [decision for _, _, decision, _ in judged]
    shares = [[float((d == which).mean()) for which in Decision] for d in decisions]
    few, symmetric, broken, undecided = np.array(shares).T
    difference = _difference(judged[-1][0], decisions[-1])
    usual = [_usual_window(fit, rule) for fit in fits]
    predicted = np.array([predict(se, degrees, difference, rule) for se, degrees in usual])
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
        _usual_noise(fits[-1]),
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


def _usual_noise(fit: Regression) -> float:
    """Median standard deviation of a coordinate, over the side of the cell."""
    if not fit.known.any():
        return float("nan")
    return float(np.median(noise(fit)[fit.known]))


def _usual_window(fit: Regression, rule: Rule) -> tuple[float, float]:
    """Median standard deviation of the difference, and degrees of freedom."""
    one = alternation(fit, rule.one or "a")
    if not fit.known.any():
        return float("nan"), float("nan")
    return float(np.median(one.scale[fit.known])), float(np.median(one.degrees[fit.known]))


def predict(deviation: float, degrees: float, difference: float, rule: Rule) -> tuple[float, float]:
    """Probabilities of "symmetric" where the difference is zero and of "broken" where it is `difference`.

    Parameters
    ----------
    deviation
        True standard deviation of the mean of the posterior.
    degrees
        Degrees of freedom that it is estimated with.
    difference
        In lengths of the cell.
    rule
        For "strongest" all six kinds have to be inside, and the interval of "broken" is wider.
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

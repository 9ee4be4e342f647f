"""Local symmetry: posteriors of alternation, c/a and cell angle in a window around every atom (not in the paper).

With flat priors of the coefficients and of the logarithm of the standard deviation, the posterior of every component
of every coefficient of a regression is Student's t. c/a and the angle are not linear in them; their posteriors are
Student's t to first order (delta method, with the covariance of a and b).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import special

from local_crystallography.bayes.decision import Decision, Rope, decide
from local_crystallography.bayes.nets import Array, Index
from local_crystallography.bayes.windows import Regression

Alternation = Literal["a", "b", "ab along a", "ab along b", "a across", "b across"]
Choice = Literal["commonest", "strongest", "a", "b", "ab along a", "ab along b", "a across", "b across"]
ALTERNATIONS: dict[Alternation, tuple[str, int, bool]] = {
    "a": ("a", 0, True),
    "b": ("b", 1, True),
    "ab along a": ("ab", 0, True),
    "ab along b": ("ab", 1, True),
    "a across": ("a", 0, False),
    "b across": ("b", 1, False),
}
"""Mode, bond (0 along a, 1 along b), and whether along the bond or perpendicular to it (to its left as displayed)."""
MOST_ADDED = 1e4
"""Most prior degrees of freedom that pooling adds: noise is then the same everywhere."""


@dataclass(frozen=True)
class Posterior:
    """Student's t of n atoms: (n,) mean, scale and degrees of freedom; NaN where there is no posterior."""

    mean: Array
    scale: Array
    degrees: Array

    def half_width(self, mass: float) -> Array:
        """(n,) half width of the interval of probability `mass`; HDI and ETI agree."""
        return np.asarray(self.scale * special.stdtrit(self.degrees, (1 + mass) / 2), np.float64)

    def in_rope(self, rope: Rope) -> Array:
        """(n,) probability inside the ROPE."""
        scale = np.maximum(self.scale, 1e-300)
        upper, lower = [special.stdtr(self.degrees, (edge - self.mean) / scale) for edge in (rope.high, rope.low)]
        return np.asarray(upper - lower, np.float64)

    def decision(self, rope: Rope, mass: float) -> Index:
        """(n,) values of `Decision` for intervals of probability `mass`."""
        half = self.half_width(mass)
        return decide(self.mean - half, self.mean + half, rope)


def pooled(fit: Regression) -> Regression:
    """Regressions with moderated noise variances: empirical Bayes of Smyth 2004 (doi 10.2202/1544-6115.1027).

    Useful in windows of ten cells or fewer. A scaled inverse chi-squared prior is fitted to the variances along y and
    along x, and the smaller of their two degrees of freedom is used.
    """
    priors = [_variance_prior(fit.covariance[:, axis, axis], fit.degrees) for axis in (0, 1)]
    if any(prior is None for prior in priors):
        return fit
    added = min(prior[0] for prior in priors if prior is not None)
    usual = np.diag([prior[1] for prior in priors if prior is not None])
    degrees = fit.degrees + added
    covariance = (added * usual + fit.degrees[:, None, None] * fit.covariance) / degrees[:, None, None]
    return replace(fit, covariance=covariance, degrees=degrees)


def _variance_prior(variance: Array, degrees: Array) -> tuple[float, float] | None:
    """Degrees of freedom and variance of the prior, by moments of the logarithms; None for too few variances."""
    known = np.isfinite(variance) & (variance > 0)
    if known.sum() < 3:
        return None
    half = degrees[known] / 2
    logs = np.log(variance[known]) - special.digamma(half) + np.log(half)
    excess = float(logs.var(ddof=1) - special.polygamma(1, half).mean())
    added = min(2 * _inverse_trigamma(excess), MOST_ADDED) if excess > 0 else MOST_ADDED
    return added, float(np.exp(logs.mean() + special.digamma(added / 2) - np.log(added / 2)))


def _inverse_trigamma(value: float) -> float:
    """Inverse of the trigamma function, by Newton's method on 1 / trigamma as in Smyth 2004."""
    y = 0.5 + 1 / value
    for _ in range(30):
        trigamma = float(special.polygamma(1, y))
        step = trigamma * (1 - trigamma / value) / float(special.polygamma(2, y))
        y += step
        if abs(step) < 1e-10 * y:
            break
    return y


def alternation(fit: Regression, kind: Alternation) -> Posterior:
    """Difference of neighbouring bonds, divided by the length of the cell.

    A bond along a (or b) starts at an atom whose sign is 1 or -1. With amplitude s, the bonds are a - 2 s and a + 2 s;
    the difference, second kind minus first, is 4 s, taken along the bond (to first order the difference of the
    lengths) or perpendicular to it, and divided by the length of a. The length and direction of a are treated as
    known: their contribution to the error is smaller by a factor of the difference itself.
    """
    mode, bond, along = ALTERNATIONS[kind]
    term = 3 + fit.modes.index(mode)
    vector = fit.coefficients[:, 1 + bond]
    length = np.linalg.norm(vector, axis=1)
    direction = vector / length[:, None]
    if not along:
        direction = _left(direction)
    mean = 4 * np.einsum("ni,ni->n", fit.coefficients[:, term], direction) / length
    variance = 16 * fit.spread[:, term, term] * _project(fit.covariance, direction, direction) / length**2
    return Posterior(mean, _root(variance), fit.degrees)


def tetragonality(fit: Regression) -> Posterior:
    """Posterior of |b| / |a| - 1."""
    a, b, (first, second) = _cell(fit)
    variance = _of_difference(fit, first / a[:, None], second / b[:, None])
    return Posterior(b / a - 1, b / a * _root(variance), fit.degrees)


def cell_angle(fit: Regression, ideal: float = 90.0) -> Posterior:
    """Posterior of the angle from a to b minus the ideal one, in degrees."""
    a, b, (first, second) = _cell(fit)
    sine = np.einsum("ni,ni->n", _left(first), second)
    angle = np.degrees(np.arctan2(sine, np.einsum("ni,ni->n", first, second)))
    variance = _of_difference(fit, _left(first) / a[:, None], _left(second) / b[:, None])
    return Posterior(angle - ideal, np.degrees(_root(variance)), fit.degrees)


def recast(fit: Regression, change: Index) -> Regression:
    """Regressions with the vectors of another cell, (2, 2) integers times a, b; for the shape of the cell alone."""
    coefficients, spread = fit.coefficients.copy(), fit.spread.copy()
    coefficients[:, 1:3] = change @ fit.coefficients[:, 1:3]
    spread[:, 1:3, 1:3] = change @ fit.spread[:, 1:3, 1:3] @ change.T
    return replace(fit, coefficients=coefficients, spread=spread)


def unknown(fit: Regression) -> Posterior:
    """No posterior, for a quantity that has no ideal value."""
    nothing = np.full(len(fit.degrees), np.nan)
    return Posterior(nothing, nothing, nothing)


def noise(fit: Regression) -> Array:
    """(n,) standard deviation of a coordinate, in sides of the cell; large where the lattice does not fit."""
    (ay, ax), (by, bx) = fit.coefficients[:, 1:3].transpose(1, 2, 0)
    area = np.maximum(np.abs(ay * bx - ax * by), 1e-300)
    return np.asarray(_root(np.einsum("nii->n", fit.covariance) / 2 / area))


def strongest(fit: Regression, rope: Rope, mass: float) -> tuple[Posterior, Array, Index, Index]:
    """The alternation most probably outside the ROPE: posterior, probability in ROPE, decision, index of the kind.

    Selecting the strongest of six kinds would raise the rate of false "broken" decisions. "Broken" therefore needs one
    interval of probability 1 - (1 - mass) / 6 outside the ROPE (Bonferroni), while "symmetric" needs all six intervals
    of probability `mass` inside, which selection does not make easier. The probability in the ROPE is that of all six,
    as if independent.
    """
    every = [alternation(fit, kind) for kind in ALTERNATIONS]
    wide = 1 - (1 - mass) / len(every)
    inside = np.array([one.in_rope(rope) for one in every])
    size = np.array([np.abs(one.mean) / np.maximum(one.scale, 1e-300) for one in every])
    # Far from the ROPE all probabilities inside are 0; there the ratio of mean to scale ranks the kinds.
    best = np.where(fit.known, np.lexsort((-size, np.maximum(inside, 1e-12)), axis=0)[0], 0)
    at = np.arange(len(best))
    mean, scale = [np.array([getattr(one, name) for one in every])[best, at] for name in ("mean", "scale")]
    broken = np.any([one.decision(rope, wide) == Decision.BROKEN for one in every], axis=0)
    symmetric = np.all([one.decision(rope, mass) == Decision.SYMMETRIC for one in every], axis=0)
    chosen = [Decision.TOO_FEW, Decision.BROKEN, Decision.SYMMETRIC]
    decision = np.select([~fit.known, broken, symmetric], chosen, Decision.UNDECIDED)
    number = np.where(fit.known, best, -1)
    return Posterior(mean, scale, fit.degrees), inside.prod(axis=0), decision.astype(np.int64), number


def _cell(fit: Regression) -> tuple[Array, Array, tuple[Array, Array]]:
    """(n,) lengths of a and b, and their (n, 2) directions."""
    first, second = fit.coefficients[:, 1], fit.coefficients[:, 2]
    a, b = np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1)
    return a, b, (first / a[:, None], second / b[:, None])


def _left(direction: Array) -> Array:
    """(n, 2) directions (y, x) rotated by 90 degrees counter-clockwise as displayed, y down."""
    return np.stack([-direction[:, 1], direction[:, 0]], axis=1)


def _project(covariance: Array, left: Array, right: Array) -> Array:
    return np.asarray(np.einsum("ni,nij,nj->n", left, covariance, right))


def _of_difference(fit: Regression, first: Array, second: Array) -> Array:
    """(n,) variance of second . b - first . a, with the covariance of a and b."""
    own = fit.spread[:, 1, 1] * _project(fit.covariance, first, first)
    other = fit.spread[:, 2, 2] * _project(fit.covariance, second, second)
    return np.asarray(own + other - 2 * fit.spread[:, 1, 2] * _project(fit.covariance, first, second))


def _root(variance: Array) -> Array:
    """Square root; rounding can make a variance slightly negative."""
    return np.asarray(np.sqrt(np.maximum(variance, 0)))

"""Exact posteriors of a normal mean and standard deviation, from sufficient statistics, for many data sets at once.

With the prior Uniform(l, u), sigma integrates out of the likelihood of n values with mean m and sum of squares SS
about it: the posterior of mu is proportional to its prior times S^-k [Gamma(k, S / 2u^2) - Gamma(k, S / 2l^2)], with
S = SS + n (mu - m)^2 and k = (n - 1) / 2. The only numerical step is one grid over mu.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from local_crystallography.bayes.densities import POINTS, Posterior, difference, posterior_of_t
from local_crystallography.bayes.gamma import log_sigma_integral
from local_crystallography.bayes.priors import Priors
from local_crystallography.data.errors import InputError

__all__ = [
    "POINTS",
    "Posterior",
    "PriorRows",
    "Summary",
    "difference",
    "posterior_of_mean",
    "posterior_of_sigma",
    "posterior_of_t",
]

Array = npt.NDArray[np.float64]

DEPTH = 25.0
"""The grid of a posterior ends where its logarithm is this far below the maximum."""

ABSURD = 1e-6
"""The spread of data contradicts the bounds of sigma below this probability."""


@dataclass(frozen=True)
class Summary:
    """Sufficient statistics of r data sets.

    Parameters
    ----------
    count, mean, squares
        (r,) number of values, their mean, and the sum of their squared deviations from it.
    weight
        (r,) inverse variance of the mean, in units of 1 / sigma^2: for plain data the count. For a regression that
        also estimates p coefficients with flat priors, `count` is the number of values minus p.
    """

    count: Array
    mean: Array
    squares: Array
    weight: Array

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Summary:
        """Statistics of r rows of values (r, n), or of one row (n,)."""
        return cls.running(values)[..., -1]

    @classmethod
    def running(cls, values: npt.ArrayLike) -> Summary:
        """Statistics after every value: (n,) from one row (n,), (r, n) from rows (r, n)."""
        rows = np.asarray(values, np.float64)
        if rows.size == 0 or not np.isfinite(rows).all():
            raise InputError(
                f"The {rows.shape[-1]} values must be finite, and at least one is needed; remove missing values."
            )
        middle = rows.mean(axis=-1, keepdims=True)
        count = np.broadcast_to(np.arange(1.0, rows.shape[-1] + 1), rows.shape)
        mean = np.cumsum(rows - middle, axis=-1) / count
        squares = np.maximum(np.cumsum((rows - middle) ** 2, axis=-1) - count * mean**2, 0)
        # For equal values only rounding errors remain.
        spread = np.maximum(np.abs(middle) * 1e-15, np.abs(rows - middle).max(axis=-1, keepdims=True) * 1e-8)
        return cls(count, mean + middle, np.where(squares <= count * spread**2, 0.0, squares), count)

    def __getitem__(self, key: object) -> Summary:
        parts = (self.count, self.mean, self.squares, self.weight)
        return Summary(*(np.atleast_1d(part[key]) for part in parts))  # type: ignore[call-overload]

    def __len__(self) -> int:
        return len(self.mean)


def posterior_of_mean(data: Summary, priors: Priors | Sequence[Priors], points: int = POINTS) -> Posterior:
    """Posterior of mu for r data sets, sigma integrated out.

    Parameters
    ----------
    priors
        One prior for all data sets, or one for each, all of the same family.

    Raises
    ------
    InputError
        Where the values are all equal, or their spread contradicts the bounds of sigma.
    """
    rows = PriorRows.of(priors, len(data))
    rows.check(data)
    core, reach = _core(data, rows)
    span = np.arcsinh(reach / core)
    near = data.mean[:, None] + core * np.sinh(np.linspace(-1, 1, 49) * span)
    x = np.sort(np.concatenate([near, rows.centre + rows.scale * PRIOR_POINTS], axis=1), axis=1)
    for count in (65, points):
        low, high = _ends(x, _log_posterior(x, data, rows))
        x = _grid(rows.within(low), rows.within(high), (data.mean[:, None], core), count)
        if rows.peaked(low, high):
            added = _grid(low, high, (rows.centre, rows.scale), count // 2)[:, 1:-1]
            x = np.sort(np.concatenate([x[:, ::2], added], axis=1), axis=1)
    return Posterior.of(x, _log_posterior(x, data, rows))


def posterior_of_sigma(
    data: Summary, priors: Priors | Sequence[Priors], mean: Posterior, points: int = POINTS
) -> Posterior:
    """Posterior of sigma for r data sets, averaged over the posterior `mean` of mu from `posterior_of_mean`."""
    rows = PriorRows.of(priors, len(data))
    x, log_density = np.empty((len(data), points)), np.empty((len(data), points))
    for row in range(len(data)):
        low, high = rows.low[row, 0], rows.high[row, 0]
        s = _squares(mean.x[row], data[row], _core(data, rows)[0][row])
        log_weight = np.log(np.maximum(mean.density[row] * np.gradient(mean.x[row]), 1e-300))
        log_weight = log_weight - log_sigma_integral(s, data.count[row], low, high)
        typical = np.sqrt(data.squares[row] / data.count[row])
        guess = typical * (1 + np.linspace(-8, 12, 81) / np.sqrt(data.count[row]))
        sigma = np.concatenate([np.geomspace(max(low, 1e-6 * high), high, 180), guess, [low, high]])
        sigma = np.unique(sigma[(sigma >= low) & (sigma <= high) & (sigma > 0)])[None]
        core = np.reshape(max(typical, low, 1e-6 * high) if data.count[row] > 1 else 1e-3 * high, (1, 1))
        for count in (121, points):
            start, end = _ends(sigma, _log_mixed(sigma, s, log_weight, data.count[row]))
            sigma = _grid(start, end, (np.zeros((1, 1)), core), count)
        x[row], log_density[row] = sigma, _log_mixed(sigma, s, log_weight, data.count[row])
    return Posterior.of(x, log_density)


PRIOR_POINTS = np.concatenate([-(ends := np.geomspace(0.01, 30, 15))[::-1], [-0.999, 0, 0.999], ends])
"""Points at which a prior is evaluated before the grid is chosen, in scales from its centre."""


@dataclass(frozen=True)
class PriorRows:
    """One prior for each of r data sets: parameters (r, 1), and the standard distribution of their family."""

    unit: Priors
    centre: Array
    scale: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, priors: Priors | Sequence[Priors], rows: int) -> PriorRows:
        """From one prior for all rows, or one for each."""
        many = [priors] if isinstance(priors, Priors) else list(priors)
        unit = many[0].model_copy(update={"centre": 0.0, "scale": 1.0})
        numbers = np.array([[p.centre, p.scale, p.sigma_low, p.sigma_high] for p in many])
        return cls(unit, *np.broadcast_to(numbers, (rows, 4)).T[..., None])

    def log_density(self, mu: Array) -> Array:
        """(r, k) logarithm of the prior density at means (r, k)."""
        z = (mu - self.centre) / self.scale
        if self.unit.family == "Laplace":
            return -np.abs(z) - np.log(2 * self.scale)
        if self.unit.family == "Uniform":
            return np.where(np.abs(z) <= 1 + 1e-9, -np.log(2 * self.scale), -np.inf)
        return self.unit.log_density(z) - np.log(self.scale)

    def within(self, mu: Array) -> Array:
        """(r, 1) means (r, 1), clipped to the support of the prior."""
        if self.unit.family != "Uniform":
            return mu
        return np.clip(mu, self.centre - self.scale, self.centre + self.scale)

    def peaked(self, low: Array, high: Array) -> bool:
        """Whether a grid from `low` to `high` (r, 1) is so coarse that it could miss the peak of a prior."""
        between = (low < self.centre) & (self.centre < high) & (self.scale < (high - low) / 40)
        return self.unit.family != "Uniform" and bool(between.any())

    def check(self, data: Summary) -> None:
        """Raise InputError where the data have no spread, or one that contradicts the priors."""
        low, high, degrees = self.low[:, 0], self.high[:, 0], np.maximum(data.count - 1, 1)
        several, spread = data.count > 1, np.sqrt(data.squares / degrees)
        if (alike := several & (data.squares == 0) & (low == 0)).any():
            raise InputError(
                f"All {data.count[alike][0]:.0f} values are equal, so sigma has no posterior; set the lowest standard "
                "deviation above 0."
            )
        beyond = np.abs(self.within(data.mean[:, None])[:, 0] - data.mean)
        if (excluded := beyond * np.sqrt(data.weight) > 10 * high).any():
            raise InputError(
                f"The mean of the values, {data.mean[excluded][0]:.3g}, lies outside the uniform prior of the mean; "
                "move or widen this prior."
            )
        least = np.divide(data.squares, low**2, out=np.full_like(low, np.inf), where=low > 0)
        too_wide = several & (special.chdtrc(degrees, data.squares / high**2) < ABSURD)
        too_narrow = several & (special.chdtr(degrees, least) < ABSURD)
        for wrong, bound, word in ((too_wide, high, "at most"), (too_narrow, low, "at least")):
            if wrong.any():
                raise InputError(
                    f"The values have a standard deviation of {spread[wrong][0]:.3g}, but the prior of sigma allows "
                    f"{word} {bound[wrong][0]:.3g}; move that bound."
                )


def _grid(low: Array, high: Array, about: tuple[Array, Array], points: int) -> Array:
    """(r, points) from `low` to `high`, nearly even within a core `about` a centre and ever wider beyond it."""
    centre, core = about
    start, end = np.arcsinh((low - centre) / core), np.arcsinh((high - centre) / core)
    return np.asarray(centre + core * np.sinh(start + (end - start) * np.linspace(0, 1, points)), np.float64)


def _squares(mu: Array, data: Summary, core: Array) -> Array:
    """(r, k) S for means (r, k); kept above 0 for a single value, which has no spread."""
    away = (mu - data.mean[:, None]) ** 2
    least = np.where(data.squares[:, None] > 0, 0, 1e-6 * core**2)
    return data.squares[:, None] + data.weight[:, None] * np.maximum(away, least)


def _log_posterior(mu: Array, data: Summary, rows: PriorRows) -> Array:
    """(r, k) logarithm of the posterior of mu, up to a constant for each row."""
    s = _squares(mu, data, _core(data, rows)[0])
    return rows.log_density(mu) + log_sigma_integral(s, data.count[:, None], rows.low, rows.high)


def _core(data: Summary, rows: PriorRows) -> tuple[Array, Array]:
    """(r, 1) width of the likelihood of mu about its mode, and its largest extent."""
    spread = np.sqrt(data.squares / np.maximum(data.count - 2, 1))[:, None]
    reach = np.sqrt(80 / data.weight)[:, None] * rows.high
    core = 3 * np.clip(spread, rows.low, rows.high) / np.sqrt(data.weight)[:, None]
    return np.maximum(core, 1e-5 * reach), reach


def _ends(x: Array, log_density: Array) -> tuple[Array, Array]:
    """(r, 1) points at both ends, just outside the range where a density matters."""
    counts = log_density > log_density.max(axis=1, keepdims=True) - DEPTH
    first = np.maximum(counts.argmax(axis=1) - 1, 0)
    last = np.minimum(x.shape[1] - counts[:, ::-1].argmax(axis=1), x.shape[1] - 1)
    row = np.arange(len(x))
    return x[row, first][:, None], x[row, last][:, None]


def _log_mixed(sigma: Array, s: Array, log_weight: Array, count: float) -> Array:
    """(1, m) logarithm of the posterior of sigma (1, m), averaged over the posterior of mu."""
    exponent = log_weight - 0.5 * s / sigma[0, :, None] ** 2
    return np.asarray(special.logsumexp(exponent, axis=1) - count * np.log(sigma[0]))[None]

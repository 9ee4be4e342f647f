"""Exact posterior of a normal mean and its standard deviation, from sums alone and for many data sets at once.

With Uniform(l, u) as the prior of sigma, sigma integrates out of the likelihood of n values with mean m and sum of
squares SS about it: what is left for mu is S^-k [Gamma(k, S / 2u^2) - Gamma(k, S / 2l^2)], S = SS + n (mu - m)^2 and
k = (n - 1) / 2, times the prior of mu. One grid over mu is all the numerics there is.
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
"""Where the logarithm of a posterior is this much below its highest value, its grid ends."""

ABSURD = 1e-6
"""Spread of data is called impossible for bounds of sigma at this chance."""


@dataclass(frozen=True)
class Summary:
    """What the posterior needs to know of r data sets.

    Parameters
    ----------
    count, mean, squares
        (r,) how many values, their mean, and the sum of their squared distances from it.
    weight
        (r,) the inverse variance of the mean, in units of 1 / sigma^2: for plain data the count. A regression that
        estimates p numbers besides the mean, with flat priors, has a count of its values less p.
    """

    count: Array
    mean: Array
    squares: Array
    weight: Array

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Summary:
        """Of r rows of values (r, n), or of one row (n,)."""
        return cls.running(values)[..., -1]

    @classmethod
    def running(cls, values: npt.ArrayLike) -> Summary:
        """After every value: of one row (n,) n data sets; of rows (r, n) as many with shape (r, n)."""
        rows = np.asarray(values, np.float64)
        if rows.size == 0 or not np.isfinite(rows).all():
            raise InputError(f"{rows.shape[-1]} values came, finite ones were expected; leave out what is missing.")
        middle = rows.mean(axis=-1, keepdims=True)
        count = np.broadcast_to(np.arange(1.0, rows.shape[-1] + 1), rows.shape)
        mean = np.cumsum(rows - middle, axis=-1) / count
        squares = np.maximum(np.cumsum((rows - middle) ** 2, axis=-1) - count * mean**2, 0)
        # What is left of equal values is rounding.
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
        One for all data sets, or one for each; these differ in numbers, not in the family.

    Raises
    ------
    InputError
        Where the values are all equal, or spread so much that no sigma within its bounds explains them.
    """
    rows = PriorRows.of(priors, len(data))
    rows.check(data)
    core, reach = _core(data, rows)
    span = np.arcsinh(reach / core)
    near = data.mean[:, None] + core * np.sinh(np.linspace(-1, 1, 49) * span)
    x = np.sort(np.concatenate([near, rows.centre + rows.scale * PRIOR_PLACES], axis=1), axis=1)
    for places in (65, points):
        low, high = _ends(x, _log_posterior(x, data, rows))
        x = _grid(rows.within(low), rows.within(high), (data.mean[:, None], core), places)
        if rows.peaked(low, high):
            added = _grid(low, high, (rows.centre, rows.scale), places // 2)[:, 1:-1]
            x = np.sort(np.concatenate([x[:, ::2], added], axis=1), axis=1)
    return Posterior.of(x, _log_posterior(x, data, rows))


def posterior_of_sigma(
    data: Summary, priors: Priors | Sequence[Priors], mean: Posterior, points: int = POINTS
) -> Posterior:
    """Posterior of sigma for r data sets, mu integrated out over its posterior `mean` from `posterior_of_mean`."""
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
        for places in (121, points):
            start, end = _ends(sigma, _log_mixed(sigma, s, log_weight, data.count[row]))
            sigma = _grid(start, end, (np.zeros((1, 1)), core), places)
        x[row], log_density[row] = sigma, _log_mixed(sigma, s, log_weight, data.count[row])
    return Posterior.of(x, log_density)


PRIOR_PLACES = np.concatenate([-(ends := np.geomspace(0.01, 30, 15))[::-1], [-0.999, 0, 0.999], ends])
"""Where a prior is looked at before the grid is laid, in scales from its centre."""


@dataclass(frozen=True)
class PriorRows:
    """One prior for each of r data sets: numbers (r, 1), and a family with centre 0 and scale 1."""

    unit: Priors
    centre: Array
    scale: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, priors: Priors | Sequence[Priors], rows: int) -> PriorRows:
        """From one prior or from as many as there are rows."""
        many = [priors] if isinstance(priors, Priors) else list(priors)
        unit = many[0].model_copy(update={"centre": 0.0, "scale": 1.0})
        numbers = np.array([[p.centre, p.scale, p.sigma_low, p.sigma_high] for p in many])
        return cls(unit, *np.broadcast_to(numbers, (rows, 4)).T[..., None])

    def log_density(self, mu: Array) -> Array:
        """(r, k) logarithm of the density of means (r, k)."""
        z = (mu - self.centre) / self.scale
        if self.unit.family == "Laplace":
            return -np.abs(z) - np.log(2 * self.scale)
        if self.unit.family == "Uniform":
            return np.where(np.abs(z) <= 1 + 1e-9, -np.log(2 * self.scale), -np.inf)
        return self.unit.log_density(z) - np.log(self.scale)

    def within(self, mu: Array) -> Array:
        """(r, 1) means (r, 1), moved to where the prior is not zero."""
        if self.unit.family != "Uniform":
            return mu
        return np.clip(mu, self.centre - self.scale, self.centre + self.scale)

    def peaked(self, low: Array, high: Array) -> bool:
        """Whether places from `low` to `high` (r, 1) are so far apart that the peak of a prior could lie between."""
        between = (low < self.centre) & (self.centre < high) & (self.scale < (high - low) / 40)
        return self.unit.family != "Uniform" and bool(between.any())

    def check(self, data: Summary) -> None:
        """Raise InputError where the spread of the data is none, or none that sigma allows."""
        low, high, degrees = self.low[:, 0], self.high[:, 0], np.maximum(data.count - 1, 1)
        several, spread = data.count > 1, np.sqrt(data.squares / degrees)
        if (alike := several & (data.squares == 0) & (low == 0)).any():
            raise InputError(
                f"{data.count[alike][0]:.0f} equal values came, values that differ were expected; "
                "set the lowest standard deviation above 0."
            )
        beyond = np.abs(self.within(data.mean[:, None])[:, 0] - data.mean)
        if (excluded := beyond * np.sqrt(data.weight) > 10 * high).any():
            raise InputError(
                f"Values with a mean of {data.mean[excluded][0]:.3g} came, one the uniform prior of the mean allows "
                "was expected; move or widen it."
            )
        least = np.divide(data.squares, low**2, out=np.full_like(low, np.inf), where=low > 0)
        too_wide = several & (special.chdtrc(degrees, data.squares / high**2) < ABSURD)
        too_narrow = several & (special.chdtr(degrees, least) < ABSURD)
        for wrong, bound, word in ((too_wide, high, "at most"), (too_narrow, low, "at least")):
            if wrong.any():
                raise InputError(
                    f"Values with a standard deviation of {spread[wrong][0]:.3g} came, {word} {bound[wrong][0]:.3g} "
                    "was expected by the prior of sigma; move that bound."
                )


def _grid(low: Array, high: Array, about: tuple[Array, Array], places: int) -> Array:
    """(r, places) from `low` to `high`, densest `about` a middle: within a core next to even, beyond it ever wider."""
    middle, core = about
    start, end = np.arcsinh((low - middle) / core), np.arcsinh((high - middle) / core)
    return np.asarray(middle + core * np.sinh(start + (end - start) * np.linspace(0, 1, places)), np.float64)


def _squares(mu: Array, data: Summary, core: Array) -> Array:
    """(r, k) S for means (r, k); a single value has no spread, so its S is kept above 0."""
    away = (mu - data.mean[:, None]) ** 2
    least = np.where(data.squares[:, None] > 0, 0, 1e-6 * core**2)
    return data.squares[:, None] + data.weight[:, None] * np.maximum(away, least)


def _log_posterior(mu: Array, data: Summary, rows: PriorRows) -> Array:
    """(r, k) logarithm of the posterior of mu, up to a constant of each row."""
    s = _squares(mu, data, _core(data, rows)[0])
    return rows.log_density(mu) + log_sigma_integral(s, data.count[:, None], rows.low, rows.high)


def _core(data: Summary, rows: PriorRows) -> tuple[Array, Array]:
    """(r, 1) how wide the likelihood of mu is about its mode, and how far it reaches at all."""
    spread = np.sqrt(data.squares / np.maximum(data.count - 2, 1))[:, None]
    reach = np.sqrt(80 / data.weight)[:, None] * rows.high
    core = 3 * np.clip(spread, rows.low, rows.high) / np.sqrt(data.weight)[:, None]
    return np.maximum(core, 1e-5 * reach), reach


def _ends(x: Array, log_density: Array) -> tuple[Array, Array]:
    """(r, 1) places just outside of where a density counts, at both ends."""
    counts = log_density > log_density.max(axis=1, keepdims=True) - DEPTH
    first = np.maximum(counts.argmax(axis=1) - 1, 0)
    last = np.minimum(x.shape[1] - counts[:, ::-1].argmax(axis=1), x.shape[1] - 1)
    row = np.arange(len(x))
    return x[row, first][:, None], x[row, last][:, None]


def _log_mixed(sigma: Array, s: Array, log_weight: Array, count: float) -> Array:
    """(1, m) logarithm of the posterior of sigma (1, m): that for known mu, mixed over the posterior of mu."""
    exponent = log_weight - 0.5 * s / sigma[0, :, None] ** 2
    return np.asarray(special.logsumexp(exponent, axis=1) - count * np.log(sigma[0]))[None]

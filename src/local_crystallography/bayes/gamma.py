"""Logarithms of incomplete gamma functions, also where the functions themselves under- or overflow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[np.float64]

SMALL = 1e-280
"""Regularised functions below this have underflowed or are about to."""


def log_sigma_integral(s: Array, count: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike) -> Array:
    """(...) logarithm of the integral of sigma^-count exp(-s / 2 sigma^2) from `low` to `high`.

    All arguments broadcast; `s` > 0, `count` >= 1, 0 <= `low` < `high`.
    """
    k, low, high = ((np.asarray(count) - 1) / 2, np.asarray(low, np.float64), np.asarray(high, np.float64))
    from_high = s / (2 * high**2)
    if not np.any(low > 0):
        area = log_upper(k, from_high)
    else:
        from_low = np.divide(s, 2 * low**2, out=np.full(np.broadcast(s, low).shape, np.inf), where=low > 0)
        area = _log_between(*np.broadcast_arrays(k, from_high, from_low))
    return np.asarray(area - k * np.log(s / 2) - np.log(2), np.float64)


def log_upper(k: npt.ArrayLike, x: Array) -> Array:
    """(...) logarithm of Gamma(k, x), the integral of t^(k-1) e^-t from x to infinity; k >= 0, k = 0 needs x > 0."""
    k, x = np.broadcast_arrays(np.asarray(k, np.float64), x)
    regularised = special.gammaincc(k, x)
    if (single := k == 0).any():
        regularised = np.where(single, special.exp1(x), regularised)
    out = np.log(np.maximum(regularised, SMALL)) + np.where(single, 0, special.gammaln(np.where(single, 1, k)))
    if (tiny := regularised < SMALL).any():
        out[tiny] = _log_upper_far(k[tiny], x[tiny])
    return np.asarray(out)


def log_lower(k: Array, x: Array) -> Array:
    """(...) logarithm of gamma(k, x), the integral of t^(k-1) e^-t from 0 to x; k > 0."""
    regularised = special.gammainc(k, x)
    out = np.log(np.maximum(regularised, SMALL)) + special.gammaln(k)
    if (tiny := regularised < SMALL).any():
        out[tiny] = k[tiny] * np.log(np.maximum(x[tiny], 1e-300)) - x[tiny] + _log_series(k[tiny], x[tiny])
    return np.asarray(out)


def _log_between(k: Array, start: Array, end: Array) -> Array:
    """(...) logarithm of the integral of t^(k-1) e^-t from `start` to `end`.

    Above k this is a difference of two upper functions, below k of two lower ones: the smaller values are accurate.
    """
    below = (end < k) & (k > 0)
    whole, part = log_upper(k, start), np.full(k.shape, -np.inf)
    finite = np.isfinite(end) & ~below
    part[finite] = log_upper(k[finite], end[finite])
    whole = np.array(whole)
    whole[below], part[below] = log_lower(k[below], end[below]), log_lower(k[below], start[below])
    return whole + np.log1p(-np.exp(np.minimum(part - whole, -1e-15)))


def _log_upper_far(k: Array, x: Array, terms: int = 60) -> Array:
    """Logarithm of Gamma(k, x) for x far above k, by its continued fraction (DLMF 8.9.2), from the last term up."""
    fraction = x + 2 * terms + 1 - k
    for i in range(terms, 0, -1):
        fraction = x + 2 * i - 1 - k - i * (i - k) / fraction
    return np.asarray(k * np.log(x) - x - np.log(fraction))


def _log_series(k: Array, x: Array, terms: int = 200) -> Array:
    """Logarithm of the sum of x^i / (k (k+1) ... (k+i)) (DLMF 8.7.1), for x far below k."""
    term = 1 / k
    total = np.array(term)
    for i in range(1, terms):
        term = term * x / (k + i)
        total = total + term
    return np.log(total)

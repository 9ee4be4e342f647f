"""Noise model of a chain of bonds: independent bonds, or independent positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from local_crystallography.data.errors import InputError

EXPECTED: dict[Literal["bonds", "positions"], float] = {"bonds": 0.0, "positions": -0.5}
"""Correlation of neighbouring residual bonds: a displaced atom lengthens one bond as much as it shortens the next."""


@dataclass(frozen=True)
class ResidualCorrelation:
    """Correlation of the residuals of neighbouring bonds.

    Parameters
    ----------
    correlation
        Lag-1 correlation, -0.5 for noise on positions and 0 for noise on bonds.
    standard_error
        Its standard error, after Bartlett for a moving average of order one.
    favours
        Noise model within two standard errors, if the other is beyond two; otherwise "".
    """

    correlation: float
    standard_error: float
    favours: Literal["bonds", "positions", ""]


def residual_correlation(bonds: npt.ArrayLike) -> ResidualCorrelation:
    """Residual correlation of bonds (m,) in order, minus the means of the odd and of the even ones; NaN is a gap.

    Raises
    ------
    InputError
        For fewer than four pairs of neighbours, or bonds without noise.
    """
    b = np.asarray(bonds, np.float64).ravel()
    residual = np.full(b.shape, np.nan)
    for start in (0, 1):
        part = b[start::2]
        if np.isfinite(part).any():
            residual[start::2] = part - np.nanmean(part)
    pairs = residual[:-1] * residual[1:]
    count, variance = int(np.isfinite(pairs).sum()), float(np.nanmean(residual**2)) if np.isfinite(b).any() else 0.0
    if count < 4 or variance <= 1e-24 * np.nanmax(b**2):
        raise InputError(
            f"The correlation needs at least four pairs of neighbouring bonds that vary; there are {count}, with a "
            f"variance of {variance:.3g}. Choose a longer row."
        )
    correlation = float(np.nanmean(pairs) / variance)
    return ResidualCorrelation(correlation, _error(correlation, count), _favoured(correlation, count))


def _error(correlation: float, pairs: int) -> float:
    r = min(max(correlation, -0.5), 0.5)
    return float(np.sqrt((1 - 3 * r**2 + 4 * r**4) / pairs))


def _favoured(correlation: float, pairs: int) -> Literal["bonds", "positions", ""]:
    near = [name for name, value in EXPECTED.items() if abs(correlation - value) <= 2 * _error(value, pairs)]
    return near[0] if len(near) == 1 else ""

"""Posterior densities on a grid, many at once: moments, intervals and probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, integrate, stats

from local_crystallography.bayes.decision import Rope
from local_crystallography.bayes.interval import (
    Cumulative,
    Kind,
    interval_of_density,
    share_against_half_width,
    share_within,
)

Array = npt.NDArray[np.float64]

POINTS = 401
"""Grid points of a posterior; with 401, interval edges are accurate to a few 1e-4 of the width."""


@dataclass(frozen=True)
class Posterior:
    """Posterior densities of one parameter, for r data sets.

    Parameters
    ----------
    x
        (r, k) values of the parameter, increasing along each row, in the unit of the data.
    density
        (r, k) density at these values; each row integrates to 1.
    """

    x: Array
    density: Array

    @classmethod
    def of(cls, x: Array, log_density: Array) -> Posterior:
        """From logarithms of unnormalised densities."""
        density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
        return cls(x, density / integrate.trapezoid(density, x, axis=1)[:, None])

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, row: int | slice) -> Posterior:
        """Posterior of one data set, as a single row, or of several."""
        return Posterior(np.atleast_2d(self.x[row]), np.atleast_2d(self.density[row]))

    def mean(self) -> Array:
        """(r,) means."""
        return np.asarray(integrate.trapezoid(self.x * self.density, self.x, axis=1), np.float64)

    def deviation(self) -> Array:
        """(r,) standard deviations."""
        away = self.x - self.mean()[:, None]
        return np.asarray(np.sqrt(integrate.trapezoid(away**2 * self.density, self.x, axis=1)), np.float64)

    def interval(self, mass: float, kind: Kind) -> tuple[Array, Array]:
        """(r,) lower and upper edges of the intervals of probability `mass`."""
        return interval_of_density(self.x, self.density, mass, kind)

    def share_inside(self, rope: Rope) -> Array:
        """(r,) probability that the parameter lies in the ROPE."""
        return share_within(self.x, self.density, rope)

    def share_against_half_width(self, half_widths: npt.ArrayLike) -> Array:
        """(r, w) probability that the parameter lies in the ROPE about zero of each half width."""
        return share_against_half_width(self.x, self.density, half_widths)


def posterior_of_t(degrees: Array, mean: Array, scale: Array, points: int = POINTS) -> Posterior:
    """Student's t densities on a grid, for r degrees of freedom, means and scales."""
    end = stats.t.isf(1e-9, degrees)[:, None] / 3
    z = 3 * np.sinh(np.linspace(-1, 1, points) * np.arcsinh(end))
    return Posterior.of(mean[:, None] + scale[:, None] * z, stats.t.logpdf(z, degrees[:, None]))


def difference(second: Posterior, first: Posterior, points: int = 1024) -> Posterior:
    """Posterior of second minus first for independent parameters, row by row, by convolution.

    Both are first binned into cells of equal width that preserve probability, so neither needs to be smooth.
    """
    lengths = [p.x[:, -1:] - p.x[:, :1] for p in (second, first)]
    step = (lengths[0] + lengths[1]) / (points - 4)
    counts = [int(np.ceil((length / step).max())) + 1 for length in lengths]
    edges = [p.x[:, :1] + step * (np.arange(m + 1) - 0.5) for p, m in zip((second, first), counts, strict=True)]
    masses = [np.diff(Cumulative.of(p.x, p.density).cdf(e)) for p, e in zip((second, first), edges, strict=True)]
    size = fft.next_fast_len(sum(counts), real=True)
    ahead, back = fft.rfft(masses[0], size, axis=1), fft.rfft(masses[1][:, ::-1], size, axis=1)
    mass = np.maximum(fft.irfft(ahead * back, size, axis=1)[:, : sum(counts) - 1], 0)
    lowest = second.x[:, :1] - first.x[:, :1] - step * (counts[1] - 1)
    x = lowest + step * np.arange(sum(counts) - 1)
    return Posterior(x, mass / integrate.trapezoid(mass, x, axis=1)[:, None])

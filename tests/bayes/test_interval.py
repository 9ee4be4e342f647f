"""Intervals and probabilities of densities and of draws, against known distributions."""

import numpy as np
import pytest
from scipy import stats

from local_crystallography.bayes.decision import Rope
from local_crystallography.bayes.interval import (
    interval_of_density,
    interval_of_draws,
    interval_of_t,
    share_against_half_width,
    share_within,
)
from local_crystallography.data.errors import InputError

KNOWN = {
    "normal": (stats.norm(2, 0.5), -0.5, 5.0),
    "t": (stats.t(4, 1, 0.1), -9.0, 11.0),
    "skew": (stats.gamma(3), 0.0, 40.0),
    "exponential": (stats.expon(), 0.0, 30.0),
}


def rows(name, points=1201):
    known, low, high = KNOWN[name]
    # Steps need not be equal, and rows may lie anywhere.
    x = low + (high - low) * np.linspace(0, 1, points) ** 1.5
    return np.stack([x, 10 * x + 3]), np.tile(known.pdf(x), (2, 1))


def shortest(known, mass):
    tails = np.linspace(0, 1 - mass, 20001)
    edges = known.ppf(tails), known.ppf(tails + mass)
    best = np.argmin(edges[1] - edges[0])
    return edges[0][best], edges[1][best]


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("mass", [0.5, 0.94])
def test_edges_of_densities(name, mass):
    x, density = rows(name)
    known = KNOWN[name][0]
    equal_tails = known.ppf([(1 - mass) / 2, (1 + mass) / 2])
    for kind, edges in (("HDI", shortest(known, mass)), ("ETI", equal_tails)):
        low, high = interval_of_density(x, density, mass, kind)
        width = edges[1] - edges[0]
        assert np.allclose([low[0], high[0]], edges, atol=2e-3 * width)
        assert np.allclose([low[1], high[1]], 10 * np.array([low[0], high[0]]) + 3)


def test_the_shortest_interval_of_two_modes():
    x = np.linspace(-6, 6, 2001)[None]
    density = 0.2 * stats.norm.pdf(x, -3, 0.8) + 0.8 * stats.norm.pdf(x, 3, 0.3)
    low, high = interval_of_density(x, density, 0.7, "HDI")
    assert 2 < low[0] < high[0] < 4


@pytest.mark.parametrize("kind", ["HDI", "ETI"])
def test_edges_of_draws(kind):
    draws = stats.norm(1, 2).rvs(200_000, random_state=1)
    assert np.allclose(interval_of_draws(draws, 0.94, kind), 1 + 2 * stats.norm.ppf([0.03, 0.97]), atol=0.12)


def test_edges_of_student_t_are_those_of_its_density():
    low, high = interval_of_t(4.0, np.array([1.0]), np.array([0.1]), 0.94)
    x, density = rows("t", 6001)
    assert np.allclose(interval_of_density(x[:1], density[:1], 0.94), (low, high), atol=1e-3)


@pytest.mark.parametrize("name", KNOWN)
def test_probabilities_within_a_rope(name):
    x, density = rows(name)
    known = KNOWN[name][0]
    rope = Rope(0.9, 2.2)
    assert share_within(x, density, rope)[0] == pytest.approx(known.cdf(2.2) - known.cdf(0.9), abs=1e-3)
    half = np.array([0.01, 0.5, 2.0])
    curve = share_against_half_width(x, density, half)
    assert np.allclose(curve[0], known.cdf(half) - known.cdf(-half), atol=1e-3)
    assert (np.diff(curve) >= 0).all()


def test_a_rope_outside_the_grid_has_probability_0_and_around_it_1():
    x, density = rows("normal")
    assert np.allclose(share_within(x, density, Rope(-90, -80)), 0)
    assert np.allclose(share_within(x, density, Rope(-90, 80)), 1)


@pytest.mark.parametrize("mass", [0.0, 1.0, 94.0, np.nan])
def test_an_invalid_mass_is_refused(mass):
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        interval_of_draws([1.0, 2.0], mass)
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        interval_of_density(*rows("normal"), mass)


@pytest.mark.parametrize("draws", [[], [1.0], [1.0, np.nan]])
def test_unusable_draws_are_refused(draws):
    with pytest.raises(InputError, match="at least two draws, all finite"):
        interval_of_draws(draws, 0.94)

"""Closed form against brute-force quadrature, and its limits."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import trapezoid

from local_crystallography.bayes.gamma import log_sigma_integral
from local_crystallography.bayes.interval import interval_of_density
from local_crystallography.bayes.posterior import (
    Posterior,
    Summary,
    difference,
    posterior_of_mean,
    posterior_of_sigma,
    posterior_of_t,
)
from local_crystallography.bayes.priors import Priors
from local_crystallography.data.errors import InputError

VALUES = np.random.default_rng(0).normal(0.95, 0.1, 200)
PRIORS = {
    "paper": Priors.of_paper(VALUES[:10]),
    "narrow": Priors(family="Normal", centre=1.0, scale=0.01, sigma_low=0.05, sigma_high=0.5),
    "t": Priors(family="Student-t", centre=1.0, scale=0.1, sigma_low=0.08, sigma_high=0.3),
    "flat": Priors(family="Uniform", centre=0.95, scale=0.5, sigma_high=2.0),
}


def brute(values, prior, low, high):
    """Densities of mu and sigma from a table of both."""
    n, mean = len(values), values.mean()
    near = mean + np.outer([-1, 1], np.geomspace(1e-6, 1, 200)).ravel()
    mu = np.unique(np.r_[np.linspace(low, high, 1001), near[(near > low) & (near < high)]])
    sigma = np.geomspace(prior.sigma_low or 1e-4, prior.sigma_high, 1001)
    squares = ((values - mean) ** 2).sum() + n * (mu - mean) ** 2
    logs = prior.log_density(mu)[:, None] - n * np.log(sigma) - squares[:, None] / (2 * sigma**2)
    table = np.exp(logs - logs.max())
    densities = trapezoid(table, sigma, axis=1), trapezoid(table, mu, axis=0)
    return [Posterior(x[None], d[None]) for x, d in zip((mu, sigma), densities, strict=True)]


@pytest.mark.parametrize("n", [1, 2, 3, 10, 200])
@pytest.mark.parametrize("name", PRIORS)
def test_closed_form_equals_quadrature_over_both_parameters(n, name):
    data, prior = Summary.of(VALUES[:n]), PRIORS[name]
    mean = posterior_of_mean(data, prior)
    sigma = posterior_of_sigma(data, prior, mean)
    slow = brute(VALUES[:n], prior, mean.x[0, 0], mean.x[0, -1])
    for fast, table in zip((mean, sigma), slow, strict=True):
        for kind in ("ETI", "HDI"):
            edges = np.ravel(interval_of_density(table.x, table.density, 0.94, kind))
            assert np.allclose(np.ravel(fast.interval(0.94, kind)), edges, atol=5e-3 * np.ptp(edges)), kind


def test_many_data_sets_at_once_give_the_same_as_each_alone():
    running = Summary.running(VALUES)
    together = posterior_of_mean(running, PRIORS["paper"])
    for row in (0, 1, 5, 199):
        alone = posterior_of_mean(Summary.of(VALUES[: row + 1]), PRIORS["paper"])
        assert np.allclose(together[row].interval(0.94, "HDI"), alone.interval(0.94, "HDI"), rtol=1e-7)
    assert np.allclose(together.mean()[20:], running.mean[20:], atol=0.02)


def test_every_data_set_can_have_its_own_prior():
    data = Summary.of(np.stack([VALUES, VALUES]))
    many = posterior_of_mean(data, [PRIORS["paper"], Priors.of_paper([0.5])])
    alone = posterior_of_mean(data[1], Priors.of_paper([0.5]))
    assert np.allclose(many.mean()[1], alone.mean()[0])
    assert many.mean()[0] > many.mean()[1]


def test_with_flat_priors_it_is_student_t_with_two_degrees_less():
    n, prior = 12, Priors(family="Uniform", centre=0, scale=1e3, sigma_high=1e3)
    data = Summary.of(VALUES[:n])
    scale = np.sqrt(data.squares / (n * (n - 2)))
    low, high = posterior_of_mean(data, prior).interval(0.94, "HDI")
    assert np.allclose([low, high], data.mean + stats.t.ppf([[0.03], [0.97]], n - 2) * scale, atol=2e-3 * scale)
    t = posterior_of_t(np.array([n - 2.0]), data.mean, scale)
    assert np.allclose(t.interval(0.94, "HDI"), [low, high], atol=5e-3 * scale)
    assert t.mean() == pytest.approx(data.mean)


def test_statistics_are_accurate_for_values_far_from_zero():
    near, far = Summary.running(VALUES), Summary.running(VALUES + 1e5)
    assert np.allclose(near.squares, far.squares, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("s", "count", "low", "high"),
    [
        (1e-3, 1, 1, 2),
        (0.5, 2, 0.1, 0.2),
        (2.0, 200, 0.01, 0.5),
        (2.0, 200, 0.5, 0.9),
        (4.0, 401, 0.05, 0.06),
        (0.1, 10, 100, 200),
        (1e-9, 200, 0.0, 1.0),
        (1e-9, 200, 1.0, 2.0),
        (2e3, 200, 0.0, 1.0),
        (2e3, 1, 0.5, 1.0),
    ],
)
def test_sigma_integrates_out_without_under_or_overflow(s, count, low, high):
    mode = np.clip(np.sqrt(s / count), low, high)
    sigma = np.unique(np.r_[np.linspace(max(low, mode / 30), high, 100_000), mode * np.geomspace(1 / 30, 30, 100_000)])
    sigma = sigma[(sigma >= low) & (sigma <= high)]
    logs = -count * np.log(sigma) - s / (2 * sigma**2)
    slow = logs.max() + np.log(trapezoid(np.exp(logs - logs.max()), sigma))
    assert log_sigma_integral(np.array([s]), count, low, high)[0] == pytest.approx(slow, abs=1e-4)


def test_the_difference_of_two_normals_is_normal():
    z = np.linspace(-7, 7, 301)
    one, two = (Posterior.of(m + s * z[None], -(z[None] ** 2) / 2) for m, s in ((1.0, 0.3), (1.5, 0.01)))
    both = difference(two, one)
    assert both.mean() == pytest.approx(0.5, abs=1e-4)
    assert both.deviation() == pytest.approx(np.hypot(0.3, 0.01), rel=2e-3)
    assert difference(one, two).mean() == pytest.approx(-0.5, abs=1e-4)


@pytest.mark.parametrize(
    ("values", "prior", "sentence"),
    [
        ([1.0, 1.0, 1.0], PRIORS["paper"], "All 3 values are equal"),
        ([1.1, 1.1 + 1e-16], PRIORS["paper"], "All 2 values are equal"),
        (VALUES, Priors(centre=1, scale=1, sigma_high=0.02), "allows at most 0.02"),
        (VALUES, Priors(centre=1, scale=1, sigma_low=0.5, sigma_high=2), "allows at least 0.5"),
        (VALUES, Priors(family="Uniform", centre=5, scale=1, sigma_high=0.2), "outside the uniform prior"),
        ([1.0, np.nan], PRIORS["paper"], "must be finite"),
        ([], PRIORS["paper"], "must be finite"),
    ],
)
def test_data_without_a_posterior_are_refused(values, prior, sentence):
    with pytest.raises(InputError, match=sentence):
        posterior_of_mean(Summary.of(values), prior)


@pytest.mark.parametrize(
    ("n", "prior"),
    [
        (1, Priors(family="Student-t", centre=5, scale=0.004, sigma_low=0.03, sigma_high=300)),
        (3, Priors(family="Normal", centre=0.9, scale=0.002, sigma_high=3000)),
        (3, Priors(family="Laplace", centre=1, scale=0.005, sigma_high=1000)),
        (10, Priors(family="Laplace", centre=0, scale=0.002, sigma_high=1)),
    ],
)
def test_the_grid_finds_peaks_far_apart_and_far_narrower_than_the_rest(n, prior):
    data = Summary.of(VALUES[:n])
    coarse, fine = posterior_of_mean(data, prior), posterior_of_mean(data, prior, 6001)
    for pair in ((coarse, fine), tuple(posterior_of_sigma(data, prior, mean, 801) for mean in (coarse, fine))):
        few, many = (np.ravel(one.interval(0.94, "ETI")) for one in pair)
        assert np.allclose(few, many, atol=0.01 * np.ptp(many))

"""Draws of PyMC follow the posterior: against sums over a grid, Student's t, and when stopped half-way."""

import os
import subprocess
import sys
import threading
import time
from importlib.util import find_spec

import numpy as np
import pytest
from scipy import stats

from local_crystallography.bayes.chain import ChainModel, simulate_chain
from local_crystallography.bayes.priors import Priors
from local_crystallography.bayes.reference_models import Block, Bonds, Positions
from local_crystallography.bayes.sampling import THREAD, Reference, ReferencePosterior, compiled_for
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish

with_pymc = pytest.mark.skipif(find_spec("pymc") is None or find_spec("nutpie") is None, reason="needs PyMC, nutpie")
PHASES = ["Building", "Compiling", "Tuning", "Drawing"]
FAMILIES = ("Student-t", "Laplace", "Uniform", "Normal")


def bonds(seed: int, n: int = 12) -> Bonds:
    """One block for each family of priors, with priors narrow enough to be seen."""
    rng = np.random.default_rng(seed)
    priors = [Priors(family=f, centre=1.0, scale=0.06, degrees=2.0, sigma_low=0.02, sigma_high=0.3) for f in FAMILIES]
    return Bonds([Block(f, rng.normal(1.05, 0.1, n), p) for f, p in zip(FAMILIES, priors, strict=True)])


def chain(n: int = 40) -> np.ndarray:
    """Atoms at distances 0.95 and 1.05, with noise on their positions."""
    j = np.arange(n)
    return j + 0.025 * (-1.0) ** j + np.random.default_rng(3).normal(0, 0.03, n)


def quadrature(block: Block) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Values and cumulative posterior of mu and of sigma, by sums over a grid of both."""
    prior, y = block.priors, np.asarray(block.values)
    mu = np.linspace(0.7, 1.4, 2001)
    sigma = np.linspace(prior.sigma_low, prior.sigma_high, 801)[1:-1]
    squares = ((y - mu[:, None]) ** 2).sum(axis=1)
    log = prior.log_density(mu)[:, None] - len(y) * np.log(sigma) - squares[:, None] / (2 * sigma**2)
    density = np.exp(log - log.max())
    cumulated = [np.cumsum(density.sum(axis=axis)) / density.sum() for axis in (1, 0)]
    return mu, cumulated[0], sigma, cumulated[1]


def worst_error(draws: np.ndarray, x: np.ndarray, cumulated: np.ndarray) -> float:
    """Largest error of a quantile, as a fraction of the width of the 94 % interval."""
    shares = [0.03, 0.25, 0.5, 0.75, 0.97]
    true = np.interp(shares, cumulated, x)
    return float(np.abs(np.quantile(draws, shares) - true).max() / (true[-1] - true[0]))


def reports(job):
    """Reports of a job, and its result."""
    seen: list = []
    return finish(job, lambda progress: seen.append(progress)), seen


@pytest.fixture(scope="module")
def drawn() -> Reference:
    """20,000 draws."""
    return finish(ReferencePosterior(chains=4, draws=5000, seed=1)(bonds(0)))


@with_pymc
@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_draws_follow_the_posterior_for_priors_of_every_family(drawn, family):
    block = next(b for b in bonds(0).blocks if b.name == family)
    mu, of_mu, sigma, of_sigma = quadrature(block)
    assert worst_error(drawn.draws[f"mu{family}"], mu, of_mu) < 0.02
    assert worst_error(drawn.draws[f"sigma{family}"], sigma, of_sigma) < 0.02


@with_pymc
@pytest.mark.slow
def test_chains_agree_and_are_reported_to(drawn):
    assert drawn.sound
    assert drawn.draws["muNormal"].shape == (4, 5000)
    assert set(drawn.r_hat) == set(drawn.ess_bulk) == set(drawn.ess_tail) == set(drawn.draws)
    assert (drawn.divergences, drawn.stopped, drawn.sampler) == (0, False, "nutpie")


@with_pymc
@pytest.mark.slow
def test_interval_contains_its_fraction_of_the_draws(drawn):
    low, high = drawn.interval("muLaplace", 0.8)
    assert np.mean((drawn.draws["muLaplace"] >= low) & (drawn.draws["muLaplace"] <= high)) == pytest.approx(
        0.8, abs=1e-3
    )


@with_pymc
@pytest.mark.slow
def test_other_data_of_the_same_shape_are_not_compiled_again(drawn):
    misses = compiled_for.cache_info().misses
    other = bonds(5, n=30)
    again = finish(ReferencePosterior(draws=5000)(other))
    assert compiled_for.cache_info().misses == misses
    mu, cumulated, _, _ = quadrature(other.blocks[1])
    assert worst_error(again.draws["muLaplace"], mu, cumulated) < 0.02


@with_pymc
@pytest.mark.slow
def test_the_same_seed_draws_the_same(drawn):
    one, same, other = (finish(ReferencePosterior(draws=50, seed=seed)(bonds(0))) for seed in (4, 4, 5))
    assert np.array_equal(one.draws["muNormal"], same.draws["muNormal"])
    assert not np.array_equal(one.draws["muNormal"], other.draws["muNormal"])


@with_pymc
@pytest.mark.slow
def test_progress_is_reported_five_times_a_second_and_increases(drawn):
    result, seen = reports(ReferencePosterior(draws=10_000)(bonds(0)))
    assert len(seen) >= 5 * result.seconds
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    phases = [PHASES.index(progress.message) for progress in seen]
    assert phases == sorted(phases)
    assert phases[-1] == 3


@with_pymc
@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["nutpie", "pymc"])
def test_stopped_while_drawing_it_keeps_the_draws_so_far(drawn, sampler):
    settings = ReferencePosterior(sampler=sampler, chains=2, draws=1_000_000)
    result = finish(settings(bonds(0)), lambda progress: progress.message == "Drawing" and progress.fraction > 0.002)
    assert result.stopped
    assert 0 < result.draws["muNormal"].size < 2_000_000
    assert np.isfinite(result.draws["muNormal"]).all()
    assert result.draws["sigmaNormal"].mean() == pytest.approx(drawn.draws["sigmaNormal"].mean(), rel=0.1)


@with_pymc
@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "phase"), [("nutpie", "Building"), ("nutpie", "Tuning"), ("pymc", "Tuning"), ("pymc", "Compiling")]
)
def test_stopped_before_the_first_draw_it_says_so(drawn, sampler, phase):
    settings = ReferencePosterior(sampler=sampler, tune=100_000)
    with pytest.raises(InputError, match="stopped before its first draw"):
        finish(settings(bonds(0)), lambda progress: progress.message == phase)


@with_pymc
@pytest.mark.slow
def test_a_job_that_is_dropped_ends(drawn):
    job = ReferencePosterior(draws=1_000_000)(bonds(0))
    while next(job).message != "Drawing":
        pass
    job.close()
    end = time.monotonic() + 30
    while any(thread.name.startswith(THREAD) for thread in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(thread.name.startswith(THREAD) for thread in threading.enumerate())


@with_pymc
@pytest.mark.slow
@pytest.mark.parametrize("unit", [1.0, 1e-9, 1e4])
def test_positions_are_students_t_in_any_unit(unit):
    x = chain()
    result = finish(ReferencePosterior(draws=5000)(Positions.of_chain(unit * x)))
    terms = np.column_stack([np.ones(40), np.arange(40.0), (-1.0) ** np.arange(40)])
    best, squares, _, _ = np.linalg.lstsq(terms, x)
    scale = np.sqrt(squares[0] / 37 * np.linalg.inv(terms.T @ terms)[2, 2])
    expected = stats.t(37, 4 * best[2], 4 * scale)
    grid = np.linspace(*expected.ppf([1e-6, 1 - 1e-6]), 4001)
    assert worst_error(result.draws["mu3"] / unit, grid, expected.cdf(grid)) < 0.02
    assert result.sound


@with_pymc
@pytest.mark.slow
def test_no_c_compiler_is_needed():
    code = (
        "import numpy as np; from local_crystallography.bayes.reference_models import *;"
        "from local_crystallography.bayes.sampling import *;"
        "from local_crystallography.data.progress import finish;"
        "chain = Positions.of_chain(np.arange(20) + np.random.default_rng(0).normal(0, 0.03, 20));"
        "few = dict(chains=1, tune=200, draws=200);"
        "jobs = [ReferencePosterior(sampler=name, **few)(chain) for name in ('nutpie', 'pymc')];"
        "assert [finish(job).draws['mu3'].shape for job in jobs] == [(1, 200)] * 2"
    )
    flags = {**os.environ, "PYTENSOR_FLAGS": "cxx="}
    subprocess.run([sys.executable, "-c", code], env=flags, check=True, timeout=400)


def test_blocks_of_a_chain_are_odd_and_even_bonds_and_their_difference():
    chain = simulate_chain(20, odd=0.9, even=1.1, deviation=0.05, noise="bonds", seed=0)
    priors = ChainModel().priors(chain.positions[None])[0]
    odd, even, difference = Bonds.of_chain(chain, priors).blocks
    assert np.array_equal(np.asarray(difference.values), np.asarray(even.values) - np.asarray(odd.values))
    assert [block.name for block in (odd, even, difference)] == ["1", "2", "3"]
    assert difference.priors.centre == 0


@pytest.mark.slow
def test_importing_it_loads_no_sampler():
    code = (
        "import sys, local_crystallography.bayes.sampling;"
        "print([m for m in ('pymc', 'nutpie', 'arviz', 'pytensor', 'numba') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


@pytest.mark.parametrize(("sampler", "missing"), [("nutpie", "nutpie"), ("pymc", "pymc")])
def test_a_missing_library_is_reported(monkeypatch, sampler, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=f"{missing} cannot be loaded .*pip install pymc nutpie"):
        finish(ReferencePosterior(sampler=sampler)(Bonds([Block("1", [1.0, 1.1, 0.9], Priors.of_paper([1.0]))])))


@pytest.mark.parametrize(
    ("values", "sigma_high", "sentence"),
    [
        ([1.0], 1.0, "mu1 needs at least two values, all finite; 1 of 1"),
        ([1.0, np.nan, 1.1], 1.0, "2 of 3 are"),
        (list(np.linspace(0, 1, 50)), 0.01, "prior of sigma allows"),
    ],
)
def test_unusable_bonds_are_refused(values, sigma_high, sentence):
    with pytest.raises(InputError, match=sentence):
        Block("1", values, Priors(centre=1.0, scale=0.2, sigma_high=sigma_high))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([0.0, 1.1, 1.9, 3.0], "need at least 5 positions, all finite; 4 of 4"),
        ([0.0, 1.1, np.nan, 3.0, 4.1], "4 of 5 are"),
        (list(range(10)), "without noise"),
    ],
)
def test_unusable_positions_are_refused(values, sentence):
    with pytest.raises(InputError, match=sentence):
        Positions.of_chain(values)


def test_collinear_rows_of_atoms_are_refused():
    x = np.array([0.0, 1.1, 2.0, 3.1, 3.9, 5.2])
    terms = np.column_stack([np.ones(6), np.tile([0.0, 1.0], 3), (-1.0) ** np.arange(6)])
    with pytest.raises(InputError, match="collinear"):
        Positions(x, terms)


@pytest.mark.parametrize("names", [[], ["1", "1"]])
def test_blocks_need_different_names(names):
    with pytest.raises(InputError, match="different names"):
        Bonds([Block(name, [1.0, 1.1], Priors.of_paper([1.0])) for name in names])

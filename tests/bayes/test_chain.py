"""Posterior of a chain: the cases of the paper, options it does not specify, and the noise model."""

import numpy as np
import pytest
from pydantic import ValidationError

from local_crystallography.bayes.chain import (
    CASES,
    DEVIATION,
    Chain,
    ChainModel,
    residual_correlation,
    simulate_chain,
)
from local_crystallography.bayes.decision import Decision
from local_crystallography.bayes.priors import Priors
from local_crystallography.data.errors import InputError

DIFFERENCES = ("paired", "independent", "positions")


def chain_of(case, cells=200, noise="bonds", seed=1):
    odd, even = CASES[case]
    return simulate_chain(cells, odd=odd, even=even, deviation=DEVIATION, noise=noise, seed=seed)


@pytest.mark.parametrize("noise", ["bonds", "positions"])
def test_simulated_bonds_have_the_noise_they_were_given(noise):
    chain = chain_of(1, 20_000, noise)
    assert chain.cells == len(chain.odd) == len(chain.even) == 20_000
    assert chain.odd.mean() == pytest.approx(0.5, abs=0.005)
    assert chain.even.mean() == pytest.approx(1.5, abs=0.005)
    assert chain.odd.std() == pytest.approx(DEVIATION * (1 if noise == "bonds" else np.sqrt(2)), rel=0.02)
    assert np.array_equal(chain.positions, chain_of(1, 20_000, noise).positions)


def test_a_chain_is_the_same_from_bonds_and_from_positions():
    chain = chain_of(2, 20)
    assert np.allclose(Chain.of_bonds(chain.bonds).bonds, Chain.of_positions(chain.positions + 7).bonds)
    assert Chain.of_bonds([1, 2, 1]).cells == 1
    assert np.allclose(Chain.of_bonds([1, 2, 1]).even, [2])


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_case_1_is_broken_from_the_first_decision_on(difference):
    result = ChainModel(difference=difference)(chain_of(1))
    assert result.first_decided == result.cells[0] == 10
    assert (result.decision == Decision.BROKEN).all()
    assert (result.inside < 1e-6).all()
    assert result.mu1.mean()[1] == pytest.approx(0.5, abs=0.03)
    assert result.mu2.mean()[1] == pytest.approx(1.5, abs=0.03)
    assert result.sigma1.mean()[1] == pytest.approx(DEVIATION, rel=0.15)
    assert result.sigma2.interval(0.94, "ETI")[1][0] > 2 * result.sigma2.interval(0.94, "ETI")[1][1]


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_every_row_of_the_curve_equals_the_result_of_a_shorter_chain(difference):
    model, chain = ChainModel(difference=difference, first_cells=2), chain_of(2, 60)
    result = model(chain)
    for cells in (7, 31):
        short = model(Chain.of_positions(chain.positions[: 2 * cells + 1]))
        row = int(np.flatnonzero(result.cells == cells)[0])
        assert np.allclose([result.low[row], result.high[row]], [short.low[-1], short.high[-1]], atol=1e-6)
        assert result.decision[row] == short.decision[-1]
    assert np.diff(result.high - result.low)[20:].mean() < 0


def test_the_alternation_of_a_lattice_is_the_difference_of_its_bonds():
    chain = simulate_chain(500, odd=0.9, even=1.1, deviation=0.01, noise="positions", seed=3)
    result = ChainModel(difference="positions")(chain)
    assert result.mu3.mean()[-1] == pytest.approx(0.2, abs=0.003)
    # Of 2 n positions, each a fourth of the difference: 16 sigma^2 / 2n.
    assert result.mu3.deviation()[-1] == pytest.approx(0.01 * np.sqrt(8 / 500), rel=0.1)


def test_an_edge_in_the_middle_of_the_interval_is_reported():
    result = ChainModel(difference="paired")(
        simulate_chain(400, odd=0.95, even=1.05, deviation=0.1, noise="bonds", seed=4)
    )
    assert result.on_edge[result.decision == Decision.UNDECIDED].mean() > 0.3
    assert not ChainModel()(chain_of(1)).on_edge.any()


def test_options_that_the_paper_does_not_specify():
    chain = chain_of(1, 40)
    pooled, apart = ChainModel()(chain), ChainModel(prior_from="per set")(chain)
    assert pooled.priors.mu1 == pooled.priors.mu2
    assert pooled.priors.mu1.centre == pytest.approx(chain.bonds[:10].mean())
    assert apart.priors.mu1.centre == pytest.approx(chain.odd[:10].mean())
    assert apart.priors.mu2.centre == pytest.approx(chain.even[:10].mean())
    assert apart.priors.mu3.centre == 0
    held = ChainModel(hold_out=True)(chain)
    assert held.cells[-1] == 35
    assert held.priors == pooled.priors
    assert ChainModel(hold_out=True, prior_from="per set")(chain).cells[-1] == 30
    own = Priors(family="Normal", centre=0.3, scale=0.001, sigma_high=1)
    for difference in ("paired", "positions"):
        told = ChainModel(difference=difference, prior_mu3=own)(chain)
        assert told.mu3.mean()[-1] == pytest.approx(0.3, abs=0.01)
    assert ChainModel(prior_mu1=own)(chain).priors.mu1 == own


def test_equal_tails_and_highest_density_nearly_agree_at_the_end():
    by_kind = [ChainModel(kind=kind)(chain_of(2)) for kind in ("HDI", "ETI")]
    assert by_kind[0].low[-1] == pytest.approx(by_kind[1].low[-1], abs=1e-3)
    assert (by_kind[0].high - by_kind[0].low <= by_kind[1].high - by_kind[1].low + 1e-7).all()


@pytest.mark.parametrize("noise", ["bonds", "positions"])
def test_residuals_identify_the_noise_model(noise):
    told = [residual_correlation(chain_of(2, 60, noise, seed).bonds) for seed in range(200)]
    expected = 0 if noise == "bonds" else -0.5
    found = np.array([t.correlation for t in told])
    assert found.mean() == pytest.approx(expected, abs=0.03)
    assert found.std() == pytest.approx(np.mean([t.standard_error for t in told]), rel=0.25)
    favours = [t.favours for t in told]
    assert favours.count(noise) > 180
    assert favours.count({"bonds": "positions", "positions": "bonds"}[noise]) == 0


def test_residuals_of_few_bonds_are_inconclusive_and_gaps_are_ignored():
    told = [residual_correlation(chain_of(2, 4, "positions", seed).bonds).favours for seed in range(50)]
    assert told.count("") > 15
    bonds = chain_of(2, 100, "positions").bonds
    bonds[::17] = np.nan
    assert residual_correlation(bonds).favours == "positions"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ChainModel()(chain_of(2, 4)), "has 8 bonds, but the priors need at least 10"),
        (lambda: ChainModel(hold_out=True)(chain_of(2, 5)), "has 5 unit cells, but at least 6"),
        (
            lambda: ChainModel()(simulate_chain(20, odd=1, even=1, deviation=0, noise="bonds", seed=0)),
            "values are equal",
        ),
        (
            lambda: ChainModel(difference="positions")(
                simulate_chain(20, odd=1, even=1.2, deviation=0, noise="bonds", seed=0)
            ),
            "have no noise",
        ),
        (lambda: ChainModel()(Chain.of_bonds(-chain_of(2).bonds)), "must be above 0"),
        (lambda: ChainModel(prior_mu3=Priors(centre=0, scale=1, sigma_high=0.01))(chain_of(2)), "move that bound"),
        (lambda: Chain.of_positions([0.0, 1.0]), "at least three"),
        (lambda: Chain.of_bonds([1.0, np.nan, 1.0]), "all finite"),
        (lambda: simulate_chain(0, odd=1, even=1, deviation=0.1, noise="bonds", seed=0), "at least one cell"),
        (lambda: simulate_chain(5, odd=1, even=1, deviation=-1, noise="bonds", seed=0), "noise of 0 or more"),
        (lambda: residual_correlation([1.0, 1.1, 0.9]), "at least four pairs"),
        (lambda: residual_correlation(np.full(20, np.nan)), "at least four pairs"),
        (lambda: residual_correlation(np.tile([0.5, 1.5], 20)), "at least four pairs of neighbouring bonds that vary"),
    ],
)
def test_unusable_input_is_refused(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()


@pytest.mark.parametrize("wrong", [{"mass": 1}, {"rope_half_width": 0}, {"rope_half_width": -1}, {"prior_bonds": 0}])
def test_settings_out_of_range(wrong):
    with pytest.raises(ValidationError):
        ChainModel(**wrong)

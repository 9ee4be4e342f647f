"""Intervals have their nominal coverage with the right noise model, and not with the other."""

import numpy as np
import pytest

from local_crystallography.bayes.calibrate import ChainTrials, calibrate_chain
from local_crystallography.bayes.chain import CASES, DEVIATION, ChainModel, simulate_chain
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish


def at_end(model, trials):
    """Calibration after all cells, without the stopping rules, which take longer."""
    return finish(calibrate_chain(model, trials), lambda p: p.message.startswith("Stopping rules"))


@pytest.mark.parametrize(
    ("difference", "noise", "cells"),
    [
        ("paired", "bonds", 50),
        ("paired", "bonds", 200),
        ("independent", "bonds", 100),
        ("positions", "positions", 20),
        ("positions", "positions", 100),
    ],
)
def test_intervals_have_their_nominal_coverage(difference, noise, cells):
    trials = ChainTrials(cells=cells, noise=noise, differences=(0.0, 0.1), seed=2)
    coverage = at_end(ChainModel(difference=difference), trials).coverage
    assert (coverage >= 0.925).all()
    assert (coverage <= 0.955).all()


@pytest.mark.parametrize(("difference", "truth"), [("independent", 0.816), ("paired", 0.897)])
def test_models_of_bonds_are_overconfident_about_noisy_positions(difference, truth):
    trials = ChainTrials(cells=200, noise="positions", differences=(0.0,))
    result = at_end(ChainModel(difference=difference), trials)
    assert result.coverage[0] == pytest.approx(truth, abs=4 * result.coverage_error[0])


def test_the_edge_of_the_rope_is_decided_by_chance_alone():
    result = at_end(ChainModel(), ChainTrials(cells=200, differences=(0.1, 0.0, 0.2)))
    for rate in (result.at_end.symmetric[0], result.at_end.broken[0]):
        assert 0.01 < rate < 0.06
    assert result.at_end.symmetric[1] > 0.99
    assert result.at_end.broken[2] > 0.99
    total = result.at_end.symmetric + result.at_end.broken + result.at_end.undecided
    assert np.allclose(total, 1)


def test_stopping_at_the_first_decision_errs_more_often():
    reports = []
    trials = ChainTrials(cells=100, chains=300, stride=10, differences=(0.1,))
    result = finish(calibrate_chain(ChainModel(), trials), reports.append)
    assert result.at_first.symmetric[0] > 2 * result.at_end.symmetric[0]
    assert result.at_first.broken[0] > result.at_end.broken[0]
    assert 10 <= result.first_cells[0] <= 100
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert len(fractions) == 11


def test_stopping_at_a_precision_makes_no_errors_but_decides_less():
    trials = ChainTrials(cells=60, chains=300, differences=(0.0, 0.2), stride=1)
    result = finish(calibrate_chain(ChainModel(), trials))
    wrong = result.at_precision.broken[0], result.at_precision.symmetric[1]
    assert max(wrong) == 0
    assert (result.at_precision.undecided > result.at_end.undecided + 0.2).all()
    assert ((result.precision_cells >= 10) & (result.precision_cells < 30)).all()


def test_results_before_a_stop_are_kept():
    trials = ChainTrials(cells=20, chains=50, differences=(0.0, 0.3))
    assert np.isnan(finish(calibrate_chain(ChainModel(), trials), lambda _: True).coverage).all()
    result = at_end(ChainModel(), trials)
    assert np.isfinite(result.coverage).all()
    assert np.isnan(result.at_first.symmetric).all()
    one = finish(calibrate_chain(ChainModel(), trials), lambda p: "Stopping" in p.message and "0.3" in p.message)
    assert np.isfinite(one.at_first.symmetric[0])
    assert np.isnan(one.at_first.symmetric[1])


@pytest.mark.parametrize("noise", ["bonds", "positions"])
def test_trials_resemble_the_measured_chain(noise):
    odd, even = CASES[2]
    chain = simulate_chain(400, odd=odd, even=even, deviation=DEVIATION, noise=noise, seed=5)
    trials = ChainTrials.like(chain, ChainModel(hold_out=True), noise)
    assert trials.cells == 395
    assert trials.bond == pytest.approx(1, abs=0.02)
    assert trials.deviation == pytest.approx(DEVIATION, rel=0.1)
    assert trials.differences == pytest.approx((0, 0.1, 0.1), abs=0.05)


def test_the_seed_fixes_the_chains():
    first, again, other = (
        at_end(ChainModel(), ChainTrials(cells=15, chains=100, differences=(0.05,), seed=seed)) for seed in (1, 1, 2)
    )
    assert first.at_end.symmetric == again.at_end.symmetric
    assert first.at_end.symmetric != other.at_end.symmetric


def test_noise_excluded_by_the_prior_is_refused():
    with pytest.raises(InputError, match="move that bound"):
        at_end(ChainModel(), ChainTrials(cells=100, deviation=0.8, chains=50, differences=(0.0,)))

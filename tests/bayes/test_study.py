"""Decisions of windows of several sizes agree with those predicted from the noise."""

import numpy as np
import pytest
from walls import net

from local_crystallography.bayes.decision import Rope
from local_crystallography.bayes.study import Rule, predict, window_study
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish

RADII = (1.6, 3.1, 5.1)


@pytest.mark.parametrize("kind", ["a", "commonest", "strongest"])
@pytest.mark.parametrize("alternation", [0.0, 0.1])
def test_fractions_are_those_predicted(alternation, kind):
    made = [net(50, s=(alternation / 4, 0), sd=0.03, seed=seed) for seed in range(4)]
    study = finish(window_study(made, RADII, Rule(kind, fill=True)))
    seen, predicted = {
        0.0: (study.symmetric, study.predicted_symmetric),
        0.1: (study.broken, study.predicted_broken),
    }[alternation]
    assert seen == pytest.approx(predicted, abs=0.08)
    assert study.noise == pytest.approx(0.03, rel=0.03)
    assert study.cells.tolist() == [4.5, 14.5, 44.5]
    assert study.symmetric + study.broken + study.undecided + study.too_few == pytest.approx(np.ones(3))


def test_the_difference_is_that_of_broken_windows():
    assert finish(window_study([net(50, s=(0.03, 0), sd=0.03)], RADII, Rule("a"))).difference == pytest.approx(
        0.12, 0.05
    )
    assert finish(window_study([net(50, sd=0.03)], RADII, Rule("a"))).difference < 0.01


def test_the_prediction_agrees_with_simulated_posteriors():
    rng, se, degrees = np.random.default_rng(0), 0.02, 20
    rule = Rule("a")
    mean, scale = rng.normal(0, se, 100_000), se * np.sqrt(rng.chisquare(degrees, 100_000) / degrees)
    half = scale * 2.0  # close to the quantile of t with 20 degrees of freedom at 97 %: 1.9937
    symmetric = (np.abs(mean) + half <= 0.05).mean()
    broken = (np.abs(mean + 0.1) - half > 0.05).mean()
    assert predict(se, degrees, 0.1, rule) == pytest.approx((symmetric, broken), abs=0.01)


def test_pooled_noise_decides_more_in_small_windows():
    made = [net(50, s=(0.04, 0), sd=0.03)]
    plain, shared = (finish(window_study(made, (1.6,), Rule("a", pool=pool))) for pool in (False, True))
    assert shared.broken[0] > plain.broken[0] + 0.05


def test_it_can_be_stopped():
    seen = []
    study = finish(
        window_study([net(60, sd=0.03), net(5)], (6.1,), Rule(fill=True)), lambda p: seen.append(p.fraction) or True
    )
    assert len(seen) == 1
    assert 0 < seen[0] < 1
    assert study.symmetric[0] > 0.9


@pytest.mark.parametrize(("made", "radii"), [([], RADII), ([net(5)], ())])
def test_nothing_to_study_is_refused(made, radii):
    with pytest.raises(InputError, match="at least one"):
        finish(window_study(made, radii, Rule()))


def test_too_small_a_lattice_has_no_prediction():
    study = finish(window_study([net(2)], (1.6,), Rule("a", Rope(-0.05, 0.05))))
    assert study.too_few.tolist() == [1.0]
    assert np.isnan([study.difference, study.noise, study.predicted_broken[0]]).all()

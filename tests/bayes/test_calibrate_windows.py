"""Simulated windows give the coverage of the interval and the error rates of the decision."""

import numpy as np
import pytest

from local_crystallography.bayes.calibrate_windows import calibrate_windows
from local_crystallography.bayes.study import Rule
from local_crystallography.data.progress import finish

ASKED = {"radius": 3.1, "noise": 0.03, "windows": 400, "seed": 0}


@pytest.mark.parametrize("kind", ["a", "ab along b", "b across"])
def test_the_interval_has_its_nominal_coverage(kind):
    found = finish(calibrate_windows(Rule(kind), differences=(0.0, 0.1), **ASKED))
    assert found.coverage == pytest.approx(0.94, abs=4 * 0.012)
    assert found.symmetric + found.broken + found.undecided == pytest.approx(1)


def test_more_noise_decides_less():
    quiet, loud = (
        finish(calibrate_windows(Rule("a"), differences=(0.1,), **{**ASKED, "noise": noise})) for noise in (0.01, 0.06)
    )
    assert quiet.broken[0] > 0.95
    assert loud.undecided[0] > 0.5


def test_at_the_edge_of_the_rope_hardly_anything_is_decided():
    found = finish(calibrate_windows(Rule("a"), differences=(0.05,), **ASKED))
    assert found.undecided[0] > 0.88


def test_stopped_early_the_rest_is_unknown():
    seen = []
    found = finish(
        calibrate_windows(Rule("a"), differences=(0.0, 0.1), **ASKED),
        lambda progress: seen.append(progress) or len(seen) > 1,
    )
    assert np.isfinite(found.coverage[0])
    assert np.isnan(found.coverage[1])

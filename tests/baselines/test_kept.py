"""Cache of results of sub-images: computed once, kept as long as the sub-images."""

import gc
import weakref

import numpy as np
import pytest

from local_crystallography import Atoms, Describe, SubImages
from local_crystallography.baselines import components
from local_crystallography.baselines.kept import Kept
from local_crystallography.data.progress import finish


def sub_images(seed=0):
    rng = np.random.default_rng(seed)
    return SubImages(rng.random((40, 8, 8), np.float32), Atoms.at(rng.random((40, 2)) * 100))


def test_it_is_computed_once_for_every_setting_and_stack():
    asked = []
    count = Kept(lambda given, *, times: asked.append(times) or len(asked))
    one, other = sub_images(), sub_images()
    assert [count(one, times=1), count(one, times=1), count(one, times=2), count(other, times=1)] == [1, 1, 2, 3]


@pytest.mark.slow
def test_it_is_dropped_with_the_sub_images():
    class Result:
        pass

    compute = Kept(lambda given: Result())
    stack = sub_images()
    gone = weakref.ref(compute(stack))
    assert gone() is not None
    del stack
    gc.collect()
    assert gone() is None


def test_components_are_not_fitted_again(monkeypatch):
    stack, step = sub_images(1), Describe(methods=("PCA", "ICA"), components=2)
    described = step(stack, stack.atoms)
    assert step.has_loadings(stack)
    assert not Describe(methods=("PCA", "NMF"), components=2).has_loadings(stack)
    assert not step.has_loadings(sub_images(1))
    monkeypatch.setattr(components, "window_loadings", None)
    assert len(finish(step.loadings(stack))) == 4
    again = step(stack, stack.atoms)
    np.testing.assert_array_equal(again.features["ica1"], described.features["ica1"])

"""Weights of lattices: the true one wins, and simulations agree with the weights."""

import numpy as np
import pytest
from walls import net

from local_crystallography.bayes.weights import PRIOR, model_weights, region_weights
from local_crystallography.data.errors import InputError


@pytest.mark.parametrize(
    ("name", "kw"),
    [
        ("square", {}),
        ("rectangular", {"cell": ((1, 0), (0, 1.03))}),
        ("oblique", {"cell": ((1, 0), (0.03, 1.0))}),
        ("hexagonal", {"cell": ((1, 0), (-0.5, 0.75**0.5))}),
        ("hexagonal", {"cell": ((1, 0), (0.5, 0.75**0.5))}),
        ("doubled along a", {"s": (0.03, 0)}),
        ("doubled along b", {"s": (0.03, 0), "mode": (0, 1)}),
        ("doubled along a and b", {"s": (0.02, 0.02), "mode": (1, 1)}),
    ],
)
def test_the_true_lattice_has_the_greatest_weight(name, kw):
    found = [model_weights([net(12, sd=0.03, seed=seed, turn=0.3, **kw)]) for seed in range(20)]
    assert np.mean([weights.names[0] == name for weights in found]) >= 0.85
    assert np.mean([dict(zip(w.names, w.weights, strict=True))[name] for w in found]) > 0.7


def test_weights_sum_to_one_and_name_every_model():
    weights = model_weights([net(12, sd=0.03), net(9, sd=0.03, seed=1, turn=0.5)])
    assert weights.weights.sum() == pytest.approx(1)
    assert set(weights.names) == set(PRIOR)
    assert np.all(np.diff(weights.weights) <= 0)
    assert weights.atoms == 144 + 81


def test_bending_is_not_mistaken_for_another_cell():
    half = [part.part(part.index[:, 0] < 10) for part in (net(20, sd=0.02, bend=0.3, seed=s) for s in range(10))]
    assert sum(model_weights([one]).names[0] == "oblique" for one in half) >= 8  # bending shears one half
    bent = [net(20, sd=0.02, bend=0.3, seed=seed) for seed in range(10)]
    assert sum(model_weights([one]).names[0] == "square" for one in bent) >= 8


def test_regions_have_separate_weights():
    h = np.repeat(np.arange(30), 30)
    made = net(30, s=np.where(h < 15, 0.03, 0.0)[:, None] * (1.0, 0.0), sd=0.03)
    found = region_weights([made], np.where(h < 15, 1, np.where(h < 29, 0, -1)))
    assert {region: weights.names[0] for region, weights in found.items()} == {0: "square", 1: "doubled along a"}


@pytest.mark.parametrize("rows", [1, 2])
def test_too_small_a_region_has_no_weights(rows):
    made = net(20, sd=0.03)
    small = made.part(made.index[:, 0] < rows)
    assert region_weights([made], np.where(made.index[:, 0] < rows, 0, -1)) == {}
    with pytest.raises(InputError, match="larger region"):
        model_weights([small])


def test_another_degree_is_refused():
    with pytest.raises(InputError, match="1, 2 or 3"):
        model_weights([net(12)], distortion=0)

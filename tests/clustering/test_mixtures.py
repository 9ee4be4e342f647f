"""Mixtures: shapes of Gaussians, number of components, merging, distance."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from local_crystallography.clustering.mixtures import (
    Shape,
    criterion_curve,
    far,
    fit,
    fit_bayesian,
    fit_from,
    full_covariances,
    nearest_distance,
    normalised_entropy,
    outside_mixture,
)
from local_crystallography.data.progress import finish

RNG = np.random.default_rng(0)
FORMS = ("full", "tied", "diagonal", "spherical")
KIND = np.repeat([0, 1, 2], 300)
POINTS = np.array([[0, 0], [8, 0], [0, 8]])[KIND] + RNG.normal(0, 1, (900, 2))


@pytest.mark.parametrize("covariance", FORMS)
def test_every_form_of_gaussian_finds_round_groups(covariance):
    mixture = fit(POINTS, components=3, shape=Shape(covariance, 5, 0))
    assert adjusted_rand_score(KIND, mixture.predict(POINTS)) > 0.98
    np.testing.assert_allclose(full_covariances(mixture), np.tile(np.eye(2), (3, 1, 1)), atol=0.25)


@pytest.mark.parametrize("covariance", FORMS)
def test_a_mixture_starts_at_the_given_classes(covariance):
    """So that its components are in the order of the classes, whatever their positions."""
    given = np.full(900, -1)
    given[[5, 6, 7]], given[[310, 311]], given[[700, 701, 702]] = 2, 0, 1
    mixture = fit_from(POINTS, given, shape=Shape(covariance, 5, 0))
    np.testing.assert_allclose(mixture.means_, [[8, 0], [0, 8], [0, 0]], atol=0.3)


def test_bic_counts_gaussians_and_icl_counts_groups():
    """A group with a narrow core and a wide rim needs two overlapping Gaussians."""
    core = np.where(RNG.random(2000) < 0.5, 0.3, 1.0)[:, None]
    groups = np.repeat([[0, 0], [9, 0]], 1000, axis=0) + core * RNG.normal(0, 1, (2000, 2))
    curve = finish(criterion_curve(groups, shape=Shape("full", 10, 0), most=6))
    assert curve.components.tolist() == [1, 2, 3, 4, 5, 6]
    assert curve.best("BIC") == 4
    assert curve.best("ICL") == 2
    assert np.all(curve.icl >= curve.bic - 1e-6)


def test_few_points_are_not_compared_with_many_components():
    curve = finish(criterion_curve(RNG.normal(size=(12, 2)), shape=Shape("full", 3, 0)))
    assert curve.components.tolist() == [1, 2]


def test_a_curve_that_is_stopped_has_the_numbers_tried_so_far():
    points = RNG.normal(size=(200, 2))
    told = []
    curve = finish(criterion_curve(points, shape=Shape("full", 3, 0)), lambda now: told.append(now) or len(told) > 3)
    whole = finish(criterion_curve(points, shape=Shape("full", 3, 0)))
    assert curve.components.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(curve.bic, whole.bic[:3])
    assert [round(each.fraction, 3) for each in told] == [0, 0.1, 0.2, 0.3]


def test_a_bayesian_mixture_leaves_components_empty():
    mixture = fit_bayesian(POINTS, components=8, shape=Shape("full", 1, 0))
    assert len(np.unique(mixture.predict(POINTS))) < 8


@pytest.mark.parametrize(
    ("shares", "entropy"),
    [([1, 0, 0], 0), ([1 / 3, 1 / 3, 1 / 3], 1), ([0.5, 0.5, 0], np.log(2) / np.log(3)), ([1], 0), ([0.2, 0.2], 1)],
)
def test_entropy_ranges_from_certain_to_undecided(shares, entropy):
    np.testing.assert_allclose(normalised_entropy(np.array([shares], float)), [entropy], atol=1e-12)


def test_distance_is_counted_in_standard_deviations():
    distance = nearest_distance(
        np.array([[0.0, 6.0], [20.0, 0.0]]), np.array([[0, 0], [20, 1]]), np.array([np.diag([1, 4]), np.eye(2)])
    )
    np.testing.assert_allclose(distance, [9, 1])


def test_the_expected_fraction_of_a_gaussian_is_far():
    points = RNG.normal(size=(20_000, 3))
    distance = nearest_distance(points, np.zeros((1, 3)), np.eye(3)[None])
    assert far(distance, dimensions=3, tail=0.01).mean() == pytest.approx(0.01, abs=0.003)


def test_an_atom_between_the_classes_is_outside_all():
    points = np.append(POINTS, [[30.0, 30.0]], axis=0)
    mixture = fit(POINTS, components=3, shape=Shape("full", 5, 0))
    assert np.flatnonzero(outside_mixture(points, mixture, tail=1e-6)).tolist() == [900]

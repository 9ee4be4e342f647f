"""Every clustering method: the same groups, in the same form."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from local_crystallography.clustering.methods import Classes, by_agglomeration, by_hdbscan, by_k_means, outside, voted

RNG = np.random.default_rng(0)


def groups(n=900):
    kind = np.arange(n) % 3
    return np.array([[0, 0], [9, 0], [0, 9]])[kind] + RNG.normal(0, 1, (n, 2)), kind


METHODS = {
    "k-means": lambda points: by_k_means(points, classes=3, n_init=5, seed=0),
    "HDBSCAN": lambda points: by_hdbscan(points, smallest=0.05, seed=0),
    "agglomerative": lambda points: by_agglomeration(points, classes=3, seed=0),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [300, 12_000])
def test_far_groups_are_found(method, n):
    points, kind = groups(n)
    found = METHODS[method](points)
    sure = found.label >= 0
    assert sure.mean() > 0.85
    assert adjusted_rand_score(kind[sure], found.label[sure]) > 0.97


@pytest.mark.parametrize("method", METHODS)
def test_shares_are_probabilities(method):
    found = METHODS[method](groups()[0])
    assert found.shares.shape == (900, 3)
    assert found.shares.min() >= 0
    assert found.shares.sum(axis=1).max() <= 1 + 1e-9
    assert np.all(found.probability[found.label >= 0] > 0)
    assert np.isnan(found.probability[found.label < 0]).all()


def test_k_means_is_uncertain_at_the_border():
    points = np.append(groups()[0], [[4.5, 0.0]], axis=0)
    entropy = METHODS["k-means"](points).entropy
    assert entropy[-1] > 0.5
    assert np.median(entropy) < 0.01


def test_a_bent_ribbon_around_a_blob_is_one_dense_region():
    t = RNG.uniform(0, 2 * np.pi, 1500)
    ring = 8 * np.stack([np.cos(t), np.sin(t)], axis=1) + RNG.normal(0, 0.4, (1500, 2))
    points, kind = np.append(ring, RNG.normal(0, 0.5, (500, 2)), axis=0), np.repeat([0, 1], [1500, 500])
    found = by_hdbscan(points, smallest=0.05, seed=0).label
    assert adjusted_rand_score(kind[found >= 0], found[found >= 0]) == 1


def test_scattered_points_are_noise():
    points = np.append(groups()[0], [[40.0, 40.0], [-40.0, 40.0]], axis=0)
    assert METHODS["HDBSCAN"](points).label[-2:].tolist() == [-1, -1]


def test_one_cloud_is_one_dense_region():
    assert by_hdbscan(RNG.normal(size=(400, 2)), smallest=0.2, seed=0).label.max() == 0


def test_numbers_are_by_decreasing_size_and_none_stays_none():
    found = Classes(np.array([0, 1, 1, -1, 2, 2, 2]), np.eye(3)[[0, 1, 1, 0, 2, 2, 2]]).by_size()
    assert found.label.tolist() == [2, 1, 1, -1, 0, 0, 0]
    assert found.probability[[0, 1, 4]].tolist() == [1, 1, 1]


def test_the_nearest_known_point_gives_the_class():
    found = voted(np.array([[0.1], [9.0]]), np.array([[0.0], [1.0], [10.0]]), np.array([0, 1, -1]))
    assert found.label.tolist() == [0, -1]
    np.testing.assert_allclose(found.shares, 1 / 3)


@pytest.mark.parametrize("label", [np.zeros(201, int), np.full(201, -1)])
def test_only_points_far_from_all_classes_are_outside(label):
    points = np.append(RNG.normal(size=(200, 2)), [[30, 30]], axis=0)
    assert np.flatnonzero(outside(points, label, tail=1e-4)).tolist() == ([200] if label.max() == 0 else [])

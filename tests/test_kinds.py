"""Which Gaussians are one kind of site: valleys between them, where their atoms are, outliers, boundaries."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from local_crystallography import Atoms, Cluster
from local_crystallography.classes.kinds import kinds_of, like_neighbours, valley_along
from local_crystallography.classes.mixtures import Shape, fit
from local_crystallography.data.errors import InputError

SIDE = 36
GRID = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), -1).reshape(-1, 2)
CHECKS = GRID.sum(axis=1) % 2
HALVES = (GRID[:, 1] >= SIDE // 2).astype(int)
WIDTH = 0.25


def ribbons(kind, apart, *, outliers=0.0, seed=0):
    """Atoms on a square lattice whose latents fill a ribbon for every kind, some standard deviations apart."""
    rng = np.random.default_rng(seed)
    z = np.column_stack([apart * WIDTH * kind + rng.normal(0, WIDTH, len(kind)), rng.uniform(-4, 4, len(kind))])
    lost = rng.random(len(kind)) < outliers
    z[lost] = rng.normal((apart * WIDTH / 2, 0), (2, 3), (lost.sum(), 2))
    return Atoms.at(10.0 * GRID).with_features(z0=z[:, 0], z1=z[:, 1]), ~lost


@pytest.mark.parametrize("outliers", [0.03, 0.1])
@pytest.mark.parametrize("kind", [CHECKS, HALVES], ids=["alternating", "in two regions"])
def test_two_ribbons_with_outliers_between_are_two_classes(kind, outliers):
    atoms, within = ribbons(kind, 6.0, outliers=outliers)
    label = Cluster()(atoms).features["label"].to_numpy()
    assert label.max() == 1
    assert adjusted_rand_score(kind[within], label[within]) > 0.85


@pytest.mark.parametrize("kind", [CHECKS, HALVES], ids=["alternating", "in two regions"])
def test_clouds_with_hardly_a_valley_are_two_where_their_atoms_are_at_other_places(kind):
    rng = np.random.default_rng(0)
    z = np.column_stack([2.7 * kind, np.zeros(len(kind))]) + rng.normal(0, 1, (len(kind), 2))
    found = Cluster(components=2).kinds(Atoms.at(10.0 * GRID).with_features(z0=z[:, 0], z1=z[:, 1]))
    assert [pair.verdict for pair in found.pairs] == ["apart by place"]
    assert adjusted_rand_score(kind, found.shares.argmax(axis=1)) > 0.6
    mixed = Atoms.at(10.0 * GRID[rng.permutation(len(GRID))]).with_features(z0=z[:, 0], z1=z[:, 1])
    assert [pair.verdict for pair in Cluster(components=2).kinds(mixed).pairs] == ["merged"]


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_halves_of_one_ribbon_are_one_class(seed):
    atoms, _ = ribbons(np.zeros(len(GRID), int), 0, seed=seed)
    for components in (2, 3, 5):
        found = Cluster(components=components, n_init=5).kinds(atoms)
        assert found.shares.shape[1] == 1
        assert all("merged" in pair.words for pair in found.pairs)


def test_atoms_at_random_along_a_boundary_are_no_class():
    """Their latents lie on the way between the kinds, and no lattice carries them onto each other."""
    rng = np.random.default_rng(1)
    kind = (np.hypot(*(GRID - SIDE / 2).T) < 9).astype(int)
    edge = np.abs(np.hypot(*(GRID - SIDE / 2).T) - 9) < 0.8
    z = np.column_stack([6.0 * kind, np.zeros(len(kind))]) + rng.normal(0, 0.4, (len(kind), 2))
    z[edge] = (3, 0.8) + rng.normal(0, (1.2, 0.5), (edge.sum(), 2))
    label = Cluster(n_init=5)(Atoms.at(10.0 * GRID).with_features(z0=z[:, 0], z1=z[:, 1])).features["label"]
    assert label.max() == 1, np.bincount(label)
    assert adjusted_rand_score(kind[~edge], label[~edge]) == 1


@pytest.mark.parametrize("wanted", [1, 2, 3, 4, 5])
def test_as_many_classes_as_asked_for(wanted):
    rng = np.random.default_rng(0)
    kind = np.repeat(range(3), (300, 200, 40))
    z = np.array([(0, 0), (8, 0), (8, 6)])[kind] + rng.normal(0, 1, (len(kind), 2))
    atoms = Atoms.at(np.zeros((len(kind), 2))).with_features(z0=z[:, 0], z1=z[:, 1])
    made = Cluster(classes=wanted, components=6, n_init=3)(atoms).features
    assert made["label"].nunique() == wanted
    if wanted == 3:
        assert adjusted_rand_score(kind, made["label"]) > 0.95


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_small_far_class_goes_to_the_near_large_one_and_does_not_outlive_it(order):
    """In every order of components: that is up to chance."""
    rng = np.random.default_rng(0)
    kind = np.repeat(range(3), (300, 300, 20))
    points = np.array([(0, 0), (8, 0), (8, 2)])[kind] + rng.normal(0, 0.1, (len(kind), 2))
    mixture = fit(points, components=3, shape=Shape("full", 5, 0))
    for name in ("weights_", "means_", "covariances_"):
        setattr(mixture, name, getattr(mixture, name)[list(order)])
    found = kinds_of(points, mixture, np.zeros((len(kind), 2)), classes=2, valley=0.5)
    assert adjusted_rand_score(np.minimum(kind, 1), found.shares.argmax(axis=1)) == 1


def test_a_ribbon_that_varies_slowly_over_the_image_is_one_class():
    """As thickness or tilt make it, unevenly: most of the image is alike, and one side is not."""
    rng = np.random.default_rng(0)
    x = GRID[:, 1] / SIDE
    along = np.where(x < 0.6, 0.6 * x, 0.36 + 2.2 * (x - 0.6)) * 12
    z = np.column_stack([along + rng.normal(0, 0.8, len(x)), rng.normal(0, 1, len(x))])
    for components in (2, 3, 4):
        atoms = Atoms.at(10.0 * GRID).with_features(z0=z[:, 0], z1=z[:, 1])
        found = Cluster(components=components, valley=0.3).kinds(atoms)
        assert all(pair.verdict != "apart by place" for pair in found.pairs)


def test_a_valley_is_that_of_the_points():
    rng = np.random.default_rng(0)
    even = rng.uniform(-3, 9, (4000, 1))
    assert valley_along(even, np.array([0.0]), np.array([6.0]), np.eye(1)) > 0.8
    for apart, low, high in (
        (2, 0.9, 1),
        (3, 0.55, 0.85),
        (4, 0.25, 0.45),
        (6, 0, 0.1),
    ):  # 1, 0.64, 0.27, 0.02 in theory
        two = np.repeat([0.0, apart], 2000)[:, None] + rng.normal(0, 1, (4000, 1))
        assert low <= valley_along(two, np.array([0.0]), np.array([float(apart)]), np.eye(1)) <= high
    assert valley_along(even, np.array([1.0]), np.array([1.0]), np.eye(1)) == 1


def test_neighbours_tell_what_alternates_and_what_is_mixed():
    like, chance, clear = like_neighbours(1.0 * GRID, CHECKS == 0, CHECKS == 1)
    assert clear
    assert like < 0.8 * chance
    like, chance, clear = like_neighbours(1.0 * GRID, HALVES == 0, HALVES == 1)
    assert clear
    assert like > 1.5 * chance
    mixed = np.random.default_rng(0).random(len(GRID)) < 0.4
    like, chance, clear = like_neighbours(1.0 * GRID, mixed, ~mixed)
    assert not clear
    assert like == pytest.approx(chance, abs=0.03)


def test_reasons_need_a_mixture_and_old_recipes_still_open():
    atoms, _ = ribbons(CHECKS, 5.0)
    with pytest.raises(InputError, match="The method k-means merges no components"):
        Cluster(method="k-means", classes=2).kinds(atoms)
    assert Cluster.model_validate({"classes": 2, "mistaken": 0.005}) == Cluster(classes=2)

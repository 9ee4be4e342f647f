"""Gaussians of one kind of site: valleys between them, positions of their atoms, outliers, boundaries."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from local_crystallography import Atoms, Cluster, GaussianMixture, KMeans
from local_crystallography.clustering.angle_peaks import effective_order, scatter
from local_crystallography.clustering.kinds import kinds_of, valley_along
from local_crystallography.clustering.mixtures import Shape, fit
from local_crystallography.clustering.neighbours import like_neighbours
from local_crystallography.data.errors import InputError
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.encode import beyond_noise

SIDE = 36
GRID = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), -1).reshape(-1, 2)
CHECKS = GRID.sum(axis=1) % 2
HALVES = (GRID[:, 1] >= SIDE // 2).astype(int)
WIDTH = 0.25


def ribbons(kind, apart, *, outliers=0.0, seed=0):
    """Atoms on a square lattice, with latents that fill a ribbon for every kind, a few standard deviations apart."""
    rng = np.random.default_rng(seed)
    z = np.column_stack([apart * WIDTH * kind + rng.normal(0, WIDTH, len(kind)), rng.uniform(-4, 4, len(kind))])
    lost = rng.random(len(kind)) < outliers
    z[lost] = rng.normal((apart * WIDTH / 2, 0), (2, 3), (lost.sum(), 2))
    return Atoms.at(10.0 * GRID).with_features(z0=z[:, 0], z1=z[:, 1]), ~lost


@pytest.mark.slow
@pytest.mark.parametrize("outliers", [0.03, 0.1])
@pytest.mark.parametrize("kind", [CHECKS, HALVES], ids=["alternating", "in two regions"])
def test_two_ribbons_with_outliers_between_are_two_classes(kind, outliers):
    atoms, within = ribbons(kind, 6.0, outliers=outliers)
    label = Cluster()(atoms).features["label"].to_numpy()
    assert label.max() == 1
    assert adjusted_rand_score(kind[within], label[within]) > 0.85


@pytest.mark.parametrize("kind", [CHECKS, HALVES], ids=["alternating", "in two regions"])
def test_clouds_with_a_shallow_valley_are_two_where_their_atoms_are_separate(kind):
    rng = np.random.default_rng(0)
    z = np.column_stack([2.7 * kind, np.zeros(len(kind))]) + rng.normal(0, 1, (len(kind), 2))
    found = Cluster(by=GaussianMixture(components=2)).kinds(Atoms.at(10.0 * GRID).with_features(z0=z[:, 0], z1=z[:, 1]))
    assert [pair.verdict for pair in found.pairs] == ["separated by position"]
    assert adjusted_rand_score(kind, found.shares.argmax(axis=1)) > 0.6
    mixed = Atoms.at(10.0 * GRID[rng.permutation(len(GRID))]).with_features(z0=z[:, 0], z1=z[:, 1])
    assert [pair.verdict for pair in Cluster(by=GaussianMixture(components=2)).kinds(mixed).pairs] == ["merged"]


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_halves_of_one_ribbon_are_one_class(seed):
    atoms, _ = ribbons(np.zeros(len(GRID), int), 0, seed=seed)
    for components in (2, 3, 5):
        found = Cluster(by=GaussianMixture(components=components, n_init=5)).kinds(atoms)
        assert found.shares.shape[1] == 1
        assert all("merged" in pair.words for pair in found.pairs)


def test_atoms_at_random_along_a_boundary_are_no_class():
    """Their latents lie between those of the kinds, and they follow no lattice."""
    rng = np.random.default_rng(1)
    kind = (np.hypot(*(GRID - SIDE / 2).T) < 9).astype(int)
    edge = np.abs(np.hypot(*(GRID - SIDE / 2).T) - 9) < 0.8
    z = np.column_stack([6.0 * kind, np.zeros(len(kind))]) + rng.normal(0, 0.4, (len(kind), 2))
    z[edge] = (3, 0.8) + rng.normal(0, (1.2, 0.5), (edge.sum(), 2))
    label = Cluster(by=GaussianMixture(n_init=5))(Atoms.at(10.0 * GRID).with_features(z0=z[:, 0], z1=z[:, 1])).features[
        "label"
    ]
    assert label.max() == 1, np.bincount(label)
    assert adjusted_rand_score(kind[~edge], label[~edge]) == 1


@pytest.mark.parametrize("wanted", [1, 2, 3, 4, 5])
def test_as_many_classes_as_requested(wanted):
    rng = np.random.default_rng(0)
    kind = np.repeat(range(3), (300, 200, 40))
    z = np.array([(0, 0), (8, 0), (8, 6)])[kind] + rng.normal(0, 1, (len(kind), 2))
    atoms = Atoms.at(np.zeros((len(kind), 2))).with_features(z0=z[:, 0], z1=z[:, 1])
    made = Cluster(by=GaussianMixture(classes=wanted, components=6, n_init=3))(atoms).features
    assert made["label"].nunique() == wanted
    if wanted == 3:
        assert adjusted_rand_score(kind, made["label"]) > 0.95


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_small_far_class_goes_to_the_near_large_one_and_does_not_outlive_it(order):
    """In every order of components, which is random."""
    rng = np.random.default_rng(0)
    kind = np.repeat(range(3), (300, 300, 20))
    points = np.array([(0, 0), (8, 0), (8, 2)])[kind] + rng.normal(0, 0.1, (len(kind), 2))
    mixture = fit(points, components=3, shape=Shape("full", 5, 0))
    for name in ("weights_", "means_", "covariances_"):
        setattr(mixture, name, getattr(mixture, name)[list(order)])
    found = kinds_of(points, mixture, np.zeros((len(kind), 2)), classes=2, valley=0.5)
    assert adjusted_rand_score(np.minimum(kind, 1), found.shares.argmax(axis=1)) == 1


@pytest.mark.slow
def test_a_ribbon_that_varies_slowly_over_the_image_is_one_class():
    """Like an uneven thickness or tilt: most of the image is uniform, and one side is not."""
    rng = np.random.default_rng(0)
    x = GRID[:, 1] / SIDE
    along = np.where(x < 0.6, 0.6 * x, 0.36 + 2.2 * (x - 0.6)) * 12
    z = np.column_stack([along + rng.normal(0, 0.8, len(x)), rng.normal(0, 1, len(x))])
    for components in (2, 3, 4):
        atoms = Atoms.at(10.0 * GRID).with_features(z0=z[:, 0], z1=z[:, 1])
        found = Cluster(by=GaussianMixture(components=components, valley=0.3)).kinds(atoms)
        assert all(pair.verdict != "separated by position" for pair in found.pairs)


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


def test_neighbours_distinguish_alternation_from_mixing():
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
    with pytest.raises(InputError, match="k-means merges no components"):
        Cluster(by=KMeans(classes=2)).kinds(atoms)
    assert Cluster.model_validate({"classes": 2, "mistaken": 0.005}) == Cluster(by=GaussianMixture(classes=2))


def motif(turn, *, middle=1.0, side=24):
    """A window of three columns around a fourth, rotated."""
    axis = np.arange(side) - (side - 1) / 2
    y, x = np.meshgrid(axis, axis, indexing="ij")
    window = middle * np.exp(-(y**2 + x**2) / 8)
    for height, radius, angle in ((1.0, 7, 0.0), (0.7, 8, 1.9), (0.5, 6, 3.6)):
        dy, dx = -radius * np.sin(angle + turn), radius * np.cos(angle + turn)
        window += height * np.exp(-((y - dy) ** 2 + (x - dx) ** 2) / 8)
    return window


def windows_of(turns, middles, noise=0.05):
    rng = np.random.default_rng(0)
    made = {each: motif(each[0], middle=each[1]) for each in set(zip(turns.tolist(), middles.tolist(), strict=True))}
    pictures = np.stack([made[each] for each in zip(turns.tolist(), middles.tolist(), strict=True)])
    return (pictures + rng.normal(0, noise, pictures.shape)).astype(np.float32)


def two_clouds(kind):
    return np.column_stack([9.0 * kind, np.zeros(len(kind))]) + np.random.default_rng(1).normal(0, 1, (len(kind), 2))


def test_two_grains_learned_as_two_motifs_are_one_kind_with_a_common_angle_reference():
    z = two_clouds(HALVES)
    atoms = Atoms.at(10.0 * GRID).with_features(z0=z[:, 0], z1=z[:, 1], angle_rad=0.0)
    cut = SubImages(windows_of(np.where(HALVES, 0.7, 0.0), np.ones(len(HALVES))), atoms)
    found = Cluster(by=GaussianMixture(n_init=3)).kinds(atoms, cut)
    assert found.shares.shape[1] == 1
    assert [pair.verdict for pair in found.pairs][-1] == "the same motif rotated"
    assert "when rotated by 40 degrees" in found.pairs[-1].words
    assert found.turn[HALVES == 1].mean() - found.turn[HALVES == 0].mean() == pytest.approx(0.7, abs=0.01)
    assert Cluster(by=GaussianMixture(n_init=3))(atoms, cut).features["label"].max() == 0
    assert Cluster(by=GaussianMixture(n_init=3))(atoms).features["label"].max() == 1
    assert Cluster(by=GaussianMixture(n_init=3, classes=2))(atoms, cut).features["label"].max() == 1


@pytest.mark.parametrize("kind", [CHECKS, HALVES], ids=["alternating", "in two regions"])
def test_kinds_that_differ_by_a_column_stay_two_however_similar_they_are(kind):
    """Without rotation; a rotated one differs too."""
    z = two_clouds(kind)
    atoms = Atoms.at(10.0 * GRID).with_features(z0=z[:, 0], z1=z[:, 1], angle_rad=0.0)
    for turn in (0.0, 0.7):
        cut = SubImages(windows_of(np.where(kind, turn, 0.0), np.where(kind, 0.6, 1.0)), atoms)
        assert Cluster(by=GaussianMixture(n_init=3)).kinds(atoms, cut).shares.shape[1] == 2


def test_regions_with_the_same_motif_are_one_kind_unless_their_contrast_differs():
    z = two_clouds(HALVES)
    atoms = Atoms.at(10.0 * GRID).with_features(z0=z[:, 0], z1=z[:, 1], angle_rad=0.0)
    windows = windows_of(np.zeros(len(HALVES)), np.ones(len(HALVES)))
    assert Cluster(by=GaussianMixture(n_init=3)).kinds(atoms, SubImages(windows, atoms)).shares.shape[1] == 1
    brighter = windows * np.where(HALVES, 1.4, 1.0)[:, None, None].astype(np.float32)
    assert Cluster(by=GaussianMixture(n_init=3)).kinds(atoms, SubImages(brighter, atoms)).shares.shape[1] == 2


def test_rotations_are_measured_between_aligned_mean_images():
    """A class of two orientations, distinguished by angles, merges with a third grain."""
    grain = GRID[:, 1] * 3 // SIDE
    z, turns = two_clouds((grain == 2).astype(int)), np.array([0.0, 0.5, 1.2])[grain]
    atoms = Atoms.at(10.0 * GRID).with_features(z0=z[:, 0], z1=z[:, 1], angle_rad=np.where(grain == 2, 0.0, turns))
    found = Cluster(by=GaussianMixture(n_init=3)).kinds(atoms, SubImages(windows_of(turns, np.ones(len(turns))), atoms))
    assert found.shares.shape[1] == 1
    angle = atoms.features["angle_rad"] + found.turn
    assert angle[grain == 2].mean() - angle[grain == 0].mean() == pytest.approx(1.2, abs=0.01)


def test_rotations_that_differ_by_noise_alone_are_equivalent():
    rng = np.random.default_rng(0)
    yx = 10.0 * GRID
    hopping = np.deg2rad(20) + np.deg2rad(60) * rng.integers(0, 3, len(yx)) + rng.normal(0, 0.01, len(yx))
    assert effective_order(hopping, 2, yx) == 6
    alternating = np.deg2rad(20) + np.deg2rad(60) * CHECKS + rng.normal(0, 0.01, len(yx))
    grains = np.deg2rad(20) + np.deg2rad(60) * HALVES + rng.normal(0, 0.01, len(yx))
    assert effective_order(alternating, 2, yx) == effective_order(grains, 2, yx) == 2
    assert effective_order(alternating, 1, yx) == effective_order(grains, 1, yx) == 1
    assert effective_order(np.deg2rad(25) * HALVES + rng.normal(0, 0.01, len(yx)), 4, yx) == 4


@pytest.mark.parametrize("kind", [np.zeros(len(GRID)), CHECKS, HALVES], ids=["one", "alternating", "two grains"])
def test_the_scatter_of_angles_excludes_grains_and_slow_variations(kind):
    rng = np.random.default_rng(0)
    angle = 0.4 * kind + 0.0005 * 10 * GRID[:, 0] + rng.normal(0, 0.02, len(kind))
    angle[::50] += 1.0
    assert scatter(angle, 1, 10.0 * GRID) == pytest.approx(0.02, rel=0.1)


def test_deviations_of_angles_are_those_among_neighbours_for_every_kind():
    rng = np.random.default_rng(0)
    angle = rng.normal(0, np.where(CHECKS, 0.01, 0.03))
    atoms, order = Atoms.at(10.0 * GRID), np.full(len(GRID), 4)
    times = beyond_noise(atoms, angle, np.full(len(GRID), 0.02), order, CHECKS)
    assert times[CHECKS == 1] == pytest.approx(0.5, rel=0.1)
    assert times[CHECKS == 0] == pytest.approx(1.5, rel=0.1)
    assert (beyond_noise(atoms, angle, np.full(len(GRID), 1.0), order, CHECKS) == 1).all()

"""Classes in the latent space."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from local_crystallography import (
    Agglomerative,
    Analysis,
    Atoms,
    BayesianMixture,
    Cluster,
    GaussianMixture,
    Hdbscan,
    KMeans,
)
from local_crystallography.clustering.doubts import doubts
from local_crystallography.clustering.summary import sentence
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish
from local_crystallography.data.subimages import SubImages

RNG = np.random.default_rng(0)
HAND = {"z0": np.arange(10.0), "hand_label": np.arange(10) % 3 - 1}
METHODS = (GaussianMixture, BayesianMixture, KMeans, Hdbscan, Agglomerative)


def few_starts(method, **settings):
    """A method with few starts, where it has any."""
    given = {"n_init": 2, **settings}
    return method(**{name: value for name, value in given.items() if name in method.model_fields})


def three_groups(n=400):
    kind = np.repeat([0, 1, 2], [n, n // 2, n // 4])
    centres = np.array([[0, 0], [6, 0], [0, 6]])
    z = centres[kind] + RNG.normal(0, 1, (len(kind), 2))
    return Atoms.at(np.zeros((len(kind), 2))).with_features(z0=z[:, 0], z1=z[:, 1]), kind


@pytest.mark.slow
def test_the_number_of_classes_is_found():
    atoms, kind = three_groups()
    assert Cluster().resolve(atoms).by.classes == 3
    assert adjusted_rand_score(kind, Cluster()(atoms).features["label"]) > 0.97


@pytest.mark.slow
def test_one_round_cloud_is_one_class():
    z = RNG.normal(0, 1, (500, 2))
    assert Cluster().resolve(Atoms.at(np.zeros((500, 2))).with_features(z0=z[:, 0], z1=z[:, 1])).by.classes == 1


@pytest.mark.slow
def test_long_ribbons_are_told_apart():
    """As a thickness wedge makes them: far longer than they are apart."""
    along = RNG.uniform(-5, 5, 600)
    kind = RNG.integers(0, 3, 600)
    atoms = Atoms.at(np.zeros((600, 2))).with_features(z0=along, z1=kind - 0.04 * along + RNG.normal(0, 0.08, 600))
    assert adjusted_rand_score(kind, Cluster(by=GaussianMixture(classes=3))(atoms).features["label"]) > 0.99


@pytest.mark.slow
def test_a_bent_ribbon_is_one_class():
    t = RNG.uniform(0, np.pi, 800)
    arc = np.stack([np.cos(t), np.sin(t)], axis=1) * 5 + RNG.normal(0, 0.4, (800, 2))
    blob = RNG.normal(0, 0.3, (200, 2))
    z = np.concatenate([arc, blob])
    atoms = Atoms.at(np.zeros((1000, 2))).with_features(z0=z[:, 0], z1=z[:, 1])
    assert Cluster().resolve(atoms).by.components > 2
    assert adjusted_rand_score(np.repeat([0, 1], [800, 200]), Cluster()(atoms).features["label"]) == 1


@pytest.mark.slow
def test_labels_go_by_falling_size():
    label = Cluster(by=GaussianMixture(classes=3))(three_groups()[0]).features["label"]
    assert np.all(np.diff(np.bincount(label)) < 0)


@pytest.mark.slow
def test_atoms_without_latents_have_no_class():
    atoms, _ = three_groups()
    z0 = atoms.features["z0"].where(atoms.ids > 10)
    features = Cluster(by=GaussianMixture(classes=3))(atoms.with_features(z0=z0)).features
    assert (features["label"][:11] == -1).all()
    assert features["label_probability"][:11].isna().all()
    assert (features["label"][11:] >= 0).all()


@pytest.mark.slow
def test_angles_do_not_break_at_pi():
    angle = np.pi + RNG.normal(0, 0.1, 300)
    other = RNG.normal(0, 0.1, 300)
    both = np.angle(np.exp(1j * np.concatenate([angle, other])))
    atoms = Atoms.at(np.zeros((600, 2))).with_features(angle_rad=both)
    label = Cluster(columns=("angle_rad",), by=GaussianMixture(classes=2))(atoms).features["label"]
    assert adjusted_rand_score(np.repeat([0, 1], 300), label) == 1


@pytest.mark.slow
def test_the_same_seed_gives_the_same_labels():
    atoms, _ = three_groups()
    assert Cluster(seed=5)(atoms).features.equals(Cluster(seed=5)(atoms).features)


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (("z0", "z1", "zernike0", "zernike_2_0"), ("z0", "z1")),
        (("zernike0", "zernike1", "zernike_2_0", "fold_2"), ("zernike0", "zernike1")),
    ],
)
def test_latents_come_before_components(there, taken):
    atoms = Atoms.at(np.zeros((100, 2))).with_features(**{name: RNG.normal(size=100) for name in there})
    assert Cluster(by=GaussianMixture(classes=1, components=1)).resolve(atoms).columns == taken


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_tells_far_groups_apart(method):
    atoms, kind = three_groups()
    spread = atoms.features[["z0", "z1"]].to_numpy() + 3 * np.array([[0, 0], [6, 0], [0, 6]])[kind]
    atoms = atoms.with_features(z0=spread[:, 0], z1=spread[:, 1])
    found = Cluster(by=few_starts(method, n_init=5))(atoms).features
    sure = found["label"] >= 0
    assert sure.mean() > 0.9
    assert (found["label"][sure] == kind[sure]).all()  # by falling size
    assert found["label_entropy"][sure].between(0, 1).all()
    assert found["label_probability"][~sure].isna().all()
    assert found["label_entropy"][~sure].isna().all()


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_the_step_that_was_used_gives_the_same_classes(method):
    atoms, _ = three_groups()
    step = Cluster(by=few_starts(method, n_init=3))
    used = step.resolve(atoms)
    assert used.resolve(atoms) == used
    assert used(atoms).features.equals(step(atoms).features)


@pytest.mark.slow
@pytest.mark.parametrize("method", [method for method in METHODS if method is not Hdbscan])
def test_one_class_is_certain(method):
    found = Cluster(by=method(classes=1))(three_groups()[0]).features
    assert (found["label"] == 0).all()
    np.testing.assert_allclose(found["label_probability"], 1)
    np.testing.assert_allclose(found["label_entropy"], 0)


def test_entropy_is_high_where_groups_meet():
    z0 = np.concatenate([RNG.normal(0, 1, 500), RNG.normal(5, 1, 500), [2.5]])
    entropy = Cluster(by=GaussianMixture(classes=2, components=2))(
        Atoms.at(np.zeros((1001, 2))).with_features(z0=z0)
    ).features["label_entropy"]
    assert entropy.iloc[-1] > 0.8
    assert entropy.median() < 0.05


def test_an_atom_off_the_groups_is_an_outlier_only_where_asked_for():
    atoms, _ = three_groups()
    z = atoms.features[["z0", "z1"]].to_numpy().copy()
    z[5] = 14, 14
    atoms = atoms.with_features(z0=z[:, 0], z1=z[:, 1])
    assert Cluster(by=GaussianMixture(components=3))(atoms).features["label"][5] >= 0
    found = Cluster(by=GaussianMixture(components=3), outliers=1e-5)(atoms).features
    assert np.flatnonzero(found["label"] < 0).tolist() == [5]
    assert np.isnan(found["label_probability"][5])


def test_angles_do_not_break_at_the_symmetry_of_the_motif():
    """A square motif at 44 and at 46 degrees, folded to -44, is the same."""
    angle = np.repeat([np.pi / 4, 0.0], 300) + RNG.normal(0, 0.05, 600)
    folded = angle - np.pi / 2 * np.round(angle / (np.pi / 2))
    atoms = Atoms.at(np.zeros((600, 2))).with_features(angle_rad=folded, symmetry_order=4)
    two = Cluster(columns=("angle_rad",), by=GaussianMixture(classes=2, components=2))
    for step in (two, two.model_copy(update={"period": 4})):
        assert adjusted_rand_score(np.repeat([0, 1], 300), step(atoms).features["label"]) == 1


@pytest.mark.parametrize("method", [GaussianMixture, KMeans])
def test_classes_started_by_hand_keep_their_numbers(method):
    atoms, kind = three_groups()
    hand = np.full(len(kind), -1)
    for number, group in ((7, 0), (2, 1), (4, 2)):
        hand[np.flatnonzero(kind == group)[:5]] = number
    label = Cluster(by=method(start_from="hand_label"))(atoms.with_features(hand_label=hand)).features["label"]
    assert (label == np.array([7, 2, 4])[kind]).mean() > 0.98


@pytest.mark.slow
def test_the_curve_is_lowest_at_the_components_taken():
    atoms, _ = three_groups()
    curve = finish(Cluster().curve(atoms))
    assert curve.best("BIC") == Cluster().resolve(atoms).by.components == 3
    assert len(curve.components) == len(curve.bic) == len(curve.icl) == 10


def analysed():
    analysis = Analysis()
    atoms, kind = three_groups()
    yx = np.stack(np.divmod(np.arange(len(kind)), 30), axis=1) * 10.0
    analysis.atoms = Atoms(yx, atoms.features)
    finish(analysis.apply(Cluster(by=GaussianMixture(classes=3, components=3))))
    return analysis, kind


@pytest.mark.slow
def test_classes_keep_their_number_when_sorted_again():
    """Though by size they would now be another."""
    analysis, kind = analysed()
    assert "label" in analysis.columns["cluster"]
    analysis.atoms = analysis.atoms[kind != 0].without(analysis.columns["cluster"])
    finish(analysis.apply(Cluster(by=GaussianMixture(classes=2, components=2))))
    assert (analysis.atoms.features["label"].to_numpy() == kind[kind != 0]).mean() > 0.98
    made = {"label", "label_probability", "label_entropy", "environment", "borders_label"}
    assert set(analysis.columns["cluster"]) == made


@pytest.mark.slow
def test_classes_merged_by_hand_keep_their_numbers_when_sorted_again():
    analysis, kind = analysed()
    label = analysis.atoms.features["label"]
    analysis.atoms = analysis.atoms.with_features(label=label.replace({0: 5}))
    finish(analysis.apply(Cluster(by=GaussianMixture(classes=3, components=3), seed=3)))
    assert (analysis.atoms.features["label"].to_numpy() == np.array([5, 1, 2])[kind]).mean() > 0.98


@pytest.mark.parametrize(
    ("step", "columns", "words"),
    [
        (Cluster(), {}, r"no latents \(columns z0, z1, … or zernike0, zernike1, …\) yet"),
        (Cluster(columns=("z7",)), {"z0": np.arange(10.0)}, "no column z7"),
        (Cluster(), {"z0": np.ones(10)}, "same for every atom"),
        (Cluster(), {"z0": np.full(10, np.nan)}, "encode the atoms first"),
        (Cluster(by=GaussianMixture(components=20)), {"z0": np.arange(10.0)}, "at most 10"),
        (
            Cluster(by=GaussianMixture(components=2, classes=3)),
            {"z0": np.arange(10.0)},
            "cannot be made of 2 components",
        ),
        (Cluster(by=GaussianMixture(classes=20)), {"z0": np.arange(10.0)}, "20 classes cannot be made of 10 atoms"),
        (
            Cluster(by=GaussianMixture(classes=4)),
            {"z0": np.where(np.arange(10) < 3, np.arange(10.0), np.nan)},
            "4 classes cannot be made of 3 atoms",
        ),
        (Cluster(by=KMeans(classes=3)), {"z0": np.arange(10) % 2}, "of which 2 differ in these columns"),
        (
            Cluster(by=GaussianMixture(start_from="hand_label")),
            {"z0": np.arange(10.0), "hand_label": ["a"] * 10},
            "hand_label contains text",
        ),
        (Cluster(by=BayesianMixture(components=20)), {"z0": np.arange(10.0)}, "at most 10"),
        (Cluster(by=KMeans(classes=11)), {"z0": np.arange(10.0)}, "11 classes cannot be made of 10 atoms"),
        (Cluster(by=Agglomerative(classes=11)), {"z0": np.arange(10.0)}, "11 classes cannot be made of 10 atoms"),
        (
            Cluster(by=GaussianMixture(start_from="hand_label")),
            {"z0": np.arange(10.0)},
            "No atom with latents has a class assigned by hand",
        ),
        (
            Cluster(by=GaussianMixture(start_from="hand_label", classes=3)),
            HAND,
            "3 classes were requested, but 2 classes are assigned by hand",
        ),
        (Cluster(columns=("kind",)), {"kind": ["a"] * 10}, "Column kind contains text"),
    ],
)
def test_what_cannot_be_sorted_is_said(step, columns, words):
    with pytest.raises(InputError, match=words):
        step(Atoms.at(np.zeros((10, 2))).with_features(**columns))


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-13, 1e200])
@pytest.mark.parametrize("method", METHODS)
def test_the_unit_of_a_column_changes_nothing(method, scale):
    atoms, _ = three_groups(60)
    step = Cluster(by=few_starts(method))
    scaled = atoms.with_features(z0=atoms.features["z0"] * scale)
    assert adjusted_rand_score(step(atoms).features["label"], step(scaled).features["label"]) == 1


def test_a_constant_of_any_size_is_constant():
    with pytest.raises(InputError, match="z1 is the same for every atom"):
        Cluster()(Atoms.at(np.zeros((300, 2))).with_features(z0=np.arange(300.0), z1=np.full(300, 1234567.123)))


@pytest.mark.slow
@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal", "spherical"])
@pytest.mark.parametrize("method", METHODS)
def test_a_column_that_follows_from_another_is_no_obstacle(method, covariance):
    atoms, _ = three_groups(60)
    atoms = atoms.with_features(z2=3 * atoms.features["z0"] + 1)
    made = Cluster(by=few_starts(method, covariance=covariance))(atoms)
    assert (made.features["label"] >= 0).any()


def test_an_angle_named_twice_counts_once():
    atoms = Atoms.at(np.zeros((90, 2))).with_features(angle_rad=np.repeat([0.0, 1.0, 2.0], 30) + RNG.normal(0, 0.1, 90))
    once, twice = (Cluster(columns=("angle_rad",) * n, by=GaussianMixture(n_init=2))(atoms) for n in (1, 2))
    np.testing.assert_array_equal(once.features["label"], twice.features["label"])


def test_a_class_that_no_atom_with_latents_has_is_no_obstacle():
    atoms, kind = three_groups(60)
    z1 = np.where(kind == 2, np.nan, atoms.features["z1"])
    made = Cluster(columns=("z0", "z1", "hand_label"), by=GaussianMixture(n_init=2))(
        atoms.with_features(z1=z1, hand_label=kind)
    )
    assert adjusted_rand_score(np.where(kind == 2, -1, kind), made.features["label"]) == 1


@pytest.mark.parametrize(
    "step", [Cluster(by=GaussianMixture(components=50, n_init=1)), Cluster(by=GaussianMixture(start_from="hand_label"))]
)
def test_the_step_that_was_used_can_be_read_again(step):
    """Or the session that was made with it could not be opened."""
    atoms = Atoms.at(np.zeros((500, 2))).with_features(z0=np.arange(500.0), hand_label=np.arange(500) % 40)
    used = step.replace(by=step.by.replace(valley=0.9)).resolve(atoms)
    assert used.by.classes is not None
    assert Cluster.model_validate(used.model_dump()) == used


def test_too_many_classes_by_hand_are_refused():
    atoms = Atoms.at(np.zeros((60, 2))).with_features(z0=np.arange(60.0), hand_label=np.arange(60))
    with pytest.raises(InputError, match="60 classes are given by hand, at most 50"):
        Cluster(by=GaussianMixture(start_from="hand_label"))(atoms)


@pytest.mark.parametrize("count", [8, 30, 200])
@pytest.mark.parametrize("windows", ["noise", "constant"])
@pytest.mark.parametrize("latents", ["one kind", "all over", "two points", "some unknown"])
def test_few_atoms_odd_latents_and_empty_sub_images_are_no_trouble(count, windows, latents):
    rng = np.random.default_rng(0)
    z = rng.normal(0, 1, (count, 2))
    if latents == "all over":
        z = rng.standard_cauchy((count, 2)) * 100
    elif latents == "two points":
        z = np.repeat([[0.0, 0.0], [1.0, 2.0]], [count // 2, count - count // 2], axis=0)
    elif latents == "some unknown":
        z[: count // 4] = np.nan
    pictures = rng.normal(0, 1, (count, 16, 16)) if windows == "noise" else np.ones((count, 16, 16))
    pose = {"angle_rad": rng.uniform(-3, 3, count), "angle_std_rad": np.full(count, 0.01)}
    places = rng.uniform(0, 200, (count, 2)) if windows == "noise" else 10.0 * np.argwhere(np.ones((count // 5 + 1, 5)))
    atoms = Atoms.at(places[:count]).with_features(z0=z[:, 0], z1=z[:, 1], **pose, symmetry_order=np.ones(count))
    made = Cluster(by=GaussianMixture(n_init=2))(atoms, SubImages(pictures.astype(np.float32), atoms))
    label = made.features["label"].to_numpy()
    assert ((label >= 0) == np.isfinite(z).all(axis=1)).all()
    assert ((made.features["environment"] >= 0).to_numpy() == (label >= 0)).all()
    assert sentence(made)
    doubts(made, SubImages(pictures.astype(np.float32), atoms), None)

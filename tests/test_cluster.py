"""Classes in the latent space."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from local_crystallography import Atoms, Cluster
from local_crystallography.data.errors import InputError

RNG = np.random.default_rng(0)


def three_groups(n=400):
    kind = np.repeat([0, 1, 2], [n, n // 2, n // 4])
    centres = np.array([[0, 0], [6, 0], [0, 6]])
    z = centres[kind] + RNG.normal(0, 1, (len(kind), 2))
    return Atoms.at(np.zeros((len(kind), 2))).with_features(z0=z[:, 0], z1=z[:, 1]), kind


def test_the_number_of_classes_is_found():
    atoms, kind = three_groups()
    assert Cluster().resolve(atoms).classes == 3
    assert adjusted_rand_score(kind, Cluster()(atoms).features["label"]) > 0.97


def test_one_round_cloud_is_one_class():
    z = RNG.normal(0, 1, (500, 2))
    assert Cluster().resolve(Atoms.at(np.zeros((500, 2))).with_features(z0=z[:, 0], z1=z[:, 1])).classes == 1


def test_long_ribbons_are_told_apart():
    """As a thickness wedge makes them: far longer than they are apart."""
    along = RNG.uniform(-5, 5, 600)
    kind = RNG.integers(0, 3, 600)
    atoms = Atoms.at(np.zeros((600, 2))).with_features(z0=along, z1=kind - 0.04 * along + RNG.normal(0, 0.08, 600))
    assert adjusted_rand_score(kind, Cluster(classes=3)(atoms).features["label"]) > 0.99


def test_a_bent_ribbon_is_one_class():
    t = RNG.uniform(0, np.pi, 800)
    arc = np.stack([np.cos(t), np.sin(t)], axis=1) * 5 + RNG.normal(0, 0.4, (800, 2))
    blob = RNG.normal(0, 0.3, (200, 2))
    z = np.concatenate([arc, blob])
    atoms = Atoms.at(np.zeros((1000, 2))).with_features(z0=z[:, 0], z1=z[:, 1])
    assert Cluster().resolve(atoms).components > 2
    assert adjusted_rand_score(np.repeat([0, 1], [800, 200]), Cluster()(atoms).features["label"]) == 1


def test_labels_go_by_falling_size():
    label = Cluster(classes=3)(three_groups()[0]).features["label"]
    assert np.all(np.diff(np.bincount(label)) < 0)


def test_atoms_without_latents_have_no_class():
    atoms, _ = three_groups()
    z0 = atoms.features["z0"].where(atoms.ids > 10)
    features = Cluster(classes=3)(atoms.with_features(z0=z0)).features
    assert (features["label"][:11] == -1).all()
    assert features["label_probability"][:11].isna().all()
    assert (features["label"][11:] >= 0).all()


def test_angles_do_not_break_at_pi():
    angle = np.pi + RNG.normal(0, 0.1, 300)
    other = RNG.normal(0, 0.1, 300)
    both = np.angle(np.exp(1j * np.concatenate([angle, other])))
    atoms = Atoms.at(np.zeros((600, 2))).with_features(angle_rad=both)
    label = Cluster(columns=("angle_rad",), classes=2)(atoms).features["label"]
    assert adjusted_rand_score(np.repeat([0, 1], 300), label) == 1


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
    assert Cluster(classes=1, components=1).resolve(atoms).columns == taken


@pytest.mark.parametrize(
    ("step", "columns", "words"),
    [
        (Cluster(), {}, r"no latents yet, columns z0, z1, … \(or zernike0, zernike1, …\)"),
        (Cluster(columns=("z7",)), {"z0": np.arange(10.0)}, "no column z7"),
        (Cluster(), {"z0": np.ones(10)}, "same for every atom"),
        (Cluster(), {"z0": np.full(10, np.nan)}, "encode the atoms first"),
        (Cluster(components=20), {"z0": np.arange(10.0)}, "at most 10"),
        (Cluster(components=2, classes=3), {"z0": np.arange(10.0)}, "cannot be made of 2 components"),
    ],
)
def test_what_cannot_be_sorted_is_said(step, columns, words):
    with pytest.raises(InputError, match=words):
        step(Atoms.at(np.zeros((10, 2))).with_features(**columns))

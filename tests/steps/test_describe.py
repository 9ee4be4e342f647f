"""Zernike moments: what turns with the motif, what stays, and what a fold is."""

import numpy as np
import pytest
from crystals import blobs, motif
from pydantic import ValidationError
from sklearn.metrics import adjusted_rand_score

from local_crystallography import (
    Atoms,
    Cluster,
    Describe,
    GaussianMixture,
    Neighbours,
    Recipe,
    SubImages,
    zernike_moments,
)
from local_crystallography.data.errors import InputError
from local_crystallography.steps.describe import zernike_orders

ANGLES = [0.3, 1.57, 3.0, -2.2]


def lattice_window(angle, *, basis, side=32, spacing=14.0, noise=0.0, rng=None):
    """A window with an atom in the middle of a lattice that fills it, turned counter-clockwise as displayed."""
    steps = np.stack(np.meshgrid(np.arange(-4, 5), np.arange(-4, 5)), axis=-1).reshape(-1, 2)
    u, v = spacing * (steps @ np.array(basis, float)).T
    centre = (side - 1) / 2
    y = centre - u * np.sin(angle) - v * np.cos(angle)
    x = centre + u * np.cos(angle) - v * np.sin(angle)
    picture = blobs(np.stack([y, x], axis=1), shape=(side, side), sigma=0.2 * spacing)
    return picture if rng is None else picture + noise * rng.standard_normal(picture.shape)


SQUARE = ((1, 0), (0, 1))
HEXAGON = ((1, 0), (0.5, np.sqrt(0.75)))
MOTIFS = {
    "motif": motif,
    "square": lambda angle: lattice_window(angle, basis=SQUARE),
    "hexagon": lambda angle: lattice_window(angle, basis=HEXAGON),
}


def described(windows, step=None):
    windows = np.asarray(windows, np.float32)
    atoms = Atoms.at(np.zeros((len(windows), 2)))
    return (step or Describe())(SubImages(windows, atoms), atoms)


def expansion(moments, order, side):
    """The picture with these moments: the sum of A_nm R_n^m(r) exp(i m t), written out for order 3."""
    assert order == 3
    axis = (np.arange(side) - (side - 1) / 2) / ((side - 1) / 2)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    r, t = np.hypot(y, x), np.arctan2(-y, x)
    radial = [r**0, r, 2 * r**2 - 1, r**2, 3 * r**3 - 2 * r, r**3]
    terms = zip(moments, radial, zernike_orders(order)[:, 1], strict=True)
    return sum((a * part * np.exp(1j * m * t)).real * (1 if m == 0 else 2) for a, part, m in terms)


def test_moments_are_those_the_picture_was_made_of():
    moments = np.array([0.5, 1 - 2j, -0.7, 0.2j, 0.3 + 0.1j, -1.1])
    found = zernike_moments(expansion(moments, 3, 24)[None], order=3)[0]
    np.testing.assert_allclose(found, moments, atol=1e-9)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("kind", MOTIFS)
def test_magnitudes_stay_and_moments_turn(kind, angle):
    before, after = zernike_moments(np.stack([MOTIFS[kind](0.0), MOTIFS[kind](angle)]), order=12)
    assert np.linalg.norm(np.abs(after) - np.abs(before)) < 0.002 * np.linalg.norm(before)
    turned = before * np.exp(-1j * zernike_orders(12)[:, 1] * angle)
    assert np.linalg.norm(after - turned) < 0.002 * np.linalg.norm(before)


@pytest.mark.parametrize(("basis", "folds"), [(SQUARE, {2: 1, 4: 1}), (HEXAGON, {2: 1, 3: 1, 6: 1})])
def test_the_fold_of_a_lattice_is_found(basis, folds):
    features = described([lattice_window(angle, basis=basis) for angle in ANGLES]).features
    for fold in (2, 3, 4, 6):
        share = features[f"fold_{fold}"].to_numpy()
        assert (share > 0.99).all() if fold in folds else (share < 0.6).all()


def test_a_motif_without_symmetry_has_no_fold():
    assert (described([motif()]).features[["fold_2", "fold_3", "fold_4", "fold_6"]] < 0.7).all(axis=None)


@pytest.mark.slow
def test_components_sort_turned_lattices():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 200)
    angles = rng.uniform(-np.pi, np.pi, 200)
    windows = [
        lattice_window(angle, basis=(SQUARE, HEXAGON)[k], noise=0.3, rng=rng)
        for angle, k in zip(angles, kind, strict=True)
    ]
    label = Cluster(by=GaussianMixture(classes=2))(described(windows)).features["label"]
    assert adjusted_rand_score(kind, label) == 1


def test_components_are_uncorrelated_fall_and_keep_their_sign():
    rng = np.random.default_rng(0)
    windows = rng.standard_normal((300, 16, 16))
    table = described(windows, Describe(components=5)).features[[f"zernike{i}" for i in range(5)]].to_numpy()
    covariance = np.cov(table.T)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-9
    assert (np.diff(np.diag(covariance)) <= 0).all()
    order = rng.permutation(300)
    again = described(windows[order], Describe(components=5)).features[[f"zernike{i}" for i in range(5)]].to_numpy()
    np.testing.assert_allclose(again, table[order], atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 5.0, -0.1])
def test_a_constant_window_has_no_moment_but_the_first(value):
    features = described(np.full((3, 20, 20), value)).features
    np.testing.assert_allclose(features["zernike_0_0"], value, atol=1e-6)
    rest = [name for name in features if name.startswith("zernike") and name != "zernike_0_0"]
    assert (features[rest].abs() < 1e-6).all(axis=None)
    assert features[["fold_2", "fold_3", "fold_4", "fold_6"]].isna().all(axis=None)


def test_atoms_without_a_window_have_no_number():
    atoms = Atoms.at(np.zeros((5, 2)))
    windows = np.stack([motif(angle) for angle in (0.1, 0.2, 0.3)]).astype(np.float32)
    features = Describe()(SubImages(windows, atoms[1:4]), atoms).features
    assert features["zernike0"].notna().tolist() == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("step", "count"),
    [(Describe(), 25 + 4 + 3), (Describe(order=3, components=0), 6 + 2), (Describe(order=20), 121 + 7)],
)
def test_the_order_sets_the_number_of_columns(step, count):
    assert len(described([motif(), motif(1.0)], step).features.columns) == 2 + count


def test_channels_have_columns_of_their_own():
    one, two = motif(), lattice_window(0.0, basis=HEXAGON)
    both = described(np.stack([[one, two], [two, one]]).transpose(0, 2, 3, 1)).features
    alone = described([one, two]).features
    for name in ("zernike_2_0", "zernike_6_6", "fold_6"):
        np.testing.assert_allclose(both[f"{name}_ch0"], alone[name], rtol=1e-6)
        np.testing.assert_allclose(both[f"{name}_ch1"], alone[name][::-1], rtol=1e-6)
    assert "zernike0" in both
    assert "zernike_2_0" not in both


@pytest.mark.parametrize(
    ("windows", "order", "words"),
    [
        (np.zeros((2, 8, 8)), 9, "Windows of 8 pixels allow orders from 0 to 8, not 9; lower the order"),
        (np.zeros((2, 8, 9)), 4, r"must have the shape .*not \(2, 8, 9\)"),
        (np.zeros((2, 8, 8, 2)), 4, "one channel at a time"),
        (np.full((2, 8, 8), np.nan), 4, "NaN or infinite pixels"),
    ],
)
def test_what_cannot_be_described_is_said(windows, order, words):
    with pytest.raises(InputError, match=words):
        zernike_moments(windows, order=order)


METHODS = {
    "PCA": ["pca0", "pca1"],
    "NMF": ["nmf0", "nmf1"],
    "ICA": ["ica0", "ica1"],
    "FFT": ["fft0", "fft1"],
    "pixel mixture": ["pixel_label", "pixel_label_probability"],
    "PCA mixture": ["class_pca0", "class_pca1", "pixel_label", "pixel_label_probability"],
    "neighbours": [f"neighbour{i}_{axis}" for i in range(4) for axis in "yx"],
    "neighbours aligned": [f"aligned{i}_{axis}" for i in range(4) for axis in "yx"],
}


def scattered(n=60, **columns):
    """Atoms anywhere, all but the first and last with a window of a turned motif."""
    rng = np.random.default_rng(0)
    atoms = Atoms.at(rng.uniform(0, 200, (n, 2)), columns=columns)
    windows = [motif(angle, side=20, noise=0.1, seed=i) for i, angle in enumerate(rng.uniform(-3, 3, n - 2))]
    return SubImages(np.array(windows, np.float32), atoms[1:-1]), atoms


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")  # noise has no parts to find
@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_its_columns_to_the_atoms_with_a_window(method):
    stack, atoms = scattered()
    described = Describe(methods=(method,), components=2, classes=2, neighbours=4)(stack, atoms)
    assert list(described.features)[2:] == METHODS[method]
    table = described.features[METHODS[method]]
    without = table.isna() | (table == -1)
    assert without.iloc[[0, -1]].all(axis=None)
    assert not without.iloc[1:-1].any(axis=None)


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")  # noise has no parts to find
@pytest.mark.parametrize("method", [name for name in METHODS if name != "pixel mixture"])
def test_cluster_sorts_by_the_columns_of_every_method(method):
    stack, atoms = scattered()
    described = Describe(methods=(method,), components=2, classes=1, neighbours=4)(stack, atoms)
    label = Cluster(columns=tuple(METHODS[method][:2]), by=GaussianMixture(classes=2, components=2))(
        described
    ).features["label"]
    assert set(label[1:-1]) == {0, 1}


@pytest.mark.slow
def test_cluster_does_not_mix_methods_unasked():
    stack, atoms = scattered()
    described = Describe(methods=("PCA", "ICA"), components=2, classes=2)(stack, atoms)
    assert Cluster(by=GaussianMixture(classes=2)).resolve(described).columns == ("pca0", "pca1")


def test_the_number_of_neighbours_is_filled_in_where_it_matters():
    stack, atoms = scattered()
    assert 3 <= Describe(methods=(Neighbours(),)).resolve(stack, atoms).methods[0].neighbours <= 12
    assert Describe(methods=(Neighbours(neighbours=5),)).resolve(stack, atoms).methods[0].neighbours == 5
    assert Describe().resolve(stack, atoms) == Describe()


def test_light_atoms_are_no_neighbours():
    stack, atoms = scattered(intensity=np.ones(60))
    more = Atoms.at(
        np.concatenate([atoms.yx, atoms.yx + [1.0, 0.5]]), columns={"intensity": np.repeat([1.0, 0.05], 60)}
    )
    step = Describe(methods=("neighbours",), neighbours=4)
    one, two = (step(stack, given).features[METHODS["neighbours"]] for given in (atoms, more))
    np.testing.assert_array_equal(one, two[:60])


@pytest.mark.parametrize("channels", [(), (2,)])
def test_moments_of_nothing_are_refused(channels):
    with pytest.raises(InputError, match="There are no sub-images"):
        described(np.zeros((0, 16, 16, *channels)))


def test_several_methods_give_the_columns_of_each():
    stack, atoms = scattered()
    asked = {"components": 2, "classes": 2, "neighbours": 4}
    methods = ("neighbours", "PCA", "Zernike moments")
    together = Describe(methods=methods, **asked)(stack, atoms).features
    alone = [Describe(methods=(method,), **asked)(stack, atoms).features for method in methods]
    assert {*together} == {name for table in alone for name in table}
    for table in alone:
        np.testing.assert_array_equal(together[list(table)], table)


def test_the_classes_of_both_mixtures_are_the_same_and_come_once():
    stack, atoms = scattered()
    both, one = (
        Describe(methods=methods, components=2, classes=2)(stack, atoms).features
        for methods in (("PCA mixture", "pixel mixture"), ("pixel mixture",))
    )
    assert list(both)[2:] == METHODS["PCA mixture"]
    np.testing.assert_array_equal(both[METHODS["pixel mixture"]], one[METHODS["pixel mixture"]])


def test_a_job_told_to_stop_keeps_the_methods_done():
    stack, atoms = scattered()
    job = Describe(methods=("PCA", "FFT"), components=2).run(stack, atoms)
    assert [next(job).fraction, job.send(None).fraction] == [0, 0.5]
    with pytest.raises(StopIteration) as end:
        job.send(True)
    assert list(end.value.value.features)[2:] == METHODS["PCA"]


def test_methods_come_once_and_in_one_order():
    assert Describe(methods=("FFT", "PCA", "FFT")) == Describe(methods=("PCA", "FFT"))


def test_no_method_is_said():
    with pytest.raises(ValidationError, match="Choose at least one method"):
        Describe(methods=())


def test_a_recipe_of_before_is_read(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('also = ["describe"]\n[describe]\nmethod = "PCA"\ncomponents = 5\n')
    assert Recipe.from_toml(path).describe == Describe(methods=("PCA",), components=5)
    path.write_text('[describe]\nmethod = "PCA"\nmethods = ["NMF"]\n')
    with pytest.raises(InputError, match=r"describe\.method"):
        Recipe.from_toml(path)

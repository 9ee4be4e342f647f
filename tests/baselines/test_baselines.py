"""Baselines on sub-images with known components, invariance under rotation, and errors for invalid input."""

import numpy as np
import pytest
from crystals import blobs, motif, square_lattice
from sklearn.metrics import adjusted_rand_score

from local_crystallography import Atoms, Cluster, Describe, GaussianMixture, SubImages
from local_crystallography.baselines import components as linear
from local_crystallography.baselines import pixels
from local_crystallography.baselines.components import components
from local_crystallography.baselines.loadings import component_loadings, grouped, mixture_loadings
from local_crystallography.baselines.mixtures import class_components, pixel_mixture
from local_crystallography.baselines.neighbours import aligned, neighbour_places, shell_number
from local_crystallography.baselines.spectra import power_spectra
from local_crystallography.data.errors import InputError

LINEAR = ["PCA", "NMF", "ICA"]
LEFT = blobs([(7.5, 4.0)], shape=(16, 16), sigma=1.5)
RIGHT = blobs([(7.5, 11.0)], shape=(16, 16), sigma=1.5)


def cut(windows):
    windows = np.asarray(windows, np.float32)
    return SubImages(windows, Atoms.at(np.zeros((len(windows), 2))))


def two_parts(n=400, *, noise=0.01, seed=0):
    """Windows with a left and a right blob of independent heights."""
    rng = np.random.default_rng(seed)
    heights = rng.uniform(0, 1, (n, 2)) * [1.5, 1.0]
    return heights, heights @ np.stack([LEFT, RIGHT]).reshape(2, -1), rng.standard_normal((n, 256)) * noise


def parts_stack(**settings):
    heights, clean, noise = two_parts(**settings)
    return heights, cut((clean + noise).reshape(-1, 16, 16))


def alike(one, two):
    return abs(np.corrcoef(np.ravel(one), np.ravel(two))[0, 1])


def turned_motifs(angles, *, noise=0.05, seed=0):
    rng = np.random.default_rng(seed)
    return cut([motif(angle, side=24) + noise * rng.standard_normal((24, 24)) for angle in angles])


@pytest.mark.parametrize("shift", [0.0, -3.0])
@pytest.mark.parametrize("method", ["NMF", "ICA"])
def test_nmf_and_ica_find_the_parts_and_their_heights(method, shift):
    heights, stack = parts_stack()
    found = components(cut(stack.windows + shift), method=method, number=2, seed=0)
    for i, part in enumerate((LEFT, RIGHT)):
        assert alike(found.pictures[i], part) > 0.98
        assert alike(found.scores[:, i], heights[:, i]) > 0.98


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("method", LINEAR)
def test_mean_and_components_add_up_to_the_sub_image(method, channels):
    _, stack = parts_stack(noise=0.0)
    windows = np.stack([stack.windows, 2 * stack.windows[:, ::-1] - 1], axis=-1) if channels == 2 else stack.windows
    found = components(cut(windows), method=method, number=2, seed=0)
    assert found.pictures.shape == (2, channels, 16, 16)
    np.testing.assert_allclose((found.pictures**2).sum(axis=(1, 2, 3)), 1)
    total = found.mean + np.tensordot(found.scores, found.pictures, axes=1)
    expected = np.moveaxis(windows.reshape(-1, 16, 16, channels), -1, 1)
    assert np.abs(total - expected).max() < 0.05  # NMF stops at a tolerance
    assert found.scores[:, 0].std() >= found.scores[:, 1].std()


def test_pca_is_that_of_all_pixels():
    _, stack = parts_stack(noise=0.1)
    found = components(stack, method="PCA", number=3, seed=0)
    rows = stack.windows.reshape(400, -1).astype(float)
    expected = np.linalg.svd(rows - rows.mean(axis=0))[1][:3] / 20
    np.testing.assert_allclose(found.scores.std(axis=0), expected, rtol=1e-6)


@pytest.mark.parametrize("method", [*LINEAR, "FFT"])
def test_a_run_is_reproducible_and_keeps_its_signs(method):
    _, stack = parts_stack()
    one, two = (components(stack, method=method, number=2, seed=4) for _ in range(2))
    np.testing.assert_array_equal(one.scores, two.scores)
    peak = one.pictures.reshape(2, -1)
    assert (peak[np.arange(2), np.abs(peak).argmax(axis=1)] > 0).all()


@pytest.mark.parametrize("method", [*LINEAR, "FFT"])
def test_a_sample_gives_nearly_the_same_components(monkeypatch, method):
    _, stack = parts_stack(n=1500)
    whole = components(stack, method=method, number=2, seed=0)
    monkeypatch.setattr(pixels, "VALUES", 400 * 256)
    part = components(stack, method=method, number=2, seed=0)
    assert len(part.scores) == 1500
    for i in range(2):
        assert alike(part.scores[:, i], whole.scores[:, i]) > 0.98


def test_the_spectrum_is_independent_of_position_and_rotates_with_the_motif():
    waves = [np.cos(2 * np.pi * (np.arange(32) / 8 + phase))[None].repeat(32, 0) for phase in (0, 0.3)]
    still, moved, turned = power_spectra(np.stack([*waves, waves[0].T]))[..., 0]
    assert np.abs(moved - still).max() < 0.01 * still.max()
    np.testing.assert_allclose(turned, still.T, atol=1e-9)
    assert still[16, 20] == still.max()


def test_components_of_spectra_distinguish_two_spacings_at_any_position():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 30)
    windows = []
    for k in kind:
        grid = np.stack(np.meshgrid(*[np.arange(-9, 50, (6, 8)[k])] * 2), axis=-1).reshape(-1, 2)
        windows.append(blobs(grid + rng.uniform(0, 6, 2), shape=(32, 32), sigma=1.5))
    stack = cut(np.array(windows) + 0.05 * rng.standard_normal((30, 32, 32)))
    described = Describe(methods=("FFT",), components=1)(stack, stack.atoms)
    label = Cluster(columns=("fft0",), by=GaussianMixture(classes=2, components=2))(described).features["label"]
    assert adjusted_rand_score(kind, label) == 1


def test_a_pixel_mixture_makes_a_class_of_every_orientation_of_a_motif():
    which = np.arange(90) % 3
    mixture = pixel_mixture(turned_motifs(which * 2.0), classes=3, seed=0)
    assert adjusted_rand_score(which, mixture.label) == 1
    assert mixture.probability.min() > 0.99


def test_classes_of_a_mixture_are_ordered_by_size_and_have_means():
    stack = turned_motifs(np.repeat([0.0, 2.0, 4.0], [10, 50, 30]))
    mixture = pixel_mixture(stack, classes=3, seed=0)
    assert np.bincount(mixture.label).tolist() == [50, 30, 10]
    assert alike(mixture.means[0, 0], motif(2.0, side=24)) > 0.99


def test_components_within_classes_show_what_varies_in_each():
    rng = np.random.default_rng(0)
    heights = rng.uniform(-1, 1, 200)
    kind = np.repeat([0, 1], [120, 80])
    own = np.where((kind == 0)[:, None, None], LEFT + 8 * RIGHT.T, RIGHT)
    base = np.where((kind == 0)[:, None, None], 9 * LEFT.T, 9 * RIGHT.T)
    stack = cut(base + heights[:, None, None] * own + 0.02 * rng.standard_normal((200, 16, 16)))
    found = class_components(stack, classes=2, number=1, seed=0)
    assert adjusted_rand_score(kind, found.mixture.label) == 1
    assert alike(found.pictures[1, 0, 0], RIGHT) > 0.99
    for name in (0, 1):
        assert alike(found.scores[kind == name, 0], heights[kind == name]) > 0.99


def test_a_class_too_small_for_its_components_has_none():
    stack = turned_motifs(np.repeat([0.0, 2.0], [30, 2]))
    found = class_components(stack, classes=2, number=2, seed=0)
    assert np.isnan(found.scores).all(axis=1).tolist() == [False] * 30 + [True] * 2
    assert np.isnan(found.pictures[1]).all()


def lattice_atoms(angle=0.0, *, noise=0.0, hexagonal=False):
    rng = np.random.default_rng(0)
    yx = square_lattice(13.0, shape=(260, 260)) - 129.5
    if hexagonal:
        yx = yx @ np.array([[np.sqrt(0.75), 0.5], [0, 1]])
    yx = yx[np.hypot(*yx.T) < 110] + noise * rng.standard_normal((int((np.hypot(*yx.T) < 110).sum()), 2))
    c, s = np.cos(angle), np.sin(angle)
    return Atoms.at(yx @ np.array([[c, s], [-s, c]]))  # counter-clockwise as displayed


@pytest.mark.parametrize(("hexagonal", "number"), [(False, 8), (True, 6)])
def test_the_number_of_neighbours_ends_a_shell(hexagonal, number):
    assert shell_number(lattice_atoms(0.3, noise=0.4, hexagonal=hexagonal)) == number


def test_neighbours_of_a_square_lattice_go_around_counter_clockwise():
    atoms = lattice_atoms(0.01)
    middle = int(np.hypot(*atoms.yx.T).argmin())
    places = neighbour_places(atoms, number=8)[middle] * np.exp(-0.01j)
    np.testing.assert_allclose(places, [1, 1 + 1j, 1j, -1 + 1j, -1, -1 - 1j, -1j, 1 - 1j], atol=1e-9)


@pytest.mark.parametrize("angle", [0.7, 2.0, -3.0])
@pytest.mark.parametrize("hexagonal", [False, True])
def test_aligned_neighbours_are_invariant_under_rotation_and_plain_ones_are_not(angle, hexagonal):
    number = 6 if hexagonal else 8
    before, after = (
        neighbour_places(lattice_atoms(a, noise=0.5, hexagonal=hexagonal), number=number) for a in (0.0, angle)
    )
    np.testing.assert_allclose(aligned(after), aligned(before), atol=1e-6)
    assert np.abs(after - before).mean() > 0.1


def test_neighbours_are_in_the_same_frame():
    one = lattice_atoms(noise=0.5)
    both = Atoms.at(np.concatenate([one.yx, one.yx + 0.3]), frame=np.repeat([0, 1], len(one)))
    places = neighbour_places(both, number=8)
    np.testing.assert_allclose(places[: len(one)], places[len(one) :], atol=1e-9)


def test_a_frame_of_too_few_atoms_has_no_neighbours():
    one = lattice_atoms()
    both = Atoms.at(np.concatenate([one.yx, [[0, 0], [9, 9]]]), frame=np.repeat([0, 1], [len(one), 2]))
    places = aligned(neighbour_places(both, number=8))
    assert np.isfinite(places).all(axis=1).tolist() == [True] * len(one) + [False] * 2


FEW = cut(np.random.default_rng(0).standard_normal((3, 8, 8)))
BROKEN = cut(np.where(np.arange(64).reshape(8, 8) == 5, np.nan, np.ones((9, 8, 8))))
SAME = cut(np.ones((9, 8, 8)))


@pytest.mark.parametrize("method", [*LINEAR, "FFT"])
@pytest.mark.parametrize(
    ("stack", "number", "words"),
    [
        (FEW, 3, "3 components were requested, but 3 sub-images of 64 pixels allow 1 to 2"),
        (FEW, 0, "0 components were requested"),
        (BROKEN, 2, "NaN or infinite pixels; extract them again"),
        (SAME, 2, "All sub-images are the same"),
        (cut(np.ones((0, 8, 8))), 2, "There are no sub-images"),
    ],
)
def test_unusable_sub_images_are_refused(method, stack, number, words):
    with pytest.raises(InputError, match=words):
        components(stack, method=method, number=number, seed=0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: pixel_mixture(FEW, classes=4, seed=0), "4 classes were requested, but 3 sub-images allow 1 to 3"),
        (lambda: pixel_mixture(BROKEN, classes=2, seed=0), "NaN or infinite"),
        (lambda: pixel_mixture(SAME, classes=2, seed=0), "All sub-images are the same"),
        (
            lambda: class_components(FEW, classes=2, number=3, seed=0),
            "3 components were requested, but classes of at most",
        ),
        (
            lambda: class_components(FEW, classes=1, number=0, seed=0),
            "0 components were requested, but classes of at most",
        ),
        (lambda: neighbour_places(lattice_atoms()[:5], number=5), "5 neighbours need at least 6 atoms in one"),
        (
            lambda: neighbour_places(Atoms.at(np.zeros((20, 2))), number=5),
            "Most atoms have another atom at the same position",
        ),
        (lambda: neighbour_places(Atoms.at(np.full((20, 2), np.nan)), number=5), "positions that are not finite"),
        (lambda: shell_number(Atoms.at(np.zeros((20, 2)))), "another atom at the same position"),
        (lambda: shell_number(lattice_atoms()[:4]), "from 4 atoms in a frame, but only from at least 5"),
        (lambda: shell_number(lattice_atoms()[:0]), "from 0 atoms in a frame"),
        (
            lambda: components(cut(np.arange(9)[:, None, None] * LEFT), method="ICA", number=3, seed=0),
            "vary in only 1 dimensions; choose at most 1",
        ),
    ],
)
def test_invalid_input_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("method", ["pixel mixture", "PCA mixture", "NMF"])
def test_sub_images_of_two_kinds_alone_raise_no_warnings(method):
    stack = cut(np.stack([LEFT, RIGHT])[np.arange(60) % 2] * 1e-6)
    described = Describe(methods=(method,), components=1)(stack, stack.atoms)
    assert len(described.features) == 60


@pytest.mark.filterwarnings("error")
def test_ica_warns_where_it_does_not_converge(caplog, monkeypatch):
    monkeypatch.setattr(linear, "ROUNDS", 1)
    components(cut(np.random.default_rng(3).normal(size=(60, 16, 16))), method="ICA", number=3, seed=0)
    assert "did not converge" in caplog.text


def test_the_share_of_a_component_is_its_fraction_of_the_variance():
    _, stack = parts_stack(noise=0.1)
    found = components(stack, method="PCA", number=3, seed=0)
    rows = stack.windows.reshape(400, -1).astype(float)
    expected = np.linalg.svd(rows - rows.mean(axis=0))[1] ** 2
    np.testing.assert_allclose(found.share, (expected / expected.sum())[:3], rtol=1e-6)
    assert np.isnan(components(stack, method="ICA", number=2, seed=0).share).all()


@pytest.mark.parametrize("method", [*LINEAR, "FFT"])
def test_loadings_are_the_pictures_of_the_columns(method):
    _, stack = parts_stack()
    loadings = component_loadings(stack, method=method, number=2, seed=3)
    expected = components(stack, method=method, number=2, seed=3)
    assert [each.column for each in loadings] == [f"{method.lower()}{i}" for i in range(2)]
    np.testing.assert_array_equal([each.picture for each in loadings], expected.pictures)
    low, high = loadings[0].limits
    assert (low == 0) if method == "NMF" else (low == -high)


def test_loadings_of_a_mixture_are_its_means_and_components_class_by_class():
    stack = cut(np.concatenate([parts_stack(n=60)[1].windows, 5 + parts_stack(n=40, seed=1)[1].windows]))
    plain = mixture_loadings(stack, classes=2, number=None, seed=0)
    assert [(each.number, each.is_mean, each.share) for each in plain] == [(0, True, 0.6), (1, True, 0.4)]
    within = mixture_loadings(stack, classes=2, number=1, seed=0)
    assert [(each.number, each.column) for each in within] == [
        (0, "pixel_label"), (0, "class_pca0"), (1, "pixel_label"), (1, "class_pca0"),
    ]  # fmt: skip
    np.testing.assert_array_equal(within[0].picture, plain[0].picture)
    assert [len(group) for group in grouped(within)] == [2, 2]
    assert [len(group) for group in grouped(plain)] == [2]
    assert 0.3 < within[1].share <= 1

"""Rotational network on sub-images with known angle, offset, class and noise."""

import json

import numpy as np
import pytest
from crystals import blobs, motif
from sklearn.metrics import adjusted_rand_score

from local_crystallography import Atoms, Cluster, Encode, GaussianMixture, SubImages, TrainVae
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish

NOISE = 0.1
SIDE = 32
N = 600


def square(angle, shift):
    """A centre with four equal neighbours."""
    c = (SIDE - 1) / 2 + np.asarray(shift)
    turns = angle + np.pi / 2 * np.arange(4)
    places = [c, *(c + 9 * np.stack([-np.sin(turns), np.cos(turns)], axis=1))]
    return blobs(places, shape=(SIDE, SIDE), sigma=2.6, height=[1, 0.6, 0.6, 0.6, 0.6])


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, N)
    angle = rng.uniform(-np.pi, np.pi, N)
    shift = rng.normal(0, 0.2, (N, 2))
    pictures = [motif(a, s, side=SIDE) if k else square(a, s) for k, a, s in zip(kind, angle, shift, strict=True)]
    windows = np.array(pictures) + NOISE * rng.standard_normal((N, SIDE, SIDE))
    return SubImages(windows.astype(np.float32), Atoms.at(np.zeros((N, 2)))), kind, angle, shift


@pytest.fixture(scope="module")
def vae(truth):
    return TrainVae(rotation_prior=3.0)(truth[0])


@pytest.fixture(scope="module")
def columns(vae, truth):
    return vae.encode(truth[0].windows)


def concentration(angle, reference, fold):
    return abs(np.exp(1j * fold * (angle - reference)).mean())


@pytest.mark.slow
def test_the_classes_are_distinguished_in_any_orientation(truth, columns):
    atoms = Cluster(by=GaussianMixture(classes=2))(truth[0].atoms.with_features(**columns))
    assert adjusted_rand_score(truth[1], atoms.features["label"]) > 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "fold"), [(1, 1), (0, 4)])
def test_the_angle_is_right_up_to_the_symmetry_of_the_motif(truth, columns, kind, fold):
    rows = truth[1] == kind
    assert concentration(columns["angle_rad"][rows], truth[2][rows], fold) > 0.99


@pytest.mark.slow
def test_the_symmetry_of_each_motif_is_seen(vae, truth, columns):
    order = vae.symmetry_order(columns[["z0", "z1"]])
    assert [np.median(order[truth[1] == kind]) for kind in (1, 0)] == [1, 4]


@pytest.mark.slow
def test_a_kind_of_site_has_one_symmetry(vae, truth, columns):
    """Also where single atoms look like another motif, so that equivalent rotations get equal angles."""
    own = vae.symmetry_order(columns[["z0", "z1"]])
    strange = columns[["z0", "z1"]].copy()
    strange.iloc[::9] = strange.to_numpy()[truth[1] == 1].mean(axis=0)  # seen as the other motif
    assert len(set(vae.symmetry_order(strange)[truth[1] == 0])) > 1
    assert vae.symmetry_order(strange, groups=truth[1])[truth[1] == 0].tolist() == [4] * int((truth[1] == 0).sum())
    assert vae.symmetry_order(strange, groups=np.arange(len(own))).tolist() == vae.symmetry_order(strange).tolist()
    encoded = Encode()(vae, truth[0], truth[0].atoms).features
    assert encoded.groupby(truth[1])["symmetry_order"].nunique().tolist() == [1, 1]


@pytest.mark.slow
def test_angles_stay_in_the_sector_of_the_motif(vae, truth):
    features = Encode()(vae, truth[0], truth[0].atoms).features
    square_ones = features[features["symmetry_order"] == 4]
    assert square_ones["angle_rad"].abs().max() <= np.pi / 4 + 1e-9


@pytest.mark.slow
def test_latents_do_not_change_when_the_sub_image_rotates(vae, columns):
    spread = np.hypot(columns[["z0", "z1"]].std().to_numpy(), columns[["z0_std", "z1_std"]].mean().to_numpy())
    turned = vae.encode(np.array([motif(a, side=SIDE) for a in np.linspace(0, 6, 25)], np.float32))
    assert (turned[["z0", "z1"]].std().to_numpy() < 0.05 * spread).all()


@pytest.mark.slow
def test_the_angle_covers_the_full_circle_without_a_seam(vae):
    angle = np.linspace(-np.pi, np.pi, 60, endpoint=False)
    found = vae.encode(np.array([motif(a, side=SIDE) for a in angle], np.float32))["angle_rad"]
    error = np.angle(np.exp(1j * (found - angle)) / np.exp(1j * (found - angle)).mean())
    assert np.abs(error).max() < np.radians(1)


@pytest.mark.slow
@pytest.mark.parametrize("axis", [0, 1])
def test_offsets_are_in_pixels_along_the_axes_of_the_image(vae, axis):
    shifts = np.linspace(-0.6, 0.6, 7)
    moves = np.zeros((7, 2))
    moves[:, axis] = shifts
    found = vae.encode(np.array([motif(0.7, m, side=SIDE) for m in moves], np.float32))
    names = ["offset_y_px", "offset_x_px"]
    along, across = found[names[axis]], found[names[1 - axis]]
    assert np.polyfit(shifts, along, 1)[0] == pytest.approx(1, abs=0.15)
    assert np.ptp(across) < 0.15


@pytest.mark.slow
def test_the_noise_is_measured(vae):
    assert vae.noise == pytest.approx(NOISE, rel=0.15)


@pytest.mark.slow
def test_the_reported_error_of_the_angle_is_its_error(truth, columns):
    rows = truth[1] == 1
    error = np.angle(np.exp(1j * (columns["angle_rad"][rows] - truth[2][rows])))
    error -= np.median(error)
    ratio = np.sqrt(np.mean(np.clip(error / columns["angle_std_rad"][rows], -10, 10) ** 2))
    assert 0.5 < ratio < 2


@pytest.mark.slow
def test_nothing_collapses(columns):
    assert (columns[["z0", "z1"]].std() > 3 * columns[["z0_std", "z1_std"]].mean().to_numpy()).any()


@pytest.mark.slow
@pytest.mark.parametrize(("turns", "found"), [((0.0, 0.5), True), ((0.0, 0.0), False)])
def test_the_shear_of_a_scan_is_found_from_two_grains(turns, found):
    """As with drift: every grain is sheared along the axes of the image, whatever its orientation."""
    rng = np.random.default_rng(1)
    shear = np.array([[1.0, 0.04], [0.04, 1.0]])
    neighbours = 9 * np.stack([-np.sin(np.pi / 3 * np.arange(6)), np.cos(np.pi / 3 * np.arange(6))], axis=1)
    windows = []
    for angle in rng.choice(turns, 400):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        places = np.vstack([[0, 0], neighbours]) @ turn.T @ shear.T + (SIDE - 1) / 2
        windows.append(blobs(places, shape=(SIDE, SIDE), sigma=2.6) + 0.05 * rng.standard_normal((SIDE, SIDE)))
    sub_images = SubImages(np.array(windows, np.float32), Atoms.at(np.zeros((400, 2))))
    along, diagonal = TrainVae(epochs=2)(sub_images).settings.shear
    assert along == pytest.approx(0, abs=0.008)
    assert diagonal == pytest.approx(0.04 if found else 0, abs=0.008)


@pytest.mark.slow
def test_the_shear_of_a_nearly_hexagonal_lattice_is_found():
    """Columns of fcc along [110]: near a rotation of 60 degrees another, larger shear makes grains similar."""
    rng = np.random.default_rng(2)
    shear = np.array([[1.0, -0.05], [-0.05, 1.0]])
    long, short = 9.2, 9.2 / np.sqrt(2)
    corners = np.array([(i * short, j * long) for i in range(-3, 4) for j in range(-3, 4)])
    corners = np.vstack([corners, corners + [short / 2, long / 2]])
    windows = []
    for angle in np.radians(rng.choice([13, 99], 400)):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        places = corners @ turn.T @ shear.T + (SIDE - 1) / 2
        windows.append(blobs(places, shape=(SIDE, SIDE), sigma=1.8) + 0.05 * rng.standard_normal((SIDE, SIDE)))
    sub_images = SubImages(np.array(windows, np.float32), Atoms.at(np.zeros((400, 2))))
    found = TrainVae(epochs=2)(sub_images).settings.shear
    assert found == pytest.approx((0, -0.05), abs=0.008)


@pytest.mark.slow
def test_two_motifs_are_not_mistaken_for_a_sheared_one():
    """Randomly rotated hexagons and squares: a shear of the squares fits better than none."""
    rng = np.random.default_rng(0)
    windows = []
    for fold, angle in zip(rng.choice([6, 4], 500, p=[0.6, 0.4]), rng.uniform(-np.pi, np.pi, 500), strict=True):
        turns = angle + 2 * np.pi / fold * np.arange(fold)
        places = np.vstack([[0, 0], 7.6 * np.stack([-np.sin(turns), np.cos(turns)], axis=1)]) + 9.5
        windows.append(blobs(places, shape=(20, 20), sigma=1.6) + 0.05 * rng.standard_normal((20, 20)))
    sub_images = SubImages(np.array(windows, np.float32), Atoms.at(np.zeros((500, 2))))
    vae = TrainVae(rotation_prior=100, epochs=100)(sub_images)
    assert vae.settings.shear == (0, 0)
    assert vae.noise == pytest.approx(0.05, rel=0.1)


@pytest.mark.slow
def test_reconstructions_are_in_the_atoms_own_pose(vae, truth):
    windows = truth[0].windows[:50]
    rest = (vae.reconstruct(windows) - windows)[:, vae.harmonics.disc]
    assert rest.std() < 1.3 * NOISE


@pytest.mark.slow
def test_the_same_seed_gives_the_same_network(truth):
    one, same, other = (TrainVae(epochs=2, seed=s)(truth[0]) for s in (3, 3, 4))
    first = one.encode(truth[0].windows[:20])
    assert first.equals(same.encode(truth[0].windows[:20]))
    assert not first.equals(other.encode(truth[0].windows[:20]))


@pytest.mark.slow
def test_a_stopped_training_keeps_the_best_so_far(truth):
    reports = []

    def stop_half_way(progress):
        reports.append(progress)
        return progress.fraction > 0.5

    vae = finish(TrainVae(epochs=20).run(truth[0]), stop_half_way)
    best = min(p.held_out_loss for p in reports if p.held_out_loss is not None)
    assert reports[-1].fraction < 0.6
    assert vae.settings.held_out_loss == pytest.approx(best)


@pytest.mark.slow
def test_progress_grows_to_one(truth):
    fractions = []
    finish(TrainVae(epochs=2).run(truth[0]), lambda p: fractions.append(p.fraction))
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


@pytest.mark.slow
def test_the_manifold_is_a_square_of_windows(vae):
    assert vae.manifold(5).shape == (5, 5, SIDE, SIDE)


@pytest.mark.slow
def test_settings_are_plain_values(vae):
    settings = vae.settings
    assert type(settings).model_validate(json.loads(settings.model_dump_json())) == settings


@pytest.mark.parametrize(
    ("windows", "words"),
    [
        (np.random.default_rng(0).random((5, 16, 16)), "5 sub-images are too few"),
        (np.ones((50, 16, 16)), "are equal"),
        (np.full((50, 16, 16), np.nan), "NaN or infinite"),
    ],
)
def test_unusable_training_data_are_refused(windows, words):
    sub_images = SubImages(windows.astype(np.float32), Atoms.at(np.zeros((len(windows), 2))))
    with pytest.raises(InputError, match=words):
        TrainVae()(sub_images)


@pytest.mark.slow
def test_a_window_of_another_size_is_refused(vae):
    with pytest.raises(InputError, match="trained on sub-images of 32 x 32"):
        vae.encode(np.zeros((1, 16, 16), np.float32))

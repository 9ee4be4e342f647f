"""Network that finds atoms: training images, tiles, files, training and its resumption."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from crystals import blobs, square_lattice
from scipy.spatial import cKDTree

from local_crystallography import Atoms, FindAtoms, Image, Network, Segment
from local_crystallography.cli.main import main
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish
from local_crystallography.models.segmenter import COLUMN, Segmenter, shipped, tiles
from local_crystallography.models.segmenter_training import SegmenterTraining, disc
from local_crystallography.models.unet import CHANNELS, UNet
from local_crystallography.segmenters import marked, simulated, tune_segmenter
from local_crystallography.simulate.variety import WEAKEST, noisy, training_image


@pytest.mark.parametrize("seed", range(6))
def test_an_image_has_its_columns_at_their_positions(seed):
    made = training_image(seed, side=128)
    strong = made.yx[(made.strength > 0.5) & ((made.yx > 10) & (made.yx < 117)).all(axis=1)]
    y, x = np.rint(strong).astype(int).T
    around = [made.expected[y + dy, x + dx] for dy, dx in ((-6, 0), (6, 0), (0, -6), (0, 6))]
    assert len(strong) == 0 or np.mean(made.expected[y, x] > np.mean(around, axis=0)) > 0.9


def test_images_and_their_noise_are_reproduced_by_their_seed():
    one, two = training_image(3, side=64), training_image(3, side=64)
    np.testing.assert_array_equal(one.expected, two.expected)
    drawn = [noisy(np.random.default_rng(1), made) for made in (one, two)]
    np.testing.assert_array_equal(*drawn)


def test_columns_that_count_are_separate():
    made = training_image(11, side=192)
    counted = made.yx[made.strength >= WEAKEST]
    distance = np.linalg.norm(counted[:, None] - counted, axis=-1) + 1e9 * np.eye(len(counted))
    assert distance.min() > 1.5 * made.sigma


def test_a_disc_has_its_area_and_position():
    mark = disc((40, 50), np.array([[20.3, 30.6]]), 3.0)
    assert mark.sum() == pytest.approx(np.pi * 9, rel=0.05)
    assert [(mark * axis).sum() / mark.sum() for axis in np.indices(mark.shape)] == pytest.approx(
        [20.3, 30.6], abs=0.05
    )


@pytest.mark.parametrize("length", [100, 768, 769, 1500, 4096])
def test_tiles_cover_a_side_once(length):
    kept = np.concatenate([np.arange(length)[inner] for _, inner in tiles(length, 768, 64)])
    np.testing.assert_array_equal(kept, np.arange(length))
    assert all(outer.start <= inner.start and inner.stop <= outer.stop for outer, inner in tiles(length, 768, 64))


@pytest.mark.slow
def test_tiles_give_the_same_as_the_whole():
    frame = noisy(np.random.default_rng(0), training_image(21, side=192))
    whole, parts = (shipped().probabilities(frame, members=1, tile=side) for side in (192, 128))
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_networks_are_read_back_from_their_file(tmp_path):
    shipped().save(tmp_path / "atoms.safetensors")
    again = Segmenter.load(tmp_path / "atoms.safetensors")
    frame = training_image(5, side=64).expected
    np.testing.assert_array_equal(*(s.probabilities(frame, members=2) for s in (shipped(), again)))
    assert (tmp_path / "atoms.safetensors").stat().st_size < 5e6


def test_another_kind_of_file_is_refused(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="holds no network that finds atoms"):
        Segment(by=Network(weights=tmp_path / "a.safetensors"))(Image(blobs(square_lattice())))


@pytest.mark.slow
def test_an_ensemble_is_the_mean_of_its_members():
    image = Image(blobs(square_lattice()) + 0.3 * np.random.default_rng(2).standard_normal((128, 128)))
    step = Segment().resolve(image)
    shares = shipped().shares(image.frames[0], sigma=step.by.sigma, members=2)
    both = step.replace(by=step.by.replace(ensemble=2))(image)
    np.testing.assert_allclose(both.values, shares.mean(axis=0)[0], atol=1e-6)
    np.testing.assert_allclose(both.std, np.abs(shares[0, 0] - shares[1, 0]) / np.sqrt(2), atol=1e-6)
    assert step(image).std is None
    assert both.shares is None


@pytest.mark.slow
def test_an_ensemble_with_too_many_members_is_refused(tmp_path):
    alone = Segmenter(shipped().networks[:1], ("atom",), COLUMN)
    alone.save(tmp_path / "one.safetensors")
    with pytest.raises(InputError, match="has only 1 members; lower the ensemble"):
        Segment(by=Network(weights=tmp_path / "one.safetensors", ensemble=2))(Image(blobs(square_lattice())))


def training(steps=3):
    return SegmenterTraining(partial(simulated, seed=1), ("atom",), COLUMN, steps, 1e-3, 1)


@pytest.mark.slow
def test_training_resumes_as_if_never_interrupted(tmp_path, monkeypatch):
    monkeypatch.setattr("local_crystallography.models.segmenter_training.FIRST", 8)
    monkeypatch.setattr("local_crystallography.models.segmenter_training.SAVED_EVERY", 1)
    whole = finish(training(6).run())
    finish(training(6).run(tmp_path / "c"), lambda progress: progress.message == "step 3 of 6")
    again = finish(training(6).run(tmp_path / "c"))
    for one, two in zip(whole.networks, again.networks, strict=True):
        for name, value in one.state_dict().items():
            torch.testing.assert_close(value, two.state_dict()[name], rtol=0, atol=0, msg=name)
    with pytest.raises(InputError, match="belongs to a training with other settings"):
        finish(training(7).run(tmp_path / "c"))


@pytest.mark.slow
def test_training_learns(monkeypatch):
    monkeypatch.setattr("local_crystallography.models.segmenter_training.FIRST", 8)
    monkeypatch.setattr("local_crystallography.models.segmenter_training.WARM_UP", 1)
    losses: list[float | None] = []
    finish(training(24).run(), lambda progress: losses.append(progress.loss))
    known = [loss for loss in losses if loss is not None]
    assert known[-1] < 0.9 * known[0]


def test_the_global_random_state_is_unchanged(monkeypatch):
    monkeypatch.setattr("local_crystallography.models.segmenter_training.FIRST", 2)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    finish(training(1).run())
    torch.testing.assert_close(torch.get_rng_state(), before)


def test_an_example_of_an_image_marks_every_class():
    places = square_lattice(20, shape=(256, 256))
    kind = np.arange(len(places)) % 2
    frame = blobs(places, shape=(256, 256)).astype(np.float32)
    example = marked(frame, places, kind, 2, 2.5, np.random.default_rng(0))
    picked = example.noisy(np.random.default_rng(1))
    assert example.target.shape == (2, 192, 192)
    for target in example.target:
        assert picked[target > 0.5].mean() > 3 * abs(picked[target == 0].mean())
    assert (example.target.sum(axis=0) <= 1.001).all()


@pytest.mark.slow
@pytest.mark.timeout(1800)  # minutes of training, twice as long where other tests share the cores
def test_classes_are_distinguished_after_fine_tuning(tmp_path):
    places = square_lattice(16, shape=(224, 224))
    kind = np.arange(len(places)) % 2
    picture_of = blobs(places, shape=(224, 224), height=np.where(kind, 1.0, 0.4))
    image = Image(picture_of + 0.02 * np.random.default_rng(0).standard_normal((224, 224)))
    tuned = finish(tune_segmenter(image, Atoms.at(places, columns={"label": kind}), seed=0, steps=120))
    sigma = Segment().resolve(image).by.sigma
    shares = tuned.shares(image.frames[0], sigma=sigma, members=1)[0]
    inner = ((places > 20) & (places < 204)).all(axis=1)
    y, x = np.rint(places[inner]).astype(int).T
    assert tuned.classes == ("class 0", "class 1")
    assert (shares[:, y, x].argmax(axis=0) == kind[inner]).mean() > 0.95
    tuned.save(tmp_path / "two.safetensors")
    probability = Segment(by=Network(weights=tmp_path / "two.safetensors"))(image)
    assert probability.classes == tuned.classes
    atoms = FindAtoms()(probability, image)
    distance, nearest = cKDTree(places).query(atoms.yx)
    at = distance < 3
    assert (atoms.features["kind"][at] == kind[nearest[at]]).mean() > 0.95


@pytest.mark.slow
def test_a_custom_network_is_trained_and_used_from_the_command_line(tmp_path):
    places = square_lattice(13)
    np.save(tmp_path / "image.npy", blobs(places))
    pd.DataFrame(places, columns=["y_px", "x_px"]).to_csv(tmp_path / "atoms.csv", index=False)
    given = ["--image", str(tmp_path / "image.npy"), "--points", str(tmp_path / "atoms.csv"), "--steps", "2"]
    assert main(["train-segmenter", "--out", str(tmp_path / "my.safetensors"), *given]) == 0
    image = Image(blobs(places))
    probability = Segment(by=Network(weights=tmp_path / "my.safetensors"))(image)
    assert len(FindAtoms()(probability, image)) >= len(places)


def test_points_without_an_image_are_refused(tmp_path, capsys):
    assert main(["train-segmenter", "--out", str(tmp_path / "a"), "--points", str(tmp_path / "b.csv")]) == 2
    assert "give both or neither" in capsys.readouterr().err


def test_the_network_has_as_many_channels_as_classes():
    assert UNet(3)(torch.zeros(1, CHANNELS, 32, 48)).shape == (1, 3, 32, 48)


def test_a_file_that_is_missing_is_said_to_be(tmp_path):
    with pytest.raises(InputError, match="does not exist; check the spelling of the path, or name none"):
        Segmenter.load(tmp_path / "a.safetensors")

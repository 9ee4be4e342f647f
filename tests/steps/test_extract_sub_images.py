"""Sub-images are cut where the atom is, not at the nearest pixel."""

import numpy as np
import pytest
from crystals import blobs, square_lattice

from local_crystallography import Atoms, ExtractSubImages, Image
from local_crystallography.data.errors import InputError
from local_crystallography.data.subimages import SubImages, as_found

PLACES = square_lattice(angle=0.2)
IMAGE = Image(blobs(PLACES))
ATOMS = Atoms.at(PLACES)
PROBABILITY = np.clip(blobs(PLACES, sigma=2), 0, 1).astype(np.float32)


def test_all_windows_of_a_perfect_crystal_are_alike():
    atoms = ATOMS[(np.abs(PLACES - 63.5) < 40).all(axis=1)]
    windows = ExtractSubImages(window_size=20)(atoms, IMAGE).windows
    assert np.abs(windows - windows.mean(axis=0)).max() < 0.02 * np.ptp(windows)


def test_atoms_near_the_edge_are_left_out_and_the_rest_keep_their_ids():
    sub_images = ExtractSubImages(window_size=41)(ATOMS, IMAGE)
    inside = ((PLACES >= 20) & (PLACES <= 107)).all(axis=1)
    assert sub_images.atoms.ids.tolist() == np.flatnonzero(inside).tolist()


def test_the_window_fits_the_spacing():
    assert ExtractSubImages().resolve(ATOMS, IMAGE).window_size == 30


@pytest.mark.parametrize("side", [15, 16])
def test_the_atom_is_in_the_middle_of_even_and_odd_windows(side):
    lone = np.array([[60.3, 70.7]])
    window = ExtractSubImages(window_size=side)(Atoms.at(lone), Image(blobs(lone, sigma=2))).windows[0]
    weight = window - window.min()
    y, x = np.indices(window.shape)
    assert (weight * y).sum() / weight.sum() == pytest.approx((side - 1) / 2, abs=0.02)
    assert (weight * x).sum() / weight.sum() == pytest.approx((side - 1) / 2, abs=0.02)


def test_each_sub_image_can_be_normalised():
    windows = ExtractSubImages(window_size=16, normalise="sub-image")(ATOMS, IMAGE).windows
    assert np.allclose(windows.mean(axis=(1, 2)), 0, atol=1e-4)
    assert np.allclose(windows.std(axis=(1, 2)), 1, atol=1e-3)


def test_image_and_probability_are_two_channels():
    both, image, probability = (
        ExtractSubImages(window_size=16, source=source)(ATOMS, IMAGE, PROBABILITY)
        for source in ("image and probability", "image", "probability")
    )
    assert (both.channels, image.channels, both.window_size) == (2, 1, 16)
    assert np.array_equal(both.windows, np.stack([image.windows, probability.windows], axis=-1))
    assert both.atoms.same_atoms(image.atoms)


def test_each_channel_of_each_sub_image_can_be_normalised():
    step = ExtractSubImages(window_size=16, source="image and probability", normalise="sub-image")
    windows = step(ATOMS, IMAGE, PROBABILITY).windows
    assert np.allclose(windows.mean(axis=(1, 2)), 0, atol=1e-4)
    assert np.allclose(windows.std(axis=(1, 2)), 1, atol=1e-3)


def test_two_images_of_the_same_atoms_are_two_channels():
    dark = ExtractSubImages(window_size=16)(ATOMS, Image(-IMAGE.data))
    bright = ExtractSubImages(window_size=16)(ATOMS, IMAGE)
    both = SubImages.stacked([bright, dark])
    assert np.array_equal(both.windows[..., 0], bright.windows)
    assert np.array_equal(both.windows[..., 1], dark.windows)
    assert SubImages.stacked([both, dark]).channels == 3
    assert SubImages.stacked([dark]).windows.shape == dark.windows.shape


@pytest.mark.parametrize(
    ("atoms", "side"),
    [(ATOMS[1:], 16), (ATOMS, 18), (Atoms(PLACES + 0.1, ATOMS.features), 16)],
)
def test_channels_are_of_the_same_atoms_and_size(atoms, side):
    first = ExtractSubImages(window_size=16)(ATOMS, IMAGE)
    other = ExtractSubImages(window_size=side)(atoms, IMAGE)
    with pytest.raises(InputError, match="of different atoms or sizes"):
        SubImages.stacked([first, other])


def test_no_sub_images_are_no_channels():
    with pytest.raises(InputError, match="at least one image"):
        SubImages.stacked([])


@pytest.mark.parametrize("shape", [(5, 8), (5, 8, 9), (5, 8, 9, 8), (4, 8, 8), (5, 8, 8, 1, 1)])
def test_windows_are_squares_one_per_atom(shape):
    with pytest.raises(InputError, match="channels"):
        SubImages(np.zeros(shape, np.float32), ATOMS[:5])


def test_atoms_that_were_not_moved_are_as_found():
    assert as_found(ATOMS) is ATOMS


def test_moved_atoms_go_back_and_hand_drawn_ones_stay():
    found = np.where(np.arange(len(PLACES))[:, None] == 3, np.nan, PLACES)
    moved = Atoms(PLACES + 1, ATOMS.features).with_features(found_y_px=found[:, 0], found_x_px=found[:, 1], z0=0.0)
    back = as_found(moved)
    assert np.array_equal(back.yx[3], PLACES[3] + 1)
    assert np.array_equal(np.delete(back.yx, 3, axis=0), np.delete(PLACES, 3, axis=0))
    assert list(back.features) == ["id", "frame", "z0"]


def test_smoothing_takes_contrast_away():
    plain, smooth = (ExtractSubImages(window_size=16, source=s)(ATOMS, IMAGE).windows for s in ("image", "smoothed"))
    assert smooth.std() < 0.9 * plain.std()


@pytest.mark.parametrize(
    ("step", "atoms", "words"),
    [
        (ExtractSubImages(window_size=200), ATOMS, "window of 200 pixels is larger than the image of 128 x 128"),
        (ExtractSubImages(window_size=120), ATOMS[:5], "smaller window"),
        (ExtractSubImages(), ATOMS[:1], "No frame has two atoms"),
        (ExtractSubImages(source="probability"), ATOMS, "no probability map"),
        (ExtractSubImages(source="image and probability"), ATOMS, "no probability map"),
    ],
)
def test_what_cannot_be_cut_is_said(step, atoms, words):
    with pytest.raises(InputError, match=words):
        step(atoms, IMAGE)


@pytest.mark.parametrize("frame", [-1, 1])
def test_atoms_of_a_frame_that_the_image_does_not_have_are_refused(frame):
    with pytest.raises(InputError, match=f"in frame {frame}, but image has frames 0 to 0"):
        ExtractSubImages(window_size=16)(Atoms.at(PLACES, frame=frame), IMAGE)

"""Sub-images are cut where the atom is, not at the nearest pixel."""

import numpy as np
import pytest
from crystals import blobs, square_lattice

from local_crystallography import Atoms, ExtractSubImages, Image
from local_crystallography.data.errors import InputError

PLACES = square_lattice(angle=0.2)
IMAGE = Image(blobs(PLACES))
ATOMS = Atoms.at(PLACES)


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


def test_smoothing_takes_contrast_away():
    plain, smooth = (ExtractSubImages(window_size=16, source=s)(ATOMS, IMAGE).windows for s in ("image", "smoothed"))
    assert smooth.std() < 0.9 * plain.std()


@pytest.mark.parametrize(
    ("step", "atoms", "words"),
    [
        (ExtractSubImages(window_size=200), ATOMS, "window of 200 pixels came with an image of 128 x 128"),
        (ExtractSubImages(window_size=120), ATOMS[:5], "smaller window"),
        (ExtractSubImages(), ATOMS[:1], "at least two"),
        (ExtractSubImages(source="probability"), ATOMS, "no probability map"),
    ],
)
def test_what_cannot_be_cut_is_said(step, atoms, words):
    with pytest.raises(InputError, match=words):
        step(atoms, IMAGE)

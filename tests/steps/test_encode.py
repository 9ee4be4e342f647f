"""Columns of a network go to their atoms; atoms go where the network sees them, once."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from crystals import blobs, square_lattice

from local_crystallography import Atoms, Encode, ExtractSubImages, Image
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Progress

PLACES = square_lattice()
IMAGE = Image(blobs(PLACES))
SHIFTS = 0.5 * np.random.default_rng(0).standard_normal(PLACES.shape)
ATOMS = Atoms.at(PLACES + SHIFTS, pixel_size=0.02).with_features(intensity=1.0)
SUB_IMAGES = ExtractSubImages(window_size=40)(ATOMS, IMAGE)
INSIDE = np.isin(ATOMS.ids, SUB_IMAGES.atoms.ids)
MOVE, STAY = Encode(correct_positions=True), Encode()


class Seer:
    """A network that knows how far every window is from its motif, and that the motif has four equal turns."""

    settings = SimpleNamespace(latents=2, turns=True)

    def encoding(self, windows):
        yield Progress(0.0, "encoding atoms …")
        return self.encode(windows)

    def encode(self, windows):
        offset = -SHIFTS[INSIDE]
        assert len(windows) == len(offset)
        columns = {"angle_rad": np.full(len(offset), 2.0), "offset_y_px": offset[:, 0], "offset_x_px": offset[:, 1]}
        columns["angle_std_rad"] = 0.01
        return pd.DataFrame(columns | {"z0": 0.0, "z1": offset[:, 0], "reconstruction_error": 1.0})

    def symmetry_order(self, z, groups):
        assert list(z) == ["z0", "z1"]
        assert len(groups) == len(z)
        return np.full(len(z), 4)


def encode(step, atoms=ATOMS):
    return step(Seer(), SUB_IMAGES, atoms)


def test_some_atoms_have_no_sub_image():
    assert 0 < INSIDE.sum() < len(ATOMS)


@pytest.mark.parametrize(("angle", "expected"), [("own symmetry", 2 - np.pi / 2), ("full circle", 2.0)])
def test_the_angle_is_within_the_range_asked_for(angle, expected):
    known = encode(Encode(angle=angle)).features["angle_rad"][INSIDE]
    assert np.allclose(known, expected)


def test_atoms_stay_unless_asked_to_move():
    encoded = encode(STAY)
    assert encoded.same_atoms(ATOMS)
    assert "found_y_px" not in encoded.features
    assert np.array_equal(encoded.features["z0"].notna(), INSIDE)


def test_known_shifts_are_put_right():
    moved = encode(MOVE)
    assert np.allclose(moved.yx[INSIDE], PLACES[INSIDE])
    assert np.array_equal(moved.yx[~INSIDE], ATOMS.yx[~INSIDE])
    assert (moved.pixel_size, len(moved)) == (ATOMS.pixel_size, len(ATOMS))


def test_where_they_were_found_is_kept():
    moved = encode(MOVE)
    assert np.array_equal(moved.features[["found_y_px", "found_x_px"]].to_numpy(), ATOMS.yx)


def test_moving_twice_is_moving_once():
    once = encode(MOVE)
    twice = encode(MOVE, once)
    assert twice.same_atoms(once)
    pd.testing.assert_frame_equal(twice.features, once.features)


def test_switching_it_off_brings_the_old_places_back():
    back = encode(STAY, encode(MOVE))
    assert back.same_atoms(ATOMS)
    pd.testing.assert_frame_equal(back.features, encode(STAY).features)


def test_an_offset_that_is_not_known_moves_nothing():
    class Unsure(Seer):
        def encode(self, windows):
            return super().encode(windows).assign(offset_y_px=np.nan)

    moved = MOVE(Unsure(), SUB_IMAGES, ATOMS)
    assert np.array_equal(moved.yx[:, 0], ATOMS.yx[:, 0])


class Still(Seer):
    """A network of kind vae: no pose."""

    settings = SimpleNamespace(latents=2, turns=False)

    def encode(self, windows):
        return super().encode(windows).drop(columns=["angle_rad", "offset_y_px", "offset_x_px"])


def test_a_network_without_a_pose_gives_latents_alone():
    features = STAY(Still(), SUB_IMAGES, ATOMS).features
    assert "angle_rad" not in features
    assert np.array_equal(features["z0"].notna(), INSIDE)


def test_a_network_without_a_pose_cannot_correct_positions():
    with pytest.raises(InputError, match="of kind vae, which has no offset; train one of kind rvae"):
        MOVE(Still(), SUB_IMAGES, ATOMS)


def test_a_part_of_the_atoms_can_be_encoded():
    part = ATOMS[ATOMS.ids % 2 == 0]
    moved = encode(MOVE, part)
    known = INSIDE[part.ids]
    assert np.array_equal(moved.ids, part.ids)
    assert np.allclose(moved.yx[known], PLACES[part.ids][known])

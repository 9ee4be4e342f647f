"""Images and atoms: what may be in them, and that rows never drift apart."""

import dask.array as dask
import numpy as np
import pandas as pd
import pytest

from local_crystallography import Atoms, Image
from local_crystallography.data.errors import InputError
from local_crystallography.data.subimages import SubImages

RAMP = np.arange(400.0).reshape(20, 20)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (RAMP[0], "at least 16 x 16"),
        (RAMP[:8], "at least 16 x 16"),
        (np.zeros((20, 20)), "every pixel is 0"),
        (np.where(RAMP < 200, np.nan, RAMP), "only 200 pixels are valid"),
        (RAMP.astype(complex), "real numbers"),
        (np.full((20, 20), "a"), "real numbers; convert them first"),
        (RAMP * 1e300, "too large; divide them by a constant"),
        (np.full((20, 20), np.nan), "no pixel is valid"),
        ("image.tif", "str is not an array of pixels; read a file with read_image"),
    ],
)
def test_what_is_no_image_is_refused_in_words(data, words):
    with pytest.raises(InputError, match=words):
        Image(data)


@pytest.mark.parametrize("pixel_size", [0, -0.1, np.nan, np.inf, 1e-6, 5.0, "0.02", (0.02, 0.02), True])
def test_a_pixel_size_is_a_length_at_which_atoms_are_seen(pixel_size):
    with pytest.raises(InputError, match="pixel size"):
        Image(RAMP, pixel_size)


@pytest.mark.parametrize("scale", [1e-10, 1.0, 1e6])
def test_frames_do_not_depend_on_the_units_of_the_image(scale):
    assert np.allclose(Image(RAMP * scale + scale).frames, Image(RAMP).frames, atol=1e-5)


def test_a_stack_has_its_frames_in_front():
    assert Image(np.stack([RAMP, RAMP + 1])).frames.shape == (2, 20, 20)


def test_ids_survive_taking_a_part():
    atoms = Atoms.at(np.random.default_rng(0).random((10, 2)))
    assert atoms[atoms.ids % 2 == 1].ids.tolist() == [1, 3, 5, 7, 9]


def test_columns_of_a_part_come_back_to_their_own_atoms():
    atoms = Atoms.at(np.arange(20).reshape(10, 2))
    part = atoms[[7, 2, 5]]
    joined = atoms.join(part.ids, pd.DataFrame({"z0": part.yx[:, 0]}))
    known = joined.features["z0"].notna()
    assert known.sum() == 3
    assert np.array_equal(joined.features["z0"][known], joined.yx[known.to_numpy(), 0])


def test_a_joined_column_replaces_the_older_one_whole():
    atoms = Atoms.at(np.zeros((3, 2))).with_features(z0=[1.0, 2.0, 3.0])
    joined = atoms.join([0], pd.DataFrame({"z0": [9.0]}))
    assert joined.features["z0"].isna().tolist() == [False, True, True]


def test_the_table_goes_round():
    atoms = Atoms.at([[1, 2], [3, 4.5]], frame=[0, 1], pixel_size=0.02, columns={"intensity": [5.0, 6.0]})
    back = Atoms.from_frame(atoms.to_frame(), pixel_size=0.02)
    assert back.same_atoms(atoms)
    pd.testing.assert_frame_equal(back.features, atoms.features)


def test_nanometres_are_pixels_times_pixel_size():
    table = Atoms.at([[10, 20]], pixel_size=0.5).to_frame()
    assert (table["y_nm"][0], table["x_nm"][0]) == (5, 10)


def test_a_table_without_places_is_refused():
    with pytest.raises(InputError, match="y_px and x_px"):
        Atoms.from_frame(pd.DataFrame({"y": [1]}))


def test_sub_images_and_atoms_are_as_many():
    with pytest.raises(InputError, match="2 atoms"):
        SubImages(np.zeros((3, 8, 8), np.float32), Atoms.at(np.zeros((2, 2))))


def test_an_array_read_by_the_part_is_never_held_whole():
    read = []

    def frame(block_info=None):
        read.append(block_info[None]["chunk-location"][0])
        return np.full((1, 20, 20), RAMP + len(read))

    stack = dask.map_blocks(frame, chunks=((1,) * 3, (20,), (20,)), dtype=float, meta=np.zeros((0, 0, 0)))
    image = Image(stack)
    assert read == [0, 1, 2]
    assert image.frame(1).shape == (20, 20)
    assert read == [0, 1, 2, 1]


def test_an_array_read_by_the_part_gives_the_same_frames():
    stack = np.stack([RAMP, RAMP**2, RAMP + 5])
    np.testing.assert_array_equal(Image(dask.from_array(stack, chunks=(1, 10, 20))).frames, Image(stack).frames)


def test_frames_of_a_stack_share_one_scale():
    frames = Image(np.stack([RAMP, RAMP + 500])).frames
    assert (abs(frames.mean()) < 1e-5, abs(frames.std() - 1) < 1e-5) == (True, True)
    assert frames[1].mean() > 0.5


def test_a_stack_without_frames_is_refused():
    with pytest.raises(InputError, match="array has shape"):
        Image(np.zeros((0, 20, 20)))


def test_positions_of_three_numbers_are_refused():
    with pytest.raises(InputError, match=r"Positions of shape \(4, 3\) cannot be used, only \(N, 2\)"):
        Atoms.at(np.zeros((4, 3)))

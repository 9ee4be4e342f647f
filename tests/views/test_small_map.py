"""Small maps: nearest atoms of pixels, and where a class lies."""

import numpy as np
import pytest

from local_crystallography import Atoms
from local_crystallography.views import small_map

ATOMS = Atoms.at(np.array([[10.0, 10.0], [10.0, 30.0], [30.0, 10.0], [30.0, 30.0]]))
LABELS = np.array([0, 1, 2, -1])


def test_a_class_has_its_colour_others_are_grey_and_atoms_without_a_class_darker():
    rows = small_map.nearest_rows(ATOMS, np.ones(4, bool), (40, 40))
    picture = small_map.of_class(rows, LABELS, 1, "#ff8000")
    np.testing.assert_array_equal(picture[9, 30], [255, 128, 0, 255])
    np.testing.assert_array_equal(picture[9, 9], small_map.DIM)
    np.testing.assert_array_equal(picture[30, 9], small_map.DIM)
    np.testing.assert_array_equal(picture[30, 30], small_map.DARK)


def test_what_is_far_from_all_atoms_is_transparent():
    rows = small_map.nearest_rows(ATOMS, np.ones(4, bool), (40, 100))
    assert rows.shape == (40, 100)
    assert (rows[:, 60:] == -1).all()
    assert (small_map.of_class(rows, LABELS, 0, "#ffffff")[:, 60:, 3] == 0).all()


def test_an_atom_alone_is_the_nearest_everywhere():
    assert (small_map.nearest_rows(ATOMS, np.array([False, True, False, False]), (40, 40)) == 1).all()


def test_only_atoms_that_were_cut_are_near():
    rows = small_map.nearest_rows(ATOMS, np.array([True, True, True, False]), (40, 40))
    assert 3 not in rows


@pytest.mark.parametrize(("shape", "share"), [((20, 20), 1), ((60, 20), 1 / 3), ((20, 60), 1)])
def test_pictures_side_by_side_are_as_high_and_not_wider(shape, share):
    picture = small_map.of_height(np.full((*shape, 4), 255, np.uint8))
    assert picture.shape == (small_map.SIDE, share * small_map.SIDE, 4)
    assert (picture[small_map.SIDE // 2, :, 3] == 255).all()
    assert (picture[0, :, 3] == 0).all() == (shape[1] > shape[0])

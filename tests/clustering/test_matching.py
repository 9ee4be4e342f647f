"""Stable numbers of classes."""

import numpy as np
import pytest

from local_crystallography import Atoms
from local_crystallography.clustering.matching import labels_from, matched


@pytest.mark.parametrize(
    ("labels", "earlier", "told"),
    [
        ([0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]),
        ([0, 0, 1, -1], [5, 5, 2, 2], [5, 5, 2, -1]),
        ([0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1]),
        ([0, 0, 0, 1, 2], [1, 1, 1, 1, 1], [1, 1, 1, 0, 2]),
        ([0, 0, 1, 1], [0, 0, -1, -1], [0, 0, 1, 1]),
        ([0, 1, 1], [1, -1, -1], [1, 0, 0]),
        ([0, 0, 1], [-1, -1, -1], [0, 0, 1]),
        ([-1, -1], [0, 1], [-1, -1]),
        ([], [], []),
    ],
)
def test_most_atoms_keep_their_number(labels, earlier, told):
    assert matched(labels, earlier).tolist() == told


def test_no_class_takes_the_number_of_one_that_is_gone():
    """It would have the name and colour of another class."""
    earlier = np.repeat([0, 1, -1], 10)
    assert set(matched(np.repeat([0, 0, 1], 10), earlier)[20:].tolist()) == {2}


def test_the_pairing_is_the_best_of_all_and_not_the_first():
    """Class 0 has most atoms in common with the earlier 0, but that pairing is worse overall."""
    labels = np.repeat([0, 0, 1, 1], [10, 9, 9, 0])
    earlier = np.repeat([0, 1, 0, 1], [10, 9, 9, 0])
    assert matched(labels, earlier).tolist() == [1] * 19 + [0] * 9


def grid(shift=0.0, frame=0):
    yx = np.stack(np.mgrid[:6, :6], axis=-1).reshape(-1, 2) * 10.0 + shift
    return Atoms.at(yx, frame=frame)


def test_atoms_are_the_same_at_the_same_position():
    earlier = grid().with_features(label=np.arange(36) % 3)
    moved = grid(shift=0.8)[::-1]
    assert labels_from(moved, earlier, "label").tolist() == (np.arange(36) % 3)[::-1].tolist()


@pytest.mark.parametrize("atoms", [grid(shift=5.0), grid(frame=1)])
def test_atoms_elsewhere_had_no_class(atoms):
    assert (labels_from(atoms, grid().with_features(label=1), "label") == -1).all()

"""Classes merged and split by hand."""

import numpy as np
import pytest

from local_crystallography.clustering.by_hand import merged, split
from local_crystallography.data.errors import InputError

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 4, -1], [300, 100, 50, 7])
POINTS = np.array([[0, 0], [20, 0], [0, 20], [9, 9]])[np.repeat([0, 1, 2, 3], [300, 100, 50, 7])] + RNG.normal(
    size=(457, 2)
)


def test_merged_classes_have_the_lowest_number_and_others_stay():
    assert np.bincount(merged(LABELS, [4, 1]) + 1).tolist() == [7, 300, 150]


def test_merged_classes_are_split_again():
    parts = split(POINTS, merged(LABELS, [0, 4]), 0, seed=0)
    assert [np.bincount(parts[number == LABELS]).argmax() for number in (0, 4)] == [0, 2]
    assert (parts[LABELS == 1] == 1).all()
    assert (parts[LABELS == -1] == -1).all()


def test_the_larger_part_keeps_the_number():
    parts = split(POINTS, np.where(LABELS >= 0, 3, -1), 3, seed=0)
    assert (parts == 3).sum() > (parts == 4).sum() > 0


def test_atoms_without_features_stay():
    points = POINTS.copy()
    points[:5] = np.nan
    assert (split(points, merged(LABELS, [0, 4]), 0, seed=0)[:5] == 0).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: merged(LABELS, [1]), "at least two classes, but 1 is selected"),
        (lambda: merged(LABELS, [1, 2]), "No atom is in class 2; choose from 0, 1, 4"),
        (lambda: merged(LABELS, [-1, 1]), "No atom is in class -1"),
        (lambda: split(POINTS, LABELS, 7, seed=0), "No atom is in class 7"),
        (lambda: split(POINTS[:9], np.zeros(9, int), 0, seed=0), "has 9 atoms; splitting it needs at least 10"),
        (lambda: split(np.ones((20, 2)), np.zeros(20, int), 0, seed=0), "are all equal"),
    ],
)
def test_invalid_changes_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        change()

"""Columns of atoms as points."""

import numpy as np
import pytest

from local_crystallography import Atoms
from local_crystallography.clustering.features import features
from local_crystallography.data.errors import InputError

RNG = np.random.default_rng(0)
ANGLE = RNG.uniform(-3, 3, 40)


def atoms(**columns):
    return Atoms.at(np.zeros((len(next(iter(columns.values()))), 2))).with_features(**columns)


def test_every_column_has_the_same_weight():
    points = features(atoms(z0=1e6 * RNG.normal(size=50), z1=1e-6 * RNG.normal(size=50) + 7), ("z0", "z1"), period=None)
    np.testing.assert_allclose(points.at.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(points.at.std(axis=0), 1)


def test_atoms_with_missing_values_are_excluded():
    z1 = np.arange(10.0)
    z1[[2, 5]] = np.nan, np.inf
    assert features(atoms(z0=np.arange(10.0), z1=z1), ("z0", "z1"), period=None).rows.tolist() == [
        0,
        1,
        3,
        4,
        6,
        7,
        8,
        9,
    ]


@pytest.mark.parametrize(
    ("columns", "period", "turn"),
    [
        ({"angle_rad": ANGLE}, None, 2 * np.pi),
        ({"angle_rad": ANGLE}, 3, 2 * np.pi / 3),
        ({"angle_rad": ANGLE, "symmetry_order": np.full(40, 4)}, None, np.pi / 2),
        ({"angle_rad": ANGLE, "symmetry_order": np.tile([2, 4], 20)}, None, np.tile([np.pi, np.pi / 2], 20)),
        ({"angle_rad": ANGLE, "symmetry_order": np.full(40, 4)}, 1, 2 * np.pi),
        ({"axis_angle_rad": ANGLE}, None, np.pi),
        ({"lattice_rotation_rad": ANGLE, "symmetry_order": np.full(40, 4)}, None, 2 * np.pi),
    ],
)
def test_a_symmetry_rotation_of_the_motif_changes_nothing(columns, period, turn):
    name = next(iter(columns))
    turned = columns | {name: ANGLE + turn * RNG.integers(-3, 4, 40)}
    before, after = (features(atoms(**each), (name,), period=period).at for each in (columns, turned))
    np.testing.assert_allclose(after, before, atol=1e-9)


def test_numbers_of_classes_are_names():
    label = RNG.integers(-1, 3, 40)
    before = features(atoms(hand_label=label), ("hand_label",), period=None)
    renamed = np.array([7, 0, 3, -1])[label]
    after = features(atoms(hand_label=renamed), ("hand_label",), period=None)
    assert before.at.shape == (40, 3)
    assert len(before.rows) == 40  # those without a class are 0 in all
    np.testing.assert_allclose(after.at[:, [2, 0, 1]], before.at)
    assert len(np.unique(before.at.round(9), axis=0)) == 4


def test_a_column_named_twice_counts_once():
    assert features(atoms(z0=ANGLE), ("z0", "z0"), period=None).at.shape == (40, 1)


def test_half_a_symmetry_rotation_changes_the_point():
    order = np.full(40, 4)
    places = [
        features(atoms(angle_rad=angle, symmetry_order=order), ("angle_rad",), period=None).at
        for angle in (ANGLE, np.append(ANGLE[:-1], ANGLE[-1] + np.pi / 4))
    ]
    assert np.abs(places[0][-1] - places[1][-1]).max() > 0.3


def test_the_standard_deviation_of_an_angle_is_not_an_angle():
    assert features(atoms(angle_std_rad=ANGLE), ("angle_std_rad",), period=None).at.shape == (40, 1)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"z1": ANGLE}, "no column z0"),
        ({"z0": np.full(4, 2.0)}, "Column z0 is the same for every atom"),
        ({"z0": np.full(4, np.nan)}, "No atom has a number in every column of z0"),
        ({"z0": ["a", "b", "c"]}, "Column z0 contains text"),
        ({"hand_label": np.full(4, -1)}, "Column hand_label contains no class"),
        ({"hand_label": np.full(4, 2)}, "Column hand_label 2 is the same for every atom"),
    ],
)
def test_uninformative_columns_are_refused(columns, words):
    with pytest.raises(InputError, match=words):
        features(atoms(**columns), ("hand_label" if "hand_label" in columns else "z0",), period=None)

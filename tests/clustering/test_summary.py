"""Summary of classes and angles in a sentence, and the map shown first."""

import numpy as np
import pandas as pd
import pytest

from local_crystallography import Atoms
from local_crystallography.clustering.angle_peaks import preferred_angles
from local_crystallography.clustering.summary import sentence, telling_map

SIDE = 30
GRID = 10.0 * np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), -1).reshape(-1, 2)
RIGHT = GRID[:, 1] > 150


def atoms(angle, label=0, order=4, std=0.01, **columns):
    noise = np.random.default_rng(0).normal(0, 0.01, len(GRID))
    known = {"angle_rad": angle + noise, "angle_std_rad": std, "symmetry_order": order, "label": label}
    return Atoms.at(GRID).with_features(**{k: np.broadcast_to(v, len(GRID)) for k, v in (known | columns).items()})


def test_two_grains_of_one_kind():
    two = atoms(np.where(RIGHT, 0.4, -0.2))
    assert sentence(two) == "One kind of site, 900 atoms, in two grains 34.4 ± 0.1 degrees apart."
    assert telling_map(two) == "angle_rad"


def test_the_shorter_way_round_the_period_of_the_motif():
    """0.7 and -0.7 are 0.17 rad apart for a motif with fourfold symmetry."""
    assert "9.8 ± 0.1 degrees apart" in sentence(atoms(np.where(RIGHT, 0.7, -0.7)))


def test_alternating_orientations_are_not_grains():
    alternating = np.where(GRID.sum(axis=1) / 10 % 2 == 0, 0.3, -0.3)
    assert "in two orientations 34.4" in sentence(atoms(alternating))


def test_frames_of_a_stack_are_not_neighbours():
    two = atoms(np.where(RIGHT, 0.4, -0.2))
    frames = pd.concat([two.features.assign(frame=0), two.features.assign(frame=1, angle_rad=-0.2 + 0.4)])
    frames["id"] = np.arange(len(frames))
    stack = Atoms(np.concatenate([GRID, GRID]), frames.reset_index(drop=True))
    assert "grains" in sentence(stack)


def test_several_kinds_are_counted():
    kind = np.where(np.arange(len(GRID)) % 3 == 0, 1, 0)
    assert sentence(atoms(np.zeros(len(GRID)), kind)) == "Two kinds of site: 600 and 300 atoms."
    assert "the largest in three grains." in sentence(atoms(np.digitize(GRID[:, 1], [100, 200]) * 0.4 - 0.4, kind))
    assert telling_map(atoms(np.zeros(len(GRID)), kind)) == "label"


@pytest.mark.parametrize("changed", [{"std": 0.5}, {"angle": np.random.default_rng(1).uniform(-0.78, 0.78, len(GRID))}])
def test_unknown_angles_are_not_mentioned(changed):
    made = atoms(**({"angle": np.where(RIGHT, 0.4, -0.2)} | changed))
    assert sentence(made) == "One kind of site, 900 atoms."


def test_the_latent_with_structure_is_shown_where_classes_and_angles_are_uninformative():
    noise = np.random.default_rng(0).normal(0, 1, len(GRID))
    made = atoms(np.zeros(len(GRID)), z0=noise, z1=noise + GRID[:, 0] / 30)
    assert telling_map(made) == "z1"
    assert telling_map(atoms(np.zeros(len(GRID)), z0=noise)) == "label"


def test_nothing_is_said_without_classes():
    assert sentence(Atoms.at(GRID)) == sentence(Atoms.at(GRID).with_features(label=np.full(len(GRID), -1))) == ""
    assert telling_map(Atoms.at(GRID)) == "label"


def test_preferred_angles_are_those_of_the_atoms():
    angle = np.repeat([0.2, 1.0], 500) + np.random.default_rng(0).normal(0, 0.03, 1000)
    found, period = preferred_angles(angle, 4)
    assert period == pytest.approx(np.pi / 2)
    np.testing.assert_allclose(found, [0.2, 1.0], atol=0.02)

"""Angles measured from a chosen direction, or from the lattice."""

import numpy as np
import pytest

from local_crystallography import Atoms, Cluster, GaussianMixture
from local_crystallography.clustering.directions import DIRECTION, directed
from local_crystallography.data.errors import InputError
from local_crystallography.views.small_map import with_direction

SIDE = 20
CELLS = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), -1).reshape(-1, 2)
CHECKS = CELLS.sum(axis=1) % 2
HALVES = (CELLS[:, 1] >= SIDE // 2).astype(int)


def atoms(angle, order=1, **columns):
    known = {"label": CHECKS, "angle_rad": angle, "symmetry_order": order} | columns
    return Atoms.at(10.0 * CELLS).with_features(**{k: np.broadcast_to(v, len(CELLS)) for k, v in known.items()})


def test_a_direction_in_the_decoded_image_rotates_with_the_motif():
    found = directed(atoms(0.3), (90, 180), lattice=False).features[DIRECTION].to_numpy()
    assert found[CHECKS == 0] == pytest.approx(np.pi / 2 + 0.3)
    assert found[CHECKS == 1] == pytest.approx(0.3 - np.pi)
    assert directed(atoms(0.3), (90,), lattice=False).features[DIRECTION][CHECKS == 1].to_numpy() == pytest.approx(0.3)


def test_directions_are_periodic_with_the_symmetry_of_the_motif():
    found = directed(atoms(0.7, order=4), (20, 20), lattice=False).features[DIRECTION]
    assert found.to_numpy() == pytest.approx(0.7 + np.radians(20) - np.pi / 2)
    whole = directed(atoms(np.where(HALVES, 2.0, 0.7), order=4), (20, 20), lattice=False).features[DIRECTION]
    assert whole[HALVES == 1].to_numpy() == pytest.approx(2.0 + np.radians(20))


def test_classes_are_tied_to_one_axis_of_the_lattice():
    rotation = np.where(HALVES, 0.2, -0.1)
    angle = rotation + np.where(CHECKS, 1.1, -0.6)
    made = atoms(angle, lattice_rotation_rad=rotation, grain=HALVES)
    found = directed(made, (), lattice=True).features[DIRECTION].to_numpy()
    assert found == pytest.approx(rotation, abs=1e-9)


def test_cluster_adds_the_column_on_request_and_keeps_it_with_the_class():
    z = np.random.default_rng(0).normal(0, 1, (len(CELLS), 2)) + 9.0 * CHECKS[:, None]
    given = atoms(0.3).without(["label"]).with_features(z0=z[:, 0], z1=z[:, 1])
    plain = Cluster(by=GaussianMixture(classes=2, components=2, n_init=2))
    assert DIRECTION not in plain(given).features
    step = plain.model_copy(update={"directions": (0, 90)})
    made = step(given)
    again = step.continued(made, made.with_features(label=1 - made.features["label"]))
    for each in (made, again):
        turned = each.features["label"] == 1
        assert each.features[DIRECTION][turned].to_numpy() == pytest.approx(np.pi / 2 + 0.3)
        assert each.features[DIRECTION][~turned].to_numpy() == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("lattice", "without", "says"),
    [(False, ["angle_rad"], "no column angle_rad"), (True, [], "run Measure lattice first")],
)
def test_missing_columns_are_reported(lattice, without, says):
    with pytest.raises(InputError, match=says):
        directed(atoms(0.3).without(without), (0,), lattice=lattice)


def test_classes_depend_on_the_lattice_only_where_angles_are_measured_from_it():
    assert not Cluster().uses({"measure_lattice"})
    assert Cluster(zero="lattice").uses({"measure_lattice"})


def test_the_line_points_from_the_centre():
    drawn = with_direction(np.zeros((41, 41, 4), np.uint8), np.pi / 2)
    rows, columns = np.nonzero(drawn[..., 3])
    assert (np.abs(columns - 20) <= 1).all()
    assert rows.max() < 20
    assert rows.min() < 4

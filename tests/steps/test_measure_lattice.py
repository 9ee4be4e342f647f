"""The lattice around every atom: strain, rotation, displacement and neighbours against known fields."""

import numpy as np
import pytest

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.steps.measure_lattice import MeasureLattice

CELLS = np.stack(np.meshgrid(np.arange(-15, 16), np.arange(-15, 16), indexing="ij"), -1).reshape(-1, 2)
CORNERS, CENTRES = 20.0 * CELLS + 320, 20.0 * CELLS + 330


def perovskite(shift=(0.0, 0.0), *, noise=0.0, **columns):
    """Atoms of two sublattices told apart by intensity, the weaker displaced by (y, x) pixels."""
    yx = np.vstack([CORNERS, CENTRES + np.asarray(shift)])
    yx = yx + np.random.default_rng(0).normal(0, noise, yx.shape)
    intensity = np.repeat([2.0, 1.0], len(CELLS))
    return Atoms.at(yx, pixel_size=0.02, columns={"intensity": intensity, **columns})


def test_displacement_of_one_sublattice_in_the_cage_of_the_other():
    table = MeasureLattice()(perovskite((-0.3, 0.4), noise=0.05)).features
    centre = table[(table["sublattice"] == 1) & table["displacement_px"].notna()]
    assert len(centre) > 890
    assert centre["displacement_y_px"].mean() == pytest.approx(-0.3, abs=0.01)
    assert centre["displacement_x_px"].mean() == pytest.approx(0.4, abs=0.01)
    assert centre["displacement_angle_rad"].median() == pytest.approx(np.arctan2(0.3, 0.4), abs=0.03)
    assert centre["displacement_nm"].median() == pytest.approx(0.5 * 0.02, rel=0.03)


def test_domains_of_opposite_displacement_are_no_strain():
    shift = np.where(CENTRES[:, 1:] > 320, 1.0, -1.0) * (0.0, 0.6)
    table = MeasureLattice()(perovskite(shift)).features
    off_wall = np.abs(np.vstack([CORNERS, CENTRES])[:, 1] - 320) > 60
    assert table.loc[off_wall, ["strain_xx", "strain_yy", "strain_xy"]].abs().max().max() < 1e-6
    assert np.sign(table["displacement_x_px"][len(CELLS) :]).nunique() == 2


def test_a_linear_strain_and_a_linear_rotation_are_measured():
    yx = CORNERS - 320
    strain, turn = 0.04 * yx[:, 1] / 300, 0.03 * yx[:, 0] / 300
    x = yx[:, 1] + 0.02 * yx[:, 1] ** 2 / 300 + 0.015 * yx[:, 0] ** 2 / 300
    table = MeasureLattice()(Atoms.at(np.stack([yx[:, 0], x], axis=1) + 400)).features
    inner = np.all(np.abs(CELLS) < 13, axis=1)
    assert table["strain_xx"][inner].to_numpy() == pytest.approx(strain[inner], abs=0.002)
    assert table["lattice_rotation_rad"][inner].to_numpy() == pytest.approx(turn[inner] / 2, abs=0.002)
    assert table["strain_xy"][inner].to_numpy() == pytest.approx(turn[inner] / 2, abs=0.002)


def test_rotation_towards_another_grain():
    turn = np.array([[np.cos(0.2), np.sin(0.2)], [-np.sin(0.2), np.cos(0.2)]])
    first, second = CORNERS, CORNERS[np.all(np.abs(CELLS) < 10, axis=1)] @ turn + (0, 900)
    atoms = Atoms.at(np.vstack([first, second]))
    own, towards = (MeasureLattice(reference_grain=g)(atoms).features for g in (None, 0))
    small = own["grain"] == 1
    assert own["lattice_rotation_rad"][small].abs().max() < 1e-6
    assert towards["lattice_rotation_rad"][small].to_numpy() == pytest.approx(0.2, abs=1e-6)


@pytest.mark.parametrize(
    ("column", "value"),
    [("a_px", 20), ("b_nm", 0.4), ("gamma_rad", np.pi / 2), ("neighbours", 4), ("neighbour_distance_px", 200**0.5)],
)
def test_plain_facts_of_a_perovskite(column, value):
    assert MeasureLattice()(perovskite()).features[column].median() == pytest.approx(value, rel=1e-6)


def test_deviations_of_displacement_and_strain_are_those_seen():
    std = np.full(2 * len(CELLS), 0.2)
    table = MeasureLattice()(perovskite(noise=0.2, y_std_px=std, x_std_px=std)).features
    for value, told in (("displacement_x_px", "displacement_std_px"), ("strain_xy", "strain_xy_std")):
        assert table[value].std() == pytest.approx(table[told].median(), rel=0.15)


def test_corrected_places_are_used_on_request():
    yx = perovskite().yx
    bent = perovskite(y_corrected_px=yx[:, 0], x_corrected_px=1.05 * yx[:, 1])
    lengths = [MeasureLattice(corrected=c)(bent).features[["a_px", "b_px"]].median().max() for c in (True, False)]
    assert lengths == pytest.approx([21, 20], rel=1e-6)


def test_frames_are_measured_one_by_one():
    one = perovskite()
    both = Atoms.at(
        np.vstack([one.yx, 1.1 * one.yx]),
        frame=np.repeat([0, 1], len(one)),
        columns={"intensity": np.tile(one.features["intensity"], 2)},
    )
    table = MeasureLattice()(both).features
    assert table.groupby("frame")["a_px"].median().to_list() == pytest.approx([20, 22], rel=1e-6)


@pytest.mark.parametrize("count", [3, 300])
def test_atoms_without_order_are_refused(count):
    with pytest.raises(InputError, match="No lattice"):
        MeasureLattice()(Atoms.at(np.random.default_rng(0).uniform(0, 500, (count, 2))))


def test_a_reference_grain_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="no reference grain 3"):
        MeasureLattice(reference_grain=3)(perovskite())

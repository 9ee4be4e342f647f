"""Maps: the value of the nearest atom, and nothing where no atom is near."""

import numpy as np
import pytest

from local_crystallography import Atoms, Image, PaintMap
from local_crystallography.data.errors import InputError
from local_crystallography.data.subimages import SubImages

IMAGE = Image(np.arange(40.0 * 60).reshape(40, 60))
ATOMS = Atoms.at([[10, 10], [10, 30], [30.4, 50]]).with_features(z0=[1.0, 2.0, 3.0], label=[0, -1, 1])


def test_every_pixel_takes_the_nearest_value():
    painted = PaintMap(columns=("z0",), reach=8)(ATOMS, IMAGE)["z0"]
    assert (painted[10, 10], painted[10, 17], painted[12, 30], painted[30, 50]) == (1, 1, 2, 3)


def test_far_from_every_atom_there_is_nothing():
    painted = PaintMap(columns=("z0",), reach=8)(ATOMS, IMAGE)["z0"]
    assert np.isnan([painted[10, 20], painted[0, 59], painted[39, 0]]).all()


def test_an_atom_without_a_class_paints_nothing():
    painted = PaintMap(columns=("label",), reach=8)(ATOMS, IMAGE)["label"]
    assert np.isnan(painted[10, 30])
    assert (painted[10, 10], painted[30, 50]) == (0, 1)


def test_a_nan_value_paints_nothing():
    atoms = ATOMS.with_features(z0=[np.nan, 2.0, 3.0])
    assert np.isnan(PaintMap(columns=("z0",), reach=8)(atoms, IMAGE)["z0"][10, 10])


def test_frames_are_painted_with_their_own_atoms():
    stack = Image(np.stack([IMAGE.data, IMAGE.data]))
    atoms = Atoms.at([[10, 10], [30, 40]], frame=[0, 1]).with_features(z0=[1.0, 2.0])
    painted = PaintMap(columns=("z0",), reach=5)(atoms, stack)["z0"]
    assert painted.shape == (2, 40, 60)
    assert (painted[0, 10, 10], painted[1, 30, 40]) == (1, 2)
    assert np.isnan([painted[1, 10, 10], painted[0, 30, 40]]).all()


def test_what_exists_is_painted_by_default():
    assert set(PaintMap()(ATOMS, IMAGE)) == {"z0", "label"}
    more = ATOMS.with_features(c0=1.0, c1=2.0, c0_std=0.1, cvae_error=1.0)
    assert list(PaintMap()(more, IMAGE)) == ["z0", "c0", "c1", "label"]


def test_a_missing_column_is_said():
    with pytest.raises(InputError, match="no column zz"):
        PaintMap(columns=("zz",))(ATOMS, IMAGE)


def test_a_light_column_that_was_not_cut_around_is_looked_past():
    strong = Atoms.at([[20, 12], [20, 30]]).with_features(z0=[1.0, 2.0])
    light = Atoms.at([[20, 12], [20, 30], [20, 20]]).with_features(z0=[1.0, 2.0, np.nan], strain_xx=[0.1, 0.2, 0.3])
    cut = SubImages(np.zeros((2, 8, 8), np.float32), strong)
    maps = PaintMap(columns=("z0", "strain_xx"), reach=12)(light, IMAGE, cut)
    assert (maps["z0"][20, 20], maps["strain_xx"][20, 20]) == (1, np.float32(0.3))
    assert np.isnan(PaintMap(columns=("z0",), reach=12)(light, IMAGE)["z0"][20, 20])


def test_an_atom_too_near_the_edge_to_be_cut_around_leaves_a_gap():
    atoms = Atoms.at([[2, 12], [8, 12]]).with_features(z0=[np.nan, 2.0])
    cut = SubImages(np.zeros((1, 8, 8), np.float32), atoms[1:])
    assert np.isnan(PaintMap(columns=("z0",), reach=8)(atoms, IMAGE, cut)["z0"][2, 12])


def test_what_was_measured_of_the_lattice_is_painted():
    atoms = ATOMS.with_features(strain_xx=0.01, displacement_px=0.2, lattice_rotation_rad=0.0)
    assert {"strain_xx", "displacement_px", "lattice_rotation_rad"} <= set(PaintMap()(atoms, IMAGE))
    assert "displacement_px" not in PaintMap()(atoms.with_features(displacement_nm=0.02), IMAGE)

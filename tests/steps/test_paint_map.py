"""Maps: the value of the nearest atom, and nothing where no atom is near."""

import numpy as np
import pytest

from local_crystallography import Atoms, Image, PaintMap
from local_crystallography.data.errors import InputError
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps import paint_map
from local_crystallography.steps.base import OWN, own
from local_crystallography.steps.catalog import columns
from local_crystallography.steps.paint_map import Brush

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
    assert list(PaintMap()(more.with_features(hand_label=1), IMAGE))[-2:] == ["label", "hand_label"]


@pytest.mark.parametrize("name", ["z0", "label", "hand_label", "strain_xx", "displacement_nm", "displacement_px"])
def test_what_is_painted_by_default_is_known_by_name(name):
    assert columns().painted([name]) == (name,)
    assert columns().painted([f"my_{name}"]) == ()
    assert name in PaintMap().resolve(ATOMS.with_features(**{name: 1.0}), IMAGE).columns


def test_classes_given_by_hand_are_painted_as_labels_are():
    painted = PaintMap(columns=("hand_label",), reach=8)(ATOMS.with_features(hand_label=[3, -1, 4]), IMAGE)
    assert np.isnan(painted["hand_label"][10, 30])
    assert painted["hand_label"][30, 50] == 4


@pytest.mark.parametrize(
    ("step", "replaced", "uses"),
    [
        (PaintMap(), {OWN, own("mine")}, False),
        (PaintMap(), {OWN, own("hand_label")}, True),
        (PaintMap(columns=("z0",)), {OWN, own("hand_label")}, False),
        (PaintMap(columns=("mine",)), {OWN, own("mine"), own("other")}, True),
        (PaintMap(columns=("z0",)), {OWN, own("mine"), "cluster"}, True),
        (PaintMap(columns=("z0",)), {"atoms"}, True),
    ],
)
def test_columns_of_ones_own_count_where_they_are_painted(step, replaced, uses):
    assert step.uses(replaced) == uses


def test_a_brush_finds_the_nearest_atoms_once(monkeypatch):
    found, nearest = [], paint_map.nearest
    monkeypatch.setattr(paint_map, "nearest", lambda *args, **kwargs: found.append(1) or nearest(*args, **kwargs))
    brush = Brush(ATOMS, IMAGE, reach=8, left_out=np.zeros(3, bool))
    assert not brush.ready(np.zeros(3))
    first, second = brush.paint(np.array([1.0, 2.0, 3.0])), brush.paint(np.array([4.0, np.nan, 6.0]))
    assert (first[10, 10], first[10, 30], second[10, 10]) == (1, 2, 4)
    assert np.isnan(second[10, 30])
    assert len(found) == 1
    assert brush.ready(np.zeros(3))
    assert brush.fits(ATOMS.with_features(z0=0.0), 8)
    assert not brush.fits(ATOMS, 9)
    assert not brush.fits(ATOMS[:2], 8)


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


def test_deviations_are_painted_beside_their_columns():
    atoms = ATOMS.with_features(angle_rad=0.1, angle_std_rad=0.01, z0_std=[0.1, 0.2, 0.3], displacement_px=1.0)
    assert not any("std" in name for name in PaintMap()(atoms, IMAGE))
    maps = PaintMap(deviations=True, reach=8)(atoms, IMAGE)
    assert {name for name in maps if "std" in name} == {"angle_std_rad", "z0_std"}
    assert maps["z0_std"][10, 30] == np.float32(0.2)


def test_a_column_of_text_is_refused():
    with pytest.raises(InputError, match="Column name contains text instead of numbers; leave it out"):
        PaintMap(columns=("name",))(ATOMS.with_features(name=["a", "b", "c"]), IMAGE)


def lattice(motif, *, side=14.0, other=None, number=9):
    """(N, 2) positions of a rectangular lattice with a motif in fractions of its cell, and 3 % of scatter."""
    cell = np.array([side, other or side])
    cells = np.stack(np.meshgrid(range(number), range(number), indexing="ij"), axis=-1).reshape(-1, 1, 2)
    yx = ((cells + np.array(motif)) * cell).reshape(-1, 2) + 5
    return yx + np.random.default_rng(0).normal(0, 0.03 * side * 0.5, yx.shape)


LATTICES = {
    "square": lattice([(0, 0)]),
    "two sublattices": lattice([(0, 0), (0.5, 0.5)]),
    "honeycomb": lattice([(0, 0), (0, 1 / 3), (0.5, 0.5), (0.5, 5 / 6)], side=12.0, other=12 * np.sqrt(3)),
    "dumbbells": lattice([(0, 0), (0, 0.25), (0.5, 0.5), (0.5, 0.75)], side=15.0, other=21.0),
}


@pytest.mark.parametrize("yx", LATTICES.values(), ids=LATTICES.keys())
@pytest.mark.parametrize("missing", [False, True])
def test_no_holes_within_a_crystal(yx, missing):
    if missing:
        middle = np.hypot(*(yx - yx.mean(axis=0)).T).argmin()
        yx = np.delete(yx, middle, axis=0)
    image = Image(np.random.default_rng(0).normal(size=tuple(np.ceil(yx.max(axis=0) + 6).astype(int))))
    atoms = Atoms.at(yx).with_features(z0=np.ones(len(yx)))
    painted = PaintMap(columns=("z0",))(atoms, image)["z0"]
    inner = painted[12:-12, 12:-12]
    assert np.isfinite(inner).all()


def test_atoms_far_from_each_other_leave_what_lies_between():
    yx = np.concatenate([LATTICES["square"], LATTICES["square"] + (0, 250)])
    image = Image(np.random.default_rng(0).normal(size=(130, 390)))
    painted = PaintMap(columns=("z0",))(Atoms.at(yx).with_features(z0=np.ones(len(yx))), image)["z0"]
    assert np.isnan(painted[:, 160:220]).all()

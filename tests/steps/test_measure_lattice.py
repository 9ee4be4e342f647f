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


def layered(found=1.0):
    """The heavy columns of Sr3Fe2O7 along [010], and a part of the oxygen columns: half of one apical site."""
    cells = np.stack(np.meshgrid(np.arange(12), np.arange(24), indexing="ij"), -1).reshape(-1, 2)
    sites = {"Sr1": (0.5, 0.0), "Sr2": (0.3176, 0.0), "Sr3": (0.6824, 0.0), "Fe1": (0.0986, 0.0), "Fe2": (0.9014, 0.0)}
    strong = np.array([(z + half, x + half) for half in (0, 0.5) for z, x in sites.values()])
    weak = np.array([(0.1941, 0.0), (0.6941, 0.5)])
    size = np.array([100.0, 20.0])
    of_o = (cells[:, None] + weak).reshape(-1, 2) * size
    of_o = of_o[np.random.default_rng(0).random(len(of_o)) < found]
    heavy = (cells[:, None] + strong).reshape(-1, 2) * size
    intensity = np.r_[np.tile([10, 10, 10, 6, 6.0], 2 * len(cells)), np.full(len(of_o), 0.6)]
    return Atoms.at(np.vstack([heavy, of_o]) + 60, columns={"intensity": intensity}), len(heavy)


@pytest.mark.parametrize("found", [0.0, 0.35])
def test_faint_columns_found_in_part_leave_the_cages_of_a_layered_crystal(found):
    atoms, heavy = layered(found)
    table = MeasureLattice()(atoms).features[:heavy]
    assert table["displacement_px"].isna().mean() < 0.12  # those at the edge have no cage
    iron = table[(table["intensity"] == 6) & table["displacement_px"].notna()]
    # Fe lies between Sr at z = 0 and Sr at z = 0.1824, so its centre is off by 0.0986 - 0.0912 of c
    assert iron["displacement_y_px"].abs().to_numpy() == pytest.approx(0.74, abs=0.01)
    assert iron["displacement_x_px"].abs().max() < 0.01


def test_a_chosen_sublattice_is_the_cage():
    table = MeasureLattice(cage=0)(perovskite((-0.3, 0.4))).features
    assert table.loc[table["sublattice"] == 0, "displacement_px"].isna().all()
    assert table.loc[table["sublattice"] == 1, "displacement_y_px"].median() == pytest.approx(-0.3)
    with pytest.raises(InputError, match="no sublattice 90"):
        MeasureLattice(cage=90)(perovskite())


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
    pairs = {"displacement_x_px": "displacement_x_std_px", "strain_xy": "strain_xy_std"}
    assert table["displacement_std_nm"].median() == pytest.approx(0.02 * table["displacement_std_px"].median())
    for value, told in pairs.items():
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


def stripe(strain=0.02):
    """A square lattice of 20 px, 0.4 nm, stretched along x right of x = 500."""
    columns = np.cumsum(np.r_[20.0, np.full(24, 20.0), np.full(25, 20.0 * (1 + strain))])
    y, x = np.meshgrid(20.0 * np.arange(1, 31), columns, indexing="ij")
    return Atoms.at(np.stack([y.ravel(), x.ravel()], axis=1), pixel_size=0.02)


LEFT = (((0.0, 0.0), (0.0, 350.0), (700.0, 350.0), (700.0, 0.0)),)


@pytest.mark.parametrize(
    "reference",
    [
        {"method": "region", "region": LEFT},
        {"method": "hand class", "number": 2},
        {"method": "known cell", "a": 0.4, "b": 0.4},
    ],
    ids=lambda reference: reference["method"],
)
def test_strain_relative_to_a_chosen_reference(reference):
    atoms = stripe()
    left, right = atoms.yx[:, 1] < 350, atoms.yx[:, 1] > 650
    atoms = atoms.with_features(hand_label=np.where(left, 2, -1))
    step = MeasureLattice(reference=reference)
    made = step(atoms)
    table = made.features
    assert table.loc[right, "strain_xx"].to_numpy() == pytest.approx(0.02, abs=1e-6)
    assert table.loc[left & (atoms.yx[:, 1] < 300), "strain_xx"].to_numpy() == pytest.approx(0, abs=1e-6)
    assert {"region": "the region", "hand class": "class 2", "known cell": "known cell a 0.4 nm"}[
        reference["method"]
    ] in step.summary(made)


def test_a_known_cell_follows_the_orientation_of_the_grain():
    turn = np.array([[np.cos(0.5), np.sin(0.5)], [-np.sin(0.5), np.cos(0.5)]])
    atoms = Atoms.at(stripe(0.0).yx @ turn, pixel_size=0.02)
    table = MeasureLattice(reference={"method": "known cell", "a": 0.42, "b": 0.4})(atoms).features
    assert table["lattice_rotation_rad"].abs().max() < 1e-6
    assert sorted([table["strain_xx"].median(), table["strain_yy"].median()])[0] < 0
    trace = (table["strain_xx"] + table["strain_yy"]).median()
    assert trace == pytest.approx(0.4 / 0.42 - 1, abs=1e-6)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ({"method": "region", "region": (((900, 900), (900, 950), (950, 950)),)}, "No atom lies in the reference"),
        ({"method": "hand class"}, "no classes by hand"),
        ({"method": "known cell", "a": 0.8, "b": 0.3}, "within 20 % of the known one"),
    ],
)
def test_a_reference_that_is_not_there_is_refused_in_words(reference, words):
    with pytest.raises(InputError, match=words):
        MeasureLattice(reference=reference)(stripe())


def test_recipes_with_a_reference_grain_still_open():
    assert MeasureLattice(reference_grain=2).reference.grain == 2
    assert MeasureLattice(reference={"method": "grain"}) == MeasureLattice()

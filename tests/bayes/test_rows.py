"""Bonds of rows of atoms: in order, odd and even, never across a gap."""

import numpy as np
import pytest
from walls import net

from local_crystallography.bayes.rows import bonds_along, bonds_on_line
from local_crystallography.data.errors import InputError


@pytest.mark.parametrize(("direction", "rows", "count"), [((1, 0), 10, 90), ((0, 1), 10, 90), ((2, 2), 17, 81)])
def test_rows_along_a_direction(direction, rows, count):
    bonds = bonds_along([net(10)], direction)
    assert len(bonds) == count
    assert len(np.unique(bonds.row)) == rows
    step = np.hypot(*direction) / np.gcd(*direction)
    assert bonds.length == pytest.approx(np.full(count, 20 * step))


@pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (3, 1), (2, -5), (0, -1)])
def test_every_bond_is_one_step_and_numbers_rise_along_rows(direction):
    made = net(16)
    bonds = bonds_along([made], direction)
    step = made.index[bonds.atoms[:, 1]] - made.index[bonds.atoms[:, 0]]
    assert (step == direction).all()
    same = np.diff(bonds.row) == 0
    assert (np.diff(bonds.number)[same] == 1).all()


def test_odd_and_even_bonds_are_distinguished_in_all_rows():
    bonds = bonds_along([net(10, s=(0.025, 0))], (1, 0), pixel_size=0.02)
    assert bonds.unit == "nm"
    assert bonds.length[bonds.even] == pytest.approx(np.full(50, 0.4 * 0.95))
    assert bonds.length[bonds.odd] == pytest.approx(np.full(40, 0.4 * 1.05))
    assert bonds.pairs() == pytest.approx(np.tile([0.38, 0.42], (40, 1)))
    assert len(bonds.of_row(3)) == 9


def test_a_gap_is_not_bridged_and_keeps_the_kinds():
    made = net(10, s=(0.025, 0))
    holed = made.part(~((made.index[:, 0] == 5) & (made.index[:, 1] == 4)))
    bonds = bonds_along([holed], (1, 0))
    assert len(bonds) == 88
    assert np.bincount(bonds.row)[4] == 7
    assert bonds.length[bonds.even] == pytest.approx(19)
    assert bonds.length[bonds.odd] == pytest.approx(21)
    assert (np.abs(np.diff(bonds.atoms, axis=1)) <= 10).all()


def test_rows_of_different_nets_stay_apart():
    bonds = bonds_along([net(5), net(6)], (1, 0))
    assert np.bincount(bonds.row).tolist() == [4] * 5 + [5] * 6


@pytest.mark.parametrize(("noise", "expected"), [("positions", -0.5), ("bonds", 0.0)])
def test_correlation_of_neighbouring_bonds_identifies_the_noise(noise, expected):
    if noise == "positions":
        bonds = bonds_along([net(40, s=(0.025, 0), sd=0.03)], (1, 0))
    else:
        steps = np.random.default_rng(0).normal(20, 0.6, (40, 40))
        made = net(40)
        made.yx[:, 1] = np.cumsum(steps, axis=0).ravel()
        bonds = bonds_along([made], (1, 0))
    assert bonds.neighbour_correlation() == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize(("short", "long"), [(20, 20), (19, 21), (10, 30)])
def test_a_line_across_a_missing_atom(short, long):
    x = np.concatenate([[0], np.cumsum(np.tile([short, long], 15))]).astype(float)
    x += np.random.default_rng(0).normal(0, 0.2, len(x))
    yx = np.stack([np.zeros_like(x), x], axis=1)
    mixed = np.random.default_rng(1).permutation(np.delete(yx, 11, axis=0))
    stray = np.vstack([mixed, [[40, 100], [np.nan, np.nan]]])
    bonds = bonds_on_line(stray, (0, -5), (0, 700), 5)
    assert len(bonds) == 28
    assert bonds.length[bonds.even].mean() == pytest.approx(short, abs=0.3)
    assert bonds.length[bonds.odd].mean() == pytest.approx(long, abs=0.3)


@pytest.mark.parametrize(
    ("start", "end", "tolerance", "sentence"),
    [((0, 0), (0, 0), 5, "above 0"), ((0, 0), (0, 9), 0, "above 0"), ((500, 0), (500, 9), 5, "0 atoms lie")],
)
def test_bad_lines_are_refused(start, end, tolerance, sentence):
    with pytest.raises(InputError, match=sentence):
        bonds_on_line(net(5).yx * 0.1, start, end, tolerance)


@pytest.mark.parametrize(
    ("direction", "sentence"), [((0, 0), "(0, 0)"), ((7, 0), None), ((9, 11), "No two atoms are neighbours")]
)
def test_bad_directions_are_refused(direction, sentence):
    if sentence is None:
        assert len(bonds_along([net(5)], direction)) == 20
        return
    with pytest.raises(InputError, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        bonds_along([net(5)], direction)

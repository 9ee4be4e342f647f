"""Nets of measured lattices: similar sublattices are merged into one lattice, others are not."""

import numpy as np
import pytest
from walls import SPACING, lattice

from local_crystallography.bayes.nets import nets
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.steps.measure_lattice import MeasureLattice


def perovskite(*, s=(0.0, 0.0)):
    """Strong corners, whose bonds along a may alternate, and weak centres."""
    corners, centres = lattice(24, s=s)[0], lattice(24)[0] + SPACING / 2
    return Atoms.at(np.vstack([corners, centres]), columns={"intensity": np.repeat([2.0, 1.0], 576)})


@pytest.mark.parametrize("s", [(0.0, 0.0), (0.1, 0.0), (0.0, 0.08)])
@pytest.mark.parametrize("mode", [(1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("turn", [0.0, 0.2])
def test_a_doubled_cell_becomes_one_net(s, mode, turn):
    yx, index = lattice(24, s=s, mode=mode, sd=0.01, turn=turn)
    measured = MeasureLattice()(Atoms.at(yx))
    assert measured.features["sublattice"].nunique() == (1 if s == (0.0, 0.0) else 2)
    (net,) = nets(measured)
    assert len(net.rows) == 576
    assert net.cell == pytest.approx(SPACING, rel=0.01)
    change = np.linalg.lstsq(np.column_stack([index[net.rows], np.ones(576)]), net.index, rcond=None)[0]
    assert change[:2] == pytest.approx(np.eye(2), abs=1e-9)  # a to the right, b upwards, as made


@pytest.mark.parametrize(("together", "sizes"), [("alike", [576, 576]), ("apart", [576, 576]), ("all", [1152])])
def test_sublattices_of_a_perovskite_are_separate_nets_unless_all_are_requested(together, sizes):
    found = nets(MeasureLattice()(perovskite()), together=together)
    assert [len(net.rows) for net in found] == sizes
    assert found[0].cell == pytest.approx(SPACING if len(sizes) == 2 else SPACING / 2**0.5, rel=0.01)


def test_a_perovskite_with_doubled_corners_has_two_nets():
    measured = MeasureLattice()(perovskite(s=(0.1, 0)))
    assert measured.features["sublattice"].nunique() == 4
    assert [len(net.rows) for net in nets(measured)] == [576, 576]


def test_honeycombs_are_two_nets():
    cell = np.array([[1, 0], [-0.5, 0.75**0.5]])
    first = lattice(20, cell=cell)[0]
    second = first + SPACING * np.array([-(cell.sum(axis=0)[1] / 3), (2 * cell[0] + cell[1])[0] / 3])
    found = nets(MeasureLattice()(Atoms.at(np.vstack([first, second]))))
    assert len(found) == 2


def test_atoms_without_a_position_or_grain_are_in_no_net():
    measured = MeasureLattice()(Atoms.at(lattice(20)[0]))
    grain = measured.features["grain"].to_numpy().copy()
    grain[7] = -1
    yx = measured.yx.copy()
    yx[3] = np.nan
    (net,) = nets(Atoms(yx, measured.features.assign(grain=grain)))
    assert not {3, 7} & set(net.rows.tolist())
    assert len(net.rows) == 398


@pytest.mark.parametrize("columns", [{}, {"grain": -1, "cell_a": 0, "cell_b": 0, "sublattice": -1}])
def test_atoms_without_a_lattice_are_refused(columns):
    with pytest.raises(InputError, match="run Measure lattice"):
        nets(Atoms.at(lattice(5)[0], columns=columns))

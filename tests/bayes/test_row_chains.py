"""Rows of atoms as chains: complete, in order, and beginning with the right kind of bond."""

import numpy as np
import pytest
from walls import SPACING, net

from local_crystallography.bayes.row_chains import chain_on_line, chains_along
from local_crystallography.data.errors import InputError


def test_rows_of_an_alternating_lattice_alternate_in_phase():
    lattice = net(21, s=(0.05, 0.0))
    chains = chains_along([lattice], (1, 0), pixel_size=0.02)
    assert len(chains) == 21
    assert {each.unit for each in chains} == {"nm"}
    differences = [float((each.chain.even - each.chain.odd).mean()) for each in chains]
    # bonds along a alternate by 4 s
    assert np.abs(differences) == pytest.approx(0.2 * SPACING * 0.02)
    assert len(set(np.sign(differences))) == 1


def test_a_row_with_a_gap_gives_its_longest_part():
    lattice = net(21)
    row = lattice.index[:, 1] == 4
    kept = ~(row & (lattice.index[:, 0] == 15))
    chains = chains_along([lattice.part(kept)], (1, 0))
    shortened = [each for each in chains if each.chain.cells < 10]
    assert [each.chain.cells for each in shortened] == [7]
    assert set(lattice.index[shortened[0].atoms, 0]) == set(range(15))
    assert [each.chain.cells for each in chains] == sorted((each.chain.cells for each in chains), reverse=True)


def test_atoms_are_in_the_order_of_the_chain():
    lattice = net(11, turn=0.3)
    first = chains_along([lattice], (0, 1))[0]
    steps = np.diff(lattice.yx[first.atoms], axis=0)
    assert np.linalg.norm(steps, axis=1) == pytest.approx(first.chain.bonds)
    assert first.unit == "px"


def test_a_line_takes_the_atoms_near_it():
    lattice = net(15)
    start, end = lattice.yx[lattice.index[:, 1] == 7][[0, -1]]
    row = chain_on_line(lattice.yx, start, end, SPACING / 3)
    assert (lattice.index[row.atoms, 1] == 7).all()
    assert row.chain.cells == 7


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_atoms_in_a_row_are_refused(n):
    with pytest.raises(InputError):
        chains_along([net(n)], (1, 0))

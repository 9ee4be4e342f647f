"""The ideal lattice nearest to a measured one, whatever its vectors are called and however it is rotated."""

import numpy as np
import pytest

from local_crystallography.data.atoms import Atoms
from local_crystallography.lattice.bravais import nearest_ideal
from local_crystallography.lattice.cells import grain_cells, upright
from local_crystallography.steps.measure_lattice import MeasureLattice

SR3FE2O7 = upright(0.387, np.hypot(0.387 / 2, 2.016 / 2), np.arctan2(2.016 / 2, -0.387 / 2))
"""Primitive cell along [010]: the body-centred cell of 0.387 x 2.016 nm halved."""


@pytest.mark.parametrize(
    ("vectors", "name", "sides"),
    [
        (upright(1, 1.02, np.radians(91)), "square", (1, 1.02)),
        (upright(1, 1, np.radians(118)), "hexagonal", (1, 1)),
        (upright(1, 1, np.radians(62)), "hexagonal", (1, 1)),
        (upright(1, 1.4, np.radians(91)), "rectangular", (1, 1.4)),
        (SR3FE2O7, "centred rectangular", (0.387, 2.016)),
        (upright(1, 1, np.arccos(-1 / 3)), "centred rectangular", (2 / np.sqrt(3), np.sqrt(8 / 3))),  # fcc along [110]
        (upright(1, 1.324, np.radians(79.1)), "oblique", (1, 1.324)),
    ],
)
@pytest.mark.parametrize("turn", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("renamed", [((1, 0), (0, 1)), ((0, 1), (-1, 0)), ((1, 0), (1, 1)), ((2, 1), (1, 1))])
def test_the_ideal_lattice_and_its_cell(vectors, name, sides, turn, renamed):
    spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    given = np.array(renamed) @ vectors @ spin
    ideal = nearest_ideal(given)
    assert ideal.name == name
    assert np.sort(np.linalg.norm(ideal.change @ given, axis=1)) == pytest.approx(
        sides, rel=0.035
    )  # of 62 degrees, one is longer


def test_cell_of_a_grain_in_the_image_and_in_words():
    cells = np.stack(np.meshgrid(np.arange(12), np.arange(12), indexing="ij"), -1).reshape(-1, 2)
    atoms = Atoms.at(cells @ [[0.0, 20.0], [-25.0, 3.0]] + (400, 50), pixel_size=0.02)
    (cell,) = grain_cells(MeasureLattice()(atoms))
    corners = np.array(cell.corners)
    assert np.linalg.norm(atoms.yx[:, None] - corners, axis=-1).min(axis=0) == pytest.approx(0, abs=0.01)
    assert corners[1] - corners[0] == pytest.approx([0, 20], abs=0.01)
    assert corners[3] - corners[0] == pytest.approx([-25, 3], abs=0.01)
    assert cell.words == "a 0.400 b 0.504 nm 83.2°"
    assert (cell.atoms, cell.sublattices, cell.lattice) == (144, 1, "oblique")


def test_atoms_without_a_lattice_have_no_cell():
    assert grain_cells(Atoms.at(np.random.default_rng(0).uniform(0, 200, (50, 2)))) == ()

"""Geometric phase analysis beside the lattice of the atoms."""

import numpy as np
import pytest
from crystals import blobs

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.lattice.gpa import Validity
from local_crystallography.steps.geometric_phase import GeometricPhase
from local_crystallography.steps.measure_lattice import MeasureLattice

REFERENCE = {"method": "region", "region": (((0.0, 0.0), (0.0, 170.0), (400.0, 170.0), (400.0, 0.0)),)}


def measured(deform, *, noise=0.0, missing=None, angle=0.2):
    """Atoms of a rotated lattice of 13 px, moved by a function of their (y, x), with their image, and what is found."""
    reach = np.arange(-40, 41) * 13.0
    u, v = (part.ravel() for part in np.meshgrid(reach, reach))
    ideal = np.stack([200 - u * np.sin(angle) - v * np.cos(angle), 200 + u * np.cos(angle) - v * np.sin(angle)], axis=1)
    yx = deform(ideal)
    yx = yx[((yx > 3) & (yx < 397)).all(axis=1)]
    if missing is not None:
        yx = yx[~missing(yx)]
    picture = blobs(yx, shape=(400, 400), sigma=2.5)
    rng = np.random.default_rng(0)
    image = Image(picture + noise * rng.standard_normal(picture.shape))
    atoms = MeasureLattice(reference=REFERENCE)(Atoms.at(yx, columns={"intensity": np.ones(len(yx))}))
    return GeometricPhase()(atoms, image)


def stripe(yx):
    """2 % wider along x, and sheared by 1 %, right of x = 200."""
    more = np.maximum(yx[:, 1] - 200, 0)
    return yx + np.stack([0.02 * more, 0.02 * more], axis=1)


@pytest.mark.slow
def test_strain_and_rotation_agree_with_the_lattice_of_the_atoms():
    atoms = measured(stripe)
    table = atoms.features
    right = (atoms.yx[:, 1] > 245) & (table["gpa_decision"] == Validity.VALID)
    left = (atoms.yx[:, 1] < 155) & (table["gpa_decision"] == Validity.VALID)
    assert min(right.sum(), left.sum()) > 120
    assert table.loc[right, "gpa_strain_xx"].median() == pytest.approx(0.02, abs=0.001)
    assert table.loc[right, "gpa_strain_xy"].median() == pytest.approx(0.01, abs=0.001)
    assert table.loc[right, "gpa_rotation_rad"].median() == pytest.approx(-0.01, abs=0.001)
    assert table.loc[left, "gpa_strain_xx"].abs().median() < 0.001
    assert table.loc[right | left, "gpa_difference_yy"].abs().max() < 0.004


@pytest.mark.slow
def test_it_says_where_it_is_not_valid():
    atoms = measured(stripe, missing=lambda yx: np.linalg.norm(yx - (290, 110), axis=1) < 45)
    why, yx = atoms.features["gpa_decision"].to_numpy(), atoms.yx
    assert (why[np.abs(yx[:, 1] - 200) < 4] != Validity.VALID).mean() > 0.9
    inner = ((yx > 40) & (yx < 360)).all(axis=1)
    assert {*why[inner & (np.abs(yx[:, 1] - 200) < 4)]} <= {Validity.STEEP, Validity.EDGE}
    assert (why[(yx < 15).any(axis=1)] == Validity.EDGE).mean() > 0.9
    assert (why[np.linalg.norm(yx - (290, 110), axis=1) < 55] > 0).mean() > 0.8
    said = " ".join(GeometricPhase().remarks(atoms))
    assert said.startswith("Not valid around these atoms: ")
    assert Validity.STEEP.words in said


@pytest.mark.slow
def test_standard_errors_are_those_of_the_noise():
    atoms = measured(lambda yx: yx, noise=0.2)
    table = atoms.features[atoms.features["gpa_decision"] == Validity.VALID]
    for part in ("xx", "yy", "xy"):
        # the reference is that of the atoms, so only the scatter counts
        scatter = table[f"gpa_strain_{part}"].std()
        assert scatter == pytest.approx(table[f"gpa_strain_{part}_std"].median(), rel=0.35)


def test_it_needs_the_lattice():
    with pytest.raises(InputError, match="Run Measure lattice first"):
        GeometricPhase()(Atoms.at([[1, 2], [3, 4]]), Image(np.eye(32)))

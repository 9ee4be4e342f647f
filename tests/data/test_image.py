"""Images of pixels that are not square."""

import numpy as np
import pytest

from local_crystallography import DecideSymmetry, FindAtoms, MeasureLattice, Network, RefineAtoms, Segment
from local_crystallography.data.image import Image, square

SPACING, WIDTH, FIELD = 0.28, 0.05, 4.5


def crystal(hexagonal):
    """(N, 2) columns of a lattice, nm, beyond the field."""
    rows, columns = np.mgrid[-1:24, -2:20]
    y = rows * SPACING * (np.sqrt(3) / 2 if hexagonal else 1)
    x = (columns + (rows % 2) / 2 * hexagonal) * SPACING
    return np.stack([y.ravel() + 0.07, x.ravel() + 0.05], axis=1)


def picture(places, pixel):
    """Counts (H, W) of columns (N, 2), nm, in pixels of (height, width) nm."""
    y, x = (np.arange(int(FIELD / size)) * size for size in pixel)
    rows, columns = (np.exp(-((axis[:, None] - places[:, i]) ** 2) / 2 / WIDTH**2) for i, axis in enumerate((y, x)))
    return np.random.default_rng(0).poisson(150 * rows @ columns.T + 20).astype(float)


@pytest.mark.parametrize("aspect", [0.5, 0.8, 1.25, 2.0])
@pytest.mark.parametrize("hexagonal", [False, True])
def test_lattices_are_as_they_are_whatever_the_shape_of_a_pixel(aspect, hexagonal):
    pixel = (0.018 * np.sqrt(aspect), 0.018 / np.sqrt(aspect))
    places = crystal(hexagonal)
    image = square(Image(picture(places, pixel)), pixel)
    probability = Segment(contrast="bright", by=Network(sigma=WIDTH / image.pixel_size))(image)
    atoms = RefineAtoms()(FindAtoms()(probability, image), image)
    away = np.hypot(*(places[:, None] - atoms.yx * image.pixel_size).transpose(2, 0, 1)).min(axis=0)
    assert np.quantile(away, 0.9) < 0.004
    measured = DecideSymmetry()(MeasureLattice()(atoms)).features
    inner = (np.abs(atoms.yx * image.pixel_size - FIELD / 2) < FIELD / 2 - 2 * SPACING).all(axis=1)
    inside = measured[inner]
    assert inside[["a_nm", "b_nm"]].median().to_numpy() == pytest.approx([SPACING, SPACING], rel=0.003)
    gamma = np.degrees(inside["gamma_rad"].median())
    assert min(abs(gamma - 90), abs(gamma - 60), abs(gamma - 120)) < 0.3
    assert (abs(gamma - 90) < 0.3) is not hexagonal
    assert np.abs(inside[["strain_xx", "strain_yy", "strain_xy"]].median()).max() < 0.002
    assert (inside["tetragonality_decision"] != 1).all()

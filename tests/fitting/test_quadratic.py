"""Maxima of a smoothed image: heights are those of the atoms, and the reported standard deviations are right."""

import numpy as np
import pytest
from crystals import blobs, square_lattice

from local_crystallography.fitting.quadratic import Tops, tops

SIDE, WIDTH, COUNTS = 200, 3.0, 200
PLACES = square_lattice(14.0, shape=(SIDE, SIDE), angle=0.1, margin=8)


def found(heights, *, places=PLACES, ground=0.3, start=0.5):
    """Maxima of a noisy image of atoms on a curved background, from displaced positions; all in counts."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    random = np.random.default_rng(1)
    expected = ground + 0.2 * np.sin(4 * x) * y + blobs(places, shape=(SIDE, SIDE), sigma=WIDTH, height=heights)
    pixels = random.poisson(COUNTS * expected).astype(np.float32)
    starts = places + random.normal(0, start, places.shape)
    return tops(pixels, starts, width=WIDTH, dark=False, reach=np.full(len(places), 7.0))


def inner(places=PLACES):
    return ((places > 15) & (places < SIDE - 16)).all(axis=1)


@pytest.fixture(scope="module")
def mixed() -> tuple[np.ndarray, Tops]:
    """Strong and weak atoms, alternating."""
    heights = np.where(np.arange(len(PLACES)) % 2, 1.0, 0.5)
    return heights, found(heights)


def test_heights_are_those_of_strong_and_weak_neighbours(mixed):
    heights, seen = mixed
    for height in (0.5, 1.0):
        rows = inner() & (heights == height)
        assert np.median(seen.height[rows]) == pytest.approx(COUNTS * height, rel=0.05)


def test_standard_deviations_are_those_of_the_errors(mixed):
    heights, seen = mixed
    rows = inner() & (heights == 1)
    off = (seen.height[rows] - np.median(seen.height[rows])) / seen.height_std[rows]
    assert off.std() == pytest.approx(1, abs=0.25)
    errors = (seen.yx - PLACES)[rows]
    assert np.sqrt((errors**2).mean()) == pytest.approx(np.median(seen.std[rows]), rel=0.25)


def test_a_point_between_atoms_has_no_significant_height():
    corner = PLACES[np.argmin(np.hypot(*(PLACES - SIDE / 2).T))]
    between = corner + 14 * np.array([np.cos(0.1) - np.sin(0.1), np.cos(0.1) + np.sin(0.1)]) / 2
    heights = np.r_[np.ones(len(PLACES)), 0.0]
    seen = found(heights, places=np.vstack([PLACES, between]), start=0.0)
    assert seen.height[-1] < 4.5 * seen.height_std[-1]


def test_a_weak_atom_without_its_own_maximum_keeps_its_position_and_height():
    places = np.array([[100.0, 90.0], [100.0, 110.0], [100.0, 99.0], [60.0, 60.0]])
    seen = found(np.array([5.0, 5.0, 0.4, 5.0]), places=places, start=0.0)
    assert seen.yx[2].tolist() == [100.0, 99.0]
    assert np.isnan(seen.std[2])
    assert seen.height[2] > 4.5 * seen.height_std[2]


def test_two_points_on_one_atom_share_its_height():
    places = np.array([[100.0, 90.0], [60.0, 60.0], [60.0, 60.0]])
    seen = found(np.array([1.0, 1.0, 0.0]), places=places, start=0.0)
    assert seen.height[1] + seen.height[2] == pytest.approx(COUNTS, rel=0.2)

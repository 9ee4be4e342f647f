"""Positions of atoms reach the precision that the counts allow, and the reported standard deviations are right."""

import numpy as np
import pytest
from crystals import blobs, square_lattice

from local_crystallography.data.progress import finish
from local_crystallography.fitting.joint import common_width, fit_columns
from local_crystallography.fitting.noise import noise_of_image

SIDE, WIDTH = 200, 3.0


def field(heights=1.0, *, ground=0.2, spacing=17.0, seed=0):
    """Positions and expected image of a displaced square lattice."""
    random = np.random.default_rng(seed)
    places = square_lattice(spacing, shape=(SIDE, SIDE), angle=0.1, margin=-9)
    places = places + random.normal(0, 0.3, places.shape)
    return places, ground + blobs(places, shape=(SIDE, SIDE), sigma=WIDTH, height=heights)


def fitted(expected, places, *, counts, start=0.5, scale=1.0, offset=0.0):
    """Fit of a noisy image, and the errors (N, 2) of the atoms well inside."""
    random = np.random.default_rng(1)
    image = scale * random.poisson(counts * expected) + offset
    inside = ((places > 0) & (places < SIDE - 1)).all(axis=1)
    places = places[inside]
    moved = np.clip(places + random.normal(0, start, places.shape), 0, SIDE - 1)
    fit = finish(fit_columns(image, moved, width=None))
    middle = ((places > 12) & (places < SIDE - 13)).all(axis=1)
    return fit, fit.columns.yx - places, middle


def bound(expected, height, *, counts):
    """Cramér-Rao bound of a single atom on an even background."""
    y, x = np.mgrid[-15:16, -15:16]
    shape = np.exp(-(y**2 + x**2) / (2 * WIDTH**2))
    slope = counts * height * shape * y / WIDTH**2
    return (slope**2 / (counts * (expected.min() + height * shape))).sum() ** -0.5


@pytest.mark.parametrize("counts", [20, 1000])
def test_errors_are_those_that_the_counts_allow(counts):
    places, expected = field()
    _, errors, middle = fitted(expected, places, counts=counts)
    assert errors[middle].std() < 1.15 * bound(expected, 1.0, counts=counts)


@pytest.mark.parametrize("spacing", [17.0, 11.0])
def test_standard_deviations_are_those_of_the_errors(spacing):
    places, expected = field(spacing=spacing)
    fit, errors, middle = fitted(expected, places, counts=100)
    assert np.sqrt(np.mean((errors / fit.std)[middle] ** 2)) == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (0.25, 10.0), (1e-10, -3e-9), (1e4, 0.0)])
def test_positions_and_heights_are_independent_of_the_unit(scale, offset):
    places, expected = field()
    counted, same, middle = fitted(expected, places, counts=100)
    fit, errors, _ = fitted(expected, places, counts=100, scale=scale, offset=offset)
    assert np.abs(errors - same).max() < 0.02
    np.testing.assert_allclose(fit.columns.height[middle], scale * counted.columns.height[middle], rtol=0.02)
    np.testing.assert_allclose(fit.height_std[middle], scale * counted.height_std[middle], rtol=0.02)


def test_added_columns_are_recovered():
    places, expected = field(heights=0.8, ground=0.3)
    fit, _, middle = fitted(expected, places, counts=2000)
    assert np.median(fit.columns.height[middle]) == pytest.approx(1600, rel=0.01)
    assert np.median(fit.columns.sigma[middle]) == pytest.approx(WIDTH, rel=0.01)
    assert np.median(fit.background[middle]) == pytest.approx(600, rel=0.02)
    assert np.median(fit.error[middle]) == pytest.approx(1, abs=0.05)


def test_dark_atoms_are_bright_ones_upside_down():
    places, expected = field()
    _, errors, middle = fitted(2.0 - expected, places, counts=100)
    assert errors[middle].std() < 0.2


def test_weak_columns_stay_between_strong_ones():
    places, _ = field()
    heights = np.where(np.arange(len(places)) % 2, 1.0, 0.08)
    _, expected = field(heights)
    fit, errors, middle = fitted(expected, places, counts=200)
    assert np.abs(errors[middle]).max() < 2.5
    assert np.isnan(fit.std).any(axis=1).mean() < 0.05


def test_a_step_of_the_background_does_not_move_atoms():
    places, expected = field()
    step = np.where(np.arange(SIDE) > 100, 0.3, 0.0)
    _, errors, middle = fitted(expected + step, places, counts=500)
    near = middle & (np.abs(places[((places > 0) & (places < SIDE - 1)).all(axis=1), 1] - 100) < 12)
    assert np.abs(errors[near, 1].mean()) < 0.1


def test_a_point_without_an_atom_stays_and_has_no_standard_deviation():
    places, expected = field(heights=np.r_[1.0])
    image = np.random.default_rng(0).poisson(400 * expected)
    far = places[:1] * 0 + [100.0, 100.0]
    near = places[np.hypot(*(places - far[0]).T) > 4]
    inside = near[((near > 0) & (near < SIDE - 1)).all(axis=1)]
    beside = inside[0] + [0.0, 4.5]
    fit = finish(fit_columns(image, np.vstack([inside, beside]), width=None))
    assert np.isfinite(fit.columns.yx).all()
    assert np.hypot(*(fit.columns.yx[-1] - beside)) < 5


def test_a_stopped_job_returns_the_fit_so_far():
    places, expected = field()
    inside = places[((places > 0) & (places < SIDE - 1)).all(axis=1)]
    image = np.random.default_rng(0).poisson(100 * expected)
    fit = finish(fit_columns(image, inside, width=None), lambda progress: True)
    assert np.isfinite(fit.columns.yx).all()


def test_the_width_is_estimated_before_the_fit():
    places, expected = field()
    inside = places[((places > 0) & (places < SIDE - 1)).all(axis=1)]
    assert common_width(expected.astype(np.float32), inside, 17.0) == pytest.approx(WIDTH, rel=0.06)


@pytest.mark.parametrize("counts", [3, 100, 3000])
def test_counted_electrons_vary_by_their_mean(counts):
    _, expected = field()
    noise = noise_of_image(np.random.default_rng(2).poisson(counts * expected).astype(np.float32))
    assert noise.slope == pytest.approx(1, abs=0.06)
    assert noise.constant == pytest.approx(0, abs=0.05 * counts)


def test_missed_columns_do_not_raise_the_errors_of_others():
    places = square_lattice(17.0, shape=(SIDE, SIDE), angle=0.1, margin=-9)
    faint = np.arange(len(places)) % 10 == 0
    expected = 0.2 + blobs(places, shape=(SIDE, SIDE), sigma=WIDTH, height=np.where(faint, 0.2, 1.0))
    fit, errors, middle = fitted(expected, places[~faint], counts=100)
    assert 0.75 < np.sqrt(np.mean((errors / fit.std)[middle] ** 2)) < 1.1


def test_atoms_on_terraces_are_fitted_between_their_steps():
    places, expected = field(ground=0.0)
    y, x = np.mgrid[:SIDE, :SIDE]
    level = 30 * (x + 0.3 * y > 90) + 40 * (x + 0.3 * y > 170) + 0.05 * y
    image = expected + level + np.random.default_rng(0).normal(0, 0.05, expected.shape)
    given = places[((places > 0) & (places < SIDE - 1)).all(axis=1)]
    fit = finish(fit_columns(image, given, width=None))
    assert np.median(fit.columns.sigma) == pytest.approx(WIDTH, rel=0.1)
    edge = np.minimum(*(abs(given[:, 1] + 0.3 * given[:, 0] - at) for at in (90, 170)))
    far = ((given > 12) & (given < SIDE - 13)).all(axis=1) & (edge > 4 * WIDTH)
    assert np.sqrt(np.mean((fit.columns.yx - given)[far] ** 2)) < 0.15
    assert (fit.columns.height > 4 * fit.height_std)[far].mean() > 0.95
    at = tuple(np.rint(given[far]).astype(int).T)
    assert np.abs(fit.background[far] - level[at]).max() < 0.5


def test_vacuum_without_counts_is_not_a_noiseless_detector():
    expected = np.zeros((SIDE, SIDE))
    expected[:, 80:] = 20.0
    assert noise_of_image(np.random.default_rng(0).poisson(expected).astype(np.float32)).floor > 0.05


def test_columns_nearly_as_wide_as_the_image_are_fitted():
    places = np.array([[9.0, 9.0], [9.0, 24.0], [24.0, 9.0], [24.0, 24.0]])
    image = blobs(places, shape=(34, 34), sigma=5.0) + 0.01 * np.random.default_rng(0).standard_normal((34, 34))
    fit = finish(fit_columns(image, places, width=9.0))
    assert np.isfinite(fit.columns.yx).all()

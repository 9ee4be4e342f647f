"""The lasso test is exact, and even-odd where a lasso crosses itself."""

import numpy as np
import pytest

from local_crystallography.data.polygons import inside, inside_any, simplify

SQUARE = [(0, 0), (2, 0), (2, 2), (0, 2)]
EIGHT = [(0, 0), (2, 2), (2, 0), (0, 2)]
STAR = [(np.sin(a), np.cos(a)) for a in np.arange(5) * 4 * np.pi / 5]


def even_odd(points, polygon):
    """Crossings of a ray to the right, edge by edge."""
    (x, y), count = points.T, np.zeros(len(points), int)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 != y1:
            count += ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return count % 2 == 1


@pytest.mark.parametrize(
    ("polygon", "point", "expected"),
    [
        (SQUARE, (1, 1), True),
        (SQUARE, (3, 1), False),
        (SQUARE, (2, 1), False),
        (SQUARE[::-1], (1, 1), True),
        ([*SQUARE, SQUARE[0]], (1, 1), True),
        (SQUARE, (np.nan, 1), False),
        (SQUARE, (1, np.inf), False),
        (EIGHT, (0.2, 1), True),
        (EIGHT, (1.8, 1), True),
        (EIGHT, (1, 0.2), False),
        (STAR, (0, 0.9), True),
        (STAR, (0, 0), False),
        ([*SQUARE, (0, 5), (0, 2)], (1, 1), True),
        ([(np.nan, 0), *SQUARE], (1, 1), True),
        ([], (0, 0), False),
        (SQUARE[:2], (1, 0), False),
        ([(0, 0), (1, 1), (2, 2)], (1, 1), False),
        ([(1, 1)] * 3, (1, 1), False),
    ],
)
def test_one_point(polygon, point, expected):
    assert inside([point], polygon).tolist() == [expected]


@pytest.mark.parametrize("seed", range(5))
def test_a_scribble_agrees_with_counting_crossings(seed):
    rng = np.random.default_rng(seed)
    points, scribble = rng.random((2000, 2)), rng.random((15, 2))
    np.testing.assert_array_equal(inside(points, scribble), even_odd(points, scribble))


def test_no_points_give_an_empty_mask():
    assert inside(np.empty((0, 2)), SQUARE).shape == (0,)


def test_simplify_keeps_the_corners_of_a_square_walked_in_small_steps():
    steps = np.linspace(0, 1, 50, endpoint=False)[:, None]
    corners = np.array(SQUARE, float)
    walk = np.vstack([a + steps * (b - a) for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)])
    assert len(simplify(walk, 0.05)) == 5
    points = np.random.default_rng(0).uniform(-1, 3, (500, 2))
    np.testing.assert_array_equal(inside(points, simplify(walk, 0.001)), inside(points, walk))


def test_simplify_stays_within_the_tolerance():
    angle = np.linspace(0, 6, 300)
    circle = 100 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    few = simplify(circle, 1.0)
    middles = (few[1:] + few[:-1]) / 2
    assert len(few) < 40
    assert np.abs(np.hypot(*middles.T) - 100).max() <= 1.0


@pytest.mark.parametrize("path", [[], [(0, 0)], [(0, 0), (1, 1)]])
def test_simplify_leaves_short_paths_alone(path):
    assert len(simplify(path, 1.0)) == len(path)


def test_inside_any_of_several_polygons():
    squares = [np.array([(0, 0), (0, 2), (2, 2), (2, 0)]) + shift for shift in (0, 10)]
    assert inside_any([(1, 1), (5, 5), (11, 11)], squares).tolist() == [True, False, True]
    assert inside_any([(1, 1)], []).tolist() == [False]

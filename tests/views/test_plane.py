"""On an axis that goes round, the seam is a place like any other."""

import numpy as np
import pytest

from local_crystallography.views.plane import Plane

POINTS = np.array([(-175.0, 0), (0, 0), (170, 0.5), (np.nan, 0), (90, -1)])
ROUND = Plane(POINTS, (360.0, None))
FLAT = Plane(POINTS)


def box(x0, x1, y0=-2, y1=2):
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


@pytest.mark.parametrize(
    ("plane", "polygon", "rows"),
    [
        (ROUND, box(160, 190), [0, 2]),
        (ROUND, box(-195, -160), [0, 2]),
        (FLAT, box(160, 190), [2]),
        (ROUND, box(-10, 10), [1]),
        (ROUND, box(-1000, 1000), [0, 1, 2, 4]),
        (ROUND, box(350, 370), [1]),
        (ROUND, [], []),
    ],
)
def test_what_is_drawn_over_the_seam_selects_on_both_sides(plane, polygon, rows):
    assert np.flatnonzero(plane.inside(polygon)).tolist() == rows


def test_both_axes_may_go_round():
    plane = Plane(np.array([(-44.0, 89), (44, -89), (0, 0)]), (90.0, 180.0))
    assert plane.inside(box(40, 50, 85, 95)).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("place", "reach", "row"),
    [((180, 0), 6, 0), ((-180, 0), 6, 0), ((178, 0.5), 20, 2), ((-3, 0), 6, 1), ((45, 0), 6, None)],
)
def test_the_nearest_point_is_found_over_the_seam(place, reach, row):
    assert ROUND.nearest(place, (1.0, 0.01), reach) == row


def test_nothing_is_near_where_there_are_no_points():
    assert Plane(np.empty((0, 2))).nearest((0, 0), (1, 1), 6) is None
    assert Plane(np.full((2, 2), np.nan)).nearest((0, 0), (1, 1), 6) is None


def test_a_view_over_the_seam_shows_each_point_where_it_is_seen():
    rows, points = ROUND.drawn((100, 300, -2, 2))
    seen = dict(zip(rows, points[:, 0], strict=True))
    assert seen == {2: 170, 0: 185, 4: 90}
    assert ROUND.drawn((-180, 180, -2, 2))[0] is None
    assert FLAT.drawn((100, 300, -2, 2))[1] is FLAT.points


def test_a_point_is_marked_where_the_view_is():
    assert ROUND.copy_near(0, (200, 0)) == (185, 0)
    assert ROUND.copy_near(0, (0, 0)) == (-175, 0)


def test_an_axis_that_goes_round_is_seen_once_round():
    assert ROUND.extent() == (-180, 180, -1, 0.5)
    assert FLAT.extent() == (-175, 170, -1, 0.5)
    assert Plane(np.full((3, 2), np.nan)).extent() is None

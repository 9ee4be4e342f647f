"""Counts count, contours enclose the share they say, and nothing knows where a period begins."""

import numpy as np
import pytest

from local_crystallography.data.polygons import inside
from local_crystallography.views.density import SHARES, counts, density_of, histogram_of

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=(20_000, 2)) * (1, 3)


def test_counts_are_those_of_numpy():
    view, size = (-2, 2, -6, 6), (7, 5)
    expected, _, _ = np.histogram2d(NORMAL[:, 1], NORMAL[:, 0], bins=size, range=((-6, 6), (-2, 2)))
    np.testing.assert_array_equal(counts(NORMAL, view, size), expected)


def test_counts_follow_a_flipped_view_and_leave_unknown_points_out():
    counted = counts(np.array([(0.5, 0.1), (np.nan, 0)]), (0, 1, 1, 0), (2, 1))
    assert counted.tolist() == [[0], [1]]


def test_contours_enclose_their_share_of_a_normal_distribution():
    found = density_of(NORMAL)
    for share, lines in zip(SHARES, found.contours, strict=True):
        biggest = max(lines, key=len)
        assert inside(NORMAL, biggest).mean() == pytest.approx(share, abs=0.03)


def test_the_density_is_that_of_the_distribution():
    found = density_of(NORMAL)
    assert found.values.max() == pytest.approx(1 / (2 * np.pi * 3), rel=0.1)
    cell = (found.x[1] - found.x[0]) * (found.y[1] - found.y[0])
    assert found.values.sum() * cell == pytest.approx(1, abs=0.01)


def test_the_bandwidth_is_scotts_and_that_of_groups_is_narrow():
    assert density_of(NORMAL).bandwidth == pytest.approx(NORMAL.std(axis=0) * len(NORMAL) ** (-1 / 6))
    group = np.arange(len(NORMAL)) % 2
    apart = NORMAL + 100 * group[:, None]
    assert density_of(apart).bandwidth[0] > 7
    assert density_of(apart, groups=group).bandwidth == pytest.approx(density_of(NORMAL).bandwidth, rel=0.05)


@pytest.mark.parametrize("shift", [0, 100, 180, -30])
def test_where_a_period_begins_does_not_matter(shift):
    angle = 20 * NORMAL[:, 0] + shift
    points = np.column_stack([angle - 360 * np.round(angle / 360), NORMAL[:, 1]])
    found = density_of(points, (360, None))
    assert found.bandwidth[0] == pytest.approx(density_of(20 * NORMAL).bandwidth[0], rel=0.01)
    assert found.values.max() == pytest.approx(1 / (2 * np.pi * 60), rel=0.1)
    # one group has one outline, which the seam cuts in two
    assert len(found.contours[-1]) == (2 if shift == 180 else 1)


@pytest.mark.parametrize("points", [np.empty((0, 2)), np.zeros((50, 2)), np.full((50, 2), np.nan), NORMAL[:5]])
def test_too_little_has_no_density(points):
    assert density_of(points) is None


def test_a_histogram_counts_every_known_value_of_its_group():
    values = np.append(NORMAL[:, 0], np.nan)
    groups = np.arange(len(values)) % 3
    found = histogram_of(values, groups, 3)
    assert found.counts.sum() == len(NORMAL)
    np.testing.assert_array_equal(found.counts.sum(axis=1), np.bincount(groups[:-1]))
    in_all, _ = np.histogram(NORMAL[:, 0], found.edges)
    np.testing.assert_array_equal(found.counts.sum(axis=0), in_all)


@pytest.mark.parametrize(
    ("values", "period", "edges"),
    [([-1, 0, 0, 2], None, [-1.5, -0.5, 0.5, 1.5, 2.5]), ([], None, [0, 1]), ([0.5, 0.5], None, [0.5, 1.5])],
)
def test_bins(values, period, edges):
    found = histogram_of(np.array(values, float), np.zeros(len(values), int), 1, period)
    assert (found.edges[0], found.edges[-1]) == (edges[0], edges[-1])
    assert found.counts.sum() == len(values)
    if len(edges) > 2:
        np.testing.assert_array_equal(found.edges, edges)


def test_the_bins_of_an_angle_go_once_round():
    found = histogram_of(np.array([-180.0, 179.9, 0]), np.zeros(3, int), 1, 360)
    assert (found.edges[0], found.edges[-1]) == (-180, 180)
    assert found.counts.sum() == 3

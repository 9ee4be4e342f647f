"""A column says what it is on an axis: words, unit, factor, and after what it begins again."""

import numpy as np
import pandas as pd
import pytest

from local_crystallography.views.axis import axis_of, values_of, within


@pytest.mark.parametrize(
    ("name", "label", "factor", "period"),
    [
        ("z0", "z0", 1, None),
        ("x_nm", "x (nm)", 1, None),
        ("offset_y_px", "Offset y (px)", 1, None),
        ("label", "Class", 1, None),
        ("angle_rad", "Angle (°)", 180 / np.pi, 360),
        ("displacement_angle_rad", "Displacement angle (°)", 180 / np.pi, 360),
        ("axis_angle_rad", "Axis angle (°)", 180 / np.pi, 180),
        ("angle_std_rad", "Angle std (°)", 180 / np.pi, None),
        ("gamma_rad", "Gamma (°)", 180 / np.pi, None),
        ("lattice_rotation_rad", "Lattice rotation (°)", 180 / np.pi, None),
    ],
)
def test_words_unit_and_period(name, label, factor, period):
    column = axis_of(name)
    assert (column.label, column.factor, column.period) == (label, pytest.approx(factor), pytest.approx(period))


@pytest.mark.parametrize(
    ("orders", "reach", "period"),
    [([4, 4], 40, 90), ([4, 6], 25, 180), ([4, 4], 100, 360), ([np.nan, 3], 50, 120), ([np.nan, np.nan], 10, 360)],
)
def test_a_motif_that_looks_the_same_within_a_turn_has_a_shorter_period(orders, reach, period):
    table = pd.DataFrame({"angle_rad": np.radians([reach, -reach]), "symmetry_order": orders})
    assert axis_of("angle_rad", table).period == pytest.approx(period)


def test_angles_are_shown_within_half_a_period_of_0_and_told_in_radians():
    column = axis_of("angle_rad")
    assert column.shown([np.pi / 2, 1.5 * np.pi, np.nan]) == pytest.approx([90, -90, np.nan], nan_ok=True)
    assert column.raw(190) == pytest.approx(np.radians(-170))
    assert axis_of("z0").raw(190) == 190


@pytest.mark.parametrize(("name", "down"), [("y_px", True), ("offset_y_px", True), ("y_nm", True), ("x_px", False)])
def test_rows_of_the_image_grow_downwards(name, down):
    assert axis_of(name).down is down


@pytest.mark.parametrize(
    ("low", "high", "period", "expected"),
    [
        (-10, 10, None, [False, True, True, False]),
        (170, 190, 360, [True, False, False, True]),
        (170, -170, 360, [True, False, False, True]),
        (-10, 10, 360, [False, True, True, False]),
        (-400, 400, 360, [True, True, True, True]),
    ],
)
def test_a_range_may_go_through_the_seam(low, high, period, expected):
    assert within(np.array([-175.0, 0, 10, 175]), low, high, period).tolist() == expected


def test_unknown_values_are_in_no_range():
    assert not within(np.array([np.nan]), -400, 400, 360).any()
    assert not within(np.array([np.nan]), -400, 400).any()


def test_a_missing_column_is_unknown_everywhere():
    table = pd.DataFrame({"good": [True, False]})
    assert np.isnan(values_of(table, "z0")).all()
    assert values_of(table, "good").tolist() == [1, 0]

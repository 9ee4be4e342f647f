"""Points land in the right pixels with the right colours."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from local_crystallography.data.errors import InputError
from local_crystallography.views.raster import (
    CYCLIC,
    HAND_PALETTE,
    PALETTE,
    SEQUENTIAL,
    categorical_colors,
    colors_of,
    dim,
    dots,
    is_categorical,
    limits_of,
    radius_for,
    rasterise,
    scale_of,
    with_rims,
)

RED, GREEN = np.array([[255, 0, 0, 255], [0, 255, 0, 255]], np.uint8)
GREY_BYTES = [128, 128, 128, 255]
VIEW, SIZE = (0, 8, 0, 6), (6, 8)


def draw(points, colors=None, **how):
    colors = np.tile(RED, (len(points), 1)) if colors is None else np.array(colors)
    return rasterise(points, colors, **({"view": VIEW, "size": SIZE, "radius": 0} | how))


def where(picture):
    return {(int(row), int(column)) for row, column in np.argwhere(picture[..., 3])}


@pytest.mark.parametrize(
    ("point", "view", "pixel"),
    [
        ((0.5, 0.5), VIEW, (0, 0)),
        ((7.9, 5.9), VIEW, (5, 7)),
        ((3.5, 1.5), VIEW, (1, 3)),
        ((3.5, 1.5), (0, 8, 6, 0), (4, 3)),
        ((3.5, 1.5), (8, 0, 0, 6), (1, 4)),
    ],
)
def test_a_point_lands_in_its_pixel(point, view, pixel):
    assert where(draw([point], view=view)) == {pixel}


@pytest.mark.parametrize("point", [(np.nan, 1), (1, np.nan), (np.inf, 1), (-0.1, 1), (8.1, 1), (1, 6.1)])
def test_what_is_unknown_or_outside_is_not_drawn(point):
    assert where(draw([point])) == set()


@pytest.mark.parametrize(("radius", "pixels"), [(0, 1), (1, 5), (2, 21), (3, 37)])
def test_a_disc_is_round_and_whole(radius, pixels):
    picture = draw([(20.5, 20.5)], view=(0, 41, 0, 41), size=(41, 41), radius=radius)
    assert len(where(picture)) == pixels
    np.testing.assert_array_equal(picture, picture[::-1])
    np.testing.assert_array_equal(picture, picture.transpose(1, 0, 2))


def test_a_disc_reaches_in_from_outside():
    assert where(draw([(-0.5, 2.5)], radius=1)) == {(2, 0)}
    assert where(draw([(3.5, 6.5)], radius=1)) == {(5, 3)}


@pytest.mark.parametrize("radius", [0, 2])
def test_later_points_cover_earlier_ones_unless_those_are_on_top(radius):
    points, colors = [(3.5, 2.5), (3.5, 2.5)], [RED, GREEN]
    assert draw(points, colors, radius=radius)[2, 3].tolist() == GREEN.tolist()
    top = draw(points, colors, radius=radius, on_top=np.array([True, False]))
    assert top[2, 3].tolist() == RED.tolist()


def test_the_picture_is_the_one_painted_point_by_point():
    rng = np.random.default_rng(0)
    points, radius = rng.uniform(-1, 31, (300, 2)), 2
    colors = rng.integers(1, 255, (300, 4), dtype=np.uint8)
    expected = np.zeros((30, 30, 4), np.uint8)
    rows, columns = np.mgrid[:30, :30]
    for (x, y), color in zip(np.floor(points), colors, strict=True):
        expected[(rows - y) ** 2 + (columns - x) ** 2 <= (radius + 0.25) ** 2] = color
    picture = draw(points, colors, view=(0, 30, 0, 30), size=(30, 30), radius=radius)
    np.testing.assert_array_equal(picture, expected)


def test_no_points_give_an_empty_picture():
    picture = draw(np.empty((0, 2)), np.empty((0, 4), np.uint8))
    assert picture.shape == (6, 8, 4)
    assert not picture.any()


@pytest.mark.parametrize(
    ("view", "size"), [((1, 1, 0, 6), SIZE), ((0, 8, np.nan, 6), SIZE), (VIEW, (0, 8)), (VIEW, (6, 0))]
)
def test_a_view_without_extent_is_refused(view, size):
    with pytest.raises(InputError):
        draw([(1, 1)], view=view, size=size)


def test_dim_fades_the_others_only():
    colors = np.stack([RED, GREEN])
    faded = dim(colors, np.array([True, False]))
    assert faded[0].tolist() == RED.tolist()
    assert 0 < faded[1, 3] < 128
    assert colors[1, 3] == 255


def test_dim_fades_nothing_where_nothing_is_selected():
    colors = np.stack([RED, GREEN])
    np.testing.assert_array_equal(dim(colors, np.zeros(2, bool)), colors)


def test_a_scale_runs_from_limit_to_limit():
    table = np.linspace(0, 1, 11)[:, None] * [1, 1, 1, 0] + [0, 0, 0, 1]
    colors = colors_of([-5, 0, 5, 10, 99, np.inf, np.nan], table, (0, 10))
    assert colors[:6, 0].tolist() == [0, 0, 128, 255, 255, 255]
    assert colors[6].tolist() == GREY_BYTES


def test_equal_limits_give_the_middle_and_nan_stays_grey():
    colors = colors_of([3, np.nan], [[0, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]], (3, 3))
    assert colors.tolist() == [[255, 0, 0, 255], GREY_BYTES]


def test_classes_take_the_palette_in_turn_and_none_is_grey():
    colors = categorical_colors([0, 3, 13, -1, np.nan])
    assert colors[0].tolist() == np.rint(PALETTE[0] * 255).tolist()
    assert colors[1].tolist() == colors[2].tolist() == np.rint(PALETTE[3] * 255).tolist()
    assert colors[3].tolist() == colors[4].tolist() == GREY_BYTES


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("label", [0, 1, np.nan, -1], True),
        ("label", [0, 0], True),
        ("symmetry_label", np.arange(30), True),
        ("frame", [0, 1, 2], True),
        ("id", np.arange(30), False),
        ("label_probability", [1, 1, 1], False),
        ("label", [0.5, 1], False),
        ("z0", [-2, 0, 2], False),
        ("label", [np.nan, np.nan], False),
    ],
)
def test_which_columns_are_classes(name, values, expected):
    assert is_categorical(name, np.array(values, float)) is expected


def test_limits_ignore_outliers_and_the_unknown():
    low, high = limits_of(np.concatenate([np.linspace(0, 1, 1000), [1e6, np.nan, -np.inf]]))
    assert low == pytest.approx(0.01, abs=0.005)
    assert high == pytest.approx(0.99, abs=0.005)


def test_limits_of_nothing_are_usable():
    assert limits_of(np.array([np.nan])) == (0, 1)


def test_more_points_are_smaller():
    assert [radius_for(n) for n in (10, 1_000, 100_000)] == [4, 3, 2]


# Machado et al. 2009, doi:10.1109/TVCG.2009.113, severity 1.0, for linear RGB
PROTAN = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
DEUTAN = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]


TRITAN = [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
GREYS = np.repeat(np.linspace(0, 1, 52)[:, None], 3, axis=1)


def lab(rgb, sight):
    """Colours as an eye sees them."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(sight), 1e-9, 1)
    return rgb2lab(np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055))


def closest(colours, others, sight):
    apart = deltaE_ciede2000(lab(colours, sight)[:, None], lab(others, sight)[None])
    return (apart[np.triu_indices(len(apart), 1)] if colours is others else apart).min()


@pytest.mark.parametrize("sight", [np.eye(3), PROTAN, DEUTAN, TRITAN], ids=["normal", "protan", "deutan", "tritan"])
def test_classes_are_told_apart_by_every_eye_and_on_every_grey(sight):
    classes, by_hand = PALETTE[:, :3], HAND_PALETTE[:, :3]
    first = classes[:8]
    assert closest(first, first, sight) > 16
    assert closest(classes, classes, sight) > 13
    assert closest(by_hand, by_hand, sight) > 10
    assert min(closest(classes, GREYS, sight), closest(by_hand, GREYS, sight)) > 9


def test_classes_by_hand_have_colours_of_their_own():
    assert closest(HAND_PALETTE[:, :3], PALETTE[:, :3], np.eye(3)) > 13


def test_a_disc_is_seen_on_its_own_colour():
    drawn = dotted([(20.5, 15.5)], diameter=10.0)
    middle, edge = drawn[15, 20], drawn[15, 25]
    np.testing.assert_array_equal(middle, RED)
    assert edge[:3].max() < 100
    assert edge[3] > 150


@pytest.mark.parametrize(
    ("name", "values", "colormap"),
    [
        ("angle_rad", np.linspace(-3, 3, 100), "twilight"),
        ("angle_rad", np.linspace(0.1, 0.4, 100), "viridis"),
        ("angle_std_rad", np.linspace(-3, 3, 100), "viridis"),
        ("z0", np.linspace(-3, 3, 100), "viridis"),
        ("strain_xx", np.linspace(-0.1, 0.2, 100), "RdBu_r"),
        ("strain_xx_std", np.linspace(0, 0.2, 100), "viridis"),
        ("lattice_rotation_rad", np.linspace(-3, 3, 100), "RdBu_r"),
    ],
)
def test_a_column_is_shown_by_what_it_means(name, values, colormap):
    shown, (low, high) = scale_of(name, values)
    assert shown == colormap
    assert low < high
    if shown == "RdBu_r":
        assert low == -high
    if shown == "twilight":
        assert (low, high) == (-np.pi, np.pi)


@pytest.mark.parametrize("name", ["z0", "strain_xy", "angle_rad"])
@pytest.mark.parametrize("values", [np.full(5, np.nan), np.zeros(5), np.full(5, 0.25)])
def test_a_column_of_one_value_has_a_range_to_be_shown_in(name, values):
    _, (low, high) = scale_of(name, values)
    assert low < high


@pytest.mark.parametrize("order", [1, 2, 3, 4, 6])
def test_angles_brought_into_a_sector_go_round_in_it(order):
    half = np.pi / order
    folded = np.random.default_rng(0).uniform(-half, half, 2000)
    colormap, limits = scale_of("angle_rad", folded)
    assert colormap == CYCLIC
    assert limits == pytest.approx((-half, half))


def test_angles_of_one_grain_take_all_colours():
    colormap, (low, high) = scale_of("angle_rad", np.random.default_rng(0).normal(0.3, 0.02, 2000))
    assert colormap == SEQUENTIAL
    assert 0.2 < low < high < 0.4


def dotted(points, colors=None, **how):
    colors = np.tile(RED, (len(points), 1)) if colors is None else np.array(colors)
    return dots(points, colors, **({"view": (0, 40, 0, 30), "size": (30, 40), "diameter": 3.0} | how))


@pytest.mark.parametrize("diameter", [1.0, 2.3, 4.0, 9.0])
@pytest.mark.parametrize("place", [(20.5, 15.5), (20.0, 15.0), (20.3, 15.8)])
def test_a_disc_covers_its_area_around_its_place(diameter, place):
    alpha = dotted([place], diameter=diameter)[..., 3] / 255
    assert alpha.sum() == pytest.approx(np.pi / 4 * diameter**2, rel=0.5)
    middle = (alpha[..., None] * (np.indices((30, 40)).transpose(1, 2, 0) + 0.5)).sum(axis=(0, 1)) / alpha.sum()
    np.testing.assert_allclose(middle, place[::-1], atol=0.2)


def test_a_point_smaller_than_a_pixel_is_still_seen_in_its_colour():
    drawn = dotted([(20.5, 15.5)], diameter=0.05)
    np.testing.assert_array_equal(drawn[15, 20], RED)


def test_points_denser_than_the_pixels_fade_and_keep_their_colours():
    rng = np.random.default_rng(0)
    colors = np.stack([RED, GREEN])[rng.integers(0, 2, 5000)]
    drawn = dotted(rng.uniform(0, (40, 30), (5000, 2)), colors, diameter=1.0)
    assert 0.3 < drawn[..., 3].mean() / 255 < 0.6
    seen = drawn[drawn[..., 3] > 0][:, :3]
    assert {tuple(each) for each in seen} == {tuple(RED[:3]), tuple(GREEN[:3])}


def test_a_selected_point_has_a_white_rim_around_its_colour():
    bare = dotted([(10.5, 15.5), (30.5, 15.5)], diameter=4.0)
    drawn = with_rims(bare, [(10.5, 15.5)], view=(0, 40, 0, 30), diameter=4.0)
    np.testing.assert_array_equal(drawn[15, [10, 30]], [RED, RED])
    white = (drawn[..., :3].min(axis=2) > 200) & (drawn[..., 3] > 100)
    assert white[:, :20].sum() > 10
    assert not white[:, 20:].any()


def test_points_beyond_the_edge_are_cut_off():
    drawn = dotted([(-1.0, 15.0), (41.0, 15.0), (20.0, -1.0), (20.0, 31.0), (-9.0, 0.0)], diameter=4.0)
    assert drawn[15, [0, -1], 3].all()
    assert drawn[[0, -1], 20, 3].all()
    assert not drawn[5:25, 5:35, 3].any()

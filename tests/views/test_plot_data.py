"""What a plot shows: the key says what the colours mean, and shapes drawn in it find the rows."""

import numpy as np
import pytest
from tables import TABLE, N, data

from local_crystallography.views.plot_data import DARKEST, LIGHTEST, key_of
from local_crystallography.views.plot_picture import picture_of
from local_crystallography.views.presets import FURTHER, PRESETS, further, has_columns
from local_crystallography.views.styles import ClassStyles

NONE = np.zeros(N, bool)


def test_classes_have_name_colour_count_and_share():
    styles = ClassStyles()
    styles.rename("label", 1, "A-site")
    styles.recolour("label", 1, "#123456")
    key = key_of(TABLE, "label", styles, dark=True)
    assert [entry.number for entry in key.classes] == [0, 1, 2, -1]
    assert [entry.name for entry in key.classes] == ["class 0", "A-site", "class 2", "none"]
    assert sum(entry.count for entry in key.classes) == N
    assert sum(entry.share for entry in key.classes[:3]) == pytest.approx(1)
    assert np.isnan(key.classes[3].share)
    np.testing.assert_array_equal(key.rows_of(1), TABLE["label"] == 1)
    assert (key.inks[TABLE["label"] == 1] == (0x12, 0x34, 0x56, 255)).all()
    np.testing.assert_array_equal(key.inks, styles.colours("label", TABLE["label"]))


def test_unknown_labels_are_none():
    table = TABLE.assign(label=np.where(np.arange(N) < 5, np.nan, TABLE["label"]))
    key = key_of(table, "label", ClassStyles(), dark=True)
    assert key.classes[-1].count == 20
    assert key.rows_of(-1)[:20].all()


def test_a_scale_is_in_the_unit_shown():
    key = key_of(TABLE, "angle_rad", ClassStyles(), dark=True)
    assert key.limits == pytest.approx((-180, 180))
    assert key.colormap == "twilight"
    assert np.flatnonzero(key.rows_within(170, -170)).tolist() == [0, 1, 2, 3, 4, 5, 195, 196, 197, 198, 199]


@pytest.mark.parametrize(("dark", "low", "high"), [(True, DARKEST, 1), (False, 0, LIGHTEST)])
@pytest.mark.parametrize("column", ["z0", "angle_rad"])
def test_colours_stand_out_from_the_canvas(column, dark, low, high):
    table = key_of(TABLE, column, ClassStyles(), dark=dark).table[:, :3]
    light = table @ (0.2126, 0.7152, 0.0722)
    assert light.min() >= low - 1e-6
    assert light.max() <= high + 1e-6
    assert table.max() <= 1


def test_without_a_column_all_are_of_one_colour():
    key = key_of(TABLE, "one colour", ClassStyles(), dark=True)
    assert len(np.unique(key.inks, axis=0)) == 1
    assert not key.classes


def test_a_shape_in_a_histogram_selects_its_range_of_x():
    found = data(mode="histogram (stacked)").inside([(-0.5, 3), (0.2, 50), (0.1, 7)])
    np.testing.assert_array_equal(found, TABLE["z0"].between(-0.5, 0.2))
    assert not data(mode="histogram (stacked)").inside(np.empty((0, 2))).any()


def test_over_the_seam_of_a_histogram():
    found = data("angle_rad", mode="histogram (stepped)").inside([(170, 0), (190, 5), (180, 9)])
    assert np.flatnonzero(found).tolist() == [0, 1, 2, 3, 4, 5, 195, 196, 197, 198, 199]


@pytest.mark.parametrize("x", [-0.999, 0.0, 0.4, 0.9999])
def test_the_bin_of_a_histogram_holds_what_it_counts(x):
    histogram = data(mode="histogram (stacked)")
    place = np.searchsorted(histogram.histogram.edges, x, side="right") - 1
    assert histogram.bin_at(x).sum() == histogram.histogram.counts.sum(axis=0)[place]


def test_every_row_is_in_one_bin():
    histogram = data(mode="histogram (stacked)")
    middles = (histogram.histogram.edges[:-1] + histogram.histogram.edges[1:]) / 2
    np.testing.assert_array_equal(np.sum([histogram.bin_at(x) for x in middles], axis=0), 1)


def test_a_place_is_told_in_columns_and_their_own_units():
    assert data("angle_rad").place(90, 0.5) == pytest.approx({"angle_rad": np.pi / 2, "z1": 0.5})
    assert data("z0", mode="histogram (stacked)").place(0.1, 20) == {"z0": 0.1}


def test_other_colours_keep_what_was_counted():
    before = data(mode="contours")
    kept = before.density
    assert data(mode="contours", dark=False).taking(before).density is kept
    assert data("z1", "z0", mode="contours").taking(before).density is not kept
    # the spread within classes is another than that of all
    assert data(mode="contours", colour="z1").taking(before).density is not kept


def test_the_selected_are_on_top_of_a_density():
    mask = NONE.copy()
    mask[100] = True
    plot = data(mode="density (log)")
    view = (-1.0, 1.0, 0.0, 1.0)
    picture, note = picture_of(plot, mask, view=view, size=(90, 90))
    assert note.startswith("1 to ")
    row, column = (int(90 * part) for part in (TABLE["z1"][100], (TABLE["z0"][100] + 1) / 2))
    assert (picture[row, column] == plot.key.inks[100]).all()
    assert (picture[80, 45] == 0).all() or picture[80, 45, 3] == 0


def test_contours_tell_their_bandwidth():
    assert picture_of(data(mode="contours"), NONE, view=(-1, 1, 0, 1), size=(9, 9))[1].startswith("σ 0.")


@pytest.mark.parametrize(
    ("columns", "possible"),
    [
        (["z0", "z1"], ["Latents (z0, z1)"]),
        (["x_px", "y_px"], ["Image (x, y)"]),
        (["z0", "z1", "angle_rad", "offset_x_px", "offset_y_px", "x_nm", "y_nm"], list(PRESETS)),
        ([], []),
    ],
)
def test_presets_need_their_columns(columns, possible):
    assert [name for name in PRESETS if has_columns(name, columns)] == possible


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("preset", PRESETS)
def test_plots_that_are_added_show_something_else(preset, number):
    choices = further(list(PRESETS[preset]), number)
    assert len(choices) == number
    shown = {(choice.x, choice.y) for choice in choices}
    assert len(shown) == number or not set(choices) <= set(FURTHER)

"""A plot selects what was drawn around, follows selection and hover, and draws no more than it must."""

import mouse
import numpy as np
import pandas as pd
import pytest
from clusters import around, clusters, pick
from qtpy import QtCore

from local_crystallography._napari.explorer.plot_canvas import FRAME_MS
from local_crystallography._napari.explorer.plot_view import ONE_COLOUR, PlotView
from local_crystallography.views.hover import Hover
from local_crystallography.views.plot_data import MODES, Choice
from local_crystallography.views.selection import Selection
from local_crystallography.views.styles import ClassStyles

KEYS = QtCore.Qt.KeyboardModifier
SHIFT, ALT, CTRL, PLAIN = KEYS.ShiftModifier, KEYS.AltModifier, KEYS.ControlModifier, KEYS.NoModifier


@pytest.fixture
def view(qtbot):
    selection = Selection(400)
    view = PlotView(selection, Hover())
    qtbot.addWidget(view)
    view.resize(480, 440)
    view.set_table(clusters())
    with qtbot.waitExposed(view):
        view.show()
    qtbot.wait(3 * FRAME_MS)
    return view


@pytest.fixture
def label(view):
    return view.table["label"].to_numpy()


@pytest.fixture
def drag(view, qtbot):
    """Drag the left button along data coordinates, as a hand would."""

    return lambda path, modifiers=PLAIN, release=True: mouse.drag(view, path, qtbot, modifiers, release=release)


def picture(view, qtbot):
    qtbot.wait(3 * FRAME_MS)
    return view.grab().toImage()


def test_a_lasso_selects_exactly_the_cluster(view, label, drag):
    drag(around(1))
    np.testing.assert_array_equal(view.selection.mask, label == 1)


@pytest.mark.slow
def test_keys_say_how_to_combine(view, label, drag):
    drag(around(0))
    drag(around(3), SHIFT)
    np.testing.assert_array_equal(view.selection.mask, np.isin(label, [0, 3]))
    drag(around(0), ALT)
    np.testing.assert_array_equal(view.selection.mask, label == 3)
    drag(around(2), SHIFT)
    drag(around(3, reach=1), SHIFT | CTRL)
    np.testing.assert_array_equal(view.selection.mask, label == 3)
    drag(around(2))
    np.testing.assert_array_equal(view.selection.mask, label == 2)


def test_a_rectangle_goes_from_corner_to_corner(view, label, drag):
    view.box.set_tool("Rectangle")
    drag([(-2.7, -2.7), (0, 1), (2.7, -1)])
    np.testing.assert_array_equal(view.selection.mask, np.isin(label, [0, 1]))


def test_a_click_selects_the_point_under_it(view, qtbot):
    view.box.set_tool("Click")
    row = view.table.iloc[7]
    mouse.click(view, (row.z0, row.z1))
    assert view.selection.mask[7]
    assert view.selection.count == 1
    mouse.click(view, (0, 0), SHIFT)
    assert view.selection.count == 1
    mouse.click(view, (0, 0))
    assert view.selection.count == 0


def test_to_move_selects_nothing(view, drag):
    view.box.set_tool("Move")
    before = view.box.viewRange()
    drag([(0, 0), (0.5, 0.5), (1, 1)])
    assert view.selection.count == 0
    assert view.box.viewRange()[0][0] < before[0][0] - 0.5


def test_the_line_is_there_only_while_it_is_drawn(view, drag, qtbot):
    before = picture(view, qtbot)
    drag(around(1), release=False)
    assert picture(view, qtbot) != before
    drag(around(1)[-2:])
    view.selection.resize(400)
    view.hover.clear()
    assert picture(view, qtbot) == before


def test_a_lasso_over_the_seam_selects_on_both_sides(view, drag):
    view.choose(Choice("angle_rad", "z1", "label"))
    assert view.box.viewRange()[0] == pytest.approx([-180, 180])
    # the angles are 180 ± 27 to 45 degrees, so both ends of the axis are full and its middle is empty
    view.box.setXRange(90, 270, padding=0)
    view.box.set_tool("Rectangle")
    drag([(144, -2.7), (180, 0), (216, 2.7)])
    degrees = np.degrees(view.table["angle_rad"])
    assert (view.selection.mask != degrees.between(144, 216)).sum() <= 8  # a pixel is half a degree
    assert view.selection.mask[degrees > 190].any()
    assert view.selection.mask[degrees < 170].any()
    assert view.selection.count < 300


def test_an_angle_is_written_within_half_a_period(view):
    view.choose(Choice("angle_rad", "z1", "label"))
    axis = view.plot.axes["bottom"]
    assert axis.tickStrings([90, 180, 270, -180], 1, 90) == ["90", "180", "-90", "180"]
    assert [major for major, _ in axis.tickSpacing(-180, 180, 300)] == [90, 30]
    view.choose(Choice("z0", "z1", "label"))
    assert axis.tickStrings([270], 1, 90) == ["270"]


def test_the_view_of_an_angle_stays_within_a_turn(view):
    view.choose(Choice("angle_rad", "z1", "label"))
    view.box.setXRange(-2000, 2000)
    low, high = view.box.viewRange()[0]
    assert high - low == pytest.approx(360)


def test_pointing_tells_the_atom_or_the_place(view, qtbot):
    row = view.table.iloc[7]
    view.box.pointed.emit((row.z0, row.z1))
    assert view.hover.row == 7
    assert view.plot.ring.isVisible()
    view.box.pointed.emit((0.0, 0.1))
    assert (view.hover.row, view.hover.place) == (None, {"z0": 0.0, "z1": 0.1})
    assert not view.plot.ring.isVisible()
    view.box.pointed.emit(None)
    assert view.hover.place == {}


def test_the_mouse_points(view, qtbot):
    row = view.table.iloc[7]
    mouse.move(view, (row.z0, row.z1), qtbot)
    qtbot.waitUntil(lambda: view.hover.row == 7, timeout=2000)


def test_a_place_of_an_angle_is_in_radians(view):
    view.choose(Choice("angle_rad", "z1", "label"))
    view.box.pointed.emit((10.0, 0.0))
    assert view.hover.place["angle_rad"] == pytest.approx(np.radians(10))


def test_an_atom_that_others_point_at_has_a_ring(view):
    view.hover.on_atom(3, source="elsewhere")
    row = view.table.iloc[3]
    assert (view.plot.ring.x(), view.plot.ring.y()) == pytest.approx((row.z0, row.z1))
    view.hover.on_atom(4000, source="elsewhere")
    assert not view.plot.ring.isVisible()


def test_a_change_from_elsewhere_is_drawn(view, label, qtbot):
    before = picture(view, qtbot)
    view.selection.apply(label == 2, source="elsewhere")
    assert picture(view, qtbot) != before


def test_a_view_waits_for_its_table_when_the_selection_is_resized(view, qtbot):
    view.selection.resize(7)
    assert not picture(view, qtbot).isNull()
    view.select_polygon(around(0))
    assert view.selection.count == 0


def test_a_closed_view_listens_no_more(qtbot):
    selection, hover, styles = Selection(3), Hover(), ClassStyles()
    view = PlotView(selection, hover)
    view.set_table(clusters(3), styles)
    with qtbot.waitSignal(view.destroyed):
        view.deleteLater()
    assert [len(signal) for signal in (selection.changed, hover.changed, styles.changed)] == [0, 0, 0]


def test_points_are_drawn_in_their_colour_and_the_selected_brightest(view, qtbot):
    def brightness(k):
        image = picture(view, qtbot)
        spot = view.plot.mapTo(view, view.plot.mapFromScene(view.box.mapViewToScene(centre(k))))
        return max(image.pixelColor(spot).getRgb()[:3])

    def centre(k):
        row = view.table.query(f"label == {k}").iloc[0]
        return QtCore.QPointF(row.z0, row.z1)

    assert brightness(0) > 200
    view.select_polygon(around(1))
    assert brightness(0) < 130
    assert brightness(1) > 200


def test_other_colours_of_classes_are_drawn(view, qtbot):
    styles = ClassStyles()
    view.set_table(view.table, styles)
    before = picture(view, qtbot)
    styles.recolour("other", 0, "#ff0000")
    assert picture(view, qtbot) == before
    styles.recolour("label", 0, "#ff0000")
    assert picture(view, qtbot) != before


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("x", ["z0", "angle_rad"])
def test_every_mode_draws_and_selects(view, qtbot, mode, x):
    view.choose(Choice(x, "z1", "label", mode))
    before = picture(view, qtbot)
    view.select_polygon([(-400, -400), (400, -400), (400, 400), (-400, 400)])
    assert view.selection.count == 400
    view.selection.apply(np.arange(400) < 30)
    assert picture(view, qtbot) != before


def test_a_click_on_a_bar_selects_its_bin(view):
    view.choose(Choice("label", "z1", "label", "histogram (stacked)"))
    assert not view.combos["y"].isEnabled()
    view.box.set_tool("Click")
    mouse.click(view, (2.0, 50))
    np.testing.assert_array_equal(view.selection.mask, view.table["label"] == 2)
    view.box.pointed.emit((2.0, 50.0))
    assert view.hover.place == {"label": 2.0}


def columns_of(view):
    return view.choice.x, view.choice.y, view.choice.colour


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["id", "z0", "z1", "label"], ("z0", "z1", "label")),
        (["id", "x_px", "y_px"], ("x_px", "y_px", "y_px")),
        (["a"], ("a", "a", "a")),
        ([], ("", "", "")),
    ],
)
def test_columns_shown_first(view, columns, expected):
    view.set_table(pd.DataFrame(np.zeros((5, len(columns))), columns=columns))
    assert columns_of(view)[:2] == expected[:2]
    assert view.choice.colour == (expected[2] or ONE_COLOUR)


def test_only_columns_of_numbers_are_offered(view):
    view.set_table(pd.DataFrame({"name": ["a", "b"], "good": [True, False], "z0": [1.0, np.nan]}))
    combo = view.combos["x"]
    assert [combo.itemText(i) for i in range(combo.count())] == ["good", "z0"]


def test_chosen_columns_stay_and_come_back(view):
    pick(view, "y", "angle_rad")
    pick(view, "colour", ONE_COLOUR)
    view.set_table(clusters()[["id", "z0", "z1"]])
    assert columns_of(view) == ("z0", "z1", ONE_COLOUR)
    view.set_table(clusters())
    assert columns_of(view) == ("z0", "angle_rad", ONE_COLOUR)


def test_a_new_column_keeps_the_zoom(view):
    assert view.table["z0"].between(*view.box.viewRange()[0]).all()
    view.box.setRange(xRange=(0, 1), yRange=(0, 1), padding=0)
    view.set_table(view.table.assign(extra=1.0))
    pick(view, "colour", "extra")
    pick(view, "mode", "contours")
    assert view.box.viewRange()[0] == pytest.approx([0, 1])


def test_the_image_is_shown_as_it_lies(view):
    view.choose(Choice("x_nm", "y_nm", "label"))
    assert columns_of(view) == ("x_px", "y_px", "label")
    width, height = view.box.pixel()
    assert view.box.yInverted()
    assert width == pytest.approx(height, rel=0.02)
    view.choose(Choice("z0", "z1", "label"))
    assert not view.box.yInverted()


def test_unknown_rows_are_neither_drawn_nor_caught(view, qtbot):
    table = view.table.copy()
    table.loc[table["label"] == 0, "z0"] = np.nan
    view.set_table(table)
    view.select_polygon(around(0, reach=20))
    np.testing.assert_array_equal(view.selection.mask, table["label"] != 0)
    assert not picture(view, qtbot).isNull()


@pytest.fixture
def drawn(view, monkeypatch):
    """Number of points of each drawing from now on."""
    drawn = []
    monkeypatch.setattr(
        "local_crystallography.views.plot_picture.raster.rasterise",
        lambda points, colors, *, size, **_: drawn.append(len(points)) or np.zeros((*size, 4), np.uint8),
    )
    return drawn


def test_a_hidden_view_does_not_draw(view, qtbot, drawn):
    view.hide()
    view.select_polygon(around(0))
    qtbot.wait(4 * FRAME_MS)
    assert drawn == []
    view.show()
    qtbot.waitUntil(lambda: bool(drawn), timeout=2000)


def test_a_burst_of_changes_is_drawn_once(view, qtbot, drawn):
    for _ in range(20):
        view.selection.invert()
    qtbot.wait(4 * FRAME_MS)
    assert drawn == [400]


@pytest.mark.parametrize("dark", [True, False])
def test_the_background_follows_the_theme(view, qtbot, dark):
    view.set_theme(dark)
    corner = picture(view, qtbot).pixelColor(view.width() // 2, view.plot.y() + 3)
    assert (corner.lightness() < 80) == dark


def test_every_control_says_what_it_does(view):
    assert all(control.toolTip() for control in (*view.combos.values(), view.folded.button))
    assert all(combo.accessibleName() for combo in view.combos.values())


def test_where_it_is_narrow_the_choices_fold_into_a_button(view, qtbot):
    assert not view.folded.button.isVisible()
    assert view.combos["mode"].isVisible()
    view.resize(200, 300)
    assert view.folded.button.text().startswith("z0 · z1")
    view.folded.button.click()
    assert view.combos["mode"].isVisible()
    pick(view, "x", "angle_rad")
    assert view.folded.button.text().startswith("angle_rad")
    view.resize(480, 440)
    assert not view.folded.popup.isVisible()
    assert view.combos["mode"].isVisible()


def test_four_fit_a_dock(view):
    assert view.minimumSizeHint().width() <= 130
    assert view.minimumSizeHint().height() <= 150

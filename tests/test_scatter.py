"""The scatter plot selects what was drawn around, follows the selection, and stays still where it may."""

import mouse
import numpy as np
import pandas as pd
import pytest
from qtpy import QtCore

from local_crystallography._napari.scatter import FRAME_MS, ScatterView
from local_crystallography.explore.selection import Selection

CENTRES = np.array([(-2, -2), (2, -2), (-2, 2), (2, 2)], float)
KEYS = QtCore.Qt.KeyboardModifier
SHIFT, ALT, PLAIN = KEYS.ShiftModifier, KEYS.AltModifier, KEYS.NoModifier


def clusters(n=400):
    rng = np.random.default_rng(0)
    label = np.arange(n) % 4
    z = CENTRES[label] + rng.uniform(-0.5, 0.5, (n, 2))
    return pd.DataFrame({"id": np.arange(n), "z0": z[:, 0], "z1": z[:, 1], "angle": z[:, 0], "label": label})


def around(k, reach=0.6):
    """A square walked in small steps."""
    corners = reach * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)])
    steps = np.arange(0, 4, 0.2)
    return CENTRES[k] + np.stack([np.interp(steps, range(5), axis) for axis in corners.T], axis=1)


@pytest.fixture
def view(qtbot):
    view = ScatterView(Selection())
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
    view.buttons["Lasso"].click()
    drag(around(1))
    np.testing.assert_array_equal(view.selection.mask, label == 1)
    assert view.status.text() == "100 of 400 selected"


def test_shift_adds_alt_subtracts_and_plain_replaces(view, label, drag):
    view.buttons["Lasso"].click()
    drag(around(0))
    drag(around(3), SHIFT)
    np.testing.assert_array_equal(view.selection.mask, np.isin(label, [0, 3]))
    drag(around(0), ALT)
    np.testing.assert_array_equal(view.selection.mask, label == 3)
    drag(around(2))
    np.testing.assert_array_equal(view.selection.mask, label == 2)


def test_without_lasso_a_drag_moves_the_view_and_selects_nothing(view, drag):
    before = view.box.viewRange()
    drag(around(1))
    drag([(0, 0), (0.5, 0.5), (1, 1)])
    assert view.selection.count == 0
    assert view.box.viewRange()[0][0] < before[0][0] - 0.5


def test_the_line_is_there_only_while_it_is_drawn(view, drag, qtbot):
    view.buttons["Lasso"].click()
    before = picture(view, qtbot)
    drag(around(1), release=False)
    assert picture(view, qtbot) != before
    drag(around(1)[-2:])
    view.selection.resize(400)
    assert picture(view, qtbot) == before


def test_escape_drops_the_lasso_being_drawn(view, drag, qtbot):
    view.buttons["Lasso"].click()
    drag(around(1), release=False)
    view.activateWindow()
    view.plot.setFocus()
    qtbot.waitUntil(view.isActiveWindow, timeout=2000)
    qtbot.keyClick(view.plot, QtCore.Qt.Key.Key_Escape)
    drag(around(1)[-2:])
    assert view.selection.count == 0


def test_undo_invert_and_clear(view, label):
    assert not view.buttons["Undo"].isEnabled()
    view.select_polygon(around(0))
    view.buttons["Invert"].click()
    np.testing.assert_array_equal(view.selection.mask, label != 0)
    view.buttons["Undo"].click()
    np.testing.assert_array_equal(view.selection.mask, label == 0)
    view.buttons["Clear"].click()
    assert view.selection.count == 0


def test_escape_clears(view, qtbot):
    view.select_polygon(around(0))
    view.activateWindow()
    view.plot.setFocus()
    qtbot.waitUntil(view.isActiveWindow, timeout=2000)
    qtbot.keyClick(view.plot, QtCore.Qt.Key.Key_Escape)
    assert view.selection.count == 0


def test_a_change_from_elsewhere_is_drawn(view, label, qtbot):
    before = picture(view, qtbot)
    view.selection.apply(label == 2, source="elsewhere")
    assert picture(view, qtbot) != before
    assert view.status.text() == "100 of 400 selected"


def test_the_source_of_a_change_is_not_called_back(view, monkeypatch):
    shown = []
    monkeypatch.setattr(view, "_show_selection", lambda: shown.append(view.selection.count))
    view.select_polygon(around(0))
    assert shown == [100]
    view.selection.clear(source="elsewhere")
    assert shown == [100, 0]


def test_two_views_show_one_selection(view, qtbot):
    other = ScatterView(view.selection)
    qtbot.addWidget(other)
    other.set_table(view.table)
    view.select_polygon(around(0))
    assert other.status.text() == "100 of 400 selected"


def test_a_view_waits_for_its_table_when_the_selection_is_resized(view, qtbot):
    view.selection.resize(7)
    assert not picture(view, qtbot).isNull()
    view.set_table(clusters(7))
    assert view.status.text() == "0 of 7 selected"


def test_a_closed_view_listens_no_more(qtbot):
    selection = Selection(3)
    view = ScatterView(selection)
    with qtbot.waitSignal(view.destroyed):
        view.deleteLater()
    assert len(selection.changed) == 0


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


def columns_of(view):
    return tuple(combo.currentText() for combo in view.combos.values())


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["id", "z0", "z1", "label"], ("z0", "z1", "label")),
        (["id", "x_px", "y_px"], ("x_px", "y_px", "y_px")),
        (["a"], ("a", "a", "a")),
        ([], ("", "", "")),
    ],
)
def test_presets(view, columns, expected):
    view.set_table(pd.DataFrame(np.zeros((5, len(columns))), columns=columns))
    assert columns_of(view) == expected


def test_only_columns_of_numbers_are_offered(view):
    view.set_table(pd.DataFrame({"name": ["a", "b"], "good": [True, False], "z0": [1.0, np.nan]}))
    combo = view.combos["x"]
    assert [combo.itemText(i) for i in range(combo.count())] == ["good", "z0"]


def test_chosen_columns_stay_and_presets_give_way(view):
    view.set_table(clusters()[["id", "angle", "z1"]])
    view.combos["y"].setCurrentText("angle")
    view.set_table(clusters())
    assert columns_of(view) == ("z0", "angle", "label")


def test_a_new_column_keeps_the_selection_and_the_zoom(view):
    view.select_polygon(around(0))
    assert view.table["z0"].between(*view.box.viewRange()[0]).all()
    view.box.setRange(xRange=(0, 1), yRange=(0, 1), padding=0)
    view.set_table(view.table.assign(extra=1.0))
    assert view.selection.count == 100
    assert view.box.viewRange()[0] == pytest.approx([0, 1])


def test_another_number_of_rows_starts_again(view):
    view.select_polygon(around(0))
    view.set_table(clusters(40))
    assert view.status.text() == "0 of 40 selected"


def test_the_scale_names_classes_or_limits(view):
    assert "none" not in view.scale.text()
    view.set_table(view.table.assign(label=[np.nan, *view.table["label"][1:]]))
    assert "none" in view.scale.text()
    view.combos["colour"].setCurrentText("id")
    assert view.scale.text().endswith("395")


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
        "local_crystallography._napari.scatter.raster.rasterise",
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
    assert all(control.toolTip() for control in [*view.buttons.values(), *view.combos.values()])


def test_it_fits_a_dock(view):
    assert view.minimumSizeHint().width() <= 420
    assert view.minimumSizeHint().height() <= 380

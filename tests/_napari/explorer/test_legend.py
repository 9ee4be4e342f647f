"""A legend tells what colours mean, edits names and colours, and selects."""

import numpy as np
import pandas as pd
import pytest
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.explorer import legend as legend_module
from local_crystallography._napari.explorer.legend import COUNT, NAME, PATCH, Legend, RangeBox
from local_crystallography.views.plot_data import key_of
from local_crystallography.views.selection import Selection
from local_crystallography.views.styles import ClassStyles

N = 100
LABEL = np.arange(N) % 4 - 1
ANGLES = np.linspace(-np.pi, np.pi, N, endpoint=False)
TABLE = pd.DataFrame({"label": LABEL, "z0": np.linspace(-2, 2, N), "angle_rad": ANGLES})


@pytest.fixture
def styles():
    return ClassStyles()


@pytest.fixture
def legend(qtbot, styles):
    legend = Legend(Selection(N))
    qtbot.addWidget(legend)
    legend.resize(180, 300)
    show(legend, styles, "label", "z0", "label")
    legend.show()
    return legend


def show(legend, styles, *columns):
    legend.show_keys([key_of(TABLE, name, styles, dark=True) for name in columns], styles)


def item(legend, row):
    return legend.blocks[0].tree.topLevelItem(row)


def texts(legend):
    tree = legend.blocks[0].tree
    return [tree.topLevelItem(row).text(NAME) for row in range(tree.topLevelItemCount())]


def click(legend, row, modifiers, qtbot):
    tree = legend.blocks[0].tree
    place = tree.visualItemRect(item(legend, row)).center()
    qtbot.mouseClick(tree.viewport(), QtCore.Qt.MouseButton.LeftButton, modifiers, place)


def test_one_block_for_each_column(legend):
    assert [block.key.column.name for block in legend.blocks] == ["label", "z0"]
    assert texts(legend) == ["class 0", "class 1", "class 2", "none"]
    assert item(legend, 0).text(COUNT) == "25 · 33.3 %"
    assert [legend.blocks[1].low.text(), legend.blocks[1].high.text()] == ["-1.96", "1.96"]


def test_a_click_selects_the_class(legend, qtbot, monkeypatch):
    keys = QtCore.Qt.KeyboardModifier
    held = keys.NoModifier
    monkeypatch.setattr(legend_module.QtWidgets.QApplication, "keyboardModifiers", lambda: held)
    click(legend, 1, keys.NoModifier, qtbot)
    np.testing.assert_array_equal(legend.selection.mask, LABEL == 1)
    held = keys.ShiftModifier
    click(legend, 3, held, qtbot)
    np.testing.assert_array_equal(legend.selection.mask, np.isin(LABEL, [1, -1]))


def test_the_keyboard_selects_the_class(legend, qtbot):
    tree = legend.blocks[0].tree
    tree.setCurrentItem(item(legend, 2))
    legend.activateWindow()
    tree.setFocus()
    qtbot.waitUntil(tree.hasFocus, timeout=2000)
    qtbot.keyClick(tree, QtCore.Qt.Key.Key_Return)
    np.testing.assert_array_equal(legend.selection.mask, LABEL == 2)


def test_a_name_is_typed(legend, styles, qtbot):
    tree = legend.blocks[0].tree
    legend.blocks[0]._on_double_clicked(item(legend, 0), NAME)
    editor = tree.findChild(QtWidgets.QLineEdit)
    editor.setText("A-site")
    qtbot.keyClick(editor, QtCore.Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: styles.name("label", 0) == "A-site", timeout=2000)


def test_a_name_that_is_taken_is_refused_in_words(legend, styles, qtbot):
    styles.rename("label", 1, "B-site")
    with qtbot.waitSignal(legend.failed) as said:
        item(legend, 0).setText(NAME, "B-site")
    assert "no other class has" in said.args[0]
    assert styles.name("label", 0) == "class 0"
    assert texts(legend)[0] == "class 0"


def test_a_colour_is_chosen(legend, styles, monkeypatch):
    monkeypatch.setattr(QtWidgets.QColorDialog, "getColor", lambda *_: QtGui.QColor("#123456"))
    legend.blocks[0]._on_double_clicked(item(legend, 2), PATCH)
    assert styles.colour("label", 2) == "#123456"
    monkeypatch.setattr(QtWidgets.QColorDialog, "getColor", lambda *_: QtGui.QColor())
    legend.blocks[0]._on_double_clicked(item(legend, 1), PATCH)
    assert styles.colour("label", 1) == ClassStyles().colour("label", 1)


def test_those_of_no_class_cannot_be_named(legend):
    assert not item(legend, 3).flags() & QtCore.Qt.ItemFlag.ItemIsEditable
    legend.blocks[0]._on_double_clicked(item(legend, 3), NAME)
    assert legend.blocks[0].tree.findChild(QtWidgets.QLineEdit) is None


def test_editing_goes_on_while_results_come(legend, styles):
    before = legend.blocks[0]
    show(legend, styles, "label", "z0")
    assert legend.blocks[0] is before
    show(legend, styles, "angle_rad")
    assert [block.key.column.name for block in legend.blocks] == ["angle_rad"]


@pytest.fixture
def box(qtbot):
    box = RangeBox(key_of(TABLE, "angle_rad", ClassStyles(), dark=True))
    qtbot.addWidget(box)
    return box


def test_a_range_is_selected(legend, qtbot):
    legend.blocks[1].button.click()
    box = legend.findChild(RangeBox)
    box.fields["low"].setValue(-1)
    box.fields["high"].setValue(0.5)
    box.button.click()
    np.testing.assert_array_equal(legend.selection.mask, TABLE["z0"].between(-1, 0.5))
    assert box.count.text() == f"{legend.selection.count} atoms"


def test_the_whole_range_holds_every_atom(legend):
    legend.blocks[1].button.click()
    fields = legend.findChild(RangeBox).fields
    fields["low"].setValue(fields["low"].minimum())
    fields["high"].setValue(fields["high"].maximum())
    assert legend.findChild(RangeBox).count.text() == "100 atoms"


def test_a_range_of_an_angle_may_go_through_the_seam(box, qtbot):
    box.fields["low"].setValue(170)
    box.fields["high"].setValue(-170)
    with qtbot.waitSignal(box.chosen) as chosen:
        box.button.click()
    np.testing.assert_array_equal(chosen.args[0], np.abs(np.degrees(ANGLES)) >= 170)


def test_every_field_says_what_it_is(box):
    assert all(widget.toolTip() for widget in (*box.fields.values(), box.button))

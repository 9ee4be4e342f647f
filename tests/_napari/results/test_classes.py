"""The tab of classes: pictures to click on, tables that explain themselves, names and colours."""

import time

import numpy as np
import pandas as pd
import pytest
from analyses import copied
from qtpy import QtCore, QtTest

from local_crystallography._napari.main.dock import MainDock
from local_crystallography._napari.results.classes import panel as classes_panel
from local_crystallography._napari.results.classes.grid import Cell, ColourGrid, Head
from local_crystallography._napari.results.classes.panel import NO_CLASSES, NO_SUB_IMAGES
from local_crystallography._napari.results.classes.tables import DECODED
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Progress
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.studies.classes import class_report
from local_crystallography.views.selection import Selection

ROOM = 299
"""Points that a panel has in a dock of 330, beside its scroll bar."""
SHIFT, ALT = QtCore.Qt.KeyboardModifier.ShiftModifier, QtCore.Qt.KeyboardModifier.AltModifier


@pytest.fixture
def main(viewer, quick_analysis, qtbot):
    viewer.window.main.show()
    main = MainDock(viewer)
    viewer.window.add_dock_widget(main, name="dock")
    main.controller.adopt(copied(quick_analysis))
    qtbot.waitUntil(lambda: not main.controller.running, timeout=20_000)
    yield main
    main.controller.runner.halt()


@pytest.fixture
def panel(components_dock, qtbot):
    panel = components_dock.classes
    settle(panel, qtbot)
    assert panel.report is not None
    return panel


def settle(panel, qtbot):
    """Wait until the panel shows what there is."""
    qtbot.wait(30)
    qtbot.waitUntil(lambda: panel.isVisible() and not panel.busy and not panel.controller.running, timeout=20_000)


def analysis_of(panel):
    return panel.controller.active.analysis


def change(panel, qtbot, **columns):
    analysis = analysis_of(panel)
    analysis.atoms = analysis.atoms.with_features(**columns)
    panel.controller.bring()
    settle(panel, qtbot)


def test_the_report_is_that_of_the_analysis(panel):
    analysis = analysis_of(panel)
    expected = class_report(analysis.atoms, analysis.sub_images, analysis.vae)
    assert list(panel.buttons) == list(expected.numbers)
    first = expected.classes[0]
    assert f"{first.picture.count:,} atoms" in panel.buttons[0].text()
    centre = panel.sections.grids["symmetry"].cells[0][0]
    assert centre.share == pytest.approx(first.symmetry.centre.value)
    assert f"± {first.symmetry.centre.error:.4f}" in centre.tip
    shares = [[cell.share for cell in row] for row in panel.sections.grids["neighbours"].cells]
    np.testing.assert_allclose(shares[:-1], expected.neighbours)
    np.testing.assert_allclose(shares[-1], [each.picture.share for each in expected.classes])


def test_scores_of_the_decoded_images_can_be_seen(panel):
    decoded = panel.report.classes[0].decoded_symmetry
    panel.sections.pictures.setCurrentText(DECODED)
    grids = panel.sections.grids
    assert grids["symmetry"].cells[0][0].share == pytest.approx(decoded.centre.value)
    assert "ceiling" not in [head.words for head in grids["symmetry"].columns]
    assert grids["mirrored"].cells[0][1].share == pytest.approx(panel.report.decoded_pairs.mirrored[0, 1])


def test_a_click_selects_a_class_and_keys_combine(panel):
    labels = analysis_of(panel).atoms.features["label"].to_numpy()
    mask = panel.controller.selection
    click = QtTest.QTest.mouseClick
    left = QtCore.Qt.MouseButton.LeftButton
    click(panel.buttons[1], left)
    np.testing.assert_array_equal(mask.mask, labels == 1)
    panel.select(0, "add")
    np.testing.assert_array_equal(mask.mask, (labels == 0) | (labels == 1))
    panel.select(1, "subtract")
    np.testing.assert_array_equal(mask.mask, labels == 0)


@pytest.mark.parametrize(("keys", "way"), [(SHIFT, "add"), (ALT, "subtract"), (SHIFT | ALT, "intersect")])
def test_keys_are_heard(panel, monkeypatch, keys, way):
    heard = []
    monkeypatch.setattr(classes_panel.QtWidgets.QApplication, "keyboardModifiers", lambda: keys)
    monkeypatch.setattr(Selection, "apply", lambda self, mask, how="replace", source=None: heard.append(how))
    panel.buttons[0].click()
    assert heard == [way]


def test_names_and_colours_are_those_of_the_user(panel):
    styles = analysis_of(panel).styles
    styles.rename("label", 1, "Ti site")
    styles.recolour("label", 1, "#33bb33")
    assert panel.buttons[1].text().startswith("Ti site\n")
    assert Head("Ti site", "#33bb33", "<b>Ti site</b>") in panel.sections.grids["turned"].columns


def test_nothing_is_looked_at_twice_and_new_classes_are(panel, qtbot, monkeypatch):
    before = panel.report
    change(panel, qtbot, more=1.0)
    assert panel.report is before
    change(panel, qtbot, label=np.where(analysis_of(panel).atoms.features["label"] == 1, 7, 0))
    assert panel.report.numbers == (0, 7)


def test_other_columns_of_classes_are_offered(panel, qtbot):
    assert not panel.column.isVisible()
    hand = np.where(np.arange(len(analysis_of(panel).atoms)) < 400, 2, -1)
    change(panel, qtbot, hand_label=hand)
    panel.column.setCurrentText("hand_label")
    panel.column.activated.emit(1)
    settle(panel, qtbot)
    assert panel.report.numbers == (2,)
    assert np.isnan(panel.report.classes[0].probability)
    panel.select(2)
    np.testing.assert_array_equal(panel.controller.selection.mask, hand == 2)


@pytest.mark.parametrize(("without", "words"), [("label", NO_CLASSES), ("sub_images", NO_SUB_IMAGES)])
def test_what_is_missing_is_said(panel, qtbot, without, words):
    analysis = copied(analysis_of(panel))
    if without == "label":
        analysis.atoms = analysis.atoms.without(["label"])
    else:
        results = {name: getattr(analysis, name) for name in analysis.results} | {"sub_images": None}
        analysis.restore_results(results, {}, {}, {})
    panel.controller.adopt(analysis)
    settle(panel, qtbot)
    assert panel.message.text() == words
    assert not panel.content.isVisible()
    assert not panel.save.isEnabled()


def test_the_table_is_saved_with_names(panel, tmp_path):
    analysis_of(panel).styles.rename("label", 0, "A, or B")
    panel.write(tmp_path / "classes.csv")
    table = pd.read_csv(tmp_path / "classes.csv", index_col="label")
    assert table.loc[0, "name"] == "A, or B"
    np.testing.assert_allclose(table.drop(columns="name"), panel.report.to_frame())
    with pytest.raises(InputError, match="choose another location"):
        panel.write(tmp_path / "nowhere" / "classes.csv")


def test_nothing_is_computed_while_the_tab_is_not_seen(controller, components_dock, panel, qtbot):
    components_dock.tabs.setCurrentIndex(1)
    before = panel.report
    analysis = analysis_of(panel)
    analysis.atoms = analysis.atoms.with_features(label=0)
    controller.bring()
    qtbot.waitUntil(lambda: not controller.running, timeout=10_000)
    qtbot.wait(50)
    assert panel.report is before
    components_dock.tabs.setCurrentIndex(0)
    settle(panel, qtbot)
    assert panel.report.numbers == (0,)


@pytest.mark.slow
def test_long_names_and_many_classes_make_nothing_wider(panel, qtbot):
    analysis = analysis_of(panel)
    analysis.styles.rename("label", 1, "A & B, " + "W" * 30)
    change(panel, qtbot, label=np.arange(len(analysis.atoms)) % 30)
    assert panel.minimumSizeHint().width() <= ROOM
    assert panel.buttons[1].text().startswith("A && B")
    assert "W" * 30 in panel.buttons[1].toolTip()


def test_a_spread_that_is_not_known_is_not_told(panel, qtbot):
    change(panel, qtbot, label=np.where(np.isin(np.arange(len(analysis_of(panel).atoms)), [0]), 3, -1))
    assert [cell.below for cell in panel.sections.grids["numbers"].cells[0]] == ["", "", "", ""]


def test_how_far_a_job_is_is_told_in_whole_words(controller, components_dock, qtbot):
    controller.job(lambda: iter_once("image-20-seed0: without shear, " * 4), lambda _: None)
    qtbot.waitUntil(lambda: components_dock.words.text() != "", timeout=5000)
    assert components_dock.words.wordWrap()
    assert not components_dock.progress.isTextVisible()
    qtbot.waitUntil(lambda: not controller.running, timeout=5000)
    assert components_dock.words.text() == ""
    assert components_dock.words.isHidden()


def iter_once(words):
    for _ in range(30):
        time.sleep(0.01)
        yield Progress(0.5, words)


@pytest.mark.slow
def test_the_dock_opens_behind_the_main_one_and_is_wired_to_it(main, qtbot):
    dock = main.docks.show_components()
    settle(dock.classes, qtbot)
    assert dock.parent().width() == main.parent().width()
    main.show_box.choose("z0")
    dock.loadings.list.painted.emit("z1")
    assert main.show_box.column == "z1"
    dock.windows.chosen.emit(ExtractSubImages(window_size=24))
    assert main.panels["extract_sub_images"].form.step().window_size == 24


def test_cells_of_a_grid_say_what_they_are(qtbot):
    grid = ColourGrid()
    qtbot.addWidget(grid)
    grid.resize(300, 200)
    heads = [Head("a", tip="row a"), Head("b", tip="row b")]
    grid.show_cells(
        heads, [Head("x", tip="column x")] * 3, [[Cell(f"{i}{j}", tip=f"{i}{j}") for j in range(3)] for i in "ab"]
    )
    said = {(i, j): grid.tip_at(*(place.center().x(), place.center().y())) for i in (-1, 0, 1) for j in (-1, 0, 1, 2)
            for place in [grid.place_of(i, j)]}  # fmt: skip
    assert said[1, 2] == "b2"
    assert (said[0, -1], said[-1, 0], said[-1, -1]) == ("row a", "column x", "")
    assert grid.tip_at(299, 199) == ""


def test_a_cell_is_as_dark_as_its_share_in_both_themes(qtbot):
    grid = ColourGrid()
    qtbot.addWidget(grid)
    grid.resize(200, 40)
    grid.show_cells([Head("a")], [Head(""), Head("")], [[Cell("", share=1.0), Cell("", share=0.0)]])
    for dark, ground in ((True, "#262930"), (False, "#ffffff")):
        grid.set_theme(dark)
        picture = grid.grab().toImage()
        spots = [grid.place_of(0, j).center().toPoint() for j in (0, 1)]
        assert [picture.pixelColor(spot).name() for spot in spots] == ["#2a6fb5", ground]


@pytest.mark.slow
def test_a_direction_pointed_at_becomes_the_one_angles_are_counted_from(main, qtbot, monkeypatch):
    panel = main.docks.show_components().classes
    settle(panel, qtbot)
    offered = []
    monkeypatch.setattr(
        classes_panel.QtWidgets.QMenu, "exec", lambda menu, place: offered.append(menu.actions()[0]) or None
    )
    button = panel.buttons[1]
    side = button.iconSize().height()
    left = (button.height() - side) / 2 + side * (classes_panel.STRIP + 2 * classes_panel.GAP + 1)
    above = QtCore.QPoint(round(left + side / 2), round(button.height() / 2 - 0.4 * side))
    button.customContextMenuRequested.emit(QtCore.QPoint(2, 2))
    assert not offered
    button.customContextMenuRequested.emit(above)
    assert "angles of class 1 from this direction, 9" in offered[0].text() or "8" in offered[0].text()
    before = analysis_of(panel).atoms.features["label"].to_numpy()
    panel.direct(1, 90)
    qtbot.waitUntil(lambda: "direction_angle_rad" in (analysis_of(panel).maps or {}), timeout=60_000)
    settle(panel, qtbot)
    features = analysis_of(panel).atoms.features
    assert np.array_equal(features["label"], before)
    chosen = features["label"] == 1
    turns = 2j * np.pi / (2 * np.pi / features["symmetry_order"][chosen])
    off = np.exp(turns * (features["direction_angle_rad"] - features["angle_rad"] - np.pi / 2)[chosen])
    assert np.allclose(off, 1)
    assert main.panels["cluster"].form.step().directions[1] == 90
    assert main.session.analysis.is_current(main.panels["cluster"].form.step())

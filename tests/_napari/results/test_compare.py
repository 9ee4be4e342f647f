"""The comparison in the Components dock: runs kept and read, what differs painted and selected."""

import numpy as np
import pandas as pd
import pytest

from local_crystallography._napari.layers.convert import note_of
from local_crystallography._napari.results.compare.difference_layer import COMPARED
from local_crystallography._napari.results.compare.pictures import DIFFERS, GROUND, SAME, CompareRequest
from local_crystallography._napari.results.compare.run_list import RunList
from local_crystallography._napari.results.compare.runs import (
    LONGEST,
    NOW,
    Run,
    aligned,
    mark_of,
    read_runs,
    shared_columns,
    unique_name,
)
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.views.styles import ClassStyles

COMPARE = 3
ROOM = 299
"""Points that a panel has in a dock of 330, beside its scroll bar."""
GRID = np.stack(np.meshgrid(np.arange(12), np.arange(12), indexing="ij"), axis=-1).reshape(-1, 2) * 8.0 + 10
THREE = np.arange(len(GRID)) % 3
CHANGED = 20
ROWS = np.arange(CHANGED)
TURN = 0.5
"""Radians, less than half of what the motif of the sample repeats after."""


@pytest.fixture
def panel(components_dock, qtbot):
    components_dock.tabs.setCurrentIndex(COMPARE)
    qtbot.waitUntil(components_dock.compare.isVisible, timeout=5000)
    settle(components_dock.compare, qtbot)
    return components_dock.compare


def settle(panel, qtbot):
    qtbot.waitUntil(lambda: not panel.busy and not panel.controller.running, timeout=30_000)
    qtbot.wait(20)


def change(panel, qtbot, rows=ROWS):
    """Let the current result have another class at some atoms; which atoms."""
    analysis = panel.controller.active.analysis
    label = analysis.atoms.features["label"].to_numpy(float).copy()
    known = np.flatnonzero(label >= 0)[rows]
    label[known] = (label[known] + 1) % 3
    angle = analysis.atoms.features["angle_rad"].to_numpy(float).copy()
    angle[known] += TURN
    analysis.atoms = analysis.atoms.with_features(label=label, angle_rad=angle)
    panel.controller.changed.emit()
    settle(panel, qtbot)
    return known


@pytest.fixture
def changed(panel, qtbot):
    """The atoms whose class is another one than in the run that was kept."""
    panel.add.keep.click()
    settle(panel, qtbot)
    return change(panel, qtbot)


def layer_of(viewer):
    return next(layer for layer in viewer.layers if COMPARED in note_of(layer))


def test_one_run_is_not_compared_but_told_what_to_do(panel):
    assert [run.name for run in panel.list.runs] == [NOW]
    assert panel.message.isVisible()
    assert "Tick two runs" in panel.message.text()
    assert not panel.results.isVisible()


def test_a_kept_result_stays_as_it_was_while_now_changes(panel, changed):
    assert panel.shown.pair.found.differ.sum() == CHANGED
    assert panel.results.isVisible()
    assert len(panel.results.maps) == 2
    assert panel.list.runs[1].atoms is not panel.controller.active.analysis.atoms
    assert f"<b>{CHANGED}</b>" in panel.results.words.text()


def test_differences_are_selected_all_or_those_of_a_number_of_the_table(panel, changed):
    panel.tools.select.click()
    assert np.array_equal(np.flatnonzero(panel.controller.selection.mask), changed)
    table = panel.shown.pair.found.table
    first, second = (numbers.tolist() for numbers in panel.shown.pair.found.numbers)
    off = next((i, j) for i in range(len(first)) for j in range(len(second)) if table[i, j] and first[i] != second[j])
    panel.results.linked.emit(f"cell {first[off[0]]} {second[off[1]]}")
    assert panel.controller.selection.count == table[off]
    assert set(np.flatnonzero(panel.controller.selection.mask)) <= set(changed)


def test_painted_differences_lie_on_the_atoms_and_replace_each_other(viewer_model, panel, changed, qtbot):
    panel.tools.paint.click()
    settle(panel, qtbot)
    layer, atoms = layer_of(viewer_model), panel.controller.active.analysis.atoms
    assert np.allclose(layer.data, atoms.yx[changed])
    assert np.allclose(layer.scale, panel.controller.active.layer.scale)
    assert np.allclose(layer.face_color * 255, DIFFERS)
    change(panel, qtbot, np.arange(CHANGED, CHANGED + 5))
    panel.tools.paint.click()
    settle(panel, qtbot)
    assert len([each for each in viewer_model.layers if COMPARED in note_of(each)]) == 1
    assert len(layer_of(viewer_model).data) == CHANGED + 5


def test_numbers_are_compared_by_how_far_they_are_apart(viewer_model, panel, changed, qtbot):
    panel.column.setCurrentText("angle_rad")
    panel.column.activated.emit(panel.column.currentIndex())
    settle(panel, qtbot)
    assert panel.results.histogram.isVisible()
    assert not panel.results.classes.isVisible()
    panel.tools.least.setValue(20.0)
    panel.tools.select.click()
    assert np.array_equal(np.flatnonzero(panel.controller.selection.mask), changed)
    panel.tools.paint.click()
    settle(panel, qtbot)
    difference = layer_of(viewer_model).features.set_index("id")["difference"]
    ids = panel.controller.active.analysis.atoms.ids[changed]
    assert np.allclose(np.abs(difference[ids]), TURN, atol=0.1)
    assert np.abs(difference.drop(ids)).max() < 0.1


def test_two_columns_of_one_result_are_compared(panel, qtbot):
    analysis = panel.controller.active.analysis
    label = analysis.atoms.features["label"].to_numpy(float)
    analysis.atoms = analysis.atoms.with_features(pixel_label=np.where(label >= 0, (label + 1) % 3, -1))
    panel.controller.changed.emit()
    panel.add.menu.aboutToShow.emit()
    action = next(each for each in panel.add.menu.actions() if "pixel_label" in each.text())
    action.trigger()
    settle(panel, qtbot)
    assert panel.shown.comparison.names == (NOW, "pixel_label")
    assert panel.shown.pair.found.adjusted_rand == 1


@pytest.mark.slow
def test_saved_sessions_are_compared_and_other_folders_refused(panel, changed, quick_session, tmp_path, qtbot):
    panel.add.read(quick_session)
    settle(panel, qtbot)
    assert len(panel.shown.comparison.pairs) == 3
    panel.results.linked.emit("pair 1 2")
    settle(panel, qtbot)
    assert panel.shown.pair.runs == (1, 2)
    assert panel.shown.pair.found.adjusted_rand == 1
    panel.first.click()
    settle(panel, qtbot)
    assert panel.shown.comparison.names[0] == quick_session.name
    panel.remove.click()
    settle(panel, qtbot)
    assert len(panel.shown.comparison.pairs) == 1
    panel.add.read(tmp_path)
    settle(panel, qtbot)
    assert panel.said.text().startswith("⚠")
    assert panel.results.isVisible()


def test_runs_of_different_images_are_a_sentence(panel, qtbot):
    other = Analysis(Image(np.random.default_rng(0).random((64, 64)), name="other"))
    other.atoms = Atoms.at(GRID, columns={"label": THREE})
    panel.add.keep.click()
    panel.controller.adopt(other)
    settle(panel, qtbot)
    assert "another image" in panel.message.text()
    assert not panel.results.isVisible()


@pytest.mark.slow
def test_differences_of_other_atoms_cannot_be_selected_but_are_told(panel, changed, qtbot):
    analysis = panel.controller.active.analysis
    panel.add.keep.click()
    item = panel.list.topLevelItem(0)
    item.setCheckState(0, type(item.checkState(0)).Unchecked)
    settle(panel, qtbot)
    assert NOW not in panel.shown.comparison.names
    panel.tools.select.click()
    assert panel.controller.selection.count == CHANGED
    panel.controller.selection.clear()
    analysis.atoms = analysis.atoms[: len(analysis.atoms) // 2]
    panel.controller.changed.emit()
    panel.controller.sync.follow(panel.controller.active.results)
    panel.tools.select.click()
    assert "Neither of the two runs" in panel.said.text()


def test_a_renamed_run_is_renamed_everywhere(panel, changed, qtbot):
    panel.list.topLevelItem(1).setText(1, "before")
    settle(panel, qtbot)
    assert panel.shown.comparison.names == (NOW, "before")
    panel.list.topLevelItem(1).setText(1, NOW)
    settle(panel, qtbot)
    assert len(set(panel.shown.comparison.names)) == 2


@pytest.mark.slow
def test_the_run_that_is_selected_stays_so_while_now_changes(panel, qtbot):
    panel.add.keep.click()
    panel.list.setCurrentItem(panel.list.topLevelItem(0))
    change(panel, qtbot)
    assert panel.list.current.name == NOW


def test_long_names_make_nothing_wider(panel, changed, qtbot):
    panel.add.keep.click()
    settle(panel, qtbot)
    panel.list.topLevelItem(1).setText(1, "W" * LONGEST)
    panel.controller.active.analysis.styles.rename("label", 0, "W" * 40)
    settle(panel, qtbot)
    panel.paint()
    settle(panel, qtbot)
    assert "W" * LONGEST in panel.said.text()
    assert panel.minimumSizeHint().width() <= ROOM


def test_a_list_of_no_runs_is_short(qtbot):
    runs = RunList()
    qtbot.addWidget(runs)
    assert runs.maximumHeight() < 100


def test_maps_are_drawn_in_the_colours_of_the_classes(panel, changed, qtbot):
    panel.controller.active.analysis.styles.recolour("label", 0, "#123456")
    settle(panel, qtbot)
    first, *_, difference = panel.shown.maps
    assert (first[..., :3] == (0x12, 0x34, 0x56)).all(axis=-1).any()
    assert (difference == DIFFERS).all(axis=-1).any()
    assert (difference == SAME).all(axis=-1).mean() > 0.3


@pytest.mark.slow
def test_tables_and_figure_are_written(panel, changed, tmp_path, qtbot):
    panel.save_tables(tmp_path / "runs.csv")
    settle(panel, qtbot)
    assert pd.read_csv(tmp_path / "runs.csv")["differ"].tolist() == [CHANGED]
    assert pd.read_csv(tmp_path / "runs_differences.csv")["differ"].sum() == CHANGED
    panel.save_figure(tmp_path / "runs.svg")
    settle(panel, qtbot)
    assert (tmp_path / "runs.svg").stat().st_size > 10_000
    panel.save_tables(tmp_path / "nowhere" / "runs.csv")
    settle(panel, qtbot)
    assert "cannot be written" in panel.said.text()


def test_nothing_is_compared_while_the_tab_is_not_seen(components_dock, panel, changed, qtbot):
    before = panel.shown
    components_dock.tabs.setCurrentIndex(0)
    change(panel, qtbot)
    assert panel.shown is before


def run(name, column="", image="", **columns):
    return Run(name, Atoms.at(GRID, columns={"label": THREE, **columns}), ClassStyles(), image, column)


@pytest.mark.parametrize(
    ("runs", "column", "words"),
    [
        ([run("a", image="x"), run("b", image="y")], "label", "b is a run of another image than a"),
        ([run("a"), run("b", column="z9")], "label", "b has no numbers in z9"),
        ([run("a", z0=1.0), run("b", column="z0", z0=1.0)], "label", "like with like"),
        ([run("a"), run("b")], "", "no numbers in any column"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(runs, column, words):
    with pytest.raises(InputError, match=words):
        aligned(runs, column)


def test_runs_of_unknown_images_are_compared():
    atoms, column = aligned([run("a", image="x"), run("b"), run("c", "own_label", own_label=THREE)], "label")
    assert list(atoms) == ["a", "b", "c, own_label"]
    assert column == "label"


def test_shared_columns_are_those_of_all_classes_first():
    runs = [run("a", z0=1.0, z1=2.0, word="x"), run("b", z0=1.0, pixel_label=THREE), run("c", column="label")]
    assert shared_columns(runs) == ["label", "z0"]


def test_runs_of_a_window_study_are_read_all_at_once(tmp_path):
    for name in ("image-24-seed0", "image-36-seed0"):
        (tmp_path / name).mkdir()
        run(name).atoms.to_frame().to_csv(tmp_path / name / "atoms.csv", index=False)
        (tmp_path / name / "run.json").write_text("{}")
    assert [each.name for each in read_runs(tmp_path)] == ["image-24-seed0", "image-36-seed0"]
    assert len(read_runs(tmp_path / "image-24-seed0")[0].atoms) == len(GRID)


def test_maps_are_of_the_frame_asked_for():
    frame, label = np.repeat([0, 1], len(GRID)), np.concatenate([THREE, np.zeros(len(GRID))])
    stack = Atoms.at(np.concatenate([GRID, GRID]), frame=frame, columns={"label": label})
    runs = (Run("a", stack, ClassStyles()), Run("b", stack, ClassStyles()))
    request = CompareRequest(runs, "label").at_frame(1)
    colours = {tuple(each) for each in request.shown(None).maps[0].reshape(-1, 4)}
    assert colours == {tuple(GROUND), tuple(ClassStyles().colours("label", [0])[0])}
    assert CompareRequest((run("a"), run("b")), "label").at_frame(1).frame == 0


def test_maps_follow_the_frame_that_napari_shows(viewer_model, panel, qtbot):
    stack = Analysis(Image(np.random.default_rng(0).random((2, 120, 120)), name="stack"))
    label = np.concatenate([THREE, np.zeros(len(GRID), int)])
    stack.atoms = Atoms.at(np.concatenate([GRID, GRID]), frame=np.repeat([0, 1], len(GRID)), columns={"label": label})
    panel.controller.adopt(stack)
    panel.add.keep.click()
    for frame in (0, 1):
        viewer_model.dims.set_point(0, frame)
        settle(panel, qtbot)
        assert panel.shown.request.frame == frame
    panel.paint()
    settle(panel, qtbot)
    assert "No atom differs" in panel.said.text()
    assert not any(COMPARED in note_of(layer) for layer in viewer_model.layers)
    stack.atoms = stack.atoms.with_features(label=np.where(np.arange(2 * len(GRID)) == 0, 1, label))
    panel.controller.changed.emit()
    settle(panel, qtbot)
    panel.paint()
    settle(panel, qtbot)
    assert np.allclose(layer_of(viewer_model).data, [[0, *GRID[0]]])


def test_a_mark_tells_images_apart_whatever_their_type():
    pixels = np.random.default_rng(0).integers(0, 200, (600, 700)).astype(np.uint16)
    assert mark_of(Image(pixels)) == mark_of(Image(pixels.astype(np.float32)))
    assert mark_of(Image(pixels)) != mark_of(Image(pixels[::-1]))


def test_names_are_made_different():
    assert unique_name("a", ["a", "a (2)"]) == "a (3)"
    assert unique_name("  ", []) == "run"
    long = "a" * (LONGEST - 1)
    assert unique_name(f"{long} b", [long]) == f"{long} (2)"

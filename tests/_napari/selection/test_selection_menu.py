"""Everything one does with a selection, through the menu and the keys of the real dock."""

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from qtpy import QtCore, QtWidgets

from local_crystallography import GaussianMixture
from local_crystallography._napari.layers.convert import is_result, note_of
from local_crystallography._napari.selection import commands as selection_commands
from local_crystallography._napari.selection.selection_menu import TIPS, SelectionActions
from local_crystallography._napari.session.controller import Controller
from local_crystallography.analysis import Analysis
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.paint_map import PaintMap
from local_crystallography.steps.segment import Segment

PLUGIN, NAME = "napari-local-crystallography", "Analyse image …"


@pytest.fixture
def analysis(quick_analysis):
    copy, done = Analysis(), quick_analysis
    copy.restore_results({name: getattr(done, name) for name in done.results}, done.asked, done.used, done.columns)
    return copy


@pytest.fixture
def controller(analysis, qtbot):
    """Without a window, which most of it does not need."""
    controller = Controller(ViewerModel())
    controller.adopt(analysis)
    yield controller
    controller.leave()
    controller.runner.halt()
    # by Qt and not by a collection of garbage, in which no slot may be called
    controller.deleteLater()
    qtbot.wait(1)


@pytest.fixture
def menu(controller):
    menu = SelectionActions(controller)
    yield menu
    menu.leave()


@pytest.fixture
def viewer(controller):
    return controller.viewer


@pytest.fixture
def wait(menu, qtbot):
    return waiting(menu, qtbot)


@pytest.fixture
def left(controller):
    return select_left(controller)


@pytest.fixture
def dock(make_napari_viewer_proxy, analysis, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    dock.controller.adopt(analysis)
    qtbot.waitUntil(lambda: not dock.controller.running and dock.explorer is not None, timeout=20_000)
    yield dock
    dock.controller.runner.halt()


def waiting(menu, qtbot):
    """Wait until all that was begun has ended."""
    own, controller = menu.own, menu.controller

    def still():
        return not (controller.running or own._latest.busy or own._due or controller._waiting)

    return lambda: qtbot.waitUntil(still, timeout=60_000)


def select_left(controller):
    """Select the atoms of the left half."""
    mask = controller.active.analysis.atoms.yx[:, 1] < 150
    controller.selection.apply(mask)
    return mask


def hand_labels(controller):
    return controller.active.analysis.atoms.features["hand_label"].to_numpy()


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_without_a_selection_only_what_needs_none_can_be_done(menu):
    enabled = {name for name, action in menu.actions.items() if action.isEnabled()}
    assert enabled == {"Invert"}
    assert not any(action.isEnabled() for action in menu.class_actions.values())


def test_everything_says_what_it_does(menu, left):
    actions = [*menu.actions.values(), *menu.class_actions.values(), menu.lasso.action]
    assert all(action.toolTip() and action.isEnabled() for action in actions)
    assert "atoms from" in TIPS["Analyse these only"]


def test_classes_of_the_network_are_merged_and_brought_back(controller, menu, left, wait, viewer):
    before = controller.active.analysis.atoms.features["label"].to_numpy()
    controller.selection.apply(np.isin(before, (0, 1)))
    menu.actions["Merge classes"].trigger()
    wait()
    after = controller.active.analysis.atoms.features
    np.testing.assert_array_equal(after["label"], np.where(before == 1, 0, before))
    assert after["label_probability"][before == 1].isna().all()
    assert set(np.unique(viewer.layers["label"].data)) == {*(np.unique(before[before != 1]) + 1), 0}
    assert controller.active.history.undoable[0] == "Merge classes"
    controller.travel(-1)
    np.testing.assert_array_equal(controller.active.analysis.atoms.features["label"], before)
    assert set(np.unique(viewer.layers["label"].data)) == {*(np.unique(before) + 1), 0} - {-1}


def test_a_class_is_split_by_what_it_was_found_by(controller, menu, left, wait):
    before = controller.active.analysis.atoms.features["label"].to_numpy()
    controller.selection.apply(before == 0)
    menu.actions["Split class"].trigger()
    wait()
    after = controller.active.analysis.atoms.features["label"].to_numpy()
    assert set(after[before == 0]) == {0, before.max() + 1}
    np.testing.assert_array_equal(after[before != 0], before[before != 0])


def test_one_class_alone_cannot_be_merged(controller, menu, left, qtbot):
    controller.selection.apply(controller.active.analysis.atoms.features["label"].to_numpy() == 0)
    with qtbot.waitSignal(controller.failed) as said:
        menu.actions["Merge classes"].trigger()
    assert "Merging needs at least two classes" in said.args[0]


def test_a_class_gets_a_map_of_its_own_and_the_others_stay(controller, menu, left, wait, viewer):
    analysis = controller.active.analysis
    before, layers = dict(analysis.maps), {layer.name: layer for layer in viewer.layers if layer.name in analysis.maps}
    assert layers
    menu.class_actions[2].trigger()
    wait()
    assert set(analysis.maps) == {*before, "hand_label"}
    assert all(analysis.maps[name] is painted for name, painted in before.items())
    assert all(viewer.layers[name] == layer for name, layer in layers.items())
    assert analysis.is_current(PaintMap())
    painted = viewer.layers["hand_label"]
    assert set(np.unique(painted.data)) == {0, 3}
    assert painted.visible
    assert names(viewer)[-3:] == ["hand_label", "atoms", "selected atoms"]
    np.testing.assert_array_equal(analysis.maps["hand_label"], PaintMap()(*analysis.inputs(PaintMap()))["hand_label"])
    controller.selection.invert()
    menu.class_actions[1].trigger()
    wait()
    assert viewer.layers["hand_label"] == painted
    assert {2, 3} <= set(np.unique(painted.data))


def test_a_class_can_be_undone_and_brought_back(controller, menu, left, wait, viewer):
    menu.class_actions[2].trigger()
    wait()
    assert controller.active.history.undoable[0] == "Assign class 2"
    controller.travel(-1)
    assert "hand_label" not in controller.active.analysis.atoms.features
    assert "hand_label" not in names(viewer)
    assert controller.active.analysis.is_current(PaintMap())
    controller.travel(1)
    np.testing.assert_array_equal(hand_labels(controller), np.where(left, 2, -1))


def test_classes_outlive_the_session(controller, menu, left, wait, tmp_path):
    menu.class_actions[2].trigger()
    wait()
    controller.active.analysis.styles.rename("hand_label", 2, "core")
    again = Analysis.open(controller.active.analysis.save(tmp_path / "session"))
    np.testing.assert_array_equal(again.atoms.features["hand_label"], np.where(left, 2, -1))
    assert again.atoms.features["hand_label"].dtype == np.int64
    assert again.styles.name("hand_label", 2) == "core"
    assert "hand_label" in again.maps
    assert again.is_current(PaintMap())


def test_classes_are_called_as_in_the_plots(controller, menu):
    controller.active.analysis.styles.rename("hand_label", 4, "B site")
    menu.classes.aboutToShow.emit()
    assert [menu.class_actions[k].text() for k in (3, 4)] == ["class 3", "B site"]


def test_while_a_job_runs_a_class_has_to_wait(controller, menu, left, wait, qtbot):
    said = []
    controller.failed.connect(said.append)
    controller.run((Segment(),), again=True)
    menu.class_actions[2].trigger()
    assert "hand_label" not in controller.active.analysis.atoms.features
    assert "A step is running" in said[0]
    assert not menu.actions["New column …"].isEnabled()
    wait()


def test_edits_by_hand_are_not_lost_to_a_class(controller, menu, left, wait, viewer):
    moved = viewer.layers["atoms"].data + 1
    viewer.layers["atoms"].data = moved
    menu.class_actions[2].trigger()
    wait()
    np.testing.assert_array_equal(controller.atoms.yx, moved)
    np.testing.assert_array_equal(hand_labels(controller), np.where(left, 2, -1))
    assert controller.active.history.undoable[:2] == ["Assign class 2", f"Move {len(moved):,} atoms"]


def test_a_column_is_asked_for_until_its_name_does(controller, menu, left, wait, monkeypatch):
    answers, asked = iter(["z0", "core"]), []
    monkeypatch.setattr(selection_commands, "ask_name", lambda problem, name: asked.append(problem) or next(answers))
    maps = controller.active.analysis.maps
    menu.actions["New column …"].trigger()
    wait()
    np.testing.assert_array_equal(controller.active.analysis.atoms.features["core"], left.astype(int))
    assert asked[0] == ""
    assert "already a column z0" in asked[1]
    assert controller.active.analysis.maps is maps
    np.testing.assert_array_equal(controller.selection.mask, left)


def test_a_layer_of_the_selected_atoms_is_the_users_own(controller, menu, left, wait, viewer):
    menu.actions["New points layer"].trigger()
    wait()
    atoms, layer = controller.active.analysis.atoms[left], viewer.layers["selection of quick"]
    np.testing.assert_array_equal(layer.data, atoms.yx)
    pd.testing.assert_frame_equal(pd.DataFrame(layer.features), atoms.features)
    np.testing.assert_array_equal(layer.scale, viewer.layers["quick"].scale)
    assert layer.units == viewer.layers["quick"].units
    assert not is_result(layer)
    assert note_of(layer)["atoms"] == left.sum()
    assert "encode" in note_of(layer)["steps"]
    menu.actions["New points layer"].trigger()
    wait()
    assert "selection of quick [1]" in names(viewer)


def test_a_labels_layer_marks_the_pixels_nearest_the_selected_atoms(controller, menu, left, wait, viewer):
    menu.actions["New labels layer"].trigger()
    wait()
    layer = viewer.layers["pixels of selection of quick"]
    at = np.rint(controller.active.analysis.atoms.yx).astype(int)
    np.testing.assert_array_equal(layer.data[tuple(at.T)], left.astype(int))
    assert 0 < layer.data.mean() < 0.5
    assert not is_result(layer)


def test_export_writes_the_selected_rows(controller, menu, left, wait, monkeypatch, tmp_path):
    path = tmp_path / "some.csv"
    monkeypatch.setattr(selection_commands, "ask_to_save", lambda *_: path)
    menu.actions["Export …"].trigger()
    wait()
    table, atoms = pd.read_csv(path), controller.active.analysis.atoms[left]
    named = [name for name in table if name.endswith("_name")]
    assert set(named) == {"label_name", "environment_name", "borders_label_name"}
    assert list(table.drop(columns=named)) == list(atoms.to_frame())
    np.testing.assert_allclose(table["z0"], atoms.features["z0"])
    assert set(table["label_name"]) <= {"none", *(f"class {k}" for k in range(20))}
    assert set(table["environment_name"]) <= {"unknown", "interior", "boundary", "edge", "defect"}


@pytest.mark.slow
def test_a_file_that_cannot_be_written_is_said(controller, menu, left, wait, monkeypatch, tmp_path):
    said = []
    controller.failed.connect(said.append)
    monkeypatch.setattr(selection_commands, "ask_to_save", lambda *_: tmp_path / "nowhere" / "some.csv")
    menu.actions["Export …"].trigger()
    wait()
    assert "cannot be written" in said[0]


def test_atoms_inside_what_is_drawn(controller, menu, viewer):
    corners = np.array([(20.0, 30.0), (20, 150), (120, 150), (120, 30)])
    quick = viewer.layers["quick"]
    viewer.add_shapes([corners], shape_type="polygon", name="grain", scale=quick.scale, units=quick.units)
    menu.menu.aboutToShow.emit()
    assert menu.shapes.menuAction().isEnabled()
    menu.shapes.aboutToShow.emit()
    (action,) = menu.shapes.actions()
    assert action.text() == "grain"
    action.trigger()
    yx = controller.active.analysis.atoms.yx
    within = ((yx > corners.min(axis=0)) & (yx < corners.max(axis=0))).all(axis=1)
    np.testing.assert_array_equal(controller.selection.mask, within)
    assert within.any()


@pytest.mark.slow
def test_keys_give_classes_in_the_plots_and_on_the_image(dock, qtbot):
    menu, left = dock.docks.actions, select_left(dock.controller)
    assert menu.menu in [button.menu() for button in dock.explorer.findChildren(QtWidgets.QToolButton)]
    window = dock.window()
    window.activateWindow()
    canvas = next(w for w in window.centralWidget().findChildren(QtWidgets.QWidget) if "Canvas" in type(w).__name__)
    for widget in (dock.explorer.buttons["Invert"], canvas):
        widget.setFocus()
        qtbot.waitUntil(widget.hasFocus)
        qtbot.keyClick(widget, QtCore.Qt.Key.Key_3, QtCore.Qt.KeyboardModifier.AltModifier)
        np.testing.assert_array_equal(hand_labels(dock.controller), np.where(left, 3, -1))
        qtbot.keyClick(widget, QtCore.Qt.Key.Key_Z, QtCore.Qt.KeyboardModifier.ControlModifier)
        assert "hand_label" not in dock.controller.atoms.features
    both = QtCore.Qt.KeyboardModifier.ControlModifier | QtCore.Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(canvas, QtCore.Qt.Key.Key_Z, both)
    np.testing.assert_array_equal(hand_labels(dock.controller), np.where(left, 3, -1))
    # a digit alone is napari's on the image
    qtbot.keyClick(canvas, QtCore.Qt.Key.Key_4)
    np.testing.assert_array_equal(hand_labels(dock.controller), np.where(left, 3, -1))
    dock.explorer.buttons["Invert"].setFocus()
    qtbot.keyClick(dock.explorer.buttons["Invert"], QtCore.Qt.Key.Key_0)
    assert (hand_labels(dock.controller) == -1).all()
    waiting(menu, qtbot)()
    assert "hand_label" in dock.explorer.table
    assert len(dock.viewer.layers["atoms"].data) == len(left)
    np.testing.assert_array_equal(dock.controller.selection.mask, left)
    dock.viewer.window.remove_dock_widget(dock)
    qtbot.wait(50)
    assert not {"Alt-3", "Control-Z"} & {str(key) for key in dock.viewer.keymap}


@pytest.mark.slow
def test_keys_give_classes_on_the_image_where_no_explorer_was_opened(dock, qtbot):
    dock.viewer.window.remove_dock_widget(dock.docks.explorer)
    dock.docks.explorer = None
    left, window = select_left(dock.controller), dock.window()
    window.activateWindow()
    canvas = next(w for w in window.centralWidget().findChildren(QtWidgets.QWidget) if "Canvas" in type(w).__name__)
    canvas.setFocus()
    qtbot.waitUntil(canvas.hasFocus)
    qtbot.keyClick(canvas, QtCore.Qt.Key.Key_4, QtCore.Qt.KeyboardModifier.AltModifier)
    np.testing.assert_array_equal(hand_labels(dock.controller), np.where(left, 4, -1))


@pytest.mark.slow
def test_work_on_these_only_and_back_again_and_train(dock, qtbot):
    menu, left, viewer = dock.docks.actions, select_left(dock.controller), dock.viewer
    before, wait, n = dock.session.analysis.atoms, waiting(menu, qtbot), f"{left.sum()} atoms of quick"
    menu.actions["Analyse these only"].trigger()
    wait()
    atoms = dock.session.analysis.atoms
    np.testing.assert_array_equal(atoms.ids, before.ids[left])
    assert "z0" not in atoms.features
    assert dock.session.analysis.vae is None
    assert dock.source_boxes["atoms"].currentText() == n
    assert not viewer.layers["all atoms of quick"].visible
    np.testing.assert_array_equal(viewer.layers["all atoms of quick"].data, before.yx)
    assert "z0" in viewer.layers["all atoms of quick"].features
    np.testing.assert_array_equal(viewer.layers["atoms"].data, atoms.yx)
    assert "z0" not in names(viewer)
    dock.source_boxes["atoms"].choose(viewer.layers["all atoms of quick"])
    dock.panels["extract_sub_images"].button.click()
    wait()
    np.testing.assert_array_equal(dock.session.analysis.atoms.yx, before.yx)
    dock.panels["train_vae"].form.fields["epochs"].set(3)
    dock.panels["cluster"].form.fields["by"].shown.fields["classes"].set(2)
    dock.panels["cluster"].form.fields["by"].shown.fields["n_init"].set(2)
    dock.controller.selection.apply(left)
    menu.actions["Analyse these only and train"].trigger()
    wait()
    analysis = dock.session.analysis
    assert len(analysis.atoms) == left.sum()
    assert analysis.is_current(Cluster(by=GaussianMixture(classes=2, n_init=2)))
    assert analysis.used["train_vae"].epochs == 3
    assert {"z0", "label"} <= set(analysis.maps)
    assert dock.panels["find_atoms"].status.text().startswith("not needed: atoms from")
    # all atoms were there already
    assert [name for name in names(viewer) if name.startswith("all atoms")] == ["all atoms of quick"]

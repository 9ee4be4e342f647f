"""Undo and redo: whatever was done to an image comes back, and nothing is lost on the way."""

import numpy as np
import pytest

from local_crystallography._napari.main import run_all
from local_crystallography._napari.main.run_all import ANEW, ENCODE, KEEP, steps_to_run
from local_crystallography._napari.main.step_panel import BEHIND, NETWORK_BEHIND, standing
from local_crystallography._napari.selection.selection_menu import SelectionActions
from local_crystallography._napari.session import history
from local_crystallography.recipe import Recipe
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.measure_lattice import MeasureLattice
from local_crystallography.steps.paint_map import PaintMap

NETWORK = "train_vae"


@pytest.fixture
def session(controller):
    return controller.active


@pytest.fixture
def wait(controller, qtbot):
    """Wait for jobs and layers, and for what follows them."""

    def settle():
        qtbot.wait(20)
        qtbot.waitUntil(lambda: not controller.running, timeout=60_000)

    return settle


@pytest.fixture
def menu(controller):
    actions = SelectionActions(controller)
    yield actions
    actions.leave()


def some(controller, *rows):
    return np.isin(np.arange(len(controller.atoms)), rows)


def remove(session, rows):
    layer = session.results.get("atoms")
    layer.selected_data = set(rows)
    layer.remove_selected()


def test_selections_come_back_one_by_one(controller, session):
    assert session.history.undoable == []
    masks = [controller.selection.mask]
    for rows in ((1, 2), (5,), ()):
        controller.selection.apply(some(controller, *rows))
        masks.append(controller.selection.mask)
    assert session.history.undoable == ["Clear the selection", "Select 1 atom", "Select 2 atoms"]
    for step, expected in ((-1, 2), (-1, 1), (1, 2), (-2, 0), (3, 3), (1, 3)):
        controller.travel(step)
        np.testing.assert_array_equal(controller.selection.mask, masks[expected])


def test_a_change_after_an_undo_takes_the_place_of_what_was_undone(controller, session):
    controller.selection.apply(some(controller, 1))
    controller.travel(-1)
    controller.selection.apply(some(controller, 2))
    assert (session.history.undoable, session.history.redoable) == (["Select 1 atom"], [])


def test_names_and_colours_come_back(controller, session):
    session.analysis.styles.rename("label", 0, "Ti")
    session.analysis.styles.recolour("label", 0, "#123456")
    controller.travel(-1)
    assert session.analysis.styles.name("label", 0) == "Ti"
    controller.travel(-1)
    assert session.analysis.styles.name("label", 0) == "class 0"
    controller.travel(2)
    assert session.analysis.styles.colour("label", 0) == "#123456"


def test_classes_columns_and_merges_come_back_with_their_layers(controller, session, menu, wait, qtbot):
    before = session.analysis.atoms
    painted = session.results.get("label").data
    controller.selection.apply(before.features["label"].isin((0, 1)).to_numpy())
    menu.actions["Merge classes"].trigger()
    wait()
    menu.class_actions[3].trigger()
    qtbot.waitUntil(lambda: "hand_label" in session.analysis.maps, timeout=20_000)
    wait()
    after, maps = session.analysis.atoms, session.analysis.maps
    assert session.history.undoable[:2] == ["Assign class 3", "Merge classes"]
    controller.travel(-2)
    assert session.analysis.atoms is before
    assert session.results.get("hand_label") is None
    np.testing.assert_array_equal(session.results.get("label").data, painted)
    assert session.analysis.is_current(session.analysis.asked["paint_map"])
    controller.travel(2)
    wait()
    assert (session.analysis.atoms is after, session.analysis.maps is maps) == (True, True)
    assert session.results.get("hand_label") is not None


def test_an_edit_is_noticed_at_once_and_comes_back(controller, session, wait):
    before, network = session.analysis.atoms, session.analysis.vae
    controller.selection.apply(some(controller, 10, 20))
    remove(session, {3, 4})
    wait()
    assert session.history.undoable[0] == "Remove 2 atoms"
    assert len(session.analysis.atoms) == len(before) - 2
    assert session.analysis.vae is network
    assert standing(session, session.analysis.behind["encode"]) == BEHIND
    assert standing(session, session.analysis.behind[NETWORK]) == NETWORK_BEHIND
    controller.travel(-1)
    assert session.analysis.atoms is before
    np.testing.assert_array_equal(session.results.get("atoms").data, before.yx)
    assert standing(session, session.analysis.asked["encode"]).startswith("✓")
    controller.travel(1)
    assert len(session.results.get("atoms").data) == len(before) - 2
    assert set(session.analysis.behind) >= {"encode", NETWORK}


def test_atoms_that_remain_stay_selected(controller, session, wait):
    controller.selection.apply(some(controller, 10, 20))
    ids = controller.atoms.ids[controller.selection.mask]
    layer = session.results.get("atoms")
    layer.data = np.delete(layer.data, [3, 4], axis=0)
    wait()
    np.testing.assert_array_equal(controller.atoms.ids[controller.selection.mask], ids)


def test_an_atom_drawn_by_hand_is_encoded_with_the_present_network(controller, session, wait):
    network, analysis = session.analysis.vae, session.analysis
    place = analysis.atoms.yx[np.argmin(((analysis.atoms.yx - 250) ** 2).sum(axis=1))]
    remove(session, {int(np.argmin(((analysis.atoms.yx - 250) ** 2).sum(axis=1)))})
    wait()
    session.results.get("atoms").add([place + 0.6])
    wait()
    assert session.history.undoable[:2] == ["Add 1 atom", "Remove 1 atom"]
    assert np.isnan(analysis.atoms.features["z0"].iloc[-1])
    controller.mend()
    wait()
    assert analysis.vae is network
    assert np.isfinite(analysis.atoms.features["z0"].iloc[-1])
    np.testing.assert_allclose(analysis.atoms.yx[-1], place, atol=0.05)
    assert not analysis.behind
    assert standing(session, analysis.asked[NETWORK]).endswith("trained before the atoms were edited")
    assert session.history.undoable[0] == "Encode edited atoms"
    controller.travel(-1)
    assert np.isnan(analysis.atoms.features["z0"].iloc[-1])


def test_a_step_run_by_itself_first_brings_edited_atoms_up_to_date(controller, session, wait):
    remove(session, {3})
    wait()
    controller.run((session.analysis.behind["encode"],), again=True)
    wait()
    assert set(session.analysis.behind) == {"cluster", "paint_map", NETWORK}
    assert not session.errors


def test_a_run_comes_back(controller, session, wait):
    before = session.analysis.atoms
    controller.run((Cluster(columns=("z0",)),), again=True)
    wait()
    assert session.history.undoable == ["Cluster"]
    assert session.analysis.atoms is not before
    controller.travel(-1)
    assert session.analysis.atoms is before
    assert session.results.get("label") is not None


def test_every_image_has_a_history_of_its_own(controller, session):
    first = session
    controller.selection.apply(some(controller, 1))
    image = controller.viewer.add_image(np.zeros((64, 64)))
    controller.choose(image)
    assert controller.active.history.undoable == []
    controller.travel(-1)
    controller.choose(first.layer)
    assert np.flatnonzero(controller.selection.mask).tolist() == [1]
    controller.travel(-1)
    assert controller.selection.count == 0


def test_nothing_is_undone_while_a_step_runs(controller, session, wait):
    controller.selection.apply(some(controller, 1))
    controller.run((PaintMap(),), again=True)
    controller.travel(-1)
    assert controller.selection.count == 1
    wait()


@pytest.mark.parametrize(
    ("answer", "kept"), [(ENCODE, {NETWORK}), (ANEW, set()), ("", None)], ids=["keep", "anew", "cancel"]
)
def test_run_all_asks_before_a_network_is_replaced(controller, session, wait, monkeypatch, answer, kept):
    wanted = Recipe(**session.analysis.asked).wanted()
    assert steps_to_run(None, controller, wanted) == wanted  # without asking
    remove(session, {3})
    wait()
    asked = []
    monkeypatch.setattr(run_all, "choose", lambda *question: asked.append(question[-1]) or answer)
    steps = steps_to_run(None, controller, wanted)
    assert asked == [(ENCODE, ANEW)]
    expected = () if kept is None else tuple(step for step in wanted if step.name() not in kept)
    assert steps == expected


def test_run_all_does_not_ask_where_other_settings_need_another_network(controller, session, wait, monkeypatch):
    remove(session, {3})
    wait()
    monkeypatch.setattr(run_all, "choose", None)
    wanted = Recipe(**session.analysis.asked | {"extract_sub_images": ExtractSubImages(window_size=16)}).wanted()
    assert steps_to_run(None, controller, wanted) == wanted


def test_a_session_whose_training_was_stopped_can_go_on_with_its_network(controller, session, monkeypatch):
    wanted = Recipe(**session.analysis.asked).wanted()
    session.analysis.asked.pop(NETWORK)
    monkeypatch.setattr(run_all, "choose", lambda *_: KEEP)
    assert NETWORK not in {step.name() for step in steps_to_run(None, controller, wanted)}


def test_run_all_takes_optional_steps_along_that_others_need(controller, session, wait):
    """A lattice from before an edit: Cluster does not read it unless angles are counted from it."""
    controller.run((MeasureLattice(),), again=True)
    wait()
    remove(session, {3})
    wait()
    wanted = [
        step for step in Recipe(**session.analysis.asked | session.analysis.behind).wanted() if step.name() != NETWORK
    ]
    controller.run(tuple(wanted), again=False)
    wait()
    assert not session.errors
    assert set(session.analysis.behind) <= {"measure_lattice", NETWORK}


def test_edits_take_the_place_of_the_layer_the_atoms_came_from(controller, session, wait):
    before = session.analysis.atoms
    mine = controller.viewer.add_points(before.yx[:200], scale=session.layer.scale, units="nm", name="mine")
    controller.choose_source("atoms", mine)
    controller.run((ExtractSubImages(window_size=24),), again=True)
    wait()
    assert len(session.analysis.atoms) == 200
    remove(session, {3, 4})
    wait()
    controller.run((ExtractSubImages(window_size=24),), again=True)
    wait()
    assert len(session.analysis.atoms) == 198
    controller.travel(-2)
    assert len(session.analysis.atoms) == 200
    assert session.sources == {"atoms": mine}


def test_the_history_is_bounded(controller, session, monkeypatch):
    monkeypatch.setattr(history, "MOST", 5)
    for count in range(1, 10):
        controller.selection.apply(some(controller, *range(count)))
    assert len(session.history.undoable) == 4
    monkeypatch.setattr(history, "ROOM", 0)
    session.analysis.atoms = session.analysis.atoms.with_features(own=1.0)
    controller.note("one")
    session.analysis.atoms = session.analysis.atoms.with_features(own=2.0)
    controller.note("two")
    assert session.history.undoable == ["two"]  # the last change always comes back

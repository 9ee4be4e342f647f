"""Atoms left out can be seen and taken back; doubtful ones stop a run, and nobody can take them for a success."""

import numpy as np
import pytest

from local_crystallography._napari.layers import rings
from local_crystallography._napari.main.dock import MainDock
from local_crystallography._napari.main.layer_tools import HIDE, SHOW, LeftOutTools
from local_crystallography._napari.main.news import HALTED
from local_crystallography._napari.main.step_panel import BEHIND, standing, summary
from local_crystallography._napari.session.worker import Hooks, Outcome, Stop, run_steps
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.progress import finish
from local_crystallography.simulate.samples import load_sample
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.find_atoms import FindAtoms
from local_crystallography.steps.refine_atoms import RefineAtoms
from local_crystallography.steps.segment import Segment

DOUBT = "These atoms should not be trusted: they are noise. Mask what is not specimen."
WHY = np.array(["doubtful", "doubtful", "doubled", "weak"])


def atoms(ids, **columns):
    n = len(ids)
    yx = np.column_stack([np.arange(n) * 12.0 + 40, np.asarray(ids) * 7.0 + 40])
    return Atoms.at(yx, pixel_size=0.02, columns={"id": ids, **columns})


@pytest.fixture
def shown_analysis():
    """Refined atoms, four of which were left out."""
    analysis = Analysis(load_sample("quick"))
    fitted = {"probability": 0.9, "y_std_px": 0.05, "x_std_px": 0.05}
    results = {"image": analysis.image, "atoms": atoms(range(8), **fitted)}
    refined = {"refine_atoms": RefineAtoms()}
    analysis.restore_results(results, refined, refined, {"refine_atoms": ["y_std_px", "x_std_px"]})
    return analysis


@pytest.fixture
def session(controller):
    controller.active.analysis.left_out = atoms([8, 9, 10, 11], probability=0.3, y_std_px=0.2, left_out=WHY)
    controller.active.results.show()
    return controller.active


@pytest.fixture
def tools(controller, session, qtbot):
    tools = LeftOutTools(controller)
    qtbot.addWidget(tools)
    controller.changed.connect(tools.refresh)
    tools.refresh()
    yield tools
    tools.leave()


def take(tools, rows, qtbot):
    tools.controller.active.results.get(rings.LEFT_OUT).selected_data = rows
    tools.restore.click()
    qtbot.waitUntil(lambda: not tools.controller.running, timeout=5000)


def test_they_lie_below_the_atoms_hidden_at_first_with_the_reason(session, viewer_model):
    layer = viewer_model.layers["atoms left out"]
    assert [each.name for each in viewer_model.layers] == ["quick", "atoms left out", "atoms"]
    assert not layer.visible
    np.testing.assert_array_equal(layer.data, session.analysis.left_out.yx)
    assert list(layer.features["left_out"]) == list(WHY)
    assert next(iter(layer.features)) == "left_out"
    assert (layer.face_color[:, 3] == 0).all()


def test_the_status_says_how_many_and_why(session):
    words = "kept 8, left out 4 (doubtful: 2, doubled: 1, weak: 1), precision 0.05 px"
    assert summary(session.analysis, "refine_atoms") == words
    assert standing(session, RefineAtoms()) == f"✓ {words}"
    session.analysis.left_out = None
    assert "left out none" in summary(session.analysis, "refine_atoms")


def test_the_layer_goes_when_nothing_is_left_out(session, viewer_model):
    session.analysis.left_out = None
    session.results.prune()
    assert "atoms left out" not in viewer_model.layers


def test_taking_back_waits_for_a_selection(tools):
    assert not tools.restore.isEnabled()
    layer = tools.controller.active.results.get(rings.LEFT_OUT)
    layer.selected_data = {2}
    assert tools.restore.isEnabled()
    layer.selected_data = set()
    assert not tools.restore.isEnabled()


def test_the_button_shows_them_ready_to_be_selected(tools, viewer_model):
    layer = viewer_model.layers["atoms left out"]
    assert tools.show_button.text() == SHOW
    tools.show_button.click()
    assert (layer.visible, layer.mode, tools.show_button.text()) == (True, "select", HIDE)
    assert viewer_model.layers.selection.active is layer
    tools.show_button.click()
    assert not layer.visible


def test_those_taken_back_are_atoms_that_are_kept(tools, session, viewer_model, qtbot):
    take(tools, {0, 2}, qtbot)
    now = session.analysis.atoms
    assert now.ids.tolist() == [*range(8), 8, 10]
    assert now.features["kept"].tolist() == [False] * 8 + [True] * 2
    assert now.features["y_std_px"].isna().tolist() == [False] * 8 + [True] * 2
    assert "left_out" not in now.features
    assert now.features["probability"].tolist() == [0.9] * 8 + [0.3] * 2
    assert len(viewer_model.layers["atoms"].data) == 10
    assert viewer_model.layers["atoms left out"].features["id"].tolist() == [9, 11]
    assert standing(session, FindAtoms()) == "✓ 10 atoms, edited by hand"
    assert standing(session, RefineAtoms()) == BEHIND
    take(tools, {0, 1}, qtbot)
    assert len(session.analysis.atoms) == 12
    assert session.analysis.left_out is None
    assert "atoms left out" not in viewer_model.layers
    assert not tools.restore.isEnabled()


def test_those_taken_back_stay_when_the_atoms_are_refined_again(tools, session, qtbot, monkeypatch):
    take(tools, {1}, qtbot)
    monkeypatch.setattr(RefineAtoms, "_doubtful", lambda step, atoms, image: np.ones(len(atoms), bool))
    for _ in session.analysis.apply(RefineAtoms(min_snr=3.0)):
        pass
    assert session.analysis.atoms.ids.tolist() == [9]


def test_edits_by_hand_are_taken_along_and_numbers_stay_unique(tools, session, qtbot):
    layer = session.results.get("atoms")
    layer.add([[200, 200]])
    take(tools, {0, 1}, qtbot)
    now = session.analysis.atoms
    assert len(now) == len(set(now.ids)) == 11
    assert [200, 200] in now.yx.tolist()
    assert session.analysis.left_out.ids.tolist() == [10, 11]


@pytest.mark.parametrize(
    ("doubt", "ran", "outcome"), [("", 3, Outcome()), (DOUBT, 2, Outcome(None, "refine_atoms", "", True))]
)
@pytest.mark.parametrize("again", [True, False])
def test_a_run_ends_with_a_doubtful_result(monkeypatch, doubt, ran, outcome, again):
    """Also where that was there before: a second click is no success either."""
    done = []
    analysis = Analysis()
    monkeypatch.setattr(analysis, "doubt", doubt)
    monkeypatch.setattr(type(analysis), "is_current", lambda self, step: not again)
    monkeypatch.setattr("local_crystallography._napari.session.worker._run_step", lambda *_: done.append(1) or iter(()))
    hooks = Hooks(before=int, after=type, seen=len, file=lambda step: None)
    steps = (Segment(), RefineAtoms(), ExtractSubImages())
    job = run_steps(analysis, steps, Stop(), hooks=hooks, again=again)
    assert finish(job) == outcome
    assert len(done) == (ran if again else 0)


@pytest.fixture
def dock(viewer, monkeypatch, qtbot):
    monkeypatch.setattr(RefineAtoms, "doubt", lambda *_: DOUBT)
    viewer.open_sample("napari-local-crystallography", "quick")
    dock = MainDock(viewer)
    viewer.window.add_dock_widget(dock, name="dock")
    dock.panels["segment"].form.fields["by"].choice.set("blobs")
    dock.panels["train_vae"].form.fields["epochs"].set(2)
    yield dock
    dock.controller.runner.halt()


def press(button, dock, qtbot):
    button.click()
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=120_000)


@pytest.mark.slow
def test_run_all_stops_on_doubt_and_says_how_to_go_on(dock, qtbot):
    for _ in range(2):
        press(dock.run_all, dock, qtbot)
        status = dock.panels["refine_atoms"].status.text()
        assert status.startswith(f"⚠ {DOUBT}")
        assert "✓" not in status
        assert "kept" in status
        assert dock.session.analysis.sub_images is None
        assert dock.panels["extract_sub_images"].status.text() == "ready"
        assert not dock.news.message.isHidden()
        assert dock.news.message.text() == HALTED.format(doubt=DOUBT)
    dock.panels["refine_atoms"].form.fields["when_doubtful"].set("continue")
    dock.panels["extract_sub_images"].form.fields["window_size"].set(512)  # ends the run soon
    press(dock.run_all, dock, qtbot)
    assert dock.news.message.text().startswith("⚠ Extract sub-images: ")
    assert "no window of 512" in dock.news.message.text()
    assert dock.panels["refine_atoms"].status.text().startswith(f"⚠ {DOUBT}")
    assert "no window of 512" in dock.panels["extract_sub_images"].status.text()


@pytest.mark.slow
def test_the_step_alone_shows_the_doubt_too(dock, qtbot):
    for name in ("segment", "find_atoms", "refine_atoms"):
        press(dock.panels[name].button, dock, qtbot)
    assert dock.panels["refine_atoms"].status.text().startswith(f"⚠ {DOUBT}")
    assert "⚠" not in dock.news.message.text()

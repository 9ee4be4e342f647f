"""A saved session brings everything back, whichever way it comes; one that cannot be opened costs nothing."""

import json

import numpy as np
import pytest
from qtpy import QtWidgets

from local_crystallography._napari.main.layout import OPEN, SAVE
from local_crystallography.recipe import Recipe

PLUGIN, NAME = "napari-local-crystallography", "Analyse image …"
LAYERS = ["quick", "probability", "label", "atoms"]


@pytest.fixture
def open_dock(viewer):
    opened = []

    def open_dock():
        opened.append(viewer.window.add_plugin_dock_widget(PLUGIN, NAME)[1])
        return opened[-1]

    yield open_dock
    for dock in opened:
        dock.controller.runner.halt()


@pytest.fixture
def settled(qtbot):
    def settled(dock):
        qtbot.waitUntil(lambda: not dock.controller.running, timeout=60_000)

    return settled


@pytest.fixture
def said(monkeypatch):
    """The sentences shown."""
    said = []
    monkeypatch.setattr("local_crystallography._napari.main.dock.show_warning", said.append)
    return said


def names(viewer):
    """Of all layers but the one with the atoms left out, of which there may be none."""
    return [layer.name for layer in viewer.layers if not layer.name.startswith("atoms left out")]


def is_back(dock, analysis):
    atoms = dock.session.analysis.atoms
    np.testing.assert_allclose(atoms.yx, analysis.atoms.yx, atol=1e-3)
    for name in analysis.used:
        assert dock.panels[name].status.text().startswith("✓")
    assert dock.recipe == Recipe(**analysis.asked)
    assert len(dock.explorer.table) == len(atoms)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("dock_first", [True, False])
def test_a_dropped_session_comes_back_without_a_second_layer(
    real_viewer, viewer, open_dock, settled, quick_session, quick_analysis, dock_first
):
    if dock_first:
        dock = open_dock()
    viewer.open(quick_session, plugin=PLUGIN)
    if not dock_first:
        dock = open_dock()
    settled(dock)
    assert is_back(dock, quick_analysis)
    assert names(viewer) == LAYERS
    dock.explorer.buttons["Invert"].click()
    assert names(viewer) == [*LAYERS, "selected atoms"]


@pytest.mark.slow
def test_a_session_dropped_twice_gives_two_works_with_layers_of_their_own(viewer, open_dock, settled, quick_session):
    for _ in range(2):
        viewer.open(quick_session, plugin=PLUGIN)
    dock = open_dock()
    settled(dock)
    first = dock.session
    dock.image_box.choose(viewer.layers["quick [1]"])
    settled(dock)
    assert dock.session is not first
    assert len(names(viewer)) == 2 * len(LAYERS)
    assert not dock.session.results.keys & first.results.keys


@pytest.mark.slow
def test_a_step_run_after_the_drop_writes_to_the_layers_that_are_there(viewer, open_dock, settled, quick_session):
    viewer.open(quick_session, plugin=PLUGIN)
    dock = open_dock()
    settled(dock)
    dock.panels["cluster"].form.fields["by"].shown.fields["classes"].set(2)
    dock.run_all.click()
    settled(dock)
    assert names(viewer) == LAYERS
    assert len(np.unique(viewer.layers["label"].data)) == 3  # two classes, and 0 where there is none


@pytest.mark.parametrize("damage", ["gone", "broken"])
def test_a_session_lost_meanwhile_is_one_sentence_and_a_plain_image(
    viewer, open_dock, settled, said, quick_analysis, tmp_path, damage
):
    folder = quick_analysis.save(tmp_path / "quick")
    viewer.open(folder, plugin=PLUGIN)
    record = folder / "provenance.json"
    record.unlink() if damage == "gone" else record.write_text(json.dumps({"format": 1}))
    dock = open_dock()
    settled(dock)
    assert len(said) == 1
    assert names(viewer) == LAYERS
    assert dock.panels["segment"].status.text() == "ready"
    dock.panels["segment"].button.click()
    settled(dock)
    assert dock.panels["segment"].status.text().startswith("✓")
    assert not {"session", "result", "analysis"} & set(dock.session.analysis.image.metadata)
    assert dock.source_boxes["atoms"].findText("atoms") > 0


@pytest.fixture
def answer(monkeypatch):
    """Give the file dialogs an answer."""

    def answer(path):
        dialogs = QtWidgets.QFileDialog
        monkeypatch.setattr(dialogs, "getSaveFileName", lambda *_, **__: (str(path), ""))
        monkeypatch.setattr(dialogs, "getExistingDirectory", lambda *_, **__: str(path))

    return answer


def test_save_over_a_session_and_over_something_else(
    viewer, open_dock, settled, said, answer, quick_analysis, tmp_path
):
    folder = quick_analysis.save(tmp_path / "quick")
    (folder / "notes.txt").write_text("mine")
    dock = open_dock()
    dock.controller.adopt(quick_analysis)
    settled(dock)
    answer(folder)
    dock.buttons[SAVE].click()
    settled(dock)
    assert said == []
    assert (folder / "notes.txt").read_text() == "mine"
    other = tmp_path / "holiday"
    other.mkdir()
    (other / "photo.txt").write_text("sea")
    answer(other)
    dock.buttons[SAVE].click()
    settled(dock)
    assert [sentence.count("not a saved session") for sentence in said] == [1]
    assert [path.name for path in other.iterdir()] == ["photo.txt"]
    assert names(viewer) == LAYERS


def test_opening_a_folder_of_something_else_is_a_sentence(viewer, open_dock, settled, said, answer, tmp_path):
    viewer.open_sample(PLUGIN, "quick")
    dock = open_dock()
    answer(tmp_path)
    dock.buttons[OPEN].click()
    settled(dock)
    assert [sentence.count("is not a saved session") for sentence in said] == [1]
    assert names(viewer) == ["quick"]
    assert dock.session.layer == viewer.layers["quick"]


def test_a_session_opened_by_its_button(viewer, open_dock, settled, answer, quick_session, quick_analysis):
    dock = open_dock()
    answer(quick_session)
    dock.buttons[OPEN].click()
    settled(dock)
    assert is_back(dock, quick_analysis)
    assert names(viewer) == LAYERS

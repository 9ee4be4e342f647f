"""What is said below Run all: the end of a run, what is not saved, and what can be done about it."""

import numpy as np
import pytest
from analyses import copied

from local_crystallography._napari.layers.convert import is_result
from local_crystallography._napari.main.news import UNSAVED, counted
from local_crystallography._napari.session.worker import NamedJob, guarded

PLUGIN, NAME = "napari-local-crystallography", "Analyse image …"


@pytest.fixture
def dock(light_viewer, quick_analysis, qtbot):
    _, dock = light_viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    dock.controller.adopt(copied(quick_analysis))
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=20_000)
    return dock


@pytest.fixture
def wait(dock, qtbot):
    def settle():
        qtbot.wait(20)
        qtbot.waitUntil(lambda: not dock.controller.running, timeout=60_000)

    return settle


def test_atoms_in_the_analysis_are_counted(quick_analysis):
    found, cut = len(quick_analysis.atoms), len(quick_analysis.sub_images.atoms)
    assert counted(quick_analysis) == f"{found:,} atoms, {cut:,} of them analysed."
    assert cut < found


def test_what_was_saved_is_said_until_it_changes(dock, wait, tmp_path):
    session = dock.session
    assert session.unsaved
    dock.controller.save(tmp_path / "session")
    wait()
    assert dock.news.message.text().startswith(f"Saved to {tmp_path / 'session'}.")
    assert not session.unsaved
    dock.controller.selection.apply(np.ones(len(dock.controller.atoms), bool))
    assert not session.unsaved
    session.analysis.styles.rename("label", 0, "Ti")
    assert session.unsaved
    dock.controller.travel(-1)
    assert not session.unsaved


def test_a_session_that_was_opened_is_saved(dock, wait, tmp_path):
    dock.controller.save(tmp_path / "session")
    wait()
    dock.controller.open(tmp_path / "session")
    wait()
    assert dock.session.saved is not None
    assert not dock.session.unsaved
    assert UNSAVED not in dock.news.message.text()


def test_the_panel_follows_an_image_that_is_opened(dock, wait):
    dock.viewer.add_image(np.zeros((32, 32)), name="second")
    assert dock.session.layer.name == "second"
    dock.viewer.add_points(np.zeros((1, 2)))
    assert dock.session.layer.name == "second"


def test_results_of_an_image_that_was_removed_can_go_too(dock, wait):
    viewer, layer = dock.viewer, dock.session.layer
    assert dock.news.remove.isHidden()
    viewer.layers.remove(layer)
    assert dock.news.remove.words.text() == "quick was removed; its results are still in the viewer."
    dock.news.remove.button.click()
    assert not [each for each in viewer.layers if is_result(each)]
    assert dock.news.remove.isHidden()


def test_edited_atoms_are_encoded_by_the_button_that_says_so(dock, wait):
    layer = dock.session.results.get("atoms")
    layer.selected_data = {5}
    layer.remove_selected()
    wait()
    assert "edited" in dock.news.mend.words.text()
    dock.news.mend.button.click()
    wait()
    assert dock.news.mend.isHidden()
    assert not dock.session.analysis.behind


@pytest.mark.slow
def test_from_the_selected_atoms_back_to_all(dock, wait):
    before = dock.session.analysis.atoms
    dock.controller.selection.apply(before.yx[:, 1] < 200)
    dock.docks.actions.actions["Analyse these only"].trigger()
    wait()
    wait()
    part = len(dock.session.analysis.atoms)
    assert part < len(before)
    assert dock.news.all.words.text() == f"Only the {part} atoms of quick are analysed."
    dock.news.all.button.click()
    wait()
    np.testing.assert_array_equal(dock.session.analysis.atoms.ids, before.ids)
    assert "z0" in dock.session.analysis.atoms.features
    assert dock.news.all.isHidden()
    dock.controller.travel(-1)
    assert len(dock.session.analysis.atoms) == part


def test_a_failed_step_is_said_on_top_and_in_a_notification(dock, wait, monkeypatch):
    told = []
    monkeypatch.setattr("local_crystallography._napari.main.dock.show_warning", told.append)
    dock.panels["extract_sub_images"].form.fields["window_size"].set(512)
    dock.panels["extract_sub_images"].button.click()
    wait()
    assert dock.news.message.text().startswith("⚠ Extract sub-images: ")
    assert len(told) == 1
    assert dock.news.message.text().startswith(told[0])


def test_napari_asks_in_words_before_it_closes_over_a_job():
    job = NamedJob(guarded, None, None)
    job.words = "Run all on quick"
    assert str(job) == "Run all on quick. Closing ends it, and results not saved are lost"


def test_another_candidate_finds_atoms_at_once_and_comes_back(dock, wait):
    before = dock.session.analysis.atoms
    dock.panels["segment"].form.fields["by"].shown.fields["sigma"].set(2.6)
    dock.candidates.chosen.emit()
    wait()
    assert dock.session.history.undoable == ["Other columns"]
    assert "refine_atoms" in dock.session.analysis.asked
    assert dock.session.analysis.vae is None
    dock.controller.travel(-1)
    assert dock.session.analysis.atoms is before
    assert dock.session.analysis.vae is not None

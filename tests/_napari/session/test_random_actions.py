"""A short game of random actions; `benchmarks/random_actions.py` plays long ones."""

import pytest
from analyses import copied
from random_actions import played, small_analysis

PLUGIN, NAME = "napari-local-crystallography", "Analyse image …"


@pytest.fixture(scope="module")
def small():
    return small_analysis()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("seed", [1000, 1001])
def test_undo_restores_and_marks_do_not_lie(light_viewer, qtbot, small, monkeypatch, seed):
    monkeypatch.setattr("local_crystallography._napari.main.dock.show_warning", lambda words: None)
    _, dock = light_viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    player = played(dock, copied(small), seed, 25)
    assert player.faults == []

"""One class more or fewer at a press."""

import pytest
from analyses import copied

from local_crystallography import Hdbscan
from local_crystallography.steps.cluster import Cluster

PLUGIN, NAME = "napari-local-crystallography", "Analyse image …"


@pytest.fixture
def dock(light_viewer, quick_analysis, qtbot):
    _, dock = light_viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    dock.panels["cluster"].form.fields["by"].shown.fields["n_init"].set(2)
    dock.controller.adopt(copied(quick_analysis))
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=20_000)
    return dock


def test_nothing_to_change_where_there_are_no_classes(light_viewer):
    _, dock = light_viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    assert not any(action.isVisible() for action in dock.class_count.actions.values())


def test_a_press_gives_one_class_more_painted_and_undone_at_once(dock, qtbot):
    before, more = dock.class_count.count, dock.class_count.actions["+"]
    maps = dock.session.analysis.maps
    assert more.isEnabled()
    more.trigger()
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=60_000)
    assert dock.class_count.count == before + 1
    assert dock.session.analysis.maps["label"] is not maps["label"]
    assert dock.session.history.undoable[0] == f"{before + 1} classes"
    dock.controller.travel(-1)
    assert dock.class_count.count == before
    assert dock.session.analysis.maps is maps


def test_a_method_that_finds_the_number_itself_has_no_buttons(dock):
    dock.panels["cluster"].form.set(Cluster(by=Hdbscan()))
    dock.class_count.refresh()
    assert not dock.class_count.actions["+"].isVisible()

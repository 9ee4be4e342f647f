"""Undo and Redo in the window: buttons, their lists, and keys that nothing else uses."""

import numpy as np
import pytest
from analyses import copied

from local_crystallography._napari.main.undo import NAPARI, REDO, UNDO

PLUGIN, NAME = "napari-local-crystallography", "Analyse image …"


@pytest.fixture
def dock(light_viewer, quick_analysis, qtbot):
    _, dock = light_viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    dock.controller.adopt(copied(quick_analysis))
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=20_000)
    return dock


def test_buttons_say_what_they_would_do(dock):
    undo, redo = dock.docks.undo.actions[UNDO], dock.docks.undo.actions[REDO]
    assert not undo.isEnabled()
    dock.controller.selection.apply(np.arange(len(dock.controller.atoms)) < 3)
    assert undo.toolTip() == "Undo: Select 3 atoms (Ctrl+Z)"
    undo.trigger()
    assert dock.controller.selection.count == 0
    assert redo.toolTip() == "Redo: Select 3 atoms (Ctrl+Shift+Z)"


def test_several_changes_are_undone_from_the_list(dock):
    for count in (1, 2, 3):
        dock.controller.selection.apply(np.arange(len(dock.controller.atoms)) < count)
    menu = dock.docks.undo.menus[UNDO]
    menu.aboutToShow.emit()
    assert [each.text() for each in menu.actions()] == ["Select 3 atoms", "Select 2 atoms", "Select 1 atom"]
    menu.actions()[1].trigger()
    assert dock.controller.selection.count == 1


def test_a_map_of_classes_has_no_undo_of_its_own_and_a_painted_mask_has(dock, light_viewer):
    light_viewer.layers.selection.active = light_viewer.layers["label"]
    assert {str(key) for key in NAPARI} == {UNDO, REDO}
    assert len(light_viewer.layers["label"].keymap) == 2
    mine = light_viewer.add_labels(np.zeros((8, 8), int))
    light_viewer.layers.selection.active = mine
    assert not mine.keymap

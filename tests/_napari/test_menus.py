"""The menus of the real viewer: every entry is there, works on the active image, or says what is missing."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import yaml

import local_crystallography
from local_crystallography._napari import commands
from local_crystallography._napari.main.dock import MainDock
from local_crystallography._napari.main.side_docks import EXPLORER

PLUGIN, NAME = "napari-local-crystallography", "Local Crystallography"
MANIFEST = yaml.safe_load((Path(local_crystallography.__file__).parent / "napari.yaml").read_text(encoding="utf-8"))
CONTRIBUTIONS = MANIFEST["contributions"]
TITLES = {command["id"]: command["title"] for command in CONTRIBUTIONS["commands"]}
WIDGETS = {widget["command"]: widget["display_name"] for widget in CONTRIBUTIONS["widgets"]}
LABELS = {submenu["id"]: submenu["label"] for submenu in CONTRIBUTIONS["submenus"]}
TOP = {menu: menu.removeprefix("napari/").split("/") for menu in CONTRIBUTIONS["menus"] if menu.startswith("napari/")}


@pytest.fixture
def viewer(real_viewer):
    return real_viewer


@pytest.fixture
def said(monkeypatch):
    """The sentences shown, instead of showing them."""
    said = []
    monkeypatch.setattr(commands, "show_warning", said.append)
    monkeypatch.setattr("local_crystallography._napari.main.dock.show_warning", said.append)
    return said


def entries(menu, path=()):
    """Every entry below a menu as the words on the way to it."""
    for action in menu.actions():
        here = (*path, action.text().replace("&", ""))
        if action.menu() is not None:
            action.menu().aboutToShow.emit()
            yield from entries(action.menu(), here)
        elif action.text():
            yield here, action


@pytest.fixture
def menu(viewer):
    """Every entry of the menu bar."""
    return dict(entries(viewer.window.main_menu))


def entry(menu, *words):
    """The entry whose path has these words, one per step from the end."""
    found = [
        action
        for path, action in menu.items()
        if all(word.lower() in step.lower() for word, step in zip(reversed(words), reversed(path), strict=False))
    ]
    assert len(found) == 1, (words, sorted(menu))
    return found[0]


@pytest.mark.parametrize("command", CONTRIBUTIONS["commands"], ids=lambda command: command["id"])
def test_every_command_imports(command):
    module, name = command["python_name"].split(":")
    assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.slow
def test_every_entry_is_in_the_menu_of_the_viewer(menu):
    for menu_id, item in [(each, item) for each in TOP for item in CONTRIBUTIONS["menus"][each]]:
        if "command" in item:
            assert entry(menu, *TOP[menu_id], wording(item["command"])).isEnabled()
            continue
        for inner in CONTRIBUTIONS["menus"][item["submenu"]]:
            assert entry(menu, *TOP[menu_id], LABELS[item["submenu"]], wording(inner["command"])).isEnabled()


def wording(command):
    return f"{WIDGETS.get(command, TITLES[command])} ({NAME})"


def test_the_widgets_have_a_menu_of_their_own_under_plugins(menu):
    for widget in WIDGETS.values():
        entry(menu, "Plugins", NAME, f"{widget} ({NAME})")


@pytest.mark.slow
def test_find_atoms_opens_the_dock_and_finds_atoms(viewer, menu, qtbot, said):
    viewer.open_sample(PLUGIN, "quick")
    entry(menu, "Segment", "Find atoms").trigger()
    dock = dock_of(viewer)
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=120_000)
    assert len(viewer.layers["atoms"].data) > 900
    assert dock.panels["refine_atoms"].isExpanded()
    assert not said
    # the active layer may be a result: the image it was made of is meant
    viewer.layers.selection.active = viewer.layers["atoms"]
    entry(menu, "Measure", "Measure lattice").trigger()
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=120_000)
    assert "strain_xx" in dock.session.analysis.atoms.features
    assert not said
    entry(menu, "Classify", "Classify atoms").trigger()
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=120_000)
    assert dock.panels["cluster"].status.text().startswith("⚠ ")  # no latents yet, as its panel says
    assert [words.split(":")[0] for words in said] == ["⚠ Cluster"]
    dock.controller.runner.halt()


def dock_of(viewer):
    (dock,) = [each for each in viewer.window.dock_widgets.values() if isinstance(each, MainDock)]
    return dock


STEPWISE = [("Segment", "Find atoms"), ("Measure", "Measure lattice"), ("Classify", "Classify"), (NAME, "Paint map")]


@pytest.mark.slow
def test_without_an_image_a_command_says_so(viewer, menu, said):
    for words in STEPWISE:
        entry(menu, *words).trigger()
    sentence = "No layer is selected. Select an image layer, or open an image with File > Open."
    assert said == [sentence] * len(STEPWISE)
    said.clear()
    viewer.add_points(np.zeros((1, 2)), name="dots")
    for words in STEPWISE:
        entry(menu, *words).trigger()
    assert len(said) == len(STEPWISE)
    assert all(each.startswith("dots is not an image. Select an image layer") for each in said)


@pytest.mark.slow
def test_a_command_says_what_has_to_be_done_first(viewer, menu, said):
    viewer.add_image(np.eye(64), name="eye")
    for words in STEPWISE[1:]:
        entry(menu, *words).trigger()
        assert not dock_of(viewer).controller.running
    assert said == ["Find atoms first: there is nothing to work on."] * len(STEPWISE[1:])


@pytest.mark.slow
def test_a_command_leaves_a_step_that_runs_alone(viewer, menu, said, monkeypatch):
    viewer.add_image(np.eye(64), name="eye")
    monkeypatch.setattr("local_crystallography._napari.session.controller.Controller.running", True)
    entry(menu, "Segment", "Find atoms").trigger()
    assert said == ["A step is running. Wait until it has finished, or stop it."]


@pytest.mark.slow
def test_the_dock_is_opened_once_and_shown_again(viewer, menu):
    dock = commands.main_dock(viewer)
    dock.parentWidget().hide()
    assert commands.main_dock(viewer) == dock
    assert not dock.parentWidget().isHidden()
    assert entry(menu, "Plugins", NAME, f"Analyse image … ({NAME})").isCheckable()


@pytest.mark.slow
def test_the_explorer_opens_from_the_menu_of_plugins_with_the_dock(viewer, menu, qtbot):
    entry(menu, "Plugins", NAME, "Latent explorer").trigger()
    qtbot.waitUntil(lambda: EXPLORER in viewer.window.dock_widgets, timeout=5000)
    assert dock_of(viewer).explorer is not None
    assert not any(isinstance(each, commands.DockOpener) for each in viewer.window.dock_widgets.values())
    entry(menu, "Plugins", NAME, "Latent explorer").trigger()
    qtbot.wait(50)
    assert len([name for name in viewer.window.dock_widgets if "explorer" in name.lower()]) == 1

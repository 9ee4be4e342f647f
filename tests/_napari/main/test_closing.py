"""Closing the dock or the viewer ends what runs, soon, and keeps what there is."""

import time

import numpy as np
import pytest

PLUGIN, NAME = "napari-local-crystallography", "Analyse image …"
pytestmark = pytest.mark.slow


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.fixture
def dock(viewer):
    viewer.open_sample(PLUGIN, "quick")
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    runner = dock.controller.runner
    yield dock
    runner.halt()


def names(viewer):
    return [layer.name for layer in viewer.layers]


def status(dock, name):
    return dock.panels[name].status.text()


@pytest.mark.slow
def test_closing_the_viewer_while_training_does_not_hang(dock, viewer, qtbot):
    dock.panels["train_vae"].form.fields["epochs"].set(5000)
    dock.run_all.click()
    qtbot.waitUntil(lambda: bool(dock.watches["train_vae"].plot.losses), timeout=60_000)
    start = time.monotonic()
    viewer.close()
    assert time.monotonic() - start < 15


@pytest.mark.slow
def test_closing_the_dock_stops_the_job_and_keeps_the_best(dock, viewer, qtbot):
    dock.panels["train_vae"].form.fields["epochs"].set(5000)
    dock.run_all.click()
    qtbot.waitUntil(lambda: len(dock.watches["train_vae"].plot.losses) > 2, timeout=60_000)
    runner = dock.controller.runner
    start = time.monotonic()
    with qtbot.waitSignal(dock.destroyed, timeout=15_000):
        close_by_x(dock)
        assert time.monotonic() - start < 1
    assert not runner.running
    viewer.layers.remove("probability")
    _, again = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    assert status(again, "find_atoms").startswith("✓")
    assert status(again, "train_vae").startswith("stopped early: held-out loss")
    assert names(viewer) == ["quick", "atoms left out", "atoms"]


def close_by_x(dock):
    dock.parent().titleBarWidget().close_button.click()


@pytest.mark.slow
def test_closing_the_dock_leaves_nothing_that_listens(dock, viewer, qtbot):
    with qtbot.waitSignal(dock.destroyed, timeout=15_000):
        close_by_x(dock)
    viewer.theme = "light"
    viewer.add_image(np.eye(20), name="later")
    viewer.layers.clear()

"""Whatever is done to the viewer while a job runs: nothing hangs, nothing lands on a wrong layer, the best is kept."""

import numpy as np
import pytest

from local_crystallography._napari.session.trainings import Preview
from local_crystallography._napari.widgets.training import STOP, STOPPING
from local_crystallography.data.errors import InputError
from local_crystallography.steps.training import Training

PLUGIN, NAME = "napari-local-crystallography", "Analyse image …"
LONG = 5000
pytestmark = pytest.mark.slow


@pytest.fixture
def dock(viewer):
    viewer.open_sample(PLUGIN, "quick")
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    dock.panels["train_vae"].form.fields["epochs"].set(LONG)
    dock.panels["cluster"].form.fields["by"].shown.fields["classes"].set(3)
    dock.panels["cluster"].form.fields["by"].shown.fields["n_init"].set(2)
    runner = dock.controller.runner
    yield dock
    runner.halt()


@pytest.fixture
def training(dock, qtbot):
    """The dock while it trains, after some passes."""
    dock.run_all.click()
    wait_for_passes(dock, qtbot)
    return dock


def wait_for_passes(dock, qtbot, passes=3):
    losses = dock.watches["train_vae"].plot
    before = len(losses.losses)
    qtbot.waitUntil(lambda: len(losses.losses) >= before + passes, timeout=60_000)


def wait_for_end(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=60_000)


def names(viewer):
    """Of all layers but the one with the atoms left out, of which there may be none."""
    return [layer.name for layer in viewer.layers if not layer.name.startswith("atoms left out")]


def status(dock, name):
    return dock.panels[name].status.text()


@pytest.mark.slow
def test_the_panel_tells_how_the_training_stands(training, qtbot):
    watch = training.watches["train_vae"]
    qtbot.waitUntil(lambda: "CPU, 1 thread" in watch.place.text(), timeout=20_000)
    qtbot.waitUntil(lambda: training.news.message.text().endswith(" left"), timeout=20_000)
    assert watch.epochs.text().startswith("epoch ")
    assert watch.epochs.text().endswith(f" of {LONG}")
    assert watch.batches.text() == f"batch {watch.batches.value()} of {watch.batches.maximum()}"
    assert "on the training part, " in watch.losses.text()
    assert "held out" in watch.losses.text()
    parts = (watch.epochs, watch.batches, watch.place, watch.losses, watch.plot, watch.stop)
    assert not any(part.isHidden() for part in parts)
    assert all(part.toolTip() for part in (*parts, watch.resume))
    assert watch.resume.isHidden()


@pytest.mark.slow
def test_stop_says_so_at_once_and_other_steps_wait_meanwhile(training, qtbot):
    watch = training.watches["train_vae"]
    assert (watch.stop.text(), watch.stop.isEnabled()) == (STOP, True)
    assert not any(panel.button.isEnabled() for panel in training.panels.values())
    watch.stop.click()
    assert (watch.stop.text(), watch.stop.isEnabled()) == (STOPPING, False)
    wait_for_end(training, qtbot)
    assert watch.stop.isHidden()
    assert status(training, "train_vae").startswith("stopped early: held-out loss")
    assert status(training, "paint_map").startswith("✓")


@pytest.mark.slow
def test_a_stopped_training_goes_on_where_it_was(training, qtbot):
    watch, field = training.watches["train_vae"], training.panels["train_vae"].form.fields["epochs"]
    training.run_all.click()
    wait_for_end(training, qtbot)
    before = list(watch.plot.losses)
    assert not watch.resume.isHidden()
    field.set(7)
    watch.resume.click()
    wait_for_passes(training, qtbot)
    assert watch.plot.losses[: len(before)] == before
    assert watch.epochs.maximum() == LONG
    assert watch.resume.isHidden()
    watch.stop.click()
    wait_for_end(training, qtbot)
    assert status(training, "paint_map").startswith("✓")
    assert not any(isinstance(step, Training) and step.checkpoint for step in training.session.analysis.recipe.steps)
    field.set(4)
    training.panels["train_vae"].button.click()
    wait_for_end(training, qtbot)
    assert len(watch.plot.losses) == 4
    assert status(training, "train_vae").startswith("✓")
    assert watch.resume.isHidden()
    assert training.session.analysis.asked["train_vae"].checkpoint is None


@pytest.mark.slow
def test_the_state_of_a_training_is_removed_with_the_dock(real_viewer, training, viewer, qtbot):
    folder = training.controller.paused.folder
    assert list(folder.iterdir())
    with qtbot.waitSignal(training.destroyed, timeout=15_000):
        training.parent().titleBarWidget().close_button.click()
    assert not folder.exists()


@pytest.mark.slow
def test_a_result_layer_taken_away_comes_back_with_a_new_result(training, viewer, qtbot):
    viewer.layers.remove("atoms")
    viewer.layers.remove("probability")
    training.watches["train_vae"].stop.click()
    wait_for_end(training, qtbot)
    assert names(viewer)[-2:] == ["label", "atoms"]
    assert "probability" not in names(viewer)
    np.testing.assert_array_equal(viewer.layers["atoms"].data, training.session.analysis.atoms.yx)


@pytest.mark.slow
def test_another_image_in_the_place_of_the_first_gets_nothing_of_it(training, viewer, qtbot):
    sample = viewer.layers["quick"]
    data, scale = sample.data, sample.scale
    viewer.layers.remove(sample)
    viewer.add_image(data, name="quick", scale=scale)
    wait_for_end(training, qtbot)
    assert training.session.analysis.used == {}
    assert status(training, "segment") == "ready"
    assert training.watches["train_vae"].isHidden()


@pytest.mark.slow
def test_another_image_chosen_meanwhile_gets_nothing_of_the_first(training, viewer, qtbot):
    other = viewer.add_image(np.random.default_rng(0).normal(size=(64, 64)), name="other")
    quick = training.session
    training.image_box.choose(other)
    qtbot.wait(300)
    assert training.news.message.text().startswith("quick: epoch")
    assert training.watches["train_vae"].isHidden()
    assert not status(training, "train_vae").startswith("epoch")
    assert training.run_all.text() == "Cancel"
    training.run_all.click()
    wait_for_end(training, qtbot)
    assert training.session.analysis.vae is None
    assert quick.analysis.vae is not None
    training.image_box.choose(quick.layer)
    assert status(training, "train_vae").startswith("stopped early: held-out loss")
    assert not training.watches["train_vae"].resume.isHidden()


@pytest.mark.slow
def test_a_second_click_starts_nothing(training, qtbot):
    training.panels["segment"].button.click()
    training.controller.run((training.panels["segment"].form.step(),), again=True)
    training.controller.resume("train_vae")
    wait_for_passes(training, qtbot)
    assert training.controller.step == "train_vae"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), "Not enough memory"),
        (RuntimeError("shapes do not match"), "The step failed: shapes do not match"),
    ],
)
def test_what_breaks_a_training_is_said_in_its_panel_and_on_top(dock, viewer, qtbot, monkeypatch, error, said):
    def broken(*_args):
        raise error

    shown = []
    monkeypatch.setattr("napari.utils.notifications.notification_manager.dispatch", shown.append)
    monkeypatch.setattr("local_crystallography.models.training.Run._step", broken)
    dock.run_all.click()
    wait_for_end(dock, qtbot)
    assert status(dock, "train_vae").startswith(f"⚠ {said}")
    assert [each.message for each in shown] == [dock.news.said]
    assert dock.news.said.startswith(f"⚠ Train VAE: {said}")
    assert dock.run_all.text() == "Run all"
    assert dock.run_all.isEnabled()
    assert dock.session.analysis.sub_images is not None


def preview(analysis, value):
    values = np.full(analysis.image.shape, value, np.float32)
    return Preview(analysis.atoms.with_features(z0=value).to_frame(), {"z0": values, "z1": values})


def send(dock, qtbot, value):
    qtbot.waitUntil(lambda: not dock.controller.queue.busy, timeout=5000)
    session = dock.controller.busy
    made = preview(session.analysis, value)
    session.results.previews.prepare(made.maps)
    dock.controller.show_preview(session, made)
    qtbot.waitUntil(lambda: not dock.controller.queue.busy, timeout=5000)


@pytest.mark.slow
def test_one_watches_the_phases_appear(training, viewer, qtbot):
    qtbot.waitUntil(lambda: "angle_rad" in names(viewer), timeout=60_000)
    qtbot.waitUntil(lambda: training.explorer is not None and "z0" in training.explorer.table, timeout=10_000)
    assert viewer.layers["z0"].visible
    assert not viewer.layers["z1"].visible
    assert "z0" not in training.session.analysis.atoms.features
    training.watches["train_vae"].stop.click()
    wait_for_end(training, qtbot)
    assert names(viewer) == ["quick", "probability", "label", "atoms"]
    training.show_box.choose("z0")
    assert [layer.name for layer in viewer.layers if layer.visible] == ["quick", "z0", "atoms"]
    np.testing.assert_array_equal(viewer.layers["z0"].data, training.session.analysis.maps["z0"])
    np.testing.assert_array_equal(training.explorer.table["z0"], training.session.analysis.atoms.features["z0"])


@pytest.mark.slow
def test_previews_go_when_the_training_gives_nothing_to_paint(training, viewer, qtbot):
    send(training, qtbot, 1.0)
    assert "z0" in names(viewer)
    training.run_all.click()
    wait_for_end(training, qtbot)
    assert names(viewer) == ["quick", "probability", "atoms"]
    assert "z0" not in training.explorer.table


@pytest.mark.slow
def test_a_preview_taken_away_is_not_made_anew(training, viewer, qtbot):
    send(training, qtbot, 1.0)
    viewer.layers.remove("z0")
    send(training, qtbot, 2.0)
    assert "z0" not in names(viewer)
    assert (viewer.layers["z1"].data == 2).all()


@pytest.mark.slow
def test_one_panel_that_does_not_fit_together_stops_no_other(dock, qtbot):
    """Kind vae has no rotation, so no harmonic decoder: Train VAE cannot run, and all else can."""
    form = dock.panels["train_vae"].form
    form.fields["kind"].set("vae")
    form.fields["decoder"].set("harmonic")
    said = []
    dock.controller.failed.connect(said.append)
    dock.curve._on_clicked()
    dock.docks.show_symmetry()
    assert dock.panels["decide_symmetry"].form.step().name() == "decide_symmetry"
    assert not said
    with pytest.raises(InputError, match=r"Train VAE: .*harmonic.*main panel"):
        _ = dock.recipe

"""The whole way through the dock, by its buttons, once in a real viewer."""

import subprocess
import sys

import numpy as np
import pytest
from analyses import copied
from mouse import drag

from local_crystallography._napari.main import run_all
from local_crystallography._napari.main.dock import EXPLORER, MainDock
from local_crystallography._napari.main.news import UP_TO_DATE, counted
from local_crystallography.recipe import Recipe
from local_crystallography.steps.training import Training

PLUGIN, NAME = "napari-local-crystallography", "Analyse image …"
STEPS = [step.name() for step in Recipe().steps]
ALWAYS = [step.name() for step in Recipe().steps if not step.optional]
TRAININGS = [step.name() for step in Recipe().steps if isinstance(step, Training)]
OPTIONAL = [name for name in STEPS if name not in ALWAYS]

UP_TO_SUB_IMAGES = ["segment", "find_atoms", "refine_atoms", "extract_sub_images"]


@pytest.fixture
def dock(viewer, qtbot):
    viewer.open_sample(PLUGIN, "quick")
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    for name in TRAININGS:
        dock.panels[name].form.fields["epochs"].set(3)
    dock.panels["cluster"].form.fields["by"].shown.fields["classes"].set(3)
    dock.panels["cluster"].form.fields["by"].shown.fields["n_init"].set(2)
    yield dock
    dock.controller.runner.halt()


@pytest.fixture
def press(dock, qtbot):
    """Click, and wait until the job has ended."""

    def press(button):
        assert button.isEnabled()
        button.click()
        assert dock.controller.running
        qtbot.waitUntil(lambda: not dock.controller.running, timeout=120_000)

    return press


def names(viewer):
    """Of all layers but the one with the atoms left out, of which there may be none."""
    return [layer.name for layer in viewer.layers if not layer.name.startswith("atoms left out")]


def status(dock, name):
    return dock.panels[name].status.text()


@pytest.mark.slow
def test_every_step_by_its_button(real_viewer, dock, viewer, press):
    for name in STEPS:
        assert not status(dock, name).startswith("✓")
        press(dock.panels[name].button)
        assert status(dock, name).startswith("✓")
    assert names(viewer) == ["quick", "probability", "alternation_decision", "label", "atoms", "unit cell"]
    visible = [layer.name for layer in viewer.layers if layer.visible]
    assert visible == ["quick", "alternation_decision", "atoms", "unit cell"]
    assert dock.panels["segment"].form.fields["by"].shown.fields["sigma"].box.text().startswith("2.")
    assert "bright columns, sigma 2." in status(dock, "segment")
    assert status(dock, "refine_atoms").startswith("✓ kept ")
    assert "precision 0." in status(dock, "refine_atoms")
    assert "sublattices" in status(dock, "measure_lattice")
    assert EXPLORER in viewer.window.dock_widgets
    assert dock.show_box.column == "alternation_decision"
    assert [len(watch.plot.losses) for watch in dock.watches.values()] == [3, 3]
    assert "held-out loss" in status(dock, "train_cvae")
    assert "atoms encoded" in status(dock, "encode_cvae")


@pytest.mark.slow
def test_an_optional_step_is_run_by_its_own_button(dock, press):
    assert status(dock, "describe").startswith("optional, not part of Run all · Extract sub-images first")
    for name in UP_TO_SUB_IMAGES:
        press(dock.panels[name].button)
    press(dock.panels["describe"].button)
    assert status(dock, "describe").startswith("✓")
    assert "atoms described" in status(dock, "describe")
    assert "zernike0" in dock.session.analysis.atoms.features
    dock.panels["describe"].form.fields["methods"].forms["Zernike moments"].fields["order"].set(4)
    assert status(dock, "describe").startswith("out of date")


def test_a_later_step_says_what_is_missing(dock):
    assert not dock.panels["find_atoms"].button.isEnabled()
    assert status(dock, "find_atoms").startswith("Segment the image first")
    assert status(dock, "encode").startswith("Train a network first")
    assert status(dock, "segment") == "ready"


@pytest.fixture
def done(dock, press):
    press(dock.run_all)
    return dock


@pytest.mark.slow
def test_run_all_then_lasso_edits_and_changed_settings(done, viewer, press, qtbot, monkeypatch):
    dock = done
    monkeypatch.setattr(run_all, "choose", lambda *_: run_all.ANEW)
    assert all(status(dock, name).startswith("✓") for name in ALWAYS)
    assert status(dock, "describe") == "optional, not part of Run all · ready"
    assert status(dock, "encode_cvae").startswith("optional, not part of Run all · Train a conditional network first")
    _lasso_lights_up_atoms(dock, viewer)
    _selecting_points_selects_in_the_scatter(dock, viewer)
    _lasso_by_the_mouse(dock, viewer, qtbot)
    _colours(dock, viewer)
    _changed_settings_are_out_of_date(dock, press)
    _edits_by_hand_are_used(dock, viewer, press)


def _lasso_lights_up_atoms(dock, viewer):
    atoms, explorer = dock.session.analysis.atoms, dock.explorer
    chosen = atoms.features["label"].to_numpy() == 0
    z = atoms.features[["z0", "z1"]].to_numpy()
    low, high = z[chosen].min(axis=0) - 1e-3, z[chosen].max(axis=0) + 1e-3
    box = [low, (high[0], low[1]), high, (low[0], high[1])]
    inside = ((z > low) & (z < high)).all(axis=1)
    explorer.select_polygon(box)
    np.testing.assert_array_equal(viewer.layers["selected atoms"].data, atoms.yx[inside])
    explorer.buttons["Invert"].click()
    np.testing.assert_array_equal(viewer.layers["selected atoms"].data, atoms.yx[~inside])
    dock.controller.travel(-1)
    np.testing.assert_array_equal(viewer.layers["selected atoms"].data, atoms.yx[inside])
    assert names(viewer).count("selected atoms") == 1


def _lasso_by_the_mouse(dock, viewer, qtbot):
    explorer, z = dock.explorer, dock.session.analysis.atoms.features[["z0", "z1"]].to_numpy()
    known = z[np.isfinite(z).all(axis=1)]
    centre, reach = np.median(known, axis=0), np.ptp(known, axis=0) / 4
    corners = centre + reach * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)])
    steps = np.arange(0, 4.01, 0.25)
    with qtbot.waitExposed(explorer):
        explorer.window().show()
    explorer.buttons["Lasso"].click()
    qtbot.wait(300)  # the docks have their sizes only after the layout
    drag(explorer.plots[0], np.stack([np.interp(steps, range(5), axis) for axis in corners.T], axis=1), qtbot)
    spare = 2 * np.array(explorer.plots[0].box.pixel())
    inside = (np.abs(z - centre) < reach - spare).all(axis=1)
    outside = ~(np.abs(z - centre) < reach + spare).all(axis=1)
    mask = dock.controller.selection.mask
    assert mask[inside].all()
    assert inside.any()
    assert not mask[outside].any()
    np.testing.assert_array_equal(viewer.layers["selected atoms"].data, dock.session.analysis.atoms.yx[mask])
    explorer.buttons["Clear"].click()


def _selecting_points_selects_in_the_scatter(dock, viewer):
    viewer.layers["atoms"].selected_data = {3, 7}
    assert np.flatnonzero(dock.controller.selection.mask).tolist() == [3, 7]
    assert len(viewer.layers["selected atoms"].data) == 2
    viewer.layers["atoms"].selected_data = set()
    assert dock.controller.selection.count == 0


def _colours(dock, viewer):
    before = viewer.layers["atoms"].face_color
    dock.show_box.setCurrentIndex(dock.show_box.findData("z0"))
    dock.show_box.activated.emit(dock.show_box.currentIndex())
    assert not np.array_equal(viewer.layers["atoms"].face_color, before)


def _changed_settings_are_out_of_date(dock, press):
    dock.panels["cluster"].form.fields["by"].shown.fields["classes"].set(2)
    assert status(dock, "cluster").startswith("out of date")
    press(dock.run_all)
    assert status(dock, "cluster").startswith("✓ 2 classes")
    labels = set(dock.session.analysis.atoms.features["label"])  # classes keep their numbers where others are merged
    assert -1 in labels
    assert len(labels) == 3
    assert dock.show_box.column == "z0"


def _edits_by_hand_are_used(dock, viewer, press):
    layer, n = viewer.layers["atoms"], len(dock.session.analysis.atoms)
    layer.selected_data = {0, 1}
    layer.remove_selected()
    press(dock.panels["extract_sub_images"].button)
    assert len(dock.session.analysis.atoms) == n - 2
    assert status(dock, "find_atoms").endswith("edited by hand")
    press(dock.run_all)
    assert len(dock.session.analysis.atoms) == n - 2
    press(dock.panels["find_atoms"].button)
    press(dock.panels["refine_atoms"].button)
    assert len(dock.session.analysis.atoms) == n
    assert len(viewer.layers["atoms edited by hand"].data) == n - 2
    assert len(viewer.layers["atoms"].data) == n


@pytest.mark.slow
def test_a_stopped_training_keeps_its_network(dock, qtbot):
    dock.panels["train_vae"].form.fields["epochs"].set(5000)
    dock.run_all.click()
    qtbot.waitUntil(lambda: len(dock.watches["train_vae"].plot.losses) > 2, timeout=60_000)
    assert dock.run_all.text() == "Cancel"
    assert not dock.panels["segment"].button.isEnabled()
    dock.watches["train_vae"].stop.click()
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=60_000)
    assert dock.session.analysis.vae is not None
    assert "z0" in dock.session.analysis.atoms.features
    assert status(dock, "train_vae").startswith("stopped early: held-out loss")


@pytest.mark.slow
def test_stop_ends_everything_and_keeps_what_there_is(dock, qtbot):
    dock.panels["train_vae"].form.fields["epochs"].set(5000)
    dock.run_all.click()
    qtbot.waitUntil(lambda: len(dock.watches["train_vae"].plot.losses) > 2, timeout=60_000)
    dock.run_all.click()
    assert dock.run_all.text() == "Cancelling …"
    assert not dock.run_all.isEnabled()
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=60_000)
    assert dock.session.analysis.vae is not None
    assert "z0" not in dock.session.analysis.atoms.features


def test_a_window_larger_than_the_image_is_a_sentence(dock, viewer, press):
    grid = np.stack(np.meshgrid(np.arange(8, 60, 12), np.arange(8, 60, 12)), axis=-1).reshape(-1, 2)
    small = viewer.add_image(np.random.default_rng(0).normal(size=(64, 64)), name="small")
    dock.image_box.choose(small)
    dock.source_boxes["atoms"].choose(viewer.add_points(grid, name="by hand"))
    dock.panels["extract_sub_images"].form.fields["window_size"].set(512)
    press(dock.panels["extract_sub_images"].button)
    assert status(dock, "extract_sub_images").startswith("⚠ A window of 512 pixels is larger than the image of 64 x 64")
    assert dock.session.analysis.sub_images is None


@pytest.mark.slow
def test_a_mistake_is_a_sentence_and_loses_nothing(dock, viewer, press):
    for name in STEPS[:2]:
        press(dock.panels[name].button)
    before = dock.session.analysis.atoms
    dock.panels["extract_sub_images"].form.fields["window_size"].set(512)
    press(dock.panels["extract_sub_images"].button)
    assert "so no window of 512 pixels fits around one; use a smaller window" in status(dock, "extract_sub_images")
    assert dock.session.analysis.atoms is before


@pytest.mark.slow
def test_layers_of_the_user_can_be_the_source(dock, viewer, press):
    yx = np.stack(np.meshgrid(np.arange(60, 440, 12), np.arange(60, 440, 12)), axis=-1).reshape(-1, 2)
    mine = viewer.add_points(yx, name="mine", scale=viewer.layers["quick"].scale, units=viewer.layers["quick"].units)
    dock.source_boxes["atoms"].choose(mine)
    press(dock.panels["extract_sub_images"].button)
    np.testing.assert_array_equal(dock.session.analysis.atoms.yx, yx)


@pytest.mark.slow
def test_atoms_given_are_not_given_anew_when_encoding_has_moved_them(dock, viewer, press):
    for name in STEPS[:2]:
        press(dock.panels[name].button)
    quick = viewer.layers["quick"]
    mine = viewer.add_points(dock.session.analysis.atoms.yx + 0.3, name="mine", scale=quick.scale, units=quick.units)
    dock.source_boxes["atoms"].choose(mine)
    dock.panels["refine_atoms"].form.fields["when_doubtful"].set("continue")
    dock.panels["encode"].form.fields["correct_positions"].set(True)
    press(dock.run_all)
    moved = dock.session.analysis.atoms
    assert not np.array_equal(moved.yx, mine.data)
    press(dock.run_all)
    assert dock.session.analysis.atoms is moved
    press(dock.panels["cluster"].button)
    assert status(dock, "train_vae").startswith("✓")
    mine.data = mine.data[:-5]
    press(dock.panels["extract_sub_images"].button)
    assert len(dock.session.analysis.atoms) == len(mine.data)


@pytest.mark.slow
def test_what_to_know_about_a_training_stands_in_its_panel(dock, press, monkeypatch):
    monkeypatch.setattr("local_crystallography.models.vae.Vae.remarks", ["z1 holds nothing."])
    for name in [*UP_TO_SUB_IMAGES, "train_vae"]:
        press(dock.panels[name].button)
    shown = status(dock, "train_vae").splitlines()
    assert shown[0].startswith("✓ held-out loss")
    assert shown[1:] == ["⚠ z1 holds nothing."]
    assert "⚠" not in status(dock, "extract_sub_images")


def test_settings_that_do_not_fit_together_are_said_and_not_run(dock):
    fields = dock.panels["train_vae"].form.fields
    fields["decoder"].set("harmonic")
    fields["kind"].set("vae")
    assert status(dock, "train_vae").startswith("⚠ the harmonic decoder needs a kind with angle; use canonical")
    assert not dock.panels["train_vae"].button.isEnabled()
    assert not dock.run_all.isEnabled()
    fields["decoder"].set(None)
    assert "⚠" not in status(dock, "train_vae")
    assert dock.run_all.isEnabled()


def test_another_layer_as_probability_has_to_fit(dock, viewer, press):
    other = viewer.add_image(np.eye(30), name="small")
    dock.image_box.choose(viewer.layers["quick"])
    dock.source_boxes["probability"].choose(other)
    press(dock.panels["find_atoms"].button)
    assert "has the shape (30, 30)" in status(dock, "find_atoms")


@pytest.mark.slow
def test_removing_the_image_stops_the_job_and_nothing_lands(dock, viewer, qtbot):
    dock.panels["train_vae"].form.fields["epochs"].set(5000)
    dock.run_all.click()
    qtbot.waitUntil(lambda: bool(dock.watches["train_vae"].plot.losses), timeout=60_000)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=60_000)
    assert names(viewer) == []
    assert dock.session is None


def test_each_image_has_its_own_analysis(dock, viewer, press):
    press(dock.panels["segment"].button)
    other = viewer.add_image(np.random.default_rng(0).normal(size=(64, 64)), name="other")
    dock.image_box.choose(other)
    assert status(dock, "segment") == "ready"
    press(dock.panels["segment"].button)
    assert "other: no columns" in status(dock, "segment") or status(dock, "segment").startswith("✓")
    dock.image_box.choose(viewer.layers["quick"])
    assert status(dock, "segment").startswith("✓")


def test_everything_says_what_it_does(dock):
    widgets = [*dock.buttons.values(), dock.run_all, dock.image_box, dock.show_box]
    widgets += [watch.stop for watch in dock.watches.values()]
    widgets += [panel.button for panel in dock.panels.values()] + list(dock.source_boxes.values())
    assert all(widget.toolTip() for widget in widgets)


def test_it_fits_beside_the_canvas(dock):
    assert dock.minimumSizeHint().width() <= 340
    assert dock.minimumSizeHint().height() <= 600


@pytest.mark.slow
def test_opening_the_dock_loads_neither_torch_nor_pymc():
    code = (
        "import sys; from napari.components import ViewerModel; from qtpy.QtWidgets import QApplication; "
        "app = QApplication([]); from local_crystallography._napari.main.dock import MainDock; "
        "dock = MainDock(ViewerModel()); print(sorted({'torch', 'pymc', 'sklearn'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert found.stdout.strip() == "[]", found.stderr


def test_without_an_image_nothing_can_be_run(viewer):
    dock = MainDock(viewer)
    assert not dock.run_all.isEnabled()
    assert not any(panel.button.isEnabled() for panel in dock.panels.values())
    assert not dock.hint.isHidden()
    viewer.open_sample(PLUGIN, "quick")
    assert not dock.hint.isHidden()  # the first of three clicks
    dock.deleteLater()


def test_the_sample_is_opened_and_run_with_one_click(light_viewer, qtbot, monkeypatch):
    _, dock = light_viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    begun = []
    monkeypatch.setattr(dock.controller, "run", lambda steps, *, again: begun.append((steps, again)))
    dock.hint.sample.click()
    assert names(light_viewer) == ["quick"]
    assert dock.session.layer.name == "quick"
    assert begun == [(dock.recipe.wanted(), False)]
    dock.hint.sample.click()
    assert names(light_viewer) == ["quick"]


@pytest.mark.slow
def test_the_end_of_a_run_and_nothing_to_do_are_said(light_viewer, quick_analysis, qtbot, monkeypatch):
    _, dock = light_viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    dock.controller.adopt(copied(quick_analysis))
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=20_000)
    for name, step in dock.controller.analysis.asked.items():
        dock.panels[name].form.set(step)
    dock.run_all.click()
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=20_000)
    assert dock.news.message.text().startswith(UP_TO_DATE)
    now, analysis = [100.0], dock.controller.analysis
    monkeypatch.setattr("local_crystallography._napari.main.news.time.monotonic", lambda: now[0])
    dock.panels["paint_map"].button.click()
    now[0] += 12.4
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=20_000)
    assert dock.news.message.text() == f"Done in 12 s; not saved. {counted(analysis)} {analysis.summary}"


def test_columns_are_shown_in_words_and_by_step(light_viewer, quick_analysis, qtbot):
    _, dock = light_viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    dock.controller.adopt(copied(quick_analysis))
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=20_000)
    box = dock.show_box
    rows = {box.itemText(i).strip(): box.itemData(i) for i in range(box.count())}
    assert rows["Image and atoms"] == ""
    assert rows["Class"] == "label"
    assert rows["Angle (°)"] == "angle_rad"
    order = [box.itemText(i) for i in range(box.count()) if box.itemData(i) is None]
    assert order[:2] == ["Cluster", "Encode"]
    box.choose("angle_rad")
    assert [layer.name for layer in light_viewer.layers if layer.visible] == ["quick", "angle_rad", "atoms"]
    assert names(light_viewer) == ["quick", "probability", "angle_rad", "label", "atoms"]
    box.choose("intensity")
    qtbot.waitUntil(lambda: "intensity" in light_viewer.layers, timeout=20_000)
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=20_000)
    assert [layer.name for layer in light_viewer.layers if layer.visible] == ["quick", "intensity", "atoms"]
    box.choose("")
    assert [layer.name for layer in light_viewer.layers if layer.visible] == ["quick", "atoms"]

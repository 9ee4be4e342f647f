"""The scan correction as the dock shows it, and the average of a stack from the menu."""

import npe2
import numpy as np
import pytest
from analyses import copied
from napari.layers import Image as ImageLayer
from scans import drifting, skewed

from local_crystallography._napari.commands import average_frames
from local_crystallography._napari.layers.convert import KEY, note_of
from local_crystallography._napari.main.scan import CORRECTED as CORRECTED_IMAGE
from local_crystallography._napari.main.scan import SHOW, STALE
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.image import Image
from local_crystallography.data.progress import finish
from local_crystallography.steps.average_frames import AverageFrames
from local_crystallography.steps.correct_scan import CorrectScan

PLUGIN, NAME = "napari-local-crystallography", "Analyse image …"
CORRECTED = "lattice, scan corrected"


@pytest.fixture(scope="module")
def lattice():
    """A lattice whose atoms are known, in two frames; not to be changed."""
    frames = [skewed(seed=seed) for seed in (0, 1)]
    analysis = Analysis(Image(np.stack([frame[0] for frame in frames]), 0.02, "lattice"))
    number = np.repeat([0, 1], [len(frame[1]) for frame in frames])
    analysis.atoms = Atoms.at(np.concatenate([frame[1] for frame in frames]), frame=number)
    return analysis


@pytest.fixture(scope="module")
def corrected(lattice):
    """The lattice with its scan corrected; not to be changed."""
    analysis = copied(lattice)
    finish(analysis.apply(CorrectScan()))
    return analysis


@pytest.fixture
def shown(request):
    """The analysis that the dock begins with: corrected where a test asks for `done`."""
    return request.getfixturevalue("corrected" if "done" in request.fixturenames else "lattice")


@pytest.fixture
def dock(viewer, shown):
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    dock.controller.adopt(copied(shown))
    yield dock
    dock.controller.runner.halt()


@pytest.fixture
def press(dock, qtbot):
    def press(button):
        assert button.isEnabled()
        button.click()
        qtbot.waitUntil(lambda: not dock.controller.running, timeout=60_000)

    return press


@pytest.fixture
def done(dock):
    """The dock after the step."""
    return dock


def status(dock):
    return dock.panels["correct_scan"].status.text()


def test_the_buttons_wait_for_the_step(dock, press):
    assert not any(button.isEnabled() for button in dock.scan.buttons.values())
    press(dock.panels["correct_scan"].button)
    assert all(button.isEnabled() for button in dock.scan.buttons.values())
    assert all(button.toolTip() for button in dock.scan.buttons.values())
    assert "moved along x by 0." in status(dock)


def test_the_dialog_shows_the_correction_of_the_frame_in_view(done, viewer, press):
    viewer.dims.set_current_step(0, 1)
    press(done.scan.buttons[SHOW])
    dialog, analysis = done.scan.dialog, done.session.analysis
    wanted = CorrectScan().correction(analysis.atoms, analysis.image, 1)
    np.testing.assert_array_equal(dialog.canvas.figure.axes[0].lines[0].get_ydata(), wanted.row_shift)
    assert dialog.isVisible()
    assert dialog.windowTitle() == "Scan correction of lattice, frame 1"
    assert wanted.remarks
    assert all(remark in dialog.remarks.text() for remark in wanted.remarks)
    assert all(remark in status(done) for remark in wanted.remarks)


def test_a_second_look_is_not_computed_again(done, press, monkeypatch):
    press(done.scan.buttons[SHOW])
    done.scan.dialog.close()
    monkeypatch.setattr(CorrectScan, "correction", lambda *_: pytest.fail("computed again"))
    press(done.scan.buttons[SHOW])
    assert done.scan.dialog.isVisible()


def test_a_look_at_an_image_that_is_removed_meanwhile_opens_nothing(done, viewer, qtbot):
    done.scan.buttons[SHOW].click()
    viewer.layers.remove("lattice")
    qtbot.waitUntil(lambda: not done.controller.running, timeout=60_000)
    assert done.scan.dialog is None


@pytest.mark.slow
def test_a_figure_that_is_not_true_any_more_says_so(done, press):
    press(done.scan.buttons[SHOW])
    stale = done.scan.dialog.stale
    assert STALE in stale.text()
    assert not stale.isVisible()
    done.panels["correct_scan"].form.fields["cell"].set("square")
    press(done.panels["correct_scan"].button)
    assert stale.isVisible()
    assert "⚠" not in status(done)
    press(done.scan.buttons[SHOW])
    assert not stale.isVisible()
    assert "Drift and shear assume" in status(done)


def test_the_figure_follows_the_theme(done, viewer, press):
    press(done.scan.buttons[SHOW])
    grounds = []
    for theme in ("light", "dark"):
        viewer.theme = theme
        grounds.append(sum(done.scan.dialog.canvas.figure.get_facecolor()[:3]))
    assert grounds[0] > 2 > 1 > grounds[1]


def test_the_corrected_image_is_a_layer_like_its_image(done, viewer, press):
    press(done.scan.buttons[CORRECTED_IMAGE])
    layer, image, analysis = viewer.layers[CORRECTED], viewer.layers["lattice"], done.session.analysis
    np.testing.assert_array_equal(layer.data, CorrectScan().corrected_image(analysis.atoms, analysis.image).data)
    np.testing.assert_array_equal(layer.scale, image.scale)
    assert layer.units == image.units
    assert viewer.layers.index(CORRECTED) == viewer.layers.index("lattice") + 1
    assert note_of(layer)["steps"]["correct_scan"] == CorrectScan().model_dump(mode="json")
    assert done.image_box.layer == image


def test_a_second_corrected_image_takes_the_place_of_the_first(done, viewer, press):
    press(done.scan.buttons[CORRECTED_IMAGE])
    before = viewer.layers[CORRECTED].data
    done.panels["correct_scan"].form.fields["flatten"].set(True)
    press(done.panels["correct_scan"].button)
    press(done.scan.buttons[CORRECTED_IMAGE])
    assert [layer.name for layer in viewer.layers if "corrected" in layer.name] == [CORRECTED]
    assert abs(viewer.layers[CORRECTED].data - before).max() > 1


def test_a_corrected_image_that_is_worked_on_stays(done, viewer, press):
    press(done.scan.buttons[CORRECTED_IMAGE])
    first = viewer.layers[CORRECTED]
    done.image_box.choose(first)
    done.image_box.choose(viewer.layers["lattice"])
    press(done.scan.buttons[CORRECTED_IMAGE])
    assert [layer.name for layer in viewer.layers if "corrected" in layer.name] == [f"{CORRECTED} [1]", CORRECTED]


def test_an_image_that_is_removed_meanwhile_gets_no_layer(done, viewer, qtbot):
    done.scan.buttons[CORRECTED_IMAGE].click()
    viewer.layers.remove("lattice")
    qtbot.waitUntil(lambda: not done.controller.running, timeout=60_000)
    assert CORRECTED not in viewer.layers


def test_the_menu_offers_the_average():
    manifest = npe2.PluginManifest.from_distribution(PLUGIN)
    commands = [item.command for item in manifest.contributions.menus["napari/layers/register"]]
    assert commands == [f"{PLUGIN}.average_frames"]


@pytest.mark.slow
def test_a_stack_is_averaged_into_a_layer(make_napari_viewer_proxy, qtbot):
    from napari._app_model import get_app_model

    viewer = make_napari_viewer_proxy()
    frames, _, _ = drifting(count=3)
    viewer.add_image(frames, name="stack", scale=(1, 0.02, 0.02), units=("pixel", "nm", "nm"))
    get_app_model().commands.execute_command(f"{PLUGIN}.average_frames").result()
    qtbot.waitUntil(lambda: "stack, average" in viewer.layers, timeout=60_000)
    layer, wanted = viewer.layers["stack, average"], AverageFrames().average(Image(frames))
    np.testing.assert_array_equal(layer.data, wanted.image.data)
    np.testing.assert_allclose(layer.scale, (0.02, 0.02))
    assert [str(unit) for unit in layer.units] == ["nanometer", "nanometer"]
    np.testing.assert_allclose(layer.metadata[KEY]["shifts_px"], wanted.shifts, atol=1e-3)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "No layer is selected"),
        (np.eye(32), "flat is not a stack of frames"),
        (np.zeros((2, 2, 32, 32)), "flat is not a stack of frames"),
    ],
)
def test_what_is_no_stack_is_told(viewer, monkeypatch, data, says):
    said = []
    monkeypatch.setattr("local_crystallography._napari.commands.show_warning", said.append)
    if data is not None:
        viewer.layers.append(ImageLayer(data, name="flat"))
    average_frames(viewer)
    assert len(said) == 1
    assert said[0].startswith(says)


def test_a_stack_that_cannot_be_averaged_is_told(viewer, monkeypatch, qtbot):
    said = []
    monkeypatch.setattr("local_crystallography._napari.commands.show_warning", said.append)
    viewer.layers.append(ImageLayer(np.zeros((3, 32, 32)), name="empty"))
    average_frames(viewer)
    qtbot.waitUntil(lambda: bool(said), timeout=30_000)
    assert "so there is nothing to see" in said[0]

"""The lasso on the image, drawn by the mouse in a real viewer."""

import numpy as np
import pytest
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.selection.image_lasso import ImageLasso
from local_crystallography._napari.session.controller import Controller
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.image import Image

KEYS = QtCore.Qt.KeyboardModifier
LEFT, NO_BUTTON = QtCore.Qt.MouseButton.LeftButton, QtCore.Qt.MouseButton.NoButton
KINDS = QtCore.QEvent.Type
PIXELS = np.random.default_rng(0).normal(size=(90, 120)).astype(np.float32)
GRID = np.stack(np.meshgrid(np.arange(5.0, 90, 10), np.arange(5.0, 120, 10), indexing="ij"), axis=-1).reshape(-1, 2)
CORNERS = np.array([(20, 30), (20, 72), (62, 72), (62, 30), (20, 30)])


def in_box(yx, corners=CORNERS):
    return ((yx > corners.min(axis=0)) & (yx < corners.max(axis=0))).all(axis=1)


@pytest.fixture(params=[1, 3], ids=["image", "stack"])
def analysis(request):
    frames = request.param
    done = Analysis(Image(PIXELS if frames == 1 else np.stack([PIXELS] * frames), 0.02, "sample"))
    done.atoms = Atoms.at(np.tile(GRID, (frames, 1)), frame=np.repeat(np.arange(frames), len(GRID)), pixel_size=0.02)
    return done


@pytest.fixture
def controller(make_napari_viewer_proxy, analysis, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    window = next(each for each in QtWidgets.QApplication.topLevelWidgets() if isinstance(each, QtWidgets.QMainWindow))
    controller = Controller(viewer, window)
    controller.adopt(analysis)
    viewer.reset_view()
    if analysis.image.data.ndim == 3:
        viewer.dims.set_current_step(0, 1)
    qtbot.wait(100)
    yield controller
    controller.leave()
    controller.deleteLater()


@pytest.fixture
def lasso(controller):
    lasso = ImageLasso(controller)
    yield lasso
    lasso.leave()


def canvas(controller):
    """The widget the image is drawn in: it fills the middle of the window."""
    window = next(each for each in QtWidgets.QApplication.topLevelWidgets() if isinstance(each, QtWidgets.QMainWindow))
    return next(
        each for each in window.centralWidget().findChildren(QtWidgets.QWidget) if "Canvas" in type(each).__name__
    )


def spot(controller, widget, yx):
    """Where a place (y, x) of the image is on the canvas."""
    camera = controller.viewer.scene.camera
    world = np.asarray(yx) * 0.02
    y, x = (world - np.asarray(camera.center)[-2:]) * camera.zoom + np.array([widget.height(), widget.width()]) / 2
    return QtCore.QPointF(x, y)


def send(widget, kind, place, buttons, keys):
    event = QtGui.QMouseEvent(kind, place, QtCore.QPointF(widget.mapToGlobal(place)), *buttons, keys)
    QtWidgets.QApplication.sendEvent(widget, event)


def draw(controller, lasso, qtbot, corners=CORNERS, keys=KEYS.NoModifier):
    """Drag around the corners, as a hand does."""
    widget, steps = lasso.sheet, np.arange(0, len(corners) - 0.99, 0.1)
    path = np.stack([np.interp(steps, range(len(corners)), axis) for axis in np.asarray(corners, float).T], axis=1)
    places = [spot(controller, widget, yx) for yx in path]
    send(widget, KINDS.MouseButtonPress, places[0], (LEFT, LEFT), keys)
    for place in places[1:]:
        send(widget, KINDS.MouseMove, place, (NO_BUTTON, LEFT), keys)
        qtbot.wait(5)
    send(widget, KINDS.MouseButtonRelease, places[-1], (LEFT, NO_BUTTON), keys)
    qtbot.wait(20)


def names(controller):
    return [layer.name for layer in controller.viewer.layers]


@pytest.mark.slow
def test_atoms_inside_are_selected_in_the_frame_shown(controller, lasso, analysis, qtbot):
    before, active = names(controller), controller.viewer.layers.selection.active
    lasso.action.trigger()
    assert lasso.sheet.size() == canvas(controller).size()
    draw(controller, lasso, qtbot)
    frame = 0 if analysis.image.data.ndim == 2 else 1
    np.testing.assert_array_equal(
        controller.selection.mask, in_box(analysis.atoms.yx) & (analysis.atoms.frame == frame)
    )
    assert controller.selection.count == 16
    assert set(names(controller)) == {*before, "selected atoms"}
    assert not lasso.action.isChecked()
    assert lasso.sheet is None
    assert controller.viewer.layers.selection.active == active


@pytest.mark.slow
@pytest.mark.parametrize("analysis", [1], indirect=True)
def test_an_outline_may_be_clicked_from_corner_to_corner(controller, lasso, analysis, qtbot):
    lasso.action.trigger()
    sheet = lasso.sheet
    places = [spot(controller, sheet, yx) for yx in CORNERS[:4]]
    for place in places:
        send(sheet, KINDS.MouseButtonPress, place, (LEFT, LEFT), KEYS.NoModifier)
        send(sheet, KINDS.MouseButtonRelease, place, (LEFT, NO_BUTTON), KEYS.NoModifier)
        qtbot.wait(5)
    assert not controller.selection.count
    send(sheet, KINDS.MouseButtonDblClick, places[-1], (LEFT, LEFT), KEYS.NoModifier)
    np.testing.assert_array_equal(controller.selection.mask, in_box(analysis.atoms.yx))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "combine"),
    [
        (KEYS.ShiftModifier, np.logical_or),
        (KEYS.AltModifier, lambda old, new: old & ~new),
        (KEYS.ControlModifier, lambda old, new: old & ~new),
        (KEYS.ShiftModifier | KEYS.AltModifier, np.logical_and),
    ],
    ids=["add", "subtract", "subtract too", "intersect"],
)
@pytest.mark.parametrize("analysis", [1], indirect=True)
def test_keys_say_how_to_combine(controller, lasso, analysis, qtbot, keys, combine):
    old = analysis.atoms.yx[:, 1] < 50
    controller.selection.apply(old)
    lasso.action.trigger()
    draw(controller, lasso, qtbot, keys=keys)
    np.testing.assert_array_equal(controller.selection.mask, combine(old, in_box(analysis.atoms.yx)))


def press_escape(widget):
    for kind in (KINDS.ShortcutOverride, KINDS.KeyPress, KINDS.KeyRelease):
        event = QtGui.QKeyEvent(kind, QtCore.Qt.Key.Key_Escape, KEYS.NoModifier)
        QtWidgets.QApplication.sendEvent(widget, event)


def cancel_by_escape(controller, lasso):
    press_escape(canvas(controller))


def cancel_by_second_press(controller, lasso):
    lasso.action.trigger()


def cancel_by_closing(controller, lasso):
    lasso.leave()


@pytest.mark.slow
@pytest.mark.parametrize("cancel", [cancel_by_escape, cancel_by_second_press, cancel_by_closing])
@pytest.mark.parametrize("analysis", [1], indirect=True)
def test_cancelling_leaves_everything_as_it_was(controller, analysis, qtbot, cancel):
    lasso = ImageLasso(controller)
    controller.viewer.layers.selection.active = controller.viewer.layers["atoms"]
    before, selected = names(controller), controller.selection.revision
    lasso.action.trigger()
    widget = lasso.sheet
    send(widget, KINDS.MouseButtonPress, spot(controller, widget, (20, 20)), (LEFT, LEFT), KEYS.NoModifier)
    send(widget, KINDS.MouseButtonRelease, spot(controller, widget, (20, 20)), (LEFT, NO_BUTTON), KEYS.NoModifier)
    cancel(controller, lasso)
    qtbot.wait(20)
    assert names(controller) == before
    assert controller.selection.revision == selected
    assert not lasso.action.isChecked()
    assert controller.viewer.layers.selection.active.name in ("atoms", "sample")
    press_escape(canvas(controller))  # nobody listens any more


@pytest.mark.slow
@pytest.mark.parametrize("analysis", [1], indirect=True)
def test_another_layer_chosen_meanwhile_stays_chosen(controller, lasso, qtbot):
    lasso.action.trigger()
    controller.viewer.layers.selection.active = controller.viewer.layers["atoms"]
    qtbot.wait(20)
    assert lasso.sheet is None
    assert controller.viewer.layers.selection.active.name == "atoms"


@pytest.mark.slow
@pytest.mark.parametrize("analysis", [1], indirect=True)
def test_the_image_removed_meanwhile_ends_it(controller, lasso):
    lasso.action.trigger()
    controller.viewer.layers.remove("sample")
    assert lasso.sheet is None
    assert not lasso.action.isEnabled()


def test_without_atoms_there_is_nothing_to_draw_around(make_napari_viewer_proxy):
    controller = Controller(make_napari_viewer_proxy())
    assert not ImageLasso(controller).action.isEnabled()
    controller.leave()


@pytest.mark.slow
@pytest.mark.parametrize("analysis", [1], indirect=True)
def test_on_a_grid_of_layers_there_is_no_one_plane(controller, lasso):
    said = []
    controller.failed.connect(said.append)
    controller.viewer.canvas.grid.enabled = True
    lasso.action.trigger()
    assert lasso.sheet is None
    assert "not as a grid" in said[0]


@pytest.mark.slow
@pytest.mark.parametrize("analysis", [1], indirect=True)
def test_the_outline_is_where_it_is_seen_on_a_rotated_image(controller, lasso, analysis, qtbot):
    controller.active.layer.rotate = 90
    qtbot.wait(200)
    camera, layer = controller.viewer.scene.camera, controller.active.layer
    world = np.array([layer.data_to_world(yx) for yx in CORNERS]) / 0.02
    lasso.action.trigger()
    draw(controller, lasso, qtbot, corners=world)
    assert camera.zoom > 0
    np.testing.assert_array_equal(controller.selection.mask, in_box(analysis.atoms.yx))


@pytest.mark.slow
@pytest.mark.parametrize("analysis", [3], indirect=True)
def test_an_image_seen_from_the_side_is_said(controller, lasso):
    said = []
    controller.failed.connect(said.append)
    controller.viewer.dims.order = (1, 0, 2)
    lasso.action.trigger()
    assert not lasso.action.isChecked()
    assert "needs the image plane" in said[0]

"""What the pointer is on: in the image, as a ring, and on the card."""

import threading
import time

import numpy as np
import pytest
from analyses import copied
from qtpy import QtCore, QtGui, QtWidgets
from qtpy.QtOpenGLWidgets import QOpenGLWidget

from local_crystallography._napari.explorer.card import HINT, NO_NETWORK, HoverCard, why_none
from local_crystallography._napari.explorer.hover import Nearest, RingWidget
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.subimages import SubImages
from local_crystallography.views.readout import readout

PLUGIN, NAME = "napari-local-crystallography", "Analyse image …"
NONE, SHIFT, ALT = (
    getattr(QtCore.Qt.KeyboardModifier, name) for name in ("NoModifier", "ShiftModifier", "AltModifier")
)


def test_the_nearest_atom_of_a_frame_within_half_the_distance_of_neighbours():
    yx = np.stack(np.meshgrid(np.arange(5) * 10.0, np.arange(5) * 10.0, indexing="ij"), axis=-1).reshape(-1, 2)
    atoms = Atoms.at(np.concatenate([yx, yx + 3]), frame=np.repeat([0, 1], 25))
    nearest = Nearest(atoms, 1)
    assert nearest.row((3.0, 13.0)) == 26
    assert nearest.row((7.9, 13.0)) == 26
    assert nearest.row((-2.1, 3.0)) is None
    assert Nearest(atoms, 0).row((0, 0)) == 0
    assert nearest.is_of(atoms.with_features(label=1), 1)
    assert not nearest.is_of(atoms, 0)
    assert not nearest.is_of(atoms[1:], 1)


def test_a_single_atom_is_found():
    assert Nearest(Atoms.at([[5.0, 5.0]]), 0).row((6, 6)) == 0


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        (
            0.02,
            [("x, y", "0.400, 0.200 nm"), ("angle", "−30.0 ± 1.0°"), ("offset y", "−4.0 pm"), ("offset x", "10.0 pm")],
        ),
        (
            None,
            [("x, y", "20.0, 10.0 px"), ("angle", "−30.0 ± 1.0°"), ("offset y", "−0.20 px"), ("offset x", "0.50 px")],
        ),
    ],
)
def test_values_have_units(size, wanted):
    columns = {"angle_rad": np.radians(-30), "angle_std_rad": np.radians(1), "offset_y_px": -0.2, "offset_x_px": 0.5}
    atoms = Atoms.at([[10.0, 20.0]], pixel_size=size, columns=columns | {"z0": 1.0, "z0_std": 0.25})
    assert readout(atoms, 0) == [*wanted[:2], ("z0", "1.00 ± 0.25"), *wanted[2:]]


def test_what_is_not_known_is_left_out():
    columns = {"angle_rad": np.nan, "z0": np.nan, "c0": 0.5, "intensity": 12.0, "reconstruction_error": 1.5}
    told = readout(Atoms.at(np.zeros((2, 2)), frame=[0, 1], columns=columns), 1)
    assert told == [
        ("x, y", "0.0, 0.0 px"),
        ("frame", "1"),
        ("reconstruction error", "1.5"),
        ("c0", "0.5"),
        ("intensity", "12"),
    ]


def test_of_what_is_asked_meanwhile_only_the_last_is_done(qtbot):
    latest, go, called, given = LatestTask(), threading.Event(), [], []

    def count(number):
        called.append(number)
        go.wait(5)
        return number

    for number in range(4):
        latest.ask(lambda number=number: count(number), given.append, pytest.fail)
    go.set()
    qtbot.waitUntil(lambda: bool(given), timeout=3000)
    assert called == [0, 3]
    assert given == [3]
    assert not latest.busy


@pytest.mark.parametrize("error", [InputError("No."), RuntimeError("out of memory"), MemoryError()])
def test_what_goes_wrong_aside_comes_back_in_words(qtbot, error):
    latest, given = LatestTask(), []

    def fail():
        raise error

    latest.ask(fail, pytest.fail, given.append)
    qtbot.waitUntil(lambda: bool(given), timeout=3000)
    assert isinstance(given[0], str)
    assert given[0]


def test_what_is_dropped_does_not_come(qtbot):
    latest, given = LatestTask(), []
    latest.ask(lambda: time.sleep(0.05), given.append, given.append)
    latest.drop()
    qtbot.waitUntil(lambda: not latest.busy, timeout=3000)
    assert not given


@pytest.fixture
def viewer(request, qtbot):
    """The real one for the mouse over the canvas, one without a canvas for all else."""
    if "mouse" in request.fixturenames:
        return request.getfixturevalue("make_napari_viewer_proxy")(show=True)
    viewer = request.getfixturevalue("light_viewer")
    viewer.window.main.show()
    return viewer


@pytest.fixture
def shown(request, quick_analysis):
    """A finished analysis, without the layers of its maps where the mouse needs a canvas, which is slow to fill."""
    if "mouse" not in request.fixturenames:
        return quick_analysis
    bare = copied(quick_analysis)
    bare.maps = None
    return bare


@pytest.fixture
def main(viewer, shown, qtbot):
    """The dock with the analysis, its explorer open."""
    _, main = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    main.controller.adopt(shown)
    main.docks.show_explorer()
    qtbot.waitUntil(lambda: not main.controller.running, timeout=30_000)
    qtbot.wait(300)  # the canvas gets its size
    viewer.reset_view()
    yield main
    main.controller.runner.halt()


@pytest.fixture
def card(main):
    return main.docks.explorer.findChild(HoverCard)


@pytest.fixture
def mouse(main, viewer, qtbot):
    """Moves the mouse to a place (y, x) in pixels of the image, or clicks there."""
    canvas = main.window().centralWidget().findChild(QOpenGLWidget)
    types, left, none = QtCore.QEvent.Type, QtCore.Qt.MouseButton.LeftButton, QtCore.Qt.MouseButton.NoButton

    def spot(yx):
        away = np.array(main.session.layer.data_to_world(yx)) - viewer.scene.camera.center[-2:]
        y, x = away * viewer.scene.camera.zoom + np.array([canvas.height(), canvas.width()]) / 2
        return QtCore.QPointF(x, y)

    def send(kind, place, buttons, modifiers):
        event = QtGui.QMouseEvent(kind, place, QtCore.QPointF(canvas.mapToGlobal(place)), *buttons, modifiers)
        QtWidgets.QApplication.sendEvent(canvas, event)

    def move(yx, click=False, modifiers=NONE, drag=0):
        qtbot.wait(30)  # moves that come faster are left out
        place = spot(yx)
        send(types.MouseMove, place, (none, none), modifiers)
        if click:
            send(types.MouseButtonPress, place, (left, left), modifiers)
            if drag:
                place = place + QtCore.QPointF(drag, 0)
                send(types.MouseMove, place, (none, left), modifiers)
            send(types.MouseButtonRelease, place, (left, none), modifiers)

    return move


@pytest.mark.slow
def test_the_pointer_tells_the_atom_below_it(main, mouse, quick_analysis):
    hover, atoms = main.controller.hover, quick_analysis.atoms
    for row in (200, 400, 900):
        mouse(atoms.yx[row] + 0.5)
        assert hover.row == row
    mouse((-30.0, -30.0))
    assert hover.row is None


@pytest.mark.slow
def test_the_pointer_leaves_the_canvas(main, viewer, mouse, quick_analysis):
    viewer.mouse_over_canvas = True
    mouse(quick_analysis.atoms.yx[200])
    viewer.mouse_over_canvas = False
    assert main.controller.hover.row is None


@pytest.mark.slow
def test_a_click_selects_and_keys_combine(main, mouse, quick_analysis, qtbot):
    yx, selected = quick_analysis.atoms.yx, lambda: np.flatnonzero(main.controller.selection.mask).tolist()
    for row, modifiers, wanted in ((400, NONE, [400]), (600, SHIFT, [400, 600]), (400, ALT, [600]), (500, NONE, [500])):
        mouse(yx[row], click=True, modifiers=modifiers)
        assert selected() == wanted
        qtbot.wait(400)  # or two clicks are a double one
    mouse((-30.0, -30.0), click=True)
    assert selected() == [500]


@pytest.mark.slow
def test_a_drag_moves_the_image_and_selects_nothing(main, mouse, quick_analysis):
    mouse(quick_analysis.atoms.yx[400], click=True, drag=25)
    assert main.controller.selection.count == 0


@pytest.mark.slow
def test_a_click_that_adds_a_point_does_not_select(main, viewer, mouse, quick_analysis):
    layer = main.session.results.get("atoms")
    viewer.layers.selection.active = viewer.add_points(np.zeros((1, 2)), name="mine", scale=layer.scale)
    viewer.layers["mine"].mode = "add"
    mouse(quick_analysis.atoms.yx[400], click=True)
    assert main.controller.selection.count == 0


@pytest.mark.slow
def test_a_plot_that_points_at_an_atom_rings_it_in_the_image(main, viewer, quick_analysis, mouse):
    hover, ring = main.controller.hover, main.docks.pointer.ring
    hover.on_atom(500, source="plot")
    widget = main.window().centralWidget().findChild(RingWidget)
    assert ring.visible
    world = main.session.layer.data_to_world(quick_analysis.atoms.yx[500])
    for zoom in (1.0, 2.0):
        viewer.scene.camera.zoom *= zoom
        size = np.array([widget.parent().height(), widget.parent().width()])
        y, x = (np.array(world) - viewer.scene.camera.center[-2:]) * viewer.scene.camera.zoom + size / 2
        middle = widget.geometry().center()
        assert abs(middle.x() - x) <= 2
        assert abs(middle.y() - y) <= 2
    mouse(quick_analysis.atoms.yx[500])
    hover.on_place({"z0": 0.0, "z1": 0.0})
    assert not ring.visible


def test_the_card_shows_an_atom(main, card, quick_analysis, qtbot):
    row = int(np.flatnonzero(quick_analysis.atoms.features["label"] == 1)[0])
    main.controller.hover.on_atom(row, source="plot")
    qtbot.waitUntil(lambda: not card.pictures["model"].label.pixmap().isNull(), timeout=5000)
    assert not card.pictures["sub-image"].label.pixmap().isNull()
    assert not card.pictures["decoded"].isVisible()
    assert "class 1" in card.title.text()
    assert f"atom {quick_analysis.atoms.ids[row]}" in card.title.text()
    assert all(text in card.values.toolTip() for _, text in readout(quick_analysis.atoms, row))


def test_the_model_is_in_the_pose_of_the_atom(main, card, quick_analysis, qtbot, monkeypatch):
    seen = []
    row = int(np.flatnonzero(quick_analysis.atoms.features["z0"].notna())[3])
    monkeypatch.setattr(card.pictures["model"], "show_picture", seen.append)
    main.controller.hover.on_atom(row, source="plot")
    qtbot.waitUntil(lambda: bool(seen), timeout=5000)
    place = quick_analysis.sub_images.atoms.ids.tolist().index(int(quick_analysis.atoms.ids[row]))
    wanted = quick_analysis.vae.reconstruct(quick_analysis.sub_images.windows[place : place + 1])[0]
    inside = seen[0][..., 3] > 0
    assert np.corrcoef(seen[0][..., 0][inside], wanted[inside])[0, 1] > 0.99


def test_the_card_decodes_an_empty_place(main, card, quick_analysis, qtbot):
    main.controller.hover.on_place({"z0": 1.0, "z1": -0.5}, source="plot")
    qtbot.waitUntil(lambda: not card.pictures["decoded"].label.pixmap().isNull(), timeout=5000)
    assert card.pictures["decoded"].isVisible()
    assert not card.pictures["model"].isVisible()
    assert "−0.50" in card.values.text()


@pytest.mark.parametrize("place", [{}, {"x_px": 3.0, "y_px": 4.0}])
def test_the_card_has_nothing_to_say_of_other_places(main, card, place, qtbot):
    main.controller.hover.on_atom(300)
    main.controller.hover.on_place(place, source="plot")
    qtbot.waitUntil(lambda: HINT in card.title.text(), timeout=2000)
    assert not any(picture.isVisible() for picture in card.pictures.values())


@pytest.mark.slow
def test_the_card_stays_with_the_only_selected_atom(main, card, quick_analysis, mouse, qtbot):
    mouse(quick_analysis.atoms.yx[400], click=True)
    mouse((-30.0, -30.0))
    qtbot.waitUntil(lambda: f"atom {quick_analysis.atoms.ids[400]}" in card.title.text(), timeout=2000)


def test_the_card_says_what_is_missing(main, card, quick_analysis, qtbot):
    edge = int(np.flatnonzero(quick_analysis.atoms.features["z0"].isna())[0])
    main.controller.hover.on_atom(edge)
    qtbot.waitUntil(lambda: "too close to an edge" in card.pictures["sub-image"].label.text(), timeout=2000)
    analysis = main.session.analysis
    assert analysis is quick_analysis
    card._show_atom(without_network(quick_analysis), quick_analysis.atoms, 400)
    assert NO_NETWORK in card.pictures["model"].label.text()


def without_network(analysis):
    from local_crystallography.analysis import Analysis

    bare = Analysis()
    results = {name: getattr(analysis, name) for name in analysis.results} | {"vae": None}
    bare.restore_results(results, {}, {}, {})
    return bare


def test_a_hidden_card_does_nothing(main, card, qtbot):
    main.docks.explorer.parent().hide()
    before = card.title.text()
    main.controller.hover.on_atom(321)
    qtbot.wait(100)
    assert card.title.text() == before


def test_the_pointer_is_forgotten_with_the_dock(main, viewer, qtbot):
    callbacks = len(viewer.mouse_move_callbacks), len(viewer.mouse_drag_callbacks)
    viewer.window.remove_dock_widget(main)
    qtbot.wait(50)
    assert (len(viewer.mouse_move_callbacks), len(viewer.mouse_drag_callbacks)) == (callbacks[0] - 1, callbacks[1] - 1)


EDGE, WEAK = "too close to an edge", "left out: weak or masked"


@pytest.mark.parametrize(("yx", "words"), [((1, 1), EDGE), ((20, 20), WEAK), ((20, 39), EDGE)])
def test_why_an_atom_has_no_sub_image(yx, words):
    analysis = Analysis(Image(np.eye(40)))
    analysis.atoms = Atoms.at([yx, (25, 25)])
    assert why_none(analysis, 0) == "no sub-images yet"
    analysis.sub_images = SubImages(np.zeros((1, 12, 12), np.float32), analysis.atoms[1:])
    assert why_none(analysis, 0) == words

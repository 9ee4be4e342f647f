"""The measure dock: a profile drawn with the mouse, means of areas, arrows and colours of displacements."""

import numpy as np
import pandas as pd
import pytest
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers import convert, vectors
from local_crystallography._napari.main.dock import MainDock
from local_crystallography._napari.measure.dock import MeasureDock
from local_crystallography._napari.measure.profile_panel import DRAW, NO_ATOMS
from local_crystallography._napari.session.controller import Controller
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.image import Image
from local_crystallography.data.progress import finish
from local_crystallography.steps.measure_lattice import MeasureLattice
from local_crystallography.views.vectors import VectorField

CELLS = np.stack(np.meshgrid(np.arange(12), np.arange(16), indexing="ij"), -1).reshape(-1, 2)
CORNERS, CENTRES = 16.0 * CELLS + 12, 16.0 * CELLS + 20
PIXELS = np.random.default_rng(0).normal(size=(210, 280)).astype(np.float32)
LEFT, NO_BUTTON = QtCore.Qt.MouseButton.LeftButton, QtCore.Qt.MouseButton.NoButton
KINDS = QtCore.QEvent.Type
SIZE = 0.02


def polar(frames=1):
    """Weak atoms displaced down in the left half and up in the right one, with classes of the halves."""
    shift = np.where(CENTRES[:, 1:] < 140, 1.0, -1.0) * (0.6, 0.0)
    yx = np.vstack([CORNERS, CENTRES + shift])
    columns = {
        "intensity": np.repeat([2.0, 1.0], len(CELLS)),
        "label": (yx[:, 1] > 140).astype(int),
    }
    columns = {name: np.tile(values, frames) for name, values in columns.items()}
    pixels = PIXELS if frames == 1 else np.stack([PIXELS] * frames)
    done = Analysis(Image(pixels, SIZE, "polar"))
    frame = np.repeat(np.arange(frames), len(yx))
    done.atoms = Atoms.at(np.tile(yx, (frames, 1)), frame=frame, pixel_size=SIZE, columns=columns)
    finish(done.apply(MeasureLattice()))
    return done


@pytest.fixture
def main(viewer, qtbot):
    viewer.window.main.show()
    main = MainDock(viewer)
    viewer.window.add_dock_widget(main, name="dock")
    yield main
    main.controller.runner.halt()


@pytest.fixture
def dock(main, qtbot):
    """The measure dock of a polar crystal."""
    main.controller.adopt(polar())
    main.buttons["Measure"].click()
    dock = main.docks.behind["Measure"]
    settle(dock, qtbot)
    return dock


def settle(dock, qtbot):
    """Wait until all that was asked for is shown."""
    qtbot.wait(40)
    panel = dock.panels[dock.tabs.currentIndex()]
    qtbot.waitUntil(lambda: not panel.busy and not dock.controller.running, timeout=20_000)
    qtbot.wait(10)


def drawn(dock, qtbot, kind, corners):
    """Add a shape to the layer of a panel, in pixels of the image."""
    panel = dock.panels[dock.tabs.currentIndex()]
    panel.draw.click()
    panel.drawing.layer.add([np.asarray(corners, float)], shape_type=kind)
    settle(dock, qtbot)
    return panel


def choose(box, data):
    box.setCurrentIndex(box.findData(data))
    box.activated.emit(box.currentIndex())


def test_it_says_what_to_do_first(main, qtbot):
    main.buttons["Measure"].click()
    dock = main.docks.behind["Measure"]
    assert dock.profile.message.text() == NO_ATOMS
    main.controller.adopt(polar())
    settle(dock, qtbot)
    assert dock.profile.message.text() == DRAW
    assert not dock.profile.save.isEnabled()


def test_a_profile_follows_its_line_and_column(dock, qtbot, tmp_path):
    panel = drawn(dock, qtbot, "line", [(100, 20), (103, 260)])
    choose(panel.atoms_box, "sublattice=1")
    choose(panel.column, "displacement_y_nm")
    settle(dock, qtbot)
    mean, _ = panel.profile.values("displacement_y_nm")
    assert panel.profile.planes
    assert np.nanmax(mean) == pytest.approx(0.6 * SIZE)
    assert np.nanmin(mean) == pytest.approx(-0.6 * SIZE)
    assert panel.plot.shown[0][0][-1] == pytest.approx(panel.profile.distance[-1] * SIZE)
    panel.drawing.layer.data = [np.array([(60.0, 20.0), (60.0, 120.0)])]
    settle(dock, qtbot)
    assert np.nanmin(panel.profile.values("displacement_y_nm")[0]) > 0
    panel.save_table(tmp_path / "p.csv")
    settle(dock, qtbot)
    assert "displacement_y_nm_standard_error" in pd.read_csv(tmp_path / "p.csv")
    panel.save_figure(tmp_path / "p.png")
    settle(dock, qtbot)
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_the_width_of_the_strip_is_that_of_the_line(dock, qtbot):
    panel = drawn(dock, qtbot, "line", [(100, 20), (100, 260)])
    few = panel.profile.count.sum()
    panel.width.setValue(2 * panel.width.value())
    panel.width.editingFinished.emit()
    settle(dock, qtbot)
    assert panel.profile.count.sum() > 1.5 * few
    assert panel.drawing.layer.edge_width[0] * SIZE == pytest.approx(panel.width.value(), abs=0.01)


def test_classes_across_a_line_are_shares(dock, qtbot):
    panel = drawn(dock, qtbot, "line", [(100, 20), (100, 260)])
    choose(panel.column, "label")
    settle(dock, qtbot)
    assert set(panel.profile.series) == {"label = 0", "label = 1"}
    assert len(panel.plot.shown) == 2


def test_mean_vectors_of_areas_drawn(dock, qtbot, tmp_path):
    dock.tabs.setCurrentIndex(1)
    panel = drawn(dock, qtbot, "polygon", [(5, 5), (5, 110), (205, 110), (205, 5)])
    assert "12.0" in panel.table.text()
    assert "area 1<br>sublattice 1" in panel.table.text()
    panel.save_table(tmp_path / "m.csv")
    settle(dock, qtbot)
    table = pd.read_csv(tmp_path / "m.csv").set_index(["region", "column"])
    weak = table.loc["area 1, sublattice 1"]
    assert weak.loc["displacement_y_nm", "mean"] == pytest.approx(0.6 * SIZE)
    assert np.degrees(weak.loc["direction of the mean displacement_rad", "mean"]) == pytest.approx(-90, abs=1)
    choose(panel.group, "label")
    settle(dock, qtbot)
    assert "class 1<br>sublattice 1" in panel.table.text()


def test_arrows_and_colours_are_reached_by_show(main, dock, qtbot):
    results = main.controller.active.results
    main.show_box.choose(vectors.ARROWS)
    settle(dock, qtbot)
    arrows, wheel = results.get(vectors.ARROWS), results.get(vectors.WHEEL)
    assert arrows.visible
    assert wheel.visible
    assert results.get(vectors.COLOURS) is None
    assert not results.get("atoms").visible
    shift = arrows.data[:, 1]
    assert np.abs(shift[:, 0]).max() == pytest.approx(0.6)  # true lengths, exaggerated by the layer
    assert arrows.length > 5
    assert f"×{arrows.length:g}" in arrows.name
    up, down = arrows.edge_color[shift[:, 0] < -0.5], arrows.edge_color[shift[:, 0] > 0.5]
    assert up.std(axis=0).max() < 1e-6
    assert np.abs(up[0] - down[0]).max() > 0.4  # opposite hues
    main.show_box.choose(vectors.COLOURS)
    settle(dock, qtbot)
    assert not arrows.visible
    colours = results.get(vectors.COLOURS)
    assert colours.visible
    assert colours.rgb
    assert np.allclose(colours.data[100, 60, :3] / 255, down[0, :3], atol=0.02)
    main.show_box.choose("")
    settle(dock, qtbot)
    assert not colours.visible
    assert results.get("atoms").visible


def test_arrows_go_when_the_lattice_goes(main, dock, qtbot):
    main.show_box.choose(vectors.ARROWS)
    settle(dock, qtbot)
    results, analysis = main.controller.active.results, main.controller.analysis
    analysis.atoms = Atoms.at(CORNERS, pixel_size=SIZE)
    results.prune()
    assert results.get(vectors.ARROWS) is None


def test_the_sublattice_of_the_arrows_is_chosen_in_its_tab(main, dock, qtbot):
    main.show_box.choose(vectors.ARROWS)
    settle(dock, qtbot)
    dock.tabs.setCurrentIndex(2)
    settle(dock, qtbot)
    panel, results = dock.vectors, main.controller.active.results
    assert "sublattice 1" in panel.words.text()
    panel.form.set(VectorField(sublattice=0))
    settle(dock, qtbot)
    settle(dock, qtbot)
    assert results.field == VectorField(sublattice=0)
    assert np.isin(results.get(vectors.ARROWS).data[:, 0, 0], CORNERS[:, 0]).all()


def test_vectors_of_a_stack_have_frames(viewer, qtbot):
    controller = Controller(viewer)
    session = controller.adopt(polar(frames=2))
    session.results.show_map(vectors.ARROWS)
    data = session.results.get(vectors.ARROWS).data
    assert data.shape[1:] == (2, 3)
    assert set(data[:, 0, 0]) == {0, 1}
    assert session.results.get(vectors.WHEEL).data.shape == (2, 210, 280, 4)
    controller.leave()


def spot(viewer, widget, yx):
    """Where a place (y, x) of the image is on the canvas."""
    camera = viewer.scene.camera
    world = np.asarray(yx) * SIZE
    y, x = (world - np.asarray(camera.center)[-2:]) * camera.zoom + np.array([widget.height(), widget.width()]) / 2
    return QtCore.QPointF(x, y)


@pytest.mark.slow
def test_a_line_dragged_with_the_mouse_gives_a_profile(make_napari_viewer_proxy, qtbot):
    """Draw a line, drag across the interface: a profile is there, and the next drag moves the line."""
    from qtpy import QtGui

    viewer = make_napari_viewer_proxy(show=True)
    controller = Controller(viewer)
    session = controller.adopt(polar())
    viewer.reset_view()
    dock = MeasureDock(controller, lambda name: None)
    dock.show()
    qtbot.wait(100)
    dock.profile.draw.click()
    layer = dock.profile.drawing.layer
    assert layer.mode == "add_line"
    window = next(each for each in QtWidgets.QApplication.topLevelWidgets() if isinstance(each, QtWidgets.QMainWindow))
    widgets = window.centralWidget().findChildren(QtWidgets.QWidget)
    canvas = next(each for each in widgets if "Canvas" in type(each).__name__)
    path = [(100, 30), (100, 90), (101, 180), (102, 250)]
    steps = [(KINDS.MouseButtonPress, path[0], LEFT, LEFT)]
    steps += [(KINDS.MouseMove, place, NO_BUTTON, LEFT) for place in path]
    steps += [(KINDS.MouseButtonRelease, path[-1], LEFT, NO_BUTTON)]
    for kind, place, button, held in steps:
        at = spot(viewer, canvas, place)
        there = QtCore.QPointF(canvas.mapToGlobal(at.toPoint()))
        event = QtGui.QMouseEvent(kind, at, there, button, held, QtCore.Qt.KeyboardModifier.NoModifier)
        QtWidgets.QApplication.sendEvent(canvas, event)
        qtbot.wait(20)
    settle(dock, qtbot)
    assert layer.mode == "direct"
    start, end = convert.line_from(layer, session.layer, 0)
    assert np.allclose([start, end], [path[0], path[-1]], atol=4)
    assert dock.profile.profile is not None
    assert dock.profile.profile.planes
    controller.leave()

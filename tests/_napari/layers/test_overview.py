"""Many atoms are a picture of what the screen can show."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer

from local_crystallography._napari.layers import convert, overview
from local_crystallography._napari.layers.results import ResultLayers
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms

PITCH = 10.0
GRID = PITCH * np.stack(np.meshgrid(np.arange(1, 20), np.arange(1, 20), indexing="ij"), axis=-1).reshape(-1, 2)


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch, qapp):
    monkeypatch.setattr(overview, "MANY", 100)


def results_on(frames=1, atoms=GRID, **place):
    viewer = ViewerModel()
    data = np.random.default_rng(0).normal(size=(frames, 200, 200)[frames == 1 :]).astype(np.float32)
    layer = viewer.add_layer(ImageLayer(data, name="sample", **place))
    results = ResultLayers(viewer, layer, Analysis(convert.image_from(layer)))
    frame = np.repeat(np.arange(frames), len(atoms))
    found = Atoms.at(np.tile(atoms, (frames, 1)), frame=frame)
    results.analysis.atoms = found.with_features(label=np.arange(len(found)) % 2)
    viewer.canvas.size = (400, 400)
    viewer.reset_view()
    results.show()
    return results


def seen_at(results, yx):
    """The colour of the picture at a pixel (y, x) of the image, 0 to 255."""
    layer = results.overview.picture
    world = results.get("atoms").data_to_world((*(0,) * (results.get("atoms").ndim - 2), *yx))[-2:]
    row, column = np.floor(np.asarray(layer.world_to_data(world)) + 0.5).astype(int)
    height, width = layer.data.shape[:2]
    return layer.data[row, column] if 0 <= row < height and 0 <= column < width else np.zeros(4)


def look_at(results, yx, zoom):
    camera = results.viewer.scene.camera
    camera.center = results.get("atoms").data_to_world(yx)
    camera.zoom = zoom


@pytest.mark.parametrize(
    "place",
    [
        {},
        {"scale": (0.02, 0.02), "units": ("nm", "nm")},
        {"rotate": 30},
        {"affine": [[0, 1, 5], [-2, 0, 7], [0, 0, 1]]},
    ],
    ids=["plain", "nm", "rotated", "affine"],
)
def test_the_picture_lies_on_the_atoms_in_their_colours(place):
    results = results_on(**place)
    assert not results.get("atoms").visible
    assert results.overview.picture.visible
    colours = np.rint(255 * results.get("atoms").face_color)
    for row in (0, 1, 180, 360):
        np.testing.assert_allclose(seen_at(results, GRID[row]), colours[row], atol=1)
        assert seen_at(results, GRID[row] + PITCH / 2)[3] == 0


@pytest.mark.parametrize("zoom", [0.5, 2, 10, 60])
def test_it_follows_the_camera_at_any_zoom(zoom):
    results = results_on()
    look_at(results, GRID[200], zoom)
    results.overview.draw()
    picture = results.overview.picture
    np.testing.assert_allclose(seen_at(results, GRID[200])[:3], 255 * results.get("atoms").face_color[200, :3], atol=1)
    assert np.prod(picture.data.shape[:2]) < 4 * 400 * 400
    assert zoom * picture.scale[0] == pytest.approx(1.0, rel=0.1) or zoom > 5  # a pixel of the screen


def test_a_part_that_was_not_drawn_is_drawn_at_once():
    results = results_on()
    look_at(results, GRID[0], 20)
    assert seen_at(results, GRID[360])[3] == 0
    look_at(results, GRID[360], 20)
    assert seen_at(results, GRID[360])[3] > 200


def test_the_frame_displayed_is_drawn(qtbot):
    results = results_on(frames=2)
    moved = results.analysis.atoms.yx + np.where(results.analysis.atoms.frame == 1, PITCH / 2, 0)[:, None]
    results.analysis.atoms = Atoms.at(moved, frame=results.analysis.atoms.frame)
    results.show()
    results.viewer.dims.set_current_step(0, 0)
    qtbot.wait(20)
    assert seen_at(results, GRID[0])[3] > 200
    results.viewer.dims.set_current_step(0, 1)
    qtbot.wait(20)
    assert seen_at(results, GRID[0])[3] == 0
    assert seen_at(results, GRID[0] + PITCH / 2)[3] > 200


def test_selected_atoms_have_rims_in_the_picture_and_no_rings():
    results = results_on()
    results.show_selected(np.arange(len(GRID)) == 5)
    assert results.get("selected atoms") is None
    beside = GRID[5] + (0, 0.62 * results.get("atoms").size[5])
    assert seen_at(results, beside)[:3].min() > 200
    results.get("atoms").visible = True
    np.testing.assert_array_equal(results.get("selected atoms").data, GRID[5:6])


def test_points_take_the_place_of_the_picture_while_they_are_shown():
    results = results_on()
    points, picture = results.get("atoms"), results.overview.picture
    points.visible = True
    assert not picture.visible
    points.visible = False
    assert picture.visible
    picture.visible = False
    results.analysis.atoms = results.analysis.atoms.with_features(z0=np.zeros(len(GRID)))
    results.show()
    assert [points.visible, picture.visible] == [False, False]  # hidden by the user


def test_new_colours_are_seen(qtbot):
    results = results_on()
    results.set_colour("")
    qtbot.wait(20)
    assert tuple(seen_at(results, GRID[0])[:3]) == tuple(bytes.fromhex(convert.PLAIN[1:]))


def test_few_atoms_are_points():
    results = results_on()
    results.analysis.atoms = Atoms.at(GRID[:50])
    results.show()
    assert results.overview.picture is None
    assert results.get("atoms").visible


def test_the_picture_goes_with_the_points(qtbot):
    results = results_on()
    results.viewer.layers.remove("atoms")
    qtbot.wait(20)
    assert [layer.name for layer in results.viewer.layers] == ["sample"]


def test_without_the_dock_the_points_are_left():
    results = results_on()
    results.leave()
    assert [(layer.name, layer.visible) for layer in results.viewer.layers] == [("sample", True), ("atoms", True)]

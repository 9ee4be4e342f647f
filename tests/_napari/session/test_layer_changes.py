"""A layer that changes after the first run is noticed: results follow it, or are out of date."""

from copy import deepcopy

import numpy as np
import pytest
from analyses import copied

from local_crystallography._napari.layers import convert, geometry
from local_crystallography._napari.main.pixel_size import PixelSizeBox
from local_crystallography._napari.main.step_panel import OUTDATED, standing
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.layer_watch import PAUSE
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.segment import Segment

PLUGIN_SAMPLE = "napari-local-crystallography", "quick"


@pytest.fixture
def session(controller):
    return controller.active


@pytest.fixture
def settled(controller, qtbot):
    """Wait for the watch of the layer."""
    return lambda: qtbot.wait(2 * PAUSE)


def crop(layer):
    layer.data = layer.data[:200, :150]


def other_image(layer):
    layer.data = np.random.default_rng(1).random(layer.data.shape).astype(np.float32)


def edited_in_place(layer):
    layer.data[50:60, 50:60] = 0
    layer.refresh()


def pixels_no_longer_square(layer):
    layer.scale = layer.scale * np.array([1.0, 0.8])


@pytest.mark.parametrize("change", [crop, other_image, edited_in_place, pixels_no_longer_square])
def test_results_of_other_pixels_are_out_of_date_at_once_and_go_with_the_next_run(controller, session, settled, change):
    session.layer.data = session.layer.data.copy()  # the sample is shared
    settled()
    assert not session.outdated
    asked = session.analysis.asked
    before = session.analysis.image.data.copy()
    change(session.layer)
    settled()
    assert session.outdated
    for name in ("segment", "cluster"):
        assert standing(session, asked[name]) == OUTDATED
    np.testing.assert_array_equal(session.analysis.image.data, before)  # the analysis has a copy
    assert session.follow_layer()
    assert session.analysis.atoms is None
    assert not session.outdated


def test_a_change_that_is_taken_back_was_none(controller, session, settled):
    layer, whole = session.layer, session.layer.data
    crop(layer)
    settled()
    assert session.outdated
    layer.data = whole
    settled()
    assert not session.outdated
    assert standing(session, session.analysis.asked["segment"]).startswith("✓")


@pytest.mark.parametrize(
    "change",
    [
        {"translate": (3.0, -4.0)},
        {"rotate": 30.0},
        {"shear": [0.2]},
        {"scale": (-0.05, 0.05)},
        {"affine": [[1, 0.1, 4], [-0.1, 1, 5], [0, 0, 1]]},
        {"scale": (0.3, 0.3), "units": ("angstrom", "angstrom")},
        {"scale": (1.0, 1.0), "units": ("pixel", "pixel")},
    ],
    ids=lambda change: " ".join(change),
)
def test_results_follow_their_image(controller, session, settled, change):
    layer, atoms = session.layer, session.results.get("atoms")
    for name in ("z0", "environment"):
        session.results.show_map(name)
    for name, value in change.items():
        setattr(layer, name, value)
    settled()
    assert not session.outdated
    shown = [each for each in controller.viewer.layers if convert.belongs(each, layer)]
    assert len(shown) >= 5
    for each in shown:
        np.testing.assert_allclose(each.data_to_world((30.0, 40.0)), layer.data_to_world((30.0, 40.0)))
        assert each.units == layer.units
    assert session.analysis.atoms.pixel_size == pytest.approx(geometry.pixel_size_of(layer))
    np.testing.assert_allclose(convert.atoms_from(atoms, layer).yx, session.analysis.atoms.yx, atol=1e-6)


def test_a_layer_copied_from_a_result_follows_too(controller, session, settled):
    data, arguments, _ = session.results.get("atoms").as_layer_data_tuple()
    note = dict(convert.note_of(session.results.get("atoms")))
    note.pop("result")
    mine = controller.viewer.add_points(data, **{**arguments, "metadata": {convert.KEY: note}, "name": "mine"})
    session.layer.scale = (0.03, 0.03)
    settled()
    np.testing.assert_allclose(mine.scale, (0.03, 0.03))


def test_an_image_that_changed_while_another_was_active_is_noticed_when_it_is_chosen(controller, session, settled):
    other = controller.viewer.add_image(np.random.default_rng(0).random((64, 64)), name="other")
    controller.choose(other)
    crop(session.layer)
    settled()
    controller.choose(session.layer)
    assert session.outdated


def test_an_image_that_changed_while_the_dock_was_closed_is_noticed(controller, session):
    viewer, layer, analysis = controller.viewer, session.layer, session.analysis
    controller.leave()
    layer.data = layer.data[:200]
    layer.translate = (5.0, 6.0)
    again = Controller(viewer)
    again.choose(layer)
    assert again.active.analysis is analysis
    assert again.active.outdated
    atoms = next(each for each in viewer.layers if convert.note_of(each).get("result") == "atoms")
    np.testing.assert_allclose(atoms.translate, (5, 6))


def test_atoms_edited_by_hand_are_not_those_of_another_image(controller, session):
    atoms = session.results.get("atoms")
    atoms.data = atoms.data + 0.5
    assert session.take_edits()
    crop(session.layer)
    session.follow_layer()
    assert session.replaced == set()
    assert session.given((Cluster(),)) == {}
    assert atoms.name == "atoms edited by hand"


def test_another_frame_is_no_change(light_viewer, qtbot):
    layer = light_viewer.add_image(np.random.default_rng(0).random((4, 64, 64)))
    controller = Controller(light_viewer)
    controller.choose(layer)
    with qtbot.assertNotEmitted(controller.watch.changed, wait=2 * PAUSE):
        light_viewer.dims.set_current_step(0, 2)


@pytest.mark.parametrize("made", ["a projection", "a copy", "a part"])
def test_what_is_made_of_an_analysed_layer_has_no_results_of_it(controller, session, made):
    data, state, kind = session.layer.as_layer_data_tuple()
    state["name"] = made
    data = {"a projection": data**2, "a copy": deepcopy(data), "a part": data[:100]}[made]
    from napari.layers import Layer

    new = Layer.create(data, state, kind)
    controller.viewer.layers.append(new)
    controller.choose(new)
    assert controller.analysis is not session.analysis
    assert controller.analysis.image is None
    assert convert.note_of(session.layer)["analysis"] is session.analysis
    controller.viewer.layers.remove(session.layer)
    assert controller.analysis.image is None


def test_two_viewers_keep_to_themselves(controller, session, qtbot):
    from napari.components import ViewerModel

    viewer = ViewerModel()
    other = Controller(viewer)
    other.adopt(copied(session.analysis))
    viewer.layers.append(session.layer)
    other.choose(session.layer)
    assert other.analysis is not session.analysis
    other.choose(viewer.layers[0])
    before = controller.selection.mask.copy()
    with qtbot.assertNotEmitted(controller.changed, wait=50):
        other.selection.apply(np.arange(len(other.atoms)) < 5, source=None)
    np.testing.assert_array_equal(controller.selection.mask, before)
    assert other.selection.count == 5
    assert "selected atoms" not in controller.viewer.layers
    other.travel(-1)
    assert other.selection.count == 0
    assert controller.selection.count == before.sum()


def test_two_images_of_one_name_keep_their_results(controller, session):
    """napari numbers the second; a renamed layer keeps what belongs to it."""
    viewer = controller.viewer
    other = controller.adopt(copied(session.analysis))
    assert session.layer.name != other.layer.name
    session.layer.name, other.layer.name = "one", "other"
    session.layer.scale = (0.04, 0.04)
    controller.choose(session.layer)
    np.testing.assert_allclose(session.results.get("atoms").scale, 0.04)
    assert not np.allclose(other.results.get("atoms").scale, 0.04)
    assert other.analysis.atoms.pixel_size != pytest.approx(0.04)
    viewer.layers.remove(session.layer)
    controller.choose(other.layer)
    assert other.results.get("atoms") in viewer.layers
    assert controller.atoms is other.analysis.atoms


def test_the_dock_says_that_the_image_has_changed(light_viewer, quick_analysis, qtbot):
    _, dock = light_viewer.window.add_plugin_dock_widget("napari-local-crystallography", "Analyse image …")
    session = dock.controller.adopt(copied(quick_analysis))
    crop(session.layer)
    qtbot.waitUntil(lambda: session.outdated, timeout=2000)
    assert "no longer the image that was analysed" in dock.news.message.text()
    assert dock.panels[Segment.name()].status.text() == OUTDATED
    dock.controller.runner.halt()


def test_all_layers_of_a_stack_follow_a_new_pixel_size(viewer_model, qtbot):
    """The mask of a stack has no frames, the atoms have."""
    stack = np.random.default_rng(0).random((3, 64, 64)).astype(np.float32)
    mask = np.zeros((64, 64), bool)
    mask[:10] = True
    analysis = Analysis(Image(stack, 0.02, mask=mask))
    analysis.atoms = Atoms.at(np.array([[20.0, 30], [40, 50]]), pixel_size=0.02)
    controller = Controller(viewer_model)
    session = controller.adopt(analysis)
    box = PixelSizeBox(controller)
    qtbot.addWidget(box)
    box.refresh()
    box.box.setValue(0.04)
    assert "0.04 nm" in box.box.text()
    for name in ("mask", "atoms"):
        np.testing.assert_allclose(session.results.get(name).scale[-2:], 0.04)
    session.layer.translate = (2.0, 3.0, 4.0)
    session.layer.rotate = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
    session.notice()
    for name in ("mask", "atoms"):
        layer = session.results.get(name)
        at = session.layer.data_to_world((0, 20, 30))
        np.testing.assert_allclose(layer.data_to_world((0, 20, 30)[-layer.ndim :])[-2:], at[-2:])
    controller.runner.halt()


def test_a_stack_of_another_length_is_another_image(viewer_model):
    stack = np.random.default_rng(0).random((3, 64, 64)).astype(np.float32)
    controller = Controller(viewer_model)
    session = controller.adopt(Analysis(Image(stack)))
    session.layer.data = stack[:2]
    session.notice()
    assert session.outdated
    session.layer.data = stack.copy()
    session.notice()
    assert not session.outdated


def test_two_docks_in_two_viewers(light_viewer, quick_analysis, qtbot):
    """Results, forms, colours and messages of one never turn up in the other."""
    from light_viewer import LightViewer

    second = LightViewer()
    docks = []
    for viewer in (light_viewer, second):
        _, dock = viewer.window.add_plugin_dock_widget("napari-local-crystallography", "Analyse image …")
        dock.controller.adopt(copied(quick_analysis))
        docks.append(dock)
    one, other = docks
    before = other.recipe, other.show_box.column, other.pixel_size.box.get(), [*second.layers]
    folded = {name: panel.isExpanded() for name, panel in other.panels.items()}
    one.panels["train_vae"].form.fields["epochs"].set(77)
    one.panels["segment"].expand(animate=False)
    one.show_box.choose("z0")
    one.pixel_size.box.setValue(0.05)
    one.controller.selection.apply(np.arange(len(one.controller.atoms)) < 5, source=None)
    crop(one.session.layer)
    qtbot.waitUntil(lambda: one.session.outdated, timeout=2000)
    after = other.recipe, other.show_box.column, other.pixel_size.box.get(), [*second.layers]
    assert before == after
    assert folded == {name: panel.isExpanded() for name, panel in other.panels.items()}
    assert other.controller.selection.count == 0
    assert "no longer" not in other.news.message.text()
    assert not other.session.outdated
    second.window.close()


def test_runs_that_differ_only_by_unknown_pixels_are_of_the_same_image(quick_analysis):
    from local_crystallography.studies.comparison import atoms_of

    one, other = copied(quick_analysis), copied(quick_analysis)
    data = quick_analysis.image.data.astype(float)
    data[:5, :5] = np.nan
    for run in (one, other):
        run.restore_results(
            {**{name: getattr(run, name) for name in run.results}, "image": Image(data.copy())},
            run.asked,
            run.used,
            run.columns,
        )
    assert len(atoms_of({"one": one, "other": other})) == 2


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # of the thumbnail
@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        ({"data": [[5.0, np.nan], [20, 20]]}, "1 points of dots have no place"),
        ({"data": [[5.0, 6.0]], "translate": (900, 0)}, "No point of dots lies on quick"),
    ],
)
def test_points_that_are_not_on_the_image_are_no_atoms(controller, session, points, sentence):
    layer = controller.viewer.add_points(**points, name="dots")
    session.choose_source("atoms", layer)
    with pytest.raises(InputError, match=sentence):
        session.given((Cluster(),))


def test_a_layer_renamed_cropped_and_moved_while_a_step_runs(light_viewer, qtbot):
    light_viewer.open_sample(*PLUGIN_SAMPLE)
    controller = Controller(light_viewer)
    layer = light_viewer.layers[0]
    whole = layer.data
    controller.choose(layer)
    session = controller.active
    controller.run((Segment(),), again=True)
    qtbot.waitUntil(lambda: session.analysis.image is not None, timeout=20_000)
    layer.name, layer.data, layer.translate = "other name", whole[:300], (1.0, 2.0)
    qtbot.waitUntil(lambda: not controller.running, timeout=60_000)
    assert session.outdated
    np.testing.assert_array_equal(session.analysis.image.data, whole)
    np.testing.assert_allclose(session.results.get("probability").translate, (1, 2))
    controller.runner.halt()


def test_one_of_two_images_removed_while_it_is_analysed(light_viewer, qtbot):
    light_viewer.open_sample(*PLUGIN_SAMPLE)
    light_viewer.open_sample(*PLUGIN_SAMPLE)
    controller = Controller(light_viewer)
    kept, gone = light_viewer.layers
    assert kept.name != gone.name
    controller.choose(gone)
    controller.run((Segment(),), again=True)
    controller.choose(kept)
    light_viewer.layers.remove(gone)
    qtbot.waitUntil(lambda: not controller.running, timeout=60_000)
    assert [*light_viewer.layers] == [kept]
    assert controller.analysis.image is None
    controller.runner.halt()


@pytest.mark.slow
def test_a_crop_is_noticed_in_the_real_viewer(real_viewer, quick_analysis, qtbot):
    """Where docks see the viewer and its layers through proxies."""
    _, dock = real_viewer.window.add_plugin_dock_widget("napari-local-crystallography", "Analyse image …")
    session = dock.controller.adopt(copied(quick_analysis))
    layer = real_viewer.layers[session.layer.name]
    layer.rotate = 30
    qtbot.waitUntil(lambda: np.array_equal(session.results.get("atoms").rotate, layer.rotate), timeout=5000)
    assert "Rotated" in dock.pixel_size.note.text()
    layer.data = np.asarray(layer.data)[:200]
    qtbot.waitUntil(lambda: session.outdated, timeout=5000)
    assert "no longer the image that was analysed" in dock.news.message.text()
    dock.controller.runner.halt()

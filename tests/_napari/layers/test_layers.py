"""Images, atoms and maps survive the way into napari and back."""

import time

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Layer, Points, Shapes

from local_crystallography._napari.layers import convert as layers
from local_crystallography._napari.layers import geometry
from local_crystallography._napari.layers.results import ResultLayers
from local_crystallography._napari.session import selection_sync
from local_crystallography._napari.session.image_sessions import session_on
from local_crystallography._napari.session.selection_sync import SelectionSync
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.encode_cvae import EncodeCvae
from local_crystallography.steps.find_atoms import FindAtoms
from local_crystallography.views.raster import HAND_PALETTE, PALETTE
from local_crystallography.views.selection import Selection
from local_crystallography.views.styles import ClassStyles

PIXELS = np.arange(40 * 60, dtype=np.float32).reshape(40, 60)


def atoms(n=12, **columns):
    yx = np.column_stack([np.arange(n) % 4, np.arange(n) // 4]) * 10.0 + 4
    return Atoms.at(yx, pixel_size=0.02, columns=columns)


def image_layer(data=PIXELS, pixel_size=0.02):
    return Layer.create(*layers.layer_of(Image(data, pixel_size, "sample", {"source": "a.dm4"})))


def points_layer(atoms, colour="", stack=False):
    place = layers.placement(Image(np.stack([PIXELS] * 2) if stack else PIXELS, 0.02))
    return Layer.create(*layers.points_from(atoms, place, {}, colour=colour, stack=stack))


@pytest.mark.parametrize("pixel_size", [0.02, None])
@pytest.mark.parametrize("data", [PIXELS, np.stack([PIXELS, PIXELS])])
def test_an_image_comes_back(data, pixel_size):
    image = layers.image_from(image_layer(data, pixel_size))
    np.testing.assert_array_equal(image.data, data)
    assert (image.pixel_size, image.name, image.metadata) == (
        pytest.approx(pixel_size),
        "sample",
        {"source": "a.dm4"},
    )


@pytest.mark.parametrize(
    ("scale", "units", "pixel_size"),
    [
        (0.2, "angstrom", 0.02),
        (20, "pm", 0.02),
        (2e-5, "um", 0.02),
        (1, "pixel", None),
        (0.5, "px", None),
        (0.3, "1/nm", None),
    ],
)
def test_any_unit_of_length_becomes_nm(scale, units, pixel_size):
    layer = ImageLayer(PIXELS, scale=(scale, scale), units=(units, units))
    assert geometry.pixel_size_of(layer) == pytest.approx(pixel_size)


def test_colours_become_grey():
    layer = ImageLayer(np.dstack([PIXELS / PIXELS.max()] * 3), rgb=True)
    np.testing.assert_allclose(layers.image_from(layer).data, PIXELS / PIXELS.max())


@pytest.mark.parametrize("stack", [False, True])
def test_atoms_come_back(stack):
    before = Atoms.at(
        atoms().yx, frame=np.arange(12) % 2 * stack, pixel_size=0.02, columns={"z0": np.linspace(0, 1, 12)}
    )
    image = image_layer(np.stack([PIXELS, PIXELS]) if stack else PIXELS)
    after = layers.atoms_from(points_layer(before, stack=stack), image)
    assert after.same_atoms(before)
    pd.testing.assert_frame_equal(after.features, before.features)


def test_a_point_drawn_by_hand_gets_a_number_of_its_own_and_copies_nothing():
    layer = points_layer(atoms(z0=np.ones(12), label=np.ones(12, int)))
    layer.add([30, 30])
    after = layers.atoms_from(layer, image_layer())
    assert after.ids.tolist() == list(range(13))
    assert np.isnan(after.features["z0"].iloc[-1])
    assert after.features["label"].iloc[-1] == -1


def test_deleting_a_point_keeps_the_numbers_of_the_others():
    layer = points_layer(atoms())
    layer.selected_data = {0, 5}
    layer.remove_selected()
    assert layers.atoms_from(layer, image_layer()).ids.tolist() == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    ("scale", "units"), [((0.02, 0.02), ("nm", "nm")), ((0.2, 0.2), ("angstrom", "angstrom")), (None, None)]
)
def test_points_of_the_user_are_brought_to_pixels(scale, units):
    layer = Points([[10.0, 20.0]], scale=scale, units=units)
    np.testing.assert_allclose(layers.atoms_from(layer, image_layer()).yx, [[10, 20]])


def test_points_in_nm_are_brought_to_pixels():
    layer = Points([[0.2, 0.4]], units=("nm", "nm"))
    np.testing.assert_allclose(layers.atoms_from(layer, image_layer()).yx, [[10, 20]])


def test_a_layer_without_points_is_refused():
    with pytest.raises(InputError, match="at least one point"):
        layers.atoms_from(Points(ndim=2), image_layer())


def test_classes_have_the_colours_of_the_scatter_plot():
    labels = np.arange(12) % 3 - 1
    layer = points_layer(atoms(label=labels), "label")
    np.testing.assert_allclose(layer.face_color[labels == 1], np.tile(PALETTE[1], (4, 1)), atol=0.003)
    np.testing.assert_allclose(layer.face_color[labels == -1][:, :3], 0.5, atol=0.01)


def test_a_label_map_has_the_same_colours_and_nothing_where_nothing_is():
    values = np.where(PIXELS < 100, np.nan, PIXELS % 3)
    layer = Layer.create(*layers.map_layer("label", values, {}, {}))
    assert set(np.unique(layer.data)) == {0, 1, 2, 3}
    np.testing.assert_allclose(layer.colormap.map([1, 2, 3, 10, 11]), PALETTE[[0, 1, 2, 9, 0]], atol=0.003)
    assert layer.colormap.map(0)[3] == 0


def test_classes_given_by_hand_are_a_labels_layer_with_their_names():
    styles = ClassStyles()
    styles.rename("hand_label", 1, "A site")
    styles.recolour("hand_label", 1, "#ff0000")
    layer = Layer.create(*layers.map_layer("hand_label", PIXELS % 3, {}, {}, styles))
    assert layer.visible
    assert layer.get_status((0, 1), world=True)["value"].endswith("class: A site")
    np.testing.assert_allclose(layer.colormap.map(2), [1, 0, 0, 1], atol=0.003)
    np.testing.assert_allclose(layer.colormap.map(3), HAND_PALETTE[2], atol=0.003)


@pytest.mark.parametrize("values", [np.full((20, 20), np.nan), np.ones((20, 20))])
def test_a_map_without_contrast_can_be_shown(values):
    layer = Layer.create(*layers.map_layer("z0", values.astype(np.float32), {}, {}))
    assert layer.contrast_limits[0] < layer.contrast_limits[1]


@pytest.fixture
def shown():
    viewer = ViewerModel()
    layer = viewer.add_layer(image_layer())
    analysis = Analysis(layers.image_from(layer))
    results = ResultLayers(viewer, layer, analysis)
    analysis.probability = PIXELS / PIXELS.max()
    analysis.atoms = atoms(z0=np.linspace(0, 1, 12))
    analysis.maps = {"z0": PIXELS, "label": PIXELS % 3}
    results.show()
    return results


def names(results):
    return [layer.name for layer in results.viewer.layers]


def test_results_lie_on_their_image_in_order(shown):
    assert names(shown) == ["sample", "probability", "z0", "atoms"]
    shown.show_map("label")
    assert names(shown) == ["sample", "probability", "z0", "label", "atoms"]
    assert not shown.get("z0").visible
    for layer in shown.viewer.layers:
        np.testing.assert_array_equal(layer.scale, [0.02, 0.02])
        assert [str(unit) for unit in layer.units] == ["nanometer", "nanometer"]
        assert layers.KEY in layer.metadata


def unsure(scale=0.1):
    values = PIXELS / PIXELS.max()
    return ProbabilityMap(values, scale * values * (1 - values))


def test_what_an_ensemble_is_unsure_of_is_a_layer_of_its_own_hidden_at_first(shown):
    shown.analysis.probability = unsure()
    shown.prune()
    shown.show()
    assert names(shown) == ["sample", "probability", "probability std"]
    layer = shown.get("probability std")
    assert not layer.visible
    assert layer.contrast_limits[1] == pytest.approx(unsure().std.max(), rel=0.1)
    layer.visible = True
    shown.analysis.probability = unsure(0.5)
    shown.show()
    assert shown.get("probability std") is layer
    assert layer.visible
    np.testing.assert_array_equal(layer.data, unsure(0.5).std)
    shown.analysis.probability = PIXELS / PIXELS.max()
    shown.prune()
    assert names(shown) == ["sample", "probability"]


@pytest.mark.parametrize("factor", [1, 255])
def test_a_layer_of_the_users_own_can_be_the_probability(shown, factor):
    own = (PIXELS % 2 * factor).astype(np.uint8)
    session = session_on(shown.viewer, shown.image_layer, shown.analysis)
    session.sources["probability"] = shown.viewer.add_image(own)
    session.prepare(session.given((FindAtoms(),)))
    np.testing.assert_array_equal(shown.analysis.probability, PIXELS % 2)


def test_the_result_chosen_as_probability_keeps_what_it_knows(shown):
    shown.analysis.probability = unsure()
    shown.show()
    session = session_on(shown.viewer, shown.image_layer, shown.analysis)
    session.sources["probability"] = shown.get("probability")
    assert session.given((FindAtoms(),)) == {}


def test_a_result_replaces_its_own_layer_and_keeps_what_the_user_chose(shown):
    before = list(shown.viewer.layers)
    shown.get("z0").colormap = "magma"
    shown.get("atoms").visible = False
    shown.analysis.maps = {"z0": PIXELS * 2, "label": PIXELS % 4}
    shown.analysis.atoms = atoms(8)
    shown.analysis.maps = {"z0": PIXELS * 2, "label": PIXELS % 4}
    shown.show()
    assert list(shown.viewer.layers) == before
    assert len(shown.get("atoms").data) == 8
    assert shown.get("z0").data.max() == 2 * PIXELS.max()
    assert shown.get("z0").colormap.name == "magma"
    assert not shown.get("atoms").visible


def test_a_layer_that_was_removed_comes_back_only_with_a_new_result(shown):
    shown.viewer.layers.remove("z0")
    shown.show()
    assert "z0" not in names(shown)
    shown.analysis.maps = {"z0": PIXELS + 1, "label": PIXELS % 3}
    shown.show()
    assert "z0" in names(shown)


def test_what_is_no_result_any_more_goes(shown):
    shown.analysis.probability = PIXELS / PIXELS.max()
    shown.prune()
    assert names(shown) == ["sample", "probability"]


def test_the_selection_is_one_layer_and_leaves_the_active_layer_alone(shown):
    shown.viewer.layers.selection.active = shown.get("atoms")
    everything = shown.analysis.atoms
    number = np.arange(len(everything))
    for rows in (number < 3, number < 7, number < 0, (number >= 2) & (number < 4)):
        shown.show_selected(rows)
        np.testing.assert_array_equal(shown.get("selected atoms").data, everything.yx[rows])
    assert names(shown)[-2:] == ["atoms", "selected atoms"]
    assert shown.viewer.layers.selection.active is shown.get("atoms")


def test_rings_look_alike_however_many_there_are(shown):
    for count in (2, len(shown.analysis.atoms), 5):
        shown.show_selected(np.arange(len(shown.analysis.atoms)) < count)
        layer = shown.get("selected atoms")
        np.testing.assert_array_equal(layer.size, layer.size[0])
        np.testing.assert_array_equal(layer.border_color, np.ones((count, 4)))
        np.testing.assert_array_equal(layer.face_color[:, 3], 0)
        np.testing.assert_array_equal(layer.border_width, layer.border_width[0])


def test_rings_follow_the_size_of_the_points(shown):
    shown.show_selected(np.arange(len(shown.analysis.atoms)) < 3)
    before = shown.get("selected atoms").size[0]
    shown.get("atoms").size = shown.get("atoms").size * 2
    shown.show_selected(np.arange(len(shown.analysis.atoms)) < 4)
    np.testing.assert_allclose(shown.get("selected atoms").size, 2 * before)


def test_new_names_and_colours_of_classes_are_seen_at_once(shown):
    shown.analysis.atoms = shown.analysis.atoms.with_features(label=np.arange(12) % 3)
    shown.analysis.maps = {"label": PIXELS % 3}
    shown.show()
    shown.analysis.styles.recolour("label", 1, "#ff0000")
    shown.analysis.styles.rename("label", 1, "A site")
    red = np.arange(12) % 3 == 1
    np.testing.assert_allclose(shown.get("atoms").face_color[red], np.tile([1, 0, 0, 1], (4, 1)), atol=0.003)
    np.testing.assert_allclose(shown.get("label").colormap.map(2), [1, 0, 0, 1], atol=0.003)
    assert list(shown.get("label").features["class"])[:3] == ["class 0", "A site", "class 2"]


@pytest.mark.parametrize(("kinds", "seen"), [(1, "angle_rad"), (2, "label")])
def test_the_map_that_tells_most_is_seen_after_a_training(shown, kinds, seen):
    """Two grains of one kind are seen in the angle, also where its map was made, hidden, while the network trained."""
    maps = {"z0": PIXELS + 1, "angle_rad": PIXELS % 3}
    for _ in maps:
        shown.previews.prepare(maps)
        for name in maps:
            shown.previews.show(name)
    shown.previews.hide()
    yx = 10.0 * np.stack(np.meshgrid(np.arange(20), np.arange(20), indexing="ij"), -1).reshape(-1, 2)
    right, noise = yx[:, 1] > 90, np.random.default_rng(0).normal(0, 0.01, 400)
    label = np.arange(400) % kinds
    shown.analysis.atoms = Atoms.at(yx).with_features(
        angle_rad=np.where(right, 0.3, -0.3) + noise, angle_std_rad=0.01, symmetry_order=4, label=label, z0=noise
    )
    shown.analysis.maps = {**maps, "label": PIXELS % kinds}
    shown.show()
    assert shown.default_colour == seen
    layers = {name: shown.get(name) for name in shown.analysis.maps}
    assert [name for name, layer in layers.items() if layer is not None and layer.visible] == [seen]


def previewed(shown, maps):
    for _ in maps:
        shown.previews.prepare(maps)
        for name in maps:
            shown.previews.show(name)


def visible(shown):
    return {layer.name for layer in shown.viewer.layers if layer.visible} - {"sample", "probability", "atoms"}


def test_no_map_of_the_network_before_is_seen_over_a_training(shown):
    shown.show_map("label")
    shown.requested.add("strain_xx")
    shown.analysis.maps = {"z0": PIXELS, "label": PIXELS % 3, "strain_xx": PIXELS, "hand_label": PIXELS % 2}
    shown.show()
    shown.get("strain_xx").visible = True
    shown.previews.begin()
    assert visible(shown) == {"strain_xx", "hand_label"}
    previewed(shown, {"z0": PIXELS + 1})
    assert visible(shown) == {"strain_xx", "hand_label", "z0"}
    shown.previews.hide()
    shown.analysis.maps = {**shown.analysis.maps, "label": PIXELS % 2}
    shown.show()
    shown.prune()
    assert visible(shown) == {"strain_xx", "hand_label", "label"}


def test_a_map_whose_result_is_gone_stays_away_after_a_training(shown):
    shown.get("z0").visible = True
    shown.previews.begin()
    shown.analysis.maps = None
    shown.prune()
    assert visible(shown) == set()


@pytest.mark.parametrize("live", [True, False])
def test_a_map_of_angles_becomes_cyclic_when_they_are(shown, live):
    angles = np.linspace(-np.pi, np.pi, PIXELS.size, dtype=np.float32).reshape(PIXELS.shape)
    shown.requested.add("angle_rad")
    for values, colormap in ((angles / 100, "viridis"), (angles, "twilight"), (angles / 100, "viridis")):
        if live:
            previewed(shown, {"angle_rad": values})
        else:
            shown.analysis.maps = {"angle_rad": values}
            shown.show()
        assert shown.get("angle_rad").colormap.name == colormap
    shown.get("angle_rad").colormap = "magma"
    shown.analysis.maps = {"angle_rad": angles}
    shown.show()
    assert shown.get("angle_rad").colormap.name == "magma"


def test_new_columns_of_the_same_atoms_change_nothing_else(shown):
    layer = shown.get("atoms")
    layer.size = 7
    places, colours = layer.data, layer.face_color.copy()
    shown.analysis.atoms = shown.analysis.atoms.with_features(mine=np.arange(12))
    shown.show()
    assert shown.get("atoms") is layer
    assert layer.data is places
    assert (layer.size == 7).all()
    np.testing.assert_array_equal(layer.features["mine"], np.arange(12))
    assert layer.feature_defaults["mine"].tolist() == [-1]
    np.testing.assert_array_equal(layer.face_color, colours)
    shown.analysis.atoms = shown.analysis.atoms.with_features(hand_label=np.arange(12) % 2)
    shown.show()
    np.testing.assert_allclose(layer.face_color, HAND_PALETTE[np.arange(12) % 2], atol=0.003)


@pytest.fixture
def linked(shown):
    selection = Selection()
    follower = SelectionSync(selection)
    follower.follow(shown)
    yield selection
    follower.follow(None)


def test_the_active_points_layer_has_the_selection_of_few_atoms(shown, linked, monkeypatch):
    layer, mask = shown.get("atoms"), np.arange(12) < 3
    linked.apply(mask)
    assert len(layer.selected_data) == 0
    shown.viewer.layers.selection.active = layer
    assert set(layer.selected_data) == {0, 1, 2}
    linked.apply(~mask)
    assert set(layer.selected_data) == set(range(3, 12))
    monkeypatch.setattr(selection_sync, "FEW", 5)
    linked.apply(np.arange(12) < 6)
    assert len(layer.selected_data) == 0
    assert linked.count == 6


def test_what_is_selected_in_the_points_layer_is_the_selection_once(shown, linked):
    shown.viewer.layers.selection.active = shown.get("atoms")
    revision = linked.revision
    shown.get("atoms").selected_data = {4, 7}
    assert np.flatnonzero(linked.mask).tolist() == [4, 7]
    assert linked.revision == revision + 1
    linked.clear()
    assert len(shown.get("atoms").selected_data) == 0


def test_an_untouched_layer_holds_no_edits(shown):
    assert shown.edited_atoms() is None


def test_a_moved_atom_loses_what_was_computed_for_its_old_place(shown):
    layer = shown.get("atoms")
    moved = layer.data.copy()
    moved[0] += 1
    layer.data = moved
    edited = shown.edited_atoms()
    np.testing.assert_array_equal(edited.yx, moved)
    shown.analysis.edit(edited)
    shown.keep_edits()
    assert np.isnan(shown.get("atoms").features["z0"][0])
    assert np.isfinite(shown.get("atoms").features["z0"][1:]).all()
    assert shown.edited_atoms() is None


def test_many_atoms_are_quick():
    many = Atoms.at(np.random.default_rng(0).uniform(0, 4000, (100_000, 2)), columns={"label": np.arange(100_000) % 5})
    start = time.perf_counter()
    Layer.create(*layers.points_from(many, {}, {}, colour="label", stack=False))
    assert time.perf_counter() - start < 3


SQUARE = ((2.0, 2.0), (2.0, 12.0), (12.0, 12.0), (12.0, 2.0))


def test_areas_drawn_are_in_pixels_of_the_image():
    image = ImageLayer(np.eye(20), scale=(0.5, 0.5), translate=(1, 1))
    drawn = Shapes([np.array(SQUARE) * 0.5 + 1, np.array([[0, 0], [5, 5]])], shape_type=["rectangle", "line"])
    assert layers.polygons_from(drawn, image) == (SQUARE,)


def test_an_ellipse_encloses_what_it_shows():
    ((*corners,),) = layers.polygons_from(Shapes([np.array(SQUARE)], shape_type="ellipse"), ImageLayer(np.eye(20)))
    np.testing.assert_allclose(np.hypot(*(np.array(corners) - 7).T), 5, atol=0.02)


def test_areas_drawn_on_a_frame_are_those_of_all_frames():
    image = ImageLayer(np.zeros((3, 20, 20)))
    drawn = Shapes([np.column_stack([np.ones(4), SQUARE])], shape_type="polygon")
    assert layers.polygons_from(drawn, image) == (SQUARE,)


def test_atoms_tell_all_steps_that_made_their_columns(shown):
    shown.analysis.used = {step.name(): step for step in (FindAtoms(), Cluster(), EncodeCvae())}
    assert list(shown.note("atoms")["steps"]) == ["find_atoms", "cluster", "encode_cvae"]
    assert list(shown.note("probability", "segment")["steps"]) == []

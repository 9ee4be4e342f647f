"""Pixels without meaning: shown over the image, painted or drawn by hand, and used by the next run of Segment."""

import numpy as np
import pytest
from napari.components import ViewerModel

from local_crystallography._napari.layers import convert as layers
from local_crystallography._napari.layers import masks
from local_crystallography._napari.main.layer_tools import FOUND, PAINTED, MaskTools
from local_crystallography._napari.main.step_panel import standing
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_sessions import session_on
from local_crystallography.analysis import Analysis
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.steps.find_atoms import FindAtoms
from local_crystallography.steps.segment import Segment

SHAPE = (60, 80)
SQUARE = np.array([(10, 10), (10, 20), (20, 20), (20, 10)])


def pixels(vacuum=False):
    values = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    if vacuum:
        values[:20] = 0
    return values


@pytest.fixture
def viewer():
    return ViewerModel()


def work_of(viewer, data):
    layer = viewer.add_image(data, name="sample", scale=(0.02,) * data.ndim)
    return session_on(viewer, layer, Analysis())


@pytest.fixture
def plain(viewer):
    """An image with nothing to mask."""
    return work_of(viewer, pixels())


@pytest.fixture
def masked(viewer):
    """An image with vacuum at its top, its mask shown."""
    session = work_of(viewer, pixels(vacuum=True))
    session.prepare({})
    session.results.show()
    return session


def run(session, *steps):
    session.prepare(session.given(steps or (Segment(),)))


def test_what_is_found_is_shown_in_one_colour_on_the_image(masked, viewer):
    layer = viewer.layers["mask"]
    np.testing.assert_array_equal(layer.data != 0, masked.analysis.image.masked(0))
    assert layer.data[:15].all()
    assert layer.visible
    assert layer.opacity < 1
    np.testing.assert_array_equal(layer.scale, [0.02, 0.02])
    np.testing.assert_allclose(layer.colormap.map([1, 2, 3]), [masks.RED] * 3, atol=1e-6)
    assert layer.colormap.map(0)[3] == 0
    assert layers.is_result(layer)


def test_where_nothing_is_masked_there_is_no_layer_until_somebody_asks(plain, viewer):
    plain.prepare({})
    plain.results.show()
    assert [layer.name for layer in viewer.layers] == ["sample"]
    plain.results.want_mask()
    plain.results.show()
    assert not viewer.layers["mask"].data.any()
    plain.results.prune()
    assert "mask" in viewer.layers


def test_a_painted_mask_reaches_the_image_with_segment_alone(masked, viewer):
    viewer.layers["mask"].paint((40, 40), 1)
    assert masked.results.mask_is_edited()
    masked.choose_mask(None, painted=True)
    run(masked, FindAtoms())
    assert masked.analysis.image.mask is None
    before = masked.analysis.image
    run(masked)
    assert masked.analysis.image is not before
    assert masked.analysis.image.mask[40, 40]
    assert masked.analysis.image.mask[5, 5]
    assert not masked.mask.changed
    masked.results.show()
    assert not masked.results.mask_is_edited()
    run(masked)
    assert "mask" not in masked.given((Segment(),))


def test_a_mask_that_is_erased_masks_nothing_any_more(masked, viewer):
    viewer.layers["mask"].data = np.zeros(SHAPE, np.uint8)
    masked.choose_mask(None, painted=True)
    run(masked)
    assert not masked.analysis.image.masked(0).any()


def test_back_to_what_is_found(masked, viewer):
    viewer.layers["mask"].data = np.zeros(SHAPE, np.uint8)
    masked.choose_mask(None, painted=True)
    run(masked)
    masked.choose_mask(None, painted=False)
    assert masked.mask.changed
    run(masked)
    assert masked.analysis.image.mask is None
    assert masked.analysis.image.masked(0)[5, 5]


def test_painting_that_is_not_wanted_goes_from_the_layer(masked, viewer):
    viewer.layers["mask"].paint((40, 40), 1)
    masked.choose_mask(None, painted=False)
    assert not masked.results.mask_is_edited()
    assert not masked.mask.changed


def test_labels_of_the_user_are_a_mask(plain, viewer):
    labels = np.zeros(SHAPE, int)
    labels[30:, 30:] = 7
    plain.choose_mask(viewer.add_labels(labels), painted=False)
    run(plain)
    np.testing.assert_array_equal(plain.analysis.image.mask, labels == 7)


def test_areas_drawn_are_filled(plain, viewer):
    shapes = viewer.add_shapes([SQUARE * 0.02], shape_type="polygon", scale=(1, 1))
    plain.choose_mask(shapes, painted=False)
    run(plain)
    mask = plain.analysis.image.mask
    assert mask[10:20, 10:20].all()
    assert mask.sum() < 130


@pytest.mark.parametrize("kind", ["labels", "shapes"])
def test_what_cannot_be_a_mask_is_a_sentence(plain, viewer, kind):
    layer = viewer.add_labels(np.ones((5, 5), int)) if kind == "labels" else viewer.add_shapes(ndim=2)
    plain.choose_mask(layer, painted=False)
    with pytest.raises(InputError, match=r"has the shape \(5, 5\)" if kind == "labels" else "contains no areas"):
        plain.given((Segment(),))
    assert plain.given((FindAtoms(),)) == {}


def test_segment_is_out_of_date_until_it_has_the_new_mask(masked, viewer):
    masked.analysis.probability = pixels()
    masked.analysis.used["segment"] = masked.analysis.asked["segment"] = Segment()
    assert standing(masked, Segment()).startswith("✓")
    viewer.layers["mask"].paint((40, 40), 1)
    masked.choose_mask(None, painted=True)
    assert "the mask has changed" in standing(masked, Segment())


def test_a_stack_shows_only_a_mask_given_by_hand(viewer):
    session = work_of(viewer, np.stack([pixels(vacuum=True)] * 3))
    session.prepare({})
    session.results.show()
    assert "mask" not in viewer.layers
    labels = np.zeros(SHAPE, int)
    labels[:5] = 1
    session.choose_mask(viewer.add_labels(labels, name="mine"), painted=False)
    run(session)
    session.results.show()
    layer = viewer.layers["mask"]
    assert layer.data.shape == SHAPE
    np.testing.assert_array_equal(layer.scale, [0.02, 0.02])
    np.testing.assert_array_equal(session.analysis.image.mask, labels == 1)


@pytest.fixture
def tools(viewer, qtbot):
    viewer.add_image(pixels(vacuum=True), name="sample")
    controller = Controller(viewer)
    tools = MaskTools(controller)
    qtbot.addWidget(tools)
    controller.changed.connect(tools.refresh)
    controller.choose(viewer.layers["sample"])
    yield tools
    tools.leave()
    controller.runner.halt()


def texts(box):
    return [box.itemText(row) for row in range(box.count())]


def test_the_brush_opens_the_mask_and_painting_chooses_it(tools, viewer, qtbot):
    viewer.add_labels(np.zeros(SHAPE, int), name="mine")
    assert texts(tools.box) == [FOUND, "mine"]
    tools.paint.click()
    qtbot.waitUntil(lambda: not tools.controller.running, timeout=20_000)
    layer = viewer.layers["mask"]
    assert layer.mode == "paint"
    assert viewer.layers.selection.active is layer
    assert tools.box.currentText() == FOUND
    layer.paint((50, 50), 1)
    assert tools.box.currentText() == PAINTED
    assert tools.controller.active.mask.changed
    tools.box.setCurrentText(FOUND)
    assert not layer.data[50, 50]
    assert texts(tools.box) == [FOUND, "mine"]


def test_a_layer_chosen_as_mask_that_goes_leaves_what_is_found(tools, viewer):
    viewer.add_labels(np.ones(SHAPE, int), name="mine")
    tools.box.setCurrentText("mine")
    assert tools.controller.active.mask.layer is viewer.layers["mine"]
    viewer.layers.remove("mine")
    assert tools.controller.active.mask.layer is None
    assert tools.box.currentText() == FOUND


def test_a_mask_that_came_with_a_session_is_by_hand(tools, viewer):
    mask = np.zeros(SHAPE, bool)
    mask[:9] = True
    tools.controller.adopt(Analysis(Image(pixels(), name="saved", mask=mask)))
    assert tools.box.currentText() == PAINTED
    np.testing.assert_array_equal(viewer.layers["mask"].data, mask)
    assert tools.controller.active.given((Segment(),)) == {}

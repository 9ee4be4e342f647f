"""Areas drawn in a Shapes layer choose the atoms."""

import numpy as np
import pytest
from napari.components import ViewerModel

from local_crystallography._napari.main.region import RegionBox
from local_crystallography._napari.widgets.form import StepForm
from local_crystallography.steps.refine_atoms import RefineAtoms

SQUARE = ((2.0, 2.0), (2.0, 12.0), (12.0, 12.0), (12.0, 2.0))
OTHER = ((20.0, 20.0), (20.0, 30.0), (30.0, 30.0))


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((40, 40)))
    return viewer


@pytest.fixture
def box(qtbot, viewer):
    box = RegionBox()
    qtbot.addWidget(box)
    box.follow(viewer, lambda: viewer.layers[0])
    return box


def draw(viewer, *areas):
    return viewer.add_shapes([np.array(area) for area in areas], shape_type="polygon", name="drawn")


def test_the_whole_image_is_chosen_first(box, viewer):
    draw(viewer, SQUARE)
    assert box.get() == ()
    assert [box.itemText(i) for i in range(box.count())] == ["whole image", "drawn"]


def test_areas_are_taken_as_they_are_drawn_now(box, viewer):
    layer = draw(viewer, SQUARE)
    box.setCurrentText("drawn")
    assert box.get() == (SQUARE,)
    layer.add_polygons(np.array(OTHER))
    assert box.get() == (SQUARE, OTHER)


def test_a_layer_that_is_gone_leaves_the_whole_image(box, viewer, qtbot):
    layer = draw(viewer, SQUARE)
    box.setCurrentText("drawn")
    with qtbot.waitSignal(box.currentIndexChanged):
        viewer.layers.remove(layer)
    assert box.get() == ()


def test_areas_of_a_saved_step_come_back(qtbot):
    form = StepForm(RefineAtoms(region=(SQUARE, OTHER)))
    qtbot.addWidget(form)
    assert form.step().region == (SQUARE, OTHER)
    assert form.fields["region"].currentText() == "2 given areas"
    form.set(RefineAtoms())
    assert form.step().region == ()


def test_a_step_made_from_the_layer_keeps_the_layer_chosen(box, viewer):
    draw(viewer, SQUARE)
    box.setCurrentText("drawn")
    box.set((SQUARE,))
    assert box.currentText() == "drawn"


def test_after_leaving_nothing_is_followed(box, viewer):
    box.leave()
    draw(viewer, SQUARE)
    assert box.count() == 1

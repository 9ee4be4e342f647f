"""The pixel size can be set, comes from the file where napari dropped it, and a changed layer is noticed."""

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from local_crystallography._napari.layers import convert, geometry
from local_crystallography._napari.main.pixel_size import PixelSizeBox
from local_crystallography._napari.session.controller import Controller
from local_crystallography.steps.train_vae import TrainVae


@pytest.fixture
def box(controller, qtbot):
    box = PixelSizeBox(controller)
    qtbot.addWidget(box)
    box.refresh()
    return box


def test_the_pixel_size_of_the_layer_is_shown(box, controller):
    assert box.box.get() == pytest.approx(controller.analysis.image.pixel_size)


def test_a_new_pixel_size_goes_to_atoms_and_layers_and_nothing_is_lost(box, controller):
    analysis = controller.analysis
    trained, before = analysis.vae, analysis.atoms
    box.box.setValue(0.05)
    assert analysis.atoms.pixel_size == analysis.image.pixel_size == pytest.approx(0.05)
    np.testing.assert_array_equal(analysis.atoms.yx, before.yx)
    assert analysis.vae is trained
    assert "train_vae" in analysis.asked
    session = controller.active
    for layer in controller.viewer.layers:
        if convert.belongs(layer, session.layer):
            np.testing.assert_allclose(np.abs(layer.scale[-2:]), 0.05)
    assert not session.follow_layer()


def test_what_cannot_show_atoms_is_refused(box, controller):
    box.box.setValue(0.0001)
    assert "Atoms cannot be seen" in box.note.text()
    assert controller.analysis.image.pixel_size != 0.0001


def test_a_known_spacing_is_compared(box, monkeypatch):
    monkeypatch.setattr("qtpy.QtWidgets.QInputDialog.getDouble", lambda *_: (0.39, True))
    box.check.click()
    assert "known 0.39 nm" in box.note.text()


def test_the_scale_that_napari_drops_comes_from_the_file(tmp_path, viewer_model, qtbot, monkeypatch):
    path = tmp_path / "scale.tif"
    pixels = (np.random.default_rng(0).random((64, 64)) * 1000).astype(np.uint16)
    tifffile.imwrite(path, pixels, imagej=True, resolution=(50, 50), metadata={"unit": "nm"})
    layer = viewer_model.add_image(tifffile.imread(path), name="scale")
    assert geometry.pixel_size_of(layer) is None
    monkeypatch.setattr(type(layer), "source", property(lambda layer: SimpleNamespace(path=str(path))))
    controller = Controller(viewer_model)
    controller.choose(layer)
    box = PixelSizeBox(controller)
    qtbot.addWidget(box)
    box.refresh()
    assert geometry.pixel_size_of(layer) == pytest.approx(0.02)
    assert "scale.tif" in box.note.text()


def test_a_layer_with_other_pixels_has_no_results(controller):
    session = controller.active
    assert not session.follow_layer()
    session.layer.data = session.layer.data[:200, :150]
    assert session.follow_layer()
    assert session.analysis.image is None
    assert not session.analysis.is_current(TrainVae(epochs=4))


def test_a_scale_set_in_the_layer_list_is_taken_over(controller):
    session = controller.active
    session.layer.scale = (0.03, 0.03)
    assert session.follow_layer()
    assert session.analysis.atoms.pixel_size == pytest.approx(0.03)


def test_pixels_that_are_not_square_stay_so_and_it_is_said(viewer_model, qtbot):
    layer = viewer_model.add_image(np.random.default_rng(0).random((64, 64)), scale=(0.04, 0.02), units=("nm", "nm"))
    controller = Controller(viewer_model)
    controller.choose(layer)
    box = PixelSizeBox(controller)
    qtbot.addWidget(box)
    box.refresh()
    assert "2 times as high as wide" in box.note.text()
    box.box.setValue(0.03)
    np.testing.assert_allclose(layer.scale, (0.06, 0.03))

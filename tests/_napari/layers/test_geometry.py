"""Positions on layers that are scaled, rotated, sheared, flipped or registered are where they are seen."""

import numpy as np
import pytest
from napari.layers import Image, Points, Shapes

from local_crystallography._napari.layers import convert, geometry, layer_pixels
from local_crystallography.data.errors import InputError

PIXELS = np.random.default_rng(0).random((64, 80)).astype(np.float32)
NM = {"scale": (0.02, 0.02), "units": ("nm", "nm")}
PLACED = {
    "rotated": {"rotate": 30, **NM},
    "sheared": {"shear": [0.3], **NM},
    "flipped": {"scale": (-0.02, 0.02), "units": ("nm", "nm")},
    "moved": {"translate": (3.0, -2.0), **NM},
    "registered": {"affine": [[1, 0.1, 5], [-0.1, 1, 7], [0, 0, 1]], **NM},
    "all": {"rotate": -50, "shear": [0.2], "translate": (1, 2), "affine": [[0, 1, 5], [1, 0, 7], [0, 0, 1]], **NM},
    "plain": {},
    "plain, rotated": {"rotate": 20, "translate": (4, 5)},
    "not square": {"scale": (0.02, 0.016), "units": ("nm", "nm"), "rotate": 15},
}
CLICKED = np.array([[0.4, 0.6], [1.0, 0.2], [0.0, 0.0]])


def analysed(layer, yx):
    """Pixels of the layer as pixels of the image that is analysed."""
    return yx / np.array(geometry.geometry_of(layer).shares)


@pytest.mark.parametrize("name", PLACED)
@pytest.mark.parametrize("own", [{}, {"scale": (0.5, 0.5), "translate": (0.1, 0.2)}, {"rotate": 45}])
def test_points_are_where_they_are_seen(name, own):
    image = Image(PIXELS, **PLACED[name])
    points = Points(CLICKED, units=image.units, **own)
    seen = np.array([image.world_to_data(points.data_to_world(point)) for point in CLICKED])
    np.testing.assert_allclose(convert.atoms_from(points, image).yx, analysed(image, seen), atol=1e-6)


@pytest.mark.parametrize("name", PLACED)
def test_shapes_are_where_they_are_seen(name):
    image = Image(PIXELS, **PLACED[name])
    corners = np.array([[0.1, 0.1], [0.1, 0.9], [0.8, 0.9]])
    shapes = Shapes([corners], shape_type="polygon", units=image.units)
    seen = np.array([image.world_to_data(shapes.data_to_world(corner)) for corner in corners])
    np.testing.assert_allclose(convert.corners_from(shapes, image), analysed(image, seen), atol=1e-6)


@pytest.mark.parametrize("name", PLACED)
def test_results_lie_on_what_they_were_found_in(name):
    image = Image(PIXELS, **PLACED[name])
    result = Points(CLICKED, **geometry.placement_of(image))
    pixels = CLICKED * np.array(geometry.geometry_of(image).shares)
    for point, pixel in zip(CLICKED, pixels, strict=True):
        np.testing.assert_allclose(result.data_to_world(point), image.data_to_world(pixel), atol=1e-9)
    assert convert.image_from(image).shape == layer_pixels.analysed_shape(image)


@pytest.mark.parametrize(
    ("placed", "size"),
    [
        ({"scale": (0.02, 0.02), "units": ("nm", "nm")}, 0.02),
        ({"scale": (-0.02, 0.02), "units": ("nm", "nm"), "rotate": 30}, 0.02),
        ({"scale": (20, 20), "units": ("pm", "pm")}, 0.02),
        ({"scale": (0.01, 0.01), "units": ("nm", "nm"), "affine": [[2, 0, 0], [0, 2, 0], [0, 0, 1]]}, 0.02),
        ({"scale": (0.02, 0.016), "units": ("nm", "nm")}, 0.016),
        ({"scale": (3.5, 3.5), "units": ("mm", "mm")}, None),
        ({"scale": (0.02, 0.02)}, None),
    ],
)
def test_the_pixel_size_is_that_in_the_world(placed, size):
    image = Image(PIXELS, **placed)
    assert geometry.pixel_size_of(image) == pytest.approx(size)
    assert convert.image_from(image).pixel_size == pytest.approx(size)


def test_frames_are_counted_from_the_frame_axis_of_the_image():
    stack = Image(np.stack([PIXELS] * 4), scale=(2, 1, 1), translate=(10, 0, 0))
    points = Points(np.array([[12.0, 5, 6], [16.0, 7, 8]]))
    assert convert.atoms_from(points, stack).frame.tolist() == [1, 3]
    with pytest.raises(InputError, match=r"have no frame, but .* has 4 frames"):
        convert.atoms_from(Points([[5.0, 6]], name="dots"), stack)


def test_a_mask_of_pixels_that_are_not_square_follows_the_image():
    from napari.layers import Labels

    from local_crystallography._napari.layers.masks import drawn_mask

    image = Image(PIXELS, scale=(0.02, 0.016), units=("nm", "nm"))
    labels = np.zeros(PIXELS.shape, int)
    labels[:32] = 1
    mask = drawn_mask(Labels(labels), image)
    assert mask.shape == layer_pixels.analysed_shape(image) == (79, 80)
    assert mask[:39].all()
    assert not mask[41:].any()

"""Layers of every kind are analysed as they are seen, or refused in a sentence."""

import dask.array
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points

from local_crystallography._napari.layers import convert, geometry, layer_pixels
from local_crystallography._napari.layers.masks import drawn_mask
from local_crystallography._napari.main.scan import frame_shown
from local_crystallography.data.colour import LUMINANCE
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image as TheImage
from local_crystallography.data.image import square
from local_crystallography.data.progress import finish

PIXELS = np.random.default_rng(0).random((64, 80)).astype(np.float32)
STACK = np.stack([PIXELS, 1 - PIXELS, PIXELS**2])
COLOUR = np.stack([PIXELS, PIXELS / 2, PIXELS / 4], axis=-1)
CLEAR = np.zeros(PIXELS.shape, bool)
CLEAR[:20, :30] = True
NM = {"scale": (0.02, 0.02), "units": ("nm", "nm")}


def scaled(*scale, unit="nm"):
    units = (unit, unit) if isinstance(unit, str) else unit
    return {"scale": scale, "units": units}


def pyramid(data, levels=3):
    return [data[..., :: 2**n, :: 2**n] for n in range(levels)]


def zarr_array(data):
    zarr = pytest.importorskip("zarr")
    return zarr.array(data, chunks=(1,) * (data.ndim - 2) + (32, 32))


def data_array(data):
    return pytest.importorskip("xarray").DataArray(data, dims=("frame", "y", "x")[-data.ndim :])


def lazy(data):
    return dask.array.from_array(data, chunks=(1,) * (data.ndim - 2) + (32, 32))


@pytest.mark.parametrize("expected", [PIXELS, STACK], ids=["image", "stack"])
@pytest.mark.parametrize(
    "kind",
    [
        lambda data: Image(pyramid(data), multiscale=True),
        lambda data: Image([zarr_array(level) for level in pyramid(data)], multiscale=True),
        lambda data: Image(zarr_array(data)),
        lambda data: Image(lazy(data)),
        lambda data: Image(data_array(data)),
        lambda data: Image(data_array(lazy(data))),
        lambda data: Image(data.astype(">f4")),
        lambda data: Image(np.asfortranarray(data)),
        lambda data: Image(np.ma.masked_array(data)),
    ],
    ids=[
        "pyramid",
        "pyramid of zarr",
        "zarr",
        "dask",
        "xarray",
        "xarray of dask",
        "big endian",
        "fortran",
        "unmasked",
    ],
)
def test_the_pixels_are_those_of_the_layer(kind, expected):
    layer = kind(expected)
    image = convert.image_from(layer)
    np.testing.assert_array_equal(np.asarray(image.data), expected)
    assert image.count == layer_pixels.frame_count(layer) == (len(expected) if expected.ndim == 3 else 1)
    assert image.shape == layer_pixels.analysed_shape(layer)
    assert convert.shows(layer, image)
    assert np.isfinite(image.frame(0)).all()


@pytest.mark.parametrize(
    "kind", [zarr_array, lazy, lambda data: data_array(lazy(data))], ids=["zarr", "dask", "xarray"]
)
def test_a_stack_on_a_disk_is_not_read_as_a_whole(kind):
    assert hasattr(convert.image_from(Image(kind(STACK))).data, "chunks")


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint64, np.float16, np.float64])
def test_any_real_numbers_are_an_image(dtype):
    data = (PIXELS > 0.5) if dtype is bool else (PIXELS * 100).astype(dtype)
    image = convert.image_from(Image(data))
    assert image.data.dtype == dtype
    assert image.frame(0).std() == pytest.approx(1, abs=0.1)


def test_the_finest_level_has_place_and_scale():
    layer = Image(pyramid(PIXELS), multiscale=True, translate=(3, 4), **NM)
    assert convert.image_from(layer).pixel_size == pytest.approx(0.02)
    points = Points([[3.2, 4.4]], units=("nm", "nm"))
    np.testing.assert_allclose(convert.atoms_from(points, layer).yx, [[10, 20]], atol=1e-6)


def test_frames_of_a_pyramid_are_counted_and_not_its_levels():
    viewer = ViewerModel()
    layer = viewer.add_image(pyramid(np.stack([PIXELS] * 7), 2), multiscale=True)
    viewer.dims.set_current_step(0, 5)
    assert frame_shown(viewer, layer) == 5
    with pytest.raises(InputError, match="has 7 frames"):
        convert.atoms_from(Points([[5.0, 6]]), layer)


@pytest.mark.parametrize("stack", [False, True])
@pytest.mark.parametrize("top", [1, 255])
def test_the_luminance_is_analysed_and_that_is_said(stack, top):
    colour = np.stack([COLOUR] * 2) if stack else COLOUR
    colour = colour if top == 1 else (colour * top).astype(np.uint8)
    layer = Image(colour, rgb=True, **({} if stack else NM))
    image = convert.image_from(layer)
    np.testing.assert_allclose(image.data, colour @ LUMINANCE, rtol=1e-5)
    assert "its luminance was taken as grey" in " ".join(image.metadata["messages"])
    assert "In colour: the luminance is analysed." in geometry.remarks_on(layer)


@pytest.mark.parametrize("stack", [False, True])
@pytest.mark.parametrize("top", [1, 255])
def test_transparent_pixels_are_invalid(stack, top):
    rgba = np.concatenate([COLOUR, np.where(CLEAR, 0, 1)[..., None]], axis=-1)
    rgba = rgba if top == 1 else (rgba * top).astype(np.uint8)
    layer = Image(np.stack([rgba, rgba]) if stack else rgba, rgb=True)
    image = convert.image_from(layer)
    assert image.masked(0)[CLEAR].all()
    assert image.masked(0).mean() < 0.3
    assert "Transparent pixels are masked." in image.metadata["messages"]
    assert image.mask is None  # which would be taken for one painted by hand


@pytest.mark.parametrize("alpha", [0, 1])
def test_an_alpha_that_is_the_same_everywhere_says_nothing(alpha):
    layer = Image(np.concatenate([COLOUR, np.full((*PIXELS.shape, 1), alpha)], axis=-1), rgb=True)
    assert np.isfinite(convert.image_from(layer).data).all()


def test_masked_arrays_keep_their_mask():
    layer = Image(np.ma.masked_array(PIXELS, CLEAR))
    assert convert.image_from(layer).masked(0)[CLEAR].all()


def test_the_analysis_has_pixels_of_its_own():
    data = PIXELS.copy()
    image = convert.image_from(Image(data))
    data[:] = 0
    np.testing.assert_array_equal(image.data, PIXELS)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (lambda: Labels((PIXELS > 0.5).astype(int), name="cells"), r"cells is no image layer but one of labels"),
        (lambda: Image(np.stack([STACK, STACK]), name="movie"), r"movie has the shape \(2, 3, 64, 80\).*Split Stack"),
        (lambda: Image(PIXELS[None, None]), "Split Stack"),
        (lambda: Image(PIXELS[:10, :10]), "at least 16 x 16"),
        (lambda: Image(np.full_like(PIXELS, np.nan), contrast_limits=(0, 1)), "no pixel is valid"),
        (lambda: Image(np.ones_like(PIXELS)), "every pixel is 1"),
        (lambda: Image(PIXELS, affine=[[1, 1, 0], [1, 1, 0], [0, 0, 1]]), "makes them coincide"),
        (lambda: Image(STACK, affine=np.eye(4)[[2, 1, 0, 3]]), "out of the image"),
        (lambda: Image(PIXELS, scale=(1, 0.001)), r"1e\+03 times as high as wide"),
        (lambda: Image(PIXELS, **scaled(0.0006, 0.1)), "0.006 times as high as wide"),
    ],
    ids=["labels", "4-D", "4-D of one", "small", "NaN", "constant", "flat", "turned", "strip", "strip in nm"],
)
def test_what_is_no_image_is_refused_in_a_sentence(layer, sentence):
    layer = layer()
    with pytest.raises(InputError, match=sentence):
        convert.image_from(layer)
    if isinstance(layer, Image):
        geometry.remarks_on(layer)
        layer_pixels.analysed_shape(layer)


@pytest.mark.parametrize(
    ("placed", "size", "shape", "remark"),
    [
        (scaled(0.02, 0.2, unit=("nm", "angstrom")), 0.02, (64, 80), None),
        (scaled(2e-5, 20, unit=("µm", "pm")), 0.02, (64, 80), None),
        (scaled(0.02, 16, unit=("nm", "pm")), 0.016, (79, 80), "1.25 times as high as wide"),
        (scaled(1, 0.02, unit=("pixel", "nm")), None, (64, 80), "Rows are in pixel and columns in nm"),
        (scaled(0.02, 0.02, unit=("nm", "s")), None, (64, 80), "Rows are in nm and columns in s"),
        (scaled(0.3, 0.3, unit="1/nm"), None, (64, 80), "1 / nm, is no length"),
        (scaled(1, 1, unit="dimensionless"), None, (64, 80), None),
        (scaled(1e-12, 1e-12), None, (64, 80), "Atoms cannot be seen"),
        (scaled(1e12, 1e12), None, (64, 80), "Atoms cannot be seen"),
        (scaled(1e-12, 1e-12, unit="pixel"), None, (64, 80), None),
        (scaled(-0.02, -0.016), 0.016, (79, 80), "1.25 times"),
        (scaled(0.02, -0.02), 0.02, (64, 80), "Mirrored"),
        ({**NM, "shear": [0.3]}, 0.02, (64, 80), "Sheared"),
        ({**NM, "shear": [1.0], "rotate": 40}, 0.02, (64, 80), "Sheared"),
        ({**NM, "affine": [[1, 0.5, 0], [0, 1, 0], [0, 0, 1]]}, 0.02, (64, 80), "Sheared"),
        ({**NM, "rotate": 30}, 0.02, (64, 80), "Rotated"),
        ({**NM, "rotate": 180}, 0.02, (64, 80), "Rotated"),
        (scaled(-0.02, -0.02), 0.02, (64, 80), "Rotated"),
        ({**scaled(0.04, 0.04), "affine": [[0, 0.5, 3], [0.5, 0, 4], [0, 0, 1]]}, 0.02, (64, 80), "Mirrored"),
        ({**NM, "affine": [[0.8, 0, 3], [0, 1, 4], [0, 0, 1]]}, 0.016, (64, 99), "0.8 times as high as wide"),
    ],
)
def test_units_scale_and_shear(placed, size, shape, remark):
    layer = Image(PIXELS, **placed)
    image = convert.image_from(layer)
    assert image.pixel_size == pytest.approx(size)
    assert geometry.pixel_size_of(layer) == pytest.approx(size)
    assert image.shape == layer_pixels.analysed_shape(layer) == shape
    said = " ".join(geometry.remarks_on(layer))
    assert remark in said if remark else not said


@pytest.mark.parametrize("unit", ["nm", "pixel", ("nm", "angstrom"), ("pixel", "nm")])
def test_a_pixel_size_given_holds_whatever_the_layer_had(unit):
    layer = Image(
        PIXELS, **scaled(1, 1, unit=unit), rotate=20, translate=(5, 6), affine=[[1, 0, 7], [0, 1, 8], [0, 0, 1]]
    )
    corner = np.array(layer.data_to_world((10, 20)))
    before = geometry.geometry_of(layer).sides
    geometry.set_pixel(layer, (0.02, 0.02))
    assert convert.image_from(layer).pixel_size == pytest.approx(0.02)
    assert convert.image_from(layer).shape == PIXELS.shape
    if unit in ("nm", "pixel"):
        np.testing.assert_allclose(layer.data_to_world((10, 20)), corner * 0.02 / np.array(before))


def test_no_pixel_size_leaves_the_proportions():
    layer = Image(PIXELS, **scaled(0.03, 0.02))
    geometry.set_pixel(layer, None)
    assert geometry.pixel_size_of(layer) is None
    np.testing.assert_allclose(geometry.geometry_of(layer).sides, (1.5, 1))
    assert geometry.pixel_like(layer, 0.02) == pytest.approx((0.03, 0.02))


@pytest.mark.parametrize(
    ("placed", "units", "point", "pixel"),
    [
        ({"translate": (3, 4), **NM}, None, {"data": [[3.2, 4.4]], "translate": (0.0, 0.1)}, (10, 25)),
        ({"translate": (3, 4), **NM}, None, {"data": [[160, 220]], "scale": (0.02, 0.02)}, (10, 20)),
        ({"translate": (3, 4), **NM}, None, {"data": [[10, 20]]}, (10, 20)),
        (scaled(0.02, 0.2, unit=("nm", "angstrom")), ("nm", "nm"), {"data": [[0.2, 0.4]]}, (10, 20)),
        ({"translate": (30, 40)}, ("pixel", "pixel"), {"data": [[40, 60]]}, (10, 20)),
    ],
)
def test_points_lie_where_they_are_seen_or_else_in_pixels(placed, units, point, pixel):
    layer = Image(PIXELS, **placed)
    np.testing.assert_allclose(convert.atoms_from(Points(**point, units=units), layer).yx, [pixel], atol=1e-6)


def test_a_mask_may_have_several_levels():
    labels = Labels([CLEAR.astype(np.uint8), CLEAR[::2, ::2].astype(np.uint8)], multiscale=True)
    np.testing.assert_array_equal(drawn_mask(labels, Image(PIXELS)), CLEAR)


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        (NM, {}),
        ({"scale": (0.02, 0.02), "translate": (3, 4)}, {}),
        ({**NM, "rotate": 30, "translate": (3, 4)}, {"rotate": 30, "translate": (3, 4), **NM}),
        ({}, {"translate": (5, 7)}),
        (NM, {"scale": (0.02, -0.02), "units": ("nm", "nm"), "translate": (0, 79 * 0.02)}),
        ({**NM, "rotate": 20}, NM),
        (scaled(0.03, 0.02), scaled(0.3, 0.2, unit="angstrom")),
        (NM, scaled(0.04, 0.04)),
    ],
)
def test_a_mask_lies_where_it_is_seen(image, labels):
    image, labels = Image(PIXELS, **image), Labels(CLEAR.astype(int), **labels)
    mask = drawn_mask(labels, image)
    assert mask.shape == layer_pixels.analysed_shape(image)
    shares = np.array(geometry.geometry_of(image).shares)
    plain = geometry.geometry_of(labels).plain
    for yx in np.random.default_rng(0).integers(0, mask.shape, (60, 2)):
        at = yx * shares
        row, column = np.rint(at if plain else labels.world_to_data(_in_units_of(labels, image, at))).astype(int)
        inside = 0 <= row < len(CLEAR) and 0 <= column < CLEAR.shape[1]
        assert mask[tuple(yx)] == (inside and CLEAR[row, column])


def _in_units_of(layer, image, at):
    factors = [(1.0 * ours).to(theirs).magnitude for ours, theirs in zip(image.units, layer.units, strict=True)]
    return np.array(image.data_to_world(at)) * factors


@pytest.mark.parametrize(
    ("axis", "points", "frames"),
    [
        ({"scale": (0.1, 1, 1), "translate": (5, 0, 0)}, {"data": [[5.0, 5, 6], [5.2, 5, 6]]}, [0, 2]),
        (
            {"scale": (0.1, 0.02, 0.02), "units": ("s", "nm", "nm")},
            {"data": [[0, 5, 6], [2, 5, 6]]},
            [0, 2],
        ),
        (
            {"scale": (0.1, 0.02, 0.02), "units": ("s", "nm", "nm")},
            {"data": [[0, 0.1, 0.1], [200, 0.1, 0.1]], "units": ("ms", "nm", "nm")},
            [0, 2],
        ),
        ({"scale": (-1, 1, 1)}, {"data": [[0, 5, 6], [-2, 5, 6]]}, [0, 2]),
        ({"affine": np.diag([2.0, 1, 1, 1])}, {"data": [[0, 5, 6], [4, 5, 6]]}, [0, 2]),
    ],
    ids=["scaled", "without units", "in another unit", "backwards", "affine"],
)
def test_points_are_in_the_frame_in_which_they_are_seen(axis, points, frames):
    assert convert.atoms_from(Points(**points), Image(STACK, **axis)).frame.tolist() == frames


def test_points_in_frames_that_are_not_there_are_refused():
    with pytest.raises(InputError, match=r"1 of 2 points of dots lie in frames that .* does not have; it has 3"):
        convert.atoms_from(Points([[0, 5, 6], [3, 5, 6]], name="dots"), Image(STACK))


def test_points_with_frames_on_a_single_image_are_all_on_it():
    assert convert.atoms_from(Points([[0, 5, 6], [7, 5, 6]]), Image(PIXELS)).frame.tolist() == [0, 0]


@pytest.mark.parametrize("placed", [NM, {**NM, "rotate": 30}, scaled(0.02, 0.016), {**NM, "shear": [0.2]}])
def test_an_average_lies_on_its_stack_with_the_same_scale(placed):
    from local_crystallography._napari.commands import add_average, averaged

    viewer = ViewerModel()
    noise = np.random.default_rng(1).random((3, *PIXELS.shape))
    place = Image(PIXELS, **placed)
    layer = viewer.add_image(np.stack([PIXELS] * 3) + 0.1 * noise, name="stack", **_deeper(place))
    add_average(viewer, layer, finish(averaged(layer)))
    made = viewer.layers[-1]
    shares = np.array(geometry.geometry_of(layer).shares)
    assert made.data.shape == layer_pixels.analysed_shape(layer)
    assert geometry.pixel_size_of(made) == pytest.approx(geometry.pixel_size_of(layer))
    np.testing.assert_allclose(
        made.data_to_world((10, 20)), layer.data_to_world((0, *(np.array([10, 20]) * shares)))[1:]
    )


def _deeper(layer):
    """Place of a stack whose frames lie as a layer does."""
    return {
        "scale": (1, *layer.scale),
        "units": ("pixel", *layer.units),
        "affine": np.block([[np.eye(1), np.zeros((1, 3))], [np.zeros((3, 1)), _linear(layer)]]),
    }


def _linear(layer):
    matrix = np.eye(3)
    matrix[:2, :2] = np.array(layer.rotate) @ np.array([[1, layer.shear[0]], [0, 1]])
    return matrix


def test_positions_in_the_file_count_both_resamplings():
    """Of a file whose pixels were resampled when it was read, and of a layer that was stretched since."""
    read = square(TheImage(PIXELS), (0.04, 0.02))
    data, arguments, _ = convert.layer_of(read)
    layer = Image(data, **{**arguments, "scale": (0.02, 0.04)})
    assert convert.image_from(layer).file_pixels == pytest.approx((0.5, 0.5))


def test_rounding_errors_of_a_rotation_do_not_turn_a_stack_out_of_its_plane():
    turned = np.array([[1, 1e-16, -2e-17], [1e-16, 0.8, -0.6], [0, 0.6, 0.8]])
    assert convert.image_from(Image(STACK, rotate=turned)).count == 3


@pytest.mark.parametrize("shear", [[0, 0, 0.3], np.array([[1, 0, 0], [0, 1, 0], [0, 0.3, 1]])], ids=["upper", "lower"])
def test_a_single_frame_lies_on_a_sheared_stack(shear):
    stack = Image(STACK, shear=shear, translate=(0, 3, 4))
    frame = Labels(CLEAR.astype(int), **geometry.flat(geometry.placement_of(stack)))
    np.testing.assert_allclose(frame.data_to_world((10, 20)), stack.data_to_world((0, 10, 20))[1:])

"""What a file holds is told, and the right image of it is read at a scale that can be."""

import h5py
import numpy as np
import pytest
import tifffile
from imageio import v3 as imageio

from local_crystallography import Image, read_image
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import square, with_mask
from local_crystallography.io.read import contents, read_images, read_mask

PIXELS = np.random.default_rng(0).random((48, 64))
COUNTS = (PIXELS * 1000).astype(np.uint16)


def emd(path, arrays):
    """An EMD file of the Berkeley kind with 0.02 nm pixels."""
    with h5py.File(path, "w") as file:
        file.attrs["version_major"], file.attrs["version_minor"] = 0, 2
        for title, data in arrays.items():
            group = file.create_group("data/" + title)
            group.attrs["emd_group_type"], group["data"] = 1, data
            for number, (axis, size) in enumerate(zip("yx", data.shape, strict=True), 1):
                dim = group.create_dataset(f"dim{number}", data=np.arange(size) * 0.02)
                dim.attrs["name"], dim.attrs["units"] = axis, "[n_m]"
    return path


@pytest.mark.parametrize("first", ["B-D", "Ca-K", "BF", "iDPC", "O"])
def test_the_haadf_image_is_read_before_others(tmp_path, first):
    path = emd(tmp_path / "a.emd", {first: PIXELS, "HAADF": 2 * PIXELS})
    assert read_image(path).metadata["title"] == "HAADF"
    assert read_image(path, detector=first.lower()).metadata["title"] == first
    assert [one.index for one in contents(path)] == [0, 1]


def test_a_blank_detector_spoils_nothing(tmp_path):
    path = emd(tmp_path / "a.emd", {"DF2": np.zeros_like(PIXELS), "DF4": PIXELS})
    assert read_image(path).metadata["title"] == "DF4"
    assert [image.metadata["title"] for image in read_images(path)] == ["DF4"]
    assert [(one.problem, one.usual) for one in contents(path)] == [("every pixel is the same", False), ("", True)]
    with pytest.raises(InputError, match="every pixel"):
        read_image(path, 0)


def test_an_unknown_detector_is_refused(tmp_path):
    path = emd(tmp_path / "a.emd", {"DF4": PIXELS})
    with pytest.raises(InputError, match="no image of a detector ABF; name one that it holds: 0: 48 x 64"):
        read_image(path, detector="ABF")
    with pytest.raises(InputError, match="not by both"):
        read_image(path, 0, detector="DF4")


@pytest.mark.parametrize("ome", [False, True])
def test_channels_are_images_and_no_frames(tmp_path, ome):
    path = tmp_path / ("a.ome.tif" if ome else "a.tif")
    both = np.stack([PIXELS, 1 - PIXELS]).astype(np.float32)
    if ome:
        size = {f"PhysicalSize{axis}": 0.02 for axis in "XY"} | {f"PhysicalSize{axis}Unit": "nm" for axis in "XY"}
        tifffile.imwrite(path, both, ome=True, metadata={"axes": "CYX", "Channel": {"Name": ["ABF", "HAADF"]}, **size})
    else:
        said = {"unit": "nm", "axes": "CYX", "mode": "composite", "Labels": ["ABF", "HAADF"]}
        tifffile.imwrite(path, both, imagej=True, resolution=(50, 50), metadata=said)
    images = read_images(path)
    assert [image.metadata["title"] for image in images] == ["HAADF", "ABF"]
    assert [image.data.shape for image in images] == [(48, 64)] * 2
    assert [image.pixel_size for image in images] == pytest.approx([0.02, 0.02])
    np.testing.assert_array_equal(read_image(path, detector="ABF").data, both[0])


def test_frames_stay_frames(tmp_path):
    stack = np.stack([COUNTS] * 3)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "TYX"})
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, stack)


def test_frames_of_channels(tmp_path):
    data = np.stack([np.stack([COUNTS, COUNTS[::-1]])] * 3)  # T, C, Y, X
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata={"axes": "TCYX"})
    images = read_images(tmp_path / "a.tif")
    assert [image.data.shape for image in images] == [(3, 48, 64)] * 2
    np.testing.assert_array_equal(images[1].data, data[:, 1])


def test_white_is_zero(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", COUNTS, photometric="miniswhite")
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, 65535 - COUNTS)
    assert "inverted" in image.metadata["messages"][0]


def test_a_preview_before_the_data_is_not_read(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(COUNTS[::3, ::3])
        tiff.write(COUNTS)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, COUNTS)


def test_a_colour_copy_before_the_data_is_not_read(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(np.dstack([COUNTS // 256] * 3).astype(np.uint8), photometric="rgb")
        tiff.write(COUNTS)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, COUNTS)


def test_a_palette_is_its_luminance(tmp_path):
    grey = np.linspace(0, 65535, 256).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", (PIXELS * 255).astype(np.uint8), photometric="palette", colormap=[grey] * 3)
    found = read_image(tmp_path / "a.tif").data.astype(float)
    assert np.corrcoef(found.ravel(), PIXELS.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_both_byte_orders(tmp_path, byteorder):
    tifffile.imwrite(tmp_path / "a.tif", COUNTS, byteorder=byteorder)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, COUNTS)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("72 dpi", {"imagej": True, "resolution": (72, 72), "metadata": {"unit": "inch"}}),
        ("paper", {"imagej": True, "resolution": (28.35, 28.35), "metadata": {"unit": "cm"}}),
        ("micrometres", {"ome": True, "metadata": {"axes": "YX", "PhysicalSizeX": 1.0, "PhysicalSizeY": 1.0}}),
        ("too fine", {"imagej": True, "resolution": (1e5, 1e5), "metadata": {"unit": "nm"}}),
    ],
)
def test_a_scale_that_cannot_be_is_none_and_it_is_said(tmp_path, kind, settings):
    path = tmp_path / ("a.ome.tif" if "ome" in settings else "a.tif")
    tifffile.imwrite(path, COUNTS, **settings)
    image = read_image(path)
    assert image.pixel_size is None
    assert "atoms cannot be seen" in image.metadata["messages"][-1]
    assert "--pixel-size" in image.metadata["messages"][-1]
    assert read_image(path, pixel_size=0.02).pixel_size == 0.02


@pytest.mark.parametrize("size", [0.0001, 3.0, (0.02, 5.0)])
def test_a_pixel_size_given_has_to_be_one_of_atoms(tmp_path, size):
    tifffile.imwrite(tmp_path / "a.tif", COUNTS)
    with pytest.raises(InputError, match=r"from 0\.0005 to 0\.2 nm"):
        read_image(tmp_path / "a.tif", pixel_size=size)


def test_pixels_that_are_not_square_are_resampled(tmp_path):
    y, x = np.mgrid[:90, :120]
    wave = np.sin(2 * np.pi * y * 0.02 / 0.3) + np.cos(2 * np.pi * x * 0.016 / 0.4)
    np.save(tmp_path / "a.npy", wave)
    image = read_image(tmp_path / "a.npy", pixel_size=(0.02, 0.016))
    assert image.pixel_size == 0.016
    height, width = image.data.shape
    y, x = np.mgrid[:height, :width] * 0.016
    inner = (slice(5, -5), slice(5, -5))
    np.testing.assert_allclose(
        image.data[inner], (np.sin(2 * np.pi * y / 0.3) + np.cos(2 * np.pi * x / 0.4))[inner], atol=0.01
    )
    assert "0.02 x 0.016 nm were resampled" in image.metadata["messages"][-1]
    assert image.metadata["pixels of the file"] == pytest.approx((0.8, 1.0))


def test_frames_at_the_end_are_put_first_and_it_is_said(tmp_path):
    stack = np.random.default_rng(1).random((64, 64, 20))
    np.save(tmp_path / "a.npy", stack)
    image = read_image(tmp_path / "a.npy")
    np.testing.assert_array_equal(image.data, np.moveaxis(stack, -1, 0))
    assert "taken as 20 frames of 64 x 64" in image.metadata["messages"][0]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_few_frames_are_no_colours(tmp_path, count):
    stack = np.random.default_rng(1).random((64, 64, count))
    np.save(tmp_path / "a.npy", stack)
    image = read_image(tmp_path / "a.npy")
    np.testing.assert_array_equal(image.data, np.moveaxis(stack, -1, 0))
    assert image.metadata["messages"] == [
        f"The array of 64 x 64 x {count} was taken as {count} frames of 64 x 64 pixels."
    ]


@pytest.mark.parametrize("name", ["Wavelength", "Energy loss"])
def test_a_spectrum_at_every_pixel_is_no_stack(tmp_path, name):
    path = emd(tmp_path / "a.emd", {"SI": PIXELS})
    with h5py.File(path, "a") as file:
        group = file["data/SI"]
        del group["data"]
        group["data"] = np.stack([PIXELS] * 20)
        group.move("dim2", "dim3")
        group.move("dim1", "dim2")
        group["dim1"] = np.arange(20.0)
        group["dim1"].attrs["name"], group["dim1"].attrs["units"] = name, "[n_m]"
    with pytest.raises(InputError, match=r"20 x 48 x 64 float64 \(SI\) \[spectra\]"):
        read_image(path)


def test_transparent_pixels_are_masked(tmp_path):
    grey = (PIXELS * 255).astype(np.uint8)
    alpha = np.full_like(grey, 255)
    alpha[:10] = 0
    imageio.imwrite(tmp_path / "a.png", np.dstack([grey] * 3 + [alpha]))
    image = read_image(tmp_path / "a.png")
    assert image.mask[:10].all()
    assert not image.mask[10:].any()


def test_images_of_velox_come_without_their_spectra(tmp_path):
    import json

    binary = {"PixelSize": {"width": "2e-11", "height": "2e-11"}, "PixelUnitX": "m", "PixelUnitY": "m"}
    groups = ("Acquisition", "CustomProperties", "Detectors", "Optics", "Stage")
    said = json.dumps({"BinaryResult": binary, **{name: {} for name in groups}})
    column = np.zeros((4096, 1), np.uint8)
    column[: len(said), 0] = np.frombuffer(said.encode(), np.uint8)
    with h5py.File(tmp_path / "a.emd", "w") as file:
        file["Version"] = np.array(['{"format": "Velox", "version": "10"}'], dtype="S64")
        group = file.create_group("Data/Image/" + "0" * 32)
        group["Data"], group["Metadata"] = COUNTS[:, :, None], column
        file.create_group("Data/SpectrumImage/" + "1" * 32)
        file.create_group("Presentation/Displays/ImageDisplay")
    image = read_image(tmp_path / "a.emd")
    np.testing.assert_array_equal(image.data, COUNTS)
    assert image.pixel_size == pytest.approx(0.02)


def test_a_mask_file_is_in_the_pixels_of_the_image_file(tmp_path):
    labels = np.zeros((48, 40), np.uint8)
    labels[:12, 30:] = 3
    tifffile.imwrite(tmp_path / "mask.tif", labels)
    imageio.imwrite(tmp_path / "mask.png", np.dstack([labels, labels, labels, np.full_like(labels, 255)]))
    np.save(tmp_path / "mask.npy", labels > 0)
    for name in ("mask.tif", "mask.png", "mask.npy"):
        np.testing.assert_array_equal(read_mask(tmp_path / name), labels > 0)
    pixels = np.random.default_rng(0).random((48, 40))
    image = square(Image(pixels), (0.02, 0.016))
    masked = with_mask(image, labels > 0)
    assert masked.mask.shape == image.shape == (59, 40)
    np.testing.assert_array_equal(masked.mask[:, 35], np.arange(59) * 0.8 < 11.5)
    assert not masked.mask[:, 29].any()
    with pytest.raises(InputError, match="use a mask of the size of the image"):
        with_mask(image, labels[:20] > 0)


def test_a_mask_that_is_no_image_is_refused_in_a_sentence(tmp_path):
    np.save(tmp_path / "mask.npy", np.zeros((5, 48, 40)))
    with pytest.raises(InputError, match=r"must be \(H, W\); save a single image"):
        read_mask(tmp_path / "mask.npy")


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_masked_elements_of_an_array_are_invalid_pixels(kind):
    pixels = (np.random.default_rng(0).random((3, 32, 32)) * 200).astype(kind)
    hidden = np.zeros(pixels.shape, bool)
    hidden[1, :5] = hidden[0, :, 30:] = True
    image = Image(np.ma.MaskedArray(pixels, hidden))
    for number in range(3):
        np.testing.assert_array_equal(image.masked(number) & hidden[number], hidden[number])
        np.testing.assert_array_equal(image.read(number)[~hidden[number]], pixels[number][~hidden[number]])
    assert Image(np.ma.MaskedArray(pixels)).data.dtype == kind


def test_a_file_without_arrays_is_said_to_be_one(tmp_path):
    h5py.File(tmp_path / "a.h5", "w").close()
    for read in (contents, read_image, read_images):
        with pytest.raises(InputError, match="holds no image, and no other array; open"):
            read(tmp_path / "a.h5")


def test_an_image_of_nan_is_blank(tmp_path):
    path = emd(tmp_path / "a.emd", {"DF2": np.full_like(PIXELS, np.nan), "DF4": PIXELS})
    assert read_image(path).metadata["title"] == "DF4"
    assert [(one.problem, one.usual) for one in contents(path)] == [("every pixel is the same", False), ("", True)]


@pytest.mark.parametrize("usual", [PIXELS, np.zeros_like(PIXELS)])
def test_what_is_no_image_is_not_the_usual_one(tmp_path, usual):
    np.save(tmp_path / "a.npy", usual)
    assert [one.usual for one in contents(tmp_path / "a.npy")] == [bool(usual.any())]


def test_a_number_of_what_is_no_image_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["DF4"], file["wave"] = PIXELS, PIXELS * 1j
    with pytest.raises(
        InputError, match=r"Number 1 of a.h5 is no image \(complex numbers\); choose another: 0: 48 x 64"
    ):
        read_image(tmp_path / "a.h5", 1)


CHOICES = {
    "yes": ({"index": True}, "True is not the number of an image"),
    "a fraction": ({"index": 0.5}, "0.5 is not the number of an image"),
    "text": ({"index": "0"}, "'0' is not the number of an image"),
    "no name": ({"detector": ""}, "'' is not the name of a detector"),
    "a number for a name": ({"detector": 4}, "4 is not the name of a detector"),
    "three sides": ({"pixel_size": (0.02, 0.02, 0.02)}, "is not a pixel size; give one number in nm, or"),
    "no side": ({"pixel_size": ()}, "is not a pixel size"),
    "words for a size": ({"pixel_size": "small"}, "'small' is not a pixel size"),
    "a size that cannot be": ({"pixel_size": 20}, "pixels of 20 nm; give a pixel size from 0.0005 to 0.2 nm"),
    "long pixels": ({"pixel_size": (0.0005, 0.2)}, "too elongated; check their height and width"),
}


@pytest.mark.parametrize("case", CHOICES)
def test_a_choice_that_cannot_be_is_refused(tmp_path, case):
    options, words = CHOICES[case]
    with pytest.raises(InputError, match=words):
        read_image(emd(tmp_path / "a.emd", {"DF4": PIXELS}), **options)


@pytest.mark.parametrize("size", [np.float32(0.02), (0.02,), np.array([0.02, 0.02])])
def test_a_pixel_size_may_be_a_number_of_numpy(tmp_path, size):
    np.save(tmp_path / "a.npy", PIXELS)
    assert read_image(tmp_path / "a.npy", pixel_size=size).pixel_size == pytest.approx(0.02)


SCALES = {
    "long pixels": ((2000, 6), "nm", "too elongated"),
    "one side": ((0, 50), "nm", "only one side of a pixel, 0.02 nm"),
    "angles": ((50, 50), "mrad", "in mrad, as of a diffraction pattern"),
}


@pytest.mark.parametrize("case", SCALES)
def test_a_scale_that_cannot_be_is_left_out_and_said(tmp_path, case):
    resolution, unit, words = SCALES[case]
    tifffile.imwrite(tmp_path / "a.tif", COUNTS, imagej=True, resolution=resolution, metadata={"unit": unit})
    image = read_image(tmp_path / "a.tif")
    assert image.pixel_size is None
    assert words in image.metadata["messages"][0]


def test_what_may_be_a_map_of_spectra_is_said(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((20, 20, 200)))
    assert "if it is a map of spectra" in read_image(tmp_path / "a.npy").metadata["messages"][0]


@pytest.mark.parametrize("mask", [np.full((48, 64), "x"), np.ones((48, 64), complex)])
def test_a_mask_holds_real_numbers(tmp_path, mask):
    np.save(tmp_path / "mask.npy", mask)
    with pytest.raises(InputError, match="but a mask must hold real numbers"):
        read_mask(tmp_path / "mask.npy")


def test_a_mask_that_masks_nothing_is_said(tmp_path, caplog):
    np.save(tmp_path / "mask.npy", np.zeros((48, 64)))
    assert not read_mask(tmp_path / "mask.npy").any()
    assert "mask.npy is 0 everywhere, so no pixels are masked." in caplog.messages

"""Images come back as they were written, with their scale; what cannot be used is refused in words."""

import json
import os
import struct
from contextlib import suppress
from pathlib import Path

import h5py
import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from local_crystallography.data.errors import InputError
from local_crystallography.io.formats import EXTENSIONS, to_nm
from local_crystallography.io.read import read_image, read_images

PIXELS = np.random.default_rng(0).integers(0, 255, (24, 32)).astype(np.uint8)
STACK = np.stack([PIXELS, PIXELS[::-1], PIXELS[:, ::-1]])
COLOUR = np.random.default_rng(1).integers(0, 255, (24, 32, 3)).astype(np.uint8)


def _signal(data, scale=0.03, units="nm", navigate=0, scale_x=None, title=""):
    """A rosettasciio signal; the first `navigate` axes are navigation axes."""
    names = ("frame", "scan", "y", "x")[-data.ndim :]
    axes = [
        {
            "name": name,
            "size": size,
            "index_in_array": i,
            "scale": scale_x if name == "x" and scale_x else scale,
            "offset": 0.0,
            "units": units,
            "navigate": i < navigate,
        }
        for i, (name, size) in enumerate(zip(names, data.shape, strict=True))
    ]
    return {
        "data": data,
        "axes": axes,
        "metadata": {"General": {"title": title}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
        "learning_results": {},
        "tmp_parameters": {},
        "models": {},
        "attributes": {"_lazy": False, "ragged": False},
        "package_info": {"package": "", "package_version": ""},
    }


def _hspy(path, data=PIXELS, **about):
    from rsciio.hspy import file_writer

    file_writer(str(path), _signal(data, **about))


def _ncem(path, data=PIXELS, **about):
    from rsciio.emd import file_writer

    file_writer(str(path), _signal(data, **about))


def _velox(path, images=(PIXELS,)):
    size = {"width": "3e-11", "height": "3e-11"}
    binary = {"PixelSize": size, "PixelUnitX": "m", "PixelUnitY": "m"}
    rest = {name: {} for name in ("Acquisition", "CustomProperties", "Detectors", "Optics", "Stage")}
    metadata = json.dumps({"BinaryResult": binary, **rest})
    with h5py.File(path, "w") as file:
        file["Version"] = np.array(['{"format": "Velox", "version": "1.0"}'], dtype="S64")
        file.create_group("Data/Image")
        for i, image in enumerate(images):
            group = file.create_group(f"Data/Image/{i:032x}")
            group["Data"] = image[:, :, None]
            column = np.zeros(4096, np.uint8)
            column[: len(metadata)] = np.frombuffer(metadata.encode(), np.uint8)
            group["Metadata"] = column[:, None]


def _mrc(path, data=PIXELS, cell=(9.6, 7.2, 1.0)):
    header = bytearray(1024)
    y, x = data.shape[-2:]
    z = data.shape[0] if data.ndim == 3 else 1
    struct.pack_into("<4i", header, 0, x, y, z, 6)
    if cell:
        struct.pack_into("<3i3f", header, 28, x, y, z, *cell)  # angstrom
    path.write_bytes(header + data.astype("<u2").tobytes())


def _ser(path, data=PIXELS, step=3e-11):
    """A TIA file, version 528, of one image; its rows run upwards."""
    h, w = data.shape
    head = struct.pack("<3H4I2I", 0x4949, 0x0197, 0x0210, 0x4122, 0x4152, 1, 1, 70, 1)
    dimension = struct.pack("<I2dII6sI", 1, 0.0, 1.0, 0, 6, b"Number", 0)
    start = len(head) + len(dimension)
    head = head[:22] + struct.pack("<I", start) + head[26:]
    element = struct.pack("<ddIddIHII", 0.0, step, 0, 0.0, step, 0, 1, w, h)
    offsets = struct.pack("<2I", start + 8, start + 8 + len(element) + data.size)
    path.write_bytes(head + dimension + offsets + element + data[::-1].tobytes() + struct.pack("<HHI", 0x4152, 0, 0))


def _blo(path):
    from rsciio.blockfile import file_writer

    signal = _signal(np.arange(3 * 4 * 16 * 16).astype(np.uint8).reshape(3, 4, 16, 16), navigate=2)
    for axis in signal["axes"][2:]:
        axis.update(units="cm", scale=1.0)
    file_writer(str(path), signal)


def _imagej(path, unit, per_pixel, data=PIXELS):
    tifffile.imwrite(path, data, imagej=True, resolution=(1 / per_pixel, 1 / per_pixel), metadata={"unit": unit})


def _ome(path, size, unit):
    metadata = {
        "axes": "YX",
        "PhysicalSizeX": size,
        "PhysicalSizeY": size,
        "PhysicalSizeXUnit": unit,
        "PhysicalSizeYUnit": unit,
    }
    tifffile.imwrite(path, PIXELS, ome=True, metadata=metadata)


def _plain_tiff(path, per_unit, unit):
    tifffile.imwrite(path, PIXELS, resolution=(per_unit, per_unit), resolutionunit=unit, metadata=None)


def _gatan_tiff(path, size, unit):
    tags = [(number, "s", 0, unit, True) for number in (65003, 65004)]
    tags += [(number, "d", 1, size, True) for number in (65009, 65010)]
    tifffile.imwrite(path, PIXELS, metadata=None, extratags=tags)


CASES = {
    "hspy": ("a.hspy", _hspy, 0.03),
    "hspy in angstrom": ("a.hspy", lambda path: _hspy(path, scale=0.3, units="Å"), 0.03),
    "hspy in um": ("a.hspy", lambda path: _hspy(path, scale=3e-5, units="µm"), 0.03),
    "hspy in reciprocal space": ("a.hspy", lambda path: _hspy(path, units="1/nm"), None),
    "hspy without units": ("a.hspy", lambda path: _hspy(path, units="<undefined>"), None),
    "NCEM": ("a.emd", _ncem, 0.03),
    "Velox": ("a.emd", _velox, 0.03),
    "mrc": ("a.mrc", _mrc, 0.03),
    "mrc without a cell": ("a.mrc", lambda path: _mrc(path, cell=None), None),
    "ser": ("a.ser", _ser, 0.03),
    "ser in reciprocal space": ("a.ser", lambda path: _ser(path, step=3e8), None),
    "ImageJ nm": ("a.tif", lambda path: _imagej(path, "nm", 0.03), 0.03),
    "ImageJ um": ("a.tif", lambda path: _imagej(path, r"\u00B5m", 3e-5), 0.03),
    "ImageJ micron": ("a.tif", lambda path: _imagej(path, "micron", 3e-5), 0.03),
    "ImageJ Angstrom": ("a.tif", lambda path: _imagej(path, "Angstrom", 0.3), 0.03),
    "ImageJ pixel": ("a.tif", lambda path: _imagej(path, "pixel", 1), None),
    "OME nm": ("a.ome.tif", lambda path: _ome(path, 0.03, "nm"), 0.03),
    "OME um": ("a.ome.tiff", lambda path: _ome(path, 3e-5, "µm"), 0.03),
    "Gatan TIFF": ("a.tif", lambda path: _gatan_tiff(path, 0.03, "nm"), 0.03),
    "TIFF per cm": ("a.tif", lambda path: _plain_tiff(path, (10**9, 3), "CENTIMETER"), 0.03),
    "TIFF 72 dpi": ("a.tif", lambda path: _plain_tiff(path, 72, "INCH"), None),
    "TIFF 300 dpi": ("a.tif", lambda path: _plain_tiff(path, 300, "INCH"), None),
    "bare TIFF": ("a.TIFF", lambda path: tifffile.imwrite(path, PIXELS), None),
    "png": ("a.png", lambda path: imageio.imwrite(path, PIXELS), None),
    "npy": ("a.npy", lambda path: np.save(path, PIXELS), None),
}


@pytest.mark.parametrize("case", CASES)
def test_pixels_and_scale_come_back(tmp_path, case):
    name, write, pixel_size = CASES[case]
    write(tmp_path / name)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.data, PIXELS)
    assert image.pixel_size == (None if pixel_size is None else pytest.approx(pixel_size, rel=1e-5))
    assert image.metadata["source"] == name
    assert all("diffraction pattern" in message for message in image.metadata["messages"])
    assert bool(image.metadata["messages"]) == ("reciprocal" in case)


STACKS = {
    "hspy": ("a.hspy", lambda path: _hspy(path, STACK, navigate=1), 0.03),
    "mrc": ("a.mrc", lambda path: _mrc(path, STACK), 0.03),
    "ImageJ": ("a.tif", lambda path: _imagej(path, "nm", 0.03, STACK), 0.03),
    "npy": ("a.npy", lambda path: np.save(path, STACK), None),
}


@pytest.mark.parametrize("case", STACKS)
def test_a_stack_keeps_its_frames(tmp_path, case):
    name, write, pixel_size = STACKS[case]
    write(tmp_path / name)
    image = read_image(str(tmp_path / name))
    np.testing.assert_array_equal(image.data, STACK)
    assert image.pixel_size == (None if pixel_size is None else pytest.approx(pixel_size, rel=1e-5))


def test_jpeg_is_read_within_its_loss(tmp_path):
    ramp = np.add.outer(np.arange(32), np.arange(48)).astype(np.uint8)
    imageio.imwrite(tmp_path / "a.jpg", ramp, quality=95)
    assert np.abs(read_image(tmp_path / "a.jpg").data.astype(int) - ramp).max() < 8


COLOURS = {
    "png": ("a.png", lambda path, data: imageio.imwrite(path, data)),
    "tif": ("a.tif", lambda path, data: tifffile.imwrite(path, data, photometric="rgb")),
    "planar tif": (
        "a.tif",
        lambda path, data: tifffile.imwrite(path, np.moveaxis(data, -1, 0), photometric="rgb", planarconfig="separate"),
    ),
    "npy": ("a.npy", lambda path, data: np.save(path, data)),
}


@pytest.mark.parametrize("case", COLOURS)
def test_colour_becomes_grey_with_a_message(tmp_path, case):
    name, write = COLOURS[case]
    write(tmp_path / name, COLOUR)
    image = read_image(tmp_path / name)
    np.testing.assert_allclose(image.data, COLOUR @ [0.2125, 0.7154, 0.0721], rtol=1e-5)
    assert "colour" in image.metadata["messages"][0]


@pytest.mark.parametrize("case", COLOURS)
def test_grey_saved_as_colour_loses_nothing_and_says_nothing(tmp_path, case):
    name, write = COLOURS[case]
    write(tmp_path / name, np.repeat(PIXELS[:, :, None], 3, axis=2))
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.data, PIXELS)
    assert image.metadata["messages"] == []


def test_transparency_is_left_out(tmp_path):
    alpha = np.full_like(PIXELS, 255)
    imageio.imwrite(tmp_path / "a.png", np.dstack([PIXELS, PIXELS, PIXELS, alpha]))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").data, PIXELS)


def test_uneven_pixels_are_resampled_with_a_message(tmp_path, caplog):
    _hspy(tmp_path / "a.hspy", scale=0.02, scale_x=0.03)
    image = read_image(tmp_path / "a.hspy")
    assert image.pixel_size == 0.02
    assert "resampled to square" in image.metadata["messages"][0]
    assert "resampled to square" in caplog.text


def test_one_of_several_images(tmp_path):
    path = tmp_path / "a.emd"
    _velox(path, (PIXELS, PIXELS[::-1]))
    first = read_image(path)
    np.testing.assert_array_equal(first.data, PIXELS)
    assert "2 images" in first.metadata["messages"][0]
    np.testing.assert_array_equal(read_image(path, index=1).data, PIXELS[::-1])
    assert len(read_images(path)) == 2


def test_big_endian_pixels_become_native(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PIXELS.astype(">u2"), byteorder=">")
    image = read_image(tmp_path / "a.tif")
    assert image.data.dtype.isnative
    np.testing.assert_array_equal(image.data, PIXELS)


def test_a_read_file_is_let_go(tmp_path):
    _hspy(tmp_path / "a.hspy")
    read_image(tmp_path / "a.hspy")
    with h5py.File(tmp_path / "a.hspy", "a") as file:
        assert file.mode == "r+"


def _bytes(data):
    return lambda path: path.write_bytes(data)


def _npy_with(path, shape):
    np.save(path, PIXELS)
    path.write_bytes(path.read_bytes().replace(b"(24, 32)", shape))


BAD = {
    "missing": ("a.tif", lambda path: None, ["does not exist", "spelling"]),
    "folder": ("a.dm4", lambda path: path.mkdir(), ["folder", "choose a file in it"]),
    "Zarr store": ("a.zspy", lambda path: path.mkdir(), ["can hold code", ".hspy"]),
    "unknown extension": ("a.xyz", _bytes(b"1"), [".xyz", ".dm4", "export"]),
    "no extension": ("image", _bytes(b"1"), ["has no extension", ".dm4"]),
    "text array": ("a.npy", lambda path: np.save(path, np.full((20, 20), "a")), ["<U1", "real numbers"]),
    "pickle": ("a.npy", lambda path: np.save(path, np.full((20, 20), None)), ["cannot be read", "NPY"]),
    "archive": ("a.npy", lambda path: np.savez(path.open("wb"), a=PIXELS), ["archive", "numpy.save"]),
    "damaged header": ("a.npy", lambda path: _npy_with(path, b"(24, ((("), ["cannot be read", "NPY"]),
    "one row": ("a.npy", lambda path: np.save(path, np.arange(50)), ["(50,)", "(H, W)"]),
    "complex": ("a.npy", lambda path: np.save(path, PIXELS * 1j), ["complex128", "magnitude"]),
    "4-D array": ("a.npy", lambda path: np.save(path, np.ones((2, 2, 20, 20))), ["2 x 2 x 20", "(H, W)"]),
    "4-D STEM": ("a.blo", _blo, ["3 x 4 x 16 x 16", "virtual dark field"]),
    "spectra": ("a.hspy", lambda path: _hspy(path, STACK, navigate=2), ["3 x 24 x 32", "(H, W)"]),
    "spectrum": ("a.hspy", lambda path: _hspy(path, PIXELS, units="eV"), ["24 x 32", "(H, W)"]),
    "line of spectra": ("a.hspy", lambda path: _hspy(path, PIXELS, navigate=1), ["24 x 32 uint8 [a line of spectra]"]),
    "no image in an HDF5": ("a.emd", lambda path: h5py.File(path, "w").close(), ["cannot be read", "EMD"]),
}  # fmt: skip
BAD |= {f"empty {kind}": (f"a{kind}", _bytes(b""), ["empty", "0 bytes"]) for kind in EXTENSIONS}
DAMAGED = ["cannot be read", "copied"]
BAD |= {f"damaged {kind}": (f"a{kind}", _bytes(b"no image " * 9), DAMAGED) for kind in EXTENSIONS if kind != ".emi"}
BAD["without pixels"] = ("a.emi", _bytes(b"no image " * 9), ["a_1.ser", "same folder"])


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_refused_in_one_sentence(tmp_path, case):
    name, write, words = BAD[case]
    write(tmp_path / name)
    with pytest.raises(InputError) as error:
        read_image(tmp_path / name)
    message = str(error.value)
    assert [word for word in words if word not in message] == []
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("part", [0.02, 0.1, 0.5, 0.9])
def test_a_file_cut_short_never_ends_in_another_exception(tmp_path, case, part):
    name, write, _ = CASES[case]
    path: Path = tmp_path / name
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: max(1, int(part * len(whole)))])
    with suppress(InputError):
        assert read_image(path).data.ndim == 2  # what is missing was padding


@pytest.mark.parametrize("index", [-1, 1])
def test_an_image_the_file_does_not_hold(tmp_path, index):
    np.save(tmp_path / "a.npy", PIXELS)
    with pytest.raises(InputError, match="leave the number out, since it holds only 0: 24 x 32"):
        read_image(tmp_path / "a.npy", index=index)


UNITS = {
    "m": 1e9,
    "meters": 1e9,
    "mm": 1e6,
    "um": 1e3,
    "µm": 1e3,
    "μm": 1e3,
    "micron": 1e3,
    "cm": 1e7,
    "nm": 1,
    "NM": 1,
    "\u00c5": 0.1,
    "\u212b": 0.1,
    "angstrom": 0.1,
    "Angstrom": 0.1,
    "pm": 1e-3,
    **dict.fromkeys(("1/nm", "1 / nm", "nm^-1", "<undefined>", "", "px", "pixel", "pixels", "eV", "s", "???")),
}


@pytest.mark.parametrize(("unit", "nm"), UNITS.items())
def test_units(unit, nm):
    assert to_nm(1.0, unit) == (None if nm is None else pytest.approx(nm))


@pytest.mark.skipif(
    "LOCAL_CRYSTALLOGRAPHY_REAL_DATA" not in os.environ, reason="LOCAL_CRYSTALLOGRAPHY_REAL_DATA is not set"
)
def test_a_real_dm4():
    image = read_image(Path(os.environ["LOCAL_CRYSTALLOGRAPHY_REAL_DATA"]) / "BaTiO3_HAADF.dm4")
    assert image.data.shape == (413, 469)
    assert image.pixel_size == pytest.approx(0.02966, abs=1e-5)

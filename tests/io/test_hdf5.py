"""HDF5 files are told apart by what is in them; rows are rows, at their scale."""

import json
import zipfile

import h5py
import numpy as np
import pytest
from scipy.io import netcdf_file

from local_crystallography import read_image
from local_crystallography.data.errors import InputError
from local_crystallography.io.read import contents

SEEN = np.random.default_rng(0).random((24, 32))
SEEN[0, 0] = 9.0
"""As the image is seen: its brightest pixel is at the top left."""
STACK = np.stack([SEEN, 2 * SEEN, 3 * SEEN])


def _properties(ndim, unit="nm", **about):
    calibration = {"offset": 0.0, "scale": 0.02, "units": unit}
    return json.dumps({"title": "HAADF", "dimensional_calibrations": [calibration] * ndim, **about})


def _nion(path, data=SEEN, **about):
    with h5py.File(path, "w") as file:
        file["data"] = data
        file["data"].attrs["properties"] = _properties(data.ndim, **about)


def _nion_library(path, data=SEEN):
    with h5py.File(path, "w") as file:
        for name, title, one in (("0", "MAADF", 2 * data), ("1", "HAADF", data)):
            file[f"data/{name}"] = one
            file[f"data/{name}"].attrs["properties"] = _properties(2, title=title)


def _ndata(path, data=SEEN, **about):
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("data.npy", "w") as file:
            np.save(file, data)
        archive.writestr("metadata.json", _properties(data.ndim, **about))


def _nion_of_2015(path):
    inner = json.loads(_properties(2))
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("data.npy", "w") as file:
            np.save(file, SEEN)
        archive.writestr("metadata.json", json.dumps({"data_sources": [inner]}))


def _usid(path, labels=("X", "Y"), fields=None, spectrum=1):
    """One row per pixel, the first label varying fastest."""
    height, width = SEEN.shape
    y, x = (place.ravel() for place in np.mgrid[:height, :width])
    with h5py.File(path, "w") as file:
        group = file.create_group("Measurement_000/Channel_000")
        data = SEEN.ravel()[:, None] if fields is None else fields
        group["Raw_Data"] = np.repeat(data, spectrum, axis=1)
        indices = {"X": x, "Y": y}
        group["Position_Indices"] = np.stack([indices[one] for one in labels], axis=1).astype(np.uint32)
        group["Position_Values"] = group["Position_Indices"][()] * 2e-11
        group["Position_Indices"].attrs["labels"] = np.array(labels, "S")
        group["Position_Indices"].attrs["units"] = np.array(["m", "m"], "S")
        group["Raw_Data"].attrs["quantity"] = "Height"
        for name in ("Position_Indices", "Position_Values"):
            group["Raw_Data"].attrs[name] = group[name].ref


def _usid_record(path):
    """The image as one record, as HyperSpy writes it."""
    _usid(path)
    with h5py.File(path, "a") as file:
        group = file["Measurement_000/Channel_000"]
        for part in ("Indices", "Values"):
            group[f"Spectroscopic_{part}"] = group[f"Position_{part}"][()].T
            group[f"Spectroscopic_{part}"].attrs.update(group["Position_Indices"].attrs)
        group["Image"] = SEEN.reshape(1, -1)
        group["Image"].attrs["quantity"] = "Height"
        for part in ("Indices", "Values"):
            group["Image"].attrs[f"Spectroscopic_{part}"] = group[f"Spectroscopic_{part}"].ref
            group["Image"].attrs[f"Position_{part}"] = group[f"Position_{part}"].ref
        del group["Raw_Data"]


def _nexus(path, data=SEEN, axes=("y", "x")):
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/haadf")
        group.attrs.update({"NX_class": "NXdata", "signal": "counts", "axes": list(axes)})
        group["counts"] = data
        for name, size in zip(axes, data.shape, strict=True):
            group[name] = np.arange(size) * 0.2
            group[name].attrs["units"] = "angstrom"


def _nsid(path, axes=("x", "y"), data=SEEN.T, kind="m"):
    """Sidpy puts x first."""
    with h5py.File(path, "w") as file:
        group = file.create_group("Measurement_000/Channel_000/image")
        group["image"] = data
        for number, (name, size) in enumerate(zip(axes, data.shape, strict=True)):
            group[name] = np.arange(size) * 2e-11
            group[name].attrs["units"] = kind
            group[name].make_scale(name)
            group["image"].dims[number].attach_scale(group[name])
            group["image"].dims[number].label = name


def _py4dstem(path):
    with h5py.File(path, "w") as file:
        group = file.create_group("root/virtual dark field")
        file["root"].attrs.update({"emd_group_type": "root", "python_class": "Root"})
        group.attrs.update({"emd_group_type": "array", "python_class": "VirtualImage"})
        group["data"] = SEEN
        for number, name in enumerate(("Rx", "Ry")):
            group[f"dim{number}"] = [0, 0.2]
            group[f"dim{number}"].attrs.update({"name": name, "units": "A"})


def _netcdf(path):
    with netcdf_file(path, "w") as file:
        for name, size in zip("yx", SEEN.shape, strict=True):
            file.createDimension(name, size)
            values = file.createVariable(name, "d", (name,))
            values[:], values.units = np.arange(size) * 0.02, "nm"
        file.createVariable("topography", "d", ("y", "x"))[:] = SEEN


CASES = {
    "Nion Swift": ("a.h5", _nion, "HAADF"),
    "Nion Swift library": ("a.h5", _nion_library, "HAADF"),
    "Nion Swift ndata": ("a.ndata", _ndata, "HAADF"),
    "Nion Swift ndata of 2015": ("a.ndata", _nion_of_2015, "HAADF"),
    "USID": ("a.h5", _usid, "Height"),
    "USID, y first": ("a.hdf5", lambda path: _usid(path, ("Y", "X")), "Height"),
    "USID, one record": ("a.h5", _usid_record, "Height"),
    "NeXus": ("a.nxs", _nexus, "haadf"),
    "NeXus in h5": ("a.h5", _nexus, "haadf"),
    "NSID": ("a.hf5", _nsid, "image"),
    "netCDF-4": ("a.nc", lambda path: _nsid(path, ("y", "x"), SEEN), "image"),
    "netCDF-3": ("a.nc", _netcdf, "topography"),
    "py4DSTEM": ("a.h5", _py4dstem, "virtual dark field"),
    "py4DSTEM in emd": ("a.emd", _py4dstem, "virtual dark field"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_image_is_upright_at_its_scale_with_its_name(tmp_path, case):
    name, write, title = CASES[case]
    write(tmp_path / name)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.data, SEEN)
    assert image.pixel_size == pytest.approx(0.02)
    assert image.metadata["title"] == title


@pytest.mark.parametrize("case", ["Nion Swift", "NeXus", "NSID", "py4DSTEM"])
def test_a_file_cut_short_is_refused(tmp_path, case):
    name, write, _ = CASES[case]
    write(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.h5", lambda path: _nion(path, STACK, is_sequence=True, datum_dimension_count=2)),
        ("a.ndata", lambda path: _ndata(path, STACK, is_sequence=True, datum_dimension_count=2)),
        ("a.nxs", lambda path: _nexus(path, STACK, ("frame", "y", "x"))),
        ("a.nc", lambda path: _nsid(path, ("time", "y", "x"), STACK)),
    ],
)
def test_frames_stay_frames(tmp_path, name, write):
    write(tmp_path / name)
    np.testing.assert_array_equal(read_image(tmp_path / name).data, STACK)


def test_names_of_py4dstem_slices(tmp_path):
    _py4dstem(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        group = file["root/virtual dark field"]
        del group["data"]
        group["data"] = np.stack([SEEN, 2 * SEEN], axis=-1)
        group["dim2"] = np.array([b"BF", b"ADF"])
    image = read_image(tmp_path / "a.h5")
    assert image.metadata["title"] == "virtual dark field ADF"
    np.testing.assert_array_equal(image.data, 2 * SEEN)
    assert image.pixel_size == pytest.approx(0.02)


EMD = {
    "rows first": (("y", "x"), SEEN),
    "columns first": (("x", "y"), SEEN.T),
    "of Prismatic": (("R_x", "R_y"), SEEN.T),
    "without names": (("dim1", "dim2"), SEEN),
    "columns, rows, frames": (("x", "y", "time"), STACK.T),
    "frames, rows, columns": (("frame", "y", "x"), STACK),
}


@pytest.mark.parametrize("case", EMD)
def test_rows_of_an_emd_image_are_told_by_the_names_of_its_axes(tmp_path, case):
    names, data = EMD[case]
    with h5py.File(tmp_path / "a.emd", "w") as file:
        group = file.create_group("data/ADF")
        group.attrs["emd_group_type"], group["data"] = 1, data
        for number, name in enumerate(names, 1):
            group[f"dim{number}"] = np.arange(data.shape[number - 1]) * 0.02
            group[f"dim{number}"].attrs.update({"name": name, "units": "[n_m]"})
    image = read_image(tmp_path / "a.emd")
    np.testing.assert_array_equal(image.data, SEEN if data.ndim == 2 else STACK)
    assert image.pixel_size == pytest.approx(0.02)


def test_colours_of_nion_swift_start_with_blue(tmp_path):
    blue = np.zeros((24, 32, 3), np.uint8)
    blue[..., 0], blue[0, 0] = 100, 200
    _nion(tmp_path / "a.h5", blue)
    assert read_image(tmp_path / "a.h5").data[5, 5] == pytest.approx(7.21)


def test_fields_of_a_compound_array_are_images_of_their_own(tmp_path):
    fields = np.zeros((SEEN.size, 1), [("Amplitude", float), ("Height", float)])
    fields["Height"], fields["Amplitude"] = SEEN.reshape(-1, 1), 2 * SEEN.reshape(-1, 1)
    _usid(tmp_path / "a.h5", fields=fields)
    assert [one.title for one in contents(tmp_path / "a.h5")] == ["Amplitude", "Height"]
    np.testing.assert_array_equal(read_image(tmp_path / "a.h5").data, SEEN)


def test_an_array_without_a_layout_has_no_scale(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["results/image"] = SEEN
    image = read_image(tmp_path / "a.h5")
    np.testing.assert_array_equal(image.data, SEEN)
    assert (image.pixel_size, image.metadata["title"]) == (None, "results/image")


@pytest.mark.parametrize("unit", ["", "pixels", "1/nm", "mrad"])
def test_what_is_no_length_is_no_scale(tmp_path, unit):
    _nion(tmp_path / "a.h5", unit=unit)
    assert read_image(tmp_path / "a.h5").pixel_size is None


def _detector(path):
    with h5py.File(path, "w") as file:
        file["entry/instrument/detector/detectorSpecific/ntrigger"] = 100
        file["entry/data/data_000001"] = np.ones((10, 32, 32), np.uint16)


def _datacube(path):
    with h5py.File(path, "w") as file:
        group = file.create_group("root/datacube")
        group.attrs["emd_group_type"], group["data"] = "array", np.ones((3, 4, 16, 16))
        group["dim0"] = [0, 0.2]


NO_IMAGES = {
    "frames of a detector": ("a.h5", _detector, "frames of a pixelated detector"),
    "4D-STEM of py4DSTEM": ("a.emd", _datacube, "holds no image, only 0: 3 x 4 x 16 x 16 float64 .datacube. .4 dim"),
    "4D-STEM of py4DSTEM in h5": ("a.h5", _datacube, "virtual dark field"),
    "4D-STEM of Nion Swift": ("a.h5", lambda path: _nion(path, np.ones((3, 4, 16, 16))), "4 dimensions"),
    "spectra of Nion Swift": ("a.h5", lambda path: _nion(path, STACK, datum_dimension_count=1), "holds no image"),
    "spectra of USID": (
        "a.h5",
        lambda path: _usid(path, spectrum=20),
        "holds no image, only 0: 24 x 32 x 20 float64 .Height. .a map of spectra.",
    ),
    "spectra of NSID": ("a.hf5", lambda path: _nsid(path, ("x", "y", "bias"), STACK.T, "V"), "holds no image"),
    "spectra of NeXus": ("a.nxs", lambda path: _nexus(path, STACK.T, ("x", "y", "E")), "holds no image"),
    "nothing": ("a.hdf5", lambda path: h5py.File(path, "w").close(), "holds no image, and no other array"),
    "a pickle": ("a.ndata", lambda path: _ndata(path, np.full((20, 20), None)), "cannot be read as NDATA"),
}


@pytest.mark.parametrize("case", NO_IMAGES)
def test_what_is_no_image_is_refused(tmp_path, case):
    name, write, words = NO_IMAGES[case]
    write(tmp_path / name)
    with pytest.raises(InputError, match=words):
        read_image(tmp_path / name)

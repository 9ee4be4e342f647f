"""Public files of microscopes give what the reader of their format gives: pixels, orientation and scale.

They are the test files of rosettasciio, where these are installed, or those in the folder that the environment variable
LOCAL_CRYSTALLOGRAPHY_PUBLIC_FILES names.
"""

import importlib
import os
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from local_crystallography.data.errors import InputError
from local_crystallography.io.formats import EXTENSIONS, ROSETTASCIIO
from local_crystallography.io.read import contents, read_image

READERS = {**ROSETTASCIIO, ".tif": "tiff", ".tiff": "tiff", ".hdf5": "hspy"}
NM = {"m": 1e9, "mm": 1e6, "µm": 1e3, "um": 1e3, "nm": 1.0, "Å": 0.1, "A": 0.1, "pm": 1e-3}
LARGEST = 30e6
"""Files of more bytes are left out."""


def _folder():
    if given := os.environ.get("LOCAL_CRYSTALLOGRAPHY_PUBLIC_FILES"):
        return Path(given)
    rsciio = find_spec("rsciio")
    return Path(rsciio.origin).parent / "tests" / "data"


def _files():
    kinds = set(EXTENSIONS) - {".png", ".jpg", ".jpeg"}
    found = [path for path in _folder().rglob("*") if path.suffix.lower() in kinds and path.is_file()]
    return sorted(path for path in found if 0 < path.stat().st_size < LARGEST)


FILES = _files()
needs_files = pytest.mark.skipif(not FILES, reason="no public files: LOCAL_CRYSTALLOGRAPHY_PUBLIC_FILES is not set")


def _signals(path):
    """What rosettasciio reads; None where it cannot."""
    options = {}
    if path.suffix.lower() == ".emd":
        options = {"select_type": "images", **({} if _is_velox(path) else {"stack_group": False})}
    reader = importlib.import_module(f"rsciio.{READERS[path.suffix.lower()]}").file_reader
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return reader(str(path), lazy=False, **options)
        except Exception:  # whatever it is: then there is nothing to compare with
            return None


def _is_velox(path):
    import h5py

    with h5py.File(path) as file:
        return "Version" in file


def _is_image(signal):
    data, axes = np.squeeze(signal["data"]), [axis for axis in signal["axes"] if axis["size"] > 1]
    kind = signal["metadata"].get("Signal", {}).get("signal_type") or ""
    spectra = kind.startswith(("EELS", "EDS", "CL")) or any(axis.get("units") in ("eV", "keV") for axis in axes)
    one = len(axes) > 1 and [bool(axis.get("navigate")) for axis in signal["axes"]].count(False) == 1
    numbers = data.dtype.kind in "buif" or {"R", "G", "B"} <= set(data.dtype.names or ())
    return numbers and not spectra and not one and data.ndim in (2, 3) and min(data.shape[-2:]) >= 16


def _is_blank(data):
    return data.dtype.names is None and np.ptp(data) == 0


def _pixel(signal):
    """(height, width) of a pixel in nm, where atoms can be seen at it."""
    axes = [axis for axis in signal["axes"] if axis["size"] > 1][-2:]
    if signal.get("original_metadata", {}).get("std_header", {}).get("MX") == 0:  # an MRC file without a cell
        return None
    sizes = [axis.get("scale", 0) * NM.get(axis.get("units") or "", 0) for axis in axes]
    return tuple(sizes) if all(0.0005 <= size <= 0.2 for size in sizes) else None


def _planes(data):
    return list(data) if data.ndim == 3 else [data]


@needs_files
@pytest.mark.parametrize("path", [path for path in FILES if path.suffix.lower() in READERS], ids=lambda path: path.name)
def test_pixels_and_scale_are_those_of_the_reader(path):
    signals = _signals(path)
    if signals is None:
        pytest.skip("rosettasciio cannot read it")
    images = [one for one in signals if _is_image(one) and not _is_blank(one["data"])]
    theirs = [(plane, _pixel(one)) for one in images for plane in _planes(np.squeeze(one["data"]))]
    found = [one for one in contents(path) if not one.problem] if theirs else []
    ours = [(plane, one.pixel) for one in found for plane in _planes(read_image(path, one.index).data)]
    for (plane, pixel), (mine, size) in zip(theirs, ours, strict=True):
        assert size == (None if pixel is None else pytest.approx(pixel, rel=1e-4))
        if plane.dtype.names:
            grey = np.stack([plane[channel] for channel in "RGB"], axis=-1) @ [0.2125, 0.7154, 0.0721]
            np.testing.assert_allclose(mine, grey, rtol=1e-4)
        elif pixel is None or pixel[0] == pytest.approx(pixel[1], rel=0.01):
            np.testing.assert_array_equal(mine, plane)


@needs_files
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_an_image_or_refused_in_one_sentence(path):
    try:
        image = read_image(path)
    except InputError as error:
        message = str(error)
        assert message.endswith(".")
        assert "\n" not in message
    else:
        assert min(image.shape) >= 16

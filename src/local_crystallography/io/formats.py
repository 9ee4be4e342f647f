"""Formats of image files: the arrays they hold, with scale and unit."""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import numpy as np

from local_crystallography.data.errors import InputError
from local_crystallography.data.image import can_show_atoms
from local_crystallography.io.found import Found

ROSETTASCIIO = {
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".emd": "emd",
    ".ser": "tia",
    ".emi": "tia",
    ".hspy": "hspy",
    ".blo": "blockfile",
    ".mrc": "mrc",
    ".ali": "mrc",
    ".unf": "semper",
}
"""Extensions, and the rosettasciio reader of each."""
HDF5 = (".h5", ".hdf5", ".hf5", ".nxs", ".de5")
MICROSCOPE_FORMATS = (*ROSETTASCIIO, *HDF5, ".nc", ".ndata", ".sxm", ".gwy", ".ibw")
"""Extensions of microscopes and of programs for them, whose files may hold several arrays."""
PICTURES = (".png", ".jpg", ".jpeg")
TIFF = (".tif", ".tiff")
EXTENSIONS = (*MICROSCOPE_FORMATS, *TIFF, *PICTURES, ".npy")
"""Every extension that can be read."""

FIRST_PRIVATE_TAG = 32768
"""TIFF tags from here on are private ones of manufacturers and programs."""


MINISWHITE, PALETTE = 0, 3
"""Values of the tag PhotometricInterpretation."""
SMALL = 0.25
"""A TIFF page with fewer pixels than this share of the largest is a preview."""


def load(path: Path) -> list[Found]:
    """Every array of a file; large formats are read lazily."""
    extension = path.suffix.lower()
    if extension in ROSETTASCIIO:
        return _load_microscope(path, ROSETTASCIIO[extension])
    if extension in MICROSCOPE_FORMATS:
        return _load_other(path, extension)
    if extension in TIFF:
        return _load_tiff(path)
    if extension in PICTURES:
        from imageio import v3 as imageio

        return [Found(imageio.imread(path, plugin="pillow"))]
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path.name} is an archive of several arrays; save one of them by itself with numpy.save.")
    return [Found(array)]


def _load_other(path: Path, extension: str) -> list[Found]:
    """Every array of a file that rosettasciio does not read."""
    from local_crystallography.io import hdf5, netcdf, nion, scanning_probe

    if extension in HDF5:
        return _load_microscope(path, "hspy") if hdf5.is_hyperspy(path) else hdf5.load_hdf5(path)
    readers = {
        ".nc": netcdf.load_netcdf,
        ".ndata": nion.load_ndata,
        ".sxm": scanning_probe.load_sxm,
        ".gwy": scanning_probe.load_gwy,
        ".ibw": scanning_probe.load_ibw,
    }
    return readers[extension](path)


def _load_microscope(path: Path, plugin: str) -> list[Found]:
    reader = import_module(f"rsciio.{plugin}").file_reader
    if plugin == "emd":
        from local_crystallography.io.hdf5 import load_emd

        if found := load_emd(path):  # rosettasciio mirrors images whose rows come first
            return found
        # spectra would take a package that images do not need
        with without_spectra(path) as images:
            return [_from_signal(signal) for signal in reader(str(images), lazy=False, select_type="images")]
    if plugin in ("hspy", "tiff"):  # these stay open when they are read lazily
        return [_from_signal(signal) for signal in reader(str(path), lazy=False)]
    try:
        signals = reader(str(path), lazy=True)
    except reader_errors():  # colours of DigitalMicrograph are only read whole
        signals = reader(str(path), lazy=False)
    if not signals and path.suffix.lower() == ".emi":
        raise InputError(
            f"{path.name} holds no pixels: copy its files {path.stem}_1.ser and so on into the same folder, or open "
            "one of these."
        )
    return [_from_signal(signal) for signal in signals]


@contextmanager
def without_spectra(path: Path) -> Iterator[Path]:
    """An EMD file without the spectrum images that Velox writes beside its images; other files as they are.

    The file is not copied: what stands in its place links to the images.
    """
    import h5py

    with h5py.File(path) as file:
        groups = [name for name in file if name != "Data"]
        parts = [name for name in file["Data"] if name != "SpectrumImage"] if "Data" in file else []
        spectra = "Data" in file and "SpectrumImage" in file["Data"] and "Image" in file["Data"]
    if not spectra:
        yield path
        return
    with TemporaryDirectory() as folder:
        images = Path(folder) / path.name
        with h5py.File(images, "w") as file:
            for name in (*groups, *(f"Data/{part}" for part in parts)):
                file[name] = h5py.ExternalLink(str(path.resolve()), f"/{name}")
        yield images


def _from_signal(signal: dict[str, Any]) -> Found:
    data = signal["data"]
    axes: list[dict[str, Any]] = [
        {
            "name": str(axis.get("name") or ""),
            "size": int(axis["size"]),
            "scale": float(axis.get("scale", 0)),
            "units": str(axis.get("units") or ""),
            "navigate": bool(axis.get("navigate", False)),
        }
        for axis in signal["axes"]
    ]
    header = signal.get("original_metadata", {}).get("std_header", {})
    if header.get("MX") == 0:  # an MRC file without a cell, for which rosettasciio reports 1 nm
        axes = [{**axis, "units": ""} for axis in axes]
    image_axes = [axis for axis in axes if axis["size"] > 1][-2:]
    title = signal.get("metadata", {}).get("General", {}).get("title", "")
    return Found(data, tuple((axis["scale"], axis["units"]) for axis in image_axes), axes, str(title))


def _load_tiff(path: Path) -> list[Found]:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        largest = max((_pixels(series) for series in tiff.series), default=0)
        grey = {_pixels(series) for series in tiff.series if "S" not in series.axes}
        found = []
        for number, series in enumerate(tiff.series):
            scales = _tiff_scales(tiff, path, number)
            copy = "S" in series.axes and _pixels(series) in grey
            preview = copy or _pixels(series) < SMALL * largest
            for data, title, notes in _channels(series.asarray(), series, _channel_names(tiff, number)):
                found.append(Found(data, scales, title=title, notes=notes, preview=preview))
    return found


def _pixels(series: Any) -> int:
    """Number of pixels of one frame of a TIFF series."""
    return int(series.keyframe.imagewidth * series.keyframe.imagelength)


def tiff_pixels(path: Path) -> list[tuple[tuple[int, int], tuple[tuple[float, str], ...]]]:
    """(H, W) of the frames of every series of a TIFF file, and its scales; without reading pixels."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        frames = [(series.keyframe.imagelength, series.keyframe.imagewidth) for series in tiff.series]
        return [(frame, _tiff_scales(tiff, path, number)) for number, frame in enumerate(frames)]


def _channels(data: Any, series: Any, names: list[str]) -> Iterator[tuple[Any, str, tuple[str, ...]]]:
    """The images of a TIFF series: every channel by itself, with frames first and colours last."""
    axes, page = series.axes.upper(), series.keyframe
    notes: tuple[str, ...] = ()
    if page.photometric == MINISWHITE and data.dtype.kind == "u":
        data, notes = np.iinfo(data.dtype).max - data, ("White is 0 in this file; the image was inverted.",)
    if page.photometric == PALETTE and page.colormap is not None:
        data, axes = np.moveaxis(page.colormap[:, data], 0, -1), axes + "S"
    if "Y" not in axes or "X" not in axes:
        yield data, series.name, notes
        return
    channel, samples = ([i for i, axis in enumerate(axes) if axis == letter] for letter in "CS")
    frames = [i for i, axis in enumerate(axes) if axis not in "CSYX"]
    if channel and not frames and not names:  # nameless channels are how many programs write frames
        channel, frames = [], channel
    data = data.transpose([*channel, *frames, axes.index("Y"), axes.index("X"), *samples])
    for number, part in enumerate(data if channel else [data]):
        several = bool(channel) and len(data) > 1
        named = names[number] if number < len(names) else f"channel {number}"
        flat = part.reshape(-1, *part.shape[len(frames) :]) if len(frames) > 1 else part
        yield flat, named if several else series.name, notes


def _channel_names(tiff: Any, series: int) -> list[str]:
    """Names of the channels of a series, as ImageJ or OME give them."""
    if tiff.ome_metadata:
        images = ElementTree.fromstring(tiff.ome_metadata).findall(".//{*}Image")
        channels = images[series].findall(".//{*}Channel") if series < len(images) else []
        return [channel.get("Name") or f"channel {number}" for number, channel in enumerate(channels)]
    said = tiff.imagej_metadata or {}
    count = int(said.get("channels", 0))
    labels = [str(label) for label in said.get("Labels", [])][:count]
    return labels or [
        f"channel {number}" for number in range(count if said.get("mode") in ("composite", "color") else 0)
    ]


def _tiff_scales(tiff: Any, path: Path, series: int) -> tuple[tuple[float, str], ...]:
    """(scale, unit) of y and x: from ImageJ, else OME, else the microscope's own tags, else the page."""
    page = tiff.series[series].keyframe
    resolution = [page.tags.get(name) for name in ("YResolution", "XResolution")]
    steps = [tag.value[1] / tag.value[0] if tag and tag.value[0] else 0.0 for tag in resolution]
    if unit := (tiff.imagej_metadata or {}).get("unit"):
        return tuple((step, _unescape(str(unit).strip(chr(34)))) for step in steps)
    if tiff.ome_metadata:
        return _ome_scales(tiff.ome_metadata, series)
    if any(tag.code >= FIRST_PRIVATE_TAG for tag in page.tags):
        with suppress(*reader_errors()):  # the pixels are still good
            named = _load_microscope(path, "tiff")[series].yx
            if any(to_nm(scale, unit) for scale, unit in named):
                return named
    unit = {2: "inch", 3: "cm"}.get(int(page.tags.valueof("ResolutionUnit", default=1)), "")
    # without a word of the program, 72 dots per inch and the like are of a screen or of paper
    return tuple((step, unit) for step in steps if can_show_atoms(to_nm(step, unit)))


def _unescape(unit: str) -> str:
    r"""ImageJ writes µm as \u00B5m."""
    return re.sub(r"\\u([0-9A-Fa-f]{4})", lambda code: chr(int(code[1], 16)), unit)


def _ome_scales(xml: str, series: int) -> tuple[tuple[float, str], ...]:
    pixels = ElementTree.fromstring(xml).findall(".//{*}Pixels")
    said = pixels[series].attrib if series < len(pixels) else {}
    # The OME schema makes µm the unit where none is given.
    return tuple(
        (float(said.get(f"PhysicalSize{axis}", 0)), said.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "YX"
    )


def to_nm(scale: float, unit: str) -> float | None:
    """A length in nm; None for other units, such as 1/nm, pixel or <undefined>."""
    import pint

    unit = unit.strip()
    if not unit.isalpha() or unit == "px":  # pint takes px for a length of CSS
        return None
    if not (math.isfinite(scale) and scale != 0):
        return None
    for spelling in (unit, unit.lower()):  # Angstrom, NM
        try:
            return abs(float(pint.application_registry.Quantity(scale, spelling).to("nm").magnitude))
        except (pint.PintError, AttributeError, TypeError, ValueError):
            continue
    return None


def reader_errors() -> tuple[type[Exception], ...]:
    """Errors that the readers are known to raise on damaged files; imported only once one was raised."""
    from tokenize import TokenError  # of numpy, for the header of an array
    from zipfile import BadZipFile

    from PIL.Image import DecompressionBombError
    from tifffile import TiffFileError

    try:
        from rsciio import exceptions as rsciio_errors
    except ImportError:  # older rosettasciio
        from rsciio.utils import exceptions as rsciio_errors

    builtin = (
        ArithmeticError,
        AssertionError,
        AttributeError,
        EOFError,
        ImportError,
        LookupError,
        MemoryError,
    )
    more = (NameError, OSError, RuntimeError, SyntaxError, TypeError, ValueError, struct.error, zlib.error)
    names = (
        "ByteOrderError",
        "DM3FileVersionError",
        "DM3TagError",
        "DM3DataTypeError",
        "DM3TagTypeError",
        "DM3TagIDError",
    )
    return (
        *builtin,
        *more,
        BadZipFile,
        TokenError,
        TiffFileError,
        DecompressionBombError,
        *(getattr(rsciio_errors, n) for n in names),
    )

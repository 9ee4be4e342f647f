"""Formats of image files: the arrays they hold, with scale and unit."""

from __future__ import annotations

import math
import re
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from local_crystallography.data.errors import InputError

MICROSCOPE_FORMATS = {
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".emd": "emd",
    ".ser": "tia",
    ".hspy": "hspy",
    ".blo": "blockfile",
    ".mrc": "mrc",
}
"""Extensions, and the rosettasciio reader of each."""
PICTURES = (".png", ".jpg", ".jpeg")
EXTENSIONS = (*MICROSCOPE_FORMATS, ".tif", ".tiff", *PICTURES, ".npy")
"""Every extension that can be read."""

FIRST_PRIVATE_TAG = 32768
"""TIFF tags from here on are private ones of manufacturers and programs."""


@dataclass(frozen=True)
class Found:
    """One array of a file; `yx` is (scale, unit) along y and along x."""

    data: Any
    yx: tuple[tuple[float, str], ...] = ()
    axes: list[dict[str, Any]] = field(default_factory=list)
    title: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape without axes of length 1."""
        return tuple(n for n in self.data.shape if n > 1)

    @property
    def is_image(self) -> bool:
        """Whether this is a real-valued image or a stack of them, not a spectrum image."""
        grey = self.shape[:-1] if len(self.shape) > 2 and self.shape[-1] <= 4 else self.shape
        is_map = [axis["navigate"] for axis in self.axes] == [True, True, False]
        has_energy = any(str(axis["units"]).lower() in ("ev", "kev") for axis in self.axes)
        real = self.data.dtype.kind in "buif" or {"R", "G", "B"} <= set(self.data.dtype.names or ())
        return len(grey) in (2, 3) and min(grey[-2:]) >= 16 and real and not is_map and not has_energy

    def __str__(self) -> str:
        shape = " x ".join(map(str, self.data.shape))
        return f"{shape} {self.data.dtype}" + (f" ({self.title})" if self.title else "")


def load(path: Path) -> list[Found]:
    """Every array of a file; large formats are read lazily."""
    extension = path.suffix.lower()
    if extension in MICROSCOPE_FORMATS:
        return _load_microscope(path, MICROSCOPE_FORMATS[extension])
    if extension in (".tif", ".tiff"):
        return _load_tiff(path)
    if extension in PICTURES:
        from imageio import v3 as imageio

        return [Found(imageio.imread(path, plugin="pillow"))]
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path.name} is an archive of several arrays; save a single one with numpy.save.")
    return [Found(array)]


def _load_microscope(path: Path, plugin: str) -> list[Found]:
    options: dict[str, Any] = {"lazy": True}
    if plugin in ("emd", "hspy", "tiff"):  # read lazily, these would stay open
        options["lazy"] = False
    if plugin == "emd":  # spectra would need a further package
        options["select_type"] = "images"
    signals = import_module(f"rsciio.{plugin}").file_reader(str(path), **options)
    return [_from_signal(signal) for signal in signals]


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
        scales = _tiff_scales(tiff, path)
        found = []
        for series in tiff.series:
            data = series.asarray()
            if "S" in series.axes:  # in planar colour the samples come first
                data = np.moveaxis(data, series.axes.index("S"), -1)
            found.append(Found(data, scales, title=series.name))
    return found


def _tiff_scales(tiff: Any, path: Path) -> tuple[tuple[float, str], ...]:
    """(scale, unit) of y and x: from ImageJ, else OME, else the microscope's own tags, else the page."""
    page = tiff.pages[0]
    resolution = [page.tags.get(name) for name in ("YResolution", "XResolution")]
    steps = [tag.value[1] / tag.value[0] if tag and tag.value[0] else 0.0 for tag in resolution]
    if unit := (tiff.imagej_metadata or {}).get("unit"):
        return tuple((step, _unescape(str(unit))) for step in steps)
    if tiff.ome_metadata:
        return _ome_scales(tiff.ome_metadata)
    if any(tag.code >= FIRST_PRIVATE_TAG for tag in page.tags):
        with suppress(*reader_errors()):  # the pixels are still good
            named = _load_microscope(path, "tiff")[0].yx
            if any(to_nm(scale, unit) for scale, unit in named):
                return named
    # 72, 96 or 300 dots per inch are a program's default: at 1 um per pixel there are no atoms.
    unit = {2: "inch", 3: "cm"}.get(int(page.tags.valueof("ResolutionUnit", default=1)), "")
    return tuple((step, unit) for step in steps if 0 < (to_nm(step, unit) or 0) < 1000)


def _unescape(unit: str) -> str:
    r"""ImageJ writes µm as \u00B5m."""
    return re.sub(r"\\u([0-9A-Fa-f]{4})", lambda code: chr(int(code[1], 16)), unit)


def _ome_scales(xml: str) -> tuple[tuple[float, str], ...]:
    pixels = ElementTree.fromstring(xml).find(".//{*}Pixels")
    given = pixels.attrib if pixels is not None else {}
    # µm is the default unit of the OME schema
    return tuple(
        (float(given.get(f"PhysicalSize{axis}", 0)), given.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "YX"
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
        TiffFileError,
        DecompressionBombError,
        *(getattr(rsciio_errors, n) for n in names),
    )

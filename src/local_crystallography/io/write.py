"""Writing of arrays as TIFF files with their type and pixel size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from local_crystallography.data.image import Image

IMAGEJ_TYPES = ("uint8", "uint16", "float32")


def write_tiff(path: Path, data: npt.NDArray[Any], pixel_size: float | None = None, *, compression: int = 6) -> None:
    """Write a (H, W) image or a (frames, H, W) stack, zlib compressed; their type is kept.

    XResolution and YResolution are pixels per nm and the description, as in ImageJ, has `unit=nm`, because the tag
    for the unit allows only inches and centimetres. ImageJ itself opens uint8, uint16 and float32.

    Parameters
    ----------
    pixel_size
        nm per pixel; if None, no scale is written.
    compression
        1 for speed to 9 for size.
    """
    data = native(data)
    _write(path, data, data.shape, data.dtype, pixel_size, compression)


def _write(
    path: Path, data: Any, shape: tuple[int, ...], kind: np.dtype[Any], pixel_size: float | None, level: int
) -> None:
    """Write an array, or the frames of one as they are generated."""
    import tifffile

    options: dict[str, Any] = {"shape": shape, "dtype": kind, "compression": "zlib"}
    options["compressionargs"] = {"level": level}
    if pixel_size is not None:
        options["resolution"] = (1 / pixel_size, 1 / pixel_size)
    if kind in IMAGEJ_TYPES:
        axes = {"axes": "TYX"} if len(shape) == 3 else {}
        unit = {"unit": "nm"} if pixel_size is not None else {}
        tifffile.imwrite(path, data, imagej=True, metadata=unit | axes, **options)
        return
    if pixel_size is not None:  # tifffile refuses imagej=True for other types, but readers accept the scale
        frames = 1 if len(shape) == 2 else shape[0]
        options["description"] = f"ImageJ=1.11a\nimages={frames}\nframes={frames}\nunit=nm\n"
    tifffile.imwrite(path, data, metadata=None, photometric="minisblack", **options)


def write_image(path: Path, image: Image) -> None:
    """Write an image as `write_tiff` does, one frame at a time."""
    if image.data.ndim == 2:
        write_tiff(path, image.read(0), image.pixel_size)
        return
    frames = (native(image.read(number)) for number in range(image.count))
    kind = native(image.read(0)).dtype
    _write(path, frames, (image.count, *image.shape), kind, image.pixel_size, 6)


def native(data: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same values, contiguous and in native byte order, with at most 64 bits each, as TIFF allows."""
    kind = np.dtype(np.float64) if data.dtype.itemsize > 8 else data.dtype.newbyteorder("=")
    return np.ascontiguousarray(data, dtype=kind)

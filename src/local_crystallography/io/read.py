"""Image files with their scale: microscope formats, TIFF, PNG, JPEG and NumPy arrays.

Nothing in a file is ever executed: no pickles, no object arrays.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from local_crystallography.data.colour import grey
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import PIXELS, Image, can_show_atoms, square
from local_crystallography.io.formats import (
    EXTENSIONS,
    MICROSCOPE_FORMATS,
    PICTURES,
    TIFF,
    load,
    reader_errors,
    tiff_pixels,
    to_nm,
)
from local_crystallography.io.found import Found

logger = logging.getLogger(__name__)

LISTED = 8
"""Largest number of arrays of a file that a message lists."""
METRE = 1e9
"""A metre in nm."""


def read_image(
    path: str | Path,
    index: int | None = None,
    *,
    detector: str | None = None,
    pixel_size: float | tuple[float, float] | None = None,
) -> Image:
    """Read one image, or one stack of frames, with its pixel size in nm.

    Pixels that are not square are resampled, along the axis where they are larger, to square ones.

    Parameters
    ----------
    path
        A file with one of `EXTENSIONS`.
    index
        Number of the array in a file with several, from 0; None takes the first image of a detector that is not blank,
        HAADF before others.
    detector
        The name of a detector, or a part of it, instead of a number.
    pixel_size
        nm per pixel, or (height, width) of a pixel, instead of what the file says.

    Raises
    ------
    InputError
        If the file is missing, damaged, of an unknown type or without an image, or has no such detector.
    """
    path = _existing_file(path)
    with _one_sentence(path):
        found = load(path)
        return _image(path, found, _choose(path, found, index, detector), pixel_size=pixel_size)


def read_mask(path: str | Path) -> npt.NDArray[np.bool_]:
    """(H, W) True where the first array in a file is not 0; raises the same errors as `read_image`."""
    path = _existing_file(path)
    with _one_sentence(path):
        data = np.squeeze(np.asarray(load(path)[0].data))
    if data.ndim == 3 and data.shape[-1] <= 4:  # transparency is the last of 2 or 4
        data = np.asarray(data[..., : 3 if data.shape[-1] > 2 else 1].any(axis=-1))
    if data.ndim != 2:
        raise InputError(f"{path.name} has the shape {data.shape}, but a mask must be (H, W); save a single image.")
    return np.asarray(data != 0)


def read_images(path: str | Path) -> list[Image]:
    """Read every image in a file that is not blank, HAADF first; raises the same errors as `read_image`."""
    path = _existing_file(path)
    with _one_sentence(path):
        found = load(path)
        images = [i for i, one in enumerate(found) if one.is_image]
        seen = [i for i in images if len(images) == 1 or not found[i].is_blank]
        for blank in set(images) - set(seen):
            logger.warning("%s: image %d, %s, is blank and was left out.", path.name, blank, found[blank])
        order = sorted(seen, key=lambda i: found[i].rank)
        return [_image(path, found, i, announce=False) for i in order or [_choose(path, found)]]


def contents(path: str | Path) -> list[Contents]:
    """Every array in a file: what it is, its pixel size, and why it is no image where it is none."""
    path = _existing_file(path)
    with _one_sentence(path):
        found = load(path)
        usual = _choose(path, found) if any(one.is_image for one in found) else -1
        return [
            Contents(
                index=index,
                title=one.title,
                shape=tuple(one.data.shape),
                dtype=str(one.data.dtype),
                pixel=_pixel(one.yx)[0],
                problem=one.problem or ("every pixel is the same" if one.is_blank else ""),
                usual=index == usual,
            )
            for index, one in enumerate(found)
        ]


def pixel_in(path: str | Path, shape: tuple[int, int]) -> tuple[float, float] | None:
    """(height, width) in nm of a pixel of the TIFF file that an array of this shape was read from; None for none."""
    if Path(path).suffix.lower() not in TIFF:
        return None
    try:
        return next((pixel for size, yx in tiff_pixels(Path(path)) if size == shape and (pixel := _pixel(yx)[0])), None)
    except reader_errors():
        return None


@dataclass(frozen=True)
class Contents:
    """One array in a file.

    Parameters
    ----------
    index, title, shape, dtype
        Number, name and type of the array.
    pixel
        Height and width of a pixel, nm; None where the file does not say.
    problem
        Why it is no image; "" for an image.
    usual
        Whether it is read where no other is requested.
    """

    index: int
    title: str
    shape: tuple[int, ...]
    dtype: str
    pixel: tuple[float, float] | None
    problem: str
    usual: bool


def _existing_file(path: str | Path) -> Path:
    path = Path(path)
    readable = f"files with one of {', '.join(EXTENSIONS)} can be read"
    if not path.exists():
        raise InputError(f"{path} does not exist; check the spelling of the path.")
    if path.suffix.lower() == ".zspy":
        raise InputError(
            f"{path.name} is a Zarr store, which can hold code; save it as .hspy in HyperSpy and open that."
        )
    if path.is_dir():
        raise InputError(f"{path} is a folder; choose a file in it ({readable}).")
    if path.suffix.lower() not in EXTENSIONS:
        kind = f"of type {path.suffix}" if path.suffix else "without an extension"
        raise InputError(f"{path.name} is {kind}; export the image to TIFF with its scale ({readable}).")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty (0 bytes); copy or export it again.")
    return path


def _choose(path: Path, found: list[Found], index: int | None = None, detector: str | None = None) -> int:
    """Number of the array to read: the one requested, or the best of the images that are not blank."""
    held = _held(found)
    images = [i for i, one in enumerate(found) if one.is_image]
    if detector is not None:
        if index is not None:
            raise InputError("Choose an image by its number or by the name of its detector, not by both.")
        images = [i for i in images if detector.lower() in found[i].title.lower()]
        if not images:
            raise InputError(f"{path.name} has no image of a detector {detector}; name one that it holds: {held}.")
    if index is not None:
        if not 0 <= index < len(found):
            raise InputError(f"{path.name} has no image {index}; choose a number from 0 to {len(found) - 1}: {held}.")
        images = [i for i in images if i == index]
    order = sorted(images, key=lambda i: found[i].rank)
    for i in order:
        if len(order) == 1 or not found[i].is_blank:
            return i
    if order:
        return order[0]  # `Image` reports that it is blank
    if path.suffix.lower() not in MICROSCOPE_FORMATS and len(found) == 1 and len(found[0].shape) < 4:
        return 0  # `Image` reports what is wrong with it
    raise InputError(
        f"{path.name} holds {held}, but no image (H, W) or stack (frames, H, W) of real numbers with at least "
        "16 x 16 pixels; open a file with an image, or save one, such as a virtual dark field, from the program that "
        "wrote this file."
    )


def _held(found: list[Found]) -> str:
    """The arrays of a file with their numbers, and why they are no images."""
    each = [f"{i}: {one}" + (f" [{one.problem}]" if one.problem else "") for i, one in enumerate(found[:LISTED])]
    more = f"and {len(found) - LISTED} more, which `local-crystallography info` lists"
    return "; ".join([*each, more] if len(found) > LISTED else each) or "nothing"


def _image(
    path: Path,
    found: list[Found],
    index: int,
    *,
    announce: bool = True,
    pixel_size: float | tuple[float, float] | None = None,
) -> Image:
    """The chosen array as an Image: grey, in memory, with square pixels and messages on any conversion."""
    one = found[index]
    data, mask, messages = _grey(np.squeeze(np.array(one.data)), picture=path.suffix.lower() in (*PICTURES, *TIFF))
    data = data.astype(data.dtype.newbyteorder("="), copy=False)  # not every library reads big-endian arrays
    data, moved = _frames_first(data, one)
    pixel, said = _pixel(one.yx) if pixel_size is None else (_given(pixel_size), [])
    messages = [*one.notes, *messages, *moved, *said]
    count = sum(other.is_image for other in found)
    if announce and count > 1:
        messages.append(
            f"The file holds {count} images; number {index} was read: {one}. Others are chosen by number or detector."
        )
    metadata = {
        "source": path.name,
        "format": path.suffix.lower().lstrip("."),
        "original units": one.yx[0][1] if one.yx else "",
        "axes": one.axes,
        "title": one.title,
        "index": index,
        "messages": messages,
    }
    name = path.stem if len(found) == 1 else f"{path.stem} {one.title or index}"
    image = square(Image(data, None, name, metadata, mask), pixel)
    for message in image.metadata["messages"]:
        logger.warning("%s: %s", path.name, message)
    return image


def _frames_first(data: npt.NDArray[Any], one: Found) -> tuple[npt.NDArray[Any], list[str]]:
    """A stack with its frames first, where neither the file nor its shape says so."""
    if data.ndim != 3 or one.axes or data.shape[0] < 16 or data.shape[2] >= min(64, data.shape[0], data.shape[1]):
        return data, []
    height, width, count = data.shape
    message = f"The array of {height} x {width} x {count} was taken as {count} frames of {height} x {width} pixels."
    return np.moveaxis(data, -1, 0), [message]


def _given(pixel_size: float | tuple[float, float]) -> tuple[float, float]:
    """A pixel size somebody gave, as (height, width)."""
    pixel = (pixel_size, pixel_size) if isinstance(pixel_size, (int, float)) else tuple(pixel_size)
    if not all(can_show_atoms(size) for size in pixel):
        low, high = PIXELS
        raise InputError(
            f"Atoms cannot be seen with pixels of {' x '.join(f'{size:g}' for size in pixel)} nm; give a pixel size "
            f"from {low} to {high} nm."
        )
    return pixel[0], pixel[1]


def _grey(data: npt.NDArray[Any], picture: bool) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None, list[str]]:
    """Colour as grey, the pixels that are transparent, and a message if information is lost.

    Colours are the last axis of 2 to 4 in pictures, where two are grey and transparency. In other arrays these are
    frames, but for 3 or 4 of one byte.
    """
    named = bool(data.dtype.names) and {"R", "G", "B"} <= set(data.dtype.names or ())
    if named:
        data = np.stack([data[channel] for channel in "RGB"], axis=-1)
    colours = (2, 3, 4) if picture else (3, 4) if named or data.dtype.itemsize == 1 else ()
    if data.ndim < 3 or data.shape[-1] not in colours:
        return data, None, []
    clear = data[..., -1] == 0 if data.shape[-1] in (2, 4) and data.ndim == 3 else np.zeros(data.shape[:2], bool)
    mask = clear if clear.any() and not clear.all() else None
    messages = [] if mask is None else ["Transparent pixels are masked."]
    colour = data[..., :3] if data.shape[-1] > 2 else data[..., :1]
    values, said = grey(colour)
    return values, mask, [*messages, *said]


def _pixel(yx: tuple[tuple[float, str], ...]) -> tuple[tuple[float, float] | None, list[str]]:
    """(height, width) of a pixel in nm, or None with a message where the file gives something else than that."""
    sizes = [to_nm(scale, unit) for scale, unit in yx]
    ask = "the pixel size is left unknown: set it with --pixel-size or in the main panel"
    if len(sizes) != 2 or sizes[0] is None or sizes[1] is None:
        units = {unit for _, unit in yx if re.search(r"1\s*/|-1|⁻¹", unit)}
        said = f"The scale of the file is in {', '.join(units)}, as of a diffraction pattern; {ask}."
        return None, [said] if units else []
    if all(can_show_atoms(size) for size in sizes):
        return (sizes[0], sizes[1]), []
    if max(sizes[0], sizes[1]) > METRE:  # TIA writes 1/m as if they were m
        return None, [f"The scale of the file is that of a diffraction pattern; {ask}."]
    words = f"{sizes[0]:.4g}" if sizes[0] == sizes[1] else f"{sizes[0]:.4g} x {sizes[1]:.4g}"
    return None, [f"The file gives pixels of {words} nm, at which atoms cannot be seen; {ask}."]


@contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    """Context in which any error of a reader on a damaged file becomes one InputError."""
    try:
        yield
    except InputError:
        raise
    except reader_errors() as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        kind = path.suffix.lower().lstrip(".").upper()
        todo = "check that it was copied completely and opens in the program that wrote it"
        if "imagecodecs" in reason:
            todo = "save it without compression, or install the package imagecodecs"
        raise InputError(f"{path.name} cannot be read as {kind} ({reason}); {todo}.") from error

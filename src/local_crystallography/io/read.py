"""Image files with their scale: microscope formats, TIFF, PNG, JPEG and NumPy arrays.

Nothing in a file is ever executed: no pickles, no object arrays.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral
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
ELONGATED = 10.0
"""Ratio of the sides of a pixel above which one of them is wrong."""
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
    pixel = None if pixel_size is None else _given(pixel_size)
    _check_choice(path, index, detector)
    with _one_sentence(path):
        found = load(path)
        return _image(path, found, _choose(path, found, index, detector), given=pixel)


def read_mask(path: str | Path) -> npt.NDArray[np.bool_]:
    """(H, W) True where the first array in a file is not 0; raises the same errors as `read_image`."""
    path = _existing_file(path)
    with _one_sentence(path):
        found = load(path)
        data = np.squeeze(np.asarray(found[0].data)) if found else np.array(0)
    if data.dtype.kind not in "buif":
        raise InputError(
            f"{path.name} holds values of type {data.dtype}, but a mask must hold real numbers; save it with 0 where "
            "pixels are used and 1 where they are not."
        )
    if data.ndim == 3 and data.shape[-1] <= 4:  # transparency is the last of 2 or 4
        data = np.asarray(data[..., : 3 if data.shape[-1] > 2 else 1].any(axis=-1))
    if data.ndim != 2:
        raise InputError(f"{path.name} has the shape {data.shape}, but a mask must be (H, W); save a single image.")
    if not data.any():
        logger.warning("%s is 0 everywhere, so no pixels are masked.", path.name)
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
        usual = _choose(path, found) if not found or any(one.is_image for one in found) else -1
        problems = [one.problem or ("every pixel is the same" if one.is_blank else "") for one in found]
        return [
            Contents(
                index=index,
                title=one.title,
                shape=tuple(one.data.shape),
                dtype=str(one.data.dtype),
                pixel=_pixel(one.yx)[0],
                problem=problem,
                usual=index == usual and not problem,
            )
            for index, (one, problem) in enumerate(zip(found, problems, strict=True))
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
    readable = ", ".join(EXTENSIONS)
    if not path.exists():
        raise InputError(f"{path} does not exist; check the spelling of the path.")
    if path.suffix.lower() == ".zspy":
        raise InputError(
            f"{path.name} is a Zarr store, which can hold code; save it as .hspy in HyperSpy and open that."
        )
    if path.is_dir():
        raise InputError(f"{path} is a folder; choose a file in it, of one of the types {readable}.")
    if path.suffix.lower() not in EXTENSIONS:
        kind = f"is of type {path.suffix}, which cannot be read" if path.suffix else "has no extension"
        raise InputError(
            f"{path.name} {kind}; export the image as TIFF with its scale, or open a file of one of the types "
            f"{readable}."
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty (0 bytes); copy or export it again.")
    return path


def _check_choice(path: Path, index: int | None, detector: str | None) -> None:
    """Refuse a number that is no whole number, an empty name of a detector, and both at once."""
    if index is not None and (isinstance(index, bool) or not isinstance(index, Integral)):
        raise InputError(f"{index!r} is not the number of an image of {path.name}; give a whole number from 0.")
    if detector is not None and not (isinstance(detector, str) and detector.strip()):
        raise InputError(f"{detector!r} is not the name of a detector of {path.name}; give its name, or a part of it.")
    if index is not None and detector is not None:
        raise InputError(f"An image of {path.name} is chosen by number or by detector, not by both; give only one.")


def _choose(path: Path, found: list[Found], index: int | None = None, detector: str | None = None) -> int:
    """Number of the array to read: the one requested, or the best of the images that are not blank."""
    every = images = [i for i, one in enumerate(found) if one.is_image]
    if detector is not None and every:
        images = [i for i in images if detector.lower() in found[i].title.lower()]
        if not images:
            raise InputError(
                f"{path.name} has no image of a detector {detector}; name one that it holds: {_held(found, every)}."
            )
    if index is not None and found:
        if not 0 <= index < len(found):
            todo = "leave the number out, since it holds only" if len(found) == 1 else "choose from"
            raise InputError(f"{path.name} has no image number {index}; {todo} {_held(found)}.")
        images = [i for i in images if i == index]
        if every and not images:
            raise InputError(
                f"Number {index} of {path.name} is no image ({found[index].problem}); choose another: "
                f"{_held(found, every)}."
            )
    order = sorted(images, key=lambda i: found[i].rank)
    for i in order:
        if len(order) == 1 or not found[i].is_blank:
            return i
    if order:
        return order[0]  # `Image` reports that it is blank
    if path.suffix.lower() not in MICROSCOPE_FORMATS and len(found) == 1 and len(found[0].shape) < 4:
        return 0  # `Image` reports what is wrong with it
    only = f"only {_held(found)}" if found else "and no other array"
    raise InputError(
        f"{path.name} holds no image, {only}; open a file with an image (H, W) or a stack (frames, H, W) of real "
        "numbers with at least 16 x 16 pixels, or save one, such as a virtual dark field, from the program that wrote "
        "this file."
    )


def _held(found: list[Found], numbers: Sequence[int] | None = None) -> str:
    """Arrays of a file with their numbers, and why they are no images; None for all."""
    numbers = range(len(found)) if numbers is None else numbers
    each = [f"{i}: {found[i]}" + (f" [{found[i].problem}]" if found[i].problem else "") for i in numbers[:LISTED]]
    more = [f"and {len(numbers) - LISTED} more, which `local-crystallography info` lists"]
    return "; ".join(each + more * (len(numbers) > LISTED))


def _image(
    path: Path,
    found: list[Found],
    index: int,
    *,
    announce: bool = True,
    given: tuple[float, float] | None = None,
) -> Image:
    """The chosen array as an Image: grey, in memory, with square pixels and messages on any conversion."""
    one = found[index]
    data, mask, messages = _grey(np.squeeze(np.array(one.data)), picture=path.suffix.lower() in (*PICTURES, *TIFF))
    data = data.astype(data.dtype.newbyteorder("="), copy=False)  # not every library reads big-endian arrays
    data, moved = _frames_first(data, one)
    pixel, said = _pixel(one.yx) if given is None else (given, [])
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
        return data, [_doubtful_stack(data.shape)] if data.ndim == 3 and not one.axes and _like_spectra(data) else []
    height, width, count = data.shape
    message = f"The array of {height} x {width} x {count} was taken as {count} frames of {height} x {width} pixels."
    return np.moveaxis(data, -1, 0), [message]


def _like_spectra(data: npt.NDArray[Any]) -> bool:
    """Whether an array may be a map of spectra: as many rows as columns, and many more values at each place."""
    height, width, values = data.shape
    return bool(height == width >= 16 and values >= 2 * width)


def _doubtful_stack(shape: tuple[int, ...]) -> str:
    count, height, width = shape
    return (
        f"The array of {count} x {height} x {width} was taken as {count} frames of {height} x {width} pixels; if it is "
        "a map of spectra, save an image from it and open that."
    )


def _given(pixel_size: float | tuple[float, float]) -> tuple[float, float]:
    """A pixel size somebody gave, as (height, width)."""
    try:
        pixel = np.atleast_1d(np.asarray(pixel_size, float)).tolist()
    except (TypeError, ValueError):
        pixel = []
    if np.ndim(pixel) != 1 or len(pixel) not in (1, 2):
        raise InputError(
            f"{pixel_size!r} is not a pixel size; give one number in nm, or the height and the width of a pixel."
        )
    low, high = PIXELS
    if not all(can_show_atoms(size) for size in pixel):
        raise InputError(
            f"Atoms cannot be seen with pixels of {_sides(pixel)} nm; give a pixel size from {low} to {high} nm."
        )
    if max(pixel) > ELONGATED * min(pixel):
        raise InputError(f"Pixels of {_sides(pixel)} nm are too elongated; check their height and width.")
    return pixel[0], pixel[-1]


def _sides(pixel: Sequence[float]) -> str:
    """Height and width of a pixel, or one number where they are the same."""
    return " x ".join(f"{size:.4g}" for size in dict.fromkeys(pixel))


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
        units = sorted({unit for _, unit in yx if re.search(r"1\s*/|-1|⁻¹|^\s*[mµ]?rad|^\s*deg", unit)})
        if units:
            return None, [f"The scale of the file is in {', '.join(units)}, as of a diffraction pattern; {ask}."]
        one_side = [size for size in sizes if size is not None]
        return None, [f"The file gives only one side of a pixel, {one_side[0]:.4g} nm; {ask}."] if one_side else []
    if all(can_show_atoms(size) for size in sizes):
        if max(sizes[0], sizes[1]) > ELONGATED * min(sizes[0], sizes[1]):
            return None, [
                f"The file gives pixels of {_sides([sizes[0], sizes[1]])} nm, which are too elongated; {ask}."
            ]
        return (sizes[0], sizes[1]), []
    if max(sizes[0], sizes[1]) > METRE:  # TIA writes 1/m as if they were m
        return None, [f"The scale of the file looks like that of a diffraction pattern; {ask}."]
    return None, [f"The file gives pixels of {_sides([sizes[0], sizes[1]])} nm, at which atoms cannot be seen; {ask}."]


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
        todo = "check that it was copied completely, has the right extension and opens in the program that wrote it"
        if "Python objects" in reason or "pickle" in reason:
            reason = "it holds Python objects, or no array"
            todo = "check that it was copied completely, or save an array of numbers with numpy.save"
        if "imagecodecs" in reason:
            todo = "save it without compression, or install the package imagecodecs"
        raise InputError(f"{path.name} cannot be read as {kind} ({reason}); {todo}.") from error

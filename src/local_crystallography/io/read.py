"""Image files with their scale: microscope formats, TIFF, PNG, JPEG and NumPy arrays.

Nothing a file holds is ever executed: no pickles, no object arrays.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.io.formats import EXTENSIONS, MICROSCOPE_FORMATS, Found, load, reader_errors, to_nm

logger = logging.getLogger(__name__)

_LUMINANCE = np.array([0.2125, 0.7154, 0.0721])
"""Weights of red, green and blue (ITU-R BT.709)."""


def read_image(path: str | Path, index: int | None = None) -> Image:
    """Read one image, or one stack of frames, with its pixel size in nm.

    Parameters
    ----------
    path
        A file with one of `EXTENSIONS`.
    index
        Which array of a file that holds several, counted from 0; None takes the first that is an image.

    Raises
    ------
    InputError
        For a file that is missing, unknown, damaged or holds no image.
    """
    path = _existing_file(path)
    with _one_sentence(path):
        found = load(path)
        return _image(path, found, _choose(path, found, index))


def read_images(path: str | Path) -> list[Image]:
    """Read every image a file holds; raises what `read_image` raises."""
    path = _existing_file(path)
    with _one_sentence(path):
        found = load(path)
        images = [i for i, one in enumerate(found) if one.is_image]
        return [_image(path, found, i, announce=False) for i in images or [_choose(path, found, None)]]


def _existing_file(path: str | Path) -> Path:
    path = Path(path)
    wanted = f"a file with one of {', '.join(EXTENSIONS)} was expected"
    if not path.exists():
        raise InputError(f"{path} does not exist, {wanted}; check the spelling of the path.")
    if path.is_dir():
        raise InputError(f"{path} is a folder, {wanted}; pick one file in it.")
    if path.suffix.lower() not in EXTENSIONS:
        kind = f"of type {path.suffix}" if path.suffix else "without an extension"
        raise InputError(f"{path.name} is {kind}, {wanted}; export the image to TIFF with its scale.")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty (0 bytes), {wanted}; copy or export it again.")
    return path


def _choose(path: Path, found: list[Found], index: int | None) -> int:
    """The number of the array to take: the one asked for, the first image, or the only one."""
    held = "; ".join(f"{i}: {one}" for i, one in enumerate(found)) or "nothing"
    if index is not None:
        if not 0 <= index < len(found):
            raise InputError(
                f"Image {index} of {path.name} was asked for, 0 to {len(found) - 1} was expected; "
                f"choose one of what it holds: {held}."
            )
        found = [one if i == index else Found(np.empty(0)) for i, one in enumerate(found)]
    for i, one in enumerate(found):
        if one.is_image:
            return i
    if path.suffix.lower() not in MICROSCOPE_FORMATS and len(found) == 1 and len(found[0].shape) < 4:
        return 0  # Image says what is wrong with a single plain array
    raise InputError(
        f"{path.name} holds {held}; an image (H, W) or a stack (frames, H, W) of real numbers, at least "
        "16 x 16 pixels, was expected: save one image, such as a virtual dark field, to a file of its own."
    )


def _image(path: Path, found: list[Found], index: int, announce: bool = True) -> Image:
    """The chosen array as an Image: grey, in memory, with its pixel size and what was done to it."""
    one = found[index]
    data, messages = _grey(np.squeeze(np.array(one.data)))
    data = data.astype(data.dtype.newbyteorder("="), copy=False)  # big-endian files are not for everyone
    pixel_size, uneven = _pixel_size(one.yx)
    messages += uneven
    count = sum(other.is_image for other in found)
    if announce and count > 1:
        messages.append(f"The file holds {count} images; number {index} was read: {one}.")
    for message in messages:
        logger.warning("%s: %s", path.name, message)
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
    return Image(data, pixel_size, name, metadata)


def _grey(data: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], list[str]]:
    """Colour (..., 2 to 4 channels) as grey, with a message where that loses something."""
    if data.dtype.names and {"R", "G", "B"} <= set(data.dtype.names):
        data = np.stack([data[channel] for channel in "RGB"], axis=-1)
    if data.ndim < 3 or data.shape[-1] not in (2, 3, 4):
        return data, []
    colour = data[..., :3] if data.shape[-1] > 2 else data[..., :1]
    if (colour == colour[..., :1]).all():
        return colour[..., 0], []
    return (colour @ _LUMINANCE).astype(np.float32), ["The image is in colour; its luminance was taken as grey."]


def _pixel_size(yx: tuple[tuple[float, str], ...]) -> tuple[float | None, list[str]]:
    """nm per pixel, or None unless both directions give one, with a message where they differ by over 1 %."""
    sizes = [to_nm(scale, unit) for scale, unit in yx]
    if len(sizes) != 2 or sizes[0] is None or sizes[1] is None:
        return None, []
    y, x = sizes[0], sizes[1]
    if y == x:
        return y, []
    mean = math.sqrt(y * x)
    if max(y, x) <= 1.01 * min(y, x):
        return mean, []
    return mean, [f"Pixels are {y:.4g} nm high and {x:.4g} nm wide; their geometric mean, {mean:.4g} nm, is used."]


@contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    """What a reader raises on a damaged file, as one InputError."""
    try:
        yield
    except InputError:
        raise
    except reader_errors() as error:
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        kind = path.suffix.lower().lstrip(".").upper()
        todo = "check that it was copied whole and opens in the program that wrote it"
        if "imagecodecs" in said:
            todo = "save it without compression, or install the package imagecodecs"
        raise InputError(f"{path.name} cannot be read ({said}), a whole {kind} file was expected; {todo}.") from error

"""Image files with their scale: microscope formats, TIFF, PNG, JPEG and NumPy arrays.

Nothing in a file is ever executed: no pickles, no object arrays.
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
        Number of the array in a file with several, from 0; None takes the first that is an image.

    Raises
    ------
    InputError
        If the file is missing, damaged, of an unknown type or without an image.
    """
    path = _existing_file(path)
    with _one_sentence(path):
        found = load(path)
        return _image(path, found, _choose(path, found, index))


def read_images(path: str | Path) -> list[Image]:
    """Read every image in a file; raises the same errors as `read_image`."""
    path = _existing_file(path)
    with _one_sentence(path):
        found = load(path)
        images = [i for i, one in enumerate(found) if one.is_image]
        return [_image(path, found, i, announce=False) for i in images or [_choose(path, found, None)]]


def _existing_file(path: str | Path) -> Path:
    path = Path(path)
    readable = f"files with one of {', '.join(EXTENSIONS)} can be read"
    if not path.exists():
        raise InputError(f"{path} does not exist; check the spelling of the path.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; choose a file in it ({readable}).")
    if path.suffix.lower() not in EXTENSIONS:
        kind = f"of type {path.suffix}" if path.suffix else "without an extension"
        raise InputError(f"{path.name} is {kind}; export the image to TIFF with its scale ({readable}).")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty (0 bytes); copy or export it again.")
    return path


def _choose(path: Path, found: list[Found], index: int | None) -> int:
    """Number of the array to read: the one requested, the first image, or the only array."""
    held = "; ".join(f"{i}: {one}" for i, one in enumerate(found)) or "nothing"
    if index is not None:
        if not 0 <= index < len(found):
            raise InputError(f"{path.name} has no image {index}; choose a number from 0 to {len(found) - 1}: {held}.")
        found = [one if i == index else Found(np.empty(0)) for i, one in enumerate(found)]
    for i, one in enumerate(found):
        if one.is_image:
            return i
    if path.suffix.lower() not in MICROSCOPE_FORMATS and len(found) == 1 and len(found[0].shape) < 4:
        return 0  # `Image` reports what is wrong with it
    raise InputError(
        f"{path.name} holds {held}, but no image (H, W) or stack (frames, H, W) of real numbers with at least "
        "16 x 16 pixels; save one image, such as a virtual dark field, to a file of its own."
    )


def _image(path: Path, found: list[Found], index: int, announce: bool = True) -> Image:
    """The chosen array as an Image: grey, in memory, with its pixel size and messages on any conversion."""
    one = found[index]
    data, messages = _grey(np.squeeze(np.array(one.data)))
    data = data.astype(data.dtype.newbyteorder("="), copy=False)  # not every library reads big-endian arrays
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
    """Colour (..., 2 to 4 channels) as grey, with a message if information is lost."""
    if data.dtype.names and {"R", "G", "B"} <= set(data.dtype.names):
        data = np.stack([data[channel] for channel in "RGB"], axis=-1)
    if data.ndim < 3 or data.shape[-1] not in (2, 3, 4):
        return data, []
    colour = data[..., :3] if data.shape[-1] > 2 else data[..., :1]
    if (colour == colour[..., :1]).all():
        return colour[..., 0], []
    return (colour @ _LUMINANCE).astype(np.float32), ["The image is in colour; its luminance is used."]


def _pixel_size(yx: tuple[tuple[float, str], ...]) -> tuple[float | None, list[str]]:
    """nm per pixel, or None unless known along both axes, with a message if these differ by more than 1 %."""
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

"""Pixels of an image layer, of whatever kind its array is."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from local_crystallography._napari.layers.geometry import BENT, geometry_of
from local_crystallography.data.colour import grey
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import square_shape, unmasked


def analysed_shape(layer: Any) -> tuple[int, int]:
    """(H, W) of one frame of the image of a layer as it is analysed, with square pixels."""
    return square_shape(frame_shape(layer), geometry_of(layer).shares)


def frame_shape(layer: Any) -> tuple[int, int]:
    """(H, W) of one frame of an image layer."""
    shape = pixels_of(layer).shape
    height, width = (shape[:-1] if layer.rgb else shape)[-2:]
    return int(height), int(width)


def frame_count(layer: Any) -> int:
    """Number of frames of an image layer; 1 for a single image."""
    return 1 if layer.ndim < 3 else int(pixels_of(layer).shape[0])


def pixels_of(layer: Any) -> Any:
    """The array of a layer as napari keeps it, maybe on a disk; the finest level of several."""
    data = layer.data[0] if layer.multiscale else layer.data
    return data.data if hasattr(data, "dims") else data  # xarray


def check_image(layer: Any) -> None:
    if not hasattr(layer, "rgb"):
        raise InputError(
            f"{layer.name} is no image layer but one of {type(layer).__name__.lower()}; choose an image layer, or "
            "convert it to one by a right-click."
        )
    shape = pixels_of(layer).shape
    if layer.ndim > 3:
        raise InputError(
            f"{layer.name} has the shape {tuple(shape)}, but an image has the axes (y, x) or (frame, y, x); "
            "right-click it and choose Split Stack."
        )
    if not geometry_of(layer).flat:
        raise InputError(BENT.format(name=layer.name))


def values_of(layer: Any) -> tuple[Any, list[str]]:
    """(H, W) or (frames, H, W) grey values of a layer, and what was made of them."""
    data = pixels_of(layer)
    if getattr(data, "chunks", None) is not None and data.ndim == 3 and not layer.rgb:
        return data, []  # read frame by frame
    data = np.array(unmasked(data))
    data = data.astype(data.dtype.newbyteorder("="), copy=False)
    if not layer.rgb:
        return data, []
    values, said = grey(data[..., :3])
    clear = data[..., -1] == 0 if data.shape[-1] == 4 else np.zeros(values.shape, bool)
    if not clear.any() or clear.all():
        return values, said
    return np.where(clear, np.nan, values).astype(np.float32), [*said, "Transparent pixels are masked."]


def mark_of(layer: Any) -> tuple[Any, ...]:
    """What differs once the pixels of a layer have been replaced or edited; of a stack on a disk, once replaced."""
    data = pixels_of(layer)
    data = np.ma.filled(data, 0) if np.ma.isMaskedArray(data) else data
    kind = (tuple(data.shape), str(data.dtype), bool(layer.rgb))
    if getattr(data, "chunks", None) is not None:
        return (*kind, id(data))
    total = 0
    for part in data if data.ndim > 2 else (data,):
        total = zlib.crc32(np.ascontiguousarray(part).data, total)
    return (*kind, total)

"""Microscope files into napari, with scale, units and where they came from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_crystallography.data.image import Image

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """The reader for these paths, or None unless all are microscope files."""
    from local_crystallography.io.formats import MICROSCOPE_FORMATS

    mine = all(
        Path(one).suffix.lower() in MICROSCOPE_FORMATS and not Path(one).is_dir() for one in _paths(path)
    )
    return read_layers if mine else None


def read_layers(path: str | list[str]) -> list[LayerData]:
    """One image layer per image of the files."""
    from local_crystallography.io.read import read_images

    return [_layer(image) for one in _paths(path) for image in read_images(one)]


def _paths(path: str | list[str]) -> list[str]:
    return path if isinstance(path, list) else [path]


def _layer(image: Image) -> LayerData:
    arguments: dict[str, Any] = {
        "name": image.name,
        "metadata": {"local_crystallography": dict(image.metadata)},
    }
    if image.pixel_size is not None:
        frames = image.data.ndim - 2
        arguments["scale"] = (1.0,) * frames + (image.pixel_size, image.pixel_size)
        arguments["units"] = ("pixel",) * frames + ("nm", "nm")
    return image.data, arguments, "image"

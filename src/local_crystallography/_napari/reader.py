"""Microscope files and saved sessions into napari, with scale, units and where they came from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from local_crystallography._napari.layers.convert import LayerData, layer_of
from local_crystallography._napari.main.session_files import is_session, session_layers


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """The reader for these paths, or None unless all are microscope files or folders of sessions."""
    from local_crystallography.io.formats import MICROSCOPE_FORMATS

    if all(is_session(Path(one)) for one in _paths(path)):
        return read_sessions
    mine = all(Path(one).suffix.lower() in MICROSCOPE_FORMATS and not Path(one).is_dir() for one in _paths(path))
    return read_layers if mine else None


def read_layers(path: str | list[str]) -> list[LayerData]:
    """One image layer per image of the files."""
    from local_crystallography.io.read import read_images

    return [layer_of(image) for one in _paths(path) for image in read_images(one)]


def read_sessions(path: str | list[str]) -> list[LayerData]:
    """Image, maps and atoms of saved sessions."""
    return [layer for one in _paths(path) for layer in session_layers(Path(one))]


def _paths(path: str | list[str]) -> list[str]:
    return path if isinstance(path, list) else [path]

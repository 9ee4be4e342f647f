"""Camera and canvas of a viewer: what of an image is seen, and how large."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtWidgets
from qtpy.QtOpenGLWidgets import QOpenGLWidget

USUAL_CANVAS = (800, 1000)
"""Height and width assumed for a canvas that napari before 0.9 does not tell."""


def camera_of(viewer: Any) -> Any:
    """The camera; since napari 0.9 it belongs to the scene."""
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera


def grid_of(viewer: Any) -> Any:
    """The grid of layers; since napari 0.9 it belongs to the canvas."""
    return viewer.canvas.grid if hasattr(viewer, "canvas") else viewer.grid


def scale_bar_of(viewer: Any) -> Any:
    """The scale bar; since napari 0.9 it is an overlay of the canvas. None where there is no canvas."""
    if hasattr(viewer, "canvas"):
        return getattr(getattr(viewer.canvas, "overlays", None), "scale_bar", None)
    return getattr(viewer, "scale_bar", None)


def canvas_in(widget: Any) -> Any:
    """The widget that the layers are drawn on, in the window of another widget; None without a window."""
    while widget is not None and not isinstance(widget, QtWidgets.QMainWindow):
        widget = widget.parentWidget()
    return None if widget is None else widget.centralWidget().findChild(QOpenGLWidget)


def in_plane(viewer: Any) -> bool:
    """Whether the last two axes are displayed, all layers in one place, so that the camera alone says where."""
    dims = viewer.dims
    return tuple(dims.displayed) == (dims.ndim - 2, dims.ndim - 1) and not grid_of(viewer).enabled


def in_world(viewer: Any, places: npt.NDArray[np.float64], size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """(n, 2) positions (x, y) on a canvas of (height, width) as (y, x) in the world; see `in_plane`."""
    camera = camera_of(viewer)
    sense = [1 if str(way) in ("down", "right") else -1 for way in camera.orientation2d]
    away = (places[:, ::-1] - np.array(size) / 2) * sense / camera.zoom
    return np.asarray(np.asarray(camera.center[-2:]) + away)


def canvas_size(viewer: Any) -> tuple[int, int]:
    """Height and width of the canvas, in points."""
    height, width = getattr(getattr(viewer, "canvas", None), "size", USUAL_CANVAS)
    return int(height), int(width)

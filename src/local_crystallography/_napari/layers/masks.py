"""Masks: as a layer over the image, and drawn by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Shapes as ShapesLayer
from skimage.draw import polygon

from local_crystallography._napari.layers import convert, geometry, layer_pixels
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image

Mask = npt.NDArray[np.bool_]

NAME = "mask"
RED = (1.0, 0.25, 0.2, 1.0)


def visible_mask(image: Image) -> Mask | None:
    """(H, W) mask of an image, found automatically or drawn; for a stack only a drawn one, the same for all frames."""
    return image.masked(0) if image.data.ndim == 2 else image.mask


def mask_layer(mask: Mask, place: geometry.Placement, note: Any) -> convert.LayerData:
    """A mask as a translucent labels layer; every label except 0 is masked."""
    from napari.utils.colormaps import CyclicLabelColormap

    look = {"opacity": 0.5, "colormap": CyclicLabelColormap(colors=[(0, 0, 0, 0), RED], background_value=0)}
    return (
        mask.astype(np.uint8),
        {"name": NAME, "metadata": {convert.KEY: note}, **look, **geometry.flat(place)},
        "labels",
    )


def drawn_mask(layer: Any, image_layer: Any) -> Mask:
    """(H, W) mask drawn for an image, as labels or as areas in a shapes layer.

    Raises
    ------
    InputError
        For labels with frames, labels without a place of their own whose shape differs from that of the image, and
        shapes that enclose no area.
    """
    shape = layer_pixels.analysed_shape(image_layer)
    if isinstance(layer, ShapesLayer):
        return _inside(layer, image_layer, shape)
    labels = np.asarray(layer_pixels.pixels_of(layer))
    own = geometry.geometry_of(layer)
    placed = not own.plain or own.in_nm  # otherwise labels are those of the pixels of the image, wherever that is
    if labels.shape == shape and not placed:
        return np.asarray(labels != 0, np.bool_)
    if labels.ndim != 2 or not (placed or labels.shape == layer_pixels.frame_shape(image_layer)):
        raise InputError(
            f"The mask in {layer.name} has the shape {labels.shape}, but {image_layer.name} has the shape "
            f"{layer_pixels.frame_shape(image_layer)}. Choose a labels layer of the same shape, or draw the mask in a "
            "shapes layer."
        )
    grid = np.indices(shape).reshape(2, -1).T * np.array(geometry.geometry_of(image_layer).shares)
    at = geometry.between(grid, image_layer, layer) if placed else grid
    rows, columns = np.rint(at).astype(int).T
    inside = (rows >= 0) & (rows < labels.shape[0]) & (columns >= 0) & (columns < labels.shape[1])
    mask = np.zeros(len(grid), bool)
    mask[inside] = labels[rows[inside], columns[inside]] != 0
    return mask.reshape(shape)


def _inside(layer: Any, image_layer: Any, shape: tuple[int, int]) -> Mask:
    mask = np.zeros(shape, bool)
    areas = convert.polygons_from(layer, image_layer)
    if not areas:
        raise InputError(f"{layer.name} contains no areas to mask. Draw polygons around what is not specimen.")
    for area in areas:
        mask[polygon(*np.transpose(area), shape)] = True
    return mask

"""Pixels without meaning as a layer over their image, and masks drawn by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Shapes as ShapesLayer
from skimage.draw import polygon

from local_crystallography._napari.layers import convert
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image

Mask = npt.NDArray[np.bool_]

NAME = "mask"
RED = (1.0, 0.25, 0.2, 1.0)


def visible_mask(image: Image) -> Mask | None:
    """(H, W) mask of an image, found or given by hand; of a stack only one given by hand, the same for all frames."""
    return image.masked(0) if image.data.ndim == 2 else image.mask


def mask_layer(mask: Mask, place: convert.Placement, note: Any) -> convert.LayerData:
    """A mask in one colour that lets the image show through; any label but 0 is masked."""
    from napari.utils.colormaps import CyclicLabelColormap

    look = {"opacity": 0.5, "colormap": CyclicLabelColormap(colors=[(0, 0, 0, 0), RED], background_value=0)}
    return mask.astype(np.uint8), {"name": NAME, "metadata": {convert.KEY: note}, **look, **flat(place)}, "labels"


def flat(place: convert.Placement) -> dict[str, Any]:
    """Where a single frame lies that is to be seen on all frames of a stack."""
    if len(place["scale"]) == 2:
        return dict(place)
    return {
        **{name: place[name][-2:] for name in ("scale", "translate", "units")},
        "rotate": np.asarray(place["rotate"])[-2:, -2:],
        "shear": np.asarray(place["shear"])[-1:],
        "affine": place["affine"].set_slice([-2, -1]),
    }


def drawn_mask(layer: Any, image_layer: Any) -> Mask:
    """(H, W) what somebody has drawn for an image: labels, or areas in a shapes layer.

    Raises
    ------
    InputError
        For labels of another shape than the image, and shapes that enclose nothing.
    """
    shape = convert.frame_shape(image_layer)
    if isinstance(layer, ShapesLayer):
        return _inside(layer, image_layer, shape)
    labels = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    if labels.shape != shape:
        raise InputError(
            f"The mask in {layer.name} has the shape {labels.shape}, but {image_layer.name} has {shape}; choose labels "
            "of the image's own shape, or draw the mask in a Shapes layer."
        )
    return np.asarray(labels != 0, np.bool_)


def _inside(layer: Any, image_layer: Any, shape: tuple[int, int]) -> Mask:
    mask = np.zeros(shape, bool)
    areas = convert.polygons_from(layer, image_layer)
    if not areas:
        raise InputError(f"{layer.name} holds no areas to mask; draw polygons around what is not specimen.")
    for area in areas:
        mask[polygon(*np.transpose(area), shape)] = True
    return mask

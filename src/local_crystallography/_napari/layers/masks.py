"""Masks: as a layer over the image, and drawn by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Shapes as ShapesLayer
from skimage.draw import polygon

from local_crystallography._napari.layers import convert
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image, square_mask

Mask = npt.NDArray[np.bool_]

NAME = "mask"
RED = (1.0, 0.25, 0.2, 1.0)


def visible_mask(image: Image) -> Mask | None:
    """(H, W) mask of an image, found automatically or drawn; for a stack only a drawn one, the same for all frames."""
    return image.masked(0) if image.data.ndim == 2 else image.mask


def mask_layer(mask: Mask, place: convert.Placement, note: Any) -> convert.LayerData:
    """A mask as a translucent labels layer; every label except 0 is masked."""
    from napari.utils.colormaps import CyclicLabelColormap

    look = {"opacity": 0.5, "colormap": CyclicLabelColormap(colors=[(0, 0, 0, 0), RED], background_value=0)}
    return mask.astype(np.uint8), {"name": NAME, "metadata": {convert.KEY: note}, **look, **flat(place)}, "labels"


def flat(place: convert.Placement) -> dict[str, Any]:
    """Placement of a single frame that is shown on every frame of a stack."""
    if len(place["scale"]) == 2:
        return dict(place)
    return {
        **{name: place[name][-2:] for name in ("scale", "translate", "units")},
        "rotate": np.asarray(place["rotate"])[-2:, -2:],
        "shear": np.asarray(place["shear"])[-1:],
        "affine": place["affine"].set_slice([-2, -1]),
    }


def drawn_mask(layer: Any, image_layer: Any) -> Mask:
    """(H, W) mask drawn for an image, as labels or as areas in a shapes layer.

    Raises
    ------
    InputError
        For labels whose shape differs from that of the image, and shapes that enclose no area.
    """
    shape = convert.analysed_shape(image_layer)
    if isinstance(layer, ShapesLayer):
        return _inside(layer, image_layer, shape)
    labels = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    if labels.shape == convert.frame_shape(image_layer) != shape:
        labels = square_mask(labels, convert.geometry_of(image_layer).shares)
    if labels.shape != shape:
        raise InputError(
            f"The mask in {layer.name} has the shape {labels.shape}, but {image_layer.name} has the shape {shape}. "
            "Choose a labels layer of the same shape, or draw the mask in a shapes layer."
        )
    return np.asarray(labels != 0, np.bool_)


def _inside(layer: Any, image_layer: Any, shape: tuple[int, int]) -> Mask:
    mask = np.zeros(shape, bool)
    areas = convert.polygons_from(layer, image_layer)
    if not areas:
        raise InputError(f"{layer.name} contains no areas to mask. Draw polygons around what is not specimen.")
    for area in areas:
        mask[polygon(*np.transpose(area), shape)] = True
    return mask

"""Source of the mask of an image. No widgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from local_crystallography._napari.layers.masks import Mask, drawn_mask
from local_crystallography._napari.layers.results import ResultLayers
from local_crystallography.data.errors import InputError


@dataclass(frozen=True)
class MaskChoice:
    """Found in the image, `painted` by hand in the layer that shows it, or drawn in another `layer`.

    `changed` tells that the results were computed with another mask.
    """

    layer: Any | None = None
    painted: bool = False
    changed: bool = False

    def mask(self, results: ResultLayers) -> Mask | None:
        """(H, W) the mask by hand; None where it is to be found in the image.

        Raises
        ------
        InputError
            For a layer that cannot be a mask of the image.
        """
        if self.layer is not None:
            return drawn_mask(self.layer, results.image_layer)
        return results.painted_mask() if self.painted else None

    def differs(self, results: ResultLayers) -> bool:
        """Whether the image that was analysed has another mask; raises as `mask`."""
        image, mask = results.analysis.image, self.mask(results)
        given = None if image is None else image.mask
        return not (mask is given or (mask is not None and given is not None and np.array_equal(mask, given)))


def chosen(results: ResultLayers, layer: Any | None, painted: bool) -> MaskChoice:
    """A choice that knows whether it changes anything."""
    choice = MaskChoice(layer, painted)
    try:
        changed = choice.differs(results)
    except InputError:  # it is said when the mask is used
        changed = True
    return MaskChoice(layer, painted, changed)

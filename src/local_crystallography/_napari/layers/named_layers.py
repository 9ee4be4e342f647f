"""The layers of one image in the viewer, by name and in their order."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from napari.layers import Image, Layer

from local_crystallography._napari.layers import convert, left_out, masks, rings
from local_crystallography._napari.layers.convert import LayerData

ORDER = (
    "image",
    convert.PROBABILITY,
    convert.STD,
    "map",
    "label",
    "hand_label",
    masks.NAME,
    left_out.NAME,
    "atoms",
    rings.NAME,
)
"""From the bottom to the top."""


class NamedLayers:
    """The layers of one image by name: each is put above the image where it belongs, and is the same one ever after.

    Attributes
    ----------
    shown
        The results that the layers show, by name.
    ready
        What was prepared for the layers, by name, with the result it shows; None for a preview.
    """

    def __init__(self, viewer: Any, image_layer: Any) -> None:
        self.viewer = viewer
        self.image_layer = image_layer
        self.shown: dict[str, Any] = {}
        self.ready: dict[str, tuple[Any, LayerData | Layer]] = {}
        self._layers: dict[str, Any] = {}

    @property
    def names(self) -> set[str]:
        """The names, of layers the user removed too."""
        return set(self._layers)

    @property
    def keys(self) -> set[str]:
        """What tells the layers apart from others."""
        return {str(layer.unique_id) for layer in self._layers.values()}

    def get(self, name: str) -> Any:
        """The layer of a name, or None where there is none in the viewer."""
        layer = self._layers.get(name)
        return layer if layer is not None and layer in self.viewer.layers else None

    def put(self, name: str, new: LayerData | Layer) -> None:
        """Show something new in the layer of a name, which is made where there is none."""
        layer = self.get(name)
        if layer is None:
            # after the layer is made, since no argument of it shows a colour bar
            new = new if isinstance(new, Layer) else Layer.create(*new)
            if isinstance(new, Image) and name not in (convert.PROBABILITY, convert.STD):
                new.colorbar.visible = True
            self._layers[name] = self._insert(name, new)
        else:
            convert.update(layer, new.as_layer_data_tuple() if isinstance(new, Layer) else new)

    def take(self, name: str, layer: Any) -> None:
        """Take over a layer that is in the viewer already."""
        self._layers[name] = layer

    def remove(self, names: set[str]) -> None:
        """Remove layers, and forget them."""
        gone = [layer for layer in map(self.get, names) if layer is not None]
        if gone:
            # each removal on its own, and each empty batch, costs napari a full garbage collection
            with getattr(self.viewer.layers, "batched_update", nullcontext)():
                for layer in gone:
                    self.viewer.layers.remove(layer)
        for name in names:
            self.forget(name)

    def forget(self, name: str) -> None:
        """Leave a layer to the user; the name gets a new one."""
        if (layer := self._layers.pop(name, None)) is not None:
            convert.note_of(layer).pop("result", None)
        self.shown.pop(name, None)

    def _insert(self, name: str, layer: Any) -> Any:
        """Add a layer above those that belong below it; the selected layer stays selected."""
        below = [
            self._layers[other] for other in self._layers if _rank(other) <= _rank(name) and self.get(other) is not None
        ]
        below += [self.image_layer] if self.image_layer in self.viewer.layers else []
        place = max((self.viewer.layers.index(other) for other in below), default=-1) + 1
        selection = self.viewer.layers.selection
        selected = set(selection)
        # in the end nothing has changed, and to select each new layer for a moment takes long
        with selection.events.blocker_all():
            self.viewer.layers.insert(place, layer)
            self.viewer.layers.selection = selected
        return layer


def _rank(name: str) -> int:
    return ORDER.index(name if name in ORDER else "map")

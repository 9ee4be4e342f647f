"""Layers of one image by name and in their order, with provenance and the previews of a running training."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from napari.layers import Layer

from local_crystallography._napari.layers import cells, convert, geometry, masks, rings, vectors
from local_crystallography._napari.layers.convert import LayerData
from local_crystallography.analysis import Analysis
from local_crystallography.steps.catalog import columns
from local_crystallography.steps.paint_map import PaintMap
from local_crystallography.steps.train_vae import TrainVae

OVERVIEW = "atoms overview"
"""Picture of many atoms; see `overview`."""
ORDER = (
    "image",
    convert.PROBABILITY,
    convert.STD,
    "map",
    "label",
    "hand_label",
    vectors.COLOURS,
    masks.NAME,
    rings.LEFT_OUT,
    OVERVIEW,
    "atoms",
    cells.NAME,
    vectors.ARROWS,
    vectors.WHEEL,
    rings.NAME,
)
"""From the bottom to the top."""
WATCHED = "z0"
"""The map that is visible while a network trains."""


class NamedLayers:
    """The layers of one image by name; each is inserted in its order above the image and reused for every new result.

    Attributes
    ----------
    shown
        The results that the layers show, by name.
    ready
        Layers and layer data prepared in advance, by name, with the result they show; None for a preview.
    """

    def __init__(self, viewer: Any, image_layer: Any) -> None:
        self.viewer = viewer
        self.image_layer = image_layer
        self.shown: dict[str, Any] = {}
        self.ready: dict[str, tuple[Any, LayerData | Layer]] = {}
        self._layers: dict[str, Any] = {}

    @property
    def names(self) -> set[str]:
        """All names, including those of layers that the user has removed."""
        return set(self._layers)

    @property
    def keys(self) -> set[str]:
        """Unique ids of the layers."""
        return {str(layer.unique_id) for layer in self._layers.values()}

    def get(self, name: str) -> Any:
        """The layer of a name, or None if it is not in the viewer."""
        layer = self._layers.get(name)
        return layer if layer is not None and layer in self.viewer.layers else None

    def put(self, name: str, new: LayerData | Layer) -> None:
        """Show something new in the layer of a name, which is created if necessary."""
        layer = self.get(name)
        if layer is None:
            new = new if isinstance(new, Layer) else Layer.create(*new)
            self._layers[name] = self._insert(name, new)
        else:
            convert.update(layer, new.as_layer_data_tuple() if isinstance(new, Layer) else new)

    def take(self, name: str, layer: Any) -> None:
        """Adopt a layer that is already in the viewer."""
        self._layers[name] = layer

    def remove(self, names: set[str]) -> None:
        """Remove layers, and forget them."""
        gone = [layer for layer in map(self.get, names) if layer is not None]
        if gone:
            # every single removal, and every empty batch, costs napari a full garbage collection
            with getattr(self.viewer.layers, "batched_update", nullcontext)():
                for layer in gone:
                    self.viewer.layers.remove(layer)
        for name in names:
            self.forget(name)

    def forget(self, name: str) -> None:
        """Leave a layer to the user; the next result of that name gets a new one."""
        if (layer := self._layers.pop(name, None)) is not None:
            convert.note_of(layer).pop("result", None)
        self.shown.pop(name, None)

    def _insert(self, name: str, layer: Any) -> Any:
        """Insert a layer above those that belong below it; the selected layers stay selected."""
        below = [
            self._layers[other] for other in self._layers if _rank(other) <= _rank(name) and self.get(other) is not None
        ]
        below += [self.image_layer] if self.image_layer in self.viewer.layers else []
        place = max((self.viewer.layers.index(other) for other in below), default=-1) + 1
        if layer.name in self.viewer.layers:  # of another image
            layer.name = f"{layer.name} of {self.image_layer.name}"
        selection = self.viewer.layers.selection
        selected = set(selection)
        # the selection is the same in the end, and selecting each new layer for a moment is slow
        with selection.events.blocker_all():
            self.viewer.layers.insert(place, layer)
            self.viewer.layers.selection = selected
        return layer


class PreviewLayers:
    """Maps of a running training in the layers of an image; missing layers are added, and the results reuse them.

    Attributes
    ----------
    made
        Names of the layers that were added for previews.
    """

    def __init__(self, own: NamedLayers, analysis: Analysis) -> None:
        self._own = own
        self._analysis = analysis
        self.made: set[str] = set()
        self._stale: list[Any] = []
        self._opened: list[Any] = []

    def begin(self) -> None:
        """A training begins: hide the maps of the network before it until the job ends."""
        order = list(type(self._analysis.recipe).model_fields)
        later = set(order[order.index(TrainVae.name()) :])
        stale = [layer for name in self._own.names if columns().owner(name) in later and (layer := self._own.get(name))]
        for layer in stale:
            if layer.visible:
                layer.visible = False
                self._stale.append(layer)

    def is_stale(self, layer: Any) -> bool:
        """Whether a layer is hidden as long as a network trains."""
        return layer in self._stale

    def prepare(self, maps: Mapping[str, Any]) -> None:
        """Compute in any thread what the layers will show, so that showing it is quick.

        One new layer at a time, since each blocks the window for a moment; a layer that was removed is not added again.
        """
        there = {name for name in maps if self._own.get(name) is not None}
        new = [name for name in maps if name not in there | self.made]
        place, styles = geometry.placement_of(self._own.image_layer), self._analysis.styles
        for name in (*there, *new[:1]):
            made_by = note(self._analysis, self._own.image_layer, name, PaintMap.name())
            data, arguments, kind = convert.map_layer(name, maps[name], place, made_by, styles)
            made = (data, {**arguments, "visible": name == WATCHED}, kind)
            self._own.ready[name] = (None, made if name in there else Layer.create(*made))

    def show(self, name: str) -> None:
        """Show a prepared map; the first latent is visible at once."""
        layer, (result, new) = self._own.get(name), self._own.ready.get(name, (None, None))
        if new is None or result is not None:
            return
        self._own.ready.pop(name)
        self._own.shown.pop(name, None)  # so that an existing result is shown again later
        if isinstance(new, Layer):
            self.made.add(name)
            self._own.put(name, new)
        elif layer is not None:
            layer.data, layer.contrast_limits = new[0], new[1]["contrast_limits"]
            convert.follow_colormap(layer, new[1])
            if layer not in self._opened and (layer in self._stale or (self._stale and name == WATCHED)):
                layer.visible = True  # from now on of the network that trains
                self._opened.append(layer)

    def hide(self) -> None:
        """Hide the layers added for previews; a result reuses them, otherwise they are removed."""
        for name in self.made:
            if (layer := self._own.get(name)) is not None and layer.visible and self._own.shown.get(name) is None:
                layer.visible = False

    def give(self, name: str) -> None:
        """Hand a layer over to the result that it shows now."""
        self.made.discard(name)

    def forget(self) -> None:
        """End the previews of a training: none of the layers belongs to them any longer."""
        self.made.clear()
        for layer in (*self._opened, *self._stale):
            if layer in self._own.viewer.layers:
                layer.visible = layer in self._stale
        self._stale.clear()
        self._opened.clear()

    def replace(self, layer: Any) -> None:
        """Another map takes the place of this one after the training."""
        if layer in self._stale:
            self._stale.remove(layer)


def note(analysis: Analysis, image_layer: Any, name: str, last: str | None = None) -> dict[str, Any]:
    """Provenance of a result of an image: its name, and all steps up to `last`, or every step for None."""
    order = list(type(analysis.recipe).model_fields)
    used = order if last is None else order[: order.index(last) + 1]
    steps = {step_name: step.model_dump() for step_name, step in analysis.used.items() if step_name in used}
    image = analysis.image
    return {
        "result": name,
        "of": str(image_layer.unique_id),
        "image": image.name if image else "",
        "steps": steps,
        "metadata": image.metadata if image else {},
    }


def _rank(name: str) -> int:
    return ORDER.index(name if name in ORDER else "map")

"""Layers of a training that is still running."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari.layers import Layer

from local_crystallography._napari.layers import convert, provenance
from local_crystallography._napari.layers.convert import LayerData
from local_crystallography._napari.layers.named_layers import NamedLayers
from local_crystallography.analysis import Analysis

WATCHED = "z0"
"""The map that is seen while a network trains."""


class PreviewLayers:
    """Maps of a training in the layers of an image: where there is none a new one, which the result takes over."""

    def __init__(self, own: NamedLayers, analysis: Analysis) -> None:
        self._own = own
        self._analysis = analysis
        self._made: set[str] = set()

    def prepare(self, maps: Mapping[str, Any]) -> None:
        """Compute what the layers will show, so that showing is quick; in any thread.

        One new layer at a time, since each stops the window for a moment; one taken away is not made anew.
        """
        there = {name for name in maps if self._own.get(name) is not None}
        new = [name for name in maps if name not in there | self._made]
        place, styles = convert.placement_of(self._own.image_layer), self._analysis.styles
        for name in (*there, *new[:1]):
            note = provenance.note(self._analysis, self._own.image_layer, name, "paint_map")
            data, arguments, kind = convert.map_layer(name, maps[name], place, note, styles)
            made = (data, {**arguments, "visible": name == WATCHED}, kind)
            self._own.ready[name] = (None, made if name in there else Layer.create(*made))

    def show(self, name: str) -> None:
        """A map that was prepared; the first latent is seen at once."""
        layer, (result, new) = self._own.get(name), self._own.ready.get(name, (None, None))
        if new is None or result is not None:
            return
        self._own.ready.pop(name)
        self._own.shown.pop(name, None)  # a result there may be is to be shown again
        if isinstance(new, Layer):
            self._made.add(name)
            self._own.put(name, new)
        elif layer is not None:
            layer.data, layer.contrast_limits = new[0], new[1]["contrast_limits"]
            if name in self._made:
                layer.colormap = new[1]["colormap"]

    def hide(self) -> None:
        """Hide the layers that were made for previews; a result takes them over, else they go."""
        for name in self._made:
            if (layer := self._own.get(name)) is not None and layer.visible and self._own.shown.get(name) is None:
                layer.visible = False

    def give(self, name: str, result: LayerData | Layer) -> None:
        """Leave a layer to the result that was put into it, which brings its colormap, too."""
        if name in self._made and not isinstance(result, Layer):
            self._made.discard(name)
            self._own.get(name).colormap = result[1]["colormap"]

    def forget(self) -> None:
        """The training is over: no layer is a preview's any more."""
        self._made.clear()

"""What the viewer shows of one analysis: one layer per result, the same layer for every new result."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Layer

from local_crystallography._napari import layers
from local_crystallography._napari.layers import LayerData
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms

ORDER = ("image", "probability", "map", "label", "atoms", "selected atoms")
"""From the bottom to the top."""


class ResultLayers:
    """The layers of the results of one image.

    A layer the user removed comes back only with a new result; `prune` removes what is no result any more.
    """

    def __init__(self, viewer: Any, image_layer: Any, analysis: Analysis) -> None:
        self.viewer = viewer
        self.image_layer = image_layer
        self.analysis = analysis
        self.colour = ""
        self.updating = False
        self._layers: dict[str, Any] = {}
        self._shown: dict[str, Any] = {}

    @property
    def stack(self) -> bool:
        """Whether the image has frames."""
        image = self.analysis.image
        return image is not None and image.data.ndim == 3

    def get(self, name: str) -> Any:
        """The layer of a result, or None where there is none in the viewer."""
        layer = self._layers.get(name)
        return layer if layer is not None and layer in self.viewer.layers else None

    def show(self) -> None:
        """Bring new results into the viewer."""
        self.updating = True
        place, analysis = layers.placement_of(self.image_layer), self.analysis
        if analysis.probability is not None:
            self._put(
                "probability",
                analysis.probability,
                lambda v: layers.probability_layer(v, place, self._note("segment")),
            )
        for name, values in (analysis.maps or {}).items():
            self._put(
                name, values, lambda v, name=name: layers.map_layer(name, v, place, self._note("paint_map"))
            )
        if analysis.atoms is not None:
            self._put("atoms", analysis.atoms, self._points)
        self.updating = False

    def prune(self) -> None:
        """Remove the layers of what is no result any more, atoms edited by hand excepted."""
        names = {*(self.analysis.maps or {})}
        names |= {name for name in ("probability", "atoms") if getattr(self.analysis, name) is not None}
        for name in set(self._layers) - names - {"selected atoms"}:
            if (layer := self.get(name)) is not None:
                self.viewer.layers.remove(layer)
            self.forget(name)

    def forget(self, name: str) -> None:
        """Leave a layer to the user; the next result gets a new one."""
        self._layers.pop(name, None)
        self._shown.pop(name, None)

    def set_colour(self, column: str) -> None:
        """Colour the atoms by a column; "" for one colour."""
        self.colour = column
        layer, atoms = self.get("atoms"), self._shown.get("atoms")
        if layer is not None and atoms is not None and len(layer.data) == len(atoms):
            layer.face_color = layers.face_colors(atoms, column)

    def show_selected(self, atoms: Atoms) -> None:
        """Ring these atoms."""
        if not len(atoms) and self.get("selected atoms") is None:
            return
        if len(atoms):
            self._put("selected atoms", atoms, self._rings)
        else:
            layer = self.get("selected atoms")
            layer.data = np.empty((0, layer.ndim))
            self._shown.pop("selected atoms", None)

    def edited_atoms(self) -> Atoms | None:
        """The atoms as they were changed by hand; None where nobody did."""
        layer, atoms = self.get("atoms"), self._shown.get("atoms")
        if (
            layer is None
            or atoms is None
            or np.array_equal(layer.data, layers.coordinates(atoms, self.stack))
        ):
            return None
        edited = layers.atoms_from(layer, self.image_layer)
        # what was computed for the old places is not true of the new ones
        return edited.without([name for names in self.analysis.columns.values() for name in names])

    def set_editable(self, editable: bool) -> None:
        """Whether atoms can be moved by hand."""
        if (layer := self.get("atoms")) is not None:
            layer.editable = editable

    def _points(self, atoms: Atoms) -> LayerData:
        place = layers.placement_of(self.image_layer)
        if (probability := self.get("probability")) is not None and self.get("atoms") is None:
            probability.visible = False
        return layers.points_from(atoms, place, self._note("cluster"), colour=self.colour, stack=self.stack)

    def _rings(self, atoms: Atoms) -> LayerData:
        layer, place = self.get("atoms"), layers.placement_of(self.image_layer)
        size = layers.point_size(atoms) if layer is None else float(np.median(layer.size))
        return layers.selected_points(atoms, place, size=size, stack=self.stack)

    def _put(self, name: str, value: Any, layer_data: Any) -> None:
        if self._shown.get(name) is value:
            return
        new = layer_data(value)
        layer = self.get(name)
        if layer is None:
            self._layers[name] = self._insert(name, Layer.create(*new))
        else:
            layers.update(layer, new)
        self._shown[name] = value

    def _insert(self, name: str, layer: Any) -> Any:
        """Add a layer above those that belong below it; the selected layer stays selected."""
        below = [
            self._layers[other]
            for other in self._layers
            if _rank(other) <= _rank(name) and self.get(other) is not None
        ]
        below += [self.image_layer] if self.image_layer in self.viewer.layers else []
        place = max((self.viewer.layers.index(other) for other in below), default=-1) + 1
        selected = set(self.viewer.layers.selection)
        self.viewer.layers.insert(place, layer)
        self.viewer.layers.selection = selected
        return layer

    def _note(self, last: str) -> dict[str, Any]:
        """Provenance: the steps that led to a result."""
        names = list(type(self.analysis.recipe).model_fields)
        used = names[: names.index(last) + 1]
        steps = {name: step.model_dump() for name, step in self.analysis.used.items() if name in used}
        image = self.analysis.image
        return {
            "image": image.name if image else "",
            "steps": steps,
            "metadata": image.metadata if image else {},
        }


def _rank(name: str) -> int:
    return ORDER.index(name if name in ORDER else "map")

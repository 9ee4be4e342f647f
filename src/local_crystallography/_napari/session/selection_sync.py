"""The selection between the scatter plot, the image and the points layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from local_crystallography._napari.layers.convert import same
from local_crystallography._napari.layers.results import ResultLayers
from local_crystallography.views.selection import Selection

FEW = 2000
"""Most atoms that are selected in the points layer, too: napari needs seconds for many, and again with every zoom."""


class SelectionSync:
    """Rings the selected atoms in the image, and takes over what is selected in the points layer.

    While the points layer is active it has the same selection, for napari's table and keys, if that is of few atoms.
    """

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.results: ResultLayers | None = None
        self._heard: Any = None
        self._viewer: Any = None
        self._writing = False
        selection.changed.connect(self._on_selection_changed)

    def follow(self, results: ResultLayers | None) -> None:
        """Work with the layers of another image, or with new ones."""
        if results is not self.results and self.results is not None and self.results.analysis.atoms is not None:
            self.results.show_selected(self.results.analysis.atoms[:0])
        self._follow_active(None if results is None else results.viewer)
        self.results = results
        layer = None if results is None else results.get("atoms")
        if layer is not self._heard:
            self._heard = layer
            if layer is not None:
                layer.selected_data.events.items_changed.connect(self._on_points_selected)
        atoms = None if results is None else results.analysis.atoms
        n = 0 if atoms is None else len(atoms)
        if n != len(self.selection):
            self.selection.resize(n)
        else:
            self._on_selection_changed(None)

    def _on_selection_changed(self, source: object) -> None:
        atoms = None if self.results is None else self.results.analysis.atoms
        if self.results is not None and atoms is not None and len(atoms) == len(self.selection):
            self.results.show_selected(atoms[self.selection.mask])
            if source is not self:
                self._select_points(self.results.get("atoms"))

    def _follow_active(self, viewer: Any) -> None:
        """Notice when the points layer becomes active: it is not told of the selection before."""
        if viewer is self._viewer:
            return
        if self._viewer is not None:
            self._viewer.layers.selection.events.active.disconnect(self._on_active_changed)
        if viewer is not None:
            viewer.layers.selection.events.active.connect(self._on_active_changed)
        self._viewer = viewer

    def _on_active_changed(self, event: Any) -> None:
        layer = None if self.results is None else self.results.get("atoms")
        if layer is not None and same(layer, event.value):
            self._select_points(layer)

    def _select_points(self, layer: Any) -> None:
        """Select the same points in their layer while it is active, or none where they are many."""
        if layer is None or self._viewer is None or len(layer.data) != len(self.selection):
            return
        # the blue that napari draws over selected points would hide the colours of the atoms in any other view
        wanted = same(layer, self._viewer.layers.selection.active) and self.selection.count <= FEW
        few = np.flatnonzero(self.selection.mask).tolist() if wanted else []
        if set(few) != set(layer.selected_data):
            self._writing = True
            layer.selected_data = few
            self._writing = False

    def _on_points_selected(self, *changes: object) -> None:
        layer = self._heard
        if self._writing or self.results is None or self.results.updating or layer is None:
            return
        if len(layer.data) == len(self.selection):
            mask = np.zeros(len(self.selection), bool)
            mask[list(layer.selected_data)] = True
            self.selection.apply(mask, source=self)

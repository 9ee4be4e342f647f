"""Synchronisation of the selection with the layers of the image."""

from __future__ import annotations

from typing import Any

import numpy as np

from local_crystallography._napari.layers.convert import same
from local_crystallography._napari.layers.results import ResultLayers
from local_crystallography.views.selection import Selection

FEW = 2000
"""Maximum number of atoms also selected in the points layer; many take napari seconds, at every zoom again."""


class SelectionSync:
    """Draws rings around the selected atoms, and adopts what is selected in the points layer.

    While the points layer is active it has the same selection, for napari's table and keys, if that is small.
    """

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.results: ResultLayers | None = None
        self._points: Any = None
        self._viewer: Any = None
        self._writing = False
        selection.changed.connect(self._on_selection_changed)

    def follow(self, results: ResultLayers | None) -> None:
        """Connect to the layers of another image, or to new ones."""
        if results is not self.results and self.results is not None and self.results.analysis.atoms is not None:
            self.results.show_selected(np.zeros(len(self.results.analysis.atoms), bool))
        self._follow_active(None if results is None else results.viewer)
        self.results = results
        layer = None if results is None else results.get("atoms")
        if layer is not self._points:
            self._points = layer
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
            self.results.show_selected(self.selection.mask)
            if source is not self:
                self._select_points(self.results.get("atoms"))

    def _follow_active(self, viewer: Any) -> None:
        """Watch for the points layer to become active: until then it does not receive the selection."""
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
        """Select the same points in their layer while it is active, or none if they are too many."""
        if layer is None or self._viewer is None or len(layer.data) != len(self.selection):
            return
        # while another layer is active, the blue of selected points would only hide the colours of the atoms
        wanted = same(layer, self._viewer.layers.selection.active) and self.selection.count <= FEW
        few = np.flatnonzero(self.selection.mask).tolist() if wanted else []
        if set(few) != set(layer.selected_data):
            self._writing = True
            layer.selected_data = few
            self._writing = False

    def _on_points_selected(self, *changes: object) -> None:
        layer = self._points
        if self._writing or self.results is None or self.results.updating or layer is None:
            return
        if len(layer.data) == len(self.selection):
            mask = np.zeros(len(self.selection), bool)
            mask[list(layer.selected_data)] = True
            self.selection.apply(mask, source=self)

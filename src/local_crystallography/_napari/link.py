"""The selection between the scatter plot, the image and the points layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from local_crystallography._napari.results import ResultLayers
from local_crystallography.explore.selection import Selection


class SelectionLink:
    """Rings the selected atoms in the image, and takes over what is selected in the points layer."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.results: ResultLayers | None = None
        self._heard: Any = None
        selection.changed.connect(self._on_selection_changed)

    def follow(self, results: ResultLayers | None) -> None:
        """Work with the layers of another image, or with new ones."""
        if results is not self.results and self.results is not None and self.results.analysis.atoms is not None:
            self.results.show_selected(self.results.analysis.atoms[:0])
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

    def _on_points_selected(self, *changes: object) -> None:
        layer = self._heard
        if self.results is None or self.results.updating or layer is None or len(layer.data) != len(self.selection):
            return
        mask = np.zeros(len(self.selection), bool)
        mask[list(layer.selected_data)] = True
        self.selection.apply(mask, source=self)

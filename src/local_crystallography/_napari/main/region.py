"""Areas of an image drawn in a shapes layer, as a field of a form."""

from __future__ import annotations

from typing import Any

from napari.layers import Shapes as ShapesLayer
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers.convert import is_result, polygons_from
from local_crystallography.data.polygons import Region

WHOLE, GIVEN = "whole image", "given"


class RegionBox(QtWidgets.QComboBox):  # type: ignore[misc]
    """The whole image, given areas, or the areas in a shapes layer at the time the field is read."""

    def __init__(self) -> None:
        super().__init__()
        self._given: Region = ()
        self._viewer: Any = None
        self._image: Any = None
        self.setSizeAdjustPolicy(self.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self._offer()

    def set(self, value: Region) -> None:
        """Set the areas; a layer that is already chosen and has the same areas stays chosen."""
        if value and value == self.get():
            return
        self._given = value
        self._offer(GIVEN if value else WHOLE)

    def get(self) -> Region:
        """The areas, in pixels of the image; empty for the whole image."""
        if self.currentData() == GIVEN:
            return self._given
        layer = next((layer for layer in self._layers() if str(layer.unique_id) == self.currentData()), None)
        image = None if self._image is None else self._image()
        return () if layer is None or image is None else polygons_from(layer, image)

    def follow(self, viewer: Any, image: Any) -> None:
        """Offer the shapes layers of a viewer; `image` returns the image layer on which they are drawn."""
        self._viewer, self._image = viewer, image
        for event in self._events():
            event.connect(self._on_layers_changed)
        self._offer(self.currentData())

    def leave(self) -> None:
        """Disconnect from the viewer."""
        for event in self._events():
            event.disconnect(self._on_layers_changed)
        self._viewer = None

    def _events(self) -> tuple[Any, ...]:
        if self._viewer is None:
            return ()
        events = self._viewer.layers.events
        return events.inserted, events.removed, events.renamed, events.reordered

    def _layers(self) -> list[Any]:
        layers = [] if self._viewer is None else self._viewer.layers
        return [each for each in layers if isinstance(each, ShapesLayer) and not is_result(each)]

    def _offer(self, wanted: str = WHOLE) -> None:
        before = self.currentData()
        with QtCore.QSignalBlocker(self):
            self.clear()
            self.addItem(WHOLE, WHOLE)
            if self._given:
                self.addItem(f"{len(self._given)} given areas", GIVEN)
            for layer in self._layers():
                self.addItem(layer.name, str(layer.unique_id))
            self.setCurrentIndex(max(0, self.findData(wanted)))
        if self.currentData() != before:
            self.currentIndexChanged.emit(self.currentIndex())

    def _on_layers_changed(self, event: Any = None) -> None:
        self._offer(self.currentData())

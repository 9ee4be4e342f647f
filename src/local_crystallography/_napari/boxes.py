"""Combo boxes that follow the viewer."""

from __future__ import annotations

from typing import Any

import pandas as pd
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers import KEY

ONE_COLOUR = "one colour"


class LayerBox(QtWidgets.QComboBox):  # type: ignore[misc]
    """A choice among the layers of one kind; results of this plugin are not offered.

    Parameters
    ----------
    kind
        Class of the layers.
    first
        Words for "no layer", offered on top; without it, a layer is chosen as soon as there is one.
    """

    chosen = QtCore.Signal(object)

    def __init__(self, viewer: Any, kind: type, first: str = "") -> None:
        super().__init__()
        self.viewer, self.kind, self.first = viewer, kind, first
        self.setSizeAdjustPolicy(self.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed, events.reordered):
            event.connect(self._on_layers_changed)
        self._on_layers_changed()
        self.currentIndexChanged.connect(lambda: self.chosen.emit(self.layer))

    @property
    def layer(self) -> Any | None:
        """The layer chosen, or None."""
        return next((layer for layer in self._offered() if str(layer.unique_id) == self.currentData()), None)

    def choose(self, layer: Any) -> None:
        """Choose a layer."""
        self.setCurrentIndex(self.findData(str(layer.unique_id)))

    def _offered(self) -> list[Any]:
        kinds: list[Any] = [layer for layer in self.viewer.layers if isinstance(layer, self.kind)]
        return [layer for layer in kinds if "steps" not in layer.metadata.get(KEY, {})]

    def _on_layers_changed(self, event: Any = None) -> None:
        before = self.currentData()
        with QtCore.QSignalBlocker(self):
            self.clear()
            if self.first:
                self.addItem(self.first, "")
            for layer in self._offered():
                self.addItem(layer.name, str(layer.unique_id))
            self.setCurrentIndex(max(0, self.findData(before)) if self.count() else -1)
        if self.currentData() != before:
            self.chosen.emit(self.layer)


class ColourBox(QtWidgets.QComboBox):  # type: ignore[misc]
    """A choice among the columns of numbers; until one is chosen by hand it is the most telling one."""

    chosen = QtCore.Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._by_hand = ""
        self.addItem(ONE_COLOUR, "")
        self.activated.connect(self._on_activated)

    def offer(self, features: pd.DataFrame | None, default: str) -> str:
        """Offer the columns of a table; the name of the one chosen."""
        numbers = [] if features is None else [str(name) for name in features.select_dtypes("number")]
        names = [name for name in numbers if name not in ("id", "frame")]
        with QtCore.QSignalBlocker(self):
            self.clear()
            self.addItem(ONE_COLOUR, "")
            for name in names:
                self.addItem(name, name)
            wanted = self._by_hand if self._by_hand in names else default
            self.setCurrentIndex(max(0, self.findData(wanted)))
        return str(self.currentData())

    def _on_activated(self) -> None:
        self._by_hand = str(self.currentData())
        self.chosen.emit(self._by_hand)

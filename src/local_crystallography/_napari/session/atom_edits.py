"""Edits by hand in the points layer of the atoms: noticed as soon as they are made."""

from __future__ import annotations

from typing import Any

from qtpy import QtCore

from local_crystallography._napari.layers.results import ResultLayers


class AtomEdits(QtCore.QObject):  # type: ignore[misc]
    """Reports that atoms of the active image were added, moved or removed, once napari has finished doing so."""

    made = QtCore.Signal()

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self._results: ResultLayers | None = None
        self._layer: Any = None
        self._timer = QtCore.QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self.made)

    def follow(self, results: ResultLayers | None) -> None:
        """Follow the atoms of another image, or none."""
        layer = None if results is None else results.get("atoms")
        self._results = results
        if layer is self._layer:
            return
        if self._layer is not None:
            self._layer.events.data.disconnect(self._on_data)
        if layer is not None:
            layer.events.data.connect(self._on_data)
        self._layer = layer

    def _on_data(self, event: Any) -> None:
        done = getattr(event, "action", "") in ("added", "removed", "changed")
        if done and self._results is not None and not self._results.updating:
            self._timer.start()

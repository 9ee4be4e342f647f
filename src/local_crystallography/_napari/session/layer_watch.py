"""What happens to the layer of an image: its pixels, place, scale and units."""

from __future__ import annotations

from typing import Any

from qtpy import QtCore

PAUSE = 150
"""Time in ms after the last change before it is reported: scale and units are set one after the other."""


class LayerWatch(QtCore.QObject):  # type: ignore[misc]
    """Follows one image layer, and reports that it has changed."""

    changed = QtCore.Signal()

    def __init__(self, viewer: Any, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.layer: Any | None = None
        self._step: Any = None
        self._timer = QtCore.QTimer(self, singleShot=True, interval=PAUSE)
        self._timer.timeout.connect(self.changed)

    def follow(self, layer: Any | None) -> None:
        """Follow another layer, or none."""
        if layer is self.layer:
            return
        for event in self._changes():
            event.disconnect(self._on_changed)
        if self.layer is not None:
            self.layer.events.set_data.disconnect(self._on_drawn)
        self.layer = layer
        for event in self._changes():
            event.connect(self._on_changed)
        if layer is not None:
            layer.events.set_data.connect(self._on_drawn)
        self._step = self.viewer.dims.current_step
        self._timer.stop()

    def again(self) -> None:
        """Report the same once more, after a pause."""
        self._timer.start()

    def _changes(self) -> tuple[Any, ...]:
        if self.layer is None:
            return ()
        events = self.layer.events
        return (events.data, events.units, events.scale, events.translate, events.rotate, events.shear, events.affine)

    def _on_changed(self, event: Any = None) -> None:
        self._timer.start()

    def _on_drawn(self, event: Any = None) -> None:
        """The layer was drawn again: its array may have been edited, unless another frame is shown."""
        before, self._step = self._step, self.viewer.dims.current_step
        if before == self._step:
            self._timer.start()

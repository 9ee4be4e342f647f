"""A shapes layer to draw lines or areas on the active image, kept until the user removes it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal

from napari.layers import Shapes
from qtpy import QtCore

from local_crystallography._napari.layers import convert, geometry
from local_crystallography._napari.session.controller import Controller

DRAWN = "drawn"
"""Key in the provenance of a layer for what is drawn on it."""
COLOUR = "#ffb000"


class Drawing(QtCore.QObject):  # type: ignore[misc]
    """One layer per image for lines or areas; it follows its image, and every change is announced."""

    changed = QtCore.Signal()

    def __init__(
        self, controller: Controller, name: str, mode: Literal["add_line", "add_polygon_lasso"], parent: QtCore.QObject
    ) -> None:
        super().__init__(parent)
        self.controller, self.name, self.mode = controller, name, mode
        self._followed: Any = None

    @property
    def layer(self) -> Any:
        """The layer of the active image, or None."""
        session = self.controller.active
        if session is None:
            return None
        layers = (each for each in self.controller.viewer.layers if isinstance(each, Shapes))
        notes = ((each, convert.note_of(each)) for each in layers)
        key = str(session.layer.unique_id)
        found = (each for each, note in notes if note.get(DRAWN) == self.name and note.get("of") == key)
        return next(found, None)

    def begin(self, width: float) -> None:
        """Let the user draw; new lines are `width` pixels wide."""
        session = self.controller.active
        if session is None:
            return
        layer = self.layer
        if layer is None:
            note = {DRAWN: self.name, "of": str(session.layer.unique_id)}
            lines = self.mode == "add_line"
            look = {"opacity": 0.35 if lines else 0.9, "edge_color": COLOUR, "face_color": f"{COLOUR}22"}
            place = geometry.placement_of(session.layer)
            layer = Shapes(ndim=session.layer.ndim, name=self.name, metadata={convert.KEY: note}, **look, **place)
            self.controller.viewer.layers.append(layer)
            layer = self.controller.viewer.layers[-1]
        layer.current_edge_width = width
        self.follow()
        self.controller.viewer.layers.selection.active = layer
        layer.mode = self.mode

    def follow(self) -> None:
        """Listen to the layer of the active image, and to no other."""
        layer = self.layer
        if not convert.same(layer, self._followed):
            self.leave()
            if layer is not None:
                layer.events.data.connect(self._on_data_changed)
                layer.events.edge_width.connect(self._on_changed)
                layer.mouse_drag_callbacks.append(self._on_drag)
            self._followed = layer

    def leave(self) -> None:
        """Stop listening."""
        if self._followed is not None:
            self._followed.events.data.disconnect(self._on_data_changed)
            self._followed.events.edge_width.disconnect(self._on_changed)
            self._followed.mouse_drag_callbacks.remove(self._on_drag)
            self._followed = None

    def _on_data_changed(self, event: Any) -> None:
        if str(getattr(event.action, "value", event.action)) in ("added", "changed", "removed"):
            self._on_changed()

    def _on_drag(self, layer: Any, event: Any) -> Generator[None, None, None]:
        """A line that was drawn is moved and stretched next, not followed by another."""
        drawing = layer.mode == self.mode == "add_line"
        yield
        while event.type == "mouse_move":
            yield
        if drawing:
            QtCore.QTimer.singleShot(0, self._end_line)

    def _end_line(self) -> None:
        layer = self.layer
        if layer is not None and len(layer.data):
            layer.mode = "direct"
        self.changed.emit()

    def _on_changed(self, event: Any = None) -> None:
        # napari is still busy with the layer
        QtCore.QTimer.singleShot(0, self.changed.emit)

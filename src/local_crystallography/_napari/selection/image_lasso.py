"""Lasso on the image: atoms are selected by drawing around them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from napari.layers import Shapes
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.explorer.plot_box import KEYS, how_of
from local_crystallography._napari.layers import convert, geometry
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography.data.polygons import inside_any

TEXT, KEY = "Lasso on image", "Ctrl+Shift+L"
TIP = (
    "<qt>Draw around atoms in the image to select them, either with the mouse button held down or from click to click. "
    f"{KEYS}; Esc cancels ({KEY}).</qt>"
)
HELP = f"Draw around atoms. {KEYS}; Esc cancels."
HELP_MS = 5000
LINE = "#ffffff"
NOT_IN_PLANE = "The lasso needs the image plane: show the image in 2D with y and x as the displayed axes, then draw."


class ImageLasso(QtCore.QObject):  # type: ignore[misc]
    """Adds a temporary layer to draw on, and selects the atoms inside the outline in the displayed frame.

    Attributes
    ----------
    action
        Checked while the lasso is active.
    """

    def __init__(self, controller: Controller, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.controller, self.viewer = controller, controller.viewer
        self.action = QtGui.QAction(TEXT, self, checkable=True)
        self.action.setToolTip(TIP)
        self.action.setShortcut(QtGui.QKeySequence(KEY))
        self.action.setShortcutContext(QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self.action.toggled.connect(self._on_toggled)
        self._layer: Any = None
        self._session: ImageSession | None = None
        self._before: Any = None
        self._keys: tuple[str, ...] = ()
        controller.changed.connect(self._on_controller_changed)
        controller.selection.changed.connect(self._on_selection_changed)
        self._on_controller_changed()

    def leave(self) -> None:
        """Cancel, and disconnect from the viewer."""
        self.cancel()
        self.controller.changed.disconnect(self._on_controller_changed)
        self.controller.selection.changed.disconnect(self._on_selection_changed)

    def eventFilter(self, watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        """Cancel with Esc, whichever widget has the keyboard."""
        kinds = QtCore.QEvent.Type
        if event.type() in (kinds.ShortcutOverride, kinds.KeyPress) and event.key() == QtCore.Qt.Key.Key_Escape:
            event.accept()
            if event.type() == kinds.KeyPress:
                self.cancel()
            return True
        return False

    def _on_toggled(self, on: bool) -> None:
        if not on:
            self.cancel()
        elif self._layer is None and not self._begin():
            self.action.setChecked(False)

    def _begin(self) -> bool:
        session, dims = self.controller.active, self.viewer.dims
        if session is None or not self._ready():
            return False
        if tuple(dims.displayed) != (dims.ndim - 2, dims.ndim - 1):
            self.controller.failed.emit(NOT_IN_PLANE)
            return False
        place = geometry.placement_of(session.layer)
        layer = Shapes(ndim=session.layer.ndim, name="lasso", edge_color=LINE, face_color="#ffffff22", **place)
        self._session, self._before, self._keys = session, self.viewer.layers.selection.active, ()
        # before the callbacks of the mode, so that the keys are known when the shape is finished
        layer.mouse_drag_callbacks.append(self._on_drag)
        layer.events.data.connect(self._on_drawn)
        self._layer = layer
        self.viewer.layers.append(layer)
        self.viewer.layers.selection.active = layer
        layer.mode = "add_polygon_lasso"
        # at the pointer, since the status bar is soon overwritten by coordinates
        QtWidgets.QToolTip.showText(QtGui.QCursor.pos(), HELP, None, QtCore.QRect(), HELP_MS)
        self.viewer.layers.events.removed.connect(self._on_layer_removed)
        self.viewer.layers.selection.events.active.connect(self._on_active_changed)
        QtWidgets.QApplication.instance().installEventFilter(self)
        return True

    def cancel(self) -> None:
        """Remove the layer without selecting anything, and activate the previous layer again."""
        layer, self._layer, self._session = self._layer, None, None
        if layer is None:
            return
        QtWidgets.QApplication.instance().removeEventFilter(self)
        self.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self.viewer.layers.selection.events.active.disconnect(self._on_active_changed)
        layer.events.data.disconnect(self._on_drawn)
        active = self.viewer.layers.selection.active
        if active is None or convert.same(active, layer):
            there = self._before is not None and self._before in self.viewer.layers
            self.viewer.layers.selection.active = self._before if there else None
        if layer in self.viewer.layers:
            self.viewer.layers.remove(layer)
        self._before = None
        self.action.setChecked(False)

    def _on_drag(self, layer: Any, event: Any) -> Generator[None, None, None]:
        self._keys = tuple(event.modifiers)
        yield
        while event.type == "mouse_move":
            self._keys = tuple(event.modifiers)
            yield
        self._keys = tuple(event.modifiers)

    def _on_drawn(self, event: Any) -> None:
        if event.action == "added" and self._layer is not None and len(self._layer.data):
            # napari is still busy with the layer
            QtCore.QTimer.singleShot(0, self._finish)

    def _finish(self) -> None:
        layer, session = self._layer, self._session
        if layer is None or session is None:
            return
        polygons = convert.polygons_from(layer, session.layer)
        frame = round(float(np.asarray(layer.data[-1])[0, 0])) if layer.ndim == 3 else 0
        ready = self._ready()
        self.cancel()
        atoms = session.analysis.atoms
        if ready and atoms is not None:
            mask = inside_any(atoms.yx, polygons) & (atoms.frame == frame)
            self.controller.selection.apply(mask, how_of(self._keys), source=self)

    def _ready(self) -> bool:
        """Whether there are atoms to select."""
        return bool(self.controller.selectable)

    def _on_controller_changed(self) -> None:
        if self._layer is not None and self.controller.active is not self._session:
            self.cancel()
        self.action.setEnabled(self._ready())

    def _on_selection_changed(self, source: object) -> None:
        self.action.setEnabled(self._ready())

    def _on_layer_removed(self, event: Any) -> None:
        if (
            self._session is None
            or convert.same(event.value, self._layer)
            or convert.same(event.value, self._session.layer)
        ):
            self.cancel()

    def _on_active_changed(self, event: Any) -> None:
        # a layer that is being removed is deactivated first, and must not be removed twice
        QtCore.QTimer.singleShot(0, self._drop_unless_active)

    def _drop_unless_active(self) -> None:
        if not convert.same(self.viewer.layers.selection.active, self._layer):
            self.cancel()

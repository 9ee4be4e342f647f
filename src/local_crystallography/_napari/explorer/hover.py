"""Pointer over the image: the atom under it, selection by a click, and a ring around the atom under it in a plot."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtGui, QtWidgets
from scipy.spatial import cKDTree

from local_crystallography._napari.explorer.plot_box import how_of
from local_crystallography._napari.layers.camera import camera_of, canvas_in, grid_of
from local_crystallography._napari.main.scan import frame_shown
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography.data.atoms import Atoms
from local_crystallography.views.selection import How

SAMPLE = 1000
"""Number of atoms sampled for the nearest-neighbour distance."""
ALONE = 20.0
"""Nearest-neighbour distance assumed for a single atom, in pixels."""
STILL = 3.0
"""Movement between press and release up to which they count as a click, in points."""
SMALLEST_RING, LINE = 14, 2


class Nearest:
    """Search for the nearest atom in one frame."""

    def __init__(self, atoms: Atoms, frame: int) -> None:
        self.atoms, self.frame = atoms, frame
        self.rows: npt.NDArray[np.intp] = np.flatnonzero(atoms.frame == frame)
        yx = atoms.yx[self.rows]
        # a balanced tree takes 5 times as long to build and saves nothing here
        self._tree = cKDTree(yx, balanced_tree=False, compact_nodes=False)
        some = yx[:: max(1, len(yx) // SAMPLE)]
        between = self._tree.query(some, 2)[0][:, 1] if len(yx) > 1 else np.array([ALONE])
        self.reach = float(np.median(between)) / 2

    def is_of(self, atoms: Atoms, frame: int) -> bool:
        """Whether these are the same positions; the columns may differ."""
        if frame != self.frame or (atoms is not self.atoms and not atoms.same_atoms(self.atoms)):
            return False
        self.atoms = atoms
        return True

    def row(self, yx: npt.ArrayLike) -> int | None:
        """Row of the atom at (y, x) in pixels; None beyond half the nearest-neighbour distance."""
        away, index = self._tree.query(yx)
        return int(self.rows[index]) if away <= self.reach else None


class ImageHover(QtCore.QObject):  # type: ignore[misc]
    """Reports the atom under the pointer in the image, and selects it with a click (Shift adds, Alt subtracts)."""

    def __init__(self, viewer: Any, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer, self.controller = viewer, controller
        self.ring = Ring(viewer, parent)
        self._nearest: Nearest | None = None
        viewer.mouse_move_callbacks.append(self._on_mouse_move)
        viewer.mouse_drag_callbacks.append(self._on_mouse_press)
        viewer.events.mouse_over_canvas.connect(self._on_pointer_left)
        viewer.dims.events.current_step.connect(self._show_ring)
        controller.hover.changed.connect(self._on_hover_changed)
        controller.changed.connect(self._on_controller_changed)

    def leave(self) -> None:
        """Disconnect from the viewer."""
        self.viewer.mouse_move_callbacks.remove(self._on_mouse_move)
        self.viewer.mouse_drag_callbacks.remove(self._on_mouse_press)
        self.viewer.events.mouse_over_canvas.disconnect(self._on_pointer_left)
        self.viewer.dims.events.current_step.disconnect(self._show_ring)
        self.controller.hover.changed.disconnect(self._on_hover_changed)
        self.controller.changed.disconnect(self._on_controller_changed)
        self.ring.leave()

    def row_at(self, position: Any) -> int | None:
        """Row of the atom at a position in world coordinates; None if there is none."""
        session, atoms = self.controller.active, self.controller.atoms
        if session is None or atoms is None or self.viewer.dims.ndisplay != 2:
            return None
        frame = frame_shown(self.viewer, session.layer)
        if self._nearest is None or not self._nearest.is_of(atoms, frame):
            self._nearest = Nearest(atoms, frame)
        yx = session.layer.world_to_data(position)[-2:]
        return self._nearest.row(yx) if len(self._nearest.rows) else None

    def _on_mouse_move(self, viewer: Any, event: Any) -> None:
        row = None if event.is_dragging else self.row_at(event.position)
        if row is None:
            self.controller.hover.clear(source=self)
        else:
            self.controller.hover.on_atom(row, source=self)

    def _on_mouse_press(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        first, position, how = np.array(event.pos), event.position, how_of(event.modifiers)
        if event.button != 1 or not self._moves_only():
            return
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.array(event.pos) - first).max() <= STILL and (row := self.row_at(position)) is not None:
            self._select(row, how)

    def _select(self, row: int, how: How) -> None:
        if row < len(self.controller.selection):
            mask = np.zeros(len(self.controller.selection), bool)
            mask[row] = True
            self.controller.selection.apply(mask, how, source=self)

    def _moves_only(self) -> bool:
        """Whether the active layer only pans and zooms, so that a click adds no point and starts no polygon."""
        active = self.viewer.layers.selection.active
        return active is None or str(getattr(active, "mode", "pan_zoom")) == "pan_zoom"

    def _on_pointer_left(self, event: Any = None) -> None:
        if not self.viewer.mouse_over_canvas:
            self.controller.hover.clear(source=self)

    def _on_controller_changed(self) -> None:
        atoms, row = self.controller.atoms, self.controller.hover.row
        if row is not None and (atoms is None or row >= len(atoms)):
            self.controller.hover.clear(source=self)

    def _on_hover_changed(self, source: object) -> None:
        if source is self:
            self.ring.hide()
        else:
            self._show_ring()

    def _show_ring(self, event: Any = None) -> None:
        session, atoms, row = self.controller.active, self.controller.atoms, self.controller.hover.row
        if session is None or row is None or atoms is None or row >= len(atoms):
            self.ring.hide()
        elif atoms.frame[row] == frame_shown(self.viewer, session.layer):
            self.ring.show_around(*_in_world(session, atoms, row))
        else:
            self.ring.hide()


class Ring:
    """A ring on the canvas around a position in world coordinates.

    It is a widget above the canvas, since a layer would have to be redrawn and would appear in the layer list.
    """

    def __init__(self, viewer: Any, parent: QtWidgets.QWidget | None) -> None:
        self.viewer, self._parent = viewer, parent
        self._widget: RingWidget | None = None
        self._place: tuple[npt.NDArray[np.float64], float] | None = None
        camera_of(viewer).events.zoom.connect(self._on_camera_changed)
        camera_of(viewer).events.center.connect(self._on_camera_changed)

    @property
    def visible(self) -> bool:
        """Whether the ring is visible."""
        return self._widget is not None and self._widget.isVisible()

    def show_around(self, place: npt.NDArray[np.float64], size: float) -> None:
        """Show the ring around a position (…, y, x) with a diameter, both in world coordinates."""
        self._place = (place, size)
        canvas = canvas_in(self._parent)
        if canvas is None:
            return
        if self._widget is None or self._widget.parent() is not canvas:
            self._widget = RingWidget(canvas)
        rect = self._rect(canvas, place, size)
        if rect is None:
            self._widget.hide()
        else:
            self._widget.setGeometry(rect)
            self._widget.show()

    def hide(self) -> None:
        """Hide the ring."""
        self._place = None
        if self._widget is not None:
            self._widget.hide()

    def leave(self) -> None:
        """Disconnect from the viewer."""
        camera_of(self.viewer).events.zoom.disconnect(self._on_camera_changed)
        camera_of(self.viewer).events.center.disconnect(self._on_camera_changed)
        if self._widget is not None:
            self._widget.deleteLater()
            self._widget = None

    def _on_camera_changed(self, event: Any = None) -> None:
        if self._place is not None:
            self.show_around(*self._place)

    def _rect(self, canvas: Any, place: npt.NDArray[np.float64], size: float) -> QtCore.QRect | None:
        """Rectangle of the ring on the canvas; None if the camera alone does not determine it."""
        camera, dims = camera_of(self.viewer), self.viewer.dims
        if dims.ndisplay != 2 or grid_of(self.viewer).enabled:
            return None
        shown = np.asarray(place)[list(dims.displayed)]
        away = (shown - np.asarray(camera.center[-2:])) * camera.zoom
        down, right = (str(way) in ("down", "right") for way in camera.orientation2d)
        y = canvas.height() / 2 + away[0] * (1 if down else -1)
        x = canvas.width() / 2 + away[1] * (1 if right else -1)
        side = max(SMALLEST_RING, round(size * camera.zoom))
        return QtCore.QRect(round(x - side / 2), round(y - side / 2), side, side)


class RingWidget(QtWidgets.QWidget):  # type: ignore[misc]
    """A white ring with a dark rim, transparent to the mouse."""

    def __init__(self, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        parent.installEventFilter(self)

    def eventFilter(self, canvas: Any, event: Any) -> bool:
        """Hide when the canvas is resized: the new position is known only after it has been drawn."""
        if event.type() == QtCore.QEvent.Type.Resize:
            self.hide()
        return False

    def paintEvent(self, event: Any) -> None:
        painter = QtGui.QPainter(self)
        painter.setRenderHint(painter.RenderHint.Antialiasing)
        for colour, width in (("black", 2 * LINE), ("white", LINE)):
            painter.setPen(QtGui.QPen(QtGui.QColor(colour), width))
            painter.drawEllipse(self.rect().adjusted(LINE, LINE, -LINE, -LINE))


def _in_world(session: ImageSession, atoms: Atoms, row: int) -> tuple[npt.NDArray[np.float64], float]:
    """World position of an atom, and the diameter of its ring."""
    layer, yx = session.layer, atoms.yx[row]
    frame = (float(atoms.frame[row]),) * (layer.ndim - 2)
    points = session.results.get("atoms")
    size = 5.0 if points is None or not len(points.size) else float(np.median(points.size[:SAMPLE]))
    # about twice the point of the atom, as the rings of the selection
    return np.asarray(layer.data_to_world((*frame, *yx)), float), 2.2 * size * abs(float(layer.scale[-1]))

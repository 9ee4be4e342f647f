"""Picture of many atoms seen from afar: napari draws every point in every frame, 100,000 of them in 0.3 s."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore

from local_crystallography._napari.layers import convert, geometry
from local_crystallography._napari.layers.camera import camera_of, canvas_size, grid_of, in_plane, in_world
from local_crystallography._napari.layers.named_layers import OVERVIEW, NamedLayers
from local_crystallography.views.raster import Colors, View, dots, with_rims

MANY = 10_000
"""Number of atoms in a frame that napari draws without delay."""
MARGIN = 0.25
"""Part of the view that is drawn beyond each of its sides, so that moving it a little needs no new picture."""
COARSE = 1.5
"""Factor by which a zoom changes before the picture is drawn anew at once."""
REST = 80
"""Time without a change of the view after which it is drawn at the resolution of the screen, in ms."""
LARGEST = 4096
"""Largest side of the picture, in its pixels."""
WIDEST = 24.0
"""Largest diameter of an atom in the picture, in its pixels: what is larger is enlarged smoothly by napari."""


@dataclass(frozen=True)
class Part:
    """A part of the image, from low to high (y, x) in its pixels, and the number of screen pixels per pixel."""

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    zoom: float

    def wider(self) -> Part:
        """The same part with a margin."""
        margin = MARGIN * (self.high - self.low)
        return Part(self.low - margin, self.high + margin, self.zoom)

    def within(self, other: Part) -> Part:
        """What of it lies within another part; it may be empty."""
        return Part(np.maximum(self.low, other.low), np.minimum(self.high, other.high), self.zoom)

    def covers(self, other: Part) -> bool:
        """Whether it holds all of another part."""
        return bool((self.low <= other.low).all() and (self.high >= other.high).all())

    def holds(self, yx: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """(N,) positions that lie in it."""
        (y, x), (top, left), (bottom, right) = yx.T, self.low, self.high
        return np.asarray((y >= top) & (y <= bottom) & (x >= left) & (x <= right))


@dataclass(frozen=True)
class Bare:
    """The picture without selected atoms: (H, W, 4), and where the atoms of its frame, in these rows, lie in it."""

    picture: Colors
    rows: npt.NDArray[np.intp]
    points: npt.NDArray[np.float64]
    view: View
    diameter: float

    def marked(self, selected: npt.NDArray[np.bool_]) -> Colors:
        """The picture with white rims around the selected of all atoms."""
        points = self.points[selected[self.rows]] if len(selected) > self.rows.max(initial=-1) else self.points[:0]
        return with_rims(self.picture, points, view=self.view, diameter=self.diameter)


class AtomsOverview(QtCore.QObject):  # type: ignore[misc]
    """Shows the atoms of an image as a picture in place of their points, as long as these are hidden.

    The points of many atoms are hidden at first. Both layers belong to the user, except that a picture is not shown
    beside the points.
    """

    changed = QtCore.Signal()
    """The picture has taken the place of the points, or the points that of the picture."""

    def __init__(self, viewer: Any, own: NamedLayers, note: Callable[[str], dict[str, Any]]) -> None:
        super().__init__()
        self.viewer, self._own, self._note = viewer, own, note
        self.points: Any = None
        self.selected: npt.NDArray[np.bool_] = np.zeros(0, bool)
        self._bare: Bare | None = None
        self._drawn: Part | None = None
        self._rest = QtCore.QTimer(self, singleShot=True, interval=REST)
        self._rest.timeout.connect(self.draw)
        self._soon = QtCore.QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self.draw)
        for event in self._of_view():
            event.connect(self._on_view_changed)
        viewer.layers.events.removed.connect(self._on_layer_removed)

    @property
    def picture(self) -> Any:
        """The layer of the picture, or None if there is none."""
        return self._own.get(OVERVIEW)

    @property
    def shown(self) -> bool:
        """Whether the picture takes the place of the points."""
        return self.picture is not None and not self.points.visible

    def follow(self, points: Any) -> None:
        """Follow a layer of atoms, or none, whose positions or colours may be new."""
        if points is not self.points:
            for event in self._of_points():
                event.disconnect(self._on_points_changed)
            self.points = points
            for event in self._of_points():
                event.connect(self._on_points_changed)
        picture = self.picture
        if points is None or not is_many(np.asarray(points.data)):
            self._bare = None
            if points is not None and picture is not None:
                points.visible = points.visible or picture.visible
            self._own.remove({OVERVIEW})
        else:
            points.visible = points.visible and picture is not None
            self._draw()
        self.changed.emit()

    def select(self, rows: npt.NDArray[np.bool_]) -> None:
        """Mark the (N,) selected atoms with white rims."""
        self.selected = rows
        if (picture := self.picture) is not None and self._bare is not None:
            picture.data = self._bare.marked(rows)

    def leave(self) -> None:
        """Disconnect from the viewer, and show the points in place of the picture."""
        if self.shown:
            self.points.visible = self.picture.visible
        self._own.remove({OVERVIEW})
        self.follow(None)
        for event in self._of_view():
            event.disconnect(self._on_view_changed)
        self.viewer.layers.events.removed.disconnect(self._on_layer_removed)

    def draw(self) -> None:
        """Draw the picture anew, if there is one."""
        self._soon.stop()
        self._rest.stop()
        if self.points is not None and self.picture is not None:
            self._draw()

    def _draw(self) -> None:
        """Draw the atoms in the view and around it, at the resolution of the screen."""
        rows = self._rows_of_frame()
        yx, diameter = np.asarray(self.points.data, float)[rows, -2:], float(np.median(self.points.size[:1000]))
        known = yx if len(yx) else np.zeros((1, 2))
        around = Part(known.min(axis=0) - 2 * diameter, known.max(axis=0) + 2 * diameter, 1.0)
        seen = self._view()
        self._drawn = around if seen is None else seen.wider()
        part = self._drawn.within(around)
        step = max(1 / part.zoom, diameter / WIDEST, float((part.high - part.low).max()) / LARGEST)
        height, width = np.maximum(np.ceil((part.high - part.low) / step), 1).astype(int).tolist()
        (top, left), (bottom, right) = part.low - 0.5, part.low - 0.5 + step * np.array([height, width])
        colours = np.rint(255 * np.asarray(self.points.face_color)[rows]).astype(np.uint8)
        points, view = yx[:, ::-1], (left, right, top, bottom)
        picture = dots(points, colours, view=view, size=(height, width), diameter=diameter / step)
        self._bare = Bare(picture, rows, points, view, diameter / step)
        self._put(self._bare.marked(self.selected), part.low + (step - 1) / 2, step)

    def _put(self, data: npt.NDArray[np.uint8], origin: npt.NDArray[np.float64], step: float) -> None:
        """Show a picture whose first pixel has its middle at `origin` and is `step` pixels of the image wide."""
        place = geometry.flat(geometry.placement_of(self.points, (1.0, 1.0)))
        lies = geometry.geometry_of(self.points, in_world=True)
        place["translate"] = place["affine"].inverse(lies.matrix @ origin + lies.origin)
        place["scale"] = np.asarray(place["scale"]) * step
        if (layer := self.picture) is not None:
            layer.data = data
            geometry.put_at(layer, place)
            return
        look = {"name": OVERVIEW, "rgb": True, "interpolation2d": "linear", "opacity": self.points.opacity}
        self._own.put(OVERVIEW, (data, {"metadata": {convert.KEY: self._note(OVERVIEW)}, **look, **place}, "image"))

    def _rows_of_frame(self) -> npt.NDArray[np.intp]:
        """Rows of the points in the displayed frame."""
        data = np.asarray(self.points.data)
        if data.shape[1] == 2:
            return np.arange(len(data))
        frame = round(float(self.points.world_to_data(self.viewer.dims.point)[0]))
        return np.flatnonzero(np.round(data[:, 0]) == frame)

    def _view(self) -> Part | None:
        """The part of the image that is seen; None if the camera alone does not tell."""
        if not in_plane(self.viewer):
            return None
        size, lies = canvas_size(self.viewer), geometry.geometry_of(self.points, in_world=True)
        corners = np.array([(0, 0), (size[1], 0), (0, size[0]), (size[1], size[0])], float)
        yx = np.linalg.solve(lies.matrix, (in_world(self.viewer, corners, size) - lies.origin).T).T
        zoom = camera_of(self.viewer).zoom * np.sqrt(abs(np.linalg.det(lies.matrix)))
        return Part(yx.min(axis=0), yx.max(axis=0), float(zoom))

    def _of_view(self) -> list[Any]:
        camera, dims = camera_of(self.viewer).events, self.viewer.dims.events
        size = [self.viewer.canvas.events.size] if hasattr(self.viewer, "canvas") else []
        grid = grid_of(self.viewer).events.enabled
        return [camera.zoom, camera.center, dims.current_step, dims.ndisplay, dims.order, grid, *size]

    def _of_points(self) -> list[Any]:
        if self.points is None:
            return []
        events = self.points.events
        return [events.data, events.size, events.face_color, events.visible]

    def _on_points_changed(self, event: Any) -> None:
        if (picture := self.picture) is None:
            return
        if event.type != "visible":
            self._soon.start()  # positions, sizes and colours are set one after the other
        elif picture.visible == self.points.visible:
            picture.visible = not self.points.visible
            self.changed.emit()

    def _on_view_changed(self, event: Any) -> None:
        if self.picture is None:
            return
        view, drawn = self._view(), self._drawn
        if drawn is None or view is None or event.type not in ("zoom", "center", "size"):
            self._soon.start()
        elif not drawn.covers(view) or max(view.zoom / drawn.zoom, drawn.zoom / view.zoom) > COARSE:
            self.draw()
        elif view.zoom != drawn.zoom:
            self._rest.start()

    def _on_layer_removed(self, event: Any) -> None:
        if convert.same(event.value, self.points):
            # napari is still busy with the other layer
            QtCore.QTimer.singleShot(0, partial(self.follow, None))


def is_many(places: npt.NDArray[np.floating]) -> bool:
    """Whether a frame holds more atoms than napari draws without delay, of (N, 2) or (N, 3) coordinates."""
    if len(places) <= MANY or places.shape[1] == 2:
        return len(places) > MANY
    return bool(np.unique(np.round(places[:, 0]), return_counts=True)[1].max() > MANY)

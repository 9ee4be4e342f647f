"""Tools for layers of the active image that are edited by hand: the mask, and the atoms left out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from napari.layers import Labels as LabelsLayer
from napari.layers import Shapes as ShapesLayer
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers import masks, rings
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession, MaskChoice
from local_crystallography._napari.widgets.boxes import LayerBox

FOUND, PAINTED = "found in image", "painted by hand"
BOX_TIP = (
    "Pixels to exclude, such as vacuum, scale bars or dead pixels: found in the image, painted, or drawn in a labels "
    "or shapes layer. A new mask takes effect when Segment is run."
)
PAINT_TIP = "Paint the mask with a brush in its own layer; paint with label 0, or use the eraser, to unmask pixels"
BRUSH = 25
"""Side of the image divided by the width of the brush."""
SHOW, HIDE, RESTORE = "Show left out", "Hide left out", "Restore selected"
SHOW_TIP = "Show the atoms that were left out, and select some; the reason is displayed under the pointer"
RESTORE_TIP = "Restore the atoms selected in the layer “atoms left out”; they are kept from now on"


class LayerTools(QtWidgets.QWidget):  # type: ignore[misc]
    """A row of widgets that follows one layer of the active image."""

    name: ClassVar[str]

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self.layer: Any = None
        self.row = QtWidgets.QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)

    def add(self, widget: QtWidgets.QWidget, tip: str, stretch: int = 0) -> None:
        """Add a widget to the row."""
        widget.setToolTip(f"<qt>{tip}</qt>")
        self.row.addWidget(widget, stretch)

    def follow(self, session: ImageSession | None) -> None:
        """Follow the layer of a session, or none."""
        layer = None if session is None else session.results.get(self.name)
        if layer is self.layer:
            return
        for event in self.events(self.layer):
            event.disconnect(self.on_edited)
        for event in self.events(layer):
            event.connect(self.on_edited)
        self.layer = layer

    def leave(self) -> None:
        """Disconnect from the viewer."""
        self.follow(None)

    def events(self, layer: Any) -> tuple[Any, ...]:
        """Events of the layer to follow; none for no layer."""
        raise NotImplementedError

    def on_edited(self, *changes: object) -> None:
        """Respond to such an event."""
        raise NotImplementedError


class MaskTools(LayerTools):
    """The source of the mask, and a button to paint it."""

    name = masks.NAME

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(controller, parent)
        self.box, self.paint = MaskBox(controller.viewer), QtWidgets.QPushButton("Paint")
        self.add(self.box, BOX_TIP, stretch=1)
        self.add(self.paint, PAINT_TIP)
        self.box.chosen.connect(self._on_chosen)
        self.paint.clicked.connect(self._on_paint_clicked)

    def refresh(self) -> None:
        """Show the choice for the active image."""
        session = self.controller.active
        self.setEnabled(session is not None)
        self.paint.setEnabled(session is not None and not self.controller.running)
        self.follow(session)
        choice = MaskChoice() if session is None else session.mask
        image = None if session is None else session.analysis.image
        self.box.show_choice(choice, can_be_painted=choice.painted or (image is not None and image.mask is not None))

    def leave(self) -> None:
        """Disconnect from the viewer."""
        self.box.leave()
        super().leave()

    def events(self, layer: Any) -> tuple[Any, ...]:
        return () if layer is None else (layer.events.paint, layer.events.labels_update, layer.events.data)

    def on_edited(self, *changes: object) -> None:
        """Use the mask as painted from the first stroke on."""
        session = self.controller.active
        if session is None or session.results.updating or (session.mask.painted and session.mask.changed):
            return
        if session.results.mask_is_edited():
            self.controller.choose_mask(None, painted=True)

    def _on_chosen(self, layer: Any | None) -> None:
        self.controller.choose_mask(layer, painted=self.box.painted)

    def _on_paint_clicked(self) -> None:
        session = self.controller.active
        if session is None:
            return
        if session.results.get(masks.NAME) is None:
            self.controller.compute("Finding the mask …", partial(_prepared, session, self._start_painting))
        else:
            self._start_painting(session)

    def _start_painting(self, session: ImageSession) -> None:
        """Activate the mask layer with a brush."""
        if not self.controller.sessions.holds(session):
            return
        session.results.show_one(masks.NAME)
        layer = session.results.get(masks.NAME)
        if layer is not None:
            layer.visible, layer.brush_size = True, max(4, min(layer.data.shape) // BRUSH)
            self.controller.viewer.layers.selection.active = layer
            layer.mode = "paint"
        self.refresh()


class MaskBox(LayerBox):
    """A choice among the mask found in the image, the painted one, and layers with a mask."""

    def __init__(self, viewer: Any) -> None:
        self._painted = False
        super().__init__(viewer, (LabelsLayer, ShapesLayer), first=FOUND)

    @property
    def painted(self) -> bool:
        """Whether the painted mask is chosen."""
        return bool(self.currentData() == PAINTED)

    def show_choice(self, choice: MaskChoice, *, can_be_painted: bool) -> None:
        """Show a choice that was made elsewhere."""
        self._painted = can_be_painted
        with QtCore.QSignalBlocker(self):
            self.refresh()
            wanted = PAINTED if choice.painted else "" if choice.layer is None else str(choice.layer.unique_id)
            self.setCurrentIndex(max(0, self.findData(wanted)))

    def _others(self) -> list[tuple[str, str]]:
        return [(FOUND, ""), *([(PAINTED, PAINTED)] if self._painted else [])]


class LeftOutTools(LayerTools):
    """Two buttons to show the atoms left out by Refine atoms, and to restore some of them."""

    name = rings.LEFT_OUT

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(controller, parent)
        self.show_button, self.restore = QtWidgets.QPushButton(SHOW), QtWidgets.QPushButton(RESTORE)
        self.add(self.show_button, SHOW_TIP)
        self.add(self.restore, RESTORE_TIP)
        self.show_button.clicked.connect(self._on_show_clicked)
        self.restore.clicked.connect(self._on_restore_clicked)

    def refresh(self) -> None:
        """Enable what can be done now."""
        self.follow(self.controller.active)
        self.on_edited()

    def events(self, layer: Any) -> tuple[Any, ...]:
        return () if layer is None else (layer.events.visible, layer.selected_data.events.items_changed)

    def on_edited(self, *changes: object) -> None:
        """Follow visibility and selection of the layer."""
        layer = self.layer
        self.show_button.setText(HIDE if layer is not None and layer.visible else SHOW)
        self.show_button.setEnabled(layer is not None)
        self.restore.setEnabled(layer is not None and bool(layer.selected_data) and not self.controller.running)

    def _on_show_clicked(self) -> None:
        self.layer.visible = not self.layer.visible
        if self.layer.visible:
            self.controller.viewer.layers.selection.active = self.layer
            self.layer.mode = "select"

    def _on_restore_clicked(self) -> None:
        self.controller.restore({int(row) for row in self.layer.selected_data})


def _prepared(session: ImageSession, then: Callable[[ImageSession], object]) -> Callable[[], object]:
    """Find the mask of an image; in any thread. Returns the call that shows it."""
    session.prepare({})
    session.results.want_mask()
    session.results.prepare()
    return partial(then, session)

"""The mask of the active image: where it comes from, and a brush to paint it with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from napari.layers import Labels as LabelsLayer
from napari.layers import Shapes as ShapesLayer
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers import masks
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.session.mask_choice import MaskChoice
from local_crystallography._napari.widgets.boxes import LayerBox

FOUND, PAINTED = "found in image", "painted by hand"
BOX_TIP = (
    "Pixels that are not specimen, such as vacuum, scale bars or dead pixels: found in the image, painted, or drawn in "
    "a Labels or Shapes layer. A new mask takes effect when Segment is run."
)
PAINT_TIP = "Paint the mask: its layer opens with a brush; paint with label 0, or use the eraser, to unmask"
BRUSH = 25
"""Sides of the image over the width of the brush."""


class MaskBox(LayerBox):
    """A choice among the mask found, the one painted by hand, and layers to take one from."""

    def __init__(self, viewer: Any) -> None:
        self._painted = False
        super().__init__(viewer, (LabelsLayer, ShapesLayer), first=FOUND)

    @property
    def painted(self) -> bool:
        """Whether the mask painted by hand is chosen."""
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


class MaskTools(QtWidgets.QWidget):  # type: ignore[misc]
    """The choice of a mask beside a button to paint one."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller, self.box, self.paint = controller, MaskBox(controller.viewer), QtWidgets.QPushButton("Paint")
        self._heard: Any = None
        self.box.setToolTip(f"<qt>{BOX_TIP}</qt>")
        self.paint.setToolTip(f"<qt>{PAINT_TIP}</qt>")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.box, stretch=1)
        layout.addWidget(self.paint)
        self.box.chosen.connect(self._on_chosen)
        self.paint.clicked.connect(self._on_paint_clicked)

    def refresh(self) -> None:
        """Show the choice for the active image, and hear of painting in its mask."""
        session = self.controller.active
        self.setEnabled(session is not None)
        self.paint.setEnabled(session is not None and not self.controller.running)
        self._follow(None if session is None else session.results.get(masks.NAME))
        choice = MaskChoice() if session is None else session.mask
        image = None if session is None else session.analysis.image
        self.box.show_choice(choice, can_be_painted=choice.painted or (image is not None and image.mask is not None))

    def leave(self) -> None:
        """Follow the viewer no more."""
        self.box.leave()
        self._follow(None)

    def _follow(self, layer: Any) -> None:
        if layer is self._heard:
            return
        for connect, heard in (("disconnect", self._heard), ("connect", layer)):
            for event in () if heard is None else (heard.events.paint, heard.events.labels_update, heard.events.data):
                getattr(event, connect)(self._on_painted)
        self._heard = layer

    def _on_chosen(self, layer: Any | None) -> None:
        self.controller.choose_mask(layer, painted=self.box.painted)

    def _on_painted(self, event: Any = None) -> None:
        session = self.controller.active
        if session is None or session.results.updating or (session.mask.painted and session.mask.changed):
            return
        if session.results.mask_is_edited():
            self.controller.choose_mask(None, painted=True)

    def _on_paint_clicked(self) -> None:
        session = self.controller.active
        if session is None:
            return
        if session.results.get(masks.NAME) is None:
            self.controller.compute(
                "Looking for pixels without meaning …", partial(_prepared, session, self._take_brush)
            )
        else:
            self._take_brush(session)

    def _take_brush(self, session: ImageSession) -> None:
        """Show the mask with a brush in hand."""
        if not self.controller.sessions.holds(session):
            return
        session.results.show_one(masks.NAME)
        layer = session.results.get(masks.NAME)
        if layer is not None:
            layer.visible, layer.brush_size = True, max(4, min(layer.data.shape) // BRUSH)
            self.controller.viewer.layers.selection.active = layer
            layer.mode = "paint"
        self.refresh()


def _prepared(session: ImageSession, then: Callable[[ImageSession], object]) -> Callable[[], object]:
    """What shows the mask of an image, computed; in any thread."""
    session.prepare({})
    session.results.want_mask()
    session.results.prepare()
    return partial(then, session)

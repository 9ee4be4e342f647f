"""Atoms that Refine atoms left out, to look at and to take back; in its panel."""

from __future__ import annotations

from typing import Any

from qtpy import QtWidgets

from local_crystallography._napari.layers import left_out
from local_crystallography._napari.session.controller import Controller

SHOW, HIDE, TAKE = "Show left out", "Hide left out", "Take back selected"
SHOW_TIP = "Show the atoms that were left out, to select some; point at one to read why"
TAKE_TIP = "Add the atoms selected in the layer “atoms left out” to the others; they are kept from now on"


class LeftOutTools(QtWidgets.QWidget):  # type: ignore[misc]
    """Two buttons for the atoms left out of the active image."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self.show_button, self.take = QtWidgets.QPushButton(SHOW), QtWidgets.QPushButton(TAKE)
        self._heard: Any = None
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for button, tip in ((self.show_button, SHOW_TIP), (self.take, TAKE_TIP)):
            button.setToolTip(f"<qt>{tip}</qt>")
            layout.addWidget(button)
        self.show_button.clicked.connect(self._on_show_clicked)
        self.take.clicked.connect(self._on_take_clicked)

    def refresh(self) -> None:
        """Offer what can be done now."""
        session = self.controller.active
        self._follow(None if session is None else session.results.get(left_out.NAME))
        layer = self._heard
        self.show_button.setText(HIDE if layer is not None and layer.visible else SHOW)
        self.show_button.setEnabled(layer is not None)
        self.take.setEnabled(layer is not None and bool(layer.selected_data) and not self.controller.running)

    def leave(self) -> None:
        """Follow the viewer no more."""
        self._follow(None)

    def _follow(self, layer: Any) -> None:
        if layer is self._heard:
            return
        for connect, heard in (("disconnect", self._heard), ("connect", layer)):
            if heard is not None:
                getattr(heard.events.visible, connect)(self._on_layer_changed)
                getattr(heard.selected_data.events.items_changed, connect)(self._on_layer_changed)
        self._heard = layer

    def _on_layer_changed(self, *changes: object) -> None:
        self.refresh()

    def _on_show_clicked(self) -> None:
        layer = self._heard
        layer.visible = not layer.visible
        if layer.visible:
            self.controller.viewer.layers.selection.active = layer
            layer.mode = "select"

    def _on_take_clicked(self) -> None:
        self.controller.take_back({int(row) for row in self._heard.selected_data})

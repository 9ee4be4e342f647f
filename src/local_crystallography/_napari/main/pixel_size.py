"""Pixel size of the active image, to read, to set, and to compare with a known spacing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers import geometry, layer_pixels
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.fields import NumberBox
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import PIXELS
from local_crystallography.io.read import pixel_in
from local_crystallography.studies.calibration import calibration

TIP = (
    "Size of a pixel in nm. Change it if the file gives none or a wrong one: lengths in nm follow, and only maps of "
    "such lengths have to be painted again."
)
CHECK, CHECK_TIP = (
    "Check …",
    "Compare a spacing of the lattice with one that is known, such as 0.3905 nm for SrTiO3 [001]",
)
UNKNOWN = "unknown"


class PixelSizeBox(QtWidgets.QWidget):  # type: ignore[misc]
    """Shows the pixel size of the image layer, and changes that of the layer and of its results."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self.box, self.check = NumberBox(0.0, PIXELS[1]), QtWidgets.QToolButton(text=CHECK)
        self.note = QtWidgets.QLabel(wordWrap=True)
        self._seen: set[str] = set()
        self._shown_for, self._said = "", ""
        self._remarks: list[str] = []
        self.box.setSpecialValueText(UNKNOWN)
        self.box.setSuffix(" nm")
        self.box.setKeyboardTracking(False)
        self.box.setToolTip(f"<qt>{TIP}</qt>")
        self.check.setToolTip(f"<qt>{CHECK_TIP}</qt>")
        self.check.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.note.hide()
        layout = QtWidgets.QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.box, 0, 0)
        layout.addWidget(self.check, 0, 1)
        layout.addWidget(self.note, 1, 0, 1, 2)
        layout.setColumnStretch(0, 1)
        self.box.valueChanged.connect(self._on_changed)
        self.check.clicked.connect(self._on_check_clicked)

    def refresh(self) -> None:
        """Show the pixel size of the active image; where its layer has none, that of the file it came from."""
        session, running = self.controller.active, self.controller.running
        self.setEnabled(session is not None and not running)
        if session is None:
            self._shown_for, self._said, self._remarks = "", "", []
            self._show_note()
            return
        if session.key != self._shown_for:
            self._shown_for, self._said = session.key, ""
        if session.key not in self._seen and not running:
            self._seen.add(session.key)
            if geometry.pixel_size_of(session.layer) is None and (pixel := pixel_of_source(session.layer)) is not None:
                geometry.set_pixel(session.layer, pixel)
                session.notice()
                self.controller.viewer.reset_view()  # or the image would be a speck in the corner
                self._said = f"As in the file {Path(session.layer.source.path).name}."
        with QtCore.QSignalBlocker(self.box):
            self.box.set(geometry.pixel_size_of(session.layer) or 0.0)
        self.check.setEnabled(session.analysis.atoms is not None)
        self._remarks = geometry.remarks_on(session.layer)
        self._show_note()

    def say(self, words: str) -> None:
        """Show a sentence below the number, above the remarks on the layer; none for nothing."""
        self._said = words
        self._show_note()

    def _show_note(self) -> None:
        lines = [line for line in (self._said, *self._remarks) if line]
        self.note.setText("\n".join(lines))
        self.note.setVisible(bool(lines))

    def _on_changed(self) -> None:
        session, size = self.controller.active, self.box.get()
        if session is None:
            return
        if 0 < size < PIXELS[0]:
            self.say(f"Atoms cannot be seen with pixels of {size:g} nm; enter {PIXELS[0]:g} to {PIXELS[1]:g} nm.")
            return
        self.say("")
        geometry.set_pixel(session.layer, geometry.pixel_like(session.layer, size) if size else None)
        session.notice()
        self.controller.viewer.reset_view()
        self.controller.changed.emit()

    def _on_check_clicked(self) -> None:
        session = self.controller.active
        if session is None or session.analysis.atoms is None:
            return
        low, high = 0.01, 10.0
        known, chosen = QtWidgets.QInputDialog.getDouble(
            self, "Check the pixel size", "Known spacing of the crystal, nm", 0.3905, low, high, 4
        )
        if chosen:
            try:
                self.say(calibration(session.analysis.atoms, known).sentence)
            except InputError as error:
                self.say(str(error))


def pixel_of_source(layer: Any) -> tuple[float, float] | None:
    """(height, width) in nm of a pixel in the file that an image layer was opened from; None where it gives none."""
    path = layer.source.path
    if path is None or not Path(path).is_file():
        return None
    return pixel_in(path, layer_pixels.frame_shape(layer))

"""Scan correction in a dialog: a figure with remarks, and the corrected image as a layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Layer
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers import convert, geometry, layer_pixels
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.widgets.help import LookLine
from local_crystallography.analysis import Analysis
from local_crystallography.data.image import Image
from local_crystallography.scan.distortion import ScanCorrection
from local_crystallography.steps.correct_scan import CorrectScan
from local_crystallography.views.looking import PANELS

SHOW, CORRECTED = "Show …", "Corrected image"
TIPS = {
    SHOW: "Show the row shifts, their power spectrum, the fly-back, the spread of the columns, and what could not be "
    "determined; for a stack, in the displayed frame",
    CORRECTED: "Resample the image on a regular scan, as a new layer; pressing again updates the same layer",
}
STALE = "The results have changed since; press “Show …” to update."
SIZE = (840, 620)


@dataclass(frozen=True)
class Seen:
    """A correction that was shown, with its input."""

    image: Image
    step: CorrectScan
    x: npt.NDArray[np.float64]
    frame: int
    correction: ScanCorrection

    def is_of(self, analysis: Analysis) -> bool:
        """Whether the results of an analysis are still the same."""
        x = corrected_x(analysis)
        same = analysis.image is self.image and analysis.last(CorrectScan) == self.step
        return same and x is not None and np.array_equal(x, self.x, equal_nan=True)


class ScanTools(QtWidgets.QWidget):  # type: ignore[misc]
    """Two buttons in the panel of Correct scan, enabled once it has been run."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self.buttons = {name: QtWidgets.QPushButton(name) for name in TIPS}
        self.dialog: ScanDialog | None = None
        self._seen: Seen | None = None
        self._dark = True
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for name, button in self.buttons.items():
            button.setToolTip(f"<qt>{TIPS[name]}</qt>")
            layout.addWidget(button)
        self.buttons[SHOW].clicked.connect(self._on_show_clicked)
        self.buttons[CORRECTED].clicked.connect(self._on_corrected_clicked)

    def refresh(self) -> None:
        """Enable what can be done now, and mark an outdated figure."""
        analysis = self.controller.analysis
        ready = analysis is not None and corrected_x(analysis) is not None and not self.controller.running
        for button in self.buttons.values():
            button.setEnabled(ready)
        if self.dialog is not None:
            self.dialog.set_stale(not self._is_current())

    def remarks(self) -> tuple[str, ...]:
        """Remarks on the correction of the active image, once it has been shown."""
        return self._seen.correction.remarks if self._seen is not None and self._is_current() else ()

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        self._dark = dark
        if self.dialog is not None and self._seen is not None:
            self.dialog.draw(self._seen, dark)

    def _is_current(self) -> bool:
        analysis = self.controller.analysis
        return self._seen is not None and analysis is not None and self._seen.is_of(analysis)

    def _on_show_clicked(self) -> None:
        session = self.controller.active
        if session is None:
            return
        frame, seen = frame_shown(self.controller.viewer, session.layer), self._seen
        if seen is not None and seen.frame == frame and self._is_current():
            self._show(seen)
        else:
            self.controller.compute(
                "Computing the scan correction …", lambda: partial(self._show, look(session.analysis, frame))
            )

    def _on_corrected_clicked(self) -> None:
        if (session := self.controller.active) is not None:
            viewer, name = self.controller.viewer, session.layer.name
            self.controller.compute(
                "Correcting the image …", lambda: partial(put, viewer, session.layer, corrected_layer(session, name))
            )

    def _show(self, seen: Seen) -> None:
        if self.controller.active is None:  # the dock or the image has been closed meanwhile
            return
        self._seen = seen
        if self.dialog is None:
            self.dialog = ScanDialog(self)
        self.dialog.draw(seen, self._dark)
        self.dialog.set_stale(False)
        self.dialog.show()
        self.dialog.raise_()


class ScanDialog(QtWidgets.QDialog):  # type: ignore[misc]
    """The figure of a correction and its remarks."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.resize(*SIZE)
        self.canvas: QtWidgets.QWidget | None = None
        self.stale, self.remarks = QtWidgets.QLabel(f"⚠ {STALE}"), QtWidgets.QLabel(wordWrap=True)
        self.remarks.setTextInteractionFlags(QtCore.Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(self.stale)
        layout.addWidget(LookLine(PANELS["scan"]))
        layout.addWidget(self.remarks)

    def draw(self, seen: Seen, dark: bool) -> None:
        """Draw a correction."""
        from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg

        from local_crystallography.report.scan import scan_figure

        which = f", frame {seen.frame}" if seen.image.count > 1 else ""
        self.setWindowTitle(f"Scan correction of {seen.image.name}{which}")
        if self.canvas is not None:
            self.layout().removeWidget(self.canvas)
            self.canvas.deleteLater()
        figure = scan_figure(seen.correction, pixel_size=seen.image.pixel_size, dark=dark)
        self.canvas = FigureCanvasQTAgg(figure)  # type: ignore[no-untyped-call]
        self.layout().insertWidget(1, self.canvas, 1)
        self.remarks.setText("\n".join(f"⚠ {remark}" for remark in seen.correction.remarks))

    def set_stale(self, stale: bool) -> None:
        """Set whether the figure is outdated."""
        self.stale.setVisible(stale)


def corrected_x(analysis: Analysis) -> npt.NDArray[np.float64] | None:
    """(N,) corrected x of the atoms; None if the scan has not been corrected."""
    atoms = analysis.atoms
    if CorrectScan.name() not in analysis.used or atoms is None or "x_corrected_px" not in atoms.features:
        return None
    return np.asarray(atoms.features["x_corrected_px"], np.float64)


def look(analysis: Analysis, frame: int) -> Seen:
    """The correction of one frame, recomputed; in any thread."""
    x = corrected_x(analysis)
    assert analysis.image is not None
    assert analysis.atoms is not None
    assert x is not None
    step = analysis.last(CorrectScan)
    assert step is not None
    return Seen(analysis.image, step, x, frame, step.correction(analysis.atoms, analysis.image, frame))


def frame_shown(viewer: Any, image_layer: Any) -> int:
    """The displayed frame of a stack; 0 for a single image."""
    if image_layer.ndim < 3:
        return 0
    frame = round(float(image_layer.world_to_data(viewer.dims.point)[0]))
    return int(np.clip(frame, 0, layer_pixels.frame_count(image_layer) - 1))


def corrected_layer(session: ImageSession, name: str) -> Any:
    """A layer with the corrected image, with the placement and colormap of the image; in any thread."""
    analysis = session.analysis
    assert analysis.image is not None
    assert analysis.atoms is not None
    step = analysis.last(CorrectScan)
    assert step is not None
    corrected = step.corrected_image(analysis.atoms, analysis.image)
    note = {"scan_of": session.key, "steps": {step.name(): step.model_dump(mode="json")}}
    named = replace(corrected, name=f"{name}, scan corrected", metadata={**corrected.metadata, **note})
    data, arguments, kind = convert.layer_of(named)
    look_alike = {"colormap": session.layer.colormap, **geometry.placement_of(session.layer)}
    return Layer.create(data, arguments | look_alike, kind)


def put(viewer: Any, image_layer: Any, layer: Any) -> None:
    """Show a corrected image above its image, in the layer of an earlier one unless that is being analysed."""
    if image_layer not in viewer.layers:
        return
    notes = [(each, convert.note_of(each)) for each in viewer.layers]
    key = str(image_layer.unique_id)
    earlier = next((each for each, note in notes if note.get("scan_of") == key and "analysis" not in note), None)
    if earlier is None:
        viewer.layers.insert(viewer.layers.index(image_layer) + 1, layer)
    else:
        convert.update(earlier, layer.as_layer_data_tuple())

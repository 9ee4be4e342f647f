"""Scan correction to look at: a figure with remarks, and the corrected image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from napari.layers import Layer
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers import convert
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography.analysis import Analysis
from local_crystallography.data.image import Image
from local_crystallography.scan.distortion import ScanCorrection
from local_crystallography.steps.correct_scan import CorrectScan

SHOW, PUT_RIGHT = "Show …", "Corrected image"
TIPS = {
    SHOW: "Look at the row shifts, their power spectrum, the fly-back, the spread of the columns and what could not be "
    "told; of a stack, for the frame that is shown",
    PUT_RIGHT: "Resample the image so that its scan is even, as a new layer; pressed again, the same layer is renewed",
}
STALE = "The results have changed since: press Show … again."
SIZE = (840, 620)


@dataclass(frozen=True)
class Seen:
    """A correction that was looked at, with what it was made of."""

    image: Image
    step: CorrectScan
    x: npt.NDArray[np.float64]
    frame: int
    correction: ScanCorrection

    def is_of(self, analysis: Analysis) -> bool:
        """Whether the results of an analysis are still those."""
        x = corrected_x(analysis)
        same = analysis.image is self.image and analysis.used.get("correct_scan") == self.step
        return same and x is not None and np.array_equal(x, self.x, equal_nan=True)


class ScanTools(QtWidgets.QWidget):  # type: ignore[misc]
    """Two buttons of the Correct scan panel, for when it has been run."""

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
        self.buttons[PUT_RIGHT].clicked.connect(self._on_put_right_clicked)

    def refresh(self) -> None:
        """Offer what can be done now; say where the figure is not true any more."""
        session = self.controller.active
        ready = session is not None and corrected_x(session.analysis) is not None and not self.controller.running
        for button in self.buttons.values():
            button.setEnabled(ready)
        if self.dialog is not None:
            self.dialog.set_stale(session is None or not self._is_of(session))

    def remarks(self) -> tuple[str, ...]:
        """What is to be said about the correction of the active image, once it has been looked at."""
        session, seen = self.controller.active, self._seen
        return (
            seen.correction.remarks if seen is not None and session is not None and seen.is_of(session.analysis) else ()
        )

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        self._dark = dark
        if self.dialog is not None and self._seen is not None:
            self.dialog.draw(self._seen, dark)

    def _is_of(self, session: ImageSession) -> bool:
        return self._seen is not None and self._seen.is_of(session.analysis)

    def _on_show_clicked(self) -> None:
        session = self.controller.active
        if session is None:
            return
        frame, seen = frame_shown(self.controller.viewer, session.layer), self._seen
        if seen is not None and seen.frame == frame and self._is_of(session):
            self._show(seen)
        else:
            self.controller.compute("Looking at the scan …", lambda: partial(self._show, look(session.analysis, frame)))

    def _on_put_right_clicked(self) -> None:
        if (session := self.controller.active) is not None:
            viewer, name = self.controller.viewer, session.layer.name
            self.controller.compute(
                "Correcting the image …", lambda: partial(put, viewer, session.layer, corrected_layer(session, name))
            )

    def _show(self, seen: Seen) -> None:
        if self.controller.active is None:  # the dock or the image was closed meanwhile
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
        layout.addWidget(self.remarks)

    def draw(self, seen: Seen, dark: bool) -> None:
        """Show a correction."""
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
        """Whether what is shown is not true any more."""
        self.stale.setVisible(stale)


def corrected_x(analysis: Analysis) -> npt.NDArray[np.float64] | None:
    """(N,) corrected x of the atoms; None where the scan has not been corrected."""
    atoms = analysis.atoms
    if "correct_scan" not in analysis.used or atoms is None or "x_corrected_px" not in atoms.features:
        return None
    return np.asarray(atoms.features["x_corrected_px"], np.float64)


def look(analysis: Analysis, frame: int) -> Seen:
    """The correction of one frame, computed again; in any thread."""
    x = corrected_x(analysis)
    assert analysis.image is not None
    assert analysis.atoms is not None
    assert x is not None
    step = cast(CorrectScan, analysis.used["correct_scan"])
    return Seen(analysis.image, step, x, frame, step.correction(analysis.atoms, analysis.image, frame))


def frame_shown(viewer: Any, image_layer: Any) -> int:
    """The frame of a stack that the viewer shows; 0 for a single image."""
    if image_layer.ndim < 3:
        return 0
    frame = round(float(image_layer.world_to_data(viewer.dims.point)[0]))
    return int(np.clip(frame, 0, len(image_layer.data) - 1))


def corrected_layer(session: ImageSession, name: str) -> Any:
    """A layer with the corrected image, which lies and looks as the image does; in any thread."""
    analysis = session.analysis
    assert analysis.image is not None
    assert analysis.atoms is not None
    step = cast(CorrectScan, analysis.used["correct_scan"])
    put_right = step.corrected_image(analysis.atoms, analysis.image)
    note = {"scan_of": session.key, "steps": {step.name(): step.model_dump(mode="json")}}
    named = replace(put_right, name=f"{name}, scan corrected", metadata={**put_right.metadata, **note})
    data, arguments, kind = convert.layer_of(named)
    look_alike = {"colormap": session.layer.colormap, **convert.placement_of(session.layer)}
    return Layer.create(data, arguments | look_alike, kind)


def put(viewer: Any, image_layer: Any, layer: Any) -> None:
    """Show a corrected image above its image, in the layer of an earlier one unless that is being worked on."""
    if image_layer not in viewer.layers:
        return
    notes = [(each, convert.note_of(each)) for each in viewer.layers]
    key = str(image_layer.unique_id)
    earlier = next((each for each, note in notes if note.get("scan_of") == key and "analysis" not in note), None)
    if earlier is None:
        viewer.layers.insert(viewer.layers.index(image_layer) + 1, layer)
    else:
        convert.update(earlier, layer.as_layer_data_tuple())

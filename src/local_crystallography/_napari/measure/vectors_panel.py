"""The tab of vectors: which displacements are drawn as arrows and colours, with the colour wheel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtGui, QtWidgets

from local_crystallography._napari.layers.vectors import ARROWS, COLOURS
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.form import ModelForm
from local_crystallography._napari.widgets.panels import ResultPanel, narrow_label, panel_layout, row
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.views.vectors import SHIFT, Displacements, VectorField, wheel

NONE = "Run Measure lattice first: it measures the displacement of every atom from the centre of its cage."
WHEEL = 150


@dataclass(frozen=True, eq=False)
class VectorsRequest:
    """Which displacements of which atoms."""

    atoms: Atoms
    field: VectorField

    def same(self, other: VectorsRequest) -> bool:
        """Whether the other gives the same."""
        return self.atoms is other.atoms and self.field == other.field


class VectorsPanel(ResultPanel):
    """Which sublattice is drawn, and in what way."""

    def __init__(
        self, controller: Controller, show: Callable[[str], object], parent: QtWidgets.QWidget | None = None
    ) -> None:
        super().__init__(controller, parent)
        self.form: ModelForm[VectorField] = ModelForm(VectorField())
        self.arrows, self.colours = QtWidgets.QPushButton("Show arrows"), QtWidgets.QPushButton("Show colours")
        self.picture, self.words = QtWidgets.QLabel(), narrow_label()
        self._show = show
        self.arrows.setToolTip("<qt>Show the displacements as arrows, exaggerated as the name of their layer says</qt>")
        self.colours.setToolTip("<qt>Show the displacements as colours: hue for direction, brightness for length</qt>")
        panel_layout(self, self.message, self.form, row(self.arrows, self.colours), self.picture, self.words)
        self.form.changed.connect(self._on_form_changed)
        self.arrows.clicked.connect(lambda: self._on_show_clicked(ARROWS))
        self.colours.clicked.connect(lambda: self._on_show_clicked(COLOURS))

    def request(self, analysis: Analysis | None) -> VectorsRequest | str:
        """The displacements as the form says."""
        atoms = None if analysis is None else analysis.atoms
        if atoms is None or not {*SHIFT} <= {*atoms.features}:
            return NONE
        return VectorsRequest(atoms, self.form.model())

    @staticmethod
    def compute(request: VectorsRequest, earlier: Any) -> tuple[Displacements, Any]:
        """The displacements, and the wheel of their colours."""
        vectors = request.field(request.atoms)
        return vectors, wheel(WHEEL, vectors.length_words(vectors.reach))

    def show_result(self, result: tuple[Displacements, Any]) -> None:
        """Show the wheel, and what is drawn in words."""
        vectors, picture = result
        self.say("")
        height, width, _ = picture.shape
        image = QtGui.QImage(np.ascontiguousarray(picture), width, height, QtGui.QImage.Format.Format_RGBA8888)
        self.picture.setPixmap(QtGui.QPixmap.fromImage(image.copy()))
        self.words.setText(_words(vectors))
        self._enable(True)

    def forget(self) -> None:
        """Drop what is shown."""
        super().forget()
        self.picture.clear()
        self.words.setText("")
        self._enable(False)

    def on_failed(self, problem: str) -> None:
        """Say why there are no displacements."""
        self.forget()
        self.say(problem)

    def _enable(self, on: bool) -> None:
        self.arrows.setEnabled(on)
        self.colours.setEnabled(on)

    def _on_show_clicked(self, name: str) -> None:
        if (session := self.controller.active) is not None:
            session.results.set_field(self.form.model())
            self._show(name)

    def _on_form_changed(self) -> None:
        """Follow the form; what is shown over the image is drawn anew."""
        self.refresh()
        session = self.controller.active
        layers = {} if session is None else {name: session.results.get(name) for name in (ARROWS, COLOURS)}
        shown = [name for name, layer in layers.items() if layer is not None and layer.visible]
        if shown and not self.controller.running:
            self._on_show_clicked(shown[0])


def _words(vectors: Displacements) -> str:
    shift = vectors.shift.mean(axis=0)
    length = np.linalg.norm(vectors.shift, axis=1)
    several = ", ".join(map(str, vectors.sublattices))
    known = np.isfinite(vectors.std).all(axis=1)
    noise = float(np.sqrt((vectors.std[known] ** 2).sum(axis=1).mean())) if known.any() else np.nan
    told = f" Position errors alone give {vectors.length_words(noise)} rms." if np.isfinite(noise) else ""
    mean = f" Mean vector {vectors.length_words(float(np.hypot(*shift)))} at {_degrees(shift):.0f}°."
    return (
        f"{len(length):,} atoms of sublattice {several}. Root mean square displacement "
        f"{vectors.length_words(float(np.sqrt((length**2).mean())))}.{told}"
        f"{mean if np.hypot(*shift) > 1e-9 else ''} Arrows are drawn ×{vectors.exaggeration:g}; length in the controls "
        "of their layer changes that."
    )


def _degrees(shift: npt.NDArray[np.float64]) -> float:
    return float(np.degrees(np.arctan2(-shift[0], shift[1])))

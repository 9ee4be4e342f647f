"""Choice of the row of atoms that is taken for a chain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from napari.layers import Shapes
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers import convert
from local_crystallography._napari.session.controller import Controller
from local_crystallography.bayes.nets import nets
from local_crystallography.bayes.row_chains import RowChain, chain_on_line, chains_along
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError

DIRECTIONS = {"along a": (1, 0), "along b": (0, 1), "along a + b": (1, 1), "along a - b": (1, -1)}
LINE = "line in a shapes layer"
TIPS = {
    "direction": "Along which direction of the lattice the rows run (a and b are those of Measure lattice), or the "
    "atoms near the longest side of the last shape drawn in the active shapes layer",
    "row": "Which of the rows, the longest first; its atoms are selected in all views",
    "within": "Take only rows of the atoms that are selected now",
}
Mask = npt.NDArray[np.bool_]


class RowPicker(QtWidgets.QWidget):  # type: ignore[misc]
    """Direction and number of the row."""

    changed = QtCore.Signal()

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self.direction, self.row = QtWidgets.QComboBox(), QtWidgets.QSpinBox()
        self.within = QtWidgets.QPushButton("Within selection", checkable=True)
        self.direction.addItems([*DIRECTIONS, LINE])
        self.row.setMinimum(1)
        self.row.setPrefix("row ")
        self._region: Mask | None = None
        self._found: tuple[tuple[object, ...], list[RowChain]] | None = None
        layout = QtWidgets.QGridLayout(self)
        layout.setContentsMargins(2, 0, 2, 0)
        layout.addWidget(self.direction, 0, 0, 1, 2)
        layout.addWidget(self.row, 1, 0)
        layout.addWidget(self.within, 1, 1)
        for name, widget in (("direction", self.direction), ("row", self.row), ("within", self.within)):
            widget.setToolTip(f"<qt>{TIPS[name]}</qt>")
        self.direction.activated.connect(lambda _: self.changed.emit())
        self.row.valueChanged.connect(lambda _: self.changed.emit())
        self.within.toggled.connect(self._on_within_toggled)

    def chain(self) -> RowChain:
        """The row chosen.

        Raises
        ------
        InputError
            Where there are no atoms, no lattice, no line or no row.
        """
        session = self.controller.active
        atoms = None if session is None else session.analysis.atoms
        if atoms is None:
            raise InputError("Find atoms first: there is no row to take.")
        direction = self.direction.currentText()
        if direction == LINE:
            return self._on_line(atoms)
        key: tuple[object, ...] = (atoms, direction, self._region)
        if self._found is None or any(a is not b for a, b in zip(self._found[0], key, strict=True)):
            lattices = nets(atoms)
            if self._region is not None and len(self._region) == len(atoms):
                lattices = [net.part(self._region[net.rows]) for net in lattices]
            self._found = (key, chains_along(lattices, DIRECTIONS[direction], atoms.pixel_size))
        found = self._found[1]
        self.row.blockSignals(True)
        self.row.setMaximum(len(found))
        self.row.setSuffix(f" of {len(found)}")
        self.row.blockSignals(False)
        chosen: RowChain = found[min(int(self.row.value()), len(found)) - 1]
        return chosen

    def select(self, row: RowChain) -> None:
        """Select the atoms of a row in all views."""
        mask = np.zeros(len(self.controller.selection), bool)
        if len(row.atoms) and row.atoms.max() < len(mask):
            mask[row.atoms] = True
            self.controller.selection.apply(mask, source=self)

    def _on_line(self, atoms: Atoms) -> RowChain:
        session, layer = self.controller.active, self.controller.viewer.layers.selection.active
        if session is None or not isinstance(layer, Shapes) or not len(layer.data):
            raise InputError("No shapes layer with a line is active; draw a line along a row, and select its layer.")
        corners = convert.corners_from(layer, session.layer)
        steps = np.linalg.norm(np.diff(corners, axis=0), axis=1)
        start = int(steps.argmax())
        spacing = float(np.sqrt(session.layer.data.shape[-1] * session.layer.data.shape[-2] / max(len(atoms), 1)))
        return chain_on_line(atoms.yx, corners[start], corners[start + 1], spacing / 3, atoms.pixel_size)

    def _on_within_toggled(self, on: bool) -> None:
        mask = np.asarray(self.controller.selection.mask)
        self._region = mask.copy() if on and mask.any() else None
        self._found = None
        self.changed.emit()

"""Asks for two limits, and selects what lies between."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.explorer.plot_box import how
from local_crystallography.views.plot_data import Key

KEYS = "Shift adds, Alt or Ctrl subtracts, both intersect"


class RangeBox(QtWidgets.QDialog):  # type: ignore[misc]
    """Two limits in the unit of the column; of an angle, low above high is the way through the seam."""

    chosen = QtCore.Signal(object, str)

    def __init__(self, key: Key, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.key = key
        self.setWindowTitle("Select range")
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        self.fields = {name: QtWidgets.QDoubleSpinBox() for name in ("low", "high")}
        self.count = QtWidgets.QLabel()
        self.button = QtWidgets.QPushButton("Select")
        self.button.setToolTip(f"Select the atoms in this range: {KEYS}")
        self.button.clicked.connect(self._on_select)
        layout = QtWidgets.QFormLayout(self)
        layout.addRow(QtWidgets.QLabel(f"{key.column.label} from"), self.fields["low"])
        layout.addRow(QtWidgets.QLabel("to"), self.fields["high"])
        layout.addRow(self.count, self.button)
        self._set_fields()
        self._on_changed()

    def _set_fields(self) -> None:
        known = self.key.values[np.isfinite(self.key.values)]
        half = self.key.column.period and self.key.column.period / 2
        low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
        decimals = int(np.clip(3 - np.floor(np.log10(max(high - low, 1e-9))), 0, 9))
        ends = (-half, half) if half else (low, high)
        for field, name, value in zip(self.fields.values(), ("lowest", "highest"), self.key.limits, strict=True):
            step = 10.0**-decimals
            field.setDecimals(decimals)
            # rounded outwards, so that the outermost atoms are within
            field.setRange(np.floor(min(ends) / step) * step, np.ceil(max(ends) / step) * step)
            field.setSingleStep(max((high - low) / 50, step))
            field.setValue(value)
            field.setToolTip(f"The {name} value selected; the column goes from {low:.4g} to {high:.4g}")
            field.valueChanged.connect(self._on_changed)

    def _on_changed(self) -> None:
        self.count.setText(f"{np.count_nonzero(self._mask())} atoms")

    def _mask(self) -> npt.NDArray[np.bool_]:
        return self.key.rows_within(*(field.value() for field in self.fields.values()))

    def _on_select(self) -> None:
        self.chosen.emit(self._mask(), how(QtWidgets.QApplication.keyboardModifiers()))

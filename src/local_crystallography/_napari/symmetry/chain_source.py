"""Source of a chain: a case of the paper, custom parameters, or a row of atoms."""

from __future__ import annotations

from qtpy import QtCore, QtWidgets

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.symmetry.row_picker import RowPicker
from local_crystallography._napari.widgets.form import ModelForm, rows_layout
from local_crystallography.bayes.bonds import Chain, Noise, SimulatedChain
from local_crystallography.bayes.chain import ChainModel
from local_crystallography.data.errors import InputError
from local_crystallography.views.chain_view import ChainView

CASE_1, CASE_2, OWN, ROW = "Case 1 of the paper", "Case 2 of the paper", "Custom chain", "Row of atoms"
CASES = {CASE_1: 1, CASE_2: 2}
ROPE = 0.05
"""Half width of the ROPE for a row of atoms, in mean bonds, until another is chosen."""
FIRST = 5
"""Unit cells at which the curve of a row of atoms begins."""
TIP = "The chain: one of the two that the paper simulates, one simulated from own numbers, or a row of atoms"


class ChainSource(QtWidgets.QWidget):  # type: ignore[misc]
    """The kind of chain, and below it what there is to be said about it."""

    chosen = QtCore.Signal()
    """Another kind."""
    changed = QtCore.Signal()
    """Another chain of the same kind."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind, self.own, self.row = QtWidgets.QComboBox(), ModelForm(SimulatedChain()), RowPicker(controller)
        self.kind.addItems([CASE_1, CASE_2, OWN, ROW])
        self.kind.setCurrentText(CASE_2)
        self.kind.setToolTip(f"<qt>{TIP}</qt>")
        layout, top = QtWidgets.QVBoxLayout(self), rows_layout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        top.addRow("chain", self.kind)
        layout.addLayout(top)
        for part in (self.own, self.row):
            layout.addWidget(part)
            part.changed.connect(self.changed)
        self.kind.activated.connect(lambda _: self._on_kind_chosen())
        self._show_kind()

    def problem(self) -> str:
        """What does not fit together, in words."""
        return self.own.problem()

    def chain(self) -> tuple[Chain, str]:
        """The chain, and the unit of its bonds; the atoms of a row are selected.

        Raises
        ------
        InputError
            Where there is no row to take.
        """
        kind = self.kind.currentText()
        if kind == ROW:
            row = self.row.chain()
            self.row.select(row)
            return row.chain, row.unit
        return (SimulatedChain.of_case(CASES[kind]) if kind in CASES else self.own.model())(), ""

    def model(self) -> ChainModel:
        """How such a chain is judged at first: as in the paper, or for atoms by their positions and a ROPE to suit."""
        if self.kind.currentText() == ROW:
            try:
                bond = float(self.row.chain().chain.bonds.mean())
            except InputError:
                return ChainModel()  # why there is no row is said where it is asked for
            half = float(f"{ROPE * bond:.2g}")
            return ChainModel(difference="positions", rope_half_width=half, first_cells=FIRST)
        return ChainModel()

    def noise(self, view: ChainView) -> Noise:
        """What the noise of a chain is on, as far as it is known."""
        if self.kind.currentText() == OWN:
            return self.own.model().noise
        found = "" if view.correlation is None else view.correlation.favours
        return found or ("positions" if view.model.difference == "positions" else "bonds")

    def _show_kind(self) -> None:
        self.own.setVisible(self.kind.currentText() == OWN)
        self.row.setVisible(self.kind.currentText() == ROW)

    def _on_kind_chosen(self) -> None:
        self._show_kind()
        self.chosen.emit()

"""Forms of a chain: its source, the row of atoms that is taken as one, and the priors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from napari.layers import Shapes
from pydantic import ValidationError
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers import convert
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.form import ModelForm, rows_layout
from local_crystallography.bayes.bonds import Chain, Noise, SimulatedChain
from local_crystallography.bayes.chain import ChainModel, ChainPriors
from local_crystallography.bayes.nets import nets
from local_crystallography.bayes.priors import Priors
from local_crystallography.bayes.row_chains import RowChain, chain_on_line, chains_along
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.parameters import sentence
from local_crystallography.views.chain_view import ChainView

CASE_1, CASE_2, OWN, ROW = "Case 1 of the paper", "Case 2 of the paper", "Custom chain", "Row of atoms"
CASES = {CASE_1: 1, CASE_2: 2}
ROPE = 0.05
"""Default half width of the ROPE for a row of atoms, in mean bonds."""
FIRST = 5
"""Number of unit cells at which the curve of a row of atoms begins."""
SOURCE_TIP = (
    "A row of atoms of the image at hand; as examples, the two chains simulated in the paper, or one of your own"
)
DIRECTIONS = {"along a": (1, 0), "along b": (0, 1), "along a + b": (1, 1), "along a - b": (1, -1)}
LINE = "line in a shapes layer"
ROW_TIPS = {
    "direction": "Lattice direction of the rows (a and b are those of Measure lattice), or the atoms near the longest "
    "side of the last shape in the active shapes layer",
    "row": "Number of the row, the longest first; its atoms are selected in all views",
    "within": "Use only rows of the atoms that are selected now",
}
Mask = npt.NDArray[np.bool_]
PRIORS = {
    "mu1": "of the odd bonds",
    "mu2": "of the even bonds",
    "mu3": "of the difference even - odd",
}


class ChainSource(QtWidgets.QWidget):  # type: ignore[misc]
    """The kind of chain, and below it the form of that kind."""

    chosen = QtCore.Signal()
    """Another kind was chosen."""
    changed = QtCore.Signal()
    """The chain has changed, its kind has not."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind, self.own, self.row = QtWidgets.QComboBox(), ModelForm(SimulatedChain()), RowPicker(controller)
        self.by_hand = False
        self.kind.addItems([ROW, CASE_1, CASE_2, OWN])
        self.kind.setCurrentText(CASE_2)
        self.kind.setToolTip(f"<qt>{SOURCE_TIP}</qt>")
        layout, top = QtWidgets.QVBoxLayout(self), rows_layout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        top.addRow("chain", self.kind)
        layout.addLayout(top)
        for part in (self.own, self.row):
            layout.addWidget(part)
            part.changed.connect(self._on_changed)
        self.kind.activated.connect(lambda _: self._on_kind_chosen())
        self._show_kind()

    def follow(self, atoms: Atoms | None) -> bool:
        """Show a row of these atoms if they have a lattice, else the example; whether another kind is shown."""
        kind = ROW if atoms is not None and "grain" in atoms.features else CASE_2
        if self.by_hand or kind == self.kind.currentText():
            return False
        self.kind.setCurrentText(kind)
        self._show_kind()
        return True

    def problem(self) -> str:
        """Why the form cannot be used; empty if it can."""
        return self.own.problem()

    def chain(self) -> tuple[Chain, str]:
        """The chain, and the unit of its bonds.

        Raises
        ------
        InputError
            Where there is no row of atoms to use.
        """
        kind = self.kind.currentText()
        if kind == ROW:
            row = self.row.chain()
            return row.chain, row.unit
        return (SimulatedChain.of_case(CASES[kind]) if kind in CASES else self.own.model())(), ""

    def select(self) -> None:
        """Select the atoms of the row in all views, if the chain is one that was chosen by hand."""
        if self.by_hand and self.kind.currentText() == ROW:
            self.row.select(self.row.chain())

    def model(self) -> ChainModel:
        """Default model of such a chain: that of the paper; for atoms by their positions, with a suitable ROPE."""
        if self.kind.currentText() == ROW:
            try:
                bond = float(self.row.chain().chain.bonds.mean())
            except InputError:
                return ChainModel()  # `chain` reports why there is no row
            half = float(f"{ROPE * bond:.2g}")
            return ChainModel(difference="positions", rope_half_width=half, first_cells=FIRST)
        return ChainModel()

    def noise(self, view: ChainView) -> Noise:
        """Whether the noise of a chain is on its positions or on its bonds, as far as it is known."""
        if self.kind.currentText() == OWN:
            return self.own.model().noise
        found = "" if view.correlation is None else view.correlation.favours
        return found or ("positions" if view.model.difference == "positions" else "bonds")

    def _show_kind(self) -> None:
        self.own.setVisible(self.kind.currentText() == OWN)
        self.row.setVisible(self.kind.currentText() == ROW)

    def _on_changed(self) -> None:
        self.by_hand = True
        self.changed.emit()

    def _on_kind_chosen(self) -> None:
        self.by_hand = True
        self._show_kind()
        self.chosen.emit()


class RowPicker(QtWidgets.QWidget):  # type: ignore[misc]
    """Direction and number of the row of atoms that is taken as a chain."""

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
            widget.setToolTip(f"<qt>{ROW_TIPS[name]}</qt>")
        self.direction.activated.connect(lambda _: self.changed.emit())
        self.row.valueChanged.connect(lambda _: self.changed.emit())
        self.within.toggled.connect(self._on_within_toggled)

    def chain(self) -> RowChain:
        """The chosen row.

        Raises
        ------
        InputError
            Where there are no atoms, no lattice, no line or no row.
        """
        session = self.controller.active
        atoms = None if session is None else session.analysis.atoms
        if atoms is None:
            raise InputError("Find atoms first: there is no row to use.")
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
            raise InputError("No shapes layer with a line is active: draw a line along a row and select its layer.")
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


class PriorsBox(QtWidgets.QWidget):  # type: ignore[misc]
    """Priors of mu1, mu2 and mu3: derived from the data, or with your own parameters."""

    changed = QtCore.Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.own = {name: QtWidgets.QCheckBox(f"own prior {words}") for name, words in PRIORS.items()}
        self.forms = {name: ModelForm(Priors(centre=1.0, scale=0.2, sigma_high=1.0)) for name in PRIORS}
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for name, box in self.own.items():
            box.setToolTip(
                "<qt>By default the first bonds set the prior, as in the paper (which gives none for the difference; "
                "that one is our choice). Tick to set family, centre, scale and bounds of the standard deviation.</qt>"
            )
            layout.addWidget(box)
            layout.addWidget(self.forms[name])
            self.forms[name].setVisible(False)
            box.toggled.connect(self.forms[name].setVisible)
            box.toggled.connect(lambda _: self.changed.emit())
            self.forms[name].changed.connect(self.changed)

    def chosen(self) -> dict[str, Priors | None]:
        """Own priors by the name of their field in `ChainModel`; None for those from the data."""
        return {
            f"prior_{name}": self.forms[name].model() if box.isChecked() else None for name, box in self.own.items()
        }

    def problem(self) -> str:
        """Why the forms cannot be used; empty if they can."""
        try:
            self.chosen()
        except ValidationError as error:
            return sentence(error)
        return ""

    def show_used(self, priors: ChainPriors) -> None:
        """Fill the forms that are not in use with the priors from the data, as a starting point."""
        for name, box in self.own.items():
            if not box.isChecked():
                self.forms[name].blockSignals(True)
                self.forms[name].set(getattr(priors, name))
                self.forms[name].blockSignals(False)

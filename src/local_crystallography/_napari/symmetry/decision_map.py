"""Map of the decisions on the symmetry of the image at hand."""

from __future__ import annotations

from functools import partial

import numpy as np
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography._napari.widgets.help import LookLine
from local_crystallography._napari.widgets.panels import narrow_label, row
from local_crystallography._napari.widgets.pictures import pixmap, swatch
from local_crystallography.bayes.decision import Decision
from local_crystallography.data.atoms import Atoms
from local_crystallography.views import small_map
from local_crystallography.views.greys import Colors
from local_crystallography.views.looking import of_map
from local_crystallography.views.styles import DECIDED

NAMES = {"alternation": "Alternation of bonds", "tetragonality": "Sides of the cell", "cell_angle": "Angle of the cell"}
WIDE = 250
"""Longest side of the picture, in points."""
TIPS = {
    "which": "What is decided: whether bonds alternate, and whether sides and angle are those of the ideal lattice",
    "run": "Run Decide symmetry with the settings of the main panel, after Measure lattice where that is missing",
    "show": "Show these decisions on the image itself",
}


class DecisionMap(QtWidgets.QWidget):  # type: ignore[misc]
    """Decisions of one kind on the first frame, with their shares, and a button that makes them."""

    asked = QtCore.Signal()
    """The decisions are to be made."""
    wanted = QtCore.Signal(str)
    """The column to be shown on the image."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.which, self.picture, self.shares = QtWidgets.QComboBox(), QtWidgets.QLabel(), narrow_label()
        self.buttons = {"run": QtWidgets.QPushButton("Decide"), "show": QtWidgets.QPushButton("On the image")}
        self.look = LookLine("", self.picture)
        self._latest = LatestTask(self)
        self._shown: tuple[Atoms | None, str] = (None, "")
        self._shape = (1, 1)
        self._atoms: Atoms | None = None
        self._lay_out()
        self.which.activated.connect(lambda _: self._show())
        self.buttons["run"].clicked.connect(self.asked)
        self.buttons["show"].clicked.connect(lambda _: self.wanted.emit(self.column))

    @property
    def column(self) -> str:
        """The column shown."""
        return f"{self.which.currentData()}_decision"

    def show_atoms(self, atoms: Atoms | None, shape: tuple[int, int], *, ready: bool) -> None:
        """Show the decisions on other atoms; `ready`: whether they can be made."""
        self._atoms, self._shape = atoms, shape
        self.buttons["run"].setEnabled(ready)
        self._show()

    def _lay_out(self) -> None:
        for name, words in NAMES.items():
            self.which.addItem(words, name)
        for name, widget in (("which", self.which), *self.buttons.items()):
            widget.setToolTip(f"<qt>{TIPS[name]}</qt>")
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.which)
        layout.addLayout(row(*self.buttons.values()))
        for widget in (self.shares, self.picture, self.look):
            layout.addWidget(widget)

    def _show(self) -> None:
        atoms, column = self._atoms, self.column
        decided = atoms is not None and column in atoms.features
        self.buttons["show"].setEnabled(decided)
        for part in (self.picture, self.shares):
            part.setVisible(decided)
        self.look.say(of_map(column) if decided else "")
        if atoms is None or not decided:
            self._latest.drop()
            self._shown = (None, "")
        elif self._shown[0] is not atoms or self._shown[1] != column:
            self._shown = (atoms, column)
            self.shares.setText(shares_of(atoms, column))
            self._latest.ask(partial(picture_of, atoms, column, self._shape), self._on_drawn, lambda _: None)

    def _on_drawn(self, picture: Colors) -> None:
        self.picture.setPixmap(pixmap(picture, WIDE, self.devicePixelRatioF()))


def shares_of(atoms: Atoms, column: str) -> str:
    """The share of each decision beside its colour, as rich text."""
    decisions = atoms.features[column].to_numpy(int)
    parts = [
        f"{swatch(DECIDED[each])} {each.words} {share:.0%}"
        for each in Decision
        if (share := float((decisions == each).mean())) > 0
    ]
    none = column != "alternation_decision" and (decisions == Decision.TOO_FEW).all()
    return "The ideal lattice leaves this free: there is nothing to decide." if none else " &nbsp; ".join(parts)


def picture_of(atoms: Atoms, column: str, shape: tuple[int, int]) -> Colors:
    """(h, w, 4) map of the decisions on the first frame."""
    colours = np.array([[*bytes.fromhex(DECIDED[each][1:]), 255] for each in Decision], np.uint8)
    order = np.searchsorted([int(each) for each in Decision], atoms.features[column].to_numpy(int))
    rows = small_map.nearest_rows(atoms, np.ones(len(atoms), bool), shape)
    return small_map.in_colours(rows, colours[order])

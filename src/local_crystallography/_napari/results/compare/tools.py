"""Buttons for the two runs shown in detail: difference layer, selection, tables and figure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.results.compare.asked import Shown
from local_crystallography._napari.results.compare.pictures import differing, usual_difference
from local_crystallography._napari.results.compare.tables import letter
from local_crystallography.studies.comparison import Correlation, Pair
from local_crystallography.views.axis import axis_of

TIPS = {
    "paint": "Add a difference layer to the image: of classes the atoms that differ, in red; of "
    "numbers all atoms, by how much they differ",
    "select": "Select the atoms that differ, in the image and every plot (Shift adds, Alt or Ctrl subtracts, both "
    "intersect); one of the two runs has to be of the atoms as they are now",
    "table": "Write agreement and differences of all pairs as two tables (csv)",
    "figure": "Write maps, differences, tables of classes and histograms as one figure",
    "least": "How far numbers have to lie apart to count as different; at first three standard deviations",
    "pair": "The two runs that are shown closer, painted and selected",
}


class PairTools(QtWidgets.QWidget):  # type: ignore[misc]
    """The pair, what counts as different, and four buttons."""

    paired = QtCore.Signal(int, int)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.pair, self.least = QtWidgets.QComboBox(), QtWidgets.QDoubleSpinBox()
        self.paint, self.select = QtWidgets.QPushButton("Paint differences"), QtWidgets.QPushButton()
        self.table, self.figure = QtWidgets.QPushButton("Save tables …"), QtWidgets.QPushButton("Save figure …")
        self._words = {name: QtWidgets.QLabel(words) for name, words in (("pair", "Pair"), ("least", "Apart by over"))}
        self._shown: Shown | None = None
        self._lay_out()
        self.pair.activated.connect(lambda _: self.paired.emit(*self.pair.currentData()))
        self.least.valueChanged.connect(lambda _: self._count())

    def show_pair(self, shown: Shown) -> None:
        """Offer the pairs of a comparison, and what can be done with the one shown."""
        new, self._shown = self._shown is None or self._shown.pair is not shown.pair, shown
        self._show_pairs(shown)
        found = shown.pair.found
        if isinstance(found, Correlation) and new:
            how = axis_of(shown.comparison.column)
            self.least.setSuffix(f" {how.unit}" if how.unit else "")
            usual = usual_difference(found) * how.factor
            self.least.setDecimals(int(np.clip(2 - np.floor(np.log10(usual or 1.0)), 1, 8)))
            self.least.setSingleStep(10.0 ** -self.least.decimals() * 10)
            self.least.setValue(usual)
        for widget in (self.least, self._words["least"]):
            widget.setVisible(isinstance(found, Correlation))
        self._count()

    def differing(self, pair: Pair) -> npt.NDArray[np.bool_]:
        """(n,) which atoms of the pair differ, numbers by more than what was chosen."""
        factor = 1.0 if self._shown is None else axis_of(self._shown.comparison.column).factor
        return differing(pair, self.least.value() / factor)

    def _lay_out(self) -> None:
        layout = QtWidgets.QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.least.setRange(0.0, 1e9)
        parts = (self._words["pair"], self.pair, self._words["least"], self.least)
        buttons = (self.paint, self.select, self.table, self.figure)
        for place, widget in enumerate((*parts, *buttons)):
            layout.addWidget(widget, place // 2, place % 2)
        for column in (0, 1):
            layout.setColumnStretch(column, 1)
        for name, tip in TIPS.items():
            getattr(self, name).setToolTip(f"<qt>{tip}</qt>")

    def _show_pairs(self, shown: Shown) -> None:
        pairs = [each.runs for each in shown.comparison.pairs]
        if pairs != [self.pair.itemData(i) for i in range(self.pair.count())]:
            self.pair.clear()
            for first, second in pairs:
                self.pair.addItem(f"{letter(first)} ↔ {letter(second)}", (first, second))
        self.pair.setCurrentIndex(pairs.index(shown.pair.runs))
        for widget in (self.pair, self._words["pair"]):
            widget.setVisible(len(pairs) > 1)

    def _count(self) -> None:
        if self._shown is not None:
            count = int(np.count_nonzero(self.differing(self._shown.pair)))
            self.select.setText(f"Select {count:,} that differ" if count != 1 else "Select 1 that differs")
            self.select.setEnabled(count > 0)

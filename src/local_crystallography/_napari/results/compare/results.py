"""A comparison in pictures and numbers: maps, differences, counts, histograms, and commands on a pair of runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtGui, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.results.compare import tables
from local_crystallography._napari.results.compare.pictures import (
    Pictures,
    ShownComparison,
    differing,
    usual_difference,
)
from local_crystallography._napari.widgets.help import LookLine
from local_crystallography._napari.widgets.panels import KEYS
from local_crystallography._napari.widgets.pictures import PictureButton, elided
from local_crystallography._napari.widgets.plots import FixedPlot
from local_crystallography.studies.comparison import Correlation, Pair
from local_crystallography.views.axis import axis_of
from local_crystallography.views.greys import Colors
from local_crystallography.views.looking import PANELS

SIDE = 136
"""Longest side of a map, in points."""
MARGIN = 8
"""Margin around the words of a button: two maps fit side by side."""
BINS = 48
RUNS = ("#2a95ff", "#ff9d2a", "#2fb37c", "#cc79a7", "#b5a642", "#a5aab2")
"""Colours of runs in histograms, visible on dark and on light."""
APART = "#ef4135"
HEIGHT = 132
MAP_TIP = "Click: enlarge this map in a window of its own"
PLOT_TIP = "Histogram of the values; runs in the order of the list, the first one bold"
WORDS_TIP = "Agreement in the column compared, and in the angles and latents that both runs have"
TABLE_TIPS = {
    "scores": "Agreement of every pair of runs, 1 if they are the same; click a number to see its pair in detail",
    "counts": "Atoms of every class in every run; classes are numbered as in the first one",
    "classes": "Atoms by their class in the first run (rows) and in the second (columns); click a number to select "
    f"them ({KEYS})",
}
DIFFERENCE_TIP = "Histogram of the differences between the two runs shown in detail"
TOOL_TIPS = {
    "paint": "Add a difference layer to the image: for classes the atoms that differ, in red; for numbers all atoms, "
    "coloured by their difference",
    "select": f"Select the atoms that differ, in the image and every plot ({KEYS}); one of the two runs must be of the "
    "present atoms",
    "table": "Write agreement and differences of all pairs as two tables (csv)",
    "figure": "Write maps, differences, tables of classes and histograms as one figure",
    "least": "Smallest difference that counts; at first three standard deviations",
    "pair": "The two runs shown in detail, painted and selected",
}


class Results(QtWidgets.QWidget):  # type: ignore[misc]
    """Maps, tables and histograms of a comparison."""

    linked = QtCore.Signal(str)
    """A number in a table was clicked: `pair 0 2`, or `cell 0 1` of two classes."""
    enlarged = QtCore.Signal(int)
    """A map was clicked, by its index; -1 is that of the differences."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.tools = PairTools()
        self.maps: list[PictureButton] = []
        self.difference = _map_button(partial(self.enlarged.emit, -1))
        self.legend, self.words = self._label(), self._label()
        self.scores, self.counts, self.classes = (Wide(self._label()) for _ in range(3))
        self.words.setToolTip(f"<qt>{WORDS_TIP}</qt>")
        for name, tip in TABLE_TIPS.items():
            getattr(self, name).setToolTip(f"<qt>{tip}</qt>")
        self.histogram, self.differences = FixedPlot(HEIGHT, PLOT_TIP), FixedPlot(HEIGHT, DIFFERENCE_TIP)
        self._grid = QtWidgets.QGridLayout()
        self._lay_out()

    def show_comparison(self, shown: ShownComparison) -> None:
        """Show a comparison, and one of its pairs in detail."""
        pictures, pair = shown.pictures, shown.pair
        comparison, styles = pictures.comparison, pictures.styles
        self._show_maps(pictures, pair, shown.maps)
        self.tools.show_pair(shown)
        self.scores.setVisible(len(comparison.names) > 2)
        self.scores.setText(tables.scores_table(comparison, pair))
        self.words.setText(f"<b>{_pair_title(pair)}</b><br>{tables.pair_words(comparison, pair)}")
        of_classes = comparison.of_classes
        for widget in (self.counts, self.classes):
            widget.setVisible(of_classes)
        for widget in (self.histogram, self.differences):
            widget.setVisible(not of_classes)
        if of_classes:
            self.counts.setText(tables.counts_table(comparison, styles))
            self.classes.setText(tables.classes_table(comparison, pair, styles))
        else:
            self._show_histograms(pictures, pair)

    def _lay_out(self) -> None:
        layout, below = QtWidgets.QVBoxLayout(self), QtWidgets.QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self._grid.setColumnStretch(2, 1)
        below.addWidget(self.difference, alignment=QtCore.Qt.AlignmentFlag.AlignTop)
        below.addWidget(self.legend, stretch=1)
        self.legend.setAlignment(QtCore.Qt.AlignmentFlag.AlignTop)
        self.legend.setMinimumWidth(1)  # or a name without spaces would make the dock wider
        layout.addLayout(self._grid)
        layout.addLayout(below)
        layout.addWidget(LookLine(PANELS["compare"]))
        for widget in (
            self.tools,
            self.words,
            self.classes,
            self.scores,
            self.counts,
            self.histogram,
            self.differences,
        ):
            layout.addWidget(widget)

    def _label(self) -> QtWidgets.QLabel:
        label = QtWidgets.QLabel(wordWrap=True)
        flags = QtCore.Qt.TextInteractionFlag
        label.setTextInteractionFlags(flags.TextBrowserInteraction)
        label.linkActivated.connect(self.linked)
        return label

    def _show_maps(self, pictures: Pictures, pair: Pair, drawn: list[Colors]) -> None:
        while len(self.maps) > len(drawn) - 1:
            button = self.maps.pop()
            self._grid.removeWidget(button)
            button.hide()
            button.deleteLater()
        while len(self.maps) < len(drawn) - 1:
            number = len(self.maps)
            self.maps.append(_map_button(partial(self.enlarged.emit, number)))
            self._grid.addWidget(self.maps[-1], number // 2, number % 2)
        for number, (button, name) in enumerate(zip(self.maps, pictures.comparison.names, strict=True)):
            _fill(button, drawn[number], f"{tables.letter(number)}  {name}")
        _fill(self.difference, drawn[-1], _pair_title(pair))
        self.legend.setText(f"{tables.runs_legend(pictures)}<br><br>{tables.pair_legend(pictures, pair)}")

    def _show_histograms(self, pictures: Pictures, pair: Pair) -> None:
        comparison, axis = pictures.comparison, axis_of(pictures.comparison.column)
        values = [each[np.isfinite(each)] * axis.factor for each in comparison.values]
        low, high = np.percentile(np.concatenate(values), (0.25, 99.75))
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        self.histogram.clear()
        for number, each in enumerate(values):
            pen = pg.mkPen(RUNS[number % len(RUNS)], width=2.5 if number == 0 else 1.2)
            self.histogram.plot(edges, np.histogram(each, edges)[0], stepMode="center", pen=pen)
        letters = [
            f'<span style="color: {RUNS[number % len(RUNS)]}"><b>{tables.letter(number)}</b></span>'
            for number in range(len(values))
        ]
        self.histogram.setLabel("bottom", axis.label)
        self.histogram.show_title(" ".join(letters))
        assert isinstance(pair.found, Correlation)
        apart = pair.found.deviation[np.isfinite(pair.found.deviation)] * axis.factor
        reach = float(np.percentile(np.abs(apart), 99.5)) if len(apart) else 0.0
        edges = np.linspace(-(reach or 1), reach or 1, BINS + 1)
        self.differences.clear()
        self.differences.plot(edges, np.histogram(apart, edges)[0], stepMode="center", pen=pg.mkPen(APART, width=2))
        less = ", mean subtracted" if pair.found.period is not None else ""
        unit = f" ({axis.unit})" if axis.unit else ""
        first, second = map(tables.letter, pair.runs)
        self.differences.setLabel("bottom", f"{second} \N{MINUS SIGN} {first}{less}{unit}")


class Wide(QtWidgets.QScrollArea):  # type: ignore[misc]
    """A label with a table, which scrolls sideways if it is wider than the panel."""

    def __init__(self, label: QtWidgets.QLabel) -> None:
        super().__init__()
        self.label = label
        label.setWordWrap(False)
        self.setWidget(label)
        self.setFrameShape(self.Shape.NoFrame)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        self.setVerticalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def setText(self, words: str) -> None:
        """Show another table."""
        self.label.setText(words)
        self._fit()

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Take the height of the table and of its scroll bar."""
        self.label.adjustSize()
        wide = self.label.width() > self.viewport().width()
        self.setFixedHeight(self.label.height() + (self.horizontalScrollBar().sizeHint().height() if wide else 0))


class PairTools(QtWidgets.QWidget):  # type: ignore[misc]
    """The pair of runs, the smallest difference that counts, and four buttons."""

    paired = QtCore.Signal(int, int)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.pair, self.least = QtWidgets.QComboBox(), QtWidgets.QDoubleSpinBox()
        self.paint, self.select = QtWidgets.QPushButton("Add difference layer"), QtWidgets.QPushButton()
        self.table, self.figure = QtWidgets.QPushButton("Save tables …"), QtWidgets.QPushButton("Save figure …")
        self._words = {name: QtWidgets.QLabel(words) for name, words in (("pair", "Pair"), ("least", "Differ by over"))}
        self._shown: ShownComparison | None = None
        self._lay_out()
        self.pair.activated.connect(lambda _: self.paired.emit(*self.pair.currentData()))
        self.least.valueChanged.connect(lambda _: self._count())

    def show_pair(self, shown: ShownComparison) -> None:
        """Offer the pairs of a comparison, and the commands on the one shown."""
        new, self._shown = self._shown is None or self._shown.pair is not shown.pair, shown
        self._show_pairs(shown)
        found = shown.pair.found
        if isinstance(found, Correlation) and new:
            axis = axis_of(shown.comparison.column)
            self.least.setSuffix(f" {axis.unit}" if axis.unit else "")
            usual = usual_difference(found) * axis.factor
            self.least.setDecimals(int(np.clip(2 - np.floor(np.log10(usual or 1.0)), 1, 8)))
            self.least.setSingleStep(10.0 ** -self.least.decimals() * 10)
            self.least.setValue(usual)
        for widget in (self.least, self._words["least"]):
            widget.setVisible(isinstance(found, Correlation))
        self._count()

    def differing(self, pair: Pair) -> npt.NDArray[np.bool_]:
        """(n,) atoms of the pair that differ, for numbers by more than the smallest difference that counts."""
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
        for name, tip in TOOL_TIPS.items():
            getattr(self, name).setToolTip(f"<qt>{tip}</qt>")

    def _show_pairs(self, shown: ShownComparison) -> None:
        pairs = [each.runs for each in shown.comparison.pairs]
        if pairs != [self.pair.itemData(i) for i in range(self.pair.count())]:
            self.pair.clear()
            for first, second in pairs:
                self.pair.addItem(f"{tables.letter(first)} ↔ {tables.letter(second)}", (first, second))
        self.pair.setCurrentIndex(pairs.index(shown.pair.runs))
        for widget in (self.pair, self._words["pair"]):
            widget.setVisible(len(pairs) > 1)

    def _count(self) -> None:
        if self._shown is not None:
            count = int(np.count_nonzero(self.differing(self._shown.pair)))
            self.select.setText(f"Select {count:,} that differ" if count != 1 else "Select 1 that differs")
            self.select.setEnabled(count > 0)


def _pair_title(pair: Pair) -> str:
    return f"{tables.letter(pair.runs[0])} ↔ {tables.letter(pair.runs[1])}"


def _map_button(clicked: Callable[[], object]) -> PictureButton:
    button = PictureButton(below=True)
    button.setToolTip(MAP_TIP)
    button.setAutoRaise(True)
    button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Fixed, QtWidgets.QSizePolicy.Policy.Fixed)
    button.clicked.connect(lambda _: clicked())
    return button


def _fill(button: PictureButton, picture: Colors, words: str) -> None:
    button.show_picture(picture, SIDE, f"{escape(words)}. {MAP_TIP}")
    button.setText(elided(button, words, max(button.iconSize().width(), SIDE // 2) - MARGIN))

"""A comparison in pictures and numbers: maps, what differs, counts, histograms and the classes of a pair."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape

import numpy as np
from qtpy import QtCore, QtGui, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.results.compare import tables
from local_crystallography._napari.results.compare.legends import pair_legend, runs_legend
from local_crystallography._napari.results.compare.pictures import Pictures
from local_crystallography._napari.results.fitting import elided
from local_crystallography._napari.widgets.pictures import pixmap
from local_crystallography._napari.widgets.theme import theme_of
from local_crystallography.studies.comparison import Correlation, Pair
from local_crystallography.views.axis import axis_of
from local_crystallography.views.greys import Colors

SIDE = 136
"""Longest side of a map in points of the screen."""
MARGIN = 8
"""What a button has around its words: two maps are to fit beside each other."""
BINS = 48
RUNS = ("#2a95ff", "#ff9d2a", "#2fb37c", "#cc79a7", "#b5a642", "#a5aab2")
"""Colours of runs in histograms, to be seen on dark and on light."""
APART = "#ef4135"
HEIGHT = 132
MAP_TIP = "Click: see this map large, in a window of its own"
PLOT_TIP = "How many atoms have which value; the runs in the order of the list, the first one drawn bold"
WORDS_TIP = "Of the column compared, and of angles and latents that both runs have"
TABLE_TIPS = {
    "scores": "Agreement of every pair of runs, 1 for the same; click a number to look closer at its pair",
    "counts": "Atoms of every class in every run, classes numbered as in the first one",
    "classes": "Atoms by their class in the one run (rows) and in the other (columns); click a number to select them "
    "(Shift adds, Alt or Ctrl subtracts, both intersect)",
}
DIFFERENCE_TIP = "How many atoms of both runs differ by how much, in the pair shown"


class Results(QtWidgets.QWidget):  # type: ignore[misc]
    """What is shown of a comparison; it works nothing out."""

    linked = QtCore.Signal(str)
    """A number in a table was clicked: `pair 0 2`, or `cell 0 1` of two classes."""
    enlarged = QtCore.Signal(int)
    """A map was clicked, by its place; -1 is what differs."""

    def __init__(self, tools: QtWidgets.QWidget, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.tools = tools
        self.maps: list[QtWidgets.QToolButton] = []
        self.difference = _map_button(partial(self.enlarged.emit, -1))
        self.legend, self.words = self._label(), self._label()
        self.scores, self.counts, self.classes = (Wide(self._label()) for _ in range(3))
        self.words.setToolTip(f"<qt>{WORDS_TIP}</qt>")
        for name, tip in TABLE_TIPS.items():
            getattr(self, name).setToolTip(f"<qt>{tip}</qt>")
        self.histogram, self.differences = _plot(PLOT_TIP), _plot(DIFFERENCE_TIP)
        self._grid = QtWidgets.QGridLayout()
        self._lay_out()

    def show_comparison(self, pictures: Pictures, pair: Pair, made: list[Colors]) -> None:
        """Show a comparison with one of its pairs; `made` are the maps of the runs and what the pair differs in."""
        comparison, styles = pictures.comparison, pictures.styles
        self._show_maps(pictures, pair, made)
        self.scores.setVisible(len(comparison.names) > 2)
        self.scores.setText(tables.scores_table(comparison, pair))
        self.words.setText(f"<b>{_pair_title(pair)}</b><br>{tables.pair_words(comparison, pair)}")
        of_classes = comparison.of_classes
        for widget, shown in ((self.counts, of_classes), (self.classes, of_classes), (self.histogram, not of_classes)):
            widget.setVisible(shown)
        self.differences.setVisible(not of_classes)
        if of_classes:
            self.counts.setText(tables.counts_table(comparison, styles))
            self.classes.setText(tables.classes_table(comparison, pair, styles))
        else:
            self._show_histograms(pictures, pair)

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        theme = theme_of(dark)
        for plot in (self.histogram, self.differences):
            plot.setBackground(theme.window)
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(theme.line)
                plot.getAxis(side).setTextPen(theme.text)

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

    def _show_maps(self, pictures: Pictures, pair: Pair, made: list[Colors]) -> None:
        while len(self.maps) > len(made) - 1:
            button = self.maps.pop()
            self._grid.removeWidget(button)
            button.hide()
            button.deleteLater()
        while len(self.maps) < len(made) - 1:
            number = len(self.maps)
            self.maps.append(_map_button(partial(self.enlarged.emit, number)))
            self._grid.addWidget(self.maps[-1], number // 2, number % 2)
        for number, (button, name) in enumerate(zip(self.maps, pictures.comparison.names, strict=True)):
            _fill(button, made[number], f"{tables.letter(number)}  {name}")
        _fill(self.difference, made[-1], _pair_title(pair))
        self.legend.setText(f"{runs_legend(pictures)}<br><br>{pair_legend(pictures, pair)}")

    def _show_histograms(self, pictures: Pictures, pair: Pair) -> None:
        comparison, how = pictures.comparison, axis_of(pictures.comparison.column)
        values = [each[np.isfinite(each)] * how.factor for each in comparison.values]
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
        self.histogram.setLabel("bottom", how.label)
        self.histogram.setTitle(" ".join(letters), size="9pt")
        assert isinstance(pair.found, Correlation)
        apart = pair.found.deviation[np.isfinite(pair.found.deviation)] * how.factor
        reach = float(np.percentile(np.abs(apart), 99.5)) if len(apart) else 0.0
        edges = np.linspace(-(reach or 1), reach or 1, BINS + 1)
        self.differences.clear()
        self.differences.plot(edges, np.histogram(apart, edges)[0], stepMode="center", pen=pg.mkPen(APART, width=2))
        less = " less its mean" if pair.found.period is not None else ""
        unit = f" ({how.unit})" if how.unit else ""
        first, second = map(tables.letter, pair.runs)
        self.differences.setLabel("bottom", f"{second} \N{MINUS SIGN} {first}{less}{unit}")


class Wide(QtWidgets.QScrollArea):  # type: ignore[misc]
    """A label with a table that may be wider than the panel, and is then moved sideways."""

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
        """As high as the table, and the bar below it where there is one."""
        self.label.adjustSize()
        wide = self.label.width() > self.viewport().width()
        self.setFixedHeight(self.label.height() + (self.horizontalScrollBar().sizeHint().height() if wide else 0))


class Large(QtWidgets.QDialog):  # type: ignore[misc]
    """A map in a window of its own."""

    def __init__(self, picture: Colors, title: str, legend: str, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        self.picture, words = QtWidgets.QLabel(), QtWidgets.QLabel(legend)
        self.picture.setPixmap(pixmap(picture, max(picture.shape), 1.0))
        layout = QtWidgets.QHBoxLayout(self)
        layout.addWidget(self.picture)
        layout.addWidget(words, alignment=QtCore.Qt.AlignmentFlag.AlignTop)


def _pair_title(pair: Pair) -> str:
    return f"{tables.letter(pair.runs[0])} ↔ {tables.letter(pair.runs[1])}"


def _map_button(clicked: Callable[[], object]) -> QtWidgets.QToolButton:
    button = QtWidgets.QToolButton(autoRaise=True)
    button.setToolTip(MAP_TIP)
    button.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
    button.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
    button.clicked.connect(lambda _: clicked())
    return button


def _fill(button: QtWidgets.QToolButton, picture: Colors, words: str) -> None:
    height, width = picture.shape[:2]
    size = QtCore.QSize(width, height) * (SIDE / max(height, width))
    button.setIcon(QtGui.QIcon(pixmap(picture, SIDE, button.devicePixelRatioF())))
    button.setIconSize(size)
    button.setText(elided(button, words, max(size.width(), SIDE // 2) - MARGIN))
    button.setToolTip(f"<qt>{escape(words)}. {MAP_TIP}</qt>")


def _plot(tip: str) -> pg.PlotWidget:
    plot = pg.PlotWidget()
    plot.setFixedHeight(HEIGHT)
    plot.setMouseEnabled(x=False, y=False)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.getPlotItem().setContentsMargins(0, 0, 8, 0)
    plot.setToolTip(f"<qt>{tip}</qt>")
    return plot

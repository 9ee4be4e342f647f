"""Plot of the distances of atoms, with the window they suggest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from qtpy import QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.widgets.theme import theme_of
from local_crystallography.lattice.shells import Suggestion

PAIRS, SHELL, WINDOW = "#2a95ff", "#ff9d2a", "#ea4080"
HEIGHT = 165
TIP = (
    "Pair distribution g(r): how many times as many atoms are so far from an atom as if they stood at random. Its "
    "peaks are the shells of neighbours. The line is the radius of the disc in the window, which is all the network "
    "sees; it is suggested so that the first two shells are inside. Dashed: the windows in the list below."
)


class PairPlot(pg.PlotWidget):  # type: ignore[misc]
    """The radial pair distribution with its shells and the radius of windows."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(HEIGHT)
        self.setMouseEnabled(x=False, y=False)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.getPlotItem().setContentsMargins(0, 0, 10, 0)
        self.setToolTip(f"<qt>{TIP}</qt>")
        for side in ("left", "bottom"):
            # or the axis would count in thousandths and not say so; later than the first label it has no effect
            self.getAxis(side).enableAutoSIPrefix(False)
        self._unit = "px"
        self._others: list[pg.InfiniteLine] = []
        self._scale = 1.0
        self.set_theme(dark=True)

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        self._theme = theme_of(dark)
        self.setBackground(self._theme.window)
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(self._theme.line)
            self.getAxis(side).setTextPen(self._theme.text)
        title = (
            f'<span style="color: {PAIRS}">pairs</span>, <span style="color: {SHELL}">shells</span>, '
            f'<span style="color: {WINDOW}">radius of the window</span>'
        )
        self.setTitle(title, color=self._theme.text, size="9pt")
        self._label()

    def show_suggestion(self, found: Suggestion, pixel_size: float | None) -> None:
        """Draw it, in nm where the pixel size is known."""
        self._scale, self._unit = (1.0, "px") if pixel_size is None else (pixel_size, "nm")
        self.clear()
        self._others = []
        self.plot(found.radius * self._scale, found.density, pen=pg.mkPen(PAIRS, width=2))
        heights = np.interp(found.shells, found.radius, found.density)
        self.plot(
            found.shells * self._scale, heights, pen=None, symbol="o", symbolSize=7, symbolBrush=SHELL, symbolPen=None
        )
        self.addItem(pg.InfiniteLine(found.window / 2 * self._scale, 90, pen=pg.mkPen(WINDOW, width=2)))
        self.setXRange(0, float(found.radius[-1]) * self._scale, padding=0.01)
        self.setYRange(0, float(found.density.max()) or 1.0, padding=0.05)
        self._label()

    def show_windows(self, windows: Sequence[int]) -> None:
        """Draw the radius of other windows, in pixels."""
        for line in self._others:
            self.removeItem(line)
        pen = pg.mkPen(self._theme.line, width=1, dash=(3, 3))
        self._others = [pg.InfiniteLine(window / 2 * self._scale, 90, pen=pen) for window in windows]
        for line in self._others:
            line.setZValue(-1)
            self.addItem(line, ignoreBounds=True)

    def _label(self) -> None:
        for side, words in (("bottom", f"distance, {self._unit}"), ("left", "g(r)")):
            self.setLabel(side, words, color=self._theme.text)

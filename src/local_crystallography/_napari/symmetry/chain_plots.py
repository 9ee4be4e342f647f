"""The panels of Fig. 1b to 1e of one chain, as unit cells are added."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtGui, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.widgets.help import looked_at
from local_crystallography._napari.widgets.plots import FixedPlot
from local_crystallography.bayes.sampling import Reference
from local_crystallography.views.chain_view import ChainView
from local_crystallography.views.looking import PANELS

Array = npt.NDArray[np.float64]
ODD, EVEN, BAND, ROPE = "#2a95ff", "#ff9d2a", "#2a95ff", "#d55e00"
DENSITY = "viridis"
PLACES = {
    "mean": (0, 0, 1, 1),
    "deviation": (0, 1, 1, 1),
    "difference": (1, 0, 1, 2),
    "interval": (2, 0, 1, 2),
    "mass": (3, 0, 1, 2),
}
HEIGHT = 112
TITLES = {
    "mean": f'<span style="color: {ODD}">μ1 odd</span>, <span style="color: {EVEN}">μ2 even</span> bonds',
    "deviation": f'<span style="color: {ODD}">σ1 odd</span>, <span style="color: {EVEN}">σ2 even</span>',
    "difference": "posterior of μ3 = even - odd",
    "interval": f'<span style="color: {BAND}">interval of μ3</span> and <span style="color: {ROPE}">ROPE</span>',
    "mass": "probability inside a ROPE of this half width",
}
TIPS = {
    "mean": "Posterior of the mean odd and even bonds (Fig. 1b, c): filled at present, thin line after the first unit "
    "cell; dots are draws of the reference posterior.",
    "deviation": "Posterior of the standard deviations of the bonds (Fig. 1b, c): filled at present, thin line after "
    "the first unit cell.",
    "difference": "Posterior of the difference even - odd against the number of unit cells (Fig. 1d); each column is "
    "scaled to its own peak.",
    "interval": "Interval of the difference and the ROPE against the number of unit cells (Fig. 1e); a line marks the "
    "first decision.",
    "mass": "Probability that the difference lies inside the ROPE, for every half width; the line marks the chosen "
    "one. It shows how much the decision depends on that choice.",
}
BINS = 60


class ChainPlots(QtWidgets.QWidget):  # type: ignore[misc]
    """Five plots below each other."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.plots = {name: ChainPlot(TITLES[name], TIPS[name]) for name in PLACES}
        self.view: ChainView | None = None
        layout = QtWidgets.QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for name, place in PLACES.items():
            layout.addLayout(looked_at(self.plots[name], PANELS[name]), *place)
        self.image = pg.ImageItem(axisOrder="col-major")
        self.image.setLookupTable(pg.colormap.get(DENSITY).getLookupTable(nPts=256))
        self.plots["difference"].addItem(self.image)
        self.plots["interval"].setXLink(self.plots["difference"])

    def show_view(self, view: ChainView) -> None:
        """Show a chain after some of its unit cells."""
        self.view = view
        for name, pair in (("mean", (view.mu1, view.mu2)), ("deviation", (view.sigma1, view.sigma2))):
            self.plots[name].clear()
            for posterior, ink in zip(pair, (ODD, EVEN), strict=True):
                self.plots[name].add_density(posterior.x[-1], posterior.density[-1], ink, filled=True)
                top = posterior.density[-1].max() / posterior.density[0].max()
                self.plots[name].add_density(posterior.x[0], top * posterior.density[0], ink, filled=False)
            self.plots[name].hideAxis("left")
            self._fit(name, [(p.x[-1], p.density[-1]) for p in pair])
        self._show_difference(view)
        self._show_interval(view)
        self._show_mass(view)

    def show_reference(self, reference: Reference) -> None:
        """Draws over the posteriors, as dots at the height of their histogram."""
        for name, parameters in (("mean", ("mu1", "mu2")), ("deviation", ("sigma1", "sigma2"))):
            for parameter, ink in zip(parameters, (ODD, EVEN), strict=True):
                if parameter in reference.draws:
                    self.plots[name].add_draws(reference.draws[parameter].ravel(), ink)

    def _fit(self, name: str, densities: list[tuple[Array, Array]]) -> None:
        """Fit the view to the present posteriors."""
        ends = [x[density > 0.002 * density.max()] for x, density in densities]
        self.plots[name].setXRange(min(x[0] for x in ends), max(x[-1] for x in ends), padding=0.05)
        self.plots[name].setYRange(0, 1.08 * max(float(density.max()) for _, density in densities), padding=0)

    def _show_difference(self, view: ChainView) -> None:
        picture, low, high = view.picture()
        first = float(view.result.cells[0]) - 0.5
        self.image.setImage(picture, levels=(0, 1), rect=QtCore.QRectF(first, low, len(picture), high - low))
        self.plots["difference"].setYRange(low, high, padding=0)

    def _show_interval(self, view: ChainView) -> None:
        plot, r, i = self.plots["interval"], view.result, view.row
        plot.clear()
        cells = r.cells[: i + 1].astype(float)
        half = view.model.rope_half_width
        plot.addItem(pg.LinearRegionItem((-half, half), "horizontal", _tint(ROPE, 70), pg.mkPen(ROPE), movable=False))
        low, high = pg.PlotDataItem(cells, r.low[: i + 1]), pg.PlotDataItem(cells, r.high[: i + 1])
        for edge in (low, high):
            edge.setPen(pg.mkPen(BAND, width=2))
            plot.addItem(edge)
        plot.addItem(pg.FillBetweenItem(low, high, brush=_tint(BAND, 90)))
        first = r.first_decided
        if first is not None and first <= r.cells[i]:
            plot.addItem(pg.InfiniteLine(first, 90, pen=plot.ink(style=QtCore.Qt.PenStyle.DashLine)))
        plot.setXRange(cells[0], max(cells[-1], cells[0] + 1), padding=0.02)
        plot.setYRange(min(r.low[: i + 1].min(), -half), max(r.high[: i + 1].max(), half), padding=0.08)

    def _show_mass(self, view: ChainView) -> None:
        plot = self.plots["mass"]
        plot.clear()
        halves, inside = view.in_rope_against_half_width()
        plot.addItem(pg.PlotDataItem(halves, inside, pen=pg.mkPen(BAND, width=2)))
        plot.addItem(pg.InfiniteLine(view.model.rope_half_width, 90, pen=pg.mkPen(ROPE, width=2)))
        plot.setXRange(0, halves[-1], padding=0)
        plot.setYRange(0, 1.02, padding=0)


class ChainPlot(FixedPlot):
    """A plot of densities and draws."""

    def __init__(self, title: str, tip: str) -> None:
        super().__init__(HEIGHT, tip, title=title)
        self.setMinimumWidth(60)
        self.getAxis("left").setWidth(34)

    def add_density(self, x: Array, density: Array, ink: str, *, filled: bool) -> None:
        """A curve, filled down to zero or thin."""
        kept = density > 1e-6 * density.max()
        fill = {"fillLevel": 0, "brush": _tint(ink, 90)} if filled else {}
        self.addItem(pg.PlotDataItem(x[kept], density[kept], pen=pg.mkPen(ink, width=2 if filled else 1), **fill))

    def add_draws(self, draws: Array, ink: str) -> None:
        """The histogram of draws as dots."""
        height, edges = np.histogram(draws, BINS, density=True)
        middle = (edges[1:] + edges[:-1]) / 2
        self.addItem(pg.ScatterPlotItem(middle, height, size=4, pen=None, brush=pg.mkBrush(ink)))

    def ink(self, style: Any) -> QtGui.QPen:
        """A pen in the colour of the axes."""
        return pg.mkPen(self.theme.text, style=style)


def _tint(ink: str, alpha: int) -> QtGui.QBrush:
    color = QtGui.QColor(ink)
    color.setAlpha(alpha)
    return QtGui.QBrush(color)

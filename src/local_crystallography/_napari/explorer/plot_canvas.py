"""The canvas of one plot: the points as a picture between axes, and lines over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtGui, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.explorer.plot_box import PlotAxis, PlotBox
from local_crystallography._napari.explorer.plot_lines import lines_of
from local_crystallography._napari.widgets.plots import ThemedPlot
from local_crystallography.views.plot_data import PlotData
from local_crystallography.views.plot_picture import picture_of
from local_crystallography.views.raster import View

FRAME_MS = 16
RING = 7
"""Radius of the ring around the atom pointed at, in pixels."""


class PlotCanvas(ThemedPlot):
    """Draws what a plot shows: all that is asked for within a frame at once, and nothing while hidden."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        self.box = PlotBox()
        self.axes = {side: PlotAxis(side) for side in ("bottom", "left")}
        super().__init__(parent, viewBox=self.box, axisItems=self.axes)
        self.data: PlotData | None = None
        self.mask: npt.NDArray[np.bool_] = np.zeros(0, bool)
        self.note = QtWidgets.QLabel(self)
        self.ring = QtWidgets.QGraphicsEllipseItem(-RING, -RING, 2 * RING, 2 * RING)
        self._image = pg.ImageItem(axisOrder="row-major")
        self._lines: list[Any] = []
        self._timer = QtCore.QTimer(self, singleShot=True, interval=FRAME_MS)
        self._furnish()
        self.set_theme(dark=True)

    @property
    def view(self) -> View:
        """x0, x1, y0, y1 of what is in view."""
        (x0, x1), (y0, y1) = self.box.viewRange()
        return x0, x1, y0, y1

    def show_data(self, data: PlotData) -> None:
        """Show this from now on; the view stays where neither axes nor points are others."""
        before, self.data = self.data, data
        same_axes = before is not None and _axes(before) == _axes(data)
        if not same_axes:
            self._set_axes(data)
        if not same_axes or not before.same_points(data):  # type: ignore[union-attr]
            self.show_all()
        self._draw_lines()
        self.draw_soon()

    def show_mask(self, mask: npt.NDArray[np.bool_]) -> None:
        """Show this selection."""
        self.mask = mask
        if self.data is not None and self.data.is_histogram:
            self._draw_lines()
        self.draw_soon()

    def show_all(self) -> None:
        """Bring all points into view; of an axis that goes round, once round."""
        extent = None if self.data is None else self.data.extent()
        if self.data is None or extent is None:
            return
        spare = 0 if self.data.is_histogram else 0.05
        self.box.setXRange(*extent[:2], padding=spare if self.data.x.period is None else 0)
        self.box.setYRange(*extent[2:], padding=spare if self.data.y.period is None else 0)

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        super().set_theme(dark)
        ink = self.theme.text
        self.box.set_color(ink)
        self.ring.setPen(pg.mkPen(ink, width=2))
        palette = self.note.palette()
        palette.setColor(QtGui.QPalette.ColorRole.WindowText, QtGui.QColor(ink))
        self.note.setPalette(palette)
        self._draw_lines()

    def mark(self, row: int | None) -> None:
        """Put a ring around the point of a row, or around none."""
        data = self.data
        if data is None or row is None or data.is_histogram or not data.has_place(row):
            self.ring.hide()
            return
        x0, x1, y0, y1 = self.view
        self.ring.setPos(*data.plane.copy_near(row, ((x0 + x1) / 2, (y0 + y1) / 2)))
        self.ring.show()

    def draw_soon(self) -> None:
        """Draw with the next frame."""
        if not self._timer.isActive():
            self._timer.start()

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self.draw_soon()

    def _furnish(self) -> None:
        self.addItem(self._image, ignoreBounds=True)
        self.box.addItem(self.ring, ignoreBounds=True)
        self.ring.setFlag(self.ring.GraphicsItemFlag.ItemIgnoresTransformations)
        self.ring.setZValue(50)
        self.ring.hide()
        font = self.note.font()
        font.setPixelSize(10)
        self.note.setFont(font)
        self.note.setAlignment(QtCore.Qt.AlignmentFlag.AlignRight)
        self.note.setAttribute(QtCore.Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hideButtons()
        self.getPlotItem().setContentsMargins(0, 6, 8, 3)  # or the outermost numbers are cut off
        self.setMinimumSize(110, 90)
        self._timer.timeout.connect(self._draw)
        self.box.sigRangeChanged.connect(self.draw_soon)
        self.box.sigResized.connect(self.draw_soon)
        self.box.double_clicked.connect(self.show_all)

    def _set_axes(self, data: PlotData) -> None:
        """Words, units, direction and limits of the axes."""
        flat = data.is_histogram
        self.setLabels(bottom=data.x.label, left="Atoms" if flat else data.y.label)
        periods = data.x.period, None if flat else data.y.period
        self.axes["bottom"].period, self.axes["left"].period = periods
        self.box.setAspectLocked(data.is_image)
        self.box.invertY(data.y.down and not flat)
        self.box.setMouseEnabled(x=True, y=not flat)
        limits: dict[str, float | None] = {}
        for axis, period in zip("xy", periods, strict=True):
            low, high = (None, None) if period is None else (-period, period)
            limits |= {f"{axis}Min": low, f"{axis}Max": high, f"max{axis.upper()}Range": period}
        self.box.setLimits(**limits)

    def _draw_lines(self) -> None:
        for line in self._lines:
            self.removeItem(line)
        self._lines = [] if self.data is None else lines_of(self.data, self.mask, self.theme.text)
        for line in self._lines:
            self.addItem(line, ignoreBounds=True)

    def _draw(self) -> None:
        if not self.isVisible() or self.data is None:
            return
        if self.data.is_histogram:
            self._image.clear()
            self._say("")
            return
        ratio = self.devicePixelRatioF()
        size = max(1, round(self.box.height() * ratio)), max(1, round(self.box.width() * ratio))
        x0, x1, y0, y1 = view = self.view
        picture, note = picture_of(self.data, self.mask, view=view, size=size, ratio=ratio)
        self._image.setImage(picture, autoLevels=False, rect=(x0, y0, x1 - x0, y1 - y0))
        self._say(note)

    def _say(self, note: str) -> None:
        """Write into the upper right corner."""
        self.note.setText(note)
        self.note.adjustSize()
        self.note.setVisible(self.note.width() < self.box.width())
        corner = self.mapFromScene(self.box.sceneBoundingRect().topRight())
        self.note.move(corner.x() - self.note.width() - 4, corner.y() + 2)


def _axes(data: PlotData) -> tuple[Any, ...]:
    return data.x, None if data.is_histogram else data.y, data.is_histogram, data.is_stacked

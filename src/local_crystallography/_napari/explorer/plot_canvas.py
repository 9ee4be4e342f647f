"""Canvas of one plot: the points as an image between axes, with contours, bars and a ring on top."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtGui, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.explorer.plot_box import PlotAxis, PlotBox
from local_crystallography._napari.widgets.plots import ThemedPlot
from local_crystallography.views.plot_data import ONE_COLOUR, PlotData
from local_crystallography.views.plot_picture import picture_of
from local_crystallography.views.raster import View

FRAME_MS = 16
RING = 7
"""Radius of the ring around the atom under the pointer, in pixels."""


class PlotCanvas(ThemedPlot):
    """Draws a plot: all changes within a frame at once, and nothing while hidden."""

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
        """x0, x1, y0, y1 of the visible range."""
        (x0, x1), (y0, y1) = self.box.viewRange()
        return x0, x1, y0, y1

    def show_data(self, data: PlotData) -> None:
        """Show new data; the view is kept if axes and points are the same."""
        before, self.data = self.data, data
        same_axes = before is not None and _axes(before) == _axes(data)
        if not same_axes:
            self._set_axes(data)
        if not same_axes or not before.same_points(data):  # type: ignore[union-attr]
            self.show_all()
        self._draw_lines()
        self.draw_soon()

    def show_mask(self, mask: npt.NDArray[np.bool_]) -> None:
        """Show a selection."""
        self.mask = mask
        if self.data is not None and self.data.is_histogram:
            self._draw_lines()
        self.draw_soon()

    def show_all(self) -> None:
        """Bring all points into view; of a periodic axis, one period."""
        extent = None if self.data is None else self.data.extent()
        if self.data is None or extent is None:
            return
        spare = 0 if self.data.is_histogram else 0.05
        self.box.setXRange(*extent[:2], padding=spare if self.data.x.period is None else 0)
        self.box.setYRange(*extent[2:], padding=spare if self.data.y.period is None else 0)

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        super().set_theme(dark)
        ink = self.theme.text
        self.box.set_color(ink)
        self.ring.setPen(pg.mkPen(ink, width=2))
        palette = self.note.palette()
        palette.setColor(QtGui.QPalette.ColorRole.WindowText, QtGui.QColor(ink))
        self.note.setPalette(palette)
        self._draw_lines()

    def mark(self, row: int | None) -> None:
        """Show a ring around the point of a row; None for no ring."""
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
        self.getPlotItem().setContentsMargins(0, 6, 8, 3)  # otherwise the outermost tick labels are cut off
        self.setMinimumSize(110, 90)
        self._timer.timeout.connect(self._draw)
        self.box.sigRangeChanged.connect(self.draw_soon)
        self.box.sigResized.connect(self.draw_soon)
        self.box.double_clicked.connect(self.show_all)

    def _set_axes(self, data: PlotData) -> None:
        """Set labels, direction and limits of the axes."""
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
            self._show_note("")
            return
        ratio = self.devicePixelRatioF()
        size = max(1, round(self.box.height() * ratio)), max(1, round(self.box.width() * ratio))
        x0, x1, y0, y1 = view = self.view
        picture, note = picture_of(self.data, self.mask, view=view, size=size, ratio=ratio)
        self._image.setImage(picture, autoLevels=False, rect=(x0, y0, x1 - x0, y1 - y0))
        self._show_note(note)

    def _show_note(self, note: str) -> None:
        """Show a note in the upper right corner."""
        self.note.setText(note)
        self.note.adjustSize()
        self.note.setVisible(self.note.width() < self.box.width())
        corner = self.mapFromScene(self.box.sceneBoundingRect().topRight())
        self.note.move(corner.x() - self.note.width() - 4, corner.y() + 2)


def _axes(data: PlotData) -> tuple[Any, ...]:
    return data.x, None if data.is_histogram else data.y, data.is_histogram, data.is_stacked


def lines_of(data: PlotData, mask: npt.NDArray[np.bool_], ink: str) -> list[Any]:
    """All lines of a plot as items; `ink` colours contours and the selected part of a histogram."""
    if data.is_histogram:
        return _bars(data, mask, ink)
    return _contours(data, ink) if data.choice.mode == "contours" else []


def _contours(data: PlotData, ink: str) -> list[Any]:
    gap = np.full((1, 2), np.nan)
    outlines = [] if data.density is None else data.density.contours
    path = [part for lines in outlines for line in lines for part in (line, gap)]
    if not path:
        return []
    x, y = np.concatenate(path).T
    pen = pg.mkPen(ink, width=1)
    return [pg.PlotCurveItem(x + dx, y + dy, connect="finite", pen=pen) for dx in data.x.copies for dy in data.y.copies]


def _bars(data: PlotData, mask: npt.NDArray[np.bool_], ink: str) -> list[Any]:
    edges, counted = data.histogram.edges, data.histogram.counts
    inks = [entry.colour for entry in data.key.classes] or [ONE_COLOUR]
    lines = []
    for dx in data.x.copies:
        if data.is_stacked:
            # from the highest to the lowest, each drawn over the previous one
            for top, color in zip(np.cumsum(counted, axis=0)[::-1], inks[::-1], strict=True):
                lines.append(_steps(edges + dx, top, None, color))
        else:
            lines += [
                _steps(edges + dx, top, pg.mkPen(color, width=2)) for top, color in zip(counted, inks, strict=True)
            ]
        if len(mask) == len(data.plane.points) and mask.any():
            lines.append(_steps(edges + dx, data.counted(mask).counts[0], pg.mkPen(ink, width=1.5)))
    return lines


def _steps(edges: npt.NDArray[np.float64], heights: npt.NDArray[np.int64], pen: Any, brush: Any = None) -> Any:
    return pg.PlotCurveItem(
        edges, heights, stepMode="center", pen=pen, brush=brush, fillLevel=None if brush is None else 0
    )

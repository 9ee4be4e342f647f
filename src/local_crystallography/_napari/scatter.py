"""The linked scatter plot: columns of the atoms against each other, with a lasso."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from qtpy import QtCore, QtGui, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography.explore import raster
from local_crystallography.explore.hit_test import inside, simplify
from local_crystallography.explore.selection import How, Selection

Floats = npt.NDArray[np.float64]

FRAME_MS = 16
PRESETS = {"x": ("z0", "x_px"), "y": ("z1", "y_px"), "colour": ("label", "angle_rad", "z0")}
# window, base, text, axis: napari's own greys
DARK = ("#262930", "#414851", "#f0f1f2", "#a5aab2")
LIGHT = ("#ffffff", "#efebe9", "#3b3a39", "#6b6866")
BUTTONS = {
    "Lasso": "Draw around points to select them: Shift adds, Alt or Ctrl subtracts, both intersect.\n"
    "The wheel zooms, the middle button moves, a double click shows all.",
    "Clear": "Select nothing (Esc)",
    "Invert": "Select what is not selected",
    "Undo": "Take back the last change of the selection",
}
# by whether Shift, and whether Alt or Ctrl is down
HOW: dict[tuple[bool, bool], How] = {
    (False, False): "replace",
    (True, False): "add",
    (False, True): "subtract",
    (True, True): "intersect",
}


class LassoBox(pg.ViewBox):  # type: ignore[misc]
    """A view box that draws a lasso with the left button while `lasso` is on, and pans otherwise."""

    drawn = QtCore.Signal(object, str)
    """(M, 2) vertices in data coordinates, and how to combine."""
    double_clicked = QtCore.Signal()

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.lasso = False
        self._trail: list[tuple[float, float]] = []
        self._line = QtWidgets.QGraphicsPathItem(self)
        self._line.setZValue(100)

    def set_color(self, color: str) -> None:
        """Colour of the line while it is drawn."""
        fill = QtGui.QColor(color)
        fill.setAlpha(30)
        self._line.setPen(pg.mkPen(color, width=1.5))
        self._line.setBrush(fill)

    def drop(self) -> None:
        """Forget the lasso being drawn."""
        self._trail = []
        self._line.setPath(QtGui.QPainterPath())

    def mouseClickEvent(self, event: Any) -> None:
        if event.double():
            self.double_clicked.emit()

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:
        if not self.lasso or event.button() != QtCore.Qt.MouseButton.LeftButton:
            super().mouseDragEvent(event, axis)
            return
        event.accept()
        if event.isStart():
            self._trail = [_xy(event.buttonDownPos())]
        if not self._trail:
            return
        self._trail.append(_xy(event.pos()))
        self._line.setPath(_path(self._trail))
        if event.isFinish():
            # one pixel is what the hand can see, so it is taken before the units differ
            outline = [self.mapToView(QtCore.QPointF(*vertex)) for vertex in simplify(self._trail, 1.0)]
            self.drop()
            self.drawn.emit(np.array([_xy(vertex) for vertex in outline]), _how(event.modifiers()))


class ScatterView(QtWidgets.QWidget):  # type: ignore[misc]
    """Two columns of a table as points coloured by a third; the selection, over its rows, is shared."""

    def __init__(self, selection: Selection, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.selection = selection
        self.table = pd.DataFrame()
        self.combos = {role: QtWidgets.QComboBox() for role in PRESETS}
        self.buttons = {name: QtWidgets.QToolButton() for name in BUTTONS}
        self.scale = QtWidgets.QLabel(wordWrap=True)
        self.status = QtWidgets.QLabel()
        self.box = LassoBox()
        self.plot = pg.PlotWidget(viewBox=self.box)
        self._image = pg.ImageItem(axisOrder="row-major")
        self._chosen: dict[str, str] = {}
        self._points: Floats = np.empty((0, 2))
        self._colors = np.empty((0, 4), np.uint8)
        self._timer = QtCore.QTimer(self, singleShot=True, interval=FRAME_MS)
        self._lay_out()
        self._connect()
        self.set_theme(dark=True)
        self._show_selection()

    def set_table(self, frame: pd.DataFrame) -> None:
        """Show another table; the columns chosen by hand stay where they still exist.

        The selection starts again where the number of rows is another one, and the view where the points are.
        """
        self.table = frame
        names = [str(name) for name in frame.select_dtypes(["number", "bool"])]
        for place, (role, combo) in enumerate(self.combos.items()):
            wanted = (self._chosen.get(role), *PRESETS[role], *names[place : place + 1], *names[:1])
            with QtCore.QSignalBlocker(combo):
                combo.clear()
                combo.addItems(names)
                combo.setCurrentText(next((name for name in wanted if name in names), ""))
        if len(frame) != len(self.selection):
            self.selection.resize(len(frame), source=self)
        self._on_columns_changed()

    def select_polygon(self, polygon: npt.ArrayLike, how: How = "replace") -> None:
        """Select the points inside a (M, 2) polygon of x, y in the units of the axes."""
        self._act(lambda source: self.selection.apply(inside(self._points, polygon), how, source))

    def show_all(self) -> None:
        """Bring all points into view."""
        known = self._points[np.isfinite(self._points).all(axis=1)]
        if len(known):
            (x0, y0), (x1, y1) = known.min(axis=0), known.max(axis=0)
            self.box.setRange(xRange=(x0, x1), yRange=(y0, y1), padding=0.05)

    def set_theme(self, dark: bool) -> None:
        """Light points on dark, or the other way round."""
        window, base, text, line = DARK if dark else LIGHT
        palette, roles = self.palette(), QtGui.QPalette.ColorRole
        for role, color in ((roles.Window, window), (roles.Base, base), (roles.Button, base)):
            palette.setColor(role, QtGui.QColor(color))
        for role in (roles.WindowText, roles.Text, roles.ButtonText):
            palette.setColor(role, QtGui.QColor(text))
        self.setPalette(palette)
        self.setAutoFillBackground(True)
        self.plot.setBackground(window)
        for side in ("left", "bottom"):
            self.plot.getAxis(side).setPen(line)
            self.plot.getAxis(side).setTextPen(text)
            self.plot.getAxis(side).enableAutoSIPrefix(False)  # the columns are in their units already
        self.box.set_color(text)

    def showEvent(self, event: Any) -> None:
        self._draw_soon()

    def _lay_out(self) -> None:
        columns, bottom = QtWidgets.QHBoxLayout(), QtWidgets.QHBoxLayout()
        for role, combo in self.combos.items():
            combo.setToolTip(f"Column shown as {role}")
            combo.setMinimumContentsLength(5)
            combo.setSizeAdjustPolicy(combo.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            columns.addWidget(QtWidgets.QLabel(role))
            columns.addWidget(combo, stretch=1)
        for name, button in self.buttons.items():
            button.setText(name)
            button.setToolTip(BUTTONS[name])
            bottom.addWidget(button)
        self.buttons["Lasso"].setCheckable(True)
        bottom.addWidget(self.status, stretch=1, alignment=QtCore.Qt.AlignmentFlag.AlignRight)
        self.plot.addItem(self._image, ignoreBounds=True)
        self.plot.hideButtons()
        self.plot.getPlotItem().setContentsMargins(0, 6, 6, 0)  # or the outermost numbers are cut off
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(columns)
        layout.addWidget(self.plot, stretch=1)
        layout.addWidget(self.scale)
        layout.addLayout(bottom)

    def _connect(self) -> None:
        self._timer.timeout.connect(self._draw)
        for role, combo in self.combos.items():
            combo.currentTextChanged.connect(lambda name, role=role: self._on_chosen(role, name))
        self.box.drawn.connect(self.select_polygon)
        self.box.double_clicked.connect(self.show_all)
        self.box.sigRangeChanged.connect(self._draw_soon)
        self.box.sigResized.connect(self._draw_soon)
        self.buttons["Lasso"].toggled.connect(self._on_lasso_toggled)
        self.buttons["Clear"].clicked.connect(lambda: self._act(self.selection.clear))
        self.buttons["Invert"].clicked.connect(lambda: self._act(self.selection.invert))
        self.buttons["Undo"].clicked.connect(lambda: self._act(self.selection.undo))
        escape = QtGui.QShortcut(QtGui.QKeySequence("Esc"), self)
        escape.setContext(QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut)
        escape.activated.connect(self._on_escape)
        changed, heard = self.selection.changed, self._on_selection_changed
        changed.connect(heard)
        self.destroyed.connect(lambda: changed.disconnect(heard, missing_ok=True))

    def _on_chosen(self, role: str, name: str) -> None:
        self._chosen[role] = name
        self._on_columns_changed()

    def _on_columns_changed(self) -> None:
        x, y, colour = (combo.currentText() for combo in self.combos.values())
        points = np.column_stack([self._values(x), self._values(y)])
        moved = not np.array_equal(points, self._points, equal_nan=True)
        self._points = points
        self._colors, meaning = _colour(colour, self._values(colour))
        self.scale.setText(meaning if colour else "")
        self.plot.setLabels(bottom=x, left=y)
        if moved:
            self.show_all()
        self._show_selection()

    def _on_lasso_toggled(self, on: bool) -> None:
        self.box.lasso = on
        self.box.setCursor(QtCore.Qt.CursorShape.CrossCursor if on else QtCore.Qt.CursorShape.ArrowCursor)

    def _on_escape(self) -> None:
        self.box.drop()
        self._act(self.selection.clear)

    def _on_selection_changed(self, source: object) -> None:
        if source is not self:
            self._show_selection()

    def _act(self, change: Callable[[object], None]) -> None:
        change(self)
        self._show_selection()

    def _show_selection(self) -> None:
        self.status.setText(f"{self.selection.count} of {len(self.selection)} selected")
        self.buttons["Undo"].setEnabled(self.selection.can_undo)
        self._draw_soon()

    def _values(self, name: str) -> Floats:
        if not name:
            return np.full(len(self.table), np.nan)
        return self.table[name].to_numpy(np.float64, na_value=np.nan)

    def _draw_soon(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _draw(self) -> None:
        if not self.isVisible():
            return
        (x0, x1), (y0, y1) = self.box.viewRange()
        ratio = self.devicePixelRatioF()
        size = max(1, round(self.box.height() * ratio)), max(1, round(self.box.width() * ratio))
        mask = self.selection.mask
        if len(mask) != len(self._points):  # the new table has not come yet
            mask = np.zeros(len(self._points), bool)
        ink, radius = raster.dim(self._colors, mask), round(raster.radius_for(len(mask)) * ratio)
        picture = raster.rasterise(self._points, ink, view=(x0, x1, y0, y1), size=size, radius=radius, on_top=mask)
        self._image.setImage(picture, autoLevels=False, rect=(x0, y0, x1 - x0, y1 - y0))


def _colour(name: str, values: Floats) -> tuple[npt.NDArray[np.uint8], str]:
    """Colours of the points, and what they mean as rich text."""
    if raster.is_categorical(name, values):
        classes = np.unique(values[values >= 0])
        inks = raster.categorical_colors([*classes, -1])
        names = [f"{value:g}" for value in classes] + ["none"] * (not (values >= 0).all())
        patches = (f"{_patch(ink, 3)}&nbsp;{name}" for name, ink in zip(names, inks, strict=False))
        return raster.categorical_colors(values), " &nbsp;".join(patches)
    low, high = raster.limits_of(values)
    table = pg.colormap.get("viridis").getLookupTable(nPts=64, alpha=True) / 255
    ramp = "".join(_patch(ink, 1) for ink in raster.colors_of(np.linspace(0, 1, 48), table, (0, 1)))
    return raster.colors_of(values, table, (low, high)), f"{low:.3g} {ramp} {high:.3g}"


def _patch(ink: npt.NDArray[np.uint8], width: int) -> str:
    return f'<span style="background-color: #{ink[:3].tobytes().hex()}">{"&nbsp;" * width}</span>'


def _xy(point: Any) -> tuple[float, float]:
    return point.x(), point.y()


def _path(trail: list[tuple[float, float]]) -> Any:
    """The closed outline; Qt fills it by the even-odd rule, as the hit test does."""
    path = QtGui.QPainterPath()
    path.addPolygon(QtGui.QPolygonF([QtCore.QPointF(*vertex) for vertex in trail]))
    path.closeSubpath()
    return path


def _how(modifiers: Any) -> How:
    keys = QtCore.Qt.KeyboardModifier
    takes = keys.AltModifier | keys.ControlModifier
    return HOW[bool(modifiers & keys.ShiftModifier), bool(modifiers & takes)]

"""Legend on the canvas: names and colours of the classes, or the colour bar with its unit, of the map that is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.layers import convert, masks
from local_crystallography._napari.layers.camera import canvas_in
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.theme import theme_of
from local_crystallography.data.columns import is_class
from local_crystallography.views.axis import axis_of, values_of
from local_crystallography.views.plot_data import key_of
from local_crystallography.views.styles import ClassStyles

MOST = 12
"""Number of classes that are listed."""
EDGE, GAP, PATCH = 8, 5, 11
BAR = (14, 110)
"""Width and height of a colour bar."""
OPACITY = 215


@dataclass(frozen=True)
class MapKey:
    """What the legend shows.

    Attributes
    ----------
    title
        The column and its unit.
    classes
        (name, colour #rrggbb) of every class; empty for a scale.
    bar
        Colours #rrggbb of a scale, from the lowest to the highest value; empty for classes.
    marks
        Lowest, middle and highest value of a scale, in words.
    """

    title: str
    classes: tuple[tuple[str, str], ...] = ()
    bar: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


class MapLegend(QtCore.QObject):  # type: ignore[misc]
    """Shows the key of the uppermost visible map of the active image; without a map, that of the atoms."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self.controller, self.viewer = controller, controller.viewer
        self.key: MapKey | None = None
        self._parent, self._dark = parent, True
        self._widget: LegendWidget | None = None
        self._followed: list[Any] = []
        self._styles: ClassStyles | None = None
        self._soon = QtCore.QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self.refresh)
        controller.changed.connect(self._on_changed)
        for event in self._of_layers():
            event.connect(self._on_changed)
        self._soon.start()

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        self._dark = dark
        self._soon.start()

    def leave(self) -> None:
        """Disconnect from the viewer, and disappear."""
        self._soon.stop()
        self.controller.changed.disconnect(self._on_changed)
        for event in self._of_layers():
            event.disconnect(self._on_changed)
        self._follow([], None)
        if self._widget is not None:
            self._widget.leave()
            self._widget = None

    def refresh(self) -> None:
        """Show what holds now."""
        session = self.controller.active
        results = None if session is None else session.results
        maps = [] if session is None else [each for each in self.viewer.layers if is_map_of(each, session.layer)]
        points = [] if results is None else [results.get("atoms"), results.overview.picture]
        styles = None if session is None else session.analysis.styles
        self._follow([*maps, *(each for each in points if each is not None)], styles)
        seen = [layer for layer in maps if layer.visible]
        self.key = None
        if session is not None and (atoms := session.analysis.atoms) is not None:
            if seen:
                self.key = key_of_map(seen[-1], atoms.features, session.analysis.styles)
            elif any(each is not None and each.visible for each in points):
                self.key = key_of_atoms(session.results.colour, atoms.features, session.analysis.styles, self._dark)
        self._show()

    def _show(self) -> None:
        canvas = canvas_in(self._parent)
        if canvas is None:
            return
        if self._widget is None:
            self._widget = LegendWidget(canvas)
        self._widget.show_key(self.key, self._dark)

    def _follow(self, layers: list[Any], styles: ClassStyles | None) -> None:
        for event in _events_of(self._followed):
            event.disconnect(self._on_changed)
        self._followed = layers
        for event in _events_of(layers):
            event.connect(self._on_changed)
        if styles is not self._styles:
            if self._styles is not None:
                self._styles.changed.disconnect(self._on_changed)
            if styles is not None:
                styles.changed.connect(self._on_changed)
            self._styles = styles

    def _of_layers(self) -> list[Any]:
        events = self.viewer.layers.events
        return [events.inserted, events.removed, events.reordered]

    def _on_changed(self, *news: object) -> None:
        self._soon.start()


class LegendWidget(QtWidgets.QWidget):  # type: ignore[misc]
    """The legend in the upper right corner of the canvas, transparent to the mouse."""

    def __init__(self, canvas: QtWidgets.QWidget) -> None:
        super().__init__(canvas)
        self._canvas, self._key, self._dark = canvas, MapKey(""), True
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        canvas.installEventFilter(self)
        self.hide()

    def leave(self) -> None:
        """Disappear from the canvas."""
        self._canvas.removeEventFilter(self)
        self.hide()
        self.deleteLater()

    def show_key(self, key: MapKey | None, dark: bool) -> None:
        """Show a key, or nothing."""
        self.setVisible(key is not None)
        if key is not None:
            self._key, self._dark = key, dark
            self._place()
            self.update()

    def eventFilter(self, canvas: Any, event: Any) -> bool:
        """Stay in the corner."""
        if event.type() == QtCore.QEvent.Type.Resize:
            self._place()
        return False

    def _place(self) -> None:
        size = self.sizeHint()
        self.setGeometry(self._canvas.width() - size.width() - EDGE, EDGE, size.width(), size.height())

    def sizeHint(self) -> QtCore.QSize:
        """As large as the words need."""
        key, letters = self._key, self.fontMetrics()
        rows = [name for name, _ in key.classes] or list(key.marks)
        beside = PATCH + GAP if key.classes else BAR[0] + GAP
        width = max([letters.horizontalAdvance(key.title), *(beside + letters.horizontalAdvance(row) for row in rows)])
        height = letters.height() * (1 + len(key.classes)) + (BAR[1] + letters.height() if key.bar else 0)
        return QtCore.QSize(width + 2 * EDGE, height + GAP + 2 * EDGE)

    def paintEvent(self, event: Any) -> None:
        painter, theme, key = QtGui.QPainter(self), theme_of(self._dark), self._key
        panel = QtGui.QColor(theme.panel)
        panel.setAlpha(OPACITY)
        painter.fillRect(self.rect(), panel)
        painter.setPen(QtGui.QColor(theme.text))
        row, letters = self.fontMetrics().height(), self.fontMetrics()
        painter.drawText(EDGE, EDGE + letters.ascent(), key.title)
        top = EDGE + row + GAP
        for number, (name, colour) in enumerate(key.classes):
            y = top + number * row
            painter.fillRect(EDGE, y + (row - PATCH) // 2, PATCH, PATCH, QtGui.QColor(colour))
            painter.drawText(EDGE + PATCH + GAP, y + letters.ascent(), name)
        if key.bar:
            self._draw_bar(painter, top + row // 2)

    def _draw_bar(self, painter: QtGui.QPainter, top: int) -> None:
        key, letters, (width, height) = self._key, self.fontMetrics(), BAR
        for number in range(height):
            colour = key.bar[len(key.bar) - 1 - number * len(key.bar) // height]
            painter.fillRect(EDGE, top + number, width, 1, QtGui.QColor(colour))
        for number, mark in enumerate(key.marks):
            y = top + height - round(number * height / (len(key.marks) - 1))
            painter.drawText(EDGE + width + GAP, y + letters.ascent() - letters.height() // 2, mark)


def is_map_of(layer: Any, image_layer: Any) -> bool:
    """Whether a layer is a map of a column of the atoms of an image."""
    drawn = hasattr(layer, "colormap") and not getattr(layer, "rgb", False) and convert.belongs(layer, image_layer)
    name = str(convert.note_of(layer).get("result", ""))
    return drawn and name not in (convert.PROBABILITY, convert.STD, masks.NAME)


def key_of_map(layer: Any, table: pd.DataFrame, styles: ClassStyles) -> MapKey:
    """The key of a map as its layer shows it now."""
    name = str(convert.note_of(layer)["result"])
    column = name.split(" ")[-1]
    run = name.removesuffix(column)  # of another run than that of the table
    title = run + axis_of(column).label
    if is_class(column):
        numbers = np.unique(np.asarray(layer.data)[..., ::4, ::4]) - 1.0 if run else np.unique(values_of(table, column))
        known = [int(number) for number in numbers if number >= 0]
        return MapKey(title, _some([(styles.name(column, each), styles.colour(column, each)) for each in known]))
    return _scale(title, column, layer.colormap.map(np.linspace(0, 1, 64)), layer.contrast_limits)


def key_of_atoms(column: str, table: pd.DataFrame, styles: ClassStyles, dark: bool) -> MapKey | None:
    """The key of the colours of the atoms; None for a single colour."""
    if column not in table:
        return None
    key = key_of(table, column, styles, dark=dark)
    if key.classes:
        return MapKey(key.column.label, _some([(each.name, each.colour) for each in key.classes]))
    from napari.utils.colormaps import ensure_colormap

    colours, factor = ensure_colormap(key.colormap).map(np.linspace(0, 1, 64)), key.column.factor
    return _scale(key.column.label, column, colours, (key.limits[0] / factor, key.limits[1] / factor))


def _some(classes: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    rest = len(classes) - MOST
    return (*classes[:MOST], *([(f"and {rest} more", "#00000000")] if rest > 0 else []))


def _scale(title: str, column: str, colours: npt.NDArray[np.floating], limits: tuple[float, float]) -> MapKey:
    factor, (low, high) = axis_of(column).factor, limits
    values = factor * np.array([low, (low + high) / 2, high])
    decimals = int(np.clip(2 - np.floor(np.log10(max(np.ptp(values), 1e-9))), 0, 6))
    bar = tuple("#" + bytes(np.rint(255 * colour[:3]).astype(np.uint8)).hex() for colour in np.asarray(colours))
    return MapKey(title, (), bar, tuple(f"{round(value, decimals) + 0.0:.{decimals}f}" for value in values))


def _events_of(layers: list[Any]) -> list[Any]:
    found = []
    for layer in layers:
        names = ("visible", "contrast_limits", "colormap", "data", "face_color")
        found += [getattr(layer.events, name) for name in names if hasattr(layer.events, name)]
    return found

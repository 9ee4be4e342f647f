"""The colours of napari's two themes, for plots and for what is drawn by hand."""

from __future__ import annotations

from typing import NamedTuple

from qtpy import QtGui, QtWidgets


class Theme(NamedTuple):
    """Greys of napari: canvas, buttons, text, lines, panels; and the background of a checked tool."""

    window: str
    base: str
    text: str
    line: str
    panel: str
    held: str


DARK = Theme("#262930", "#414851", "#f0f1f2", "#a5aab2", "#262930", "#5a6bd8")
LIGHT = Theme("#ffffff", "#d6d0ce", "#3b3a39", "#6b6866", "#efebe9", "#a9c1f5")


def theme_of(dark: bool) -> Theme:
    """The colours of the dark or of the light theme."""
    return DARK if dark else LIGHT


def paint(widget: QtWidgets.QWidget, dark: bool) -> None:
    """Give a widget and everything in it the palette of a theme."""
    theme, palette, roles = theme_of(dark), widget.palette(), QtGui.QPalette.ColorRole
    for role, color in ((roles.Window, theme.panel), (roles.Base, theme.panel), (roles.Button, theme.base)):
        palette.setColor(role, QtGui.QColor(color))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        palette.setColor(role, QtGui.QColor(theme.text))
    widget.setPalette(palette)
    widget.setAutoFillBackground(True)


def paint_plots(widget: QtWidgets.QWidget, dark: bool) -> None:
    """Hand a theme to all plots in a widget, and to whatever else in it has `set_theme`."""
    for part in widget.findChildren(QtWidgets.QWidget):
        if hasattr(part, "set_theme"):
            part.set_theme(dark)

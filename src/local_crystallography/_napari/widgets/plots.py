"""Plots in the colours of the theme."""

from __future__ import annotations

from typing import Any

from qtpy import QtCore, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.widgets.theme import DARK, theme_of


class ThemedPlot(pg.PlotWidget):  # type: ignore[misc]
    """A plot with background, axes and labels in the colours of `theme`."""

    def __init__(self, parent: QtWidgets.QWidget | None = None, **parts: Any) -> None:
        super().__init__(parent, **parts)
        self.theme = DARK

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        self.theme = theme_of(dark)
        self.setBackground(self.theme.window)
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(self.theme.line)
            self.getAxis(side).setTextPen(self.theme.text)


class FixedPlot(ThemedPlot):
    """A small plot for reading: it cannot be moved or zoomed. Title and labels may be rich text."""

    def __init__(self, height: int, tip: str, *, title: str = "", bottom: str = "", left: str = "") -> None:
        super().__init__()
        self._title = title
        self.setFixedHeight(height)
        self.setToolTip(f"<qt>{tip}</qt>")
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        self.setMouseEnabled(x=False, y=False)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.getPlotItem().setContentsMargins(0, 0, 8, 0)  # or the outermost numbers are cut off
        for side, words in (("left", left), ("bottom", bottom)):
            # or the axis would count in thousandths without saying so; after the first label it has no effect
            self.getAxis(side).enableAutoSIPrefix(False)
            self.setLabel(side, words)
        self.set_theme(dark=True)

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        super().set_theme(dark)
        self.show_title(self._title)

    def show_title(self, title: str) -> None:
        """Write another title."""
        self._title = title
        self.setTitle(title or None, color=self.theme.text, size="9pt")

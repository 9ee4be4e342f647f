"""Latent explorer: one to four linked plots of the atoms, with tools to select atoms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pandas as pd
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.explorer.explorer_bar import ExplorerBar
from local_crystallography._napari.explorer.legend import Legend
from local_crystallography._napari.explorer.plot_box import Tool
from local_crystallography._napari.explorer.plot_view import PlotView
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography._napari.widgets.dialogs import ask_paper
from local_crystallography._napari.widgets.theme import paint
from local_crystallography.clustering.doubts import Doubt
from local_crystallography.data.errors import writing
from local_crystallography.report.paper_style import PaperStyle
from local_crystallography.report.plots import Panel, write_plots
from local_crystallography.views.hover import Hover
from local_crystallography.views.plot_data import Choice
from local_crystallography.views.presets import MOST_PLOTS, PRESETS, further, has_columns
from local_crystallography.views.selection import How, Selection
from local_crystallography.views.styles import ClassStyles

SIDE_WIDTH = 176
WIDE = 760
"""Width below which three plots are in two rows."""
ROOMY = 1000
"""Width from which legend and card are side by side."""
NARROW = 560
"""Width below which legend and card are below the plots."""


@dataclass
class LastChoices:
    """The last choices of the user; the preset is empty for a custom choice of columns."""

    preset: str = next(iter(PRESETS))
    plots: int = 1
    tool: Tool = "Lasso"


class LatentExplorer(QtWidgets.QWidget):  # type: ignore[misc]
    """Linked plots of one table; selection and hover refer to its rows and are shared with other views."""

    failed = QtCore.Signal(str)

    def __init__(
        self,
        selection: Selection,
        hover: Hover,
        parent: QtWidgets.QWidget | None = None,
        last: LastChoices | None = None,
    ) -> None:
        super().__init__(parent)
        self.selection, self.hover = selection, hover
        self.last = last or LastChoices()
        self.table, self.styles = pd.DataFrame(), ClassStyles()
        self.doubts: tuple[Doubt, ...] = ()
        self.plots: list[PlotView] = []
        self.bar = ExplorerBar()
        self.legend = Legend(selection)
        self._dark = True
        self._writing = LatestTask(self)
        self._grid = QtWidgets.QGridLayout()
        self._side = QtWidgets.QBoxLayout(QtWidgets.QBoxLayout.Direction.TopToBottom)
        self._middle = QtWidgets.QBoxLayout(QtWidgets.QBoxLayout.Direction.LeftToRight)
        self._lay_out()
        self._connect()
        self.bar.show_choices(self.last.preset, self.last.plots)
        self.bar.buttons[self.last.tool].setChecked(True)
        self._on_preset_chosen(self.last.preset, self.last.plots)
        self.set_theme(dark=True)
        self._on_selection_changed()

    @property
    def buttons(self) -> dict[str, QtWidgets.QToolButton]:
        """Buttons of the toolbar, by name."""
        return self.bar.buttons

    @property
    def status(self) -> QtWidgets.QLabel:
        """Label with the number of selected atoms."""
        return self.bar.status

    def set_table(self, frame: pd.DataFrame, styles: ClassStyles | None = None, doubts: Iterable[Doubt] = ()) -> None:
        """Show another table; the chosen columns are kept where they exist, and unreliable ones are marked.

        The selection is cleared if the number of rows changes.
        """
        self.table, self.styles, self.doubts = frame, styles or ClassStyles(), tuple(doubts)
        if len(frame) != len(self.selection):
            self.selection.resize(len(frame), source=self)
        self.bar.offer_presets([name for name in PRESETS if has_columns(name, frame.columns)])
        for plot in self.plots:
            plot.set_table(frame, self.styles, doubts=self.doubts)
        self._on_selection_changed()

    def select_polygon(self, polygon: npt.ArrayLike, how: How = "replace") -> None:
        """Select in the first plot, by a (M, 2) polygon of x, y in the units of its axes."""
        self.plots[0].select_polygon(polygon, how)

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        self._dark = dark
        paint(self, dark)
        self.bar.set_theme(dark)
        for plot in self.plots:
            plot.set_theme(dark)

    def add_side(self, widget: QtWidgets.QWidget) -> None:
        """Add a narrow widget on the right, or below where the explorer is narrow."""
        widget.setMaximumWidth(SIDE_WIDTH)
        self._side.addWidget(widget, stretch=1)

    def leave(self) -> None:
        """Disconnect from the selection, after a figure being written is finished."""
        self.selection.changed.disconnect(self._on_selection_changed, missing_ok=True)
        for plot in self.plots:
            plot.leave()

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        across, down = QtWidgets.QBoxLayout.Direction.LeftToRight, QtWidgets.QBoxLayout.Direction.TopToBottom
        narrow = self.width() < NARROW
        self._middle.setDirection(down if narrow else across)
        self._side.setDirection(across if narrow or self.width() >= ROOMY else down)
        self._arrange()

    def _lay_out(self) -> None:
        scroll = QtWidgets.QScrollArea(widgetResizable=True)
        scroll.setWidget(self.legend)
        scroll.setFrameShape(scroll.Shape.NoFrame)
        scroll.setMinimumWidth(SIDE_WIDTH - 40)
        scroll.setMaximumWidth(SIDE_WIDTH)
        scroll.setMinimumHeight(60)
        scroll.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        key = QtWidgets.QVBoxLayout()
        key.setSpacing(4)
        key.addWidget(self.status)
        key.addWidget(scroll, stretch=1)
        self._side.addLayout(key, stretch=1)
        self._grid.setSpacing(6)
        self._middle.addLayout(self._grid, stretch=1)
        self._middle.addLayout(self._side)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.setSpacing(3)
        layout.addWidget(self.bar)
        layout.addLayout(self._middle, stretch=1)

    def _connect(self) -> None:
        bar, buttons = self.bar, self.bar.buttons
        bar.preset_chosen.connect(lambda name: self._on_preset_chosen(name, len(PRESETS[name])))
        bar.number_chosen.connect(lambda number: self._on_preset_chosen(self.last.preset, number))
        bar.tool_chosen.connect(self._on_tool_chosen)
        buttons["Clear"].clicked.connect(lambda: self.selection.clear(self))
        buttons["Invert"].clicked.connect(lambda: self.selection.invert(self))
        buttons["Export figure …"].clicked.connect(self._on_export_clicked)
        self.legend.failed.connect(self.failed)
        escape = QtGui.QShortcut(QtGui.QKeySequence("Esc"), self)
        escape.setContext(QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut)
        escape.activated.connect(self._on_escape)
        self.selection.changed.connect(self._on_selection_changed)
        self.destroyed.connect(lambda: self.leave())

    def _on_preset_chosen(self, preset: str, number: int) -> None:
        """Show a number of plots, the first of which are those of a preset or the present ones."""
        changed = preset != self.last.preset or not self.plots
        choices = list(PRESETS[preset]) if changed and preset else [plot.wanted for plot in self.plots]
        self.last.preset, self.last.plots = preset, number
        self._show_plots(further(choices, number))
        self.bar.show_choices(preset, number)

    def _show_plots(self, choices: list[Choice]) -> None:
        while len(self.plots) > len(choices):
            plot = self.plots.pop()
            plot.leave()
            self._grid.removeWidget(plot)
            plot.hide()
            plot.deleteLater()
        while len(self.plots) < len(choices):
            self.plots.append(self._new_plot())
        for plot, choice in zip(self.plots, choices, strict=True):
            plot.set_table(self.table, self.styles, choice, self.doubts)
        self._arrange()

    def _arrange(self) -> None:
        """Place the plots side by side, or in two rows if they would be too narrow; the last of three fills its row."""
        number = len(self.plots)
        across = 2 if number == 4 or (number == 3 and self.width() < WIDE) else number
        across = 1 if self.width() < NARROW else across
        for index, plot in enumerate(self.plots):
            last = index == number - 1 and across > 1
            self._grid.addWidget(plot, index // across, index % across, 1, across - index % across if last else 1)
        for column in range(MOST_PLOTS):
            self._grid.setColumnStretch(column, int(column < across))

    def _new_plot(self) -> PlotView:
        plot = PlotView(self.selection, self.hover)
        plot.set_theme(self._dark)
        plot.box.set_tool(self.last.tool)
        plot.changed.connect(self._on_plot_changed)
        plot.chosen.connect(self._on_own_choice)
        return plot

    def _on_own_choice(self) -> None:
        self.last.preset = ""
        self.bar.show_choices("", len(self.plots))

    def _on_plot_changed(self) -> None:
        keys = [plot.plot.data.key for plot in self.plots if plot.plot.data is not None]
        self.legend.show_keys(keys, self.styles)

    def _on_tool_chosen(self, tool: Tool) -> None:
        self.last.tool = tool
        for plot in self.plots:
            plot.box.set_tool(tool)

    def _on_escape(self) -> None:
        dropped = [plot.box.drop() for plot in self.plots]
        if not any(dropped):
            self.selection.clear(self)

    def _on_selection_changed(self, source: object = None) -> None:
        self.bar.show_selection(self.selection)

    def _on_export_clicked(self) -> None:
        if not self._writing.busy and (chosen := ask_paper(self, "latents.pdf")):
            self.export(*chosen)

    def export(self, path: Path, style: PaperStyle | None = None) -> None:
        """Write the plots as displayed to a file, in the background; the width is that of the style."""
        panels = [Panel(plot.data, self.selection.mask, plot.plot.view) for plot in self.plots]
        self.buttons["Export figure …"].setEnabled(False)
        self._writing.ask(partial(_write, path, panels, style), lambda _: self._on_written(), self._on_written)

    def _on_written(self, problem: str = "") -> None:
        self.buttons["Export figure …"].setEnabled(True)
        if problem:
            self.failed.emit(problem)


def _write(path: Path, panels: list[Panel], style: PaperStyle | None) -> None:
    with writing(path):
        write_plots(path, panels, style)

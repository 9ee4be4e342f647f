"""Writes a figure in the background, so that the window goes on."""

from __future__ import annotations

from pathlib import Path

from qtpy import QtCore

from local_crystallography.data.errors import InputError, writing
from local_crystallography.report.plots import Panel, write_plots


class FigureWriter(QtCore.QThread):  # type: ignore[misc]
    """Writes plots to a file; `ended` brings a sentence where that went wrong."""

    ended = QtCore.Signal(str)

    def __init__(self, path: Path, panels: list[Panel], parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.path, self.panels = path, panels

    def run(self) -> None:
        try:
            with writing(self.path):
                write_plots(self.path, self.panels)
        except InputError as error:
            self.ended.emit(str(error))
        else:
            self.ended.emit("")

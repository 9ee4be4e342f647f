"""Writes a figure in the background, so that the window goes on."""

from __future__ import annotations

from pathlib import Path

from qtpy import QtCore, QtWidgets

from local_crystallography.report.plots import FORMATS, Panel, write_plots

FILTER = ";;".join(f"{end.upper()} (*.{end})" for end in FORMATS)


class FigureWriter(QtCore.QThread):  # type: ignore[misc]
    """Writes plots to a file; `ended` brings a sentence where that went wrong."""

    ended = QtCore.Signal(str)

    def __init__(self, path: str, panels: list[Panel], parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.path, self.panels = path, panels

    def run(self) -> None:
        try:
            write_plots(self.path, self.panels)
        except OSError as error:
            self.ended.emit(f"{self.path} cannot be written ({error.strerror}); choose another place.")
        else:
            self.ended.emit("")


def ask_figure(parent: QtWidgets.QWidget, name: str = "latents.png") -> str:
    """Where to write a figure, with its ending; empty when the user thinks better of it."""
    path, chosen = QtWidgets.QFileDialog.getSaveFileName(parent, "Export figure", name, FILTER)
    if path and Path(path).suffix.lower().removeprefix(".") not in FORMATS:
        path += "." + chosen.split(" ")[0].lower()
    return str(path)

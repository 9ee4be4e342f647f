"""The figure of a window study in a window of its own, and in a file with the tables."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from qtpy import QtGui, QtWidgets

from local_crystallography.data.errors import writing
from local_crystallography.data.image import Image
from local_crystallography.io.window_runs import StudyTable
from local_crystallography.views.styles import ClassStyles

SIZE = (1100, 720)
"""Most of the screen that the window takes at first."""


class FigureWindow(QtWidgets.QDialog):  # type: ignore[misc]
    """A figure to scroll in."""

    def __init__(self, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Window study")
        self.picture, scroll = QtWidgets.QLabel(), QtWidgets.QScrollArea()
        self.picture.setToolTip("Classes, angles and latents of every run")
        scroll.setWidget(self.picture)
        scroll.setWidgetResizable(True)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)

    def show_png(self, png: bytes) -> None:
        """Show a picture, as large as it is or the screen allows."""
        drawn = QtGui.QPixmap()
        drawn.loadFromData(png)
        self.picture.setPixmap(drawn)
        self.resize(SIZE[0], min(drawn.height() + 4, SIZE[1]))
        self.show()
        self.raise_()


def drawn(study: StudyTable, image: Image, styles: ClassStyles) -> bytes:
    """The figure as PNG."""
    from matplotlib import rc_context

    from local_crystallography.report.symmetry import PAPER
    from local_crystallography.report.windows import window_figure

    written = BytesIO()
    with rc_context(PAPER):
        figure = window_figure(study, image, styles)
        dpi = (SIZE[0] - 24) / figure.get_figwidth()
        figure.savefig(written, format="png", dpi=dpi, facecolor="white")
    return written.getvalue()


def write_study_figure(path: Path, study: StudyTable, image: Image, styles: ClassStyles) -> None:
    """Write the figure as what the path ends in.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    from local_crystallography.report.symmetry import write_figure
    from local_crystallography.report.windows import window_figure

    _written(path, lambda: write_figure(window_figure(study, image, styles), path))


def write_tables(path: Path, study: StudyTable) -> None:
    """Write a row per run to a path, and beside it, its name ending in -agreement, how the runs agree; both as CSV.

    Raises
    ------
    InputError
        Where a file cannot be written.
    """
    from local_crystallography.report.windows import agreement_table, window_table

    other = path.with_name(f"{path.stem}-agreement.csv")
    _written(path, lambda: window_table(study).to_csv(path, index=False, lineterminator="\n"))
    _written(other, lambda: agreement_table(study).to_csv(other, index=False, lineterminator="\n"))


def _written(path: Path, write: Callable[[], object]) -> None:
    with writing(path):
        write()

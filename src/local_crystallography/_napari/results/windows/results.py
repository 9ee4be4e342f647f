"""Results of a window study: pictures and tables of the runs, and commands on one of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.results.windows.pictures import WIDE, Pictures, pictures_of
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography._napari.widgets.help import LookLine
from local_crystallography._napari.widgets.pictures import PictureButton
from local_crystallography.io.window_runs import StudyRun, StudyTable
from local_crystallography.views.looking import PANELS
from local_crystallography.views.raster import Colors
from local_crystallography.views.styles import ClassStyles

AGREES = QtGui.QColor("#2a95ff")
"""Colour of full agreement; less agreement is fainter."""
NONE = "\N{EM DASH}"
Shown = tuple[str, Callable[[StudyRun], str], str]
COLUMNS: tuple[Shown, ...] = (
    ("run", lambda run: "", "Number of the run, as in the table of agreement"),
    ("px", lambda run: str(run.window), "Window size in pixels"),
    ("source", lambda run: run.source, "Source of the sub-images: the image, smoothed or not, or the probability map"),
    ("seed", lambda run: str(run.seed), "Random seed of the training"),
    ("peaks", lambda run: str(run.angle_peaks), "Number of peaks in the histogram of angles"),
    (
        "ELBO/px",
        lambda run: f"{run.elbo_per_pixel:.3f}".replace("-", "\N{MINUS SIGN}"),
        "Evidence lower bound on the held-out tenth, in nats per pixel seen by the network: higher is better, but only "
        "runs of the same source can be compared",
    ),
    ("classes", lambda run: str(run.classes), "Number of classes found by Cluster"),
    ("time", lambda run: f"{run.seconds:.0f} s", "Duration of the run since it was last started"),
)
NUMBER = 0
"""The column with the names of runs in the table of agreement, where these are not the window sizes."""
VARIES = {2: "source", 3: "seed"}
"""Columns that are shown only if the runs differ in them."""
TIPS = {
    "maps": "Show classes, angle and latents of the selected run as layers on the image",
    "use": "Put window size and source of the selected run into Extract sub-images of the main panel",
    "enlarge": "Show maps and histograms of all runs enlarged in a window of their own",
    "figure": "Write maps and histograms of all runs to a file",
    "table": "Write the table of runs to a CSV file, and their agreement to another beside it",
}
PICTURE_TIP = "Classes, angles, and the histogram of angles. Click: select this run; double click: all runs, enlarged."


class RunButton(PictureButton):
    """The pictures of a run with its name and findings."""

    twice = QtCore.Signal()

    def __init__(self, picture: Colors, wide: int) -> None:
        super().__init__(below=True)
        self.show_picture(picture, wide, PICTURE_TIP)
        self.setCheckable(True)
        self.setAutoRaise(True)

    def name_run(self, name: str, found: str) -> None:
        """Write name and findings, in two lines where one would be wider than the picture."""
        font = self.font()
        font.setBold(True)
        one = f"{name}: {found}"
        fits = QtGui.QFontMetrics(font).horizontalAdvance(one) <= self.iconSize().width()
        self.setText(one if fits else f"{name}\n{found}")

    def mark(self, chosen: bool) -> None:
        """Show whether the run is selected."""
        self.setChecked(chosen)
        font = self.font()
        font.setBold(chosen)
        self.setFont(font)

    def mouseDoubleClickEvent(self, event: QtGui.QMouseEvent) -> None:
        self.twice.emit()


class WindowsResults(QtWidgets.QWidget):  # type: ignore[misc]
    """Small pictures and a table of the runs, one of which can be selected; hidden without runs."""

    command = QtCore.Signal(str)
    """A button was clicked: maps, use, enlarge, figure or table."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.study = StudyTable(())
        self.name = ""
        self.legend, self.note = (QtWidgets.QLabel(wordWrap=True) for _ in range(2))
        self.runs, self.agreement = RunTable(), AgreementTable()
        self.agrees = QtWidgets.QLabel("Agreement of classes (adjusted Rand index)", wordWrap=True)
        self.column = QtWidgets.QVBoxLayout()
        self.pictures: dict[str, RunButton] = {}
        words = {"maps": "Show maps", "use": "Use this window", "enlarge": "Enlarge"}
        words |= {"figure": "Figure …", "table": "Table …"}
        self.buttons = {name: QtWidgets.QPushButton(text) for name, text in words.items()}
        self._latest = LatestTask(self)
        self._lay_out()
        self.runs.chosen.connect(self.choose)
        for name, button in self.buttons.items():
            button.clicked.connect(partial(self.command.emit, name))
        for part in (self, self.agrees, self.agreement):
            part.setVisible(False)

    @property
    def run(self) -> StudyRun | None:
        """The selected run, or None."""
        return next((run for run in self.study.runs if run.name == self.name), None)

    def show_study(self, study: StudyTable, shape: tuple[int, int], styles: ClassStyles) -> None:
        """Show runs on an image of a shape (h, w)."""
        self.study = study
        self.setVisible(bool(study.runs))
        self.runs.show_study(study)
        done = [run.name for run in study.runs if not run.note]
        self.choose(self.name if self.run is not None else next(iter(done), ""))
        self._latest.ask(partial(pictures_of, study, shape, styles), self._on_pictures, self._on_failed)

    def choose(self, name: str) -> None:
        """Select a run by its name."""
        self.name = name
        self.runs.choose(name)
        for other, button in self.pictures.items():
            button.mark(other == name)
        note = "" if self.run is None else self.run.note
        self.note.setText(f"⚠ {note}" if note else "")
        self.note.setVisible(bool(note))
        self.set_ready(self.buttons["figure"].isEnabled())

    def set_ready(self, ready: bool) -> None:
        """Enable what can be done; `ready` if a job can be started."""
        done = any(not run.note for run in self.study.runs)
        good = self.run is not None and not self.run.note
        for name, button in self.buttons.items():
            button.setEnabled(name == "table" or (ready and (good if name in ("maps", "use") else done)))

    def _lay_out(self) -> None:
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(2)
        layout.addWidget(self.legend)
        layout.addLayout(self.column)
        layout.addWidget(LookLine(PANELS["runs"]))
        for part in (self.runs, self.note):
            layout.addWidget(part)
        for names in (("maps", "use"), ("enlarge", "figure", "table")):
            row = QtWidgets.QHBoxLayout()
            row.setSpacing(3)
            for name in names:
                self.buttons[name].setToolTip(f"<qt>{TIPS[name]}</qt>")
                row.addWidget(self.buttons[name])
            layout.addLayout(row)
        layout.addWidget(self.agrees)
        layout.addWidget(self.agreement)

    def _on_failed(self, why: str) -> None:
        self._clear()
        self.legend.setText(f"⚠ {why}")

    def _clear(self) -> None:
        for button in self.pictures.values():
            self.column.removeWidget(button)
            button.deleteLater()
        self.pictures = {}

    def _on_pictures(self, made: Pictures) -> None:
        self._clear()
        self.agreement.show_study(self.study, made.agreement)
        self.agrees.setVisible(not self.agreement.isHidden())
        reach = f"\N{MINUS SIGN}{made.reach:g}° to {made.reach:g}°"
        self.legend.setText(f"Classes, angles and histogram of angles ({reach}):")
        for run in self.study.runs:
            if run.name in made.by_name:
                self._add(run, made.by_name[run.name])
        self.choose(self.name)

    def _add(self, run: StudyRun, picture: Colors) -> None:
        button = RunButton(picture, WIDE)
        seeds = len({each.seed for each in self.study.runs}) > 1
        found = f"{run.classes} class{'es' * (run.classes != 1)}, {run.angle_peaks} peak{'s' * (run.angle_peaks != 1)}"
        button.name_run(f"{run.window} px, {run.source}{f', seed {run.seed}' if seeds else ''}", found)
        button.clicked.connect(partial(self.choose, run.name))
        button.twice.connect(partial(self.command.emit, "enlarge"))
        self.column.addWidget(button)
        self.pictures[run.name] = button


class Table(QtWidgets.QTableWidget):  # type: ignore[misc]
    """A read-only table as high as its rows; Ctrl+C copies it for a spreadsheet."""

    def __init__(self, tip: str) -> None:
        super().__init__()
        self.setToolTip(f"<qt>{tip}</qt>")
        self.setEditTriggers(self.EditTrigger.NoEditTriggers)
        self.setVerticalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setSectionResizeMode(header.ResizeMode.ResizeToContents)
            header.setMinimumSectionSize(20)
        copy = QtGui.QShortcut(QtGui.QKeySequence.StandardKey.Copy, self)
        copy.setContext(QtCore.Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(self.copy)

    def copy(self) -> None:
        """Copy the whole table to the clipboard."""
        rows = [[item.text() if item else "" for item in self._items(row)] for row in range(self.rowCount())]
        shown = [self.horizontalHeaderItem(column).text() for column in self._seen()]
        QtWidgets.QApplication.clipboard().setText("\n".join("\t".join(row) for row in [shown, *rows]))

    def put(self, row: int, column: int, text: str, tip: str = "") -> Any:
        """Write into a cell."""
        item = QtWidgets.QTableWidgetItem(text)
        item.setTextAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        item.setToolTip(tip)
        self.setItem(row, column, item)
        return item

    def fit(self) -> None:
        """Take the height of the rows."""
        self.resizeColumnsToContents()
        self.resizeRowsToContents()
        high = self.horizontalHeader().sizeHint().height() + sum(map(self.rowHeight, range(self.rowCount())))
        wide = self.verticalHeader().sizeHint().width() * (not self.verticalHeader().isHidden())
        wide += sum(map(self.columnWidth, self._seen()))
        bar = self.horizontalScrollBar().sizeHint().height() if wide > self.width() else 0
        self.setFixedHeight(high + bar + 2 * self.frameWidth() + 2)

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self.fit()

    def _seen(self) -> list[int]:
        return [column for column in range(self.columnCount()) if not self.isColumnHidden(column)]

    def _items(self, row: int) -> list[Any]:
        return [self.item(row, column) for column in self._seen()]


class RunTable(Table):
    """A row per run; clicking selects one."""

    chosen = QtCore.Signal(str)
    """Name of a run."""

    def __init__(self) -> None:
        super().__init__("All runs with their results; click to select one. Ctrl+C copies the table")
        self.setSelectionBehavior(self.SelectionBehavior.SelectRows)
        self.setSelectionMode(self.SelectionMode.SingleSelection)
        self.verticalHeader().hide()
        self.setColumnCount(len(COLUMNS))
        self.setHorizontalHeaderLabels([name for name, _, _ in COLUMNS])
        for column, (_, _, tip) in enumerate(COLUMNS):
            self.horizontalHeaderItem(column).setToolTip(f"<qt>{tip}</qt>")
        self._names: list[str] = []
        self.itemSelectionChanged.connect(self._on_selected)

    def show_study(self, study: StudyTable) -> None:
        """Show runs; the selection stays."""
        with QtCore.QSignalBlocker(self):
            self.setRowCount(len(study.runs))
            for row, run in enumerate(study.runs):
                for column, (_, words, _) in enumerate(COLUMNS):
                    failed = bool(run.note) and column > max(VARIES)
                    self.put(row, column, NONE if failed else words(run), run.note and f"<qt>{run.note}</qt>")
                self.item(row, NUMBER).setText(str(row + 1))
        for column, name in VARIES.items():
            self.setColumnHidden(column, not varies(study, name))
        self.setColumnHidden(NUMBER, not numbered(study))
        self._names = [run.name for run in study.runs]
        self.fit()

    def choose(self, name: str) -> None:
        """Show a run as selected."""
        with QtCore.QSignalBlocker(self):
            if name in self._names:
                self.selectRow(self._names.index(name))
            else:
                self.clearSelection()

    def _on_selected(self) -> None:
        if rows := self.selectionModel().selectedRows():
            self.chosen.emit(self._names[rows[0].row()])


class AgreementTable(Table):
    """The adjusted Rand index of every pair of runs, the bluer the better."""

    def __init__(self) -> None:
        super().__init__(
            "Agreement of the classes of two runs: adjusted Rand index of the atoms that have a class in both, 1 for "
            "the same classes, 0 for chance. Ctrl+C copies the table"
        )
        self.setSelectionMode(self.SelectionMode.NoSelection)

    def show_study(self, study: StudyTable, agreement: npt.NDArray[np.float64]) -> None:
        """Show the (k, k) agreement of the k runs that have a result; nothing for a single one."""
        places = [place for place, run in enumerate(study.runs) if not run.note]
        names = [str(place + 1 if numbered(study) else study.runs[place].window) for place in places]
        values = agreement if len(names) > 1 else np.zeros((0, 0))
        self.setVisible(len(values) > 0)
        self.setRowCount(len(values))
        self.setColumnCount(len(values))
        self.setHorizontalHeaderLabels(names)
        self.setVerticalHeaderLabels(names)
        for number, place in enumerate(places if len(values) else ()):
            for header in (self.horizontalHeaderItem(number), self.verticalHeaderItem(number)):
                header.setToolTip(study.runs[place].name)
        for (row, column), value in np.ndenumerate(values):
            known = np.isfinite(value)
            item = self.put(row, column, f"{value:.2f}".replace("-", "\N{MINUS SIGN}") if known else NONE)
            faint = QtGui.QColor(AGREES)
            faint.setAlphaF(0.75 * float(np.clip(value, 0, 1)) if known else 0.0)
            item.setBackground(faint)
        self.fit()


def varies(study: StudyTable, name: str) -> bool:
    """Whether the runs differ in an attribute."""
    return len({getattr(run, name) for run in study.runs}) > 1


def numbered(study: StudyTable) -> bool:
    """Whether runs are named by their number, because some have the same window size."""
    return any(varies(study, name) for name in VARIES.values())

"""Tables of a window study: a row per run, and how far the classes of every two runs agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography.io.window_runs import StudyRun, StudyTable

AGREES = QtGui.QColor("#2a95ff")
"""Colour of full agreement; less of it is fainter."""
NONE = "\N{EM DASH}"
Shown = tuple[str, Callable[[StudyRun], str], str]
COLUMNS: tuple[Shown, ...] = (
    ("run", lambda run: "", "Number of the run, as in the table of agreement"),
    ("px", lambda run: str(run.window), "Side of the window, in pixels"),
    ("source", lambda run: run.source, "What was cut: the image, smoothed or not, or the probability map"),
    ("seed", lambda run: str(run.seed), "Start of the random numbers of the training"),
    ("peaks", lambda run: str(run.angle_peaks), "Number of peaks of the histogram of angles"),
    (
        "ELBO/px",
        lambda run: f"{run.elbo_per_pixel:.3f}".replace("-", "\N{MINUS SIGN}"),
        "Evidence lower bound on the held-out tenth, in nats per pixel that the network sees: higher is better, but "
        "compare runs of one source only",
    ),
    ("classes", lambda run: str(run.classes), "Number of classes that Cluster found"),
    ("time", lambda run: f"{run.seconds:.0f} s", "How long the run took since it was last started"),
)
NUMBER = 0
"""The column of what runs are called in the table of agreement, where that is not their window."""
VARIES = {2: "source", 3: "seed"}
"""Columns that are shown only where runs differ in them."""


class Table(QtWidgets.QTableWidget):  # type: ignore[misc]
    """Text to read, as high as its rows; Ctrl+C copies it as a spreadsheet takes it."""

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
        """Put all of it on the clipboard."""
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
        """Be as high as what is in it."""
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
    """A row per run; clicking chooses one."""

    chosen = QtCore.Signal(str)
    """Name of a run."""

    def __init__(self) -> None:
        super().__init__("Every training with what came of it; click to choose one. Ctrl+C copies the table")
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
        """Show runs; the one that is chosen stays so."""
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
        """Show a run as chosen."""
        with QtCore.QSignalBlocker(self):
            if name in self._names:
                self.selectRow(self._names.index(name))
            else:
                self.clearSelection()

    def _on_selected(self) -> None:
        if rows := self.selectionModel().selectedRows():
            self.chosen.emit(self._names[rows[0].row()])


class AgreementTable(Table):
    """The adjusted Rand index of every two runs, the bluer the better."""

    def __init__(self) -> None:
        super().__init__(
            "How far the classes of two runs agree, by the adjusted Rand index on the atoms that have a class in both: "
            "1 the same classes, 0 no better than chance. Ctrl+C copies the table"
        )
        self.setSelectionMode(self.SelectionMode.NoSelection)

    def show_study(self, study: StudyTable, agreement: npt.NDArray[np.float64]) -> None:
        """Show how the k runs agree that have a result, (k, k); nothing of a single one."""
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
    """Whether runs are called by their number, because some have the same window."""
    return any(varies(study, name) for name in VARIES.values())

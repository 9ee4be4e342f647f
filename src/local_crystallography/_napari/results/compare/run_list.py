"""The list of runs with their names and columns, and the buttons that add runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.results.compare.difference_layer import sessions
from local_crystallography._napari.results.compare.runs import (
    NOW,
    Run,
    mark_of,
    offered_name,
    read_runs,
    run_of,
    unique_name,
)
from local_crystallography._napari.results.compare.tables import letter
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography.data.columns import is_class
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image

TICK, NAME, COLUMN = range(3)
AS_ABOVE = "as above"
TIP = (
    "Ticked runs are compared; the first of them numbers the classes. Double click or F2: rename it. "
    "The run called “now” is the current result of the active image."
)
COLUMN_TIP = "Column of this run that is compared: the one above or another, such as label against pixel_label"
ROW = 26
MOST_ROWS = 7
CHECK = QtCore.Qt.CheckState
KEEP_TIP = (
    "Keep the atoms with all their columns as they are now, to compare later results with; until napari is closed"
)
ADD_TIP = (
    "Add a saved session, the runs of a window study, the current result of another image in the viewer, or this "
    "result with another column of classes"
)


class RunList(QtWidgets.QTreeWidget):  # type: ignore[misc]
    """A row per run: a tick with the letter of the run, its name, and its column."""

    changed = QtCore.Signal()
    """Runs, names, ticks or columns have changed."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.runs: list[Run] = []
        self.setColumnCount(3)
        self.setHeaderLabels(["", "Run", "Column"])
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setToolTip(f"<qt>{TIP}</qt>")
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(self.EditTrigger.NoEditTriggers)
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(NAME, header.ResizeMode.Stretch)
        for section, width in ((TICK, 44), (COLUMN, 112)):
            header.setSectionResizeMode(section, header.ResizeMode.Fixed)
            header.resizeSection(section, width)
        self.itemChanged.connect(self._on_item_changed)
        self.itemDoubleClicked.connect(lambda *_: self.rename())
        key = QtGui.QShortcut(QtGui.QKeySequence("F2"), self)
        key.setContext(QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut)
        key.activated.connect(self.rename)
        self._fit()

    @property
    def chosen(self) -> list[Run]:
        """The runs to compare."""
        return [run for run in self.runs if run.chosen]

    @property
    def current(self) -> Run | None:
        """The selected run."""
        row = self.indexOfTopLevelItem(self.currentItem()) if self.currentItem() is not None else -1
        return self.runs[row] if 0 <= row < len(self.runs) else None

    def set_now(self, now: Run | None) -> None:
        """Take the current result, which keeps its row, tick and column; None removes it."""
        place = next((i for i, run in enumerate(self.runs) if run.name == NOW), None)
        if place is None:
            if now is not None:
                self._set([now, *self.runs])
        elif now is None:
            self._set([run for run in self.runs if run.name != NOW])
        elif now.atoms is not (old := self.runs[place]).atoms or now.styles is not old.styles:
            column = old.column if old.column in now.columns else ""
            now = replace(now, chosen=old.chosen, column=column)
            self._set([*self.runs[:place], now, *self.runs[place + 1 :]])

    def add(self, runs: Sequence[Run]) -> None:
        """Add runs; the last one is selected, so that it can be renamed at once."""
        for run in runs:
            name = unique_name(run.name, [NOW, *(each.name for each in self.runs)])
            self.runs.append(replace(run, name=name))
        self._set(self.runs)
        self.setCurrentItem(self.topLevelItem(len(self.runs) - 1))
        self.changed.emit()

    def remove(self) -> None:
        """Remove the selected run, unless it is the current result."""
        if (run := self.current) is not None and self.removable(run):
            self._set([each for each in self.runs if each is not run])
            self.changed.emit()

    def removable(self, run: Run) -> bool:
        """Whether a run can be removed: the current result cannot, but it can be unticked."""
        return run.name != NOW

    def rename(self) -> None:
        """Edit the name of the selected run, unless it is the current result."""
        if (run := self.current) is not None and run.name != NOW:
            self.editItem(self.currentItem(), NAME)

    def put_first(self) -> None:
        """Move the selected run to the top, where it numbers the classes."""
        if (run := self.current) is not None:
            self._set([run, *(each for each in self.runs if each is not run)])
            self.setCurrentItem(self.topLevelItem(0))
            self.changed.emit()

    def _set(self, runs: list[Run]) -> None:
        self.runs = runs
        row = self.indexOfTopLevelItem(self.currentItem()) if self.currentItem() is not None else 0
        with QtCore.QSignalBlocker(self):
            self.clear()
            for place, run in enumerate(runs):
                self._add_row(place, run)
        self._name_rows()
        self.setCurrentItem(self.topLevelItem(min(row, len(runs) - 1)))
        self._fit()

    def _fit(self) -> None:
        """Take the height of the runs, up to a limit."""
        frame = 2 * self.frameWidth() + self.header().sizeHint().height()
        self.setFixedHeight(frame + ROW * min(max(len(self.runs), 2), MOST_ROWS))

    def _add_row(self, row: int, run: Run) -> None:
        item = QtWidgets.QTreeWidgetItem(self)
        item.setSizeHint(NAME, QtCore.QSize(0, ROW))
        item.setFlags(item.flags() | QtCore.Qt.ItemFlag.ItemIsUserCheckable | QtCore.Qt.ItemFlag.ItemIsEditable)
        item.setCheckState(TICK, CHECK.Checked if run.chosen else CHECK.Unchecked)
        box = QtWidgets.QComboBox()
        box.addItems([AS_ABOVE, *run.columns])
        box.setCurrentText(run.column or AS_ABOVE)
        box.setToolTip(f"<qt>{COLUMN_TIP}</qt>")
        box.setSizeAdjustPolicy(box.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.activated.connect(partial(self._on_column, row))
        self.setItemWidget(item, COLUMN, box)

    def _name_rows(self) -> None:
        """Show the names of the runs, and the letters of those compared."""
        place = 0
        with QtCore.QSignalBlocker(self):
            for row, run in enumerate(self.runs):
                item = self.topLevelItem(row)
                item.setText(TICK, letter(place) if run.chosen else "")
                item.setText(NAME, run.name)
                item.setToolTip(NAME, f"<qt>{escape(run.name)}: {len(run.atoms):,} atoms. {TIP}</qt>")
                place += run.chosen

    def _on_item_changed(self, item: Any, _: int) -> None:
        """A tick or a name."""
        row = self.indexOfTopLevelItem(item)
        run, typed = self.runs[row], item.text(NAME).strip()
        others = [NOW, *(each.name for each in self.runs if each is not run)]
        name = run.name if typed in ("", run.name) else unique_name(typed, others)
        self.runs[row] = replace(run, name=name, chosen=item.checkState(TICK) == CHECK.Checked)
        self._name_rows()
        self.changed.emit()

    def _on_column(self, row: int, chosen: int) -> None:
        self.runs[row] = replace(self.runs[row], column=self.runs[row].columns[chosen - 1] if chosen else "")
        self.changed.emit()


class AddRuns(QtWidgets.QWidget):  # type: ignore[misc]
    """A button that keeps the current result, and a menu of other runs to add."""

    found = QtCore.Signal(object)
    """Runs to be added."""
    said = QtCore.Signal(str)

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self.keep, self.add = QtWidgets.QPushButton("Keep this result"), QtWidgets.QPushButton("Add")
        self.menu = QtWidgets.QMenu(self.add)
        self._reading = LatestTask(self)
        self._marked: tuple[Image, str] | None = None
        self.add.setMenu(self.menu)
        for button, tip in ((self.keep, KEEP_TIP), (self.add, ADD_TIP)):
            button.setToolTip(f"<qt>{tip}</qt>")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.keep, stretch=2)
        layout.addWidget(self.add, stretch=1)
        self.keep.clicked.connect(lambda _: self.keep_now())
        self.menu.aboutToShow.connect(self._fill_menu)

    def now(self) -> Run | None:
        """The current result of the active image; None without atoms."""
        session = self.controller.active
        if session is None or session.analysis.image is None or session.analysis.atoms is None:
            return None
        image = session.analysis.image
        if self._marked is None or self._marked[0] is not image:
            self._marked = (image, mark_of(image))
        return Run(NOW, session.analysis.atoms, session.analysis.styles, self._marked[1])

    def keep_now(self, column: str = "") -> None:
        """Keep the current result, to be compared by a column if one is given."""
        now = self.now()
        if now is not None and self.controller.active is not None:
            name = column or offered_name(self.controller.active.analysis)
            self.found.emit([replace(now, name=name, column=column)])

    def read(self, folder: Path) -> None:
        """Add the runs in a folder."""
        self.said.emit(f"Opening {folder.name} …")
        self._reading.ask(partial(read_runs, folder), self.found.emit, self._on_failed)

    def _fill_menu(self) -> None:
        self.menu.clear()
        self._offer("Folder of a session or window study …", self._on_folder)
        now = self.now()
        columns = [] if now is None else [name for name in now.columns if is_class(name)]
        for column in columns if len(columns) > 1 else []:
            self._offer(f"This result by {column}", partial(self.keep_now, column))
        for session in sessions(self.controller):
            if session is not self.controller.active and session.analysis.atoms is not None:
                self._offer(f"{session.layer.name}, as it is now", partial(self._add_session, session))

    def _offer(self, words: str, chosen: Callable[[], object]) -> None:
        self.menu.addAction(words).triggered.connect(lambda _: chosen())

    def _add_session(self, session: Any) -> None:
        try:
            self.found.emit([run_of(session.layer.name, session.analysis)])
        except InputError as error:
            self._on_failed(str(error))

    def _on_failed(self, why: str) -> None:
        self.said.emit(f"⚠ {why}")

    def _on_folder(self) -> None:
        words = "Folder of a session, of a run of a window study, or of a whole study"
        if folder := QtWidgets.QFileDialog.getExistingDirectory(self, words):
            self.read(Path(folder))

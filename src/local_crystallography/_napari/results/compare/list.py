"""The list of runs: which are compared, what they are called, and by which column each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from html import escape
from typing import Any

from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.results.compare.runs import NOW, Run, unique_name
from local_crystallography._napari.results.compare.tables import letter

TICK, NAME, COLUMN = range(3)
AS_ABOVE = "as above"
TIP = (
    "Runs with a tick are compared; the first of them numbers the classes. Double click or F2: give it another name. "
    "The run called “now” is the current result of the active image."
)
COLUMN_TIP = "What this run is compared by: the column above, or one of its own, such as label against pixel_label"
ROW = 26
MOST_ROWS = 7
CHECK = QtCore.Qt.CheckState


class RunList(QtWidgets.QTreeWidget):  # type: ignore[misc]
    """A row for every run: a tick, the letter it has elsewhere, its name, and its column."""

    changed = QtCore.Signal()
    """Other runs, names, ticks or columns."""

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
        """The runs that are compared."""
        return [run for run in self.runs if run.chosen]

    @property
    def current(self) -> Run | None:
        """The run whose row is selected."""
        row = self.indexOfTopLevelItem(self.currentItem()) if self.currentItem() is not None else -1
        return self.runs[row] if 0 <= row < len(self.runs) else None

    def set_now(self, now: Run | None) -> None:
        """The current result, which keeps its place, its tick and its column; None where there is none."""
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
        """Take more runs; the last one is selected, so that it can be renamed at once."""
        for run in runs:
            name = unique_name(run.name, [NOW, *(each.name for each in self.runs)])
            self.runs.append(replace(run, name=name))
        self._set(self.runs)
        self.setCurrentItem(self.topLevelItem(len(self.runs) - 1))
        self.changed.emit()

    def remove(self) -> None:
        """Take the selected run out, unless it is the current result."""
        if (run := self.current) is not None and self.removable(run):
            self._set([each for each in self.runs if each is not run])
            self.changed.emit()

    def removable(self, run: Run) -> bool:
        """Whether a run can be taken out: the current result stays, without a tick if need be."""
        return run.name != NOW

    def rename(self) -> None:
        """Let the name of the selected run be typed, unless it is the current result."""
        if (run := self.current) is not None and run.name != NOW:
            self.editItem(self.currentItem(), NAME)

    def put_first(self) -> None:
        """Let the selected run be the first one, which numbers the classes."""
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
        """Be as high as the runs, or as some of them."""
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
        """Show the letters of the runs that are compared, and their names."""
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

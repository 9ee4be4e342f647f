"""Sources of runs: the current result, saved folders, other images of the viewer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from qtpy import QtCore, QtWidgets

from local_crystallography._napari.results.compare import layers as compare_layers
from local_crystallography._napari.results.compare.runs import NOW, Run, mark_of, offered_name, read_runs, run_of
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography.data.columns import is_class
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image

KEEP_TIP = (
    "Keep the atoms with all their columns as they are now, under a name, to compare later results with; until napari "
    "is closed"
)
ADD_TIP = (
    "Add a saved session, the runs of a window study, another image of the viewer as it is analysed now, or this "
    "result by another column of classes"
)


class AddRuns(QtWidgets.QWidget):  # type: ignore[misc]
    """Two buttons: keep, and a menu of what else can be added."""

    found = QtCore.Signal(object)
    """Runs to be added, or the InputError that says why there are none."""
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

    @property
    def busy(self) -> bool:
        """Whether a folder is being read."""
        return self._reading.busy

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
        """Keep the current result; given a column, to be compared by it."""
        now = self.now()
        if now is not None and self.controller.active is not None:
            name = column or offered_name(self.controller.active.analysis)
            self.found.emit([replace(now, name=name, column=column)])

    def read(self, folder: Path) -> None:
        """Add what is in a folder."""
        self.said.emit(f"Opening {folder.name} …")
        self._reading.ask(partial(read_runs, folder), self.found.emit, self._on_failed)

    def _fill_menu(self) -> None:
        self.menu.clear()
        self._offer("Folder of a session or window study …", self._on_folder)
        now = self.now()
        columns = [] if now is None else [name for name in now.columns if is_class(name)]
        for column in columns if len(columns) > 1 else []:
            self._offer(f"This result by {column}", partial(self.keep_now, column))
        for session in compare_layers.sessions(self.controller):
            if session is not self.controller.active and session.analysis.atoms is not None:
                self._offer(f"{session.layer.name}, as it is now", partial(self._add_work, session))

    def _offer(self, words: str, chosen: Callable[[], object]) -> None:
        self.menu.addAction(words).triggered.connect(lambda _: chosen())

    def _add_work(self, session: Any) -> None:
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

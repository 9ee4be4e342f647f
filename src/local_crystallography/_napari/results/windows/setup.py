"""Set-up of a window study: the suggested window size, the runs requested, and their folder."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from qtpy import QtCore, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.layers import convert
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography._napari.settings import Settings
from local_crystallography._napari.widgets.form import ModelForm
from local_crystallography._napari.widgets.help import looked_at
from local_crystallography._napari.widgets.plots import FixedPlot
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job
from local_crystallography.io.window_runs import StudyTable
from local_crystallography.lattice.shells import Suggestion
from local_crystallography.recipe import Recipe
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.encode import Encode
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.train_vae import TrainVae
from local_crystallography.studies.windows import WindowStudy, finished_runs, run_window_study, suggest
from local_crystallography.views.looking import PANELS

STEPS = (ExtractSubImages.name(), TrainVae.name(), Encode.name(), Cluster.name())
"""Steps of a run."""
NOTE = "windows"
"""Key of a study in the notes of an image layer."""
NO_ATOMS = "Find atoms first: the distances between them suggest the window sizes."
TEMPORARY = "until napari is closed"
VALID = {"greater_than_equal": "{ge} or more", "less_than_equal": "{le} or less"}
"""Valid numbers, by the type of the error that pydantic reports."""
PAIRS, SHELL, WINDOW = "#2a95ff", "#ff9d2a", "#ea4080"
PLOT_TIP = (
    "Pair distribution g(r): how many atoms lie at this distance from an atom, relative to a random arrangement. Its "
    "peaks are the shells of neighbours. The line is the radius of the disc inside the window, which is all the "
    "network sees; solid: that of the recommended window, the automatic one of Extract sub-images. Dashed: the window "
    "sizes in the list below."
)
TITLE = (
    f'<span style="color: {PAIRS}">pairs</span>, <span style="color: {SHELL}">shells</span>, '
    f'<span style="color: {WINDOW}">radius of the window</span>'
)
TIPS = {
    "use": "Put this window size, a smaller and a larger one into the list",
    "folder": "Folder in which every run is saved as it ends: its atoms and classes as a table, and its recipe. Runs "
    "of the same atoms and settings that the folder already holds are not repeated. Empty: a temporary folder, which "
    "is removed when napari is closed",
    "browse": "Choose the folder of the runs",
}


@dataclass(frozen=True)
class StudyRequest:
    """A study of one image: its settings, the recipe at the time, the folder of the runs, and the atoms."""

    session: ImageSession
    atoms: Atoms
    settings: WindowStudy
    recipe: Recipe
    folder: Path

    @property
    def parts(self) -> tuple[Analysis, WindowStudy, Recipe, Path]:
        """Arguments of `run_window_study`."""
        return self.session.analysis, self.settings, self.recipe, self.folder

    def follows(self, recipe: Recipe) -> bool:
        """Whether a recipe would give the same runs, whatever its window size and source."""
        one, other = (self.settings.of_run(each, "image", 8, 0, 1.0) for each in (self.recipe, recipe))
        return all(getattr(one, name) == getattr(other, name) for name in STEPS)

    def keep(self) -> None:
        """Note the study on the image layer, so that it outlives the dock."""
        self.session.layer.metadata.setdefault(convert.KEY, {})[NOTE] = (self.settings, self.recipe, self.folder)

    def study(self) -> Job[StudyTable | InputError]:
        """Train, and give the study, or the reason why there is none."""
        try:
            return (yield from run_window_study(*self.parts))
        except InputError as error:
            return error

    def finished(self) -> StudyTable:
        """The runs that are finished."""
        return finished_runs(*self.parts)


def remembered_study(session: ImageSession) -> StudyRequest | None:
    """The study noted on the image layer, for its present atoms; None without a study or without atoms."""
    kept, atoms = convert.note_of(session.layer).get(NOTE), session.analysis.atoms
    return None if kept is None or atoms is None else StudyRequest(session, atoms, *kept)


class Shelter:
    """A temporary folder that lasts as long as the program."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def of(self, key: str) -> Path:
        """The folder in it for one image."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="local_crystallography_"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder / key


SHELTER = Shelter()
"""Folder of runs for which none was chosen: they outlive the dock."""


class PairPlot(FixedPlot):
    """The radial pair distribution with its shells and the radius of windows."""

    def __init__(self) -> None:
        self._others: list[pg.InfiniteLine] = []
        self._scale = 1.0
        super().__init__(165, PLOT_TIP, title=TITLE, bottom="distance, px", left="g(r)")

    def show_suggestion(self, found: Suggestion, pixel_size: float | None) -> None:
        """Draw it, in nm where the pixel size is known."""
        self._scale, unit = (1.0, "px") if pixel_size is None else (pixel_size, "nm")
        self.clear()
        self._others = []
        self.plot(found.radius * self._scale, found.density, pen=pg.mkPen(PAIRS, width=2))
        heights = np.interp(found.shells, found.radius, found.density)
        self.plot(
            found.shells * self._scale, heights, pen=None, symbol="o", symbolSize=7, symbolBrush=SHELL, symbolPen=None
        )
        self.addItem(pg.InfiniteLine(found.window / 2 * self._scale, 90, pen=pg.mkPen(WINDOW, width=2)))
        self.setXRange(0, float(found.radius[-1]) * self._scale, padding=0.01)
        self.setYRange(0, float(found.density.max()) or 1.0, padding=0.05)
        self.setLabel("bottom", f"distance, {unit}")

    def show_windows(self, windows: Sequence[int]) -> None:
        """Draw the radius of other windows, in pixels."""
        for line in self._others:
            self.removeItem(line)
        pen = pg.mkPen(self.theme.line, width=1, dash=(3, 3))
        self._others = [pg.InfiniteLine(window / 2 * self._scale, 90, pen=pen) for window in windows]
        for line in self._others:
            line.setZValue(-1)
            self.addItem(line, ignoreBounds=True)

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        super().set_theme(dark)
        for line in self._others:
            line.setPen(pg.mkPen(self.theme.line, width=1, dash=(3, 3)))


class WindowsSetup(QtWidgets.QWidget):  # type: ignore[misc]
    """The suggestion with its plot, the form of the study, and the folder."""

    changed = QtCore.Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = QtWidgets.QLabel(NO_ATOMS, wordWrap=True)
        self.use, self.plot = QtWidgets.QPushButton("Use"), PairPlot()
        self.form = ModelForm(WindowStudy())
        self.folder, self.browse = QtWidgets.QLineEdit(), QtWidgets.QPushButton("…")
        self.suggestion: Suggestion | None = None
        self._offered: tuple[int, ...] = self.form.model().windows
        self._atoms: Atoms | None = None
        self._key = ""
        self._folders: dict[str, str] = {}
        self._latest = LatestTask(self)
        self._lay_out()
        self.use.clicked.connect(self.use_suggestion)
        self.browse.clicked.connect(self._on_browse_clicked)
        self.form.changed.connect(self._on_form_changed)
        self.folder.textChanged.connect(lambda _: self.changed.emit())

    @property
    def place(self) -> Path:
        """The folder of the runs."""
        text = self.folder.text().strip()
        return Path(text).expanduser() if text else SHELTER.of(self._key)

    def study(self) -> WindowStudy:
        """The study as the form shows it.

        Raises
        ------
        InputError
            For an invalid window size, seed or number of epochs.
        """
        try:
            return self.form.model()
        except ValidationError as error:
            wrong = error.errors()[0]
            valid = VALID.get(wrong["type"], "a whole number").format(**wrong.get("ctx", {}))
            raise InputError(f"{wrong['input']!r} is not valid for {wrong['loc'][0]}: enter {valid}.") from error

    def follow(self, session: ImageSession | None) -> None:
        """Suggest a window size for the atoms of the active image, if they are others than before."""
        atoms = None if session is None else session.analysis.atoms
        if session is not None and session.key != self._key:
            self._folders[self._key], self._key = self.folder.text(), session.key
            self.folder.setText(
                self._folders[session.key] if session.key in self._folders else self._first_folder(session)
            )
        if atoms is self._atoms or (atoms is not None and atoms.same_atoms(self._atoms)):
            return
        self._atoms = atoms
        self._show(None)
        if atoms is None or not len(atoms):
            self._latest.drop()
            self.words.setText(NO_ATOMS)
        else:
            self.words.setText("Computing distances …")
            self._latest.ask(partial(suggest, atoms), self._show, lambda why: self.words.setText(f"⚠ {why}"))

    def use_suggestion(self) -> None:
        """Put the suggested window size, a smaller and a larger one into the list."""
        if self.suggestion is not None:
            self._offered = self.suggestion.windows
            self.form.fields["windows"].set(self._offered)

    def _first_folder(self, session: ImageSession) -> str:
        """Folder of the study noted on the layer, whose settings are then shown; otherwise one beside the session."""
        if (before := remembered_study(session)) is None:
            return beside_session(session)
        self.form.set(before.settings)
        return "" if before.folder == SHELTER.of(session.key) else str(before.folder)

    def _lay_out(self) -> None:
        layout, head, folder = QtWidgets.QVBoxLayout(self), QtWidgets.QHBoxLayout(), QtWidgets.QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        head.addWidget(self.words, stretch=1)
        head.addWidget(self.use)
        folder.setSpacing(3)
        folder.addWidget(self.folder, stretch=1)
        folder.addWidget(self.browse)
        self.browse.setFixedWidth(28)
        self.folder.setPlaceholderText(TEMPORARY)
        label = QtWidgets.QLabel("folder")
        self.form.rows.addRow(label, folder)
        layout.addLayout(head)
        layout.addLayout(looked_at(self.plot, PANELS["pairs"]))
        layout.addWidget(self.form)
        for widgets, name in (((self.use,), "use"), ((self.folder, label), "folder"), ((self.browse,), "browse")):
            for widget in widgets:
                widget.setToolTip(f"<qt>{TIPS[name]}</qt>")
        self._show(None)

    def _show(self, found: Suggestion | None) -> None:
        self.suggestion = found
        self.use.setVisible(self.suggestion is not None)
        self.plot.setVisible(self.suggestion is not None)
        if self.suggestion is None or self._atoms is None:
            return
        size = self._atoms.pixel_size
        length = "" if size is None else f" ({self.suggestion.window * size:.2g} nm)"
        self.words.setText(f"Recommended: {self.suggestion.window} px{length}, the window of Extract sub-images.")
        self.plot.show_suggestion(self.suggestion, size)
        # a list edited by hand stays
        if self.form.fields["windows"].get() == self._offered:
            self.use_suggestion()
        self._on_form_changed()

    def _on_form_changed(self) -> None:
        self._draw_windows()
        self.changed.emit()

    def _draw_windows(self) -> None:
        if self.suggestion is not None:
            listed = [window for window in self.form.fields["windows"].get() if isinstance(window, int)]
            self.plot.show_windows([window for window in listed if window != self.suggestion.window])

    def _on_browse_clicked(self) -> None:
        start = self.folder.text() or str(Settings().folder or "")
        if folder := QtWidgets.QFileDialog.getExistingDirectory(self, "Folder of the runs", start):
            self.folder.setText(folder)


def beside_session(session: ImageSession) -> str:
    """A folder beside the session that an image came from; empty if there is none."""
    folder = convert.note_of(session.layer).get("session")
    return f"{session} windows" if folder else ""

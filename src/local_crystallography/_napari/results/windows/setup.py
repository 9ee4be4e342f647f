"""Set-up of a window study: a suggested window, the runs, and their folder."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from functools import partial
from pathlib import Path

from pydantic import ValidationError
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers.convert import note_of
from local_crystallography._napari.results.windows.asked import asked_before
from local_crystallography._napari.results.windows.plot import PairPlot
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography._napari.settings import Settings
from local_crystallography._napari.widgets.form import ModelForm
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.lattice.shells import Suggestion
from local_crystallography.studies.windows import WindowStudy, suggest

NO_ATOMS = "Find atoms first: the distances between them suggest the windows."
TEMPORARY = "until napari is closed"
WANTED = {"greater_than_equal": "{ge} or more", "less_than_equal": "{le} or less"}
"""What pydantic finds wrong with a number, as what was expected."""
TIPS = {
    "use": "Put this window, a smaller and a larger one into the list",
    "folder": "The folder every run is saved to as it ends: its atoms and classes as a table, and its recipe. Runs "
    "that the folder holds already, of the same atoms and settings, are not done again. Empty: a temporary folder, "
    "which is removed when napari ends",
    "browse": "Choose the folder where the runs are kept",
}


class Shelter:
    """A temporary folder that is there as long as the program."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def of(self, key: str) -> Path:
        """The part of it for one image."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="local_crystallography_"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder / key


SHELTER = Shelter()
"""Where runs are kept that nobody chose a folder for: they outlive the dock."""


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
    def busy(self) -> bool:
        """Whether the distances are being counted."""
        return self._latest.busy

    @property
    def place(self) -> Path:
        """The folder of the runs."""
        text = self.folder.text().strip()
        return Path(text).expanduser() if text else SHELTER.of(self._key)

    def study(self) -> WindowStudy:
        """What is asked for.

        Raises
        ------
        InputError
            For what is no window, seed or number of epochs.
        """
        try:
            return self.form.model()
        except ValidationError as error:
            wrong = error.errors()[0]
            wanted = WANTED.get(wrong["type"], "a whole number").format(**wrong.get("ctx", {}))
            raise InputError(
                f"{wrong['input']!r} came among the {wrong['loc'][0]}, {wanted} was expected; write another one."
            ) from error

    def follow(self, session: ImageSession | None) -> None:
        """Suggest a window for the atoms of the active image, where they are others than before."""
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
            self.words.setText("Counting distances …")
            self._latest.ask(partial(suggest, atoms), self._show, lambda why: self.words.setText(f"⚠ {why}"))

    def use_suggestion(self) -> None:
        """Put the window suggested, a smaller and a larger one into the list."""
        if self.suggestion is not None:
            self._offered = self.suggestion.windows
            self.form.fields["windows"].set(self._offered)

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        self.plot.set_theme(dark)
        self._draw_windows()

    def _first_folder(self, session: ImageSession) -> str:
        """The folder of the study that the layer remembers, whose settings are shown; else one beside its session."""
        if (before := asked_before(session)) is None:
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
        label = QtWidgets.QLabel("kept in")
        self.form.rows.addRow(label, folder)
        layout.addLayout(head)
        layout.addWidget(self.plot)
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
        self.words.setText(f"The distances of the atoms suggest a window of {self.suggestion.window} px{length}.")
        self.plot.show_suggestion(self.suggestion, size)
        # a list written by hand stays
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
        if folder := QtWidgets.QFileDialog.getExistingDirectory(self, "Keep the runs in a folder", start):
            self.folder.setText(folder)


def beside_session(session: ImageSession) -> str:
    """A folder beside the session that an image came from; empty where it came from none."""
    folder = note_of(session.layer).get("session")
    return f"{session} windows" if folder else ""

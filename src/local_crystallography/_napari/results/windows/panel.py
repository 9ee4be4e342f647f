"""The tab of windows: a training for every window, source and seed, and what comes of it side by side."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from qtpy import QtCore, QtWidgets

from local_crystallography._napari.results.windows.asked import Asked, asked_before
from local_crystallography._napari.results.windows.figure import (
    FigureWindow,
    drawn,
    write_study_figure,
    write_tables,
)
from local_crystallography._napari.results.windows.layers import SHOWN, show_maps
from local_crystallography._napari.results.windows.results import WindowsResults
from local_crystallography._napari.results.windows.setup import WindowsSetup
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography._napari.session.worker import Report
from local_crystallography._napari.widgets.dialogs import ask_figure, ask_to_save
from local_crystallography._napari.widgets.timers import while_there
from local_crystallography.data.errors import InputError
from local_crystallography.io.window_runs import StudyRun, StudyTable
from local_crystallography.recipe import Recipe
from local_crystallography.studies.windows import study_maps

RUN_TIP = (
    "Train once for every window, source and seed, with the settings of the main panel, and sort the atoms of each "
    "training into classes. What is done stays when you cancel"
)
STALE = "⚠ The settings of the main panel have changed since; Run study follows them."
WORDS = "Runs that the folder holds already are not done again."
BROKEN = "The study was interrupted; finished runs are kept. Run study continues with the others."


class WindowsPanel(QtWidgets.QWidget):  # type: ignore[misc]
    """What is asked for above, what came of it below."""

    chosen = QtCore.Signal(object)
    """The step ExtractSubImages of the run whose window is to be used."""

    def __init__(
        self, controller: Controller, recipe: Callable[[], Recipe], parent: QtWidgets.QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.controller, self.recipe = controller, recipe
        self.setup, self.results = WindowsSetup(), WindowsResults()
        self.button = QtWidgets.QPushButton("Run study")
        self.message, self.stale = QtWidgets.QLabel(WORDS, wordWrap=True), QtWidgets.QLabel(STALE, wordWrap=True)
        self.window_of_figure = FigureWindow(self)
        self._studies: dict[str, tuple[Asked, StudyTable]] = {}
        self._shown: StudyTable | None = None
        self._styles: dict[str, Any] = {}
        self._running: Asked | None = None
        self._run = ""
        self._words: dict[str, str] = {}
        self._looked: set[str] = set()
        self._latest = LatestTask(self)
        self._lay_out()
        self.button.clicked.connect(self._on_run_clicked)
        self.setup.changed.connect(self.refresh)
        self.results.asked.connect(self._on_asked)
        controller.reported.connect(self._on_reported)

    @property
    def busy(self) -> bool:
        """Whether distances are counted, runs read or pictures drawn."""
        return self._latest.busy or self.setup.busy or self.results.busy

    @property
    def asked(self) -> Asked | None:
        """The study shown of the active image; None where there is none, or its atoms are others now."""
        session = self.controller.active
        asked, _ = self._studies.get("" if session is None else session.key, (None, None))
        return asked if asked is not None and asked.atoms.same_atoms(asked.session.analysis.atoms) else None

    def refresh(self) -> None:
        """Suggest a window for the atoms there are now; a study of other atoms goes."""
        session = self.controller.active
        self.setup.follow(session)
        self._look(session)
        atoms = None if session is None else session.analysis.atoms
        ready = atoms is not None and len(atoms) > 0 and not self.controller.running
        self.button.setEnabled(ready)
        # what is of a layer that is gone is not to be kept
        self._studies = {
            key: kept for key, kept in self._studies.items() if self.controller.sessions.holds(kept[0].session)
        }
        asked = self.asked
        study = None if asked is None else self._studies[asked.session.key][1]
        styles = {} if asked is None else asked.session.analysis.styles.to_dict()
        if study is not self._shown or styles != self._styles:
            self._shown, self._styles = study, styles
            self._show(asked, study)
        self.message.setText(WORDS if session is None else self._words.get(session.key, WORDS))
        self.stale.setVisible(asked is not None and not self.controller.running and not self._follows(asked))
        self.results.set_ready(not self.controller.running)

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        self.setup.set_theme(dark)

    def _lay_out(self) -> None:
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(2, 4, 2, 2)
        for part in (self.setup, self.button, self.message, self.stale, self.results):
            layout.addWidget(part)
        layout.addStretch(1)
        self.button.setToolTip(f"<qt>{RUN_TIP}</qt>")
        self.message.setMinimumWidth(1)  # or a path without spaces would make the dock wider

    def _on_run_clicked(self) -> None:
        session = self.controller.active
        if session is None or self.controller.running or (atoms := session.analysis.atoms) is None:
            return
        try:
            asked = Asked(session, atoms, self.setup.study(), self.recipe(), self.setup.place)
        except InputError as error:
            self._say(session, f"⚠ {error}")
            return
        asked.keep()
        self._running, self._run = asked, ""
        self._say(session, f"Training {len(asked.settings.runs)} networks, one after the other …")
        self.controller.job(asked.study, while_there(self, partial(self._on_studied, asked)))

    def _follows(self, asked: Asked) -> bool:
        try:
            return asked.follows(self.recipe())
        except InputError:
            return False

    def _on_reported(self, report: Report) -> None:
        """Another run has begun: look for those that are done."""
        run = report.progress.message.partition(":")[0]
        if self._running is not None and run != self._run:
            self._run = run
            self._latest.ask(self._running.finished, partial(self._on_found, self._running), _ignored)

    def _look(self, session: ImageSession | None) -> None:
        """Look for the runs of a study that another dock began, and notice where one of this dock was interrupted."""
        if self.controller.running:
            return
        if self._running is not None:
            self._say(self._running.session, BROKEN)
            self._running = None
        if session is not None and session.key not in self._looked and (asked := asked_before(session)) is not None:
            self._looked.add(session.key)
            self._latest.ask(asked.finished, partial(self._on_found, asked), _ignored)

    def _on_found(self, asked: Asked, study: StudyTable) -> None:
        wanted = self._running is asked or asked.session.key not in self._studies
        if study.runs and wanted:
            self._keep(asked, study)

    def _on_studied(self, asked: Asked, study: StudyTable | InputError) -> None:
        self._running = None
        if isinstance(study, InputError):
            self._say(asked.session, f"⚠ {study}")
            return
        failed, wanted = sum(bool(run.note) for run in study.runs), len(asked.settings.runs)
        self._say(
            asked.session,
            f"{len(study.runs) - failed} of {wanted} runs are done{f', {failed} failed' if failed else ''}."
            + (" Run study goes on with the others." if len(study.runs) < wanted else ""),
        )
        self._keep(asked, study)

    def _keep(self, asked: Asked, study: StudyTable) -> None:
        from local_crystallography.report.windows import matched_classes

        self._looked.add(asked.session.key)
        self._studies[asked.session.key] = asked, matched_classes(study, asked.session.analysis.atoms)
        self.refresh()

    def _show(self, asked: Asked | None, study: StudyTable | None) -> None:
        if asked is None or study is None:
            self.results.setVisible(False)
        elif (image := asked.session.analysis.image) is not None:
            self.results.show_study(study, image.shape, asked.session.analysis.styles)

    def _on_asked(self, what: str) -> None:
        asked, run = self.asked, self.results.run
        if asked is None or self._shown is None or (image := asked.session.analysis.image) is None:
            return
        everything = self._shown, image, asked.session.analysis.styles
        if what == "use" and run is not None:
            self._use(asked, run)
        elif what == "maps" and run is not None:
            self.controller.compute(f"Painting {run.name} …", lambda: self._painted(asked, run))
        elif what == "enlarge":
            show = while_there(self, self.window_of_figure.show_png)
            self.controller.compute("Drawing runs …", lambda: partial(show, drawn(*everything)))
        elif what == "figure" and (chosen := ask_figure(self, "windows.png")):
            self.controller.compute("Writing …", partial(self._written, asked.session, chosen, *everything))
        elif what == "table" and (path := ask_to_save(self, "Save table", "windows.csv")):
            try:
                write_tables(path, self._shown)
            except InputError as error:
                self._say(asked.session, f"⚠ {error}")
            else:
                self._say(asked.session, f"Written to {path}.")

    def _use(self, asked: Asked, run: StudyRun) -> None:
        """Tell the step as the run had it."""
        extract = asked.recipe.extract_sub_images
        cut: dict[str, Any] = {"source": run.source, "window_size": run.window}
        try:
            kept = Recipe.from_toml(asked.folder / run.name / "recipe.toml").extract_sub_images
            cut["smoothing"] = kept.smoothing
        except (OSError, InputError):
            pass  # the folder is gone; only a smoothed image needs the width
        self.chosen.emit(extract.model_copy(update=cut))
        self._say(asked.session, f"Extract sub-images takes windows of {run.window} px of the {run.source} now.")

    def _painted(self, asked: Asked, run: StudyRun) -> Callable[[], object]:
        image = asked.session.analysis.image
        assert image is not None
        maps = study_maps(StudyTable((run,)), image)[run.name]
        wanted = {column: values for column, values in maps.items() if SHOWN.fullmatch(column)}
        return lambda: show_maps(self.controller.viewer, asked.session, run.name, wanted)

    def _written(self, session: ImageSession, path: Path, *what: Any) -> Callable[[], object]:
        words = f"Written to {path}."
        try:
            write_study_figure(path, *what)
        except InputError as error:
            words = f"⚠ {error}"
        return while_there(self, partial(self._say, session, words))

    def _say(self, session: ImageSession, words: str) -> None:
        """Say something of an image, for as long as it is the active one."""
        self._words[session.key] = words
        if session is self.controller.active:
            self.message.setText(words)


def _ignored(why: str) -> None:
    """A folder of runs that cannot be read is looked into again when the study is run."""

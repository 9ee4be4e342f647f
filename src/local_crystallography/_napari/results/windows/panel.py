"""The tab of windows: a training for every window size, source and seed, and the results side by side."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.layers import convert, geometry, rings
from local_crystallography._napari.layers.named_layers import NamedLayers
from local_crystallography._napari.results.windows.results import WindowsResults
from local_crystallography._napari.results.windows.setup import StudyRequest, WindowsSetup, remembered_study
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.session.worker import Report
from local_crystallography._napari.widgets.panels import ResultPanel, panel_layout
from local_crystallography._napari.widgets.pictures import WINDOW, PictureWindow
from local_crystallography._napari.widgets.timers import while_there
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.io.window_runs import StudyRun, StudyTable
from local_crystallography.recipe import Recipe
from local_crystallography.studies.windows import study_maps
from local_crystallography.views.styles import ClassStyles

RUN_TIP = (
    "Train once for every window size, source and seed, with the settings of the main panel, and cluster the atoms of "
    "each training. Finished runs are kept when you cancel"
)
STALE = "⚠ The settings of the main panel have changed since; Run study uses the new ones."
WORDS = "Runs that the folder already holds are not repeated."
BROKEN = "The study was interrupted; finished runs are kept. Run study continues with the others."
FIGURE_TIP = "Classes, angles and latents of every run"
SHOWN = re.compile(r"angle_rad|z\d+|label")
"""Columns of a run that are shown as layers."""


class WindowsPanel(ResultPanel):
    """The set-up of a study above, its results below."""

    chosen = QtCore.Signal(object)
    """The step ExtractSubImages of the run whose window size is to be used."""

    def __init__(
        self, controller: Controller, recipe: Callable[[], Recipe], parent: QtWidgets.QWidget | None = None
    ) -> None:
        super().__init__(controller, parent)
        self.recipe = recipe
        self.setup, self.results = WindowsSetup(), WindowsResults()
        self.button, self.stale = QtWidgets.QPushButton("Run study"), QtWidgets.QLabel(STALE, wordWrap=True)
        self.window_of_figure = PictureWindow("Window study", FIGURE_TIP, self)
        self._studies: dict[str, tuple[StudyRequest, StudyTable]] = {}
        self._shown: tuple[StudyTable, dict[str, Any]] | None = None
        self._running: StudyRequest | None = None
        self._run = ""
        self._words: dict[str, str] = {}
        self._looked: set[str] = set()
        self.button.setToolTip(f"<qt>{RUN_TIP}</qt>")
        panel_layout(self, self.setup, self.button, self.message, self.stale, self.results)
        self.button.clicked.connect(self._on_run_clicked)
        self.setup.changed.connect(self.refresh)
        self.results.command.connect(self._on_command)
        controller.reported.connect(self._on_reported)

    @property
    def current(self) -> tuple[StudyRequest, StudyTable] | None:
        """The study of the active image with its finished runs; None without one, or if it is of other atoms."""
        session = self.controller.active
        kept = None if session is None else self._studies.get(session.key)
        return kept if kept is not None and kept[0].atoms.same_atoms(kept[0].session.analysis.atoms) else None

    def refresh(self) -> None:
        """Suggest a window size for the present atoms, and show their study; also while hidden."""
        session, idle = self.controller.active, not self.controller.running
        self.setup.follow(session)
        self._look(session)
        self.button.setEnabled(idle and self.atoms is not None and len(self.atoms) > 0)
        # studies of layers that are gone are dropped
        self._studies = {
            key: kept for key, kept in self._studies.items() if self.controller.sessions.holds(kept[0].session)
        }
        current = self.current
        self._show(current)
        self.message.setText(WORDS if session is None else self._words.get(session.key, WORDS))
        self.stale.setVisible(current is not None and idle and not self._follows(current[0]))
        self.results.set_ready(idle)

    def show_status(self, words: str) -> None:
        """Say how a command on the active image went."""
        if self.controller.active is not None:
            self._say_of(self.controller.active, words)

    def show_problem(self, problem: str) -> None:
        """Say why a command on the active image failed."""
        self.show_status(f"⚠ {problem}")

    def _on_run_clicked(self) -> None:
        session, atoms = self.controller.active, self.atoms
        if session is None or atoms is None or self.controller.running:
            return
        try:
            request = StudyRequest(session, atoms, self.setup.study(), self.recipe(), self.setup.place)
        except InputError as error:
            self.show_problem(str(error))
            return
        request.keep()
        self._running, self._run = request, ""
        self.show_status(f"Training {len(request.settings.runs)} networks, one after the other …")
        self.controller.job(request.study, while_there(self, partial(self._on_studied, request)))

    def _follows(self, request: StudyRequest) -> bool:
        try:
            return request.follows(self.recipe())
        except InputError:
            return False

    def _on_reported(self, report: Report) -> None:
        """Read the finished runs when another one has begun."""
        run = report.progress.message.partition(":")[0]
        if self._running is not None and run != self._run:
            self._run = run
            self._read(self._running)

    def _look(self, session: ImageSession | None) -> None:
        """Read the runs of a study begun in another dock, and notice an interrupted one of this dock."""
        if self.controller.running:
            return
        if self._running is not None:
            self._say_of(self._running.session, BROKEN)
            self._running = None
        if session is not None and session.key not in self._looked and (kept := remembered_study(session)) is not None:
            self._looked.add(session.key)
            self._read(kept)

    def _read(self, request: StudyRequest) -> None:
        # a folder that cannot be read now is read again when the study is run
        self._latest.ask(request.finished, partial(self._on_found, request), lambda _: None)

    def _on_found(self, request: StudyRequest, study: StudyTable) -> None:
        wanted = self._running is request or request.session.key not in self._studies
        if study.runs and wanted:
            self._keep(request, study)

    def _on_studied(self, request: StudyRequest, study: StudyTable | InputError) -> None:
        self._running = None
        if isinstance(study, InputError):
            self._say_of(request.session, f"⚠ {study}")
            return
        failed, wanted = sum(bool(run.note) for run in study.runs), len(request.settings.runs)
        self._say_of(
            request.session,
            f"{len(study.runs) - failed} of {wanted} runs are finished{f', {failed} failed' if failed else ''}."
            + (" Run study continues with the others." if len(study.runs) < wanted else ""),
        )
        self._keep(request, study)

    def _keep(self, request: StudyRequest, study: StudyTable) -> None:
        from local_crystallography.report.windows import matched_classes

        self._looked.add(request.session.key)
        self._studies[request.session.key] = request, matched_classes(study, request.session.analysis.atoms)
        self.refresh()

    def _show(self, current: tuple[StudyRequest, StudyTable] | None) -> None:
        """Show a study, unless it is shown with these names and colours of classes already."""
        if current is None:
            self._shown = None
            self.results.setVisible(False)
            return
        request, study = current
        analysis = request.session.analysis
        styles = analysis.styles.to_dict()
        shown = self._shown
        if analysis.image is not None and (shown is None or shown[0] is not study or shown[1] != styles):
            self._shown = study, styles
            self.results.show_study(study, analysis.image.shape, analysis.styles)

    def _on_command(self, what: str) -> None:
        current, run = self.current, self.results.run
        if current is None or (image := current[0].session.analysis.image) is None:
            return
        request, study = current
        styles = request.session.analysis.styles
        if what == "use" and run is not None:
            self._use(request, run)
        elif what == "maps" and run is not None:
            self.controller.compute(f"Painting {run.name} …", lambda: self._painted(request, run))
        elif what == "enlarge":
            show = while_there(self, self._show_figure)
            self.controller.compute("Drawing runs …", lambda: partial(show, figure_png(study, image, styles)))
        elif what == "figure":
            write = partial(write_study_figure, study=study, image=image, styles=styles)
            self.ask_figure("windows.png", partial(self.save_file, write=write))
        elif what == "table":
            self.ask_table("windows.csv", partial(self.save_file, write=partial(write_tables, study=study)))

    def _use(self, request: StudyRequest, run: StudyRun) -> None:
        """Hand on the step that extracts sub-images as the run did."""
        extract = request.recipe.extract_sub_images
        cut: dict[str, Any] = {"source": run.source, "window_size": run.window}
        try:
            kept = Recipe.from_toml(request.folder / run.name / "recipe.toml").extract_sub_images
            cut["smoothing"] = kept.smoothing
        except (OSError, InputError):
            pass  # the folder is gone; only a smoothed image needs the width
        self.chosen.emit(extract.model_copy(update=cut))
        self.show_status(f"Extract sub-images now uses a window of {run.window} px of the {run.source}.")

    def _painted(self, request: StudyRequest, run: StudyRun) -> Callable[[], object]:
        image = request.session.analysis.image
        assert image is not None
        maps = study_maps(StudyTable((run,)), image)[run.name]
        wanted = {column: values for column, values in maps.items() if SHOWN.fullmatch(column)}
        return lambda: show_maps(self.controller.viewer, request.session, run.name, wanted)

    def _show_figure(self, png: bytes) -> None:
        picture = QtGui.QPixmap()
        picture.loadFromData(png)
        self.window_of_figure.show_picture(picture)

    def _say_of(self, session: ImageSession, words: str) -> None:
        """Say something of an image, shown while it is the active one."""
        self._words[session.key] = words
        if session is self.controller.active:
            self.message.setText(words)


def show_maps(viewer: Any, session: ImageSession, run: str, maps: Mapping[str, npt.NDArray[np.floating]]) -> list[Any]:
    """Put maps of a run, by column, above all other maps of the image, each in a layer named after run and column.

    Its classes are visible; those of other runs and of the analysis are hidden, since they would overlap.
    """
    own = NamedLayers(viewer, session.layer)
    for layer in viewer.layers:
        name = convert.note_of(layer).get("result", "")
        if convert.belongs(layer, session.layer) and name not in ("atoms", rings.NAME):
            own.take(name, layer)
            if convert.is_result(layer) and name.split(" ")[-1] in ("label", "hand_label"):
                layer.visible = False
    place, image, shown = geometry.placement_of(session.layer), session.analysis.image, []
    for column, values in maps.items():
        name = f"{run} {column}"
        note = {"result": name, "of": session.key, "image": "" if image is None else image.name}
        data, arguments, kind = convert.map_layer(column, values, place, note, session.analysis.styles)
        own.put(name, (data, {**arguments, "name": name}, kind))
        shown.append(own.get(name))
    for layer in shown:
        layer.visible = layer.name.endswith(" label")
    return shown


def figure_png(study: StudyTable, image: Image, styles: ClassStyles) -> bytes:
    """The figure of a study, as wide as its window."""
    from matplotlib import rc_context

    from local_crystallography.report.symmetry import PAPER
    from local_crystallography.report.windows import window_figure

    written = BytesIO()
    with rc_context(PAPER):
        figure = window_figure(study, image, styles)
        dpi = (WINDOW[0] - 24) / figure.get_figwidth()
        figure.savefig(written, format="png", dpi=dpi, facecolor="white")
    return written.getvalue()


def write_study_figure(path: Path, study: StudyTable, image: Image, styles: ClassStyles) -> None:
    """Write the figure of a study in the format of the suffix."""
    from local_crystallography.report.symmetry import write_figure
    from local_crystallography.report.windows import window_figure

    write_figure(window_figure(study, image, styles), path)


def write_tables(path: Path, study: StudyTable) -> None:
    """Write a row per run, and to a second file, its name ending in -agreement, the agreement of the runs; as CSV."""
    from local_crystallography.report.windows import agreement_table, window_table

    other = path.with_name(f"{path.stem}-agreement.csv")
    for each, table in ((path, window_table(study)), (other, agreement_table(study))):
        table.to_csv(each, index=False, lineterminator="\n")

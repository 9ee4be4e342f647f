"""Controller of the panels: sessions of all images, and the one job that may run on them. No widgets."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from qtpy import QtCore

from local_crystallography._napari.layers import convert
from local_crystallography._napari.session.atom_edits import AtomEdits
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.session.image_sessions import ImageSessions, new_session, open_session, opened
from local_crystallography._napari.session.layer_queue import LayerQueue
from local_crystallography._napari.session.layer_watch import LayerWatch
from local_crystallography._napari.session.selection_sync import SelectionSync
from local_crystallography._napari.session.trainings import PausedTrainings, Preview
from local_crystallography._napari.session.worker import (
    Hooks,
    Outcome,
    Report,
    Runner,
    Stop,
    run_job,
    run_once,
    run_steps,
)
from local_crystallography.analysis import STEPS, Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job
from local_crystallography.steps.base import Step
from local_crystallography.steps.train_vae import TrainVae
from local_crystallography.views.hover import Hover
from local_crystallography.views.selection import Selection

T = TypeVar("T")
RUN_ALL = "Run all"


class Controller(QtCore.QObject):  # type: ignore[misc]
    """State shared by all panels: the sessions by image layer, the selection, the hover and the running job."""

    changed = QtCore.Signal()
    reported = QtCore.Signal(object)
    previewed = QtCore.Signal(object)
    opened = QtCore.Signal(object)
    failed = QtCore.Signal(str)
    saved = QtCore.Signal(str)

    def __init__(self, viewer: Any, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.sessions = ImageSessions(viewer, self)
        self.sessions.opened.connect(self.opened)
        self.watch = LayerWatch(viewer, self)
        self.watch.changed.connect(self._on_layer_changed)
        self.busy: ImageSession | None = None
        self._left = False
        self._waiting: Callable[[], object] | None = None
        self.step = ""
        self.selection = Selection()
        self.hover = Hover()
        self.sync = SelectionSync(self.selection)
        self.edits = AtomEdits(self)
        self.edits.made.connect(self.take_edits)
        self._title: str | None = None
        self.orphans: tuple[str, list[Any]] | None = None
        self._followed: ImageSession | None = None
        self._restoring = self._unnoted = False
        self.selection.changed.connect(self._on_selection_changed)
        self.paused = PausedTrainings()
        self.runner = Runner(self)
        self.runner.reported.connect(self._on_reported)
        self.runner.ended.connect(self._on_ended)
        self.queue = LayerQueue(self.sessions, self)
        self.queue.done.connect(self._on_queue_done)
        viewer.layers.events.removed.connect(self._on_layer_removed)

    @property
    def active(self) -> ImageSession | None:
        """The session of the active image."""
        return self.sessions.active

    @property
    def analysis(self) -> Analysis | None:
        """The analysis of the active image."""
        return None if self.active is None else self.active.analysis

    @property
    def atoms(self) -> Atoms | None:
        """The atoms of the active image."""
        return None if self.active is None else self.active.analysis.atoms

    @property
    def selectable(self) -> Atoms | None:
        """The atoms that the selection refers to."""
        atoms = self.atoms
        return atoms if atoms is not None and len(atoms) == len(self.selection) else None

    @property
    def running(self) -> bool:
        """Whether a job is running, or its results are still being added to the viewer."""
        return self.runner.running or self.queue.busy

    def choose(self, layer: Any | None) -> None:
        """Make an image layer the active one; the sessions of others are kept."""
        self.sessions.choose(layer)
        if self.active is not None and self.active is not self.busy:
            self.active.notice()
        self._show()
        self._open_session()

    def run(self, steps: tuple[Step, ...], *, again: bool, title: str | None = "") -> None:
        """Run steps on the active image, those that are up to date only with `again`.

        `title` names the change in the history, by default after the step; None: as part of the last change. Steps
        whose results are from before an edit by hand are run first.
        """
        session = self.active
        if session is None or self.running or not steps:
            return
        self.take_edits()
        session.follow_layer()
        self._title = (steps[-1].title() if len(steps) == 1 or again else RUN_ALL) if title == "" else title
        first = (behind for step in steps for behind in session.analysis.behind_before(step))
        named = {step.name(): step for step in (*first, *steps)}
        steps = tuple(named[name] for name in STEPS if name in named)
        try:
            given = session.given(steps, again=again)
        except InputError as error:
            session.errors[steps[0].name()] = str(error)
            self.changed.emit()
            return
        wanted = session.begin(steps, again=again)
        self.busy, self.step, self._unnoted = session, "", True
        self.paused.begin(session, wanted)
        file = partial(self.paused.file, session, again=again)
        hooks = Hooks(partial(session.prepare, given), session.after, session.results.previews.prepare, file)
        words = f"{self._title or steps[-1].title()} on {session.layer.name}"
        self.runner.start(lambda stop: run_steps(session.analysis, wanted, stop, hooks=hooks, again=again), words)
        self.changed.emit()

    def can_resume(self, name: str) -> bool:
        """Whether a training of the active image was stopped and can be resumed."""
        return self.active is not None and not self.running and bool(self.paused.rest(self.active, name))

    def resume(self, name: str) -> None:
        """Resume a stopped training with its settings, and run the steps that were to follow it."""
        if self.active is not None:
            self.run(self.paused.rest(self.active, name), again=False)

    def stop(self, *, everything: bool) -> None:
        """End the running step with the best result so far; with `everything`, run no further steps."""
        if everything:
            self.runner.stop.everything.set()
        else:
            self.runner.stop.steps.add(self.step)
        self.changed.emit()

    def show_preview(self, session: ImageSession, preview: Preview) -> None:
        """Show the latents of a network that still trains, until the results replace them."""
        self.queue.show_previews(session, preview.maps)
        if session is self.active:
            self.queue.add(partial(self.previewed.emit, preview.table))

    def save(self, folder: Path) -> None:
        """Save the session of the active image."""
        if self.active is not None and not self.running:
            self.take_edits()
            self._once("Saving …", partial(self._saving, self.active, folder))

    def _saving(self, session: ImageSession, folder: Path) -> Callable[[], object]:
        """Save, in any thread; returns what is to be done in the thread of the window."""
        moment = session.history.now
        session.analysis.save(folder)

        def saved() -> None:
            session.saved = moment
            self.saved.emit(str(folder))

        return saved

    def remove_orphans(self) -> None:
        """Remove the results of the image that was removed last."""
        if self.orphans and not self.running:
            (_, layers), self.orphans = self.orphans, None
            for layer in [layer for layer in layers if layer in self.viewer.layers]:
                self.viewer.layers.remove(layer)
            self.changed.emit()

    def open(self, folder: Path) -> None:
        """Open a saved session, with a layer for its image."""
        if not self.running:
            self._once("Opening …", lambda: open_session(self.viewer, folder))

    def compute(self, message: str, function: Callable[[], Callable[[], object]], title: str | None = None) -> None:
        """Call a function in the background, and what it returns in the thread of the window.

        `title` names what it changes in the history; None: it changes nothing, or belongs to the last change.
        """
        if self.active is not None and not self.running:
            self._once(message, function, title)

    def job(self, function: Callable[[], Job[T]], then: Callable[[T], object]) -> None:
        """Run a job that is not a step, with progress and Cancel; its result goes to `then`."""
        if not self.running:
            self._begin(lambda stop: run_job(function, then, stop))

    def attempt(self, call: Callable[[], T]) -> T | None:
        """The result of a call, or None after reporting that its input cannot be used."""
        try:
            return call()
        except InputError as error:
            self.failed.emit(str(error))
            return None

    def adopt(self, analysis: Analysis) -> ImageSession:
        """Show an existing analysis, as the active one."""
        session = new_session(self.viewer, analysis)
        self._enter(session)
        session.results.show()
        self._show()
        return session

    def bring(self) -> None:
        """Show results that changed without a job."""
        if self.active is not None:
            self.queue.show(self.active, self._show)

    def when_idle(self, call: Callable[[], object]) -> None:
        """Call once the jobs and layers now under way are done; a later request replaces it."""
        self._waiting = call
        self.queue.add(lambda: None)

    def choose_source(self, name: str, layer: Any | None, *, noted: bool = True) -> None:
        """Use a layer as probability map or atoms of the active image; None for the result of the step.

        Not `noted` in the history where a run follows that is.
        """
        if self.active is not None and self.active.choose_source(name, layer):
            if noted:
                self.note(f"Choose {name}")
            self.changed.emit()

    def take_edits(self) -> None:
        """Use atoms edited by hand in their layer; those that remain stay selected."""
        session, selected = self.active, self.selectable
        if session is None or self.running:
            return
        ids = np.empty(0, int) if selected is None else selected.ids[self.selection.mask]
        if (title := session.take_edits()) and session.analysis.atoms is not None:
            self._restoring = True
            self.selection.reset(np.isin(session.analysis.atoms.ids, ids), self.edits)
            self._restoring = False
            self.note(title)
            self._show()

    def mend(self) -> None:
        """Bring edited atoms up to date with the present networks."""
        if self.analysis is not None:
            self.run(self.analysis.mending, again=False, title="Encode edited atoms")

    def note(self, title: str | None) -> None:
        """Enter the state of the active image into its history; without a title as part of the last change."""
        if self.active is not None and not self._restoring:
            history, moment = self.active.history, self.active.moment(title or "", self.selection.mask)
            history.absorb(moment) if title is None else history.note(moment)

    def travel(self, steps: int) -> None:
        """Undo (negative) or redo some changes of the active image; not while a run is under way."""
        if self.runner.running and self._title is None:
            self.when_idle(partial(self.travel, steps))  # after what belongs to the last change
            return
        if not self.runner.running:
            self.queue.finish()
        session = self.active
        if session is None or self.running:
            return
        self.take_edits()
        before = session.history.now
        moment = session.history.go(steps)
        if moment is before:
            return
        self._restoring = True
        if not moment.same_results(before):
            session.come_back(moment)
            self._show()
        self.selection.reset(moment.selection)
        self._restoring = False
        self.changed.emit()

    def choose_mask(self, layer: Any | None, *, painted: bool) -> None:
        """Use the mask in a layer, or as painted, for the active image; neither: as found in the image."""
        if self.active is not None:
            self.active.choose_mask(layer, painted=painted)
            self.changed.emit()

    def restore(self, rows: set[int]) -> None:
        """Restore some of the atoms that were left out, by the rows of their points."""
        if self.active is not None and not self.running:
            self.active.restore(rows)
            self.active.results.prune()
            self.note(f"Restore {len(rows)} atom{'' if len(rows) == 1 else 's'}")
            self.bring()

    def leave(self) -> None:
        """Disconnect from the viewer and stop the job, whose best result so far is kept with the image layer."""
        self.stop(everything=True)
        self.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self.sessions.leave()
        self.watch.follow(None)
        self._left, self._waiting = True, None
        self.sync.follow(None)
        self.edits.follow(None)
        self._follow(None)
        if not self.runner.running:
            self.paused.remove()

    def _open_session(self) -> None:
        """Open the analysis of an image that was read from a saved session."""
        session = self.active
        if session is not None and session.folder is not None and not self.running:
            self._once("Opening …", partial(opened, session.folder))

    def _once(self, message: str, function: Callable[[], Any], title: str | None = None) -> None:
        self._begin(lambda stop: run_once(message, function), title)

    def _begin(self, background: Callable[[Stop], Generator[Report, None, Any]], title: str | None = None) -> None:
        self._title = title
        self.busy, self.step, self._unnoted = self.active, "", True
        self.runner.start(background)
        self.changed.emit()

    def _enter(self, session: ImageSession) -> None:
        self.sessions.add(session)
        self._show()
        self.opened.emit(session)

    def _show(self) -> None:
        results = None if self.active is None else self.active.results
        self.watch.follow(None if self.active is None else self.active.layer)
        if self.active is not self._followed:
            self._follow(self.active)
        self.sync.follow(results)
        self.edits.follow(results)
        self.changed.emit()

    def _follow(self, session: ImageSession | None) -> None:
        """Follow the names and colours of another image, and select what was selected in it."""
        self.sync.follow(None)
        if self._followed is not None:
            self._followed.analysis.styles.changed.disconnect(self._on_styles_changed)
        self._followed, self._restoring = session, True
        if session is not None:
            session.analysis.styles.changed.connect(self._on_styles_changed)
            self.selection.reset(session.history.now.selection)
        self._restoring = False

    def _on_styles_changed(self, column: str) -> None:
        self.note("Change the name or colour of a class")

    def _on_selection_changed(self, source: object) -> None:
        if self._restoring or self._unnoted:  # at its end, a job is entered with what is selected then
            return
        known = self.active is not None and len(self.selection) == len(self.active.history.now.selection)
        count = self.selection.count
        words = f"Select {count:,} atom{'' if count == 1 else 's'}" if count else "Clear the selection"
        self.note(words if known else None)

    def _on_reported(self, report: Report) -> None:
        if report.step != self.step:
            self.step = report.step
            if self.busy is not None:
                self.queue.show(self.busy, self._show)
                if report.step == TrainVae.name():
                    self.queue.add(self.busy.results.previews.begin)
        if report.preview is not None and self.busy is not None and not self.queue.busy:
            self.show_preview(self.busy, report.preview)
        self.reported.emit(report)

    def _on_ended(self, outcome: Outcome) -> None:
        session, self.busy, step = self.busy, None, outcome.step or self.step
        self.step = ""
        if session is not None and outcome.doubtful:
            session.halted = True
        if self._left:
            self.paused.remove()
        if callable(outcome.result):
            self.queue.add(outcome.result)
        if isinstance(outcome.result, ImageSession):
            session = outcome.result
            self._enter(session)
        elif session is not None and session.folder is not None:
            session = self.sessions.bring_back(session, None if outcome.error else outcome.result)
        if session is None:
            self.queue.add(partial(self._say, outcome.error))
        else:
            self.queue.show(session, partial(self._settle, session, step, outcome.error))

    def _settle(self, session: ImageSession, step: str, error: str) -> None:
        """End a job; an error is shown in the panel of its step, or else reported."""
        there = self.sessions.holds(session)
        if there:
            session.end(step, error)
            self._note_end(session)
        if not there or not step:
            self._say(error)
        self._show()

    def _note_end(self, session: ImageSession) -> None:
        """Enter what a job has changed into the history of its image, which need not be the active one."""
        title, self._title = self._title, None
        atoms, selection = session.analysis.atoms, session.history.now.selection
        mask = self.selection.mask if session is self.active else selection
        if atoms is not None and len(mask) != len(atoms):
            mask = np.zeros(len(atoms), bool)
        moment = session.moment(title or "", mask)
        session.history.absorb(moment) if title is None else session.history.note(moment)

    def _say(self, sentence: str) -> None:
        if sentence:
            self.failed.emit(sentence)

    def _on_queue_done(self) -> None:
        self._unnoted = self.runner.running
        self.changed.emit()
        if self._waiting is not None and not self.running:
            call, self._waiting = self._waiting, None
            call()
        self._open_session()

    def _on_layer_changed(self) -> None:
        """Follow the layer of the active image, after the job that is running."""
        if self.running:
            self.watch.again()
        elif self.active is not None and self.active.notice():
            self._show()

    def _on_layer_removed(self, event: Any) -> None:
        session = self.sessions.remove(event.value)
        if session is not None:
            own = [layer for layer in self.viewer.layers if convert.belongs(layer, event.value)]
            self.orphans = (str(event.value.name), own) if own else None
            gc.unfreeze()  # its data may be part of a cycle that is excluded from collections
        self.paused.forget(str(event.value.unique_id))
        if session is not None and session is self.busy:
            self.stop(everything=True)
        if session is not None and session is self.active:
            self.choose(None)

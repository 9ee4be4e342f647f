"""The analyses of the images in a viewer, and the one job that may run on them. No widgets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Layer
from qtpy import QtCore

from local_crystallography._napari.bench.link import SelectionLink
from local_crystallography._napari.bench.preview import Preview
from local_crystallography._napari.bench.turns import Turns
from local_crystallography._napari.bench.unfinished import Unfinished
from local_crystallography._napari.bench.work import Work, open_work, work_again, work_on
from local_crystallography._napari.bench.worker import Around, Outcome, Report, Runner, run_once, run_steps
from local_crystallography._napari.viewer import layers
from local_crystallography.analysis import Analysis
from local_crystallography.data.errors import InputError
from local_crystallography.explore.hover import Hover
from local_crystallography.explore.selection import Selection
from local_crystallography.steps.base import Step


class Workbench(QtCore.QObject):  # type: ignore[misc]
    """Owns what the panels show: the works by image layer, the selection, the hover and the runner."""

    changed = QtCore.Signal()
    reported = QtCore.Signal(object)
    previewed = QtCore.Signal(object)
    opened = QtCore.Signal(object)
    failed = QtCore.Signal(str)

    def __init__(self, viewer: Any, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.works: dict[str, Work] = {}
        self.active: Work | None = None
        self.busy: Work | None = None
        self._left = False
        self.step = ""
        self.selection = Selection()
        self.hover = Hover()
        self.link = SelectionLink(self.selection)
        self.unfinished = Unfinished()
        self.runner = Runner(self)
        self.runner.reported.connect(self._on_reported)
        self.runner.ended.connect(self._on_ended)
        self.turns = Turns(self)
        self.turns.done.connect(self._on_turns_done)
        viewer.layers.events.removed.connect(self._on_layer_removed)

    @property
    def running(self) -> bool:
        """Whether a job runs, or its results are still being brought into the viewer."""
        return self.runner.running or self.turns.busy

    def choose(self, layer: Any | None) -> None:
        """Work on this image layer from now on; what was done on another is kept."""
        self.active = None if layer is None else self._work_of(layer)
        self._show()
        self._open_session()

    def run(self, steps: tuple[Step, ...], *, again: bool) -> None:
        """Run steps on the active image; those that are up to date only with `again`."""
        work = self.active
        if work is None or self.running or not steps:
            return
        try:
            given = work.given(steps)
        except InputError as error:
            self._fail(work, steps[0].name(), str(error))
            return
        # what comes before is not run again, or it would take the place of what the user brought
        wanted = steps if again else tuple(step for step in steps if step.name() not in work.replaced)
        work.leave_edited({step.name() for step in wanted if again or not work.analysis.is_current(step)})
        work.errors.clear()
        work.results.set_editable(False)
        self.busy, self.step = work, ""
        self.unfinished.begin(work, wanted)
        file = partial(self.unfinished.file, work, again=again)
        around = Around(partial(work.prepare, given), work.results.prepare, work.results.prepare_previews, file)
        self.runner.start(lambda stop: run_steps(work.analysis, wanted, stop, around=around, again=again))
        self.changed.emit()

    def can_go_on(self, name: str) -> bool:
        """Whether a training of the active image was stopped and can go on from there."""
        return self.active is not None and not self.running and bool(self.unfinished.rest(self.active, name))

    def go_on(self, name: str) -> None:
        """Go on with a training that was stopped, as it was asked for then, and with what was to follow it."""
        if self.active is not None:
            self.run(self.unfinished.rest(self.active, name), again=False)

    def stop(self, *, everything: bool) -> None:
        """End the step that runs with the best so far; and, with `everything`, go on with none after it."""
        (self.runner.stop.everything if everything else self.runner.stop.step).set()
        self.changed.emit()

    def show_preview(self, work: Work, preview: Preview) -> None:
        """What a network sees while it trains; the results take its place."""
        pieces = [partial(self._preview_one, work, name) for name in preview.maps]
        if work is self.active:
            pieces.append(partial(self.previewed.emit, preview.table))
        self.turns.add(*pieces)

    def save(self, folder: Path) -> None:
        """Write the session of the active image."""
        if self.active is not None and not self.running:
            self._take_edits(self.active)
            analysis = self.active.analysis
            self._once("Saving …", lambda: analysis.save(folder))

    def open(self, folder: Path) -> None:
        """Bring a session back, with a layer for its image."""
        if not self.running:
            self._once("Opening …", lambda: open_work(self.viewer, folder))

    def compute(self, message: str, function: Callable[[], Callable[[], object]]) -> None:
        """Call a function in the background, and then what it gives in the thread of the window."""
        if self.active is not None and not self.running:
            self._once(message, function)

    def adopt(self, analysis: Analysis) -> Work:
        """Show an analysis that was made elsewhere, as the active one."""
        assert analysis.image is not None
        work = work_on(self.viewer, Layer.create(*layers.layer_of(analysis.image)), analysis)
        self._enter(work)
        work.results.show()
        self._show()
        return work

    def bring(self) -> None:
        """Bring what has become new without a job into the viewer."""
        if self.active is not None:
            self._bring(self.active, self._show)

    def choose_source(self, name: str, layer: Any | None) -> None:
        """Take the probability map or the atoms from a layer; None: from the result of the step."""
        if self.active is None or layers.same(self.active.sources.get(name), layer):
            return
        if layer is None:
            self.active.sources.pop(name)
        else:
            self.active.sources[name] = layer
        self.changed.emit()

    def leave(self) -> None:
        """Follow the viewer no more: a job is stopped, with its best so far kept by the image layer."""
        self.stop(everything=True)
        self.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self.active, self._left = None, True
        self.link.follow(None)
        if not self.runner.running:
            self.unfinished.remove()

    def _work_of(self, layer: Any) -> Work:
        """The work on an image layer: the one there is, one of an earlier dock, one to be opened, or a new one."""
        key = str(layer.unique_id)
        if key not in self.works:
            note = layers.note_of(layer)
            earlier: Analysis | None = note.get("analysis")
            if earlier is not None and all(work.analysis is not earlier for work in self.works.values()):
                self.works[key] = work_again(self.viewer, layer, earlier, self.works.values())
                self.opened.emit(self.works[key])
            else:
                self.works[key] = work_on(self.viewer, layer, Analysis())
                self.works[key].session = Path(note["session"]) if "session" in note else None
        return self.works[key]

    def _open_session(self) -> None:
        """Bring back the analysis of an image that came with a saved session."""
        work = self.active
        if work is not None and work.session is not None and not self.running:
            self._once("Opening …", partial(Analysis.open, work.session))

    def _once(self, message: str, function: Callable[[], Any]) -> None:
        self.busy, self.step = self.active, ""
        self.runner.start(lambda stop: run_once(message, function))
        self.changed.emit()

    def _enter(self, work: Work) -> None:
        self.works[work.key] = work
        self.viewer.layers.append(work.layer)
        self.active = work
        self._show()
        self.opened.emit(work)

    def _take_edits(self, work: Work) -> None:
        if (edited := work.results.edited_atoms()) is not None:
            work.analysis.atoms, work.edited = edited, True
            self._show()

    def _show(self) -> None:
        self.link.follow(None if self.active is None else self.active.results)
        self.changed.emit()

    def _on_reported(self, report: Report) -> None:
        if report.step != self.step:
            self.step = report.step
            if self.busy is not None:
                self._bring(self.busy, self._show)
        if report.preview is not None and self.busy is not None and not self.turns.busy:
            self.show_preview(self.busy, report.preview)
        self.reported.emit(report)

    def _preview_one(self, work: Work, name: str) -> None:
        if self.works.get(work.key) is work:
            work.results.show_preview(name)

    def _on_ended(self, outcome: Outcome) -> None:
        work, self.busy, step = self.busy, None, outcome.step or self.step
        self.step = ""
        if self._left:
            self.unfinished.remove()
        if callable(outcome.result):
            self.turns.add(outcome.result)
        if isinstance(outcome.result, Work):
            work = outcome.result
            self._enter(work)
        elif work is not None and work.session is not None:
            work = self._session_opened(work, outcome)
        if work is None:
            self.turns.add(partial(self._say, outcome.error))
        else:
            self._bring(work, partial(self._settle, work, step, outcome.error))

    def _session_opened(self, plain: Work, outcome: Outcome) -> Work:
        """The analysis that came with the layers of a session takes the place of the empty one."""
        session, plain.session = str(plain.session), None
        if plain.key not in self.works:
            return plain
        if outcome.error:
            layers.forget_session(self.viewer.layers, session)
            self.opened.emit(plain)
            return plain
        others = [work for work in self.works.values() if work is not plain]
        work = work_again(self.viewer, plain.layer, outcome.result, others)
        self.works[work.key] = work
        if self.active is plain:
            self.active = work
            self.opened.emit(work)
        return work

    def _bring(self, work: Work, then: Callable[[], object]) -> None:
        """Bring what is new into the viewer, one layer per turn of the event loop."""
        shown = [partial(self._bring_one, work, name) for name in work.results.pending()]
        self.turns.add(work.results.end_preview, *shown, then)

    def _bring_one(self, work: Work, name: str) -> None:
        if self.works.get(work.key) is work:
            work.results.show_one(name)

    def _settle(self, work: Work, step: str, error: str) -> None:
        """The end of a job: what is no result any more goes, and what went wrong is said."""
        if self.works.get(work.key) is work:
            work.results.prune()
            work.results.set_editable(True)
        if error and step and self.works.get(work.key) is work:
            work.errors[step] = error  # its panel says it
        else:
            self._say(error)
        self._show()

    def _say(self, sentence: str) -> None:
        if sentence:
            self.failed.emit(sentence)

    def _on_turns_done(self) -> None:
        self.changed.emit()
        self._open_session()

    def _fail(self, work: Work, step: str, sentence: str) -> None:
        work.errors[step] = sentence
        self.changed.emit()

    def _on_layer_removed(self, event: Any) -> None:
        work = self.works.pop(str(event.value.unique_id), None)
        self.unfinished.forget(str(event.value.unique_id))
        if work is not None and work is self.busy:
            self.stop(everything=True)
        if work is not None and work is self.active:
            self.choose(None)
        for other in self.works.values():
            for name in [name for name, layer in other.sources.items() if layers.same(layer, event.value)]:
                other.sources.pop(name)

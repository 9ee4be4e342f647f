"""Long jobs in a background thread, with progress, stopping and errors in words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from napari.qt.threading import create_worker
from qtpy import QtCore

from local_crystallography._napari.session.garbage import young_garbage_only
from local_crystallography._napari.session.preview import Preview, Previews
from local_crystallography._napari.settings import Settings, limited
from local_crystallography.analysis import Analysis
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job, Progress
from local_crystallography.steps.base import Step
from local_crystallography.steps.train_vae import TrainVae

T = TypeVar("T")
FRAME = 0.1
"""Least time between two reports in seconds: more would only keep the window busy."""


class JobFailed(Exception):
    """What a RuntimeError of a job becomes: napari's workers swallow a RuntimeError and never end."""


@dataclass(frozen=True)
class Report:
    """Progress of one step (`step` is its name) among several; with it, now and then, what a network sees by now."""

    step: str
    progress: Progress
    preview: Preview | None = None


@dataclass(frozen=True)
class Outcome:
    """How a job ended: its result, or a sentence that says why there is none.

    `doubtful` tells that a run was stopped after `step`, whose result should not be trusted.
    """

    result: Any = None
    step: str = ""
    error: str = ""
    doubtful: bool = False


class Stop:
    """Wishes of the person at the screen: end some steps, by name, with the best so far; or everything."""

    def __init__(self) -> None:
        self.steps: set[str] = set()
        self.everything = threading.Event()

    def ends(self, step: str) -> bool:
        """Whether a step is to end."""
        return step in self.steps or self.everything.is_set()


Background = Callable[[Stop], Generator[Report, None, Any]]


@dataclass(frozen=True)
class Hooks:
    """What a run has to do besides its steps; all is called in the thread of the job.

    Parameters
    ----------
    before, after
        Called once, and with every step that has given a new result.
    seen
        Called with the maps of every preview.
    file
        Where a step about to run keeps its state, to go on with when it is stopped; None for most.
    """

    before: Callable[[], object]
    after: Callable[[Step], object]
    seen: Callable[[Mapping[str, Any]], object]
    file: Callable[[Step], Path | None]


def run_steps(
    analysis: Analysis, steps: tuple[Step, ...], stop: Stop, *, hooks: Hooks, again: bool
) -> Generator[Report, None, Outcome]:
    """Run steps in order, those up to date only with `again`; a sentence for what the user can mend.

    No step is run after one whose result should not be trusted, whenever that one was run.
    """
    name = steps[0].name() if steps else ""
    try:
        yield Report(name, Progress(0.0, "Preparing …"))
        hooks.before()
        for step in steps:
            name = step.name()
            if again or not analysis.is_current(step):
                yield from _run_step(analysis, step, stop, hooks)
                hooks.after(step)
            if stop.everything.is_set():
                break
            if step is not steps[-1] and analysis.stops_after(step):
                return Outcome(step=name, doubtful=True)
    except InputError as error:
        return Outcome(step=name, error=str(error))
    return Outcome()


def _run_step(analysis: Analysis, step: Step, stop: Stop, hooks: Hooks) -> Generator[Report, None, None]:
    file = hooks.file(step)
    kept = step if file is None else step.model_copy(update={"checkpoint": file})
    stopped, previews = partial(stop.ends, step.name()), Previews(analysis, hooks.seen)
    job, told, last = analysis.apply(kept), None, 0.0
    while True:
        try:
            progress = job.send(told)
        except StopIteration:
            break
        preview = previews.after(progress, stopped) if isinstance(step, TrainVae) else None
        if progress.fraction == 0 or progress.held_out_loss is not None or time.monotonic() - last > FRAME:
            last = time.monotonic()
            yield Report(step.name(), replace(progress, preview=None), preview)
        told = stopped()
    if file is not None:
        _leave_out(analysis, step, file)


def _leave_out(analysis: Analysis, step: Step, file: Path) -> None:
    """The file is ours: it is no part of what was asked for, and with the training at its end of no use."""
    for steps in (analysis.used, analysis.asked):
        if step.name() in steps:
            steps[step.name()] = steps[step.name()].model_copy(update={"checkpoint": None})
    if analysis.is_current(step):
        file.unlink(missing_ok=True)


def run_once(message: str, function: Callable[[], Any]) -> Generator[Report, None, Outcome]:
    """A call without progress of its own."""
    yield Report("", Progress(0.0, message))
    try:
        return Outcome(function())
    except InputError as error:
        return Outcome(error=str(error))


def run_job(
    function: Callable[[], Job[T]], then: Callable[[T], object], stop: Stop
) -> Generator[Report, None, Outcome]:
    """A job that is no step; what it gives goes to `then` in the thread of the window."""
    try:
        job, told, last = function(), None, 0.0
        while True:
            try:
                progress = job.send(told)
            except StopIteration as end:
                return Outcome(partial(then, end.value))
            if time.monotonic() - last > FRAME:
                last = time.monotonic()
                yield Report("", progress)
            told = stop.everything.is_set()
    except InputError as error:
        return Outcome(error=str(error))


def guarded(background: Background, stop: Stop) -> Generator[Report, None, Any]:
    """The work with errors that the worker can carry.

    Raises
    ------
    JobFailed
        For a RuntimeError (torch raises one when memory is out) and a MemoryError.
    """
    try:
        with young_garbage_only(), limited(Settings().threads):
            return (yield from background(stop))
    except (RuntimeError, MemoryError) as error:
        said = str(error).strip().split("\n")[0] or type(error).__name__
        if isinstance(error, MemoryError) or "memory" in said.lower():
            raise JobFailed(
                f"There is not enough memory ({said}); use a smaller batch size or a smaller window."
            ) from error
        raise JobFailed(f"The step failed: {said}.") from error


class Runner(QtCore.QObject):  # type: ignore[misc]
    """Runs one job at a time; its signals arrive in the thread of the window."""

    reported = QtCore.Signal(object)
    ended = QtCore.Signal(object)

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.stop = Stop()
        self._worker: Any = None

    @property
    def running(self) -> bool:
        """Whether a job has not ended yet."""
        return self._worker is not None

    def start(self, background: Background) -> None:
        """Begin; while another job runs nothing happens."""
        if self.running:
            return
        self.stop = Stop()
        self._worker = create_worker(guarded, background, self.stop, _start_thread=False, _ignore_errors=True)
        self._worker.yielded.connect(self.reported)
        self._worker.returned.connect(self._on_returned)
        self._worker.errored.connect(self._on_errored)
        self._worker.aborted.connect(self._on_aborted)
        self._worker.start()

    def halt(self, seconds: float = 10.0) -> None:
        """Stop and wait for the thread, at most the given time; for a window that closes."""
        worker = self._worker
        if worker is None:
            return
        self.stop.everything.set()
        end = time.monotonic() + seconds
        while worker.is_running and time.monotonic() < end:
            time.sleep(0.01)

    def _on_returned(self, outcome: Outcome) -> None:
        self._end(outcome)

    def _on_errored(self, error: BaseException) -> None:
        self._end(Outcome(error=str(error) or type(error).__name__))

    def _on_aborted(self) -> None:
        self._end(Outcome(error="Cancelled."))

    def _end(self, outcome: Outcome) -> None:
        self._worker = None
        self.ended.emit(outcome)

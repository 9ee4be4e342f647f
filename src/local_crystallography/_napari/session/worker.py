"""Long jobs in a background thread, with progress, stopping and readable errors."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from napari.qt.threading import create_worker
from qtpy import QtCore

from local_crystallography._napari.session.trainings import Preview, Previews
from local_crystallography._napari.settings import Settings, limited
from local_crystallography.analysis import Analysis
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Cancelled, Job, Progress
from local_crystallography.steps.base import Step
from local_crystallography.steps.train_vae import TrainVae

T = TypeVar("T")
FRAME = 0.1
"""Minimum time between two reports, in seconds; more would only keep the window busy."""
PUT_OFF = 1_000_000
"""Collections of the young generations before a full one, while a job runs."""
MANY = 100
"""Number of modules loaded by a job above which all existing objects are excluded from later collections."""


class JobFailed(Exception):
    """Replaces a RuntimeError of a job: napari's workers swallow RuntimeErrors and never end."""


@dataclass(frozen=True)
class Report:
    """Progress of the step named `step`, occasionally with a preview of a network that still trains."""

    step: str
    progress: Progress
    preview: Preview | None = None


@dataclass(frozen=True)
class Outcome:
    """End of a job: its result, or a sentence on why there is none.

    `doubtful`: the run was stopped after `step` because its result is not reliable.
    """

    result: Any = None
    step: str = ""
    error: str = ""
    doubtful: bool = False


class Stop:
    """Requests of the user to end some steps, by name, with the best result so far, or everything."""

    def __init__(self) -> None:
        self.steps: set[str] = set()
        self.everything = threading.Event()

    def ends(self, step: str) -> bool:
        """Whether a step should end."""
        return step in self.steps or self.everything.is_set()


Background = Callable[[Stop], Generator[Report, None, Any]]


@dataclass(frozen=True)
class Hooks:
    """Calls of a run beside its steps, all in the thread of the job.

    Parameters
    ----------
    before, after
        Called once at the start, and with every step that gave a new result.
    seen
        Called with the maps of every preview.
    file
        Gives the checkpoint of a step that is about to run, to resume it after a stop; None for most steps.
    """

    before: Callable[[], object]
    after: Callable[[Step], object]
    seen: Callable[[Mapping[str, Any]], object]
    file: Callable[[Step], Path | None]


def run_steps(
    analysis: Analysis, steps: tuple[Step, ...], stop: Stop, *, hooks: Hooks, again: bool
) -> Generator[Report, None, Outcome]:
    """Run steps in order, those up to date only with `again`; errors that the user can correct end in a sentence.

    No step runs after one with an unreliable result, whether that step ran now or earlier.
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
    except Cancelled:
        return Outcome(step=name)
    return Outcome()


def _run_step(analysis: Analysis, step: Step, stop: Stop, hooks: Hooks) -> Generator[Report, None, None]:
    file = hooks.file(step)
    kept = step if file is None else step.model_copy(update={"checkpoint": file})
    previews = Previews(analysis, hooks.seen) if isinstance(step, TrainVae) else None
    yield from _reports(analysis.apply(kept), step.name(), partial(stop.ends, step.name()), previews)
    if file is not None:
        _leave_out(analysis, step, file)


def _reports(
    job: Job[T], name: str, stopped: Callable[[], bool], previews: Previews | None = None
) -> Generator[Report, None, T]:
    """Reports of a job, at most one per `FRAME` except at its start and after every epoch; its result."""
    stop, last = None, 0.0
    while True:
        try:
            progress = job.send(stop)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        preview = None if previews is None else previews.after(progress, stopped)
        if progress.fraction == 0 or progress.held_out_loss is not None or time.monotonic() - last > FRAME:
            last = time.monotonic()
            yield Report(name, replace(progress, preview=None), preview)
        stop = stopped()


def _leave_out(analysis: Analysis, step: Step, file: Path) -> None:
    """Drop the temporary checkpoint from the recorded parameters, and delete it once the training is complete."""
    for steps in (analysis.used, analysis.asked):
        if step.name() in steps:
            steps[step.name()] = steps[step.name()].model_copy(update={"checkpoint": None})
    if analysis.is_current(step):
        file.unlink(missing_ok=True)


def run_once(message: str, function: Callable[[], Any]) -> Generator[Report, None, Outcome]:
    """A call that reports no progress."""
    yield Report("", Progress(0.0, message))
    try:
        return Outcome(function())
    except InputError as error:
        return Outcome(error=str(error))


def run_job(
    function: Callable[[], Job[T]], then: Callable[[T], object], stop: Stop
) -> Generator[Report, None, Outcome]:
    """A job that is not a step; its result goes to `then` in the thread of the window."""
    try:
        result = yield from _reports(function(), "", stop.everything.is_set)
    except InputError as error:
        return Outcome(error=str(error))
    except Cancelled:
        return Outcome()
    return Outcome(partial(then, result))


def guarded(background: Background, stop: Stop) -> Generator[Report, None, Any]:
    """A job whose errors napari's worker can report.

    Raises
    ------
    JobFailed
        For a MemoryError, and a RuntimeError, which torch raises when memory runs out.
    """
    try:
        with young_garbage_only(), limited(Settings().threads):
            return (yield from background(stop))
    except (RuntimeError, MemoryError) as error:
        message = str(error).strip().split("\n")[0] or type(error).__name__
        if isinstance(error, MemoryError) or "memory" in message.lower():
            raise JobFailed(
                f"Not enough memory ({message}). Use a smaller batch size or a smaller window size."
            ) from error
        raise JobFailed(f"The step failed: {message}.") from error


@contextmanager
def young_garbage_only() -> Iterator[None]:
    """Postpone full garbage collections while a job runs: with torch loaded each stops the window for 0.2 to 0.8 s.

    After a job that loaded libraries, all existing objects are excluded from later collections. As some of them may
    become garbage, call `gc.unfreeze` when something large is released.
    """
    thresholds, loaded = gc.get_threshold(), len(sys.modules)
    if thresholds[2] == PUT_OFF:  # another job does this already
        yield
        return
    gc.set_threshold(*thresholds[:2], PUT_OFF)
    try:
        yield
    finally:
        if len(sys.modules) - loaded > MANY:
            gc.freeze()
        gc.set_threshold(*thresholds)


class NamedJob(partial):  # type: ignore[type-arg]
    """A job that says what it is in the question whether to close the window while it runs."""

    words = ""

    def __str__(self) -> str:
        return f"{self.words or 'a job of Local Crystallography'}. Closing ends it, and results not saved are lost"


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

    def start(self, background: Background, words: str = "") -> None:
        """Start, unless another job is running; `words` say what it is, where napari asks before it closes."""
        if self.running:
            return
        self.stop = Stop()
        job = NamedJob(guarded, background, self.stop)
        job.words = words
        self._worker = create_worker(job, _start_thread=False, _ignore_errors=True)
        self._worker.yielded.connect(self.reported)
        self._worker.returned.connect(self._on_returned)
        self._worker.errored.connect(self._on_errored)
        self._worker.aborted.connect(self._on_aborted)
        self._worker.start()

    def halt(self, seconds: float = 10.0) -> None:
        """Stop, and wait at most the given time for the thread; for a window that is closing."""
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

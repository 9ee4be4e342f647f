"""Trainings that were stopped, to go on with where they are."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path

from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography.analysis import Analysis
from local_crystallography.steps.base import Step
from local_crystallography.steps.training import Training

Key = tuple[str, str]


def stopped_early(analysis: Analysis, name: str) -> bool:
    """Whether the result of a step is that of a run that was stopped; not so any more once its input is another."""
    return name in analysis.used and name not in analysis.asked


class PausedTrainings:
    """A file for each training in a temporary folder, which goes with this object; and what was to be run with it."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._begun: dict[Key, Step] = {}
        self._rest: dict[Key, tuple[Step, ...]] = {}

    def begin(self, session: ImageSession, steps: tuple[Step, ...]) -> None:
        """Remember what is asked for, from every training on."""
        for number, step in enumerate(steps):
            if isinstance(step, Training):
                self._rest[session.key, step.name()] = steps[number:]

    def rest(self, session: ImageSession, name: str) -> tuple[Step, ...]:
        """The training and what was to follow it, where it was stopped; else nothing."""
        return self._rest.get((session.key, name), ()) if stopped_early(session.analysis, name) else ()

    def file(self, session: ImageSession, step: Step, *, again: bool) -> Path | None:
        """Where a training that is about to run keeps its state; without `again` one that was stopped goes on.

        None for other steps, and for a training that has a file of its user's.
        """
        if not isinstance(step, Training) or step.checkpoint is not None:
            return None
        key, path = (session.key, step.name()), self._path(session.key, step.name())
        if again or self._begun.get(key) != step or not stopped_early(session.analysis, step.name()):
            path.unlink(missing_ok=True)
        self._begun[key] = step
        return path

    def forget(self, key: str) -> None:
        """Remove what is kept for an image layer that is no more."""
        for kept in [kept for kept in self._begun if kept[0] == key]:
            self._path(*kept).unlink(missing_ok=True)
            self._begun.pop(kept)
            self._rest.pop(kept, None)

    def remove(self) -> None:
        """Remove all there is, once no job needs it any more; else that is done as the program ends."""
        if self.folder is not None:
            self._remove()
        self._rest.clear()

    def _path(self, key: str, name: str) -> Path:
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="local_crystallography_"))
            self._remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        return self.folder / f"{key}_{name}.safetensors"

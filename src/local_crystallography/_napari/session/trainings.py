"""Trainings in the panels: previews while a network trains, and files to resume stopped trainings from."""

from __future__ import annotations

import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography.analysis import Analysis
from local_crystallography.data.columns import is_angle
from local_crystallography.data.progress import Columns, Progress
from local_crystallography.steps.base import Step
from local_crystallography.steps.catalog import columns as step_columns
from local_crystallography.steps.paint_map import Brush, PaintMap, not_cut
from local_crystallography.steps.training import Training

Maps = dict[str, npt.NDArray[np.float32]]
MOST_MAPS = 3
"""Leading columns of which maps are painted while a network trains."""
LEAST = 2.0
"""Minimum time between two previews, in seconds."""
SHARE = 0.1
"""Fraction of the training time spent on previews."""
Key = tuple[str, str]


@dataclass(frozen=True)
class Preview:
    """Table of the atoms with the current latents, and maps of some columns by name."""

    table: pd.DataFrame
    maps: Maps


class Previews:
    """Previews of one training, made in its thread and seldom enough not to slow it down.

    `seen` is called with the maps of each preview, to prepare their layers.
    """

    def __init__(self, analysis: Analysis, seen: Callable[[Maps], object]) -> None:
        self._analysis, self._seen = analysis, seen
        self._brush: Brush | None = None
        self._cost = 0.0
        self._last = time.perf_counter()

    def after(self, progress: Progress, stopped: Callable[[], bool]) -> Preview | None:
        """A preview at the end of an epoch, if one is due and the training is not about to stop."""
        began = time.perf_counter()
        if progress.preview is None or began - self._last < max(LEAST, self._cost / SHARE):
            return None
        columns: list[Columns] = []
        for part in progress.preview():
            if stopped():
                return None
            columns.append(part)
        preview = self._made_of(columns)
        self._seen(preview.maps)
        self._last = time.perf_counter()
        self._cost = self._last - began
        return preview

    def _made_of(self, parts: Iterable[Columns]) -> Preview:
        analysis = self._analysis
        sub_images, atoms = analysis.sub_images, analysis.atoms
        assert sub_images is not None
        assert atoms is not None
        columns = pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)
        seen = atoms.join(sub_images.atoms.ids, columns)
        if self._brush is None:
            assert analysis.image is not None
            reach = PaintMap().resolve(atoms, analysis.image).max_distance
            assert reach is not None
            left_out = not_cut(atoms, analysis.image, sub_images)
            self._brush = Brush(atoms, analysis.image, reach=reach, left_out=left_out)
        # latents come first, since one new layer at a time is shown
        leading = sorted(step_columns().leading(map(str, columns))[:MOST_MAPS], key=is_angle)
        maps = {name: self._brush.paint(seen.features[name].to_numpy(float)) for name in leading}
        return Preview(seen.to_frame(), maps)


class PausedTrainings:
    """Files of stopped trainings, in a temporary folder that is deleted with this object, and the steps to run next."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._begun: dict[Key, Step] = {}
        self._rest: dict[Key, tuple[Step, ...]] = {}

    def begin(self, session: ImageSession, steps: tuple[Step, ...]) -> None:
        """Remember, for every training among these steps, what was to follow it."""
        for number, step in enumerate(steps):
            if isinstance(step, Training):
                self._rest[session.key, step.name()] = steps[number:]

    def rest(self, session: ImageSession, name: str) -> tuple[Step, ...]:
        """The training and the steps that were to follow it if it was stopped, otherwise none."""
        return self._rest.get((session.key, name), ()) if stopped_early(session.analysis, name) else ()

    def resumes(self, session: ImageSession, name: str) -> bool:
        """Whether there is a checkpoint from which a stopped training can be resumed."""
        return (session.key, name) in self._begun

    def file(self, session: ImageSession, step: Step, *, again: bool) -> Path | None:
        """The checkpoint of a training that is about to run; without `again` a stopped training resumes from it.

        None for other steps, and for a training with a checkpoint chosen by the user.
        """
        if not isinstance(step, Training) or step.checkpoint is not None:
            return None
        key, path = (session.key, step.name()), self._path(session.key, step.name())
        if again or self._begun.get(key) != step or not stopped_early(session.analysis, step.name()):
            path.unlink(missing_ok=True)
        self._begun[key] = step
        return path

    def forget(self, key: str) -> None:
        """Delete the files of an image layer that was removed."""
        for kept in [kept for kept in self._begun if kept[0] == key]:
            self._path(*kept).unlink(missing_ok=True)
            self._begun.pop(kept)
            self._rest.pop(kept, None)

    def remove(self) -> None:
        """Delete all files once no job needs them; otherwise this happens when the program ends."""
        if self.folder is not None:
            self._remove()
        self._rest.clear()

    def _path(self, key: str, name: str) -> Path:
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="local_crystallography_"))
            self._remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        return self.folder / f"{key}_{name}.safetensors"


def stopped_early(analysis: Analysis, name: str) -> bool:
    """Whether a step was stopped early; no longer so once its input has changed."""
    return name in analysis.used and name not in analysis.asked and name not in analysis.behind

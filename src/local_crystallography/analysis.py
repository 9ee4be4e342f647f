"""What exists so far for one image: the same object in a script, on the command line and behind the dock."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.progress import Job, Progress
from local_crystallography.data.subimages import SubImages
from local_crystallography.recipe import Recipe
from local_crystallography.steps.base import Step

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae

T = TypeVar("T")
ORDER = tuple(Recipe.model_fields)
MAKERS = {
    "probability": "segment",
    "atoms": "find_atoms",
    "sub_images": "extract_sub_images",
    "vae": "train_vae",
    "maps": "paint_map",
}
"""The step that first makes each result; assigning one by hand takes the place of that step."""
MISSING = {
    "image": "Open an image first.",
    "probability": "Segment the image first: there is no probability map to find atoms in.",
    "atoms": "Find atoms first: there is nothing to work on.",
    "sub_images": "Extract sub-images first: there is nothing to train on or to encode.",
    "vae": "Train a network first: there is nothing to encode with.",
}


class Analysis:
    """An image and the results derived from it, in the order of a recipe.

    Assigning a result clears what was derived from it. Columns of atoms belong to the step that made them: they go when
    that step's inputs change.

    Attributes
    ----------
    changed
        Signal with the name of the result that was set or cleared.
    used
        Steps as they were run, automatic parameters filled in, by name.
    asked
        The same steps as they were asked for.
    seconds
        Time each step took.
    """

    changed = Signal(str)
    results: ClassVar = ("image", "probability", "atoms", "sub_images", "vae", "maps")

    def __init__(self, image: Image | None = None) -> None:
        self._results: dict[str, Any] = dict.fromkeys(self.results)
        self._columns: dict[str, list[str]] = {}
        self.used: dict[str, Step] = {}
        self.asked: dict[str, Step] = {}
        self.seconds: dict[str, float] = {}
        if image is not None:
            self.image = image

    def __getattr__(self, name: str) -> Any:
        if name in type(self).results:
            return self._results[name]
        raise AttributeError(f"an Analysis has no {name!r}; its results are {', '.join(self.results)}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).results:
            maker = MAKERS.get(name, "")
            if not (name == "atoms" and value is not None and value.same_atoms(self._results["atoms"])):
                for table in (self.used, self.asked, self.seconds):
                    table.pop(maker, None)
            self._assign(name, value, maker)
        else:
            super().__setattr__(name, value)

    if TYPE_CHECKING:
        image: Image | None
        probability: npt.NDArray[np.float32] | None
        atoms: Atoms | None
        sub_images: SubImages | None
        vae: Vae | None
        maps: dict[str, npt.NDArray[np.float32]] | None

    def missing(self, step: Step) -> str | None:
        """What has to be done before the step can run, in words; None when nothing is."""
        for name in step.needs:
            if not name.endswith("?") and self._results[name] is None:
                return MISSING[name]
        return None

    def is_current(self, step: Step) -> bool:
        """Whether the results are those of the step with exactly these settings."""
        return self.asked.get(step.name()) == step

    def inputs(self, step: Step) -> tuple[Any, ...]:
        """What the step is called with.

        Raises
        ------
        InputError
            Where something it needs does not exist yet.
        """
        if message := self.missing(step):
            raise InputError(message)
        return tuple(self._results[name.rstrip("?")] for name in step.needs)

    def apply(self, step: Step) -> Job[None]:
        """Run one step and keep its result; a job, so that a long step can report and be stopped."""
        inputs = self.inputs(step)
        started = time.perf_counter()
        yield Progress(0.0, f"{title(step)} …")
        resolved = step.resolve(*inputs)
        result = resolved(*inputs)
        stopped = False
        if isinstance(result, Generator):
            result, stopped = yield from watched(result)
        self._assign(step.makes, result, step.name())
        self.used[step.name()] = resolved
        self.asked.pop(step.name(), None)
        if not stopped:  # a job stopped early is kept, but is not what was asked for
            self.asked[step.name()] = step
        self.seconds[step.name()] = time.perf_counter() - started

    def run(self, recipe: Recipe, only: Iterable[str] = ORDER) -> Job[None]:
        """Run the steps of a recipe that are not up to date; a job."""
        wanted = [step for step in recipe.steps if step.name() in set(only)]
        for number, step in enumerate(wanted):
            if self.is_current(step):
                continue
            job = self.apply(step)
            stop: bool | None = None
            while True:
                try:
                    part = job.send(stop)
                except StopIteration:
                    break
                share = (number + part.fraction) / len(wanted)
                stop = yield Progress(share, f"{title(step)}: {part.message}", part.loss, part.held_out_loss)
            if stop:
                return

    @property
    def recipe(self) -> Recipe:
        """The recipe of the results as they are, automatic parameters filled in."""
        return Recipe().model_copy(update=self.used)

    def _assign(self, name: str, value: Any, maker: str) -> None:
        """Keep a result and clear what came from the one before it."""
        first = ORDER.index(maker) + 1 if maker in ORDER else 0
        old = self._results["atoms"]
        columns_only = name == "atoms" and value is not None and value.same_atoms(old)
        later = ORDER[first:]
        if columns_only and maker == "find_atoms":
            later = ("paint_map",)
        if name == "atoms" and maker in ("encode", "cluster"):
            value = value.without([c for step in later for c in self._columns.get(step, [])])
            self._columns[maker] = [
                c for c in value.features if c not in old.features or c in self._columns.get(maker, [])
            ]
        self._results[name] = value
        self._clear(later, name)
        self.changed.emit(name)

    def _clear(self, later: Iterable[str], assigned: str) -> None:
        makes = {step.name(): step.makes for step in Recipe().steps}
        for maker in later:
            for table in (self.used, self.asked, self.seconds):
                table.pop(maker, None)
            name, columns = makes[maker], self._columns.pop(maker, [])
            if name == "atoms" and maker != "find_atoms":
                if columns and self._results["atoms"] is not None and assigned != "atoms":
                    self._results["atoms"] = self._results["atoms"].without(columns)
                    self.changed.emit("atoms")
            elif name != assigned and self._results[name] is not None:
                self._results[name] = None
                self.changed.emit(name)

    @property
    def columns(self) -> dict[str, list[str]]:
        """Names of the columns of the atoms, by the step that made them."""
        return {step: list(names) for step, names in self._columns.items()}

    def restore_results(
        self,
        results: dict[str, Any],
        asked: dict[str, Step],
        used: dict[str, Step],
        columns: dict[str, list[str]],
    ) -> None:
        """Take over saved results that belong together, with the steps that made them, clearing nothing."""
        self._results = dict.fromkeys(self.results) | results
        self.asked, self.used, self._columns = dict(asked), dict(used), dict(columns)
        for name in self.results:
            self.changed.emit(name)

    def save(self, folder: str | Path) -> Path:
        """Write everything to one folder, which is the session; see `io.session`."""
        from local_crystallography.io.session import save

        return save(self, Path(folder))

    @classmethod
    def open(cls, folder: str | Path) -> Analysis:
        """Bring a saved session back."""
        from local_crystallography.io.session import restore

        return restore(cls(), Path(folder))


def watched(job: Job[T]) -> Job[tuple[T, bool]]:
    """The same job, which also tells whether it was stopped."""
    stop, stopped = None, False
    while True:
        try:
            progress = job.send(stop)
        except StopIteration as end:
            return end.value, stopped
        stop = yield progress
        stopped = stopped or bool(stop)


def title(step: Step) -> str:
    """`find_atoms` as people read it: Find atoms."""
    words = step.name().replace("_", " ").replace("vae", "VAE").replace("sub images", "sub-images")
    return words[0].upper() + words[1:]

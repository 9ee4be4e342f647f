"""What exists so far for one image: the same object in a script, on the command line and behind the dock."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.data.progress import Job, Progress
from local_crystallography.data.subimages import FOUND, SubImages, as_found
from local_crystallography.explore.styles import ClassStyles
from local_crystallography.recipe import Recipe, stale_after
from local_crystallography.steps.base import OWN, Step, own, words
from local_crystallography.steps.paint_map import PaintMap, maps_left

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae

T = TypeVar("T")
STEPS = {step.name(): type(step) for step in Recipe().steps}
MAKERS = {step.makes: name for name, step in STEPS.items() if not step.adds_columns()}
"""The step that first makes each result; assigning one by hand takes the place of that step."""
MISSING = {
    "image": "Open an image first.",
    "probability": "Segment the image first: there is no probability map to find atoms in.",
    "atoms": "Find atoms first: there is nothing to work on.",
    "sub_images": "Extract sub-images first: there is nothing to train on, to encode or to describe.",
    "vae": "Train a network first: there is nothing to encode with.",
    "cvae": "Train a conditional network first: there is nothing to encode the classes with.",
}


class Analysis:
    """An image and the results derived from it, in the order of a recipe.

    Assigning a result clears what was derived from it, and nothing else. Columns of atoms belong to the step that made
    them: they go when what that step took is replaced.

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
    styles
        Names and colours of classes.
    """

    changed = Signal(str)
    results: ClassVar = ("image", *MAKERS)

    def __init__(self, image: Image | None = None) -> None:
        self._results: dict[str, Any] = dict.fromkeys(self.results)
        self._columns: dict[str, list[str]] = {}
        self._moved: dict[str, tuple[Atoms, Atoms]] = {}
        self.used: dict[str, Step] = {}
        self.asked: dict[str, Step] = {}
        self.seconds: dict[str, float] = {}
        self.styles = ClassStyles()
        if image is not None:
            self.image = image

    def __getattr__(self, name: str) -> Any:
        if name in type(self).results:
            return self._results[name]
        raise AttributeError(f"an Analysis has no {name!r}; its results are {', '.join(self.results)}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).results:
            if name == "probability" and value is not None:
                value = ProbabilityMap.of(value)
            replaced = {name}
            if name == "atoms" and value is not None and value.same_atoms(self._results["atoms"]):
                replaced = self._columns_replaced(value)
            else:
                self._forget(MAKERS.get(name, ""))
            self._assign(name, value, replaced)
        else:
            super().__setattr__(name, value)

    if TYPE_CHECKING:
        image: Image | None
        probability: ProbabilityMap | None
        atoms: Atoms | None
        sub_images: SubImages | None
        vae: Vae | None
        cvae: Vae | None
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
        atoms = without(self._results["atoms"], self._hidden_from(step))
        before, after = self._moved.get(step.name(), (None, None))
        if before is not None and after is not None and after.same_atoms(atoms):
            # nobody edited what the step made, so it begins again from what it was made of
            atoms = with_own_columns(before, atoms, made={name for names in self._columns.values() for name in names})
        results = self._results | {"atoms": atoms}
        return tuple(results[name.rstrip("?")] for name in step.needs)

    def knows(self, atoms: Atoms) -> bool:
        """Whether these are the atoms there are, or what steps have moved them from."""
        now: Atoms | None = self._results["atoms"]
        if now is None:
            return False
        found = as_found(now)
        before = [old for old, new in self._moved.values() if new.same_atoms(now) or new.same_atoms(found)]
        return any(atoms.same_atoms(other) for other in (now, found, *before))

    def apply(self, step: Step) -> Job[None]:
        """Run one step and keep its result; a job, so that a long step can report and be stopped."""
        inputs = self.inputs(step)
        started = time.perf_counter()
        yield Progress(0.0, f"{title(step)} …")
        resolved = step.resolve(*inputs)
        result = resolved.job(*inputs)
        stopped = False
        if isinstance(result, Generator):
            result, stopped = yield from watched(result)
        if step.adds_columns():
            before = inputs[step.needs.index("atoms")].features
            self._columns[step.name()] = [name for name in result.features if name not in before]
        if step.moves:
            self._moved[step.name()] = (inputs[step.needs.index("atoms")], result)
        self._assign(step.makes, result, step.replaces())
        self.used[step.name()] = resolved
        self.asked.pop(step.name(), None)
        if not stopped:  # a job stopped early is kept, but is not what was asked for
            self.asked[step.name()] = step
        self.seconds[step.name()] = time.perf_counter() - started

    def run(self, recipe: Recipe, only: Iterable[str] | None = None, also: Iterable[str] = ()) -> Job[None]:
        """Run the steps of a recipe that are not up to date, optional ones only where asked for; a job.

        Parameters
        ----------
        only
            Names of the steps to run; None: all that are not optional, and those the recipe asks for.
        also
            Names of optional steps to run as well.
        """
        wanted = recipe.wanted(only, also)
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
                stop = yield replace(part, fraction=share, message=f"{title(step)}: {part.message}")
            if stop:
                return

    def add_maps(self, maps: dict[str, npt.NDArray[np.float32]], asked: PaintMap, resolved: PaintMap) -> None:
        """Take maps of columns of one's own beside those there are, which together are what was asked for."""
        self._assign("maps", {**(self._results["maps"] or {}), **maps}, {"maps"})
        self.used["paint_map"], self.asked["paint_map"] = resolved, asked

    @property
    def recipe(self) -> Recipe:
        """The recipe of the results as they are, automatic parameters filled in, asking for the optional steps used."""
        also = tuple(name for name, step in STEPS.items() if step.optional and name in self.used)
        return Recipe(also=also).model_copy(update=self.used)

    def _hidden_from(self, step: Step) -> list[str]:
        """Columns the step is called without: those of steps it does not read, or those that its own will replace."""
        if step.adds_columns():
            makers = {step.name(), *stale_after(step.replaces())}
        else:
            makers = set(self._columns) - set(step.reads)
        return [column for maker in makers for column in self._columns.get(maker, [])]

    def _columns_replaced(self, value: Atoms) -> set[str]:
        """The makers of the columns that differ in the same atoms assigned by hand."""
        old, new = self._results["atoms"].features, value.features
        maker = {column: step for step, columns in self._columns.items() for column in columns}
        both = {*old, *new}
        changed = [c for c in both if c not in old or c not in new or not old[c].equals(new[c])]
        return {maker.get(c, own(c)) for c in changed} | {OWN for c in changed if c not in maker}

    def _assign(self, name: str, value: Any, replaced: set[str]) -> None:
        """Keep a result and clear what was made of that which it replaces."""
        self._results[name] = value
        stale, changed = self._stale(replaced), [name]
        gone = [column for step in stale for column in self._columns.pop(step, [])]
        if gone and "atoms" not in replaced:
            self._results["atoms"] = without(self._results["atoms"], gone)
            changed.append("atoms")
        for step in stale:
            self._forget(step)
            result = STEPS[step].makes
            if not STEPS[step].adds_columns() and self._results[result] is not None:
                self._results[result] = maps_left(self.maps, replaced) if stale == ["paint_map"] else None
                changed.append(result)
        for each in dict.fromkeys(changed):
            self.changed.emit(each)

    def _stale(self, replaced: set[str]) -> list[str]:
        """Names of the steps, in order, whose results are those of something replaced."""
        stale = [step for step in stale_after(replaced) if step not in replaced]
        painted = self.asked.get("paint_map")
        return [] if stale == ["paint_map"] and painted is not None and not painted.uses(replaced) else stale

    def _forget(self, step: str) -> None:
        for table in (self.used, self.asked, self.seconds):
            table.pop(step, None)

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


def without(atoms: Atoms | None, columns: list[str]) -> Atoms | None:
    """The atoms without these columns, and back where they were found if those tell where."""
    if atoms is None or not columns:
        return atoms
    return (as_found(atoms) if set(FOUND) <= set(columns) else atoms).without(columns)


def with_own_columns(atoms: Atoms, later: Atoms, *, made: set[str]) -> Atoms:
    """The atoms with the columns that `later` ones, by id, have of no step (`made` are those of steps) or otherwise."""
    old, new = atoms.features.set_index("id"), later.features.set_index("id")
    for name in [name for name in new if name not in made]:
        if name not in old or not new[name].equals(old[name].reindex(new.index)):
            values = new[name].combine_first(old[name]) if name in old else new[name]
            atoms = atoms.with_features(**{name: values.reindex(old.index).to_numpy()})
    return atoms


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
    read = words(step.name())
    return read[0].upper() + read[1:]

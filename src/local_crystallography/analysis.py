"""Analysis of one image as far as it exists: the same object in a script, on the command line and behind the dock."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from local_crystallography.clustering.doubts import Doubt, doubts, flags, of_frames, of_lattice
from local_crystallography.clustering.summary import sentence
from local_crystallography.data.atom_change import AtomChange
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.data.progress import Job, Progress
from local_crystallography.data.subimages import SubImages
from local_crystallography.graph import StepColumns, lengths_of, stale_after, without
from local_crystallography.io.done import Calibrated, Changed, Done, Given, Opened, Ran, followed
from local_crystallography.io.session import Session, load, save
from local_crystallography.recipe import Recipe, recipe_of
from local_crystallography.steps.base import Step
from local_crystallography.steps.cluster import Cluster, Reasons
from local_crystallography.steps.encode import Encode
from local_crystallography.steps.paint_map import PaintMap, own_columns
from local_crystallography.steps.refine_atoms import RefineAtoms
from local_crystallography.steps.segment import Segment
from local_crystallography.steps.training import Training
from local_crystallography.views.styles import ClassStyles

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae

T = TypeVar("T")
MADE_BY = {"image": (Image, "Image(array, pixel_size) or read_image(path)"), "atoms": (Atoms, "Atoms.at(yx)")}
"""Types of results that are assigned, and what makes them."""
S = TypeVar("S", bound=Step)
Judged: TypeAlias = tuple[Atoms, Any, Any, tuple[str, tuple[Doubt, ...]]]
"""Atoms, sub-images and network, and their summary and doubts."""
STEPS = {step.name(): type(step) for step in Recipe().steps}
MAKERS = {step.makes: name for name, step in STEPS.items() if not step.adds_columns()}
"""The step that first makes each result; assigning one by hand takes the place of that step."""
Snapshot: TypeAlias = Mapping[str, Any]
"""Results and records of an analysis at one moment, by attribute."""
RECORDED = (
    "_results",
    "_columns",
    "used",
    "asked",
    "behind",
    "edited",
    "seconds",
    "left_out",
    "doubt",
    "reasons",
    "log",
)
JUDGED = r"^(z\d+|angle_(std_)?rad|symmetry_order|label|environment)$"
"""Columns that summary and doubts are of."""
MISSING = {
    "image": "Open an image first.",
    "probability": "Segment the image first: there is no probability map.",
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
        The same steps as they were requested.
    behind
        Steps whose results are of the atoms before an edit by hand, as they were requested, by name.
    edited
        Trainings whose networks are still used although atoms were edited since.
    seconds
        Time each step took.
    styles
        Names and colours of classes.
    left_out
        The atoms that Refine atoms left out, with the reason in a column `left_out`; None where it has not been run.
    reasons
        Why the classes are what they are; None where no mixture was fitted since the session was opened.
    doubt
        Why the atoms should not be trusted and what to do, a sentence; "" where nothing speaks against them.
    log
        What was done to the image, in order, from which `io.script` writes a script.
    """

    changed = Signal(str)
    results: ClassVar = ("image", *MAKERS)

    def __init__(self, image: Image | None = None) -> None:
        self._results: dict[str, Any] = dict.fromkeys(self.results)
        self._columns = StepColumns()
        self.used: dict[str, Step] = {}
        self.asked: dict[str, Step] = {}
        self.behind: dict[str, Step] = {}
        self.edited: set[str] = set()
        self.seconds: dict[str, float] = {}
        self.styles = ClassStyles()
        self.left_out: Atoms | None = None
        self.doubt = ""
        self.reasons: Reasons | None = None
        self.log: tuple[Done, ...] = ()
        self._last_judged: Judged | None = None
        if image is not None:
            self.image = image

    def __getattr__(self, name: str) -> Any:
        if name in type(self).results:
            return self._results[name]
        if hasattr(type(self), name):  # a property failed: its own error says why
            return object.__getattribute__(self, name)
        raise AttributeError(f"an Analysis has no {name!r}; its results are {', '.join(self.results)}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).results:
            if name == "probability" and value is not None:
                value = ProbabilityMap.of(value)
            _check_type(name, value)
            self._log_given(name, value)
            replaced = {name}
            if name == "atoms" and value is not None and value.same_atoms(self._results["atoms"]):
                replaced = self._columns.replaced(self._results["atoms"], value)
            else:
                self._forget(MAKERS.get(name, ""))
            self._assign(name, value, replaced)
            if replaced == {"atoms"} and value is not None:
                self._columns.adopt(value)
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

    def last(self, kind: type[S]) -> S | None:
        """The step of a kind as it was run, automatic parameters filled in; None where it was not."""
        step = self.used.get(kind.name())
        return step if isinstance(step, kind) else None

    def requested(self, kind: type[S]) -> S | None:
        """The step of a kind as it was requested; None where it was not run, or was stopped early."""
        step = self.asked.get(kind.name())
        return step if isinstance(step, kind) else None

    def inputs(self, step: Step) -> tuple[Any, ...]:
        """What the step is called with.

        Raises
        ------
        InputError
            Where something it needs does not exist yet.
        """
        if message := self.missing(step):
            raise InputError(message)
        results = self._results | {"atoms": self._columns.taken_by(step, self._results["atoms"], self._after)}
        return tuple(results[name.rstrip("?")] for name in step.needs)

    def knows(self, atoms: Atoms) -> bool:
        """Whether these are the atoms there are, or what steps have moved them from."""
        now: Atoms | None = self._results["atoms"]
        return now is not None and self._columns.led_to(now, atoms)

    def apply(self, step: Step) -> Job[None]:
        """Run one step and keep its result; a job, so that a long step can report and be stopped."""
        mended = self.behind.get(step.name()) == step and not isinstance(step, Training)
        resumed = isinstance(step, Training) and step.checkpoint is not None and step.checkpoint.exists()
        stopped = yield from stopped_at(self._applied(step))
        settings = step.model_dump(mode="json", exclude={"checkpoint"})
        done = Ran(name=step.name(), settings=settings, stopped=stopped, mended=mended, resumed=resumed)
        self.log = followed(self.log, done)

    def _applied(self, step: Step) -> Job[None]:
        if first := self.behind_before(step):
            raise InputError(
                f"{step.title()} would use results from before the atoms were edited; run "
                f"{', '.join(each.title() for each in first)} first."
            )
        inputs = self.inputs(step)
        mends = self.behind.get(step.name()) == step and not isinstance(step, Training)
        touched = self._columns.lacking(step, self._results["atoms"]) if mends else None
        started = time.perf_counter()
        yield Progress(0.0, f"{step.title()} …")
        resolved, early = yield from ended(step.resolving(*inputs))
        result, late = yield from watched(resolved.run(*inputs))
        if step.adds_columns():
            now = self._results["atoms"]
            result = self._columns.continued(resolved, result, now)
            result = resolved.mended(result, now, touched) if mends else result
            self._columns.keep(step, inputs[step.needs.index("atoms")], result)
            if mends:
                result = self._columns.carried(now, result, set(self.behind) - {step.name()})
        self._assign(step.makes, result, step.replaces(), mends=mends)
        if isinstance(step, RefineAtoms) and not mends:
            self._judge(step, result)
        if isinstance(step, (Encode, Cluster)):
            self._judged()  # here, in the thread of the job, since a window will ask
        if isinstance(step, Cluster) and step.by.mixes:
            self.reasons, _ = yield from ended(step.reasons(*inputs))
        self.used[step.name()] = resolved
        for table in (self.asked, self.behind):
            table.pop(step.name(), None)
        self.edited.discard(step.name())
        if not (early or late):  # a job stopped early is kept, but is not what was requested
            self.asked[step.name()] = step
        self.seconds[step.name()] = time.perf_counter() - started
        if mends and all(issubclass(STEPS[name], Training) for name in self.behind):
            self.edited |= set(self.behind)
            self.asked |= self.behind
            self.behind.clear()

    def edit(self, atoms: Atoms) -> None:
        """Take atoms edited by hand: added, moved or removed, told apart by `id` and position.

        Nothing is lost: steps made of the earlier atoms are `behind`, and untouched atoms keep all their columns.
        """
        before = self._results["atoms"]
        if before is None or atoms.same_atoms(before):
            self.atoms = atoms
            return
        behind = [name for name in self._after({"atoms"}) if name in self.used]
        self.behind |= {name: self.asked.pop(name, self.used[name]) for name in behind if name not in self.behind}
        self.edited.clear()
        self._log_change(before, atoms, edited=True)
        self._columns.remember(before)
        self._results["atoms"] = self._columns.untouched(before, atoms)
        self.changed.emit("atoms")

    @property
    def mending(self) -> tuple[Step, ...]:
        """The steps that bring edited atoms up to date with the present networks: all behind but the trainings."""
        steps = (self.behind[name] for name in STEPS if name in self.behind)
        return tuple(step for step in steps if not isinstance(step, Training))

    def behind_before(self, step: Step) -> tuple[Step, ...]:
        """The steps of `mending` whose results a step is made of, in order."""
        order = list(STEPS)
        earlier = [each for each in self.mending if order.index(each.name()) < order.index(step.name())]
        used = {**self.used, step.name(): step}
        return tuple(each for each in earlier if step.name() in stale_after(each.replaces(), used))

    def snapshot(self) -> Snapshot:
        """Everything there is now, to come back to with `restore`; results are shared, not copied."""
        now = {name: getattr(self, name) for name in RECORDED}
        return {name: _own(value) for name, value in now.items()} | {"styles": self.styles.to_dict()}

    def restore(self, snapshot: Snapshot) -> None:
        """Come back to an earlier moment."""
        for name in RECORDED:
            object.__setattr__(self, name, _own(snapshot[name]))
        if self.styles.to_dict() != snapshot["styles"]:
            self.styles.take(snapshot["styles"])
        for name in self.results:
            self.changed.emit(name)

    def run(self, recipe: Recipe, only: Iterable[str] | None = None, also: Iterable[str] = ()) -> Job[None]:
        """Run the steps of a recipe that are not up to date, optional ones only if requested; a job.

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
                if self.stops_after(step):
                    return
                continue
            stop = yield from part(self.apply(step), step.title(), number, len(wanted))
            if stop or self.stops_after(step):
                return

    def stops_after(self, step: Step) -> bool:
        """Whether a run is not to go on after a step, since what it found should not be trusted."""
        return isinstance(step, RefineAtoms) and step.when_doubtful == "stop" and bool(self.doubt)

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """What should not be believed of frames, lattices, angles, latents and classes, see `clustering.doubts`.

        May take a second.
        """
        atoms, image = self._results["atoms"], self._results["image"]
        of_image = () if atoms is None or image is None else of_frames(atoms, image)
        return of_image + (() if atoms is None else of_lattice(atoms)) + self._judged()[1]

    @property
    def summary(self) -> str:
        """Kinds of site, phases and grains in a sentence, as `clustering.summary` tells; "" without classes."""
        return self._judged()[0]

    def _judged(self) -> tuple[str, tuple[Doubt, ...]]:
        """Summary and doubts, found once for the same columns."""
        atoms, sub_images, vae = (self._results[name] for name in ("atoms", "sub_images", "vae"))
        if atoms is None or ("symmetry_order" not in atoms.features and "label" not in atoms.features):
            return "", ()
        last = self._last_judged
        if last is None or any(one is not other for one, other in zip(last, (atoms, sub_images, vae), strict=False)):
            judged = last[3] if last is not None and self._judged_alike(last) else None
            judged = judged or (sentence(atoms), doubts(atoms, sub_images, vae))
            last = self._last_judged = atoms, sub_images, vae, judged
        return last[3]

    def _judged_alike(self, last: Judged) -> bool:
        """Whether what was judged last is the same, though the atoms may have other columns besides."""
        atoms, sub_images, vae = (self._results[name] for name in ("atoms", "sub_images", "vae"))
        made_of, before = (each.features.filter(regex=JUDGED) for each in (atoms, last[0]))
        same = last[1] is sub_images and last[2] is vae and atoms.same_atoms(last[0])
        return bool(same and made_of.equals(before))

    def _judge(self, step: RefineAtoms, refined: Atoms) -> None:
        """Keep what the step left out, and whether its result can be."""
        segment = self.last(Segment)
        sigma = None if segment is None else segment.network.sigma
        self.left_out = refined.left_out
        found = "probability" in refined.features  # and not brought or edited by somebody
        self.doubt = step.doubt(refined, self.image, sigma) if found and self.image is not None else ""

    def recalibrate(self, pixel_size: float | None) -> bool:
        """Set the pixel size, nm, of the image and of everything made of it; lengths in nm follow. Whether it is new.

        Maps of lengths in nm have to be painted again.
        """
        image, atoms, sub_images = (self._results[name] for name in ("image", "atoms", "sub_images"))
        if image is None or image.pixel_size == pixel_size:
            return False
        self.log = followed(self.log, Calibrated(pixel_size=pixel_size, before=image.pixel_size))
        self._results["image"] = replace(image, pixel_size=pixel_size)
        changed = ["image"]
        if atoms is not None:
            self._results["atoms"] = calibrated(atoms, pixel_size)
            changed.append("atoms")
        if sub_images is not None:
            self._results["sub_images"] = replace(sub_images, atoms=calibrated(sub_images.atoms, pixel_size))
        self._columns.calibrate(self._results["atoms"])
        if any(str(name).endswith("_nm") for name in self._results["maps"] or {}):
            self.asked.pop(PaintMap.name(), None)
        for name in changed:
            self.changed.emit(name)
        return True

    def add_maps(self, maps: dict[str, npt.NDArray[np.float32]], asked: PaintMap, resolved: PaintMap) -> None:
        """Add maps of the user's own columns to the present ones; together they are what was requested."""
        self._assign("maps", {**(self._results["maps"] or {}), **maps}, {"maps"})
        self.used[asked.name()], self.asked[asked.name()] = resolved, asked

    def _log_given(self, name: str, value: Any) -> None:
        """Enter a result that is assigned into the log, which begins anew with an image."""
        if name == "image":
            self.log = ()
        elif name == "atoms" and value is not None:
            self._log_change(self._results["atoms"], value, edited=False)
        else:
            self.log = followed(self.log, Given(name=name))

    def _log_change(self, before: Atoms | None, after: Atoms, *, edited: bool) -> None:
        change = AtomChange.between(before, after)
        done = Given(name="atoms") if change is None else Changed(change=change, edited=edited)
        self.log = followed(self.log, done)

    @property
    def recipe(self) -> Recipe:
        """The recipe of the results as they are, automatic parameters filled in, asking for the optional steps used."""
        return recipe_of(self.used)

    def _assign(self, name: str, value: Any, replaced: set[str], *, mends: bool = False) -> None:
        """Keep a result and clear what was made of that which it replaces; `mends`: but not what is behind anyway."""
        before: Atoms | None = self._results["atoms"]
        if replaced & {"image", "probability", "atoms"} and not mends:
            self.left_out, self.doubt = None, ""
        if name == "image":
            self._columns.forget()
        else:
            self._columns.remember(before)
        self._results[name] = value
        stale, changed = self._stale(replaced), [name]
        stale = [step for step in stale if not (mends and step in self.behind)]
        gone = self._columns.drop(stale)
        if gone and "atoms" not in replaced:
            self._results["atoms"] = without(self._results["atoms"], gone)
            changed.append("atoms")
        for step in stale:
            self._forget(step)
            result = STEPS[step].makes
            if not STEPS[step].adds_columns() and self._results[result] is not None:
                self._results[result] = self._maps_left(replaced, gone, before) if step == PaintMap.name() else None
                changed.append(result)
        for each in dict.fromkeys(changed):
            self.changed.emit(each)

    def _maps_left(self, replaced: set[str], gone: list[str], before: Atoms | None) -> dict[str, Any] | None:
        """The maps that stay true: those of columns that are there and nobody has replaced, of atoms not moved."""
        makers = {name for name in replaced if name in STEPS and STEPS[name].adds_columns()}
        own, atoms = own_columns(replaced - makers), self._results["atoms"]
        if own is None or not atoms.same_atoms(before):
            return None
        made = {column for maker in makers for column in self.columns.get(maker, [])}
        there = {*atoms.features} - {*gone, *own, *made}
        return {name: painted for name, painted in self._results["maps"].items() if name in there} or None

    def _stale(self, replaced: set[str]) -> list[str]:
        """Names of the steps, in order, whose results are those of something replaced."""
        return [step for step in self._after(replaced) if step not in replaced]

    def _after(self, replaced: set[str]) -> tuple[str, ...]:
        """As `stale_after`, for the steps as they were run."""
        # maps painted without naming columns are those of all columns there are, not only of those there were
        painted = self.requested(PaintMap)
        return stale_after(replaced, self.used if painted is None else {**self.used, painted.name(): painted})

    def _forget(self, step: str) -> None:
        for table in (self.used, self.asked, self.behind, self.seconds):
            table.pop(step, None)
        self.edited.discard(step)
        if step == Cluster.name():
            self.reasons = None

    @property
    def columns(self) -> dict[str, list[str]]:
        """Names of the columns of the atoms, by the step that made them."""
        return self._columns.by_step

    def restore_results(
        self,
        results: Mapping[str, Any],
        asked: Mapping[str, Step],
        used: Mapping[str, Step],
        columns: Mapping[str, list[str]],
    ) -> None:
        """Take over saved results that belong together, with the steps that made them, clearing nothing."""
        self._results = dict.fromkeys(self.results) | dict(results)
        self.asked, self.used = dict(asked), dict(used)
        self.log = (Opened(known=False),)
        self._columns.restore(columns)
        for name in self.results:
            self.changed.emit(name)

    @property
    def session(self) -> Session:
        """What is saved of it."""
        atoms = self._results["atoms"]
        return Session(
            results=dict(self._results),
            asked=dict(self.asked),
            used=dict(self.used),
            columns=self.columns,
            seconds=dict(self.seconds),
            styles=self.styles.to_dict(),
            left_out=self.left_out,
            doubt=self.doubt,
            behind=dict(self.behind),
            edited=set(self.edited),
            log=self.log,
            flags=flags(atoms, self.doubts) if atoms is not None and self.doubts else None,
        )

    def save(self, folder: str | Path) -> Path:
        """Write everything but the report to one folder, which is the session; see `io.session`."""
        return save(self.session, Path(folder))

    @classmethod
    def open(cls, folder: str | Path) -> Analysis:
        """Bring a saved session back."""
        session, analysis = load(Path(folder)), cls()
        analysis.restore_results(session.results, session.asked, session.used, session.columns)
        analysis.seconds = dict(session.seconds)
        analysis.styles.take(dict(session.styles))
        analysis.left_out, analysis.doubt = session.left_out, session.doubt
        analysis.behind, analysis.edited = dict(session.behind), set(session.edited)
        analysis.log = followed(session.log, Opened(known=bool(session.log) or not session.used))
        return analysis


def _own(record: T) -> T:
    """A copy of what changes in place; anything else itself."""
    return copy(record) if isinstance(record, (dict, set, StepColumns)) else record


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


def stopped_at(job: Job[None]) -> Job[int | None]:
    """The same job; which report of progress, counted from 1, was answered by a stop first, None for none."""
    stop, reports, first = None, 0, None
    while True:
        try:
            progress = job.send(stop)
        except StopIteration:
            return first
        stop, reports = (yield progress), reports + 1
        first = reports if stop and first is None else first


def ended(result: Any) -> Job[tuple[Any, bool]]:
    """The result, of a job at its end, and whether that was stopped."""
    return (yield from watched(result)) if isinstance(result, Generator) else (result, False)


def part(job: Job[object], name: str, number: int, of: int) -> Job[bool | None]:
    """The same job as one of several, counted from 0; returns whether it was asked to stop."""
    stop: bool | None = None
    while True:
        try:
            progress = job.send(stop)
        except StopIteration:
            return stop
        share = (number + progress.fraction) / of
        stop = yield replace(progress, fraction=share, message=f"{name}: {progress.message}")


def calibrated(atoms: Atoms, pixel_size: float | None) -> Atoms:
    """The atoms at another pixel size; columns in nm, which all have one in pixels beside them, follow."""
    lengths = lengths_of(atoms)
    atoms = replace(atoms.without([name.replace("_px", "_nm") for name in lengths]), pixel_size=pixel_size)
    if pixel_size is None:
        return atoms
    return atoms.with_features(
        **{name.replace("_px", "_nm"): atoms.features[name].to_numpy(float) * pixel_size for name in lengths}
    )


def _check_type(name: str, value: Any) -> None:
    """Refuse an image or atoms of another type.

    Raises
    ------
    InputError
        For anything else than `Image` and `Atoms`, or None.
    """
    kind, maker = MADE_BY.get(name, (object, ""))
    if value is not None and not isinstance(value, kind):
        came = type(value).__name__
        raise InputError(f"An analysis cannot take the type {came} for its {name}; make the {name} with {maker}.")

"""The analyses of the images in a viewer, and the one job that may run on them. No widgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Layer
from qtpy import QtCore

from local_crystallography._napari import layers
from local_crystallography._napari.link import SelectionLink
from local_crystallography._napari.results import ResultLayers
from local_crystallography._napari.worker import Outcome, Report, Runner, run_once, run_steps
from local_crystallography.analysis import MISSING, Analysis
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.explore.selection import Selection
from local_crystallography.steps.base import Step


@dataclass
class Work:
    """One image layer with its analysis.

    `sources` are the layers chosen instead of a result; `edited` tells that atoms were changed by hand.
    """

    layer: Any
    analysis: Analysis
    results: ResultLayers
    sources: dict[str, Any] = field(default_factory=dict)
    edited: bool = False
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def replaced(self) -> set[str]:
        """The steps whose results the user brought instead."""
        if self.edited or "atoms" in self.sources:
            return {"segment", "find_atoms"}
        return {"segment"} if "probability" in self.sources else set()

    def missing(self, step: Step) -> str | None:
        """What has to be done before the step can run, in words; layers of the user's own count."""
        message = self.analysis.missing(step)
        if message is None or message == MISSING["image"]:
            return None
        given = any(MISSING[name] == message for name in self.sources)
        return None if given else message


class Workbench(QtCore.QObject):  # type: ignore[misc]
    """Owns what the panels show: the works by image layer, the selection and the runner."""

    changed = QtCore.Signal()
    reported = QtCore.Signal(object)
    opened = QtCore.Signal(object)
    failed = QtCore.Signal(str)

    def __init__(self, viewer: Any, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.works: dict[str, Work] = {}
        self.active: Work | None = None
        self.busy: Work | None = None
        self.step = ""
        self.selection = Selection()
        self.link = SelectionLink(self.selection)
        self.runner = Runner(self)
        self.runner.reported.connect(self._on_reported)
        self.runner.ended.connect(self._on_ended)
        viewer.layers.events.removed.connect(self._on_layer_removed)

    @property
    def running(self) -> bool:
        """Whether a job runs."""
        return self.runner.running

    def choose(self, layer: Any | None) -> None:
        """Work on this image layer from now on; what was done on another is kept."""
        if layer is None:
            self.active = None
        else:
            self.active = self.works.get(str(layer.unique_id)) or self._new(layer, Analysis())
        self._show()

    def run(self, steps: tuple[Step, ...], *, again: bool) -> None:
        """Run steps on the active image; those that are up to date only with `again`."""
        work = self.active
        if work is None or self.running:
            return
        try:
            given = self._given(work, steps)
        except InputError as error:
            self._fail(work, steps[0].name(), str(error))
            return
        # what comes before is not run again, or it would take the place of what the user brought
        wanted = steps if again else tuple(step for step in steps if step.name() not in work.replaced)
        self._leave_edited(
            work, {step.name() for step in wanted if again or not work.analysis.is_current(step)}
        )
        work.errors.clear()
        work.results.set_editable(False)
        self.busy, self.step = work, ""
        prepare = partial(_prepare, work.analysis, work.layer, given)
        self.runner.start(lambda stop: run_steps(work.analysis, wanted, stop, prepare=prepare, again=again))
        self.changed.emit()

    def stop(self, *, everything: bool) -> None:
        """End the step that runs with the best so far; and, with `everything`, go on with none after it."""
        (self.runner.stop.everything if everything else self.runner.stop.step).set()
        self.changed.emit()

    def save(self, folder: Path) -> None:
        """Write the session of the active image."""
        if self.active is not None and not self.running:
            self._take_edits(self.active)
            analysis = self.active.analysis
            self._once("Saving …", lambda: analysis.save(folder))

    def open(self, folder: Path) -> None:
        """Bring a session back, with a layer for its image."""
        if not self.running:
            self._once("Opening …", lambda: Analysis.open(folder))

    def adopt(self, analysis: Analysis) -> Work:
        """Show an analysis that was made elsewhere, as the active one."""
        assert analysis.image is not None
        layer = Layer.create(*layers.layer_of(analysis.image))
        work = self._new(layer, analysis)
        work.edited = analysis.atoms is not None and "find_atoms" not in analysis.asked
        self.viewer.layers.append(layer)
        self.active = work
        self._show()
        self.opened.emit(work)
        return work

    def choose_source(self, name: str, layer: Any | None) -> None:
        """Take the probability map or the atoms from a layer; None: from the result of the step."""
        if self.active is None or self.active.sources.get(name) is layer:
            return
        if layer is None:
            self.active.sources.pop(name)
        else:
            self.active.sources[name] = layer
        self.changed.emit()

    def _new(self, layer: Any, analysis: Analysis) -> Work:
        work = Work(layer, analysis, ResultLayers(self.viewer, layer, analysis))
        self.works[str(layer.unique_id)] = work
        return work

    def _once(self, message: str, function: Callable[[], Any]) -> None:
        self.busy, self.step = self.active, ""
        self.runner.start(lambda stop: run_once(message, function))
        self.changed.emit()

    def _given(self, work: Work, steps: tuple[Step, ...]) -> dict[str, Any]:
        """Results that come from the user: other layers, or atoms edited by hand, where they differ."""
        names = {step.name() for step in steps}
        given: dict[str, Any] = {}
        if "probability" in work.sources and names - {"segment"}:
            values = np.asarray(work.sources["probability"].data, np.float32)
            if work.analysis.probability is None or not np.array_equal(values, work.analysis.probability):
                given["probability"] = values
        if "atoms" in work.sources and names - {"segment", "find_atoms"}:
            atoms = layers.atoms_from(work.sources["atoms"], work.layer)
            if not atoms.same_atoms(work.analysis.atoms):
                given["atoms"] = atoms
        elif names - {"segment", "find_atoms"} and (edited := work.results.edited_atoms()) is not None:
            given["atoms"], work.edited = edited, True
        return given

    def _take_edits(self, work: Work) -> None:
        if (edited := work.results.edited_atoms()) is not None:
            work.analysis.atoms, work.edited = edited, True
            self._show()

    def _leave_edited(self, work: Work, names: set[str]) -> None:
        """Atoms edited by hand that are about to be found anew stay, as a layer of the user's own."""
        found_anew = bool(names & {"segment", "find_atoms"})
        if found_anew and (work.edited or work.results.edited_atoms() is not None):
            layer = work.results.get("atoms")
            if layer is not None:
                layer.name, layer.visible = "atoms edited by hand", False
            work.results.forget("atoms")
            work.edited = False

    def _show(self) -> None:
        self.link.follow(None if self.active is None else self.active.results)
        self.changed.emit()

    def _on_reported(self, report: Report) -> None:
        if report.step != self.step:
            self.step = report.step
            self._show_results()
        self.reported.emit(report)

    def _on_ended(self, outcome: Outcome) -> None:
        work, self.busy, step = self.busy, None, outcome.step or self.step
        self.step = ""
        if isinstance(outcome.result, Analysis):
            self.adopt(outcome.result)
        if work is not None and self.works.get(str(work.layer.unique_id)) is work:
            self._show_results(work)
            work.results.prune()
            work.results.set_editable(True)
            if outcome.error:
                self._fail(work, step, outcome.error)
        elif outcome.error:
            self.failed.emit(outcome.error)
        self.changed.emit()

    def _show_results(self, work: Work | None = None) -> None:
        work = work or self.busy
        if work is not None and self.works.get(str(work.layer.unique_id)) is work:
            work.results.show()
            self._show()

    def _fail(self, work: Work, step: str, sentence: str) -> None:
        work.errors[step] = sentence
        self.failed.emit(sentence)
        self.changed.emit()

    def _on_layer_removed(self, event: Any) -> None:
        work = self.works.pop(str(event.value.unique_id), None)
        if work is not None and work is self.busy:
            self.stop(everything=True)
        if work is not None and work is self.active:
            self.choose(None)
        for other in self.works.values():
            for name in [name for name, layer in other.sources.items() if layer is event.value]:
                other.sources.pop(name)


def _prepare(analysis: Analysis, layer: Any, given: dict[str, Any]) -> None:
    """Give an analysis its image, the first time, and what the user brings along."""
    if analysis.image is None:
        analysis.image = layers.image_from(layer)
    for name, value in given.items():
        if name == "probability":
            _check_probability(value, analysis.image)
        setattr(analysis, name, value)


def _check_probability(values: Any, image: Image | None) -> None:
    if image is not None and values.shape != image.data.shape:
        raise InputError(
            f"A probability map of shape {values.shape} came with an image of shape {image.data.shape}; "
            "pick a layer of the image's own shape."
        )

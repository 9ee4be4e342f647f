"""One image layer with its analysis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer

from local_crystallography._napari.layers import convert, left_out
from local_crystallography._napari.layers.masks import visible_mask
from local_crystallography._napari.layers.results import ResultLayers
from local_crystallography._napari.session.mask_choice import MaskChoice, chosen
from local_crystallography.analysis import MISSING, Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.steps.base import Step
from local_crystallography.steps.segment import Network, Segment

if TYPE_CHECKING:
    from local_crystallography.models.scale import Candidate


@dataclass(frozen=True)
class Found:
    """What the columns of an image may be, as a network has found."""

    image: Image
    weights: Path | None
    candidates: list[Candidate]


@dataclass
class ImageSession:
    """One image layer with its analysis.

    `sources` are the layers chosen instead of a result; `edited` tells that atoms were changed by hand; `session` is
    the folder the layer came from, until it has been opened; `halted` tells that the last run was stopped by a doubtful
    result; `found` is what the columns may be.
    """

    layer: Any
    analysis: Analysis
    results: ResultLayers
    sources: dict[str, Any] = field(default_factory=dict)
    edited: bool = False
    errors: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    mask: MaskChoice = field(default_factory=MaskChoice)
    halted: bool = False
    found: Found | None = None

    @property
    def key(self) -> str:
        """What tells the layer apart from others."""
        return str(self.layer.unique_id)

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

    @property
    def network_step(self) -> Segment | None:
        """The Segment step as it was run, where a network did it."""
        segment = self.analysis.used.get("segment")
        return segment if isinstance(segment, Segment) and isinstance(segment.by, Network) else None

    @property
    def candidates(self) -> list[Candidate] | None:
        """What the columns of the image may be, as Segment has found; None where that is not known."""
        step, found = self.network_step, self.found
        if (
            step is None
            or found is None
            or found.image is not self.analysis.image
            or found.weights != step.network.weights
        ):
            return None
        return found.candidates

    def find_candidates(self, step: Segment) -> None:
        """Look for what the columns may be, which takes seconds unless the step has just been run; in any thread."""
        if (image := self.analysis.image) is not None:
            self.found = Found(image, step.network.weights, step.candidates(image))

    def after(self, step: Step) -> None:
        """Prepare what is new after a step; in any thread."""
        self.results.prepare()
        if isinstance(step, Segment) and isinstance(step.by, Network):
            automatic = step.by.sigma is None and step.contrast is None
            if automatic or (self.candidates is None and not (step.by.sigma and step.contrast)):
                self.find_candidates(step)

    def given(self, steps: tuple[Step, ...], *, again: bool = False) -> dict[str, Any]:
        """What comes from the user: a mask, other layers, or atoms edited by hand, where they differ.

        Raises
        ------
        InputError
            For a layer that cannot be taken.
        """
        names = {step.name() for step in steps}
        given: dict[str, Any] = {}
        if "probability" in self.sources and names - {"segment"}:
            chosen, known = ProbabilityMap.of(self.sources["probability"].data), self.analysis.probability
            if known is None or not np.array_equal(chosen.values, known.values):
                given["probability"] = chosen
        if names - {"segment", "find_atoms"} and (atoms := self._given_atoms()) is not None:
            given["atoms"] = atoms
        if "segment" in names and (again or "segment" not in self.replaced) and self.mask.differs(self.results):
            given["mask"] = self.mask.mask(self.results)
        return given

    def choose_mask(self, layer: Any | None, *, painted: bool) -> None:
        """Take the mask from a layer, or as painted in the layer that shows it; neither: as found in the image."""
        if layer is None and not painted:
            self.results.undo_painting()
        self.mask = chosen(self.results, layer, painted)

    def take_back(self, rows: Iterable[int]) -> None:
        """Add atoms that were left out, by their points, to the others; what was computed for those goes."""
        layer, left = self.results.get(left_out.NAME), self.analysis.left_out
        known = self.results.edited_atoms() or self.analysis.atoms
        if layer is None or left is None or known is None:
            return
        back = convert.atoms_from(layer, self.layer)[sorted(rows)]
        old = [name for names in self.analysis.columns.values() for name in names]
        self.analysis.atoms = left_out.joined(known.without(old), back.without([*old, left_out.REASON]))
        self.edited = True
        rest = left[~np.isin(left.ids, back.ids)]
        self.analysis.left_out = rest if len(rest) else None

    def _given_atoms(self) -> Atoms | None:
        if "atoms" in self.sources:
            atoms = convert.atoms_from(self.sources["atoms"], self.layer)
            return None if self.analysis.knows(atoms) else atoms
        if (edited := self.results.edited_atoms()) is not None:
            self.edited = True
        return edited

    def take_edits(self) -> bool:
        """Give the analysis the atoms as they were edited by hand; whether they were."""
        edited = self.results.edited_atoms()
        if edited is not None:
            self.analysis.atoms, self.edited = edited, True
        return edited is not None

    def choose_source(self, name: str, layer: Any | None) -> bool:
        """Take the probability map or the atoms from a layer, None: from the result of the step; tell if it is new."""
        if convert.same(self.sources.get(name), layer):
            return False
        if layer is None:
            self.sources.pop(name)
        else:
            self.sources[name] = layer
        return True

    def prepare(self, given: dict[str, Any]) -> None:
        """Give the analysis its image, the first time, and what the user brings along; in any thread.

        Raises
        ------
        InputError
            For an image that cannot be analysed, also for its mask, or a probability map of another shape.
        """
        if self.analysis.image is None:
            self.analysis.image = convert.image_from(self.layer)
        if "mask" in given:
            self.analysis.image = replace(self.analysis.image, mask=given["mask"])
            self.mask = replace(self.mask, changed=False)
        self.results.find_mask()
        for name, value in given.items():
            if name == "mask":
                continue
            if name == "probability":
                _check_probability(value.values, self.analysis.image)
            setattr(self.analysis, name, value)

    def begin(self, steps: tuple[Step, ...], *, again: bool) -> tuple[Step, ...]:
        """Make ready for a job; of its steps those to be run, which are all of them only with `again`."""
        # what comes before is not run again, or it would take the place of what the user brought
        wanted = steps if again else tuple(step for step in steps if step.name() not in self.replaced)
        self._leave_edited({step.name() for step in wanted if again or not self.analysis.is_current(step)})
        self.errors.clear()
        self.halted = False
        self.results.set_editable(False)
        return wanted

    def end(self, step: str, error: str) -> None:
        """The end of a job: the layers of what is no result any more go, and what went wrong in a step is noted."""
        self.results.prune()
        self.results.set_editable(True)
        if step and error:
            self.errors[step] = error

    def _leave_edited(self, names: set[str]) -> None:
        """Atoms edited by hand that are about to be found anew stay, as a layer of the user's own."""
        found_anew = bool(names & {"segment", "find_atoms"})
        if found_anew and (self.edited or self.results.edited_atoms() is not None):
            layer = self.results.get("atoms")
            if layer is not None:
                layer.name, layer.visible = "atoms edited by hand", False
            self.results.forget("atoms")
            self.edited = False


def session_on(viewer: Any, layer: Any, analysis: Analysis) -> ImageSession:
    """Work on an image layer, which remembers its analysis from now on: it outlives the dock."""
    session = ImageSession(layer, analysis, ResultLayers(viewer, layer, analysis))
    session.edited = analysis.atoms is not None and "find_atoms" not in analysis.asked
    session.mask = MaskChoice(painted=analysis.image is not None and analysis.image.mask is not None)
    layer.metadata.setdefault(convert.KEY, {})["analysis"] = analysis
    return session


def new_session(viewer: Any, analysis: Analysis) -> ImageSession:
    """Work on an analysis with a new layer for its image, which is not in the viewer yet; in any thread."""
    assert analysis.image is not None
    return session_on(viewer, Layer.create(*convert.layer_of(analysis.image)), analysis)


def opened(folder: Path) -> Analysis:
    """A saved session, with what is masked in its image; in any thread."""
    analysis = Analysis.open(folder)
    if analysis.image is not None:
        visible_mask(analysis.image)  # which the image remembers
    return analysis


def open_session(viewer: Any, folder: Path) -> ImageSession:
    """Work on a saved session, with all its layers prepared; in any thread."""
    session = new_session(viewer, Analysis.open(folder))
    session.results.prepare()
    return session


def session_again(viewer: Any, layer: Any, analysis: Analysis, others: Iterable[ImageSession]) -> ImageSession:
    """Work on an analysis that has layers in the viewer already, but for those of other works."""
    session = session_on(viewer, layer, analysis)
    taken = {key for other in others for key in other.results.keys}
    own = [each for each in viewer.layers if str(each.unique_id) not in taken and convert.belongs(each, layer)]
    # a session opened twice has each layer twice: those above this image come first
    place = viewer.layers.index(layer)
    session.results.find_mask()
    session.results.take([*(each for each in own if viewer.layers.index(each) > place), *own])
    return session


def _check_probability(values: Any, image: Image | None) -> None:
    if image is not None and values.shape != image.data.shape:
        raise InputError(
            f"A probability map of shape {values.shape} came with an image of shape {image.data.shape}; "
            "pick a layer of the image's own shape."
        )

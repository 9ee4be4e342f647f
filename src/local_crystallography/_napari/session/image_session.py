"""Session of one image: its layer, its analysis, and what the user supplies in place of a result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from local_crystallography._napari.layers import convert, geometry, layer_pixels, rings
from local_crystallography._napari.layers.masks import Mask, drawn_mask
from local_crystallography._napari.layers.results import ResultLayers
from local_crystallography._napari.session.history import BEGIN, History, Moment
from local_crystallography.analysis import MISSING, Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.steps.base import Step
from local_crystallography.steps.find_atoms import FindAtoms
from local_crystallography.steps.segment import Network, Segment

if TYPE_CHECKING:
    from local_crystallography.models.scale import Candidate


@dataclass(frozen=True)
class Found:
    """Candidates for the atomic columns of an image, as a network found them."""

    image: Image
    weights: Path | None
    candidates: list[Candidate]


@dataclass(frozen=True)
class MaskChoice:
    """Source of the mask of an image: found in the image, `painted` in its mask layer, or drawn in another `layer`.

    `changed`: the results were computed with another mask.
    """

    layer: Any | None = None
    painted: bool = False
    changed: bool = False

    def mask(self, results: ResultLayers) -> Mask | None:
        """(H, W) mask supplied by the user; None if it is to be found in the image.

        Raises
        ------
        InputError
            For a layer that cannot serve as a mask of the image.
        """
        if self.layer is not None:
            return drawn_mask(self.layer, results.image_layer)
        return results.painted_mask() if self.painted else None

    def differs(self, results: ResultLayers) -> bool:
        """Whether the analysed image has another mask; raises as `mask`."""
        image, mask = results.analysis.image, self.mask(results)
        given = None if image is None else image.mask
        return not (mask is given or (mask is not None and given is not None and np.array_equal(mask, given)))

    @classmethod
    def of(cls, results: ResultLayers, layer: Any | None, painted: bool) -> MaskChoice:
        """A choice that knows whether it changes the mask."""
        choice = cls(layer, painted)
        try:
            changed = choice.differs(results)
        except InputError:  # reported when the mask is used
            changed = True
        return replace(choice, changed=changed)


@dataclass
class ImageSession:
    """One image layer with its analysis.

    Attributes
    ----------
    sources
        Layers used in place of a result.
    edited
        Whether atoms were edited by hand.
    folder
        The saved session to which the layer belongs, until it has been opened.
    halted
        Whether the last run was stopped by an unreliable result.
    found
        Candidates for the atomic columns.
    outdated
        Whether the layer no longer shows what was analysed.
    history
        What was done to the image, to undo and redo.
    saved
        The moment that was saved last, or opened.
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
    outdated: bool = False
    history: History = field(init=False)
    saved: Moment | None = None
    _seen: tuple[Any, tuple[float, float]] | None = None

    def __post_init__(self) -> None:
        atoms = self.analysis.atoms
        self.history = History(self.moment(BEGIN, np.zeros(0 if atoms is None else len(atoms), bool)))

    @property
    def key(self) -> str:
        """Unique id of the layer."""
        return str(self.layer.unique_id)

    @property
    def unsaved(self) -> bool:
        """Whether there are results that were not saved."""
        saved = self.saved is not None and self.history.now.same_results(self.saved)
        return self.analysis.atoms is not None and not saved

    @property
    def replaced(self) -> set[str]:
        """Steps that the user replaced by a layer or by edited atoms."""
        if self.edited or "atoms" in self.sources:
            return {Segment.name(), FindAtoms.name()}
        return {Segment.name()} if "probability" in self.sources else set()

    def missing(self, step: Step) -> str | None:
        """What has to be done before the step can run, in words; None if it can. Layers used as sources count."""
        message = self.analysis.missing(step)
        if message is None or message == MISSING["image"]:
            return None
        given = any(MISSING[name] == message for name in self.sources)
        return None if given else message

    @property
    def network_step(self) -> Segment | None:
        """The Segment step as it was run with a network, otherwise None."""
        segment = self.analysis.last(Segment)
        return segment if segment is not None and isinstance(segment.by, Network) else None

    @property
    def candidates(self) -> list[Candidate] | None:
        """Candidates for the atomic columns, as found by Segment; None if they are unknown."""
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
        """Find candidates for the atomic columns, in seconds unless the step has just been run; in any thread."""
        if (image := self.analysis.image) is not None:
            self.found = Found(image, step.network.weights, step.candidates(image))

    def after(self, step: Step) -> None:
        """Prepare the layers of new results after a step; in any thread."""
        self.results.prepare()
        if isinstance(step, Segment) and isinstance(step.by, Network):
            automatic = step.by.sigma is None and step.contrast is None
            if automatic or (self.candidates is None and not (step.by.sigma and step.contrast)):
                self.find_candidates(step)

    def given(self, steps: tuple[Step, ...], *, again: bool = False) -> dict[str, Any]:
        """Input supplied by the user, where it differs: a mask, other layers, or atoms edited by hand.

        Raises
        ------
        InputError
            For a layer that cannot be used.
        """
        names = {step.name() for step in steps}
        given: dict[str, Any] = {}
        if "probability" in self.sources and names - {Segment.name()}:
            chosen, known = ProbabilityMap.of(self.sources["probability"].data), self.analysis.probability
            if known is None or not np.array_equal(chosen.values, known.values):
                given["probability"] = chosen
        if names - {Segment.name(), FindAtoms.name()} and (atoms := self._given_atoms()) is not None:
            given["atoms"] = atoms
        if (
            Segment.name() in names
            and (again or Segment.name() not in self.replaced)
            and self.mask.differs(self.results)
        ):
            given["mask"] = self.mask.mask(self.results)
        return given

    def choose_mask(self, layer: Any | None, *, painted: bool) -> None:
        """Use the mask in a layer, or as painted in the mask layer; neither: as found in the image."""
        if layer is None and not painted:
            self.results.undo_painting()
        self.mask = MaskChoice.of(self.results, layer, painted)

    def restore(self, rows: Iterable[int]) -> None:
        """Restore atoms that were left out, by the rows of their points."""
        layer, left = self.results.get(rings.LEFT_OUT), self.analysis.left_out
        known = self.results.edited_atoms() or self.analysis.atoms
        if layer is None or left is None or known is None:
            return
        back = convert.atoms_from(layer, self.layer)[sorted(rows)]
        self.analysis.edit(rings.joined(known, back.without([rings.REASON])))
        self.edited = True
        rest = left[~np.isin(left.ids, back.ids)]
        self.analysis.left_out = rest if len(rest) else None

    def _given_atoms(self) -> Atoms | None:
        if "atoms" in self.sources:
            atoms = convert.atoms_from(self.sources["atoms"], self.layer)
            _check_places(atoms, self.sources["atoms"], self.layer)
            return None if self.analysis.knows(atoms) else atoms
        return None

    def take_edits(self) -> str:
        """Use atoms as edited by hand; what was done to them, in words, or "" if nothing was."""
        edited, before = self.results.edited_atoms(), self.analysis.atoms
        if edited is None or before is None:
            return ""
        # every atom that remains is wanted, so that refining again leaves none out
        self.analysis.edit(edited.with_features(kept=True))
        self.results.keep_edits()
        self.sources.pop("atoms", None)  # the edited atoms take the place of the layer they came from
        self.edited = True
        return _change(before, edited)

    def moment(self, title: str, selection: Mask) -> Moment:
        """What undo restores, as it is now."""
        return Moment(title, self.analysis.snapshot(), selection, dict(self.sources), self.edited)

    def come_back(self, moment: Moment) -> None:
        """Restore results, sources and edits of a moment, and show them."""
        self.analysis.restore(moment.analysis)
        self.sources, self.edited = dict(moment.sources), moment.edited
        self.errors.clear()
        self.halted = False
        self.notice()
        self.results.prune()
        self.results.show()

    def choose_source(self, name: str, layer: Any | None) -> bool:
        """Use a layer as probability map or atoms, None for the result of the step; whether that is a change."""
        if convert.same(self.sources.get(name), layer):
            return False
        if layer is None:
            self.sources.pop(name)
        else:
            self.sources[name] = layer
        return True

    def prepare(self, given: dict[str, Any]) -> None:
        """Set the image of the analysis, the first time, and the input supplied by the user; in any thread.

        Raises
        ------
        InputError
            For an image or mask that cannot be analysed, or a probability map of another shape.
        """
        if self.analysis.image is None:
            self._seen = self._now()
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

    def take_up(self) -> None:
        """Begin with an analysis that may be of an earlier state of the layer."""
        image = self.analysis.image
        self._seen = self._now() if image is not None and convert.shows(self.layer, image) else None
        self.notice()

    def notice(self) -> bool:
        """Take over place and scale of the layer, and see whether it still shows what was analysed.

        Results follow their image at once; those of other pixels are out of date. Returns whether there is news.
        """
        now = self._now()
        shares = now[1]
        as_analysed = shares if self.analysis.image is None or self._seen is None else self._seen[1]
        news = self.results.place(as_analysed)
        if self.analysis.image is None:
            return news
        before, self.outdated = self.outdated, self._seen != now
        if shares == as_analysed:
            news |= self.analysis.recalibrate(geometry.pixel_size_of(self.layer))
        return news or before != self.outdated

    def follow_layer(self) -> bool:
        """Let go of results of pixels that the layer has no more, or of another scale; whether there were any."""
        news = self.notice()
        if self.outdated:
            self._leave_edited({Segment.name()})
            self.analysis.image = None
            self.outdated = False
            return True
        return news

    def _now(self) -> tuple[Any, tuple[float, float]]:
        """What the results depend on: the pixels of the layer, and their proportions."""
        return layer_pixels.mark_of(self.layer), geometry.geometry_of(self.layer).shares

    def begin(self, steps: tuple[Step, ...], *, again: bool) -> tuple[Step, ...]:
        """Get ready for a run, and return the steps to run: all of them only with `again`."""
        # steps replaced by the user are skipped, or their results would replace the layers supplied
        wanted = steps if again else tuple(step for step in steps if step.name() not in self.replaced)
        self._leave_edited({step.name() for step in wanted if again or not self.analysis.is_current(step)})
        self.errors.clear()
        self.halted = False
        self.results.set_editable(False)
        return wanted

    def end(self, step: str, error: str) -> None:
        """Remove layers without a result at the end of a job, and note the error of a step."""
        self.results.prune()
        self.results.set_editable(True)
        self.notice()
        if step and error:
            self.errors[step] = error

    def _leave_edited(self, names: set[str]) -> None:
        """Keep atoms edited by hand in a layer of the user when atoms are about to be found anew."""
        refound = bool(names & {Segment.name(), FindAtoms.name()})
        if refound and (self.edited or self.results.edited_atoms() is not None):
            layer = self.results.get("atoms")
            if layer is not None:
                layer.name, layer.visible = "atoms edited by hand", False
            self.results.forget("atoms")
            self.edited = False


def _change(before: Atoms, after: Atoms) -> str:
    """What was done to atoms by hand, in words."""
    added, removed = len(np.setdiff1d(after.ids, before.ids)), len(np.setdiff1d(before.ids, after.ids))
    verb, count = ("Add", added) if added else ("Remove", removed) if removed else ("Move", 0)
    if added and removed:
        return "Edit atoms"
    if not count:
        there = pd.DataFrame(before.yx, index=before.ids).reindex(after.ids).to_numpy()
        count = int((there != after.yx).any(axis=1).sum())
    return f"{verb} {count:,} atom{'' if count == 1 else 's'}"


def _check_places(atoms: Atoms, layer: Any, image_layer: Any) -> None:
    known = np.isfinite(atoms.yx).all(axis=1)
    inside = (atoms.yx >= -0.5) & (atoms.yx < np.array(layer_pixels.analysed_shape(image_layer)) - 0.5)
    if not known.all():
        raise InputError(f"{(~known).sum()} points of {layer.name} have no place (NaN). Remove them.")
    if not inside.all(axis=1).any():
        raise InputError(
            f"No point of {layer.name} lies on {image_layer.name}. Check scale, units and translation of both layers."
        )


def _check_probability(values: Any, image: Image | None) -> None:
    if image is not None and values.shape != image.data.shape:
        raise InputError(
            f"The probability map has the shape {values.shape}, but the image has the shape {image.data.shape}. "
            "Choose a layer of the same shape as the image."
        )

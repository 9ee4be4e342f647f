"""History of one image: what was done to it, to undo and redo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from local_crystallography.analysis import Snapshot
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.data.subimages import SubImages

MOST = 100
"""Maximum number of moments kept."""
ROOM = 1_000_000_000
"""Memory in bytes for results that only the history still holds; the oldest moments are let go of first."""
BEGIN = "Beginning"


@dataclass(frozen=True, eq=False)
class Moment:
    """Everything that undo restores of an image.

    Parameters
    ----------
    title
        The change that led here, in words.
    analysis
        Results, settings of the steps, names and colours of the classes.
    selection
        (N,) which atoms are selected.
    sources
        Layers used in place of a result.
    edited
        Whether atoms were edited by hand.
    """

    title: str
    analysis: Snapshot
    selection: npt.NDArray[np.bool_]
    sources: Mapping[str, Any]
    edited: bool

    def same_results(self, other: Moment) -> bool:
        """Whether only the selection differs, if anything."""
        ours, theirs = self.analysis, other.analysis
        kept = all(ours["_results"][name] is theirs["_results"][name] for name in ours["_results"])
        steps = all(ours[name] == theirs[name] for name in ("asked", "used", "behind", "edited", "styles"))
        layers = {name: layer.unique_id for name, layer in self.sources.items()} == {
            name: layer.unique_id for name, layer in other.sources.items()
        }
        same = kept and steps and layers and ours["left_out"] is theirs["left_out"]
        return bool(same and self.edited == other.edited)

    def same(self, other: Moment) -> bool:
        """Whether nothing differs."""
        return self.same_results(other) and np.array_equal(self.selection, other.selection)


class History:
    """Moments in order, of which one is the present; a change after an undo replaces what was undone."""

    def __init__(self, first: Moment) -> None:
        self._moments = [first]
        self._at = 0

    @property
    def now(self) -> Moment:
        """The present moment."""
        return self._moments[self._at]

    @property
    def undoable(self) -> list[str]:
        """The changes that can be undone, the last one first."""
        return [moment.title for moment in self._moments[self._at : 0 : -1]]

    @property
    def redoable(self) -> list[str]:
        """The changes that can be redone, the next one first."""
        return [moment.title for moment in self._moments[self._at + 1 :]]

    def note(self, moment: Moment) -> None:
        """Enter a moment as the present one, if anything has changed."""
        if not moment.same(self.now):
            grown = not moment.same_results(self.now)
            self._moments[self._at + 1 :] = [moment]
            self._at += 1
            self._forget_oldest(grown)

    def absorb(self, moment: Moment) -> None:
        """Count what has changed as part of the last change, such as maps painted because of it."""
        if not moment.same(self.now):
            self._moments[self._at] = replace(moment, title=self.now.title)

    def go(self, steps: int) -> Moment:
        """Go back (negative) or forward by some changes, as far as there are any; the moment that is now present."""
        self._at = min(max(self._at + steps, 0), len(self._moments) - 1)
        return self.now

    def _forget_oldest(self, grown: bool) -> None:
        """Keep to the limits, but always the last change; selections, which come often, hold hardly anything."""
        while self._at > 1 and (len(self._moments) > MOST or (grown and _size(self._moments[:-1], self.now) > ROOM)):
            self._moments.pop(0)
            self._at -= 1


def _size(moments: list[Moment], now: Moment) -> int:
    """Bytes of all results that are not those of now; what moments share is counted once."""
    held, present = (_held(some) for some in (moments, [now]))
    return sum(size for place, size in held.items() if place not in present)


def _held(moments: list[Moment]) -> dict[int, int]:
    """Bytes of the arrays of results by their place in memory."""
    results = {id(each): each for moment in moments for each in moment.analysis["_results"].values()}
    return {array.ctypes.data: array.nbytes for each in results.values() for array in _arrays(each)}


def _arrays(result: Any) -> Iterator[npt.NDArray[Any]]:
    match result:
        case dict():
            yield from result.values()
        case Atoms():
            yield from _columns(result)
        case SubImages():
            yield result.windows
        case ProbabilityMap():
            yield result.values


def _columns(atoms: Atoms) -> Iterator[npt.NDArray[Any]]:
    yield atoms.yx
    yield from (column.to_numpy() for _, column in atoms.features.items() if column.dtype.kind in "fiub")

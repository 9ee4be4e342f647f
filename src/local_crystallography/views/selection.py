"""Selection of atoms, which all views read and may change."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from local_crystallography.data.errors import InputError

How = Literal["replace", "add", "subtract", "intersect"]
Mask = npt.NDArray[np.bool_]


class Selection:
    """Which of N atoms are selected, with a revision number.

    Every change of the mask raises `revision` by one and emits `changed(source)`, where `source` is the object that
    requested it, so that a view can skip its own changes. If the mask stays the same, nothing is emitted.

    Parameters
    ----------
    n
        Number of atoms; none is selected at first.
    """

    changed = Signal(object)

    def __init__(self, n: int = 0) -> None:
        self._mask = _frozen(np.zeros(n, bool))
        self._revision = 0

    def __len__(self) -> int:
        return len(self._mask)

    @property
    def mask(self) -> Mask:
        """(N,) bool, read-only; a new array after every change."""
        return self._mask

    @property
    def count(self) -> int:
        """Number of selected atoms."""
        return int(np.count_nonzero(self._mask))

    @property
    def revision(self) -> int:
        """Raised by one with every change."""
        return self._revision

    def apply(self, mask: npt.ArrayLike, how: How = "replace", source: object = None) -> None:
        """Combine a (N,) mask with the selection.

        Raises
        ------
        InputError
            For a mask of another length, or an unknown way to combine.
        """
        given = np.asarray(mask)
        if given.shape != self._mask.shape or given.dtype != np.bool_:
            raise InputError(
                f"A selection of shape {given.shape} and type {given.dtype} does not fit; it must be a bool mask over "
                f"{len(self)} atoms, made from the current table."
            )
        self._change(_combine(self._mask, given, how), source)

    def invert(self, source: object = None) -> None:
        """Invert the selection."""
        self._change(~self._mask, source)

    def clear(self, source: object = None) -> None:
        """Select nothing."""
        self._change(np.zeros(len(self), bool), source)

    def resize(self, n: int, source: object = None) -> None:
        """Begin with nothing selected of a new table of n atoms."""
        self._set(np.zeros(n, bool), source)

    def reset(self, mask: npt.ArrayLike, source: object = None) -> None:
        """Begin with a (N,) mask over the atoms of another table."""
        given = np.array(mask, bool)
        if not np.array_equal(given, self._mask):
            self._set(given, source)

    def _change(self, mask: Mask, source: object) -> None:
        if not np.array_equal(mask, self._mask):
            self._set(mask, source)

    def _set(self, mask: Mask, source: object) -> None:
        self._mask = _frozen(mask)
        self._revision += 1
        self.changed.emit(source)


def _combine(old: Mask, new: Mask, how: How) -> Mask:
    match how:
        case "replace":
            return new.copy()
        case "add":
            return old | new
        case "subtract":
            return old & ~new
        case "intersect":
            return old & new
        case _:
            raise InputError(f"Selections cannot be combined by {how!r}; use replace, add, subtract or intersect.")


def _frozen(mask: Mask) -> Mask:
    mask.flags.writeable = False
    return mask

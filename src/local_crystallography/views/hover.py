"""Target of the pointer, an atom or a position in latent space, shared by image and plots."""

from __future__ import annotations

from typing import Any

from psygnal import Signal


class Hover:
    """The atom under the pointer, by row, or else its position, as columns and their values.

    A change emits `changed(source)`, where `source` is the object that requested it; without a change nothing is
    emitted.
    """

    changed = Signal(object)

    def __init__(self) -> None:
        self.row: int | None = None
        self.place: dict[str, float] = {}

    def on_atom(self, row: int, source: object = None) -> None:
        """The pointer is on an atom."""
        self._set(row, {}, source)

    def on_place(self, place: dict[str, float], source: object = None) -> None:
        """The pointer is on an empty part of a plot, at a position such as {"z0": 1.0, "z1": -0.4}."""
        self._set(None, dict(place), source)

    def clear(self, source: object = None) -> None:
        """The pointer is on nothing."""
        self._set(None, {}, source)

    def _set(self, row: int | None, place: dict[str, float], source: Any) -> None:
        if (row, place) != (self.row, self.place):
            self.row, self.place = row, place
            self.changed.emit(source)

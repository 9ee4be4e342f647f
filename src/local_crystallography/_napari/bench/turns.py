"""Work for the thread of the window in small pieces, so that the window never stands still for long."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from qtpy import QtCore


class Turns(QtCore.QObject):  # type: ignore[misc]
    """Calls one piece of work per turn of the event loop, in the order they came."""

    done = QtCore.Signal()

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self._pieces: deque[Callable[[], object]] = deque()
        self._timer = QtCore.QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self._on_turn)

    @property
    def busy(self) -> bool:
        """Whether a piece waits."""
        return bool(self._pieces)

    def add(self, *pieces: Callable[[], object]) -> None:
        """Have these called, each in a turn of its own."""
        self._pieces.extend(pieces)
        if self._pieces and not self._timer.isActive():
            self._timer.start()

    def _on_turn(self) -> None:
        piece = self._pieces.popleft()
        try:
            piece()
        finally:
            if self._pieces:
                self._timer.start()
            else:
                self.done.emit()

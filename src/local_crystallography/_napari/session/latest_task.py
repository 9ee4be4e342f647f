"""Quick background computations of which only the latest matters, such as decoding at the pointer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from qtpy import QtCore

from local_crystallography.data.errors import InputError

T = TypeVar("T")
LOOK_MS = 8
"""Interval at which the result is polled, in milliseconds."""


class LatestTask(QtCore.QObject):  # type: ignore[misc]
    """Computes one request after the other; of several that arrive meanwhile only the last is computed.

    Superseded requests are dropped, even finished ones. Requests do not wait for the job of the controller, so they
    should take milliseconds.
    """

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        # its thread ends with it
        self._pool = ThreadPoolExecutor(1, "aside")
        self._running: tuple[Future[Any], Callable[[Any], object]] | None = None
        self._next: tuple[Callable[[], Any], Callable[[Any], object]] | None = None
        # polled, since a signal from the thread might arrive after the window is gone
        self._timer = QtCore.QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self._on_time)

    @property
    def busy(self) -> bool:
        """Whether a request is being computed."""
        return self._running is not None

    def ask(self, function: Callable[[], T], then: Callable[[T], object], failed: Callable[[str], object]) -> None:
        """Call a function in the background, then in the window `then` with its result or `failed` with a sentence."""
        self._next = (function, partial(_handed_over, then, failed))
        self._begin()

    def drop(self) -> None:
        """Drop all requests."""
        self._next = None
        if self._running is not None:
            self._running = (self._running[0], _nothing)

    def _begin(self) -> None:
        if self._running is None and self._next is not None:
            (function, then), self._next = self._next, None
            self._running = (self._pool.submit(_result, function), then)
            self._timer.start()

    def _on_time(self) -> None:
        if self._running is None or not self._running[0].done():
            return
        (future, then), self._running = self._running, None
        self._timer.stop()
        wanted = self._next is None
        self._begin()
        result = future.result()
        if wanted:
            then(result)


def _result(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except InputError as error:
        return error
    except (RuntimeError, MemoryError) as error:
        # torch raises a RuntimeError when memory runs out
        message = str(error).strip().split("\n")[0] or type(error).__name__
        return InputError(
            f"The computation failed ({message}); close other programs, or use a smaller image or window."
        )


def _handed_over(then: Callable[[Any], object], failed: Callable[[str], object], result: Any) -> None:
    if isinstance(result, InputError):
        failed(str(result))
    else:
        then(result)


def _nothing(result: Any) -> None:
    """Ignore the result of a dropped request."""

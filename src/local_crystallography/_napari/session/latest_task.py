"""Quick computations beside the thread of the window, such as decoding what the pointer is on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from qtpy import QtCore

from local_crystallography.data.errors import InputError

T = TypeVar("T")
LOOK_MS = 8
"""How often it is looked whether something is ready."""


class LatestTask(QtCore.QObject):  # type: ignore[misc]
    """Computes one thing after the other; of what is asked meanwhile only the last is done.

    What was asked before that is dropped, even where it is ready: nobody wants to see it any more. It does not wait
    for the job of the controller, so it is for what takes milliseconds.
    """

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        # its thread ends with it
        self._pool = ThreadPoolExecutor(1, "aside")
        self._running: tuple[Future[Any], Callable[[Any], object]] | None = None
        self._next: tuple[Callable[[], Any], Callable[[Any], object]] | None = None
        # asking the thread keeps its signals out: it may end after the window
        self._timer = QtCore.QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self._on_time)

    @property
    def busy(self) -> bool:
        """Whether something is being computed."""
        return self._running is not None

    def ask(self, function: Callable[[], T], then: Callable[[T], object], failed: Callable[[str], object]) -> None:
        """Call a function in the thread, and in that of the window `then` with its result, or `failed` with why not."""
        self._next = (function, partial(_handed_over, then, failed))
        self._begin()

    def drop(self) -> None:
        """Nothing that was asked is wanted any more."""
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
        # torch raises a RuntimeError when memory is out
        said = str(error).strip().split("\n")[0] or type(error).__name__
        return InputError(f"This could not be computed: {said}.")


def _handed_over(then: Callable[[Any], object], failed: Callable[[str], object], result: Any) -> None:
    if isinstance(result, InputError):
        failed(str(result))
    else:
        then(result)


def _nothing(result: Any) -> None:
    """What is done with what nobody wants any more."""

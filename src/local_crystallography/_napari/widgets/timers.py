"""Delayed calls, whose owner may be gone by then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy import QtCore
from qtpy.compat import isalive


def later(owner: QtCore.QObject, milliseconds: int, call: Callable[[], object]) -> None:
    """Call once, unless the owner is gone by then; Qt needs a moment to lay out what was added."""
    timer = QtCore.QTimer(owner, singleShot=True, interval=milliseconds)
    timer.timeout.connect(lambda: call())
    timer.timeout.connect(timer.deleteLater)
    timer.start()


def while_there(owner: QtCore.QObject, call: Callable[..., object]) -> Callable[..., None]:
    """The same call, except that it does nothing once its owner is gone: a job may end after its dock was closed."""

    def called(*given: Any) -> None:
        if isalive(owner):
            call(*given)

    return called

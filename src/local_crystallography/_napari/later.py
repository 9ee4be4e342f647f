"""Calls that wait for the layout of Qt."""

from __future__ import annotations

from collections.abc import Callable

from qtpy import QtCore


def later(owner: QtCore.QObject, milliseconds: int, call: Callable[[], object]) -> None:
    """Call once, unless the owner is gone by then."""
    timer = QtCore.QTimer(owner, singleShot=True, interval=milliseconds)
    timer.timeout.connect(lambda: call())
    timer.timeout.connect(timer.deleteLater)
    timer.start()

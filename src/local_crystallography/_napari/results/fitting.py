"""Words on buttons of a dock that is narrow."""

from __future__ import annotations

from qtpy import QtCore, QtWidgets

BESIDE = "certainty 0.000"
"""As much as fits beside the pictures of a class."""


def elided(widget: QtWidgets.QWidget, words: str, room: int) -> str:
    """Words for a button, cut where they would take more room, in points; an & is one, and underlines nothing."""
    cut = widget.fontMetrics().elidedText(words, QtCore.Qt.TextElideMode.ElideRight, room)
    return str(cut).replace("&", "&&")


def beside(widget: QtWidgets.QWidget, words: str) -> str:
    """Words to stand beside the pictures of a class."""
    return elided(widget, words, widget.fontMetrics().horizontalAdvance(BESIDE))

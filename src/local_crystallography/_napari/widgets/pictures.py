"""Pictures of arrays for labels and buttons."""

from __future__ import annotations

import numpy as np
from qtpy import QtCore, QtGui

from local_crystallography.views.greys import Colors, Limits


def pixmap(picture: Colors, side: int, ratio: float = 1.0) -> QtGui.QPixmap:
    """A (h, w, 4) RGBA picture with a longest side of so many points, on a screen with `ratio` pixels per point."""
    picture = np.ascontiguousarray(picture)
    height, width, _ = picture.shape
    image = QtGui.QImage(picture.data, width, height, 4 * width, QtGui.QImage.Format.Format_RGBA8888).copy()
    modes = QtCore.Qt.AspectRatioMode, QtCore.Qt.TransformationMode
    shown = round(side * ratio)
    scaled = image.scaled(shown, shown, modes[0].KeepAspectRatio, modes[1].SmoothTransformation)
    made = QtGui.QPixmap.fromImage(scaled)
    made.setDevicePixelRatio(ratio)
    return made


def swatch(colour: str) -> str:
    """A small patch of a colour #rrggbb, as rich text."""
    return f'<span style="background-color: {colour}">&nbsp;&nbsp;&nbsp;</span>'


def range_words(limits: Limits) -> str:
    """What black and white stand for."""
    low, high = (f"{value:.3g}".replace("-", "\N{MINUS SIGN}") for value in limits)
    return f"black {low}, white {high}"

"""Pictures of arrays on labels, on buttons and in windows, and the rich text beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography.views.greys import Colors, Limits

STRIP, GAP = 0.05, 0.03
"""Width of the strip of a colour and of the gap between pictures, over their height."""
WIDEST = "certainty 0.000"
"""Text that just fits beside the pictures of a class."""
WINDOW = (1100, 720)
"""Largest size at which a window of a picture opens."""
CELL = "style='padding: 1px 5px; white-space: nowrap'"


class PictureButton(QtWidgets.QToolButton):  # type: ignore[misc]
    """A picture that can be clicked, with words beside it or below."""

    def __init__(self, *, below: bool = False) -> None:
        super().__init__()
        styles, policies = QtCore.Qt.ToolButtonStyle, QtWidgets.QSizePolicy.Policy
        self.setToolButtonStyle(styles.ToolButtonTextUnderIcon if below else styles.ToolButtonTextBesideIcon)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(policies.Expanding, policies.Fixed)

    def show_picture(self, picture: Colors, longest: int, tip: str) -> None:
        """Show a (h, w, 4) picture whose longest side takes so many points."""
        height, width, _ = picture.shape
        self.setIcon(QtGui.QIcon(pixmap(picture, longest, self.devicePixelRatioF())))
        self.setIconSize(QtCore.QSize(width, height) * (longest / max(height, width)))
        self.setToolTip(f"<qt>{tip}</qt>")


class PictureWindow(QtWidgets.QDialog):  # type: ignore[misc]
    """A picture in a window of its own, with a legend beside it."""

    def __init__(self, title: str, tip: str, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.picture, self.legend = QtWidgets.QLabel(), QtWidgets.QLabel()
        self.picture.setToolTip(tip)
        scroll = QtWidgets.QScrollArea(widgetResizable=True)
        scroll.setWidget(self.picture)
        scroll.setFrameShape(scroll.Shape.NoFrame)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll, stretch=1)
        layout.addWidget(self.legend, alignment=QtCore.Qt.AlignmentFlag.AlignTop)

    def show_picture(self, picture: QtGui.QPixmap, legend: str = "") -> None:
        """Show a picture, as large as it is or as the window may be."""
        self.picture.setPixmap(picture)
        self.legend.setText(legend)
        self.legend.setVisible(bool(legend))
        beside = self.legend.sizeHint().width() + 12 if legend else 0
        self.resize(min(picture.width() + beside + 24, WINDOW[0]), min(picture.height() + 4, WINDOW[1]))
        self.show()
        self.raise_()


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


def picture_button(picture: Colors, words: str, tip: str, high: int) -> PictureButton:
    """A button as wide as its room, with a picture so many points high and words beside it."""
    button = PictureButton()
    height, width, _ = picture.shape
    button.show_picture(picture, round(high * max(width / height, 1)), tip)
    button.setText(words)
    return button


def side_by_side(colour: str | None, *pictures: Colors) -> Colors:
    """Pictures of one height beside a strip of a colour #rrggbb, or an empty one."""
    height = len(pictures[0])
    strip, gap = (np.zeros((height, max(1, round(share * height)), 4), np.uint8) for share in (STRIP, GAP))
    if colour is not None:
        strip[:] = (*bytes.fromhex(colour[1:]), 255)
    parts: list[Any] = [strip]
    for picture in pictures:
        parts += [gap, picture]
    return np.concatenate(parts, axis=1)


def elided(widget: QtWidgets.QWidget, words: str, room: int) -> str:
    """Words for a button, cut to fit into a width in points; an & is shown as such and underlines nothing."""
    cut = widget.fontMetrics().elidedText(words, QtCore.Qt.TextElideMode.ElideRight, room)
    return str(cut).replace("&", "&&")


def beside(widget: QtWidgets.QWidget, words: str) -> str:
    """Words cut to fit beside the pictures of a class."""
    return elided(widget, words, widget.fontMetrics().horizontalAdvance(WIDEST))


def atoms_words(count: int) -> str:
    """A number of atoms in words."""
    return f"{count:,} atoms" if count != 1 else "1 atom"


def swatch(colour: str) -> str:
    """A small patch of a colour #rrggbb, as rich text."""
    return f'<span style="background-color: {colour}">&nbsp;&nbsp;&nbsp;</span>'


def faint(words: str) -> str:
    """Grey words, as rich text."""
    return f'<span style="color: gray">{words}</span>'


def range_words(limits: Limits) -> str:
    """The values of black and white."""
    low, high = (f"{value:.3g}".replace("-", "\N{MINUS SIGN}") for value in limits)
    return f"black {low}, white {high}"


def rich_table(head: Sequence[str], rows: Sequence[Sequence[str]], align: str = "right") -> str:
    """A table in rich text; all columns but the first are aligned as given."""
    lines = [_line("th", head, align), *(_line("td", cells, align) for cells in rows)]
    return f"<table cellspacing=0 cellpadding=2>{''.join(lines)}</table>"


def _line(tag: str, cells: Sequence[str], align: str) -> str:
    sides = ["left", *([align] * (len(cells) - 1))]
    return f"<tr>{''.join(f'<{tag} align={s} {CELL}>{c}</{tag}>' for s, c in zip(sides, cells, strict=True))}</tr>"

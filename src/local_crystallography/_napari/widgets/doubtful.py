"""Warnings at the columns that should not be believed, in the boxes where columns are chosen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from html import escape

from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography.clustering.doubts import Doubt


def warn_in(box: QtWidgets.QComboBox, doubts: Iterable[Doubt], tip: str) -> None:
    """Mark the columns of a box that should not be believed, and say why not; the box itself keeps a tip."""
    said: dict[str, list[str]] = defaultdict(list)
    for doubt in doubts:
        for column in doubt.columns:
            said[column].append(f"⚠ {doubt.says}")
    sign = box.style().standardIcon(QtWidgets.QStyle.StandardPixmap.SP_MessageBoxWarning)
    with QtCore.QSignalBlocker(box):
        for place in range(box.count()):
            words = said.get(box.itemText(place))
            box.setItemIcon(place, sign if words else QtGui.QIcon())
            box.setItemData(place, html(words) if words else None, QtCore.Qt.ItemDataRole.ToolTipRole)
    shown = said.get(box.currentText(), [])
    box.setToolTip(html([*shown, *tip.split("\n")]) if shown else tip)


def html(lines: Iterable[str]) -> str:
    """Lines that Qt breaks where they are long."""
    return f"<qt>{'<br>'.join(map(escape, lines))}</qt>"

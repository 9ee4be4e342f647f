"""Explanations of columns, and warnings at doubtful ones, in the boxes where columns are chosen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from html import escape

from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography.clustering.doubts import Doubt
from local_crystallography.steps.catalog import columns


def warn_in(box: QtWidgets.QComboBox, doubts: Iterable[Doubt], tip: str) -> None:
    """Say of the columns in a box what they hold; mark those that should not be believed, and say why not.

    The box itself keeps a tip, below what is to be said of the column shown.
    """
    said: dict[str, list[str]] = defaultdict(list)
    for doubt in doubts:
        for column in doubt.columns:
            said[column].append(f"⚠ {doubt.says}")
    sign = box.style().standardIcon(QtWidgets.QStyle.StandardPixmap.SP_MessageBoxWarning)
    with QtCore.QSignalBlocker(box):
        for place in range(box.count()):
            name = box.itemText(place)
            lines = [*said.get(name, []), *filter(None, [columns().help(name)])]
            box.setItemIcon(place, sign if name in said else QtGui.QIcon())
            box.setItemData(place, html(lines) if lines else None, QtCore.Qt.ItemDataRole.ToolTipRole)
    shown = said.get(box.currentText(), [])
    box.setToolTip(html([*shown, *tip.split("\n")]) if shown else tip)


def html(lines: Iterable[str]) -> str:
    """Lines that Qt breaks where they are long."""
    return f"<qt>{'<br>'.join(map(escape, lines))}</qt>"

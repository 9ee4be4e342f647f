"""Combo boxes of layers and of columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from html import escape
from typing import Any

import pandas as pd
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.layers.convert import is_result
from local_crystallography._napari.layers.vectors import SHOWN
from local_crystallography.clustering.doubts import Doubt
from local_crystallography.recipe import Recipe
from local_crystallography.steps.catalog import columns
from local_crystallography.steps.measure_lattice import MeasureLattice
from local_crystallography.views.axis import axis_of
from local_crystallography.views.vectors import SHIFT

IMAGE = "Image and atoms"
SHOW_TIP = "What is shown over the image: the colours of the atoms and the map of a column, which is painted if need be"


TITLES = {step.name(): step.title() for step in Recipe().steps}


class LayerBox(QtWidgets.QComboBox):  # type: ignore[misc]
    """A choice among the layers of one kind; results of this plugin are not offered.

    Parameters
    ----------
    kind
        Class of the layers, or several classes.
    first
        Words for "no layer", offered first; without them, a layer is chosen as soon as there is one.
    """

    chosen = QtCore.Signal(object)

    def __init__(self, viewer: Any, kind: type | tuple[type, ...], first: str = "") -> None:
        super().__init__()
        self.viewer, self.kind, self.first = viewer, kind, first
        self.setSizeAdjustPolicy(self.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        events = viewer.layers.events
        self._events = (events.inserted, events.removed, events.renamed, events.reordered)
        for event in self._events:
            event.connect(self._on_layers_changed)
        self.refresh()
        self.currentIndexChanged.connect(lambda: self.chosen.emit(self.layer))

    @property
    def layer(self) -> Any | None:
        """The chosen layer, or None."""
        return next((layer for layer in self._offered() if str(layer.unique_id) == self.currentData()), None)

    def choose(self, layer: Any) -> None:
        """Choose a layer."""
        self.refresh()
        self.setCurrentIndex(self.findData(str(layer.unique_id)))

    def show_chosen(self, layer: Any | None) -> None:
        """Show a choice made elsewhere; None for no layer."""
        with QtCore.QSignalBlocker(self):
            self.setCurrentIndex(0 if layer is None else max(0, self.findData(str(layer.unique_id))))

    def _others(self) -> list[tuple[str, str]]:
        """Choices besides layers: words, and the data that stand for them."""
        return [(self.first, "")] if self.first else []

    def _offered(self) -> list[Any]:
        kinds: list[Any] = [layer for layer in self.viewer.layers if isinstance(layer, self.kind)]
        return [layer for layer in kinds if not is_result(layer)]

    def leave(self) -> None:
        """Stop following the viewer."""
        for event in self._events:
            event.disconnect(self._on_layers_changed)

    def refresh(self) -> None:
        """Offer the layers of the viewer; the choice stays while its layer does."""
        before = self.currentData()
        with QtCore.QSignalBlocker(self):
            self.clear()
            for words, data in self._others():
                self.addItem(words, data)
            for layer in self._offered():
                self.addItem(layer.name, str(layer.unique_id))
            self.setCurrentIndex(max(0, self.findData(before)) if self.count() else -1)
        if self.currentData() != before:
            self.chosen.emit(self.layer)

    def _on_layers_changed(self, event: Any = None) -> None:
        self.refresh()


class ShowBox(QtWidgets.QComboBox):  # type: ignore[misc]
    """A choice among the numeric columns, in words and by step; until one is chosen by hand, the most informative."""

    chosen = QtCore.Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._by_hand: str | None = None
        self._doubts: tuple[Doubt, ...] = ()
        self.setToolTip(SHOW_TIP)
        self.addItem(IMAGE, "")
        self.setSizeAdjustPolicy(self.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.activated.connect(self._on_activated)

    def offer(self, features: pd.DataFrame | None, default: str) -> str:
        """Offer the columns of a table; the name of the chosen one."""
        numbers = [] if features is None else [str(name) for name in features.select_dtypes("number")]
        names = [name for name in numbers if name not in ("id", "frame")]
        names += SHOWN if {*SHIFT} <= {*names} else ()
        with QtCore.QSignalBlocker(self):
            self.clear()
            self.addItem(IMAGE, "")
            add_columns(self, names)
            known = self._by_hand is not None and self._by_hand in ("", *names)
            wanted = self._by_hand if known else default
            self.setCurrentIndex(max(0, self.findData(wanted)))
        return self.column

    @property
    def column(self) -> str:
        """The chosen column; "" for the image alone."""
        return str(self.currentData() or "")

    def warn(self, doubts: Iterable[Doubt]) -> None:
        """Mark columns that should not be trusted, with the reason."""
        self._doubts = tuple(doubts)
        warn_in(self, self._doubts, SHOW_TIP)

    def choose(self, column: str) -> None:
        """Choose a column as if by hand; one that does not exist yet is chosen as soon as it does."""
        self.setCurrentIndex(max(0, self.findData(column)))
        self._by_hand = column
        self.warn(self._doubts)
        self.chosen.emit(self.column)

    def _on_activated(self) -> None:
        self.choose(self.column)


class ColumnBox(QtWidgets.QComboBox):  # type: ignore[misc]
    """A choice among the numeric columns, in words and by step."""

    def offer_numbers(self, features: pd.DataFrame, first: Iterable[str], *, vectors: bool = False) -> None:
        """Offer the columns of a table; the choice stays, and is at first the first of some names that is there.

        `vectors`: also the displacement vectors, as a whole.
        """
        names = [str(name) for name in features.select_dtypes("number") if name not in ("id", "frame")]
        names += SHOWN[:1] if vectors and {*SHIFT} <= {*names} else ()
        if names == [self.itemData(i) for i in range(self.count()) if self.itemData(i)]:
            return
        before = self.column
        with QtCore.QSignalBlocker(self):
            self.clear()
            add_columns(self, names)
            wanted = [name for name in (before, *first, *names[:1]) if name in names]
            self.setCurrentIndex(max(0, self.findData(wanted[0])) if wanted else -1)

    @property
    def column(self) -> str:
        """The chosen column; "" for none."""
        return str(self.currentData() or "")


def add_columns(box: QtWidgets.QComboBox, names: Iterable[str]) -> None:
    """Add columns in words, below the titles of the steps that add them."""
    for heading, group in grouped_by_step(names):
        box.addItem(heading)
        box.model().item(box.count() - 1).setFlags(QtCore.Qt.ItemFlag.NoItemFlags)
        for name in group:
            box.addItem(f"   {words_of(name)}", name)


def grouped_by_step(names: Iterable[str]) -> list[tuple[str, list[str]]]:
    """The names of columns by the title of the step that adds them, later steps first; others as of the user."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[MeasureLattice.name() if name in SHOWN else columns().owner(name) or ""].append(name)
    order = ["", *reversed(TITLES)]
    return [(TITLES.get(step, "Own"), groups[step]) for step in order if step in groups]


def words_of(name: str) -> str:
    """A column in words, with its unit."""
    return axis_of(name).label


def offer(box: QtWidgets.QComboBox, names: list[str], first: int = 0) -> None:
    """Offer other names; the choice stays where it can, and is at first the one at an index."""
    if [box.itemText(i) for i in range(box.count())] != names:
        before = box.currentText()
        box.clear()
        box.addItems(names)
        kept = box.findText(before)
        box.setCurrentIndex(kept if kept >= 0 else min(first, len(names) - 1))


def warn_in(box: QtWidgets.QComboBox, doubts: Iterable[Doubt], tip: str) -> None:
    """Explain the columns in a box; those that should not be trusted are marked, with the reason.

    The tooltip of the box itself is `tip`, below what is to be said of the column shown.
    """
    reasons: dict[str, list[str]] = defaultdict(list)
    for doubt in doubts:
        for column in doubt.columns:
            reasons[column].append(f"⚠ {doubt.says}")
    sign = box.style().standardIcon(QtWidgets.QStyle.StandardPixmap.SP_MessageBoxWarning)
    with QtCore.QSignalBlocker(box):
        for index in range(box.count()):
            name = str(box.itemData(index) or box.itemText(index))
            lines = [*reasons.get(name, []), *filter(None, [columns().help(name)])]
            box.setItemIcon(index, sign if name in reasons else QtGui.QIcon())
            box.setItemData(index, _html(lines) if lines else None, QtCore.Qt.ItemDataRole.ToolTipRole)
    shown = reasons.get(str(box.currentData() or box.currentText()), [])
    box.setToolTip(_html([*shown, *tip.split("\n")]) if shown else tip)


def _html(lines: Iterable[str]) -> str:
    """Lines that Qt breaks where they are long."""
    return f"<qt>{'<br>'.join(map(escape, lines))}</qt>"

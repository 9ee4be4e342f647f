"""One widget per kind of field: it shows a value with `set` and gives it back, unchanged, with `get`."""

from __future__ import annotations

import re
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.main.region import RegionBox

DECIMALS = 10
LARGE, SMALL = 1e9, 1e-9


class NumberBox(QtWidgets.QDoubleSpinBox):  # type: ignore[misc]
    """A float that comes back as it was given, whatever digits are shown."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self._exact: float | None = None
        self.setLocale(QtCore.QLocale.c())
        self.setDecimals(DECIMALS)
        self.setRange(low, high)
        self.setStepType(self.StepType.AdaptiveDecimalStepType)

    def textFromValue(self, value: float) -> str:
        return str(np.format_float_positional(value, precision=DECIMALS, trim="-"))

    def set(self, value: float) -> None:
        """Show a number and remember all its digits."""
        self._exact = value
        self.setValue(value)

    def get(self) -> float:
        """The number given, unless it was changed by hand."""
        shown = float(self.value())
        same = self._exact is not None and round(self._exact, DECIMALS) == round(shown, DECIMALS)
        return float(self._exact) if same and self._exact is not None else shown


class WholeBox(QtWidgets.QSpinBox):  # type: ignore[misc]
    """A whole number."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__()
        self.setRange(low, high)
        self.setStepType(self.StepType.AdaptiveDecimalStepType if high > 1000 else self.StepType.DefaultStepType)

    def set(self, value: int) -> None:
        """Show a number."""
        self.setValue(value)

    def get(self) -> int:
        """The number shown."""
        return int(self.value())


class Choice(QtWidgets.QComboBox):  # type: ignore[misc]
    """One of a few words."""

    def __init__(self, words: tuple[str, ...]) -> None:
        super().__init__()
        narrow(self)
        self.addItems(words)
        self.setEnabled(len(words) > 1)

    def set(self, value: str) -> None:
        """Choose a word."""
        self.setCurrentText(value)

    def get(self) -> str:
        """The word chosen."""
        return str(self.currentText())


class AutoChoice(QtWidgets.QComboBox):  # type: ignore[misc]
    """One of a few words, or that it is left to the image."""

    def __init__(self, words: tuple[str, ...]) -> None:
        super().__init__()
        narrow(self)
        self._words = words
        self.addItems(("auto", *words))

    def set(self, value: str | None) -> None:
        """Choose a word, or None for automatic."""
        self.setCurrentIndex(0 if value is None else 1 + self._words.index(value))

    def get(self) -> str | None:
        """The word chosen, or None while it is automatic."""
        return None if self.currentIndex() == 0 else self._words[self.currentIndex() - 1]

    def show_used(self, value: str | None) -> None:
        """Name what automatic has become; None where it is not known."""
        self.setItemText(0, "auto" if value is None else f"auto: {value}")


def narrow(box: QtWidgets.QComboBox) -> None:
    """Let a box be narrower than its longest word, or it would make the dock wider."""
    box.setSizeAdjustPolicy(box.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(9)


class Check(QtWidgets.QCheckBox):  # type: ignore[misc]
    """Yes or no."""

    def set(self, value: bool) -> None:
        """Tick or clear."""
        self.setChecked(value)

    def get(self) -> bool:
        """Whether it is ticked."""
        return bool(self.isChecked())


class Words(QtWidgets.QLineEdit):  # type: ignore[misc]
    """Names between commas; empty for automatic."""

    def __init__(self) -> None:
        super().__init__()
        self.setPlaceholderText("auto")

    def set(self, value: tuple[str, ...]) -> None:
        """Show names."""
        self.setText(", ".join(value))

    def get(self) -> tuple[str, ...]:
        """The names as written."""
        return tuple(word.strip() for word in self.text().split(",") if word.strip())

    def show_used(self, value: Any) -> None:
        """Name what automatic has become."""
        self.setPlaceholderText(f"auto: {', '.join(value)}" if value else "auto")


class Numbers(QtWidgets.QLineEdit):  # type: ignore[misc]
    """Whole numbers between commas."""

    def set(self, value: tuple[int, ...]) -> None:
        """Show numbers."""
        self.setText(", ".join(map(str, value)))

    def get(self) -> tuple[int | str, ...]:
        """The numbers as written; words that are none are left to the model to refuse."""
        words = filter(None, re.split(r"[,;\s]+", self.text()))
        return tuple(int(word) if word.isdecimal() and len(word) < 20 else word for word in words)


class Checks(QtWidgets.QWidget):  # type: ignore[misc]
    """Some of a few words, each with a box to tick."""

    def __init__(self, words: tuple[str, ...]) -> None:
        super().__init__()
        self.boxes = {word: QtWidgets.QCheckBox(word) for word in words}
        columns = 2 if len(words) <= 4 else 1  # or names would make the dock wider
        layout = QtWidgets.QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for place, box in enumerate(self.boxes.values()):
            layout.addWidget(box, *divmod(place, columns))

    def setToolTip(self, words: str) -> None:
        """Say it of every box."""
        for part in (super(), *self.boxes.values()):
            part.setToolTip(words)

    def set(self, value: tuple[str, ...]) -> None:
        """Tick words."""
        for word, box in self.boxes.items():
            box.setChecked(word in value)

    def get(self) -> tuple[str, ...]:
        """The words ticked."""
        return tuple(word for word, box in self.boxes.items() if box.isChecked())


class PathBox(QtWidgets.QWidget):  # type: ignore[misc]
    """The name of a file, which may exist or not; empty for none."""

    def __init__(self) -> None:
        super().__init__()
        self.edit = QtWidgets.QLineEdit(placeholderText="none")
        self.browse = QtWidgets.QPushButton("…", toolTip="Choose a file")
        self.browse.setFixedWidth(28)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.edit, stretch=1)
        layout.addWidget(self.browse)
        self.browse.clicked.connect(self._on_browse_clicked)

    def set(self, value: Path | None) -> None:
        """Show a name, or nothing for None."""
        self.edit.setText("" if value is None else str(value))

    def get(self) -> Path | None:
        """The name as written; None where there is none."""
        return Path(self.edit.text()) if self.edit.text().strip() else None

    def _on_browse_clicked(self) -> None:
        # a file that exists may be read, so there is nothing to confirm
        option = QtWidgets.QFileDialog.Option.DontConfirmOverwrite
        name, _ = QtWidgets.QFileDialog.getSaveFileName(self, "Choose a file", self.edit.text(), options=option)
        if name:
            self.edit.setText(name)


class AutoNumber(QtWidgets.QWidget):  # type: ignore[misc]
    """A number that may be left to the image; then the number found there is shown."""

    def __init__(self, box: NumberBox | WholeBox, word: str = "auto") -> None:
        super().__init__()
        self.box, self._unknown = box, word if word == "auto" else "–"
        self._low = box.minimum()
        self._used: Any = None
        self.auto = QtWidgets.QCheckBox(word)
        self.auto.setToolTip("Leave this to the program; clear to set the number by hand")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(box, stretch=1)
        layout.addWidget(self.auto)
        self.auto.toggled.connect(self._on_auto_toggled)

    def set(self, value: Any) -> None:
        """A number, or None for automatic."""
        self.auto.setChecked(value is None)
        self._on_auto_toggled(value is None)
        if value is not None:
            self.box.set(value)

    def get(self) -> Any:
        """The number, or None while it is automatic."""
        return None if self.auto.isChecked() else self.box.get()

    def show_used(self, value: Any) -> None:
        """Show what automatic has become; None where it is not known."""
        self._used = value
        if self.auto.isChecked():
            self._on_auto_toggled(True)

    def _on_auto_toggled(self, auto: bool) -> None:
        unknown = auto and self._used is None
        # the lowest number of a spin box is the one that can be shown as a word
        self.box.setMinimum(self._low - 1 if unknown else self._low)
        self.box.setSpecialValueText(self._unknown if unknown else "")
        self.box.setEnabled(not auto)
        if unknown:
            self.box.setValue(self._low - 1)
        elif auto:
            self.box.set(self._used)


def field_widget(info: FieldInfo) -> Any:
    """The widget of one field.

    Raises
    ------
    TypeError
        For a type no widget is known for.
    """
    kind, optional = _without_none(info.annotation)
    if get_origin(kind) is Literal:
        return AutoChoice(get_args(kind)) if optional else Choice(get_args(kind))
    if kind is bool:
        return Check()
    if kind in (int, float):
        low, high = _bounds(info)
        box = WholeBox(int(low), int(high)) if kind is int else NumberBox(low, high)
        return AutoNumber(box, word_of(info)) if optional else box
    if kind is Path and optional:
        return PathBox()
    if get_origin(kind) is tuple:
        return _tuple_widget(get_args(kind)[0])
    raise TypeError(f"There is no widget for a field of type {info.annotation}.")


def word_of(info: FieldInfo) -> str:
    """The word for a number that is not set by hand."""
    extra = info.json_schema_extra
    return str(extra.get("none", "auto")) if isinstance(extra, dict) else "auto"


def _tuple_widget(of: Any) -> Any:
    """The widget of a field that holds any number of things of a type."""
    if get_origin(of) is Literal:
        return Checks(get_args(of))
    plain = get_args(of)[0] if get_origin(of) is Annotated else of
    return {str: Words, int: Numbers}.get(plain, RegionBox)()


def _bounds(info: FieldInfo) -> tuple[float, float]:
    """Lowest and highest number; those of a field without bounds are large, and beyond an open bound by little."""
    low, high = -LARGE, LARGE
    for bound in info.metadata:
        if isinstance(bound, Ge | Gt):
            low = bound.ge if isinstance(bound, Ge) else bound.gt + SMALL  # type: ignore[operator,assignment]
        elif isinstance(bound, Le | Lt):
            high = bound.le if isinstance(bound, Le) else bound.lt - SMALL  # type: ignore[operator,assignment]
    return low, high


def _without_none(kind: Any) -> tuple[Any, bool]:
    if get_origin(kind) in (Union, UnionType):
        rest = [part for part in get_args(kind) if part is not type(None)]
        return rest[0], len(rest) < len(get_args(kind))
    return kind, False

"""A form from any step: one widget per field, with its range, help and default."""

from __future__ import annotations

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
from annotated_types import Ge, Le
from pydantic.fields import FieldInfo
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography.steps.base import Step

DECIMALS = 10


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
        self.addItems(words)
        self.setEnabled(len(words) > 1)

    def set(self, value: str) -> None:
        """Choose a word."""
        self.setCurrentText(value)

    def get(self) -> str:
        """The word chosen."""
        return str(self.currentText())


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


class AutoNumber(QtWidgets.QWidget):  # type: ignore[misc]
    """A number that may be left to the image; then the number found there is shown."""

    def __init__(self, box: NumberBox | WholeBox) -> None:
        super().__init__()
        self.box = box
        self._low = box.minimum()
        self._used: Any = None
        self.auto = QtWidgets.QCheckBox("auto")
        self.auto.setToolTip("Let the image decide; clear to set the number by hand")
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
        self.box.setSpecialValueText("auto" if unknown else "")
        self.box.setPrefix("auto: " if auto and not unknown else "")
        self.box.setEnabled(not auto)
        if unknown:
            self.box.setValue(self._low - 1)
        elif auto:
            self.box.set(self._used)


class StepForm(QtWidgets.QWidget):  # type: ignore[misc]
    """The parameters of a step, to read and to change."""

    changed = QtCore.Signal()

    def __init__(self, step: Step, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._kind = type(step)
        self.fields = {name: field_widget(info) for name, info in self._kind.model_fields.items()}
        self.rows = QtWidgets.QFormLayout(self)
        self.rows.setContentsMargins(2, 0, 2, 0)
        self.rows.setVerticalSpacing(3)
        self.rows.setFieldGrowthPolicy(self.rows.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name, widget in self.fields.items():
            label = QtWidgets.QLabel(name.replace("_", " "))
            tip = self._kind.model_fields[name].description or ""
            for part in (label, widget, *widget.findChildren(QtWidgets.QAbstractSpinBox)):
                part.setToolTip(f"<qt>{tip}</qt>")
            self.rows.addRow(label, widget)
        self.set(step)
        self._listen()

    def step(self) -> Step:
        """The step as the form shows it."""
        return self._kind(**{name: widget.get() for name, widget in self.fields.items()})

    def set(self, step: Step) -> None:
        """Show a step."""
        for name, widget in self.fields.items():
            widget.set(getattr(step, name))

    def show_used(self, used: Step | None) -> None:
        """Show what the automatic parameters became; None where the step has not been run."""
        for name, widget in self.fields.items():
            if isinstance(widget, (AutoNumber, Words)):
                widget.show_used(None if used is None else getattr(used, name))

    def _listen(self) -> None:
        kinds = {
            QtWidgets.QAbstractSpinBox: "textChanged",
            QtWidgets.QComboBox: "currentTextChanged",
            QtWidgets.QCheckBox: "toggled",
            QtWidgets.QLineEdit: "textChanged",
        }
        for widget in self.fields.values():
            for part in (widget, *widget.findChildren(QtWidgets.QWidget)):
                for kind, signal in kinds.items():
                    if isinstance(part, kind) and not isinstance(part.parent(), QtWidgets.QAbstractSpinBox):
                        getattr(part, signal).connect(lambda *_: self.changed.emit())
                if isinstance(part, (QtWidgets.QAbstractSpinBox, QtWidgets.QComboBox)):
                    part.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
                    part.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Let the wheel scroll the panel, and not change a number that happens to be under the mouse."""
        if isinstance(event, QtGui.QWheelEvent) and not watched.hasFocus():
            event.ignore()
            return True
        return False


def field_widget(info: FieldInfo) -> Any:
    """The widget of one field.

    Raises
    ------
    TypeError
        For a type no widget is known for.
    """
    kind, optional = _without_none(info.annotation)
    if get_origin(kind) is Literal:
        return Choice(get_args(kind))
    if kind is bool:
        return Check()
    if kind in (int, float):
        low, high = _bounds(info)
        box = WholeBox(int(low), int(high)) if kind is int else NumberBox(low, high)
        return AutoNumber(box) if optional else box
    if get_origin(kind) is tuple:
        return Words()
    raise TypeError(f"There is no widget for a field of type {info.annotation}.")


def _bounds(info: FieldInfo) -> tuple[float, float]:
    low = next(bound.ge for bound in info.metadata if isinstance(bound, Ge))
    high = next(bound.le for bound in info.metadata if isinstance(bound, Le))
    return low, high  # type: ignore[return-value]


def _without_none(kind: Any) -> tuple[Any, bool]:
    if get_origin(kind) in (Union, UnionType):
        rest = [part for part in get_args(kind) if part is not type(None)]
        return rest[0], len(rest) < len(get_args(kind))
    return kind, False

"""A form from any step or other model: one widget per field, with its range, help and default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from qtpy import QtCore, QtGui, QtWidgets
from superqt import QCollapsible

from local_crystallography._napari.widgets.fields import AutoChoice, AutoNumber, Words, field_widget
from local_crystallography.data.errors import InputError
from local_crystallography.steps.base import Step, sentence, words

MORE = "More settings"


M = TypeVar("M", bound=BaseModel)


class ModelForm(QtWidgets.QWidget, Generic[M]):  # type: ignore[misc]
    """The parameters of a frozen model, to read and to change: those of some names, or all."""

    changed = QtCore.Signal()

    def __init__(self, model: M, parent: QtWidgets.QWidget | None = None, names: Sequence[str] | None = None) -> None:
        super().__init__(parent)
        self._kind, self._given = type(model), model
        known = self._kind.model_fields
        self.fields = {name: field_widget(known[name]) for name in (known if names is None else names)}
        self.rows = rows_layout()
        self.more: QCollapsible | None = None
        self._lay_out()
        self.set(model)
        self._listen()

    def model(self) -> M:
        """The model as the form shows it; fields that it does not show are as they were given."""
        return self._kind(**{**dict(self._given), **{name: widget.get() for name, widget in self.fields.items()}})

    def problem(self) -> str:
        """What does not fit together among the fields, in words; nothing where all is well."""
        try:
            self.model()
        except ValidationError as error:
            return sentence(error)
        return ""

    def set(self, model: M) -> None:
        """Show a model."""
        for name, widget in self.fields.items():
            widget.set(getattr(model, name))

    def _lay_out(self) -> None:
        """The fields in order, those that are rarely needed folded away below the others."""
        layout, rest = QtWidgets.QVBoxLayout(self), rows_layout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(self.rows)
        for name, widget in self.fields.items():
            info = self._kind.model_fields[name]
            label = QtWidgets.QLabel(words(name))
            inner = (*widget.findChildren(QtWidgets.QAbstractSpinBox), *widget.findChildren(QtWidgets.QLineEdit))
            for part in (label, widget, *inner):
                part.setToolTip(f"<qt>{info.description or ''}</qt>")
            (rest if is_advanced(info) else self.rows).addRow(label, widget)
        if rest.rowCount():
            self.more = folded(rest)
            layout.addWidget(self.more)

    def _listen(self) -> None:
        kinds = {
            QtWidgets.QAbstractSpinBox: "textChanged",
            QtWidgets.QComboBox: "currentIndexChanged",
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


class StepForm(ModelForm[Step]):
    """The parameters of a step."""

    def step(self) -> Step:
        """The step as the form shows it.

        Raises
        ------
        InputError
            Where its settings do not fit together.
        """
        if problem := self.problem():
            raise InputError(f"{self._kind.title()}: {problem}; correct it in the main panel.")
        return self.model()

    def show_used(self, used: Step | None) -> None:
        """Show what the automatic parameters became; None where the step has not been run."""
        with QtCore.QSignalBlocker(self):  # what the form asks for stays the same
            for name, widget in self.fields.items():
                if isinstance(widget, (AutoNumber, AutoChoice, Words)):
                    widget.show_used(None if used is None else getattr(used, name))


def is_advanced(info: FieldInfo) -> bool:
    """Whether a field is marked as one that is rarely needed."""
    return isinstance(info.json_schema_extra, dict) and bool(info.json_schema_extra.get("advanced"))


def rows_layout() -> QtWidgets.QFormLayout:
    """An empty layout of labels beside their fields."""
    rows = QtWidgets.QFormLayout()
    rows.setContentsMargins(2, 0, 2, 0)
    rows.setVerticalSpacing(3)
    rows.setFieldGrowthPolicy(rows.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return rows


def folded(rows: QtWidgets.QFormLayout) -> QCollapsible:
    """Rows behind a button that unfolds them."""
    more, content = QCollapsible(MORE, expandedIcon="▾", collapsedIcon="▸"), QtWidgets.QWidget()
    content.setLayout(rows)
    more.layout().setContentsMargins(0, 0, 0, 0)
    more.layout().setSpacing(1)
    more.content().layout().setContentsMargins(8, 2, 0, 0)
    more.addWidget(content)
    more.toggleButton().setToolTip("Settings that are rarely needed")
    # or the Tab key would go through what is folded away
    more.content().setVisible(False)
    more.toggled.connect(more.content().setVisible)
    return more

"""A form from any step or other model: one widget per field, with its range, help and default."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from qtpy import QtCore, QtGui, QtWidgets
from superqt import QCollapsible

from local_crystallography._napari.widgets.fields import AutoChoice, AutoNumber, Choice, Words, field_widget
from local_crystallography.data.errors import InputError
from local_crystallography.data.parameters import Alternative, sentence, words
from local_crystallography.steps.base import Step

MORE = "More settings"


M = TypeVar("M", bound=BaseModel)


class ModelForm(QtWidgets.QWidget, Generic[M]):  # type: ignore[misc]
    """The parameters of a frozen model, to read and to change: those of some names, or all."""

    changed = QtCore.Signal()
    folds: ClassVar[bool] = True
    """Whether fields that are rarely needed are folded away; else they are left to the form around it."""

    def __init__(self, model: M, parent: QtWidgets.QWidget | None = None, names: Sequence[str] | None = None) -> None:
        super().__init__(parent)
        self._kind, self._given = type(model), model
        known = self._kind.model_fields
        self.fields = {name: widget_of(known[name]) for name in (known if names is None else names)}
        self.rows, self.rest = rows_layout(), rows_layout()
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
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(self.rows)
        for name, widget in self.fields.items():
            info = self._kind.model_fields[name]
            label = QtWidgets.QLabel("method" if name == "by" else words(name))
            rows = self.rest if is_advanced(info) else self.rows
            if isinstance(widget, AlternativeBox):
                rows.addRow(label, widget.choice)
                rows.addRow(widget)
                self.rest.addRow(widget.rest)
                inner = [widget, widget.choice]
            elif isinstance(widget, AlternativesBox):
                rows.addRow(label)
                rows.addRow(widget)
                inner = [widget]
            else:
                rows.addRow(label, widget)
                inner = [widget, *widget.findChildren(QtWidgets.QAbstractSpinBox)]
                inner += widget.findChildren(QtWidgets.QLineEdit)
            for part in (label, *inner):
                part.setToolTip(f"<qt>{info.description or ''}</qt>")
        if self.folds:
            if self.rest.rowCount():
                self.more = folded(self.rest)
                layout.addWidget(self.more)
            self._align()

    def _align(self) -> None:
        """Give labels of the same indentation the same width, those of methods and those around them."""
        boxes = [widget for widget in self.fields.values() if isinstance(widget, AlternativeBox)]
        forms: list[ModelForm[Any]] = [self, *(form for box in boxes for form in box.forms.values())]
        for several in ([form.rows for form in forms], [form.rest for form in forms]):
            labels = [label for rows in several for label in labels_of(rows)]
            for label in labels:
                label.setMinimumWidth(max(label.sizeHint().width() for label in labels))

    def show_used(self, used: M | None) -> None:
        """Show what the automatic parameters became; None where that is not known."""
        with QtCore.QSignalBlocker(self):  # what the form holds stays the same
            for name, widget in self.fields.items():
                if isinstance(widget, (AutoNumber, AutoChoice, Words, AlternativeBox, AlternativesBox)):
                    widget.show_used(None if used is None else getattr(used, name))

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


class AlternativeForm(ModelForm[Alternative]):
    """The parameters of one method; those that are rarely needed are in `folded`, for the form around it."""

    folds = False

    def __init__(self, kind: type[Alternative]) -> None:
        super().__init__(kind(method=kind.key()), names=[name for name in kind.model_fields if name != "method"])
        for rows in (self.rows, self.rest):
            rows.setContentsMargins(0, 0, 0, 0)
        self.folded = QtWidgets.QWidget()
        self.folded.setLayout(self.rest)

    def show_only_if(self, shown: bool) -> None:
        """Show the parameters, or hide them."""
        self.setVisible(shown and bool(self.rows.rowCount()))
        self.folded.setVisible(shown and bool(self.rest.rowCount()))


class AlternativeBox(QtWidgets.QWidget):  # type: ignore[misc]
    """The parameters of the one method that is chosen in `choice`; those that are rarely needed are in `rest`."""

    def __init__(self, kinds: Sequence[type[Alternative]]) -> None:
        super().__init__()
        self.choice = Choice(tuple(kind.key() for kind in kinds))
        self.forms = {kind.key(): AlternativeForm(kind) for kind in kinds}
        self.rest = QtWidgets.QWidget()
        stacked(self, self.forms.values())
        stacked(self.rest, [form.folded for form in self.forms.values()])
        self.choice.currentIndexChanged.connect(self._on_chosen)
        self._on_chosen()

    @property
    def shown(self) -> AlternativeForm:
        """The form of the method that is chosen."""
        return self.forms[self.choice.get()]

    def set(self, value: Alternative) -> None:
        """Choose a method and show its parameters."""
        self.choice.set(value.method)
        self.shown.set(value)

    def get(self) -> Alternative:
        """The method chosen, with its parameters."""
        return self.shown.model()

    def show_used(self, value: Alternative | None) -> None:
        """Show what automatic parameters have become."""
        for key, form in self.forms.items():
            form.show_used(value if value is not None and value.method == key else None)

    def _on_chosen(self, *_: object) -> None:
        for form in self.forms.values():
            form.show_only_if(form is self.shown)


class AlternativesBox(QtWidgets.QWidget):  # type: ignore[misc]
    """Some of several methods, each with a box to tick and its parameters below."""

    def __init__(self, kinds: Sequence[type[Alternative]]) -> None:
        super().__init__()
        self.forms = {kind.key(): AlternativeForm(kind) for kind in kinds}
        self.boxes = {kind.key(): QtWidgets.QCheckBox(kind.key()) for kind in kinds}
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for kind in kinds:
            form, box = self.forms[kind.key()], self.boxes[kind.key()]
            layout.addWidget(box)
            layout.addWidget(form)
            form.layout().setContentsMargins(18, 0, 0, 0)
            form.show_only_if(False)
            box.toggled.connect(form.show_only_if)
            box.setToolTip(f"<qt>{(kind.__doc__ or '').strip()}</qt>")

    def set(self, value: Sequence[Alternative]) -> None:
        """Tick methods and show their parameters."""
        chosen = {method.method: method for method in value}
        for key, box in self.boxes.items():
            box.setChecked(key in chosen)
            if key in chosen:
                self.forms[key].set(chosen[key])

    def get(self) -> tuple[Alternative, ...]:
        """The methods ticked, with their parameters."""
        return tuple(self.forms[key].model() for key, box in self.boxes.items() if box.isChecked())

    def show_used(self, value: Sequence[Alternative] | None) -> None:
        """Show what automatic parameters have become."""
        chosen = {method.method: method for method in value or ()}
        for key, form in self.forms.items():
            form.show_used(chosen.get(key))


def stacked(widget: QtWidgets.QWidget, parts: Iterable[QtWidgets.QWidget]) -> None:
    """Lay parts one below the other, without margins."""
    layout = QtWidgets.QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    for part in parts:
        layout.addWidget(part)


def widget_of(info: FieldInfo) -> Any:
    """The widget of a field, which may hold alternatives."""
    kind = info.annotation
    if kinds := alternatives(kind):
        return AlternativeBox(kinds)
    if get_origin(kind) is tuple and (kinds := alternatives(get_args(kind)[0])):
        return AlternativesBox(kinds)
    return field_widget(info)


def alternatives(kind: Any) -> tuple[type[Alternative], ...]:
    """The methods that a field may hold; none where it holds something else."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    kinds = get_args(kind)
    return kinds if kinds and all(isinstance(k, type) and issubclass(k, Alternative) for k in kinds) else ()


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


def labels_of(rows: QtWidgets.QFormLayout) -> list[QtWidgets.QLabel]:
    """The labels to the left of the fields."""
    items = [rows.itemAt(row, rows.ItemRole.LabelRole) for row in range(rows.rowCount())]
    return [item.widget() for item in items if item is not None and isinstance(item.widget(), QtWidgets.QLabel)]


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

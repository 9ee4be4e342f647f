"""Legend of the plots: classes with editable names and colours, or a colour scale; both select atoms."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.explorer.plot_box import KEYS, how
from local_crystallography.data.errors import InputError
from local_crystallography.views.plot_data import ClassEntry, Key
from local_crystallography.views.selection import Selection
from local_crystallography.views.styles import ClassStyles

PATCH, NAME, COUNT = range(3)
NUMBER = QtCore.Qt.ItemDataRole.UserRole
ROW_HEIGHT, BAR_HEIGHT = 18, 12
CLASS_TIP = (
    f"Click: select this class ({KEYS}).\n"
    "Double click on the name, or F2: rename the class. Double click on the patch: choose its colour."
)
SCALE_TIP = "Colours from the lower to the upper limit; values beyond the limits have the colours at the ends"


class Legend(QtWidgets.QWidget):  # type: ignore[misc]
    """One block per column that colours the plots."""

    failed = QtCore.Signal(str)

    def __init__(self, selection: Selection, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.selection = selection
        self.styles = ClassStyles()
        self.blocks: list[ClassKey | ScaleKey] = []
        self._layout = QtWidgets.QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addStretch(1)
        self._buttons = QtWidgets.QHBoxLayout()
        self._buttons.addStretch(1)

    def add_buttons(self, buttons: list[QtWidgets.QToolButton]) -> None:
        """Add buttons below the keys that change the number of classes."""
        self._layout.insertLayout(self._layout.count() - 1, self._buttons)
        for button in buttons:
            self._buttons.addWidget(button)

    def show_keys(self, keys: list[Key], styles: ClassStyles) -> None:
        """Show one block for each column; existing blocks are kept, so that editing is not interrupted."""
        self.styles = styles
        distinct = list({key.column.name: key for key in keys if key.classes or key.colormap}.values())
        kinds = [(key.column.name, bool(key.classes)) for key in distinct]
        if kinds != [(block.key.column.name, bool(block.key.classes)) for block in self.blocks]:
            self._build(distinct)
        for block, key in zip(self.blocks, distinct, strict=True):
            block.show_key(key)

    def _build(self, keys: list[Key]) -> None:
        for block in self.blocks:
            self._layout.removeWidget(block)
            block.hide()
            block.deleteLater()
        self.blocks = [ClassKey(key) if key.classes else ScaleKey(key) for key in keys]
        for index, block in enumerate(self.blocks):
            self._layout.insertWidget(index, block)
            block.chosen.connect(self._on_chosen)
            if isinstance(block, ClassKey):
                block.renamed.connect(self._on_renamed)
                block.recoloured.connect(self._on_recoloured)

    def _on_chosen(self, mask: npt.NDArray[np.bool_], way: Any) -> None:
        if len(mask) == len(self.selection):
            self.selection.apply(mask, way, self)

    def _on_renamed(self, column: str, number: int, name: str) -> None:
        try:
            self.styles.rename(column, number, name)
        except InputError as error:
            self.failed.emit(str(error))

    def _on_recoloured(self, column: str, number: int, colour: str) -> None:
        self.styles.recolour(column, number, colour)


class ClassKey(QtWidgets.QWidget):  # type: ignore[misc]
    """Patch, name, count and share of every class."""

    chosen = QtCore.Signal(object, str)
    renamed = QtCore.Signal(str, int, str)
    recoloured = QtCore.Signal(str, int, str)

    def __init__(self, key: Key) -> None:
        super().__init__()
        self.key = key
        self.tree = QtWidgets.QTreeWidget()
        self.tree.setColumnCount(3)
        self.tree.setHeaderHidden(True)
        self.tree.setRootIsDecorated(False)
        self.tree.setFrameShape(self.tree.Shape.NoFrame)
        self.tree.setIndentation(0)
        self.tree.setSelectionMode(self.tree.SelectionMode.SingleSelection)
        self.tree.setEditTriggers(self.tree.EditTrigger.EditKeyPressed)
        self.tree.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tree.setToolTip(CLASS_TIP)
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(20)
        modes = header.ResizeMode
        for column, mode in ((PATCH, modes.Fixed), (NAME, modes.Stretch), (COUNT, modes.ResizeToContents)):
            header.setSectionResizeMode(column, mode)
        header.resizeSection(PATCH, 22)
        self.tree.itemClicked.connect(self._on_clicked)
        self.tree.itemDoubleClicked.connect(self._on_double_clicked)
        self.tree.itemChanged.connect(self._on_changed)
        enter = QtGui.QShortcut(QtGui.QKeySequence("Return"), self.tree)
        enter.setContext(QtCore.Qt.ShortcutContext.WidgetShortcut)
        enter.activated.connect(lambda: self._on_clicked(self.tree.currentItem(), NAME))
        _lay_out(self, key, self.tree)

    def show_key(self, key: Key) -> None:
        """Update counts, names and colours."""
        self.key = key
        with QtCore.QSignalBlocker(self.tree):
            while self.tree.topLevelItemCount() > len(key.classes):
                self.tree.takeTopLevelItem(len(key.classes))
            for i, entry in enumerate(key.classes):
                item = self.tree.topLevelItem(i) or QtWidgets.QTreeWidgetItem(self.tree)
                _fill(item, entry)
        self.tree.setFixedHeight(ROW_HEIGHT * len(key.classes) + 4)

    def _on_clicked(self, item: Any, column: int) -> None:
        if item is not None:
            way = how(QtWidgets.QApplication.keyboardModifiers())
            self.chosen.emit(self.key.rows_of(item.data(PATCH, NUMBER)), way)

    def _on_double_clicked(self, item: Any, column: int) -> None:
        number = item.data(PATCH, NUMBER)
        if number < 0:
            return
        if column != PATCH:
            self.tree.editItem(item, NAME)
            return
        before = next(entry.colour for entry in self.key.classes if entry.number == number)
        colour = QtWidgets.QColorDialog.getColor(QtGui.QColor(before), self, "Colour of the class")
        if colour.isValid():
            self.recoloured.emit(self.key.column.name, number, colour.name())

    def _on_changed(self, item: Any, column: int) -> None:
        if column == NAME:
            number, name = item.data(PATCH, NUMBER), item.text(NAME)
            # the new name appears only once it has been accepted
            self.show_key(self.key)
            self.renamed.emit(self.key.column.name, number, name)


class ScaleKey(QtWidgets.QWidget):  # type: ignore[misc]
    """A colour bar with its limits, and a button to select a range of values."""

    chosen = QtCore.Signal(object, str)

    def __init__(self, key: Key) -> None:
        super().__init__()
        self.key = key
        self.bar = ColourBar()
        self.low, self.high = QtWidgets.QLabel(), QtWidgets.QLabel()
        self.button = QtWidgets.QPushButton("Select range …")
        self.button.setToolTip("Select the atoms with values between two limits")
        self.button.clicked.connect(self._on_clicked)
        ends = QtWidgets.QWidget()
        row = QtWidgets.QHBoxLayout(ends)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.low)
        row.addStretch(1)
        row.addWidget(self.high)
        _lay_out(self, key, self.bar, ends, self.button)

    def show_key(self, key: Key) -> None:
        """Update the scale."""
        self.key = key
        self.bar.show_table(key.table)
        for label, limit in zip((self.low, self.high), key.limits, strict=True):
            label.setText(f"{limit:.3g}")

    def _on_clicked(self) -> None:
        box = RangeBox(self.key, self)
        box.chosen.connect(self.chosen)
        box.show()


class RangeBox(QtWidgets.QDialog):  # type: ignore[misc]
    """Two limits in the unit of the column; for an angle, low above high selects through the seam."""

    chosen = QtCore.Signal(object, str)

    def __init__(self, key: Key, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.key = key
        self.setWindowTitle("Select range")
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        self.fields = {name: QtWidgets.QDoubleSpinBox() for name in ("low", "high")}
        self.count = QtWidgets.QLabel()
        self.button = QtWidgets.QPushButton("Select")
        self.button.setToolTip(f"Select the atoms in this range: {KEYS}")
        self.button.clicked.connect(self._on_select)
        layout = QtWidgets.QFormLayout(self)
        layout.addRow(QtWidgets.QLabel(f"{key.column.label} from"), self.fields["low"])
        layout.addRow(QtWidgets.QLabel("to"), self.fields["high"])
        layout.addRow(self.count, self.button)
        self._set_fields()
        self._on_changed()

    def _set_fields(self) -> None:
        known = self.key.values[np.isfinite(self.key.values)]
        half = self.key.column.period and self.key.column.period / 2
        low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
        decimals = int(np.clip(3 - np.floor(np.log10(max(high - low, 1e-9))), 0, 9))
        ends = (-half, half) if half else (low, high)
        for field, name, value in zip(self.fields.values(), ("lowest", "highest"), self.key.limits, strict=True):
            step = 10.0**-decimals
            field.setDecimals(decimals)
            # rounded outwards, so that the outermost atoms are included
            field.setRange(np.floor(min(ends) / step) * step, np.ceil(max(ends) / step) * step)
            field.setSingleStep(max((high - low) / 50, step))
            field.setValue(value)
            field.setToolTip(f"The {name} value to select; the column ranges from {low:.4g} to {high:.4g}")
            field.valueChanged.connect(self._on_changed)

    def _on_changed(self) -> None:
        self.count.setText(f"{np.count_nonzero(self._mask())} atoms")

    def _mask(self) -> npt.NDArray[np.bool_]:
        return self.key.rows_within(*(field.value() for field in self.fields.values()))

    def _on_select(self) -> None:
        self.chosen.emit(self._mask(), how(QtWidgets.QApplication.keyboardModifiers()))


class ColourBar(QtWidgets.QWidget):  # type: ignore[misc]
    """The colours of a scale, from the lowest value on the left to the highest."""

    def __init__(self) -> None:
        super().__init__()
        self.picture = QtGui.QImage()
        self.setFixedHeight(BAR_HEIGHT)
        self.setMinimumWidth(40)
        self.setToolTip(SCALE_TIP)

    def show_table(self, table: npt.NDArray[np.float64]) -> None:
        """Show the (K, 4) colours."""
        n, kind = len(table), QtGui.QImage.Format.Format_RGBA8888
        self.picture = QtGui.QImage(np.rint(table * 255).astype(np.uint8).tobytes(), n, 1, 4 * n, kind).copy()
        self.update()

    def paintEvent(self, event: Any) -> None:
        QtGui.QPainter(self).drawImage(self.rect(), self.picture)


def _lay_out(block: QtWidgets.QWidget, key: Key, *parts: QtWidgets.QWidget) -> None:
    layout = QtWidgets.QVBoxLayout(block)
    layout.setContentsMargins(0, 0, 0, 6)
    layout.setSpacing(2)
    title = QtWidgets.QLabel(key.column.label, wordWrap=True)
    font = title.font()
    font.setBold(True)
    title.setFont(font)
    for part in (title, *parts):
        layout.addWidget(part)


def _fill(item: Any, entry: ClassEntry) -> None:
    patch = QtGui.QPixmap(14, 14)
    patch.fill(QtGui.QColor(entry.colour))
    flags = QtCore.Qt.ItemFlag
    editable = flags.ItemIsEditable if entry.number >= 0 else flags.NoItemFlags
    item.setFlags(flags.ItemIsEnabled | flags.ItemIsSelectable | editable)
    item.setIcon(PATCH, QtGui.QIcon(patch))
    item.setData(PATCH, NUMBER, entry.number)
    item.setText(NAME, entry.name)
    item.setText(COUNT, f"{entry.count:,}" + (f" · {100 * entry.share:.1f} %" if entry.number >= 0 else ""))
    item.setTextAlignment(COUNT, QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignVCenter)
    item.setSizeHint(PATCH, QtCore.QSize(0, ROW_HEIGHT))
    for column in range(3):
        item.setToolTip(column, f"{entry.name}: {entry.count} atoms\n{CLASS_TIP}")

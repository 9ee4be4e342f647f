"""A row of controls that folds into one button where there is no room for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qtpy import QtCore, QtWidgets

WIDE = 330
"""Width from which the row is not folded."""
POPUP_WIDTH = 200
ARROW = 36
"""Width of a choice beside its words."""


class FoldedRow(QtWidgets.QWidget):  # type: ignore[misc]
    """Choices side by side; or a button that opens them below each other, with their accessible names."""

    def __init__(self, controls: Iterable[QtWidgets.QComboBox], parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controls = list(controls)
        self.button = QtWidgets.QToolButton()
        self.button.setToolTip("Choose columns, colour and how they are drawn")
        self.button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
        self.popup = QtWidgets.QFrame(self, QtCore.Qt.WindowType.Popup)
        self.popup.setFrameStyle(self.popup.Shape.Box | self.popup.Shadow.Plain)
        self.popup.setMinimumWidth(POPUP_WIDTH)
        self._form = QtWidgets.QFormLayout(self.popup)
        self._row = QtWidgets.QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(3)
        self._row.addWidget(self.button)
        self._words = ""
        self._folded: bool | None = None
        self.button.clicked.connect(self._on_clicked)
        for control in self.controls:
            control.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)

    def say(self, words: str) -> None:
        """What the button says, as far as there is room."""
        self._words = words
        for control in self.controls:
            # what is chosen now is to be read, whatever else there is to choose
            self._row.setStretchFactor(control, self.fontMetrics().horizontalAdvance(control.currentText()) + ARROW)
        room = self.width() - 16
        self.button.setText(self.fontMetrics().elidedText(words, QtCore.Qt.TextElideMode.ElideRight, room))

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._fold(self.width() < WIDE)
        self.say(self._words)

    def minimumSizeHint(self) -> QtCore.QSize:
        """Narrow, since it can fold."""
        return QtCore.QSize(60, self.controls[0].minimumSizeHint().height())

    def _fold(self, folded: bool) -> None:
        if folded == self._folded:
            return
        self._folded = folded
        self.button.setVisible(folded)
        for control in self.controls:
            if folded:
                self._form.addRow(control.accessibleName(), control)
            else:
                if label := self._form.labelForField(control):
                    label.deleteLater()
                self._form.removeWidget(control)
                self._row.addWidget(control)
            control.show()
        if not folded:
            self.popup.hide()

    def _on_clicked(self) -> None:
        corner = self.mapToGlobal(QtCore.QPoint(0, self.height()))
        self.popup.adjustSize()
        screen = self.screen().availableGeometry()
        over = corner.y() + self.popup.height() > screen.bottom()
        # where it would leave the screen at the bottom it opens upwards
        y = self.mapToGlobal(QtCore.QPoint(0, 0)).y() - self.popup.height() if over else corner.y()
        self.popup.move(min(corner.x(), screen.right() - self.popup.width()), y)
        self.popup.show()
        self.controls[0].setFocus()

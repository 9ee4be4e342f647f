"""One plot with the choice of its columns, linked through selection and hover."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.explorer.plot_canvas import PlotCanvas
from local_crystallography._napari.widgets.boxes import warn_in
from local_crystallography._napari.widgets.help import LookLine
from local_crystallography._napari.widgets.theme import paint
from local_crystallography.clustering.doubts import Doubt
from local_crystallography.views.density import SHARES
from local_crystallography.views.hover import Hover
from local_crystallography.views.looking import of_plot
from local_crystallography.views.plot_data import MODES, Choice, PlotData, key_of, plot_data
from local_crystallography.views.selection import How, Selection
from local_crystallography.views.styles import ClassStyles

ONE_COLOUR = "one colour"
INSTEAD = {"x": ("z0", "x_px"), "y": ("z1", "y_px"), "colour": ("label", "angle_rad", "z0")}
"""Columns shown in place of missing ones: the first that exists."""
_SHARES = ", ".join(f"{100 * share:g}" for share in SHARES)
TIPS = {
    "x": "Column on the x axis",
    "y": "Column on the y axis; not used by histograms",
    "colour": "Column that colours the points; histograms are split by its classes",
    "mode": f"points: every atom\ncontours: enclose {_SHARES} % of the atoms; the corner shows the kernel σ\n"
    "along x and y, by Scott's rule within the classes of the colour\n"
    "density: atoms per cell, with the lowest and highest count in the corner\n"
    "histogram: of x, split by the classes of the colour; the line is the selected part",
}
REACH = 6
"""Maximum distance between pointer and atom, in pixels."""
WIDE = 330
"""Width from which the row is unfolded."""
POPUP_WIDTH = 200
ARROW = 36
"""Width of a combo box in addition to its text."""


class PlotView(QtWidgets.QWidget):  # type: ignore[misc]
    """Two columns of a table as points coloured by a third; selection and hover refer to its rows and are shared."""

    changed = QtCore.Signal()
    """Columns or colours have changed."""
    chosen = QtCore.Signal()
    """The user chose other columns or another mode."""

    def __init__(self, selection: Selection, hover: Hover, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.selection, self.hover = selection, hover
        self.table, self.styles = pd.DataFrame(), ClassStyles()
        self.wanted = Choice()
        self.doubts: tuple[Doubt, ...] = ()
        self.combos = {role: QtWidgets.QComboBox() for role in TIPS}
        self.plot = PlotCanvas()
        self.look = LookLine()
        self.box = self.plot.box
        self._dark = True
        self.folded = FoldedRow(self.combos.values())
        self._lay_out()
        self._connect()
        self.set_theme(dark=True)

    @property
    def choice(self) -> Choice:
        """The present columns and mode."""
        return Choice(*(combo.currentText() for combo in self.combos.values()))

    @property
    def data(self) -> PlotData:
        """The data being drawn."""
        assert self.plot.data is not None
        return self.plot.data

    def set_table(
        self,
        frame: pd.DataFrame,
        styles: ClassStyles | None = None,
        choice: Choice | None = None,
        doubts: Iterable[Doubt] | None = None,
    ) -> None:
        """Show another table, optionally with other columns; the columns wanted are kept where they exist.

        Columns with unreliable values are marked in the lists of columns.
        """
        self.doubts = self.doubts if doubts is None else tuple(doubts)
        self.table, self.wanted = frame, choice or self.wanted
        self._follow_styles(styles or self.styles)
        self.combos["mode"].setCurrentText(self.wanted.mode)
        names = [str(name) for name in frame.select_dtypes(["number", "bool"])]
        for index, role in enumerate(INSTEAD):
            combo, first = self.combos[role], getattr(self.wanted, role)
            combo.clear()
            combo.addItems([*names, *([ONE_COLOUR] if role == "colour" else [])])
            wanted = (first, first.replace("_nm", "_px"), *INSTEAD[role], *names[index : index + 1], *names[:1])
            combo.setCurrentText(next((name for name in wanted if combo.findText(name) >= 0), ""))
        self._redraw()
        self.plot.show_mask(self.selection.mask)
        self.plot.mark(self.hover.row)

    def choose(self, choice: Choice) -> None:
        """Show other columns, or another mode."""
        self.set_table(self.table, self.styles, choice)

    def select_polygon(self, polygon: npt.ArrayLike, how: How = "replace") -> None:
        """Select the points inside a (M, 2) polygon of x, y in the units of the axes."""
        self._select(self.data.inside(polygon), how)

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        self._dark = dark
        paint(self, dark)
        self.plot.set_theme(dark)
        self._redraw()

    def leave(self) -> None:
        """Disconnect from selection, hover and styles."""
        self.selection.changed.disconnect(self._on_selection_changed, missing_ok=True)
        self.hover.changed.disconnect(self._on_hover_changed, missing_ok=True)
        self.styles.changed.disconnect(self._on_styles_changed, missing_ok=True)

    def _lay_out(self) -> None:
        for role, combo in self.combos.items():
            combo.setToolTip(TIPS[role])
            combo.setAccessibleName(role)
            combo.setMinimumContentsLength(2)
            combo.setSizeAdjustPolicy(combo.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.combos["mode"].addItems(MODES)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.folded)
        layout.addWidget(self.plot, stretch=1)
        layout.addWidget(self.look)

    def _connect(self) -> None:
        for role, combo in self.combos.items():
            combo.activated.connect(lambda _, role=role: self._on_chosen(role))
        self.box.drawn.connect(self.select_polygon)
        self.box.clicked.connect(self._on_clicked)
        self.box.pointed.connect(self._on_pointed)
        self.selection.changed.connect(self._on_selection_changed)
        self.hover.changed.connect(self._on_hover_changed)
        self.styles.changed.connect(self._on_styles_changed)
        self.destroyed.connect(lambda: self.leave())

    def _follow_styles(self, styles: ClassStyles) -> None:
        if styles is not self.styles:
            self.styles.changed.disconnect(self._on_styles_changed, missing_ok=True)
            self.styles = styles
            styles.changed.connect(self._on_styles_changed)

    def _redraw(self) -> None:
        choice = self.choice
        self.folded.set_text(f"{choice.x} · {choice.mode if choice.mode.startswith('histogram') else choice.y}")
        self.look.say(of_plot(choice.x, choice.y, choice.mode))
        for role in INSTEAD:
            warn_in(self.combos[role], self.doubts, TIPS[role])
        self.combos["y"].setEnabled(not choice.mode.startswith("histogram"))
        key = key_of(self.table, self.choice.colour, self.styles, dark=self._dark)
        self.plot.show_data(plot_data(self.table, self.choice, key).taking(self.plot.data))
        self.changed.emit()

    def _select(self, mask: npt.NDArray[np.bool_], how: How) -> None:
        if len(mask) == len(self.selection):
            self.selection.apply(mask, how, self)

    def _on_chosen(self, role: str) -> None:
        self.wanted = replace(self.wanted, **{role: self.combos[role].currentText()})
        self._redraw()
        self.plot.mark(self.hover.row)
        self.chosen.emit()

    def _on_clicked(self, x: float, y: float, how: How) -> None:
        row = self.data.at((x, y), self.box.pixel(), REACH)
        mask = np.zeros(len(self.table), bool)
        if self.data.is_histogram:
            mask = self.data.bin_at(x)
        elif row is not None:
            mask[row] = True
        self._select(mask, how)

    def _on_pointed(self, place: tuple[float, float] | None) -> None:
        if place is None:
            self.hover.clear(self)
            return
        row = self.data.at(place, self.box.pixel(), REACH)
        if row is not None:
            self.hover.on_atom(row, self)
        else:
            self.hover.on_place(self.data.place(*place), self)

    def _on_selection_changed(self, source: object) -> None:
        self.plot.show_mask(self.selection.mask)

    def _on_hover_changed(self, source: object) -> None:
        self.plot.mark(self.hover.row)

    def _on_styles_changed(self, column: str) -> None:
        if column == self.choice.colour:
            self._redraw()


class FoldedRow(QtWidgets.QWidget):  # type: ignore[misc]
    """Combo boxes side by side, or, in a narrow plot, a button that opens them as a form."""

    def __init__(self, controls: Iterable[QtWidgets.QComboBox], parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controls = list(controls)
        self.button = QtWidgets.QToolButton()
        self.button.setToolTip("Choose columns, colour and mode")
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

    def set_text(self, words: str) -> None:
        """Set the text of the button, shortened to fit."""
        self._words = words
        for control in self.controls:
            # the present choice should be readable, however long the others are
            self._row.setStretchFactor(control, self.fontMetrics().horizontalAdvance(control.currentText()) + ARROW)
        room = self.width() - 16
        self.button.setText(self.fontMetrics().elidedText(words, QtCore.Qt.TextElideMode.ElideRight, room))

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._fold(self.width() < WIDE)
        self.set_text(self._words)

    def minimumSizeHint(self) -> QtCore.QSize:
        """Narrow, since the row can fold."""
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
        # at the bottom of the screen it opens upwards
        y = self.mapToGlobal(QtCore.QPoint(0, 0)).y() - self.popup.height() if over else corner.y()
        self.popup.move(min(corner.x(), screen.right() - self.popup.width()), y)
        self.popup.show()
        self.controls[0].setFocus()

"""Toolbar of the latent explorer."""

from __future__ import annotations

from typing import get_args

from qtpy import QtCore, QtGui, QtWidgets
from superqt import QFlowLayout

from local_crystallography._napari.explorer.plot_box import KEYS, Tool
from local_crystallography._napari.widgets.help import HelpButton
from local_crystallography._napari.widgets.icons import icon
from local_crystallography._napari.widgets.theme import theme_of
from local_crystallography.views.presets import MOST_PLOTS, PRESETS
from local_crystallography.views.presets import TIPS as PRESET_TIPS
from local_crystallography.views.selection import Selection

TOOLS: tuple[Tool, ...] = get_args(Tool)
VIEW = "The wheel zooms, the middle button pans, a double click shows all points."
TIPS = {
    "Lasso": f"Lasso: draw around points to select them.\n{KEYS}.\n{VIEW}",
    "Rectangle": f"Rectangle: drag across points to select them.\n{KEYS}.\n{VIEW}",
    "Click": f"Click: select a point, or a bar of a histogram.\n{KEYS}.\n{VIEW}",
    "Move": "Move: pan with the left button, scale with the right.\nThe wheel zooms, a double click shows all points.",
    "Clear": "Clear: select nothing (Esc)",
    "Invert": "Invert: select all atoms that are not selected",
    "Export figure …": "Export figure: save the plots as displayed, as PNG, SVG or PDF",
}
OWN = "custom"
ICON, ARROW = 18, 36


class ExplorerBar(QtWidgets.QWidget):  # type: ignore[misc]
    """Presets, number of plots and tools; `status`, the number of selected atoms, may be placed elsewhere."""

    preset_chosen = QtCore.Signal(str)
    number_chosen = QtCore.Signal(int)
    tool_chosen = QtCore.Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.presets, self.numbers = QtWidgets.QComboBox(), QtWidgets.QComboBox()
        self.buttons = {name: self._tool_button(name) for name in TIPS}
        self.status = QtWidgets.QLabel()
        self._tools = QtWidgets.QButtonGroup(self)
        self._actions: list[QtGui.QAction] = []
        self._choices, self._row = QtWidgets.QHBoxLayout(), QtWidgets.QHBoxLayout()
        self._fill()
        self.presets.activated.connect(lambda: self.preset_chosen.emit(self.presets.currentText()))
        self.numbers.activated.connect(lambda index: self.number_chosen.emit(index + 1))
        for name in TOOLS:
            self.buttons[name].toggled.connect(lambda on, name=name: on and self.tool_chosen.emit(name))
        self.set_theme(dark=True)

    def offer_presets(self, names: list[str]) -> None:
        """Enable the presets whose columns exist."""
        for index, name in enumerate(PRESETS):
            self.presets.model().item(index).setEnabled(name in names)

    def show_choices(self, preset: str, number: int) -> None:
        """Show the present choice; an empty preset stands for custom columns."""
        self.presets.setCurrentIndex(self.presets.findText(preset) if preset else -1)
        self.numbers.setCurrentIndex(number - 1)

    def show_selection(self, selection: Selection) -> None:
        """Show the number of selected atoms."""
        self.status.setText(f"{selection.count} of {len(selection)} selected")
        self.buttons["Clear"].setEnabled(bool(selection.count))

    def add_menu(self, text: str, menu: QtWidgets.QMenu, tip: str) -> QtWidgets.QToolButton:
        """Add a button that opens a menu."""
        button = QtWidgets.QToolButton()
        button.setText(text)
        button.setToolTip(tip)
        button.setMenu(menu)
        button.setPopupMode(button.ToolButtonPopupMode.InstantPopup)
        button.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextOnly)
        # napari's style draws the arrow over the end of the text
        button.setMinimumWidth(self.fontMetrics().horizontalAdvance(text) + ARROW)
        self._choices.addWidget(button)
        return button

    def add_buttons(self, buttons: list[QtWidgets.QToolButton]) -> None:
        """Add buttons that are made elsewhere before the one for figures."""
        for button in buttons:
            button.setIconSize(QtCore.QSize(ICON, ICON))
            self._row.insertWidget(self._row.indexOf(self.buttons["Export figure …"]), button)

    def add_tool(self, action: QtGui.QAction) -> QtWidgets.QToolButton:
        """Add a button beside the tools for an action outside the plots; its text is the name of its icon."""
        button = self._tool_button(action.text())
        button.setDefaultAction(action)
        self._row.insertWidget(self._row.indexOf(self.buttons["Clear"]), button)
        self._actions.append(action)
        self.set_theme(self._dark)
        return button

    def set_theme(self, dark: bool) -> None:
        """Draw the icons in the colour of the text."""
        self._dark = dark
        for name, shown in [*self.buttons.items(), *((action.text(), action) for action in self._actions)]:
            shown.setIcon(icon(name, theme_of(dark).text, theme_of(dark).held))

    def _tool_button(self, name: str) -> QtWidgets.QToolButton:
        button = QtWidgets.QToolButton(autoRaise=True)
        button.setAccessibleName(name)
        button.setIconSize(QtCore.QSize(ICON, ICON))
        return button

    def _fill(self) -> None:
        lines = QFlowLayout(self)  # choices and tools below each other where the explorer is narrow
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(3)
        for row in (self._choices, self._row):
            row.setContentsMargins(0, 0, 0, 0)
            row.setSpacing(3)
            line = QtWidgets.QWidget()
            line.setLayout(row)
            lines.addWidget(line)
        self.presets.addItems(PRESETS)
        self.presets.setPlaceholderText(OWN)
        self.presets.setToolTip("Plots as in the figures of the paper")
        for index, name in enumerate(PRESETS):
            self.presets.setItemData(index, PRESET_TIPS[name], QtCore.Qt.ItemDataRole.ToolTipRole)
        self.presets.setMinimumContentsLength(9)
        self.presets.setSizeAdjustPolicy(self.presets.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.numbers.addItems([str(number) for number in range(1, MOST_PLOTS + 1)])
        self.numbers.setToolTip("Number of linked plots")
        self.presets.setFixedWidth(140)
        self._choices.addWidget(self.presets)
        self._choices.addWidget(self.numbers)
        for name, button in self.buttons.items():
            button.setToolTip(TIPS[name])
            if name in TOOLS:
                button.setCheckable(True)
                self._tools.addButton(button)
            if name in ("Lasso", "Clear", "Export figure …"):
                self._row.addSpacing(2)
            self._row.addWidget(button)
        self._row.addWidget(HelpButton("Latent explorer"))

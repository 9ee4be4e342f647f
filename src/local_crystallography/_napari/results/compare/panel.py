"""The tab of comparison: two or more results of one image side by side, and what differs between them."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy import QtWidgets

from local_crystallography._napari.explorer.plot_box import how
from local_crystallography._napari.main.scan import frame_shown
from local_crystallography._napari.results.compare.add import AddRuns
from local_crystallography._napari.results.compare.asked import Asked, Shown, at_frame, pair_within, shown_of
from local_crystallography._napari.results.compare.commands import CompareCommands
from local_crystallography._napari.results.compare.list import RunList
from local_crystallography._napari.results.compare.results import Results
from local_crystallography._napari.results.compare.runs import shared_columns
from local_crystallography._napari.results.compare.tools import PairTools
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography.views.styles import ClassStyles

INTRO = (
    "Keep this result, change the window, the seed or the method, run again, and see here what changed. Saved sessions "
    "of the same image and runs of a window study can be added, too. Tick two runs or more."
)
MANY, COMPARING = 100_000, "Comparing …"
"""Atoms of all runs for which it takes long enough to be told."""
COLUMN_TIP = "What is compared: classes, angles, latents, or any other numbers that the runs share"
FIRST_TIP = "Let the selected run be the first one: it numbers and colours the classes"
REMOVE_TIP = "Remove the selected run from the list; the current result stays, untick it instead"


class ComparePanel(QtWidgets.QWidget):  # type: ignore[misc]
    """A list of runs, and below it their comparison, which is made anew with every change while it is seen."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller, self.list, self.tools = controller, RunList(), PairTools()
        self.results = Results(self.tools)
        self.add, self.column, self.commands = (
            AddRuns(controller),
            QtWidgets.QComboBox(),
            CompareCommands(controller, self),
        )
        self.first, self.remove = QtWidgets.QPushButton("Make first"), QtWidgets.QPushButton("Remove")
        self.message, self.said = QtWidgets.QLabel(INTRO, wordWrap=True), QtWidgets.QLabel(wordWrap=True)
        self._asked: Asked | None = None
        self._pair, self._revision = (0, 1), 0
        self._latest = LatestTask(self)
        self._styles = ClassStyles()
        self._follows = False
        self._lay_out()
        self._connect()

    @property
    def busy(self) -> bool:
        """Whether something is compared, read, drawn or written."""
        return self._latest.busy or self.commands.busy or self.add.busy

    @property
    def shown(self) -> Shown | None:
        """The comparison that is seen."""
        return self.commands.shown

    def refresh(self) -> None:
        """Compare what is ticked, where it is new; only while it is seen."""
        if not self.isVisible():
            return
        now = self.add.now()
        self.list.set_now(now)
        self.add.keep.setEnabled(now is not None)
        asked = self._ask()
        if asked is None:
            self._asked = None
            self._latest.drop()
            self._show(None, INTRO)
        elif asked != self._asked:
            self._asked = asked
            self._follow_styles(asked.runs[0].styles)
            if sum(len(run.atoms) for run in asked.runs) > MANY:
                self._say(COMPARING)
            self._latest.ask(partial(shown_of, asked, self.shown), self._on_shown, self._on_failed)

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        self.results.set_theme(dark)

    def show_pair(self, first: int, second: int) -> None:
        """Look closer at two runs, by their places among those compared."""
        self._pair = (first, second)
        self.refresh()

    def showEvent(self, event: Any) -> None:
        if not self._follows:
            self.controller.viewer.dims.events.current_step.connect(self._on_step)
        self._follows = True
        self.refresh()

    def hideEvent(self, event: Any) -> None:
        if self._follows:
            self.controller.viewer.dims.events.current_step.disconnect(self._on_step)
        self._follows = False
        self._follow_styles(ClassStyles())

    def _lay_out(self) -> None:
        layout, top, below = QtWidgets.QVBoxLayout(self), QtWidgets.QHBoxLayout(), QtWidgets.QHBoxLayout()
        layout.setContentsMargins(2, 4, 2, 2)
        self.column.setSizeAdjustPolicy(self.column.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for widget, tip in ((self.column, COLUMN_TIP), (self.first, FIRST_TIP), (self.remove, REMOVE_TIP)):
            widget.setToolTip(f"<qt>{tip}</qt>")
        top.addWidget(QtWidgets.QLabel("Compare"))
        top.addWidget(self.column, stretch=1)
        for button in (self.first, self.remove):
            below.addWidget(button)
        layout.addWidget(self.add)
        layout.addLayout(top)
        layout.addWidget(self.list)
        layout.addLayout(below)
        for widget in (self.message, self.said, self.results):
            layout.addWidget(widget)
        for label in (self.message, self.said):
            label.setMinimumWidth(1)  # or a name without spaces would make the dock wider
        layout.addStretch(1)
        self._say("")
        self._show(None, INTRO)

    def _connect(self) -> None:
        self.add.found.connect(self.list.add)
        self.list.changed.connect(self._on_list_changed)
        self.list.currentItemChanged.connect(lambda *_: self._show_list_buttons())
        self.column.activated.connect(lambda _: self._on_list_changed())
        self.first.clicked.connect(lambda _: self.list.put_first())
        self.remove.clicked.connect(lambda _: self.list.remove())
        self.results.linked.connect(self._on_linked)
        self.results.enlarged.connect(self.commands.enlarge)
        self.tools.paired.connect(self.show_pair)
        self.tools.paint.clicked.connect(lambda _: self.commands.paint())
        self.tools.select.clicked.connect(lambda _: self._on_select_clicked())
        self.tools.table.clicked.connect(lambda _: self.commands.ask_tables())
        self.tools.figure.clicked.connect(lambda _: self.commands.ask_figure())
        for part in (self.add, self.commands):
            part.said.connect(self._say)

    def _ask(self) -> Asked | None:
        """What is to be compared; None for fewer than two runs."""
        runs, session = self.list.chosen, self.controller.active
        self._offer_columns(shared_columns(runs))
        self._show_list_buttons()
        if len(runs) < 2:
            return None
        self._pair = pair_within(self._pair, len(runs))
        asked = Asked(tuple(runs), self.column.currentText(), 0, self._pair, self._revision)
        return asked if session is None else at_frame(asked, frame_shown(self.controller.viewer, session.layer))

    def _offer_columns(self, names: list[str]) -> None:
        """Offer other columns; the one chosen stays, if it can."""
        if names != [self.column.itemText(i) for i in range(self.column.count())]:
            before = self.column.currentText()
            self.column.clear()
            self.column.addItems(names)
            self.column.setCurrentIndex(max(self.column.findText(before), 0 if names else -1))
        self.column.setEnabled(bool(names))

    def _show_list_buttons(self) -> None:
        run = self.list.current
        self.first.setEnabled(run is not None and run is not self.list.runs[0])
        self.remove.setEnabled(run is not None and self.list.removable(run))

    def _show(self, shown: Shown | None, words: str) -> None:
        """Show a comparison, or words that say why there is none."""
        self.commands.shown = shown
        if self.said.text() == COMPARING:
            self._say("")
        self.message.setText(words)
        self.message.setVisible(bool(words))
        if shown is not None:
            self.results.show_comparison(shown.pictures, shown.pair, shown.made)
            self.tools.show_pair(shown)
        self.results.setVisible(shown is not None)

    def _say(self, words: str) -> None:
        self.said.setText(words)
        self.said.setVisible(bool(words))

    def _on_shown(self, shown: Shown) -> None:
        self._show(shown, "")

    def _on_failed(self, why: str) -> None:
        self._show(None, f"⚠ {why}")

    def _on_list_changed(self) -> None:
        self._say("")
        self.refresh()

    def _on_linked(self, target: str) -> None:
        """A number of a table was clicked."""
        kind, first, second = target.split()
        (self.show_pair if kind == "pair" else self.commands.select_cell)(int(first), int(second))

    def _on_select_clicked(self) -> None:
        if self.shown is not None:
            mask = self.tools.differing(self.shown.pair)
            self.commands.select(mask, how(QtWidgets.QApplication.keyboardModifiers()))

    def _on_step(self, event: object = None) -> None:
        self.refresh()

    def _follow_styles(self, styles: ClassStyles) -> None:
        if styles is not self._styles:
            self._styles.changed.disconnect(self._on_styles_changed, missing_ok=True)
            self._styles = styles
            styles.changed.connect(self._on_styles_changed)

    def _on_styles_changed(self, _: str) -> None:
        self._revision += 1
        self.refresh()

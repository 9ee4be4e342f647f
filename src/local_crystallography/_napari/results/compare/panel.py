"""The tab of comparison: two or more results of one image side by side, and the differences between them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers.convert import LayerData
from local_crystallography._napari.main.scan import frame_shown
from local_crystallography._napari.results.compare import difference_layer
from local_crystallography._napari.results.compare.pictures import LARGE, CompareRequest, ShownComparison
from local_crystallography._napari.results.compare.results import Results
from local_crystallography._napari.results.compare.run_list import AddRuns, RunList
from local_crystallography._napari.results.compare.runs import shared_columns
from local_crystallography._napari.results.compare.tables import pair_legend, runs_legend
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.boxes import offer
from local_crystallography._napari.widgets.panels import ResultPanel, keys_held, narrow_label, panel_layout, row
from local_crystallography._napari.widgets.pictures import PictureWindow, pixmap
from local_crystallography.analysis import Analysis
from local_crystallography.views.greys import Colors
from local_crystallography.views.selection import How

INTRO = (
    "Keep this result, change the window size, the seed or the method, run again, and see here what changed. Saved "
    "sessions of the same image and runs of a window study can be added, too. Tick two runs or more."
)
MANY, COMPARING = 100_000, "Comparing …"
"""Atoms of all runs from which on it takes long enough to be announced."""
COLUMN_TIP = "The column compared: classes, angles, latents, or any other numbers that the runs share"
FIRST_TIP = "Move the selected run to the top: it numbers and colours the classes"
REMOVE_TIP = "Remove the selected run from the list; the current result stays, untick it instead"
NOT_THESE = (
    "⚠ Neither of the two runs is of the present atoms; tick the run “now”, or choose the image of these runs in the "
    "main panel."
)
NO_IMAGE = "⚠ The image of these runs is not in the viewer; open it first to add a difference layer to it."
NONE_DIFFERS = "No atom differs between {} and {}: there is nothing to show."


class ComparePanel(ResultPanel):
    """A list of runs, and below it their comparison, which follows every change."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(controller, parent)
        self.list, self.add, self.results = RunList(), AddRuns(controller), Results()
        self.column, self.tools = QtWidgets.QComboBox(), self.results.tools
        self.first, self.remove = QtWidgets.QPushButton("Make first"), QtWidgets.QPushButton("Remove")
        self.said = narrow_label()
        self._pair, self._revision = (0, 1), 0
        self._follows = False
        self._lay_out()
        self._connect()

    @property
    def shown(self) -> ShownComparison | None:
        """The comparison shown."""
        return cast(ShownComparison | None, self.result)

    def request(self, analysis: Analysis | None) -> CompareRequest | str:
        """The ticked runs, one of which may be the current result."""
        now = self.add.now()
        self.list.set_now(now)
        self.add.keep.setEnabled(now is not None)
        runs, session = self.list.chosen, self.controller.active
        columns = shared_columns(runs)
        offer(self.column, columns)
        self.column.setEnabled(bool(columns))
        self._show_list_buttons()
        if len(runs) < 2:
            return INTRO
        if max(self._pair) >= len(runs):
            self._pair = (0, 1)
        self.follow_styles(runs[0].styles)
        request = CompareRequest(tuple(runs), self.column.currentText(), 0, self._pair, self._revision)
        return request if session is None else request.at_frame(frame_shown(self.controller.viewer, session.layer))

    def begin(self, request: CompareRequest) -> None:
        """Compare; of many atoms it is announced."""
        if sum(len(run.atoms) for run in request.runs) > MANY:
            self.show_status(COMPARING)
        super().begin(request)

    @staticmethod
    def compute(request: CompareRequest, earlier: ShownComparison | None) -> ShownComparison:
        """Compare and draw."""
        return request.shown(earlier)

    def show_result(self, result: ShownComparison) -> None:
        """Show a comparison."""
        self.say("")
        self.results.show_comparison(result)

    def restyle(self, column: str) -> None:
        """Draw anew with other names and colours."""
        self._revision += 1
        self.refresh()

    def on_failed(self, problem: str) -> None:
        """Say why the runs cannot be compared."""
        super().on_failed(f"⚠ {problem}")

    def say(self, words: str) -> None:
        """Say something in place of the comparison; nothing shows it."""
        if self.said.text() == COMPARING:
            self.show_status("")
        super().say(words)
        self.results.setVisible(not words)

    def show_status(self, words: str) -> None:
        """Say how a command went."""
        self.said.setText(words)
        self.said.setVisible(bool(words))

    def show_problem(self, problem: str) -> None:
        """Say why a command failed."""
        self.show_status(f"⚠ {problem}")

    def show_pair(self, first: int, second: int) -> None:
        """Show two runs in detail, by their indices among those compared."""
        self._pair = (first, second)
        self.refresh()

    def select(self, mask: npt.NDArray[np.bool_], way: How = "replace") -> None:
        """Select atoms of the pair (n,), if one of its runs is of the present atoms."""
        atoms = self.atoms
        rows = None if self.shown is None or atoms is None else self.shown.rows_in(atoms)
        if rows is None or atoms is None or len(self.controller.selection) != len(atoms):
            self.show_status(NOT_THESE)
            return
        chosen = np.zeros(len(atoms), bool)
        chosen[rows[mask]] = True
        self.select_atoms(chosen, way)
        self.show_status("")

    def paint(self) -> None:
        """Add a difference layer to the image."""
        if (shown := self.shown) is None:
            return
        session = difference_layer.session_of(self.controller, shown.request.image)
        if session is None:
            self.show_status(NO_IMAGE)
        else:
            draw = partial(difference_layer.painted, session, shown.comparison, shown.pair)
            self.in_background(draw, partial(self._on_painted, shown.pair.names))

    def enlarge(self, number: int) -> None:
        """Show a map enlarged, by its index; -1 for the differences."""
        if (shown := self.shown) is None:
            return
        pictures, pair = shown.pictures, shown.pair
        if number < 0:
            title, legend, draw = " ↔ ".join(pair.names), pair_legend(pictures, pair), partial(pictures.of_pair, pair)
        else:
            title, legend = shown.comparison.names[number], runs_legend(pictures)
            draw = partial(pictures.of_run, number)
        self.in_background(partial(draw, side=LARGE), partial(self._on_enlarged, title, legend))

    def save_tables(self, path: Path) -> None:
        """Write the agreement of all pairs, and the atoms of every pair to a second file."""
        if self.shown is not None:
            other = path.with_name(f"{path.stem}_differences{path.suffix}")
            self.save_file(path, partial(write_tables, self.shown, other), f"Saved {path.name} and {other.name}.")

    def save_figure(self, path: Path) -> None:
        """Write the figure of the comparison in the format of the suffix."""
        if self.shown is not None:
            self.save_file(path, partial(write_figure, self.shown))

    def showEvent(self, event: Any) -> None:
        if not self._follows:
            self.controller.viewer.dims.events.current_step.connect(self._on_step)
        self._follows = True
        super().showEvent(event)

    def hideEvent(self, event: Any) -> None:
        if self._follows:
            self.controller.viewer.dims.events.current_step.disconnect(self._on_step)
        self._follows = False

    def _lay_out(self) -> None:
        self.column.setSizeAdjustPolicy(self.column.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for widget, tip in ((self.column, COLUMN_TIP), (self.first, FIRST_TIP), (self.remove, REMOVE_TIP)):
            widget.setToolTip(f"<qt>{tip}</qt>")
        top = row(QtWidgets.QLabel("Compare"), self.column, stretch=self.column)
        below = row(self.first, self.remove)
        panel_layout(self, self.add, top, self.list, below, self.message, self.said, self.results)
        self.show_status("")
        self.say(INTRO)

    def _connect(self) -> None:
        self.add.found.connect(self.list.add)
        self.add.said.connect(self.show_status)
        self.list.changed.connect(self._on_list_changed)
        self.list.currentItemChanged.connect(lambda *_: self._show_list_buttons())
        self.column.activated.connect(lambda _: self._on_list_changed())
        self.first.clicked.connect(lambda _: self.list.put_first())
        self.remove.clicked.connect(lambda _: self.list.remove())
        self.results.linked.connect(self._on_linked)
        self.results.enlarged.connect(self.enlarge)
        self.tools.paired.connect(self.show_pair)
        self.tools.paint.clicked.connect(lambda _: self.paint())
        self.tools.select.clicked.connect(lambda _: self._on_select_clicked())
        self.tools.table.clicked.connect(lambda _: self.ask_table("comparison.csv", self.save_tables))
        self.tools.figure.clicked.connect(lambda _: self.ask_figure("comparison.png", self.save_figure))

    def _show_list_buttons(self) -> None:
        run = self.list.current
        self.first.setEnabled(run is not None and run is not self.list.runs[0])
        self.remove.setEnabled(run is not None and self.list.removable(run))

    def _on_painted(self, names: tuple[str, str], new: LayerData) -> None:
        layer = difference_layer.put(self.controller.viewer, new)
        painted = layer is not None and len(new[0])
        self.show_status(f"Shown in the layer “{layer.name}”." if painted else NONE_DIFFERS.format(*names))

    def _on_enlarged(self, title: str, legend: str, picture: Colors) -> None:
        window = PictureWindow(title, title, self)
        window.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        window.show_picture(pixmap(picture, max(picture.shape)), legend)

    def _on_list_changed(self) -> None:
        self.show_status("")
        self.refresh()

    def _on_linked(self, target: str) -> None:
        """Follow a number of a table that was clicked."""
        kind, *numbers = target.split()
        first, second = map(int, numbers)
        if kind == "pair":
            self.show_pair(first, second)
        elif self.shown is not None:
            self.select(self.shown.in_cell(first, second), keys_held())

    def _on_select_clicked(self) -> None:
        if self.shown is not None:
            self.select(self.tools.differing(self.shown.pair), keys_held())

    def _on_step(self, event: object = None) -> None:
        self.refresh()


def write_tables(shown: ShownComparison, other: Path, path: Path) -> None:
    """Write the agreement of all pairs of runs, and the atoms of every pair to the other file."""
    from local_crystallography.studies.comparison_tables import differences_table, pairs_table

    for each, table in ((path, pairs_table(shown.comparison)), (other, differences_table(shown.comparison))):
        table.to_csv(each, index=False, lineterminator="\n")


def write_figure(shown: ShownComparison, path: Path) -> None:
    """Write the figure of a comparison in the format of the suffix."""
    from local_crystallography.report.comparison import comparison_figure

    figure = comparison_figure(shown.comparison, shown.pictures.styles, shown.request.frame)
    figure.savefig(path, dpi=200, facecolor="white")

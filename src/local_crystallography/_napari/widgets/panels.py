"""Bases of what shows results: a panel on the active image, and a dock of such panels in tabs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.explorer.plot_box import how
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography._napari.session.worker import Report
from local_crystallography._napari.widgets.dialogs import ask_figure, ask_paper, ask_to_save
from local_crystallography._napari.widgets.help import HelpButton
from local_crystallography._napari.widgets.theme import paint, paint_plots
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import writing
from local_crystallography.report.paper_style import PaperStyle
from local_crystallography.views.selection import How
from local_crystallography.views.styles import ClassStyles

T = TypeVar("T")
KEYS = "Shift adds, Alt or Ctrl subtracts, both intersect"
"""Keys that combine a click with the selection there is, for tooltips."""

Tab = tuple[str, QtWidgets.QWidget, str]
"""Name of a tab, its panel (with `set_theme`), and its tooltip."""


WIDEST = 420
"""Width up to which a dock grows with what it shows, in pixels."""


class ResultPanel(QtWidgets.QWidget):  # type: ignore[misc]
    """A panel on the results of the active image; while it is hidden, nothing is computed.

    A panel gives three methods. `request` says what is to be computed (an object with `same`), or what is missing.
    `compute` makes it in a thread. `show_result` shows it. `restyle` is called with a column whose classes have other
    names or colours.
    """

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self.message = narrow_label()
        self.requested: Any = None
        self.result: Any = None
        self._styles = ClassStyles()
        self._latest = LatestTask(self)
        self.destroyed.connect(lambda: self.leave())

    @property
    def busy(self) -> bool:
        """Whether something is computed or written in the background, by the panel or by a part of it."""
        return any(task.busy for task in self.findChildren(LatestTask))

    @property
    def analysis(self) -> Analysis | None:
        """The analysis of the active image."""
        return None if self.controller.active is None else self.controller.active.analysis

    @property
    def atoms(self) -> Atoms | None:
        """The atoms of the active image."""
        return None if self.analysis is None else self.analysis.atoms

    def refresh(self) -> None:
        """Show the active image as it is now; a hidden panel does so when it is shown."""
        if self.isVisible():
            self.show_active()

    def show_active(self) -> None:
        """Show the active image as it is now, and compute what is new."""
        analysis = self.analysis
        self.follow_styles(ClassStyles() if analysis is None else analysis.styles)
        request = self.request(analysis)
        if isinstance(request, str):
            self._latest.drop()
            self.forget()
            self.say(request)
        elif self.requested is None or not request.same(self.requested):
            self.begin(request)

    def request(self, analysis: Analysis | None) -> Any:
        """What is to be computed, or a sentence on what is missing."""
        raise NotImplementedError

    def begin(self, request: Any) -> None:
        """Compute what is requested, with the earlier result at hand."""
        self.requested = request
        self._latest.ask(partial(self.compute, request, self.result), self._on_result, self.on_failed)

    @staticmethod
    def compute(request: Any, earlier: Any) -> Any:
        """The result of a request; static, because no widget may be touched in a thread."""
        raise NotImplementedError

    def show_result(self, result: Any) -> None:
        """Show a result."""
        raise NotImplementedError

    def forget(self) -> None:
        """Drop the result shown."""
        self.requested = self.result = None

    def restyle(self, column: str) -> None:
        """Follow another name or colour of a class."""

    def on_failed(self, problem: str) -> None:
        """Say why there is no result."""
        self.result = None
        self.say(problem)

    def say(self, words: str) -> None:
        """Say something in place of results; nothing hides the line."""
        self.message.setText(words)
        self.message.setVisible(bool(words))

    def show_status(self, words: str) -> None:
        """Say how a command went, in panels that have a line for it."""

    def show_problem(self, problem: str) -> None:
        """Say why a command failed."""
        self.controller.failed.emit(problem)

    def in_background(self, call: Callable[[], T], then: Callable[[T], object]) -> None:
        """Carry out a command in a thread of its own, then go on in that of the window."""
        task = LatestTask(self)

        def end(show: Callable[[Any], object], result: Any) -> None:
            task.deleteLater()
            show(result)

        task.ask(call, partial(end, then), partial(end, self.show_problem))

    def save_file(self, path: Path, write: Callable[[Path], object], words: str = "") -> None:
        """Write a file in the background; `write` must hold no widget."""
        self.show_status(f"Writing {path.name} …")
        done = words or f"Saved {path.name}."
        self.in_background(partial(_write, path, write), lambda _: self.show_status(done))

    def ask_figure(self, name: str, save: Callable[[Path], object]) -> None:
        """Ask where to save a figure, and save it."""
        if path := ask_figure(self, name):
            save(path)

    def ask_paper(self, name: str, save: Callable[[Path, PaperStyle], object]) -> None:
        """Ask where to save a figure for a paper or a slide, and at which width, and save it."""
        if chosen := ask_paper(self, name):
            save(*chosen)

    def ask_table(self, name: str, save: Callable[[Path], object]) -> None:
        """Ask where to save a table, and save it."""
        if path := ask_to_save(self, "Save table", name):
            save(path)

    def select_atoms(self, mask: npt.NDArray[np.bool_], how: How = "replace") -> None:
        """Select atoms by a mask (N,); one of other atoms than those in the viewer is ignored."""
        if len(mask) == len(self.controller.selection):
            self.controller.selection.apply(np.asarray(mask), how, self)

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        paint_plots(self, dark)

    def follow_styles(self, styles: ClassStyles) -> None:
        """Call `restyle` with every change of these names and colours, and of no others."""
        if styles is not self._styles:
            self._styles.changed.disconnect(self.restyle, missing_ok=True)
            self._styles = styles
            styles.changed.connect(self.restyle)

    def leave(self) -> None:
        """Stop following anything that outlives the panel."""
        self._styles.changed.disconnect(self.restyle, missing_ok=True)

    def showEvent(self, event: Any) -> None:
        self.refresh()

    def _on_result(self, result: Any) -> None:
        self.result = result
        self.show_result(result)


class WideEnough(QtWidgets.QScrollArea):  # type: ignore[misc]
    """A scroll area as wide as what is in it, so that nothing is cut; beyond `WIDEST` it scrolls sideways."""

    def minimumSizeHint(self) -> QtCore.QSize:
        """The width of the contents, with room for the vertical scroll bar."""
        hint, widget = super().minimumSizeHint(), self.widget()
        needed = 0 if widget is None else widget.minimumSizeHint().width()
        return QtCore.QSize(min(needed + self.verticalScrollBar().sizeHint().width() + 4, WIDEST), hint.height())

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Follow contents that grow."""
        if event.type() == QtCore.QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))


class TabbedDock(QtWidgets.QWidget):  # type: ignore[misc]
    """Scrollable panels, one per tab. Any job of the controller is shown below them, where it can be cancelled."""

    def __init__(
        self, controller: Controller, tabs: Sequence[Tab], heading: str, parent: QtWidgets.QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.controller = controller
        self.panels: list[Any] = [panel for _, panel, _ in tabs]
        self.tabs, self.progress = QtWidgets.QTabWidget(), QtWidgets.QProgressBar()
        self.cancel, self.words = QtWidgets.QPushButton("Cancel"), QtWidgets.QLabel(wordWrap=True)
        self._lay_out(tabs, heading)
        controller.changed.connect(self._show_job)
        controller.reported.connect(self._on_reported)
        self._show_job()

    def sizeHint(self) -> QtCore.QSize:
        """As narrow as the main dock."""
        return QtCore.QSize(330, 700)

    def set_theme(self, dark: bool) -> None:
        """Follow the dark or the light theme."""
        paint(self, dark)
        for panel in self.panels:
            panel.set_theme(dark)

    def _lay_out(self, tabs: Sequence[Tab], heading: str) -> None:
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Expanding)
        for number, (name, panel, tip) in enumerate(tabs):
            scroll = WideEnough(widgetResizable=True)
            scroll.setWidget(panel)
            scroll.setFrameShape(scroll.Shape.NoFrame)
            scroll.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
            self.tabs.addTab(scroll, name)
            self.tabs.setTabToolTip(number, tip)
        self.tabs.setCornerWidget(HelpButton(heading))
        for widget in (self.words, self.progress):
            widget.setToolTip("Progress of the job")
        self.progress.setTextVisible(False)  # it would be cut off
        self.cancel.setToolTip("Stop the job and keep what is finished")
        self.cancel.clicked.connect(lambda: self.controller.stop(everything=True))
        layout, below = QtWidgets.QVBoxLayout(self), QtWidgets.QHBoxLayout()
        layout.setContentsMargins(6, 4, 6, 4)
        below.addWidget(self.progress, stretch=1)
        below.addWidget(self.cancel)
        layout.addWidget(self.tabs, stretch=1)
        layout.addWidget(self.words)
        layout.addLayout(below)

    def _show_job(self) -> None:
        running = self.controller.running
        if not running:
            # the next one starts anew
            self.progress.reset()
            self.words.clear()
        for widget in (self.words, self.progress, self.cancel):
            widget.setVisible(running)
        self.cancel.setEnabled(not self.controller.runner.stop.everything.is_set())

    def _on_reported(self, report: Report) -> None:
        progress: Any = report.progress
        self.progress.setRange(0, 1000 if progress.fraction else 0)
        self.progress.setValue(round(1000 * progress.fraction))
        self.progress.setFormat(progress.message)
        self.words.setText(progress.message)


def narrow_label(words: str = "") -> QtWidgets.QLabel:
    """A label that breaks its lines; a name without spaces does not make the dock wider."""
    label = QtWidgets.QLabel(words, wordWrap=True)
    label.setMinimumWidth(1)
    return label


def panel_layout(panel: QtWidgets.QWidget, *parts: QtWidgets.QWidget | QtWidgets.QLayout) -> QtWidgets.QVBoxLayout:
    """Parts of a panel below each other, with free room at the end."""
    layout = QtWidgets.QVBoxLayout(panel)
    layout.setContentsMargins(2, 4, 2, 2)
    for part in parts:
        if isinstance(part, QtWidgets.QLayout):
            layout.addLayout(part)
        else:
            layout.addWidget(part)
    layout.addStretch(1)
    return layout


def row(*widgets: QtWidgets.QWidget, stretch: QtWidgets.QWidget | None = None) -> QtWidgets.QHBoxLayout:
    """Widgets side by side; one of them may take the free room."""
    layout = QtWidgets.QHBoxLayout()
    for widget in widgets:
        layout.addWidget(widget, stretch=int(widget is stretch))
    return layout


def keys_held() -> How:
    """How the keys held down combine a click with the selection."""
    return how(QtWidgets.QApplication.keyboardModifiers())


def _write(path: Path, write: Callable[[Path], object]) -> None:
    with writing(path):
        write(path)

"""A dock of tabs, and below them how a job stands that was started in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy import QtCore, QtWidgets

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.worker import Report
from local_crystallography._napari.widgets.help import HelpButton
from local_crystallography._napari.widgets.theme import paint

Tab = tuple[str, QtWidgets.QWidget, str]
"""Its name, what is in it (with `set_theme`), and what is said of it when pointed at."""


class TabbedDock(QtWidgets.QWidget):  # type: ignore[misc]
    """Panels that scroll, one per tab; every job of the controller is seen below them, and can be cancelled there."""

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
        """Light on dark, or the other way round."""
        paint(self, dark)
        for panel in self.panels:
            panel.set_theme(dark)

    def _lay_out(self, tabs: Sequence[Tab], heading: str) -> None:
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Expanding)
        for number, (name, panel, tip) in enumerate(tabs):
            scroll = QtWidgets.QScrollArea(widgetResizable=True)
            scroll.setWidget(panel)
            scroll.setFrameShape(scroll.Shape.NoFrame)
            scroll.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
            scroll.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            self.tabs.addTab(scroll, name)
            self.tabs.setTabToolTip(number, tip)
        self.tabs.setCornerWidget(HelpButton(heading))
        for widget in (self.words, self.progress):
            widget.setToolTip("How far the job is")
        self.progress.setTextVisible(False)  # it would be cut off
        self.cancel.setToolTip("Stop the job and keep what there is of it")
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

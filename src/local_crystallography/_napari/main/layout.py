"""Layout of the main dock: its parts and tooltips, the first steps, and what is remembered between sessions."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.main.side_docks import COMPONENTS, EXPLORER, MANIFOLD, MEASURE, SYMMETRY
from local_crystallography._napari.settings import Settings
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.correct_scan import CorrectScan
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.find_atoms import FindAtoms
from local_crystallography.steps.refine_atoms import RefineAtoms
from local_crystallography.steps.segment import Segment

if TYPE_CHECKING:
    from local_crystallography._napari.main.dock import MainDock

RUN_ALL = "Ctrl+Shift+Return"
SAVE, OPEN, REPORT, FIGURE = "Save session …", "Open session …", "Report …", "Figure …"
TIPS = {
    SAVE: "Save image, results, networks and settings in one folder",
    OPEN: "Open a saved session with its layers",
    FIGURE: "Save what is shown, with scale bar and legend, at the width of a column of a journal or for a slide",
    REPORT: "Save figures, classes, parameters and provenance as one HTML page, and open it",
    EXPLORER: "Plot the columns of the atoms and select atoms with a lasso",
    MANIFOLD: "Show the images decoded across the latent space, and the classes in pictures",
    MEASURE: "Draw a profile across an interface, means of regions, and displacement vectors",
    SYMMETRY: "Test chains, rows of atoms and windows for symmetry, with the certainty of each decision",
    COMPONENTS: "Show statistics of the classes, loadings of baseline methods, window sizes, and results side by side",
}
SOURCES = {
    "probability": (
        FindAtoms.name(),
        "Use the probability map of Segment, or any image layer of the same shape",
    ),
    "atoms": (ExtractSubImages.name(), "Use the atoms of Find atoms, or any points layer"),
}
TITLE = "First steps"
SAMPLE, SAMPLE_TIP = "Try the sample", "Open the sample quick, NiO in LSMO with 1,000 atoms, and run all steps"
STEPS = (
    "Drop an image on the viewer, or try the sample.",
    "<b>Run all</b>: atoms, latents, classes and maps appear. <b>Show</b> chooses what is seen.",
    "<b>Latent explorer</b>: the atoms you draw around in a plot are marked in the image.",
)
DISMISS = "Do not show these steps again; to see them again, use File > Preferences > Local Crystallography"


def arrange(dock: MainDock) -> None:
    """Arrange the parts: image and Run all at the top, scrolling panels, sessions and docks at the bottom."""
    _explain(dock)
    dock.run_all.setMinimumHeight(34)
    top = QtWidgets.QFormLayout()
    top.setFieldGrowthPolicy(top.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    top.addRow("Image", dock.image_box)
    top.addRow("Pixel size", dock.pixel_size)
    top.addRow("Mask", dock.mask)
    shown = QtWidgets.QHBoxLayout()
    shown.setSpacing(2)
    shown.addWidget(dock.show_box, stretch=1)
    for each in dock.class_count.buttons():
        shown.addWidget(each)
    shown.addWidget(dock.buttons[FIGURE])
    top.addRow("Show", shown)
    top.addRow(dock.look)
    layout = QtWidgets.QVBoxLayout(dock)
    layout.setContentsMargins(6, 4, 6, 4)
    layout.setSpacing(4)
    layout.addLayout(top)
    row = QtWidgets.QHBoxLayout()
    row.setSpacing(2)
    row.addWidget(dock.run_all, stretch=1)
    for button in dock.docks.undo.buttons():
        row.addWidget(button)
    layout.addWidget(dock.hint)
    layout.addLayout(row)
    layout.addWidget(dock.news)
    layout.addWidget(_panels(dock), stretch=1)
    for names in ((SAVE, OPEN), (EXPLORER, MANIFOLD, REPORT), (MEASURE, SYMMETRY, COMPONENTS)):
        row = QtWidgets.QHBoxLayout()
        for name in names:
            row.addWidget(dock.buttons[name])
        if SAVE in names:
            row.addWidget(dock.script)
        layout.addLayout(row)


def _panels(dock: MainDock) -> QtWidgets.QScrollArea:
    for name, (panel, _) in SOURCES.items():
        dock.panels[panel].form.rows.insertRow(0, f"{name} from", dock.source_boxes[name])
    for name, watch in dock.watches.items():
        # outside the folding part, so that a training is always visible
        dock.panels[name].layout().insertWidget(2, watch)
    # here too, so that a wrong scale is noticed
    dock.panels[Segment.name()].layout().insertWidget(2, dock.candidates)
    dock.panels[RefineAtoms.name()].addWidget(dock.left_out)
    dock.panels[CorrectScan.name()].addWidget(dock.scan)
    dock.panels[Cluster.name()].addWidget(dock.curve)
    inner, scroll = QtWidgets.QWidget(), dock.scroll
    scroll.setWidgetResizable(True)
    panels = QtWidgets.QVBoxLayout(inner)
    panels.setContentsMargins(0, 0, 4, 0)
    panels.setSpacing(6)
    for panel in dock.panels.values():
        panels.addWidget(panel)
    panels.addStretch(1)
    scroll.setWidget(inner)
    scroll.setFrameShape(scroll.Shape.NoFrame)
    scroll.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
    scroll.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return scroll


def _explain(dock: MainDock) -> None:
    dock.image_box.setToolTip(
        "<qt>The image layer to analyse; a labels layer has to be converted to an image first, by a right-click</qt>"
    )
    dock.run_all.setToolTip(
        f"<qt>Run all steps that are not up to date, in order; optional steps are skipped ({RUN_ALL})</qt>"
    )
    for name, button in dock.buttons.items():
        button.setToolTip(TIPS[name])
    for name, (_, tip) in SOURCES.items():
        dock.source_boxes[name].setToolTip(tip)


class Hint(QtWidgets.QGroupBox):  # type: ignore[misc]
    """The first steps, in a box that can be closed, with a sample to try."""

    dismissed = QtCore.Signal()
    tried = QtCore.Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(TITLE, parent)
        self.close_button = QtWidgets.QToolButton(text="✕", toolTip=DISMISS, autoRaise=True)
        self.close_button.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.close_button.setAccessibleName("Close the first steps")
        self.close_button.clicked.connect(lambda: self.dismissed.emit())
        top = QtCore.Qt.AlignmentFlag.AlignTop
        # a single label, since wrapped labels below each other get too much room
        rows = "".join(f"<tr><td><b>{number}</b></td><td>{text}</td></tr>" for number, text in enumerate(STEPS, 1))
        self.sample = QtWidgets.QPushButton(SAMPLE, toolTip=SAMPLE_TIP)
        self.sample.clicked.connect(lambda: self.tried.emit())
        layout = QtWidgets.QGridLayout(self)
        layout.setContentsMargins(4, 8, 4, 4)
        layout.setSpacing(0)
        layout.addWidget(QtWidgets.QLabel(f"<table cellpadding=3>{rows}</table>", wordWrap=True), 0, 0)
        layout.addWidget(self.close_button, 0, 1, alignment=top)
        layout.addWidget(self.sample, 1, 0, 1, 2)
        layout.setColumnStretch(0, 1)


class DockState(QtCore.QObject):  # type: ignore[misc]
    """Restores the dock as it was left: unfolded panels, first steps, training device; and remembers changes."""

    def __init__(self, dock: MainDock) -> None:
        super().__init__(dock)
        self.dock, self.settings, self._device = dock, Settings(), ""
        for name in self.settings.unfolded & set(dock.panels):
            dock.panels[name].expand(animate=False)
        for panel in dock.panels.values():
            panel.toggled.connect(self._on_toggled)
        dock.hint.dismissed.connect(self._on_dismissed)
        dock.controller.changed.connect(self._on_controller_changed)
        self.settings.follow(self._on_settings_changed)
        shortcut = QtGui.QShortcut(QtGui.QKeySequence(RUN_ALL), dock)
        shortcut.setContext(QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(dock.run_all.click)
        tab_in_reading_order(dock)
        self._on_settings_changed()

    def leave(self) -> None:
        """Disconnect from the settings."""
        self.settings.leave(self._on_settings_changed)

    def _on_toggled(self) -> None:
        self.settings.unfolded = frozenset(name for name, panel in self.dock.panels.items() if panel.isExpanded())

    def _on_dismissed(self) -> None:
        self.settings.shows_hint = False
        self._on_settings_changed()

    def _on_controller_changed(self) -> None:
        session = self.dock.session
        if session is not None and session.analysis.maps is not None and self.settings.shows_hint:
            self._on_dismissed()

    def _on_settings_changed(self, event: Any = None) -> None:
        self.dock.hint.setVisible(self.settings.shows_hint)
        device = self.settings.device
        if device != self._device and (device or self._device):
            for name in self.dock.watches:
                self.dock.panels[name].form.fields["device"].set(device)
        self._device = device or ""


def tab_in_reading_order(root: QtWidgets.QWidget) -> None:
    """Let the Tab key visit the controls in reading order."""
    controls = [widget for widget in _in_order(root) if widget.focusPolicy() & QtCore.Qt.FocusPolicy.TabFocus]
    for before, after in pairwise(controls):
        QtWidgets.QWidget.setTabOrder(before, after)


def _in_order(widget: QtWidgets.QWidget) -> list[QtWidgets.QWidget]:
    """A widget and the contents of its layout, in the order of the layout."""
    found = [widget]
    if isinstance(widget, QtWidgets.QScrollArea) and widget.widget() is not None:
        return found + _in_order(widget.widget())
    if (layout := widget.layout()) is not None:
        found += _in_layout(layout)
    return found


def _in_layout(layout: QtWidgets.QLayout) -> list[QtWidgets.QWidget]:
    found = []
    order = list(range(layout.count()))
    if isinstance(layout, QtWidgets.QFormLayout):  # rows inserted later come last
        order.sort(key=lambda index: layout.getItemPosition(index)[0])
    for item in map(layout.itemAt, order):
        if item.widget() is not None:
            found += _in_order(item.widget())
        elif item.layout() is not None:
            found += _in_layout(item.layout())
    return found

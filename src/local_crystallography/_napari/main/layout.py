"""Layout of the main dock, and its tooltips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy import QtCore, QtWidgets

from local_crystallography._napari.main.side_docks import COMPONENTS, EXPLORER, MANIFOLD, SYMMETRY
from local_crystallography._napari.main.state import RUN_ALL

if TYPE_CHECKING:
    from local_crystallography._napari.main.dock import MainDock

SAVE, OPEN, REPORT = "Save session …", "Open session …", "Report …"
TIPS = {
    SAVE: "Save image, results, networks and settings in one folder",
    OPEN: "Open a saved folder, with its layers",
    REPORT: "Save figures, classes, parameters and provenance as one HTML page, and open it",
    EXPLORER: "Show the atoms by their columns, to select with a lasso",
    MANIFOLD: "Show what the network decodes all over its latents, and the classes in pictures",
    SYMMETRY: "Show when a chain, a row of atoms or a window is known to be symmetric, and how sure one can be",
    COMPONENTS: "Show the classes in numbers, loadings of baselines, several windows, and results side by side",
}
SOURCES = {
    "probability": (
        "find_atoms",
        "Take the probability map from Segment, or from any image layer of the same shape",
    ),
    "atoms": ("extract_sub_images", "Take the atoms from Find atoms, or from any points layer"),
}


def arrange(dock: MainDock) -> None:
    """Lay the parts out: image and Run all on top, panels that scroll, sessions at the bottom."""
    _explain(dock)
    dock.run_all.setMinimumHeight(34)
    dock.progress.setFixedHeight(12)
    top = QtWidgets.QFormLayout()
    top.setFieldGrowthPolicy(top.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    top.addRow("Image", dock.image_box)
    top.addRow("Mask", dock.mask)
    top.addRow("Colour atoms by", dock.colour_box)
    layout = QtWidgets.QVBoxLayout(dock)
    layout.setContentsMargins(6, 4, 6, 4)
    layout.setSpacing(4)
    layout.addLayout(top)
    for widget in (dock.hint, dock.run_all, dock.progress, dock.message):
        layout.addWidget(widget)
    layout.addWidget(_panels(dock), stretch=1)
    for names in ((SAVE, OPEN, REPORT), (EXPLORER, MANIFOLD), (SYMMETRY, COMPONENTS)):
        row = QtWidgets.QHBoxLayout()
        for name in names:
            row.addWidget(dock.buttons[name])
        layout.addLayout(row)


def _panels(dock: MainDock) -> QtWidgets.QScrollArea:
    for name, (panel, _) in SOURCES.items():
        dock.panels[panel].form.rows.insertRow(0, f"{name} from", dock.source_boxes[name])
    for name, watch in dock.watches.items():
        # outside the part that folds, so that a training is seen whatever is unfolded
        dock.panels[name].layout().insertWidget(2, watch)
    # here too, or a wrong scale would not be noticed
    dock.panels["segment"].layout().insertWidget(2, dock.candidates)
    dock.panels["refine_atoms"].addWidget(dock.left_out)
    dock.panels["correct_scan"].addWidget(dock.scan)
    dock.panels["cluster"].addWidget(dock.curve)
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
    dock.image_box.setToolTip("The image layer to analyse")
    dock.run_all.setToolTip(
        f"<qt>Run every step that is not up to date, in order; optional steps are left out ({RUN_ALL})</qt>"
    )
    for name, button in dock.buttons.items():
        button.setToolTip(TIPS[name])
    for name, (_, tip) in SOURCES.items():
        dock.source_boxes[name].setToolTip(tip)

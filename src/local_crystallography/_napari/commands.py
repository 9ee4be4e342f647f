"""Commands in the menus of the viewer: steps on the active image, averages of stacks, and docks."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import napari.viewer
from napari.layers import Image as ImageLayer
from napari.qt.threading import create_worker
from napari.utils.notifications import show_warning
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers import convert, geometry, layer_pixels
from local_crystallography._napari.main.dock import MainDock
from local_crystallography._napari.main.step_panel import StepPanel
from local_crystallography._napari.widgets.timers import later
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job
from local_crystallography.steps.average_frames import ROUNDS, AverageFrames, FrameAverage
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.find_atoms import FindAtoms
from local_crystallography.steps.measure_lattice import MeasureLattice
from local_crystallography.steps.paint_map import PaintMap
from local_crystallography.steps.refine_atoms import RefineAtoms
from local_crystallography.steps.segment import Segment

DOCK = "Analyse image … (Local Crystallography)"
"""The name that napari gives to the dock when it is opened from the menu, which then can close it as well."""


def find_atoms(viewer: napari.viewer.Viewer) -> None:
    """Run Segment, Find atoms and Refine atoms with the settings of the panels."""
    run(viewer, Segment.name(), FindAtoms.name(), RefineAtoms.name())


def measure_lattice(viewer: napari.viewer.Viewer) -> None:
    """Run Measure lattice with the settings of its panel."""
    run(viewer, MeasureLattice.name())


def classes(viewer: napari.viewer.Viewer) -> None:
    """Run Cluster with the settings of its panel."""
    run(viewer, Cluster.name())


def paint_map(viewer: napari.viewer.Viewer) -> None:
    """Show the panel of Paint map, to choose columns."""
    dock = main_dock(viewer)
    if chosen(dock, viewer):
        bring_into_view(dock.panels[PaintMap.name()])
        missing = dock.session.missing(dock.panels[PaintMap.name()].form.step()) if dock.session else None
        if missing:
            show_warning(missing)


def run(viewer: Any, *names: str) -> None:
    """Run steps on the active image, or show why that is not possible."""
    dock = main_dock(viewer)
    if not chosen(dock, viewer):
        return
    panels = [dock.panels[name] for name in names]
    bring_into_view(panels[-1])
    problem = next(filter(None, (panel.form.problem() for panel in panels)), "")
    missing = None if problem or dock.session is None else dock.session.missing(panels[0].form.step())
    if problem or missing:
        show_warning(problem or missing)
    else:
        dock.controller.run(tuple(panel.form.step() for panel in panels), again=len(panels) == 1)


def chosen(dock: MainDock, viewer: Any) -> bool:
    """Choose the active image, or that of the active layer, in the dock; warn and return False if impossible."""
    layer = viewer.layers.selection.active
    images = [each for each in viewer.layers if isinstance(each, ImageLayer) and not convert.is_result(each)]
    image = next(
        (each for each in images if layer is not None and (each == layer or convert.belongs(layer, each))), None
    )
    if dock.controller.running:
        show_warning("A step is running. Wait until it has finished, or stop it.")
    elif image is None:
        problem = "No layer is selected" if layer is None else f"{layer.name} is not an image"
        show_warning(f"{problem}. Select an image layer, or open an image with File > Open.")
    else:
        dock.image_box.choose(image)
    return image is not None and not dock.controller.running


def main_dock(viewer: Any) -> MainDock:
    """The main dock of a viewer, opened if necessary and brought to the front."""
    docks = viewer.window.dock_widgets
    dock = next((each for each in docks.values() if isinstance(each, MainDock)), None)
    if dock is None:
        dock = MainDock(viewer)
        viewer.window.add_dock_widget(dock, name=DOCK)
    frame = dock.parentWidget()
    if isinstance(frame, QtWidgets.QDockWidget):
        frame.show()
        frame.raise_()
    return dock


def bring_into_view(panel: StepPanel) -> None:
    """Unfold a panel, scroll to it and give it the keyboard focus."""
    panel.expand(animate=False)
    panel.toggleButton().setFocus()
    parent = panel.parentWidget()
    while parent is not None and not isinstance(parent, QtWidgets.QScrollArea):
        parent = parent.parentWidget()
    if parent is not None:
        # the panel has its full height only after the layout
        later(parent, 50, partial(parent.ensureWidgetVisible, panel))


def average_frames(viewer: napari.viewer.Viewer) -> None:
    """Align and average the frames of the selected stack in the background, and add the average as a layer."""
    layer = viewer.layers.selection.active
    if not isinstance(layer, ImageLayer) or layer.ndim != 3:
        problem = "No layer is selected" if layer is None else f"{layer.name} is not a stack of frames"
        show_warning(f"{problem}. Select an image layer with the axes (frame, y, x).")
        return
    progress = {
        "desc": f"Averaging the frames of {layer.name}",
        "total": (1 + ROUNDS) * layer_pixels.frame_count(layer),
    }
    worker = create_worker(averaged, layer, _progress=progress, _start_thread=False)
    worker.returned.connect(partial(add_average, viewer, layer))
    worker.start()


def averaged(layer: Any) -> Job[FrameAverage | str]:
    """The average of a layer, or a sentence on why there is none; in any thread."""
    try:
        return (yield from AverageFrames().averaging(convert.image_from(layer)))
    except InputError as error:
        return str(error)


def add_average(viewer: Any, layer: Any, average: FrameAverage | str) -> None:
    """Add the average as a layer with the placement of its stack and the shifts in its metadata."""
    if isinstance(average, str):
        show_warning(average)
        return
    if average.remark:
        show_warning(average.remark)
    step = AverageFrames()
    note = {
        **average.image.metadata,
        "average_of": layer.name,
        "shifts_px": average.shifts.round(3).tolist(),
        "steps": {step.name(): step.model_dump(mode="json")},
    }
    viewer.add_image(
        average.image.data,
        name=f"{layer.name}, average",
        metadata={convert.KEY: note},
        colormap=layer.colormap,
        **geometry.flat(geometry.placement_of(layer)),
    )


class DockOpener(QtWidgets.QWidget):  # type: ignore[misc]
    """Opens a side dock in place of itself, since napari's plugin menu can only open widgets that it docks itself."""

    opens: ClassVar[str]

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer

    def event(self, event: Any) -> bool:
        """Open the side dock as soon as napari has docked this widget."""
        if event.type() == QtCore.QEvent.Type.ParentChange and self.parent() is not None:
            QtCore.QTimer.singleShot(0, self.open)
        return bool(super().event(event))

    def open(self) -> None:
        """Replace this widget by the side dock."""
        viewer = self.viewer
        if any(each == self for each in viewer.window.dock_widgets.values()):
            viewer.window.remove_dock_widget(self)
            self.deleteLater()
            getattr(main_dock(viewer).docks, self.opens)()


class ExplorerOpener(DockOpener):
    """Opens the latent explorer."""

    opens = "show_explorer"


class ManifoldOpener(DockOpener):
    """Opens the manifold."""

    opens = "show_manifold"


class SymmetryOpener(DockOpener):
    """Opens the symmetry dock."""

    opens = "show_symmetry"


class MeasureOpener(DockOpener):
    """Opens the measure dock: profile, regions and vectors."""

    opens = "show_measure"


class ComponentsOpener(DockOpener):
    """Opens the components dock: classes, loadings, windows and comparison."""

    opens = "show_components"

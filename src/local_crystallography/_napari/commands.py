"""Commands of the viewer's menus: each works on the active image, in the panels."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import napari.viewer
from napari.layers import Image as ImageLayer
from napari.utils.notifications import show_warning
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers import convert
from local_crystallography._napari.main.dock import MainDock
from local_crystallography._napari.main.step_panel import StepPanel
from local_crystallography._napari.widgets.timers import later

NAME = "Local Crystallography"
DOCK = f"{NAME} ({NAME})"
"""The name napari gives to a dock that is opened from its menu, which then closes it as well."""


def find_atoms(viewer: napari.viewer.Viewer) -> None:
    """Segment, Find atoms and Refine atoms, as the panels are set."""
    run(viewer, "segment", "find_atoms", "refine_atoms")


def measure_lattice(viewer: napari.viewer.Viewer) -> None:
    """Measure lattice, as its panel is set."""
    run(viewer, "measure_lattice")


def classes(viewer: napari.viewer.Viewer) -> None:
    """Cluster, as its panel is set."""
    run(viewer, "cluster")


def paint_map(viewer: napari.viewer.Viewer) -> None:
    """Bring the panel of Paint map into view, to choose columns."""
    dock = main_dock(viewer)
    if chosen(dock, viewer):
        bring_into_view(dock.panels["paint_map"])
        missing = dock.session.missing(dock.panels["paint_map"].form.step()) if dock.session else None
        if missing:
            show_warning(missing)


def run(viewer: Any, *names: str) -> None:
    """Run steps on the active image, or say in one sentence why not."""
    dock = main_dock(viewer)
    if not chosen(dock, viewer):
        return
    panels = [dock.panels[name] for name in names]
    bring_into_view(panels[-1])
    problem = next((said for panel in panels if (said := panel.form.problem())), "")
    missing = None if problem or dock.session is None else dock.session.missing(panels[0].form.step())
    if problem or missing:
        show_warning(problem or missing)
    else:
        dock.controller.run(tuple(panel.form.step() for panel in panels), again=len(panels) == 1)


def chosen(dock: MainDock, viewer: Any) -> bool:
    """Have the dock work on the active image, or on the one the active layer was made of; say why it cannot."""
    layer = viewer.layers.selection.active
    images = [each for each in viewer.layers if isinstance(each, ImageLayer) and not convert.is_result(each)]
    image = next(
        (each for each in images if layer is not None and (each == layer or convert.belongs(layer, each))), None
    )
    if dock.controller.running:
        show_warning("A step is running: wait until it has ended, or stop it.")
    elif image is None:
        came = "No layer is selected" if layer is None else f"{layer.name} is no image"
        show_warning(f"{came}, an image layer was expected: select one, or open one with File > Open.")
    else:
        dock.image_box.choose(image)
    return image is not None and not dock.controller.running


def main_dock(viewer: Any) -> MainDock:
    """The main dock of a viewer; it is opened where there is none, and shown where it is hidden."""
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
    """Unfold a panel, scroll to it and give it the keyboard."""
    panel.expand(animate=False)
    panel.toggleButton().setFocus()
    parent = panel.parentWidget()
    while parent is not None and not isinstance(parent, QtWidgets.QScrollArea):
        parent = parent.parentWidget()
    if parent is not None:
        # the panel has its height only after the layout
        later(parent, 50, partial(parent.ensureWidgetVisible, panel))


class DockOpener(QtWidgets.QWidget):  # type: ignore[misc]
    """Opens a dock beside the main one, and goes: napari's menu of plugins knows only widgets that it docks itself."""

    opens: ClassVar[str]

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer

    def event(self, event: Any) -> bool:
        """Open as soon as napari has put this into a dock of its own."""
        if event.type() == QtCore.QEvent.Type.ParentChange and self.parent() is not None:
            QtCore.QTimer.singleShot(0, self.open)
        return bool(super().event(event))

    def open(self) -> None:
        """Take the place of this."""
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


class ComponentsOpener(DockOpener):
    """Opens classes, loadings, windows and comparison."""

    opens = "show_components"

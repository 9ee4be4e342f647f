"""Viewer with a finished analysis, for the demo and the pictures in the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
from qtpy import QtWidgets

from local_crystallography.analysis import Analysis

PLUGIN, DOCK = "napari-local-crystallography", "Analyse image …"
SIZE = (1280, 800)


def open_viewer(analysis: Analysis | None = None) -> napari.Viewer:
    """A viewer with the main dock and, for an analysis, all its layers and the latent explorer."""
    viewer = napari.Viewer(title="Local Crystallography", show_welcome_screen=False)
    viewer.window.resize(*SIZE)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)
    if analysis is not None:
        dock.controller.adopt(analysis)
        viewer.reset_view()
    return viewer


def screenshot(viewer: Any, path: str | Path) -> None:
    """Save a picture of the whole window as it is drawn now."""
    for _ in range(20):
        QtWidgets.QApplication.processEvents()
    viewer.window.screenshot(str(path), canvas_only=False, flash=False)


def run() -> None:
    """Run the program until its windows are closed."""
    napari.run()

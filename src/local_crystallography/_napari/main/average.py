"""The frames of a stack averaged, from the menu of the viewer."""

from __future__ import annotations

from functools import partial
from typing import Any

import napari.viewer
from napari.layers import Image as ImageLayer
from napari.qt.threading import create_worker
from napari.utils.notifications import show_warning

from local_crystallography._napari.layers import convert
from local_crystallography.data.errors import InputError
from local_crystallography.steps.average_frames import AverageFrames, FrameAverage


def average_frames(viewer: napari.viewer.Viewer) -> None:
    """Align and average the frames of the selected stack in the background, and add the average as a layer."""
    layer = viewer.layers.selection.active
    if not isinstance(layer, ImageLayer) or layer.ndim != 3:
        came = "No layer is selected" if layer is None else f"{layer.name} is no stack of frames"
        show_warning(f"{came}, an image layer of (frames, y, x) was expected; select one.")
        return
    progress = {"desc": f"Averaging the frames of {layer.name}", "total": 0}
    worker = create_worker(averaged, layer, _progress=progress, _start_thread=False)
    worker.returned.connect(partial(show, viewer, layer))
    worker.start()


def averaged(layer: Any) -> FrameAverage | str:
    """The average of a layer, or a sentence that says why there is none; in any thread."""
    try:
        return AverageFrames().average(convert.image_from(layer))
    except InputError as error:
        return str(error)


def show(viewer: Any, layer: Any, average: FrameAverage | str) -> None:
    """Add the average as a layer that lies where its stack does, with the shifts in its metadata."""
    if isinstance(average, str):
        show_warning(average)
        return
    step = AverageFrames()
    note = {
        **average.image.metadata,
        "average_of": layer.name,
        "shifts_px": average.shifts.round(3).tolist(),
        "steps": {step.name(): step.model_dump(mode="json")},
    }
    place = {name: getattr(layer, name)[-2:] for name in ("scale", "translate", "units")}
    viewer.add_image(
        average.image.data,
        name=f"{layer.name}, average",
        metadata={convert.KEY: note},
        colormap=layer.colormap,
        **place,
    )

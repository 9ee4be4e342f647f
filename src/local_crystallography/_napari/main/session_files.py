"""Saved sessions: as layers for a drop on the viewer, and the dialogs of the dock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy import QtWidgets

from local_crystallography._napari.layers import convert
from local_crystallography._napari.layers.convert import LayerData
from local_crystallography.analysis import Analysis
from local_crystallography.clustering.summary import telling_map
from local_crystallography.io.provenance import PROVENANCE


def is_session(folder: Path) -> bool:
    """Whether a folder was written by `Analysis.save`."""
    return folder.is_dir() and (folder / PROVENANCE).is_file()


def session_layers(folder: Path) -> list[LayerData]:
    """Image, probability map, painted maps and atoms of a session, from the bottom to the top."""
    analysis = Analysis.open(folder)
    image = analysis.image
    if image is None:
        return []
    place = convert.placement(image)

    def note(result: str) -> dict[str, str]:
        return {"session": str(folder.resolve()), "result": result, "image": image.name}

    data, arguments, kind = convert.layer_of(image)
    own = {convert.KEY: {**arguments["metadata"][convert.KEY], **note("image")}}
    found = [(data, {**arguments, "metadata": own}, kind)]
    if analysis.probability is not None:
        values, std = analysis.probability.values, analysis.probability.std
        data, arguments, kind = convert.probability_layer(values, place, note(convert.PROBABILITY))
        found.append((data, {**arguments, "visible": False}, kind))
        found += [] if std is None else [convert.std_layer(std, place, note(convert.STD))]
    first = "label" if analysis.atoms is None else telling_map(analysis.atoms)
    maps = (analysis.maps or {}).items()
    found += [convert.map_layer(name, values, place, note(name), first=first) for name, values in maps]
    if analysis.atoms is not None:
        colour, stack = convert.default_colour(analysis.atoms), image.data.ndim == 3
        found.append(convert.points_from(analysis.atoms, place, note("atoms"), colour=colour, stack=stack))
    return found


def ask_folder_to_save(parent: Any, name: str, start: Path | None) -> Path | None:
    """Where to write a session, first offered in the folder `start`; None for cancelled."""
    path, _ = QtWidgets.QFileDialog.getSaveFileName(
        parent,
        "Save the session as a folder",
        name if start is None else str(start / name),
        options=QtWidgets.QFileDialog.Option.ShowDirsOnly,
    )
    return Path(path) if path else None


def ask_folder_to_open(parent: Any, start: Path | None) -> Path | None:
    """Which session to open, first looked for in the folder `start`; None for cancelled."""
    path = QtWidgets.QFileDialog.getExistingDirectory(parent, "Open the folder of a session", str(start or ""))
    return Path(path) if path else None

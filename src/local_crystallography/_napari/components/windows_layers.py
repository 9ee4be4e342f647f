"""The maps of a run of a window study as layers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from local_crystallography._napari.bench.work import Work
from local_crystallography._napari.viewer import layers, rings
from local_crystallography._napari.viewer.named_layers import NamedLayers

Maps = Mapping[str, npt.NDArray[np.floating]]

SHOWN = re.compile(r"angle_rad|z\d+|label")
"""Columns of a run that are shown."""


def show_maps(viewer: Any, work: Work, run: str, maps: Maps) -> list[Any]:
    """Put maps of a run, by column, above all other maps of the image, each in a layer named after run and column.

    Its classes are seen, those of other runs and of the analysis are hidden: one would lie on the other.
    """
    own = NamedLayers(viewer, work.layer)
    for layer in viewer.layers:
        name = layers.note_of(layer).get("result", "")
        if layers.belongs(layer, work.layer) and name not in ("atoms", rings.NAME):
            own.take(name, layer)
            if layers.is_result(layer) and name.split(" ")[-1] in ("label", "hand_label"):
                layer.visible = False
    place, shown = layers.placement_of(work.layer), []
    for column, values in maps.items():
        name = f"{run} {column}"
        data, arguments, kind = layers.map_layer(column, values, place, _note(work, name), work.analysis.styles)
        own.put(name, (data, {**arguments, "name": name}, kind))
        shown.append(own.get(name))
    for layer in shown:
        layer.visible = layer.name.endswith(" label")
    return shown


def _note(work: Work, name: str) -> dict[str, str]:
    image = work.analysis.image
    return {"result": name, "of": work.key, "image": "" if image is None else image.name}

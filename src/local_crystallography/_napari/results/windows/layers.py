"""The maps of a run of a window study as layers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from local_crystallography._napari.layers import convert, rings
from local_crystallography._napari.layers.named_layers import NamedLayers
from local_crystallography._napari.session.image_session import ImageSession

Maps = Mapping[str, npt.NDArray[np.floating]]

SHOWN = re.compile(r"angle_rad|z\d+|label")
"""Columns of a run that are shown."""


def show_maps(viewer: Any, session: ImageSession, run: str, maps: Maps) -> list[Any]:
    """Put maps of a run, by column, above all other maps of the image, each in a layer named after run and column.

    Its classes are seen, those of other runs and of the analysis are hidden: one would lie on the other.
    """
    own = NamedLayers(viewer, session.layer)
    for layer in viewer.layers:
        name = convert.note_of(layer).get("result", "")
        if convert.belongs(layer, session.layer) and name not in ("atoms", rings.NAME):
            own.take(name, layer)
            if convert.is_result(layer) and name.split(" ")[-1] in ("label", "hand_label"):
                layer.visible = False
    place, shown = convert.placement_of(session.layer), []
    for column, values in maps.items():
        name = f"{run} {column}"
        data, arguments, kind = convert.map_layer(column, values, place, _note(session, name), session.analysis.styles)
        own.put(name, (data, {**arguments, "name": name}, kind))
        shown.append(own.get(name))
    for layer in shown:
        layer.visible = layer.name.endswith(" label")
    return shown


def _note(session: ImageSession, name: str) -> dict[str, str]:
    image = session.analysis.image
    return {"result": name, "of": session.key, "image": "" if image is None else image.name}

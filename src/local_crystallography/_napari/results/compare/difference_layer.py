"""Differences between two runs, in a points layer of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Layer

from local_crystallography._napari.layers import convert, geometry
from local_crystallography._napari.results.compare.pictures import difference_colours
from local_crystallography._napari.results.compare.runs import mark_of
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography.studies.comparison import Agreement, Comparison, Pair
from local_crystallography.views.axis import axis_of

COMPARED = "compared"
"""Key of the runs in the notes of a layer of differences."""
SIZE = 1.6
"""Diameter of a point over that of an atom, so that it is visible around it."""


def sessions(controller: Controller) -> Iterator[ImageSession]:
    """The sessions of the images of the viewer, the active one first."""
    if controller.active is not None:
        yield controller.active
    for layer in controller.viewer.layers:
        session = controller.sessions.get(str(layer.unique_id))
        if session is not None and session is not controller.active:
            yield session


def session_of(controller: Controller, image: str) -> ImageSession | None:
    """The session of the image with a mark; the active one for an unknown mark, None if there is none."""
    for session in sessions(controller):
        if session.analysis.image is not None and (not image or mark_of(session.analysis.image) == image):
            return session
    return None


def painted(session: ImageSession, comparison: Comparison, pair: Pair) -> convert.LayerData:
    """Layer of the atoms whose class differs, or of all atoms coloured by the difference of their numbers."""
    first, second = (comparison.atoms[name][rows] for name, rows in zip(pair.names, pair.rows.T, strict=True))
    of_classes = isinstance(pair.found, Agreement)
    differs = pair.found.differ if isinstance(pair.found, Agreement) else np.isfinite(pair.found.deviation)
    shown, atoms = np.flatnonzero(differs), first[differs]
    features = _values(comparison, pair, shown).assign(id=atoms.ids, id_second=second.ids[shown])
    title = axis_of(comparison.column).title
    arguments = {
        "name": f"{title} {'differs' if of_classes else 'difference'}: {pair.names[1]} / {pair.names[0]}",
        "features": features,
        "feature_defaults": convert.feature_defaults(features),
        "size": (SIZE if of_classes else 1.0) * convert.point_size(first),
        "face_color": difference_colours(pair)[shown] / 255 if len(shown) else "red",
        "border_width": 0.0,
        "metadata": {convert.KEY: {"of": session.key, COMPARED: [*pair.names, comparison.column]}},
    }
    return (
        convert.coordinates(atoms, session.results.stack),
        {**arguments, **geometry.placement_of(session.layer)},
        "points",
    )


def put(viewer: Any, new: convert.LayerData) -> Any:
    """Show differences on top, in the earlier layer of the same runs if there is one; None where nothing differs."""
    note = new[1]["metadata"][convert.KEY]
    for layer in viewer.layers:
        if convert.note_of(layer).get(COMPARED) == note[COMPARED] and convert.note_of(layer).get("of") == note["of"]:
            convert.update(layer, new)
            layer.visible = True
            return layer
    if not len(new[0]):
        return None
    selected = set(viewer.layers.selection)
    layer = Layer.create(*new)
    viewer.layers.append(layer)
    viewer.layers.selection = selected
    return layer


def _values(comparison: Comparison, pair: Pair, shown: Any) -> pd.DataFrame:
    """Values of both runs for the atoms shown, and the difference of numbers."""
    values = {
        f"{comparison.column}_{which}": comparison.values[run][rows[shown]]
        for which, run, rows in zip(("first", "second"), pair.runs, pair.rows.T, strict=True)
    }
    if not isinstance(pair.found, Agreement):
        values["difference"] = pair.found.deviation[shown]
    return pd.DataFrame(values)

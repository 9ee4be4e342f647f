"""Hollow points over the atoms: rings around the selected atoms, and the atoms that Refine atoms left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography._napari.layers import convert, geometry
from local_crystallography.data.atoms import Atoms
from local_crystallography.steps.refine_atoms import by_hand

NAME = "selected atoms"
RING, RING_SIZE = "#ffffff", 1.8
LEFT_OUT, LEFT_OUT_COLOUR = "atoms left out", "#ff40ff"
REASON = "left_out"


def made(places: npt.NDArray[np.float64], place: geometry.Placement, note: Any, *, size: float) -> convert.LayerData:
    """The selected atoms, at (n, 2 or 3) positions, as bright rings around points of a given size."""
    return _hollow(places, place, note, name=NAME, size=RING_SIZE * size, border_color=RING, border_width=0.15)


def move(layer: Any, places: npt.NDArray[np.float64], size: float) -> None:
    """Move the rings to other atoms; only what changes is set, since each assignment redraws the layer."""
    layer.current_size = RING_SIZE * size
    layer.data = places
    if len(places) and not np.allclose(layer.size, RING_SIZE * size):
        layer.size = RING_SIZE * size


def left_out(atoms: Atoms, place: geometry.Placement, note: Any, *, size: float, stack: bool) -> convert.LayerData:
    """Atoms left out as a hidden layer; the reason is the first column, so that napari shows it under the pointer."""
    features = atoms.features[[REASON, *(name for name in atoms.features if name != REASON)]]
    table = {"features": features, "feature_defaults": convert.feature_defaults(features), "visible": False}
    look = {"name": LEFT_OUT, "size": size, "border_color": LEFT_OUT_COLOUR, "border_width": 0.2}
    return _hollow(convert.coordinates(atoms, stack), place, note, **look, **table)


def joined(atoms: Atoms, restored: Atoms) -> Atoms:
    """Atoms together with restored ones; a restored atom whose number is in use gets a new one."""
    ids = restored.ids.copy()
    twice = np.isin(ids, atoms.ids)
    ids[twice] = max(atoms.ids.max(initial=-1), ids.max(initial=-1)) + 1 + np.arange(twice.sum())
    one, other = atoms.with_features(kept=by_hand(atoms)), restored.with_features(id=ids, kept=True)
    features = pd.concat([one.features, other.features.reindex(columns=list(one.features))])
    return Atoms(np.concatenate([atoms.yx, restored.yx]), features, atoms.pixel_size)


def _hollow(places: npt.NDArray[np.float64], place: geometry.Placement, note: Any, **look: Any) -> convert.LayerData:
    arguments = {
        "canvas_size_limits": convert.SIZES,
        "face_color": "transparent",
        "metadata": {convert.KEY: note},
        **look,
        **place,
    }
    return places, arguments, "points"

"""The atoms that Refine atoms left out, as points that can be taken back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from local_crystallography._napari.layers import convert
from local_crystallography.data.atoms import Atoms
from local_crystallography.steps.refine_atoms import by_hand

NAME, REASON = "atoms left out", "left_out"
COLOUR = "#ff40ff"


def made(atoms: Atoms, place: convert.Placement, note: Any, *, size: float, stack: bool) -> convert.LayerData:
    """Atoms left out as hollow points, hidden at first; the reason comes first when they are pointed at."""
    features = atoms.features[[REASON, *(name for name in atoms.features if name != REASON)]]
    arguments = {
        "name": NAME,
        "features": features,
        "feature_defaults": convert.feature_defaults(features),
        "size": size,
        "face_color": "transparent",
        "border_color": COLOUR,
        "border_width": 0.2,
        "visible": False,
        "metadata": {convert.KEY: note},
    }
    return convert.coordinates(atoms, stack), {**arguments, **place}, "points"


def joined(atoms: Atoms, taken_back: Atoms) -> Atoms:
    """Atoms with others that are wanted after all; of two with one number the second gets a new one."""
    ids = taken_back.ids.copy()
    twice = np.isin(ids, atoms.ids)
    ids[twice] = max(atoms.ids.max(initial=-1), ids.max(initial=-1)) + 1 + np.arange(twice.sum())
    one, other = atoms.with_features(kept=by_hand(atoms)), taken_back.with_features(id=ids, kept=True)
    features = pd.concat([one.features, other.features.reindex(columns=list(one.features))])
    return Atoms(np.concatenate([atoms.yx, taken_back.yx]), features, atoms.pixel_size)

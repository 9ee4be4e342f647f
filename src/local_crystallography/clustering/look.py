"""Similarity of classes by their mean sub-images, with and without rotation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography.clustering.class_symmetry import alike_but_for_turns, means_of
from local_crystallography.clustering.features import numbers
from local_crystallography.clustering.kinds import Look, Seen
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.subimages import SubImages
from local_crystallography.models.harmonics import basis

Index = npt.NDArray[np.int64]

MEMBERS = 400
"""Most sub-images of a class for its mean."""
FINEST, MOST = 1.2, 48
"""Highest spatial frequency, radians per pixel, and per side of a sub-image, as its cost grows with the square."""


def look_at(sub_images: SubImages, atoms: Atoms, rows: Index) -> Look:
    """Function that compares classes of the atoms in some rows by their mean sub-images (first channel).

    Sub-images with an `angle_rad` are rotated back by it before averaging, since a class may include several grains;
    for the comparison without rotation they are used as they are.
    """
    window = pd.Index(sub_images.atoms.ids).get_indexer(pd.Index(atoms.ids[rows]))
    angle = numbers(atoms, "angle_rad")[rows] if "angle_rad" in atoms.features else np.zeros(len(rows))
    angle = np.nan_to_num(angle)
    harmonics = basis(sub_images.window_size, min(FINEST, MOST / sub_images.window_size))

    def look(label: Index) -> Seen:
        random, count = np.random.default_rng(0), int(label.max()) + 1
        known = [random.permutation(np.flatnonzero((label == k) & (window >= 0)))[:MEMBERS] for k in range(count)]
        chosen = np.sort(np.concatenate(known))
        some = sub_images.windows[window[chosen]]
        some, own = some if some.ndim == 3 else some[..., 0], label[chosen]
        turned = means_of(some, own, harmonics, count=count, seed=0, angle=angle[chosen])
        alike, turn = alike_but_for_turns(turned)
        lying = means_of(some, own, harmonics, count=count, seed=0)
        as_they_lie = np.stack([lying.turned(one, lying.whole)[..., 0] for one in lying.whole])
        return Seen(alike, turn, as_they_lie, np.linalg.norm(turned.whole, axis=1))

    return look

"""Reclassification of atoms in unusual surroundings by the column itself, the core of their sub-image."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree
from scipy.special import expit

from local_crystallography.clustering.environment import Environment
from local_crystallography.clustering.features import positions, whole_numbers
from local_crystallography.clustering.mixtures import normalised_entropy
from local_crystallography.clustering.neighbours import AROUND
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.subimages import SubImages
from local_crystallography.lattice.shells import neighbour_distance

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

CORE, RINGS = 0.5, 3
"""Radius of the core of a sub-image, relative to the nearest-neighbour distance, and its number of rings."""
CLEARLY = 10.0
"""Logarithm of the odds above which a column is assigned to another class than its whole sub-image."""
FEWEST = 20
"""Fewest interior atoms that define the columns of a class."""


def by_cores(atoms: Atoms, sub_images: SubImages) -> Atoms:
    """Atoms, with the columns of Cluster, of which some are reclassified; classes are numbered by decreasing size.

    At boundaries, edges and defects and next to them, a sub-image is unlike all others, and its latents lie between
    those of the kinds; but the column at its centre is unchanged. There the class is changed where the mean intensities
    of the innermost rings clearly match another class, modelled as a Gaussian of the atoms deep inside their phase or
    grain.
    """
    label, where = whole_numbers(atoms, "label"), whole_numbers(atoms, "environment")
    kinds = np.unique(label[label >= 0])
    inside = deep(atoms, where)
    if len(kinds) < 2 or not ((label >= 0) & ~inside).any():
        return atoms
    middle = rings(atoms, sub_images)
    known = np.isfinite(middle).all(axis=1)
    likelihood = np.full((len(atoms), len(kinds)), -np.inf)
    for index, kind in enumerate(kinds):
        own = middle[known & inside & (label == kind)]
        if len(own) >= FEWEST:
            covariance = np.cov(own.T)
            covariance += (1e-9 * np.trace(covariance) + 1e-30) * np.eye(RINGS)
            lower = np.linalg.cholesky(covariance)
            away = np.linalg.solve(lower, (middle - np.median(own, axis=0)).T)
            likelihood[:, index] = -0.5 * (away**2).sum(axis=0) - np.log(np.diag(lower)).sum()
    rank = np.searchsorted(kinds, np.maximum(label, kinds[0]))
    own_kind = np.take_along_axis(likelihood, rank[:, None], axis=1)[:, 0]
    compared = known & (label >= 0) & ~inside & np.isfinite(own_kind)
    odds = np.zeros(len(atoms))
    odds[compared] = likelihood[compared].max(axis=1) - own_kind[compared]
    changed = odds > CLEARLY
    certain = expit(odds)
    new = {
        "label": kinds[likelihood.argmax(axis=1)],
        "label_probability": certain,
        "label_entropy": normalised_entropy(np.column_stack([certain, 1 - certain])),
    }
    columns = {name: np.where(changed, new[name], atoms.features[name]) for name in new}
    sizes = np.bincount(columns["label"][label >= 0])
    number = np.argsort(np.argsort(-sizes, kind="stable"))
    return atoms.with_features(**columns | {"label": np.append(number, -1)[columns["label"]]})


def deep(atoms: Atoms, where: Index) -> Mask:
    """(N,) whether atoms with environments (N,) and all their neighbours are in the interior."""
    rows = np.flatnonzero(where != Environment.UNKNOWN)
    found = np.zeros(len(atoms), bool)
    if len(rows) > AROUND:
        yx = positions(atoms, rows)
        near = rows[cKDTree(yx).query(yx, AROUND + 1)[1]]
        found[rows] = (where[near] == Environment.INTERIOR).all(axis=1)
    return found


def rings(atoms: Atoms, sub_images: SubImages) -> Array:
    """(N, RINGS) mean intensity in rings about the centre of the sub-image of every atom, NaN without one."""
    windows = sub_images.windows if sub_images.windows.ndim == 3 else sub_images.windows[..., 0]
    axis = np.arange(windows.shape[1]) - (windows.shape[1] - 1) / 2
    radius = np.hypot(axis[:, None], axis)
    edges = np.linspace(0, max(CORE * neighbour_distance(atoms), RINGS), RINGS + 1)
    found = np.stack([windows[:, (radius >= a) & (radius < b)].mean(axis=1) for a, b in pairwise(edges)], axis=1)
    row = pd.Index(sub_images.atoms.ids).get_indexer(pd.Index(atoms.ids))
    values: Array = np.append(found, np.full((1, RINGS), np.nan), axis=0)[row].astype(np.float64)
    return values

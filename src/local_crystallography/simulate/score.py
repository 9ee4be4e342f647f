"""Agreement of atoms and their classes with the truth of a simulated image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError

REACH = 0.25
"""Largest distance between an atom and its true position, relative to the median distance of heavy neighbours."""


@dataclass(frozen=True)
class Score:
    """Comparison of atoms with the truth of a simulated image.

    Parameters
    ----------
    heavy
        Number of true columns that should be found: those with at least 15 % of the brightest peak.
    found
        Number of these with an atom within `REACH`; every atom counts for one column only.
    atoms, false
        Number of atoms, and number of those that belong to no true column, heavy or weak.
    distance_px
        Root mean square distance of the atoms found from their true positions, in pixels.
    adjusted_rand_index
        Agreement between class and true site (of its phase) for the atoms found that have a class: 1 for the same
        partition, 0 for chance (Hubert and Arabie 1985). None without classes.
    """

    heavy: int
    found: int
    atoms: int
    false: int
    distance_px: float
    adjusted_rand_index: float | None

    @property
    def recall(self) -> float:
        """Fraction of the heavy columns that were found."""
        return self.found / self.heavy

    @property
    def false_rate(self) -> float:
        """Fraction of the atoms that are false."""
        return self.false / self.atoms if self.atoms else 0.0


def score(atoms: Atoms, truth: pd.DataFrame) -> Score:
    """Compare atoms of one frame with the truth of its image, see `Simulation`.

    Raises
    ------
    InputError
        Where the truth has fewer than two heavy columns.
    """
    heavy = truth[truth["heavy"].astype(bool)]
    weak = truth[~truth["heavy"].astype(bool)]
    if len(heavy) < 2:
        raise InputError(
            f"The truth has {len(heavy)} heavy columns, but at least 2 are needed; simulate a larger image."
        )
    positions = heavy[["y_px", "x_px"]].to_numpy(float)
    reach = REACH * float(np.median(cKDTree(positions).query(positions, 2)[0][:, 1]))
    rows, columns = match(atoms.yx, positions, reach=reach)
    rest = np.setdiff1d(np.arange(len(atoms)), rows)
    also_true, _ = match(atoms.yx[rest], weak[["y_px", "x_px"]].to_numpy(float), reach=reach)
    off = atoms.yx[rows] - positions[columns]
    return Score(
        heavy=len(heavy),
        found=len(rows),
        atoms=len(atoms),
        false=len(rest) - len(also_true),
        distance_px=float(np.sqrt((off**2).sum(axis=1).mean())) if len(rows) else float("nan"),
        adjusted_rand_index=_agreement(atoms[rows], heavy.iloc[columns]),
    )


def match(
    found: npt.NDArray[np.float64], true: npt.NDArray[np.float64], *, reach: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Matching rows of (N, 2) and (M, 2) positions, one to one, the closest pairs first."""
    none = np.empty(0, np.int64)
    if not len(found) or not len(true):
        return none, none
    near = cKDTree(found).sparse_distance_matrix(cKDTree(true), reach, output_type="ndarray")
    taken_found, taken_true, pairs = np.zeros(len(found), bool), np.zeros(len(true), bool), []
    for i, j in near[["i", "j"]][np.argsort(near["v"], kind="stable")].tolist():
        if not (taken_found[i] or taken_true[j]):
            taken_found[i] = taken_true[j] = True
            pairs.append((i, j))
    matched = np.array(pairs, np.int64).reshape(-1, 2)
    return matched[:, 0], matched[:, 1]


def _agreement(atoms: Atoms, truth: pd.DataFrame) -> float | None:
    from sklearn.metrics import adjusted_rand_score

    if "label" not in atoms.features:
        return None
    labels = atoms.features["label"].to_numpy(float)
    site = (truth["phase"].astype(str) + " " + truth["site"].astype(str)).to_numpy()
    has_class = labels >= 0
    return float(adjusted_rand_score(site[has_class], labels[has_class])) if has_class.any() else None

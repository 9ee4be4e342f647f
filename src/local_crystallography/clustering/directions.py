"""Directions of motifs in the image: angles measured from a visible direction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from local_crystallography.clustering.features import numbers, whole_numbers
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError

DIRECTION = "direction_angle_rad"
"""Column of the direction in the image, counter-clockwise as displayed from +x."""


def directed(atoms: Atoms, degrees: Sequence[int], *, lattice: bool) -> Atoms:
    """Atoms with the direction of every motif as a column.

    A motif appears in the image like the decoded image of its class, rotated by `angle_rad`. Its direction is the sum
    of this angle and a direction in the decoded image, in degrees counter-clockwise from the right for classes 0, 1, …
    (0 for others). With `lattice` the latter is the direction that agrees best with `lattice_rotation_rad` in the
    largest grain, so that the angles of all classes are measured from one axis of the crystal.

    Raises
    ------
    InputError
        Where there is no angle, or no lattice as reference.
    """
    if "angle_rad" not in atoms.features:
        raise InputError(
            "Directions need angles, but there is no column angle_rad; encode with a network of kind rvae, or leave "
            "directions empty and zero at directions."
        )
    if lattice and not {"lattice_rotation_rad", "grain"} <= set(atoms.features):
        raise InputError(
            "There is no lattice from which to measure angles (columns lattice_rotation_rad and grain); run Measure "
            "lattice first, or set zero to directions."
        )
    label, angle = whole_numbers(atoms, "label"), numbers(atoms, "angle_rad")
    order = numbers(atoms, "symmetry_order") if "symmetry_order" in atoms.features else np.ones(len(atoms))
    found = np.full(len(atoms), np.nan)
    for kind in np.unique(label[label >= 0]).tolist():
        rows = np.flatnonzero((label == kind) & np.isfinite(angle))
        turns = float(np.nanmax(order[rows], initial=1.0))
        if np.abs(angle[rows]).max(initial=0.0) > np.pi / turns + 1e-6:
            turns = 1.0  # angles on the full circle
        if lattice:
            rotation, grain = numbers(atoms, "lattice_rotation_rad")[rows], whole_numbers(atoms, "grain")[rows]
            known = np.isfinite(rotation) & (grain >= 0)
            if not known.any():
                continue
            known &= grain == np.bincount(grain[known]).argmax()
            zero = np.angle(np.exp(1j * turns * (rotation - angle[rows])[known]).mean()) / turns
        else:
            zero = np.radians(degrees[kind]) if kind < len(degrees) else 0.0
        sector = 2 * np.pi / turns
        found[rows] = (angle[rows] + zero + sector / 2) % sector - sector / 2
    return atoms.with_features(**{DIRECTION: found})

"""Ideal lattice nearest to a measured one: square, hexagonal, rectangular, centred rectangular or oblique."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from local_crystallography.data.arrays import Array, Index
from local_crystallography.lattice.sites import reduce_vectors

EQUAL, RIGHT = 0.08, 0.045
"""Largest strain, half the ratio of its axes minus 1, between a lattice and the ideal one compared with: of equal
sides, which then differ by 16 % or are off by 9 degrees; of a right angle, off by 5 degrees."""
CENTRED = (((1, 0), (1, 2)), ((1, 0), (-1, 2)), ((2, 1), (0, 1)), ((2, -1), (0, 1)), ((1, 1), (-1, 1)))
"""Doubled cells, in reduced vectors, that can be a centred rectangle."""


@dataclass(frozen=True)
class Ideal:
    """Ideal lattice, and the conventional cell that is compared with its cell.

    Parameters
    ----------
    name
        "square", "hexagonal", "rectangular", "centred rectangular" or "oblique".
    change
        (2, 2) integers, as rows, that make the conventional cell of the lattice vectors.
    angle
        Angle from a to b of the ideal cell in degrees; None where it is free.
    equal
        Whether its sides are equal; otherwise their ratio is free.
    """

    name: str
    change: Index
    angle: float | None
    equal: bool


def nearest_ideal(vectors: Array) -> Ideal:
    """Ideal lattice of the highest symmetry near the (2, 2) vectors a, b, rows (y, x), b left of a.

    The five are the Bravais lattices of the plane. Of square and hexagonal, and of rectangular and centred
    rectangular, the nearer one is taken.
    """
    reduced = reduce_vectors(vectors).astype(np.int64)
    obtuse = float(np.prod(reduced @ vectors, axis=0).sum()) < 0
    alike = [
        Ideal("square", reduced, 90.0, equal=True),
        Ideal("hexagonal", reduced, 120.0 if obtuse else 60.0, equal=True),
    ]
    right = [Ideal("rectangular", reduced, 90.0, equal=False)]
    right += [Ideal("centred rectangular", np.array(cell) @ reduced, 90.0, equal=False) for cell in CENTRED]
    for choices, near in ((alike, EQUAL), (right, RIGHT)):
        best = min(choices, key=lambda ideal: strain_from(vectors, ideal))
        if strain_from(vectors, best) <= near:
            return best
    return Ideal("oblique", reduced, None, equal=False)


def strain_from(vectors: Array, ideal: Ideal) -> float:
    """Half the ratio of the axes, minus 1, of the strain that makes the ideal lattice the one of the (2, 2) vectors."""
    cell = ideal.change @ vectors
    if ideal.angle is None:
        return 0.0
    long = np.ones(2) if ideal.equal else np.linalg.norm(cell, axis=1)
    turn = np.radians(ideal.angle)
    perfect = long[:, None] * np.array([[0.0, 1.0], [-np.sin(turn), np.cos(turn)]])
    first, second = np.linalg.svd(np.linalg.solve(perfect, cell), compute_uv=False)
    return float(first / second - 1) / 2

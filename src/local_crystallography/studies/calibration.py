"""Calibration: the pixel size against a known spacing of the crystal."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.lattice.lattices import find_lattices
from local_crystallography.lattice.strain import neighbour_shell

AGREES = 0.02
"""Relative difference of the pixel sizes up to which they agree."""


@dataclass(frozen=True)
class Calibration:
    """A known spacing and the spacing of the image that it is compared with.

    Attributes
    ----------
    known
        nm.
    measured_px
        Of the lengths of lattice vectors and the distance between neighbours, in pixels, the one that fits the known
        spacing best; the shortest lattice vector where the pixel size is unknown.
    pixel_size
        nm per pixel of the image, or None.
    """

    known: float
    measured_px: float
    pixel_size: float | None

    @property
    def implied(self) -> float:
        """nm per pixel for which the measured spacing is the known one."""
        return self.known / self.measured_px

    @property
    def sentence(self) -> str:
        """What the comparison says."""
        spacing = f"Spacing of {self.measured_px:.2f} px"
        if self.pixel_size is None:
            return (
                f"{spacing}, the shortest lattice vector: if it is the known one of {self.known:g} nm, pixels are "
                f"{self.implied:.4g} nm; set it with --pixel-size {self.implied:.4g}."
            )
        measured = self.measured_px * self.pixel_size
        off = measured / self.known - 1
        said = f"{spacing} or {measured:.4f} nm, known {self.known:g} nm: {off:+.1%}"
        if abs(off) <= AGREES:
            return f"{said}; the pixel size agrees."
        return f"{said}; the pixel size does not agree, {self.implied:.4g} nm would."


def calibration(atoms: Atoms, known: float) -> Calibration:
    """Compare a known spacing, nm, with those of the lattice of the atoms.

    Raises
    ------
    InputError
        Where the atoms form no lattice.
    """
    yx = atoms.yx[atoms.frame == atoms.frame.min()] if len(atoms) else atoms.yx
    lattices = find_lattices(yx)
    if not lattices:
        raise InputError(
            "The atoms form no lattice, so a known spacing cannot be compared with theirs; check the atoms."
        )
    a, b = lattices[0].vectors
    lengths = [float(np.linalg.norm(m * a + n * b)) for m, n in product((-1, 0, 1), repeat=2) if (m, n) != (0, 0)]
    lengths.append(float(np.nanmedian(neighbour_shell(yx)[1])))
    size = atoms.pixel_size
    if size is None:
        return Calibration(known, float(min(np.linalg.norm(a), np.linalg.norm(b))), None)
    return Calibration(known, min(lengths, key=lambda length: abs(np.log(length * size / known))), size)

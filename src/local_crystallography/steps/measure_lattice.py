"""Lattice around every atom: neighbours, grain, cell, sublattice, local vectors, strain, rotation, displacement."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import Column
from local_crystallography.data.errors import InputError
from local_crystallography.data.parameters import unset
from local_crystallography.data.progress import Job, Progress
from local_crystallography.lattice.cells import grain_cells
from local_crystallography.lattice.lattices import Lattice, find_lattices
from local_crystallography.lattice.strain import (
    affine,
    cage_displacements,
    lengths_and_angle,
    local_vectors,
    matching,
    neighbour_shell,
    strain_and_rotation,
)
from local_crystallography.steps.base import Step

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

PER_SITE = 12
"""Atoms per sublattice that local vectors are fitted to, unless a number is given."""


class MeasureLattice(Step):
    """Measure the lattice around every atom: neighbours, cell, sublattice, strain, rotation and displacement."""

    renamed: ClassVar = {"smallest": "min_size"}
    needs: ClassVar = ("atoms",)
    makes: ClassVar = "atoms"
    adds: ClassVar = (
        Column(
            "strain_(xx|yy|xy)",
            "Strain relative to the reference cell, with x to the right and y down.",
            signed=True,
            painted=True,
            has_std=True,
        ),
        Column(
            "lattice_rotation_rad",
            "Rotation of the lattice relative to the reference cell, counter-clockwise.",
            signed=True,
            painted=True,
        ),
        Column("displacement_angle_rad", "Direction of the displacement, counter-clockwise from x.", painted=True),
        Column("displacement_[yx]_px", "Displacement from the centre of the neighbouring sublattice.", signed=True),
        Column(
            "displacement_(px|nm)",
            "Length of the displacement from the centre of the neighbouring sublattice.",
            painted=True,
            has_std=True,
        ),
        Column("neighbours", "Number of nearest neighbours, up to the first gap in distance."),
        Column("neighbour_distance_(px|nm)", "Mean distance to the nearest neighbours."),
        Column("grain", "Grain of the lattice, largest first; -1 for none."),
        Column("cell_[ab]", "Number of the unit cell along a or b."),
        Column("sublattice", "Sublattice, 0 being the most intense; -1 for none."),
        Column("[ab]_(px|nm)", "Length of a lattice vector around the atom."),
        Column("gamma_rad", "Angle from lattice vector a to b."),
    )
    reads: ClassVar = ("refine_atoms", "correct_scan")
    optional: ClassVar = True

    corrected: bool = Field(True, description="Use positions with scan distortions corrected, where available.")
    by_intensity: bool = Field(
        True, description="Whether sublattices may differ in intensity alone, and not only in their surroundings."
    )
    neighbours: int | None = Field(
        None,
        ge=6,
        le=500,
        json_schema_extra=unset("12 per site"),
        description="Number of surrounding atoms that the lattice vectors are fitted to; automatic: 12 per sublattice.",
    )
    min_size: int = Field(16, ge=8, le=100_000, description="Minimum number of atoms in a grain.")
    reference_grain: int | None = Field(
        None,
        ge=0,
        le=10_000,
        json_schema_extra=unset("own"),
        description="Grain whose cell is the reference of strain and rotation; automatic: that of the atom.",
    )

    def summary(self, result: Atoms) -> str:
        counts = {name: int(result.features[name].max()) + 1 for name in ("grain", "sublattice")}
        words = [f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items()]
        cells = grain_cells(result)
        if cells:
            first = max(cells, key=lambda cell: cell.atoms)
            words.append(f"{first.words}, {first.lattice}")
        return ", ".join(words)

    def run(self, atoms: Atoms) -> Job[Atoms]:
        """The atoms with columns of neighbours and lattice; NaN, or -1 for integers, where undefined.

        - `neighbours`, up to the first gap in distance, and their mean distance `neighbour_distance_px`
        - `grain`, largest first within each frame; `cell_a`, `cell_b`, the number of the cell along a and b (0 off the
          lattice), and `sublattice`, 0 being the most intense. A lattice that continues without a break across a
          change of its cell is one grain, and the change is strain.
        - `a_px`, `b_px`, `gamma_rad`: lattice vectors around the atom, and the angle from a to b
        - `strain_xx`, `strain_yy`, `strain_xy`, along the image axes, x right and y down, of the stretch U of the
          map M = R U from the reference cell to the local one; `lattice_rotation_rad` of R, counter-clockwise as
          displayed. The reference is the median cell of the grain or of `reference_grain`.
        - `displacement_y_px`, `displacement_x_px`, `displacement_px`, `displacement_angle_rad` (counter-clockwise
          as displayed) from the centre of the nearest atoms of the other sublattices, if none is missing
        - with `y_std_px` and `x_std_px`: `displacement_std_px`, along one axis, and `strain_xx_std`,
          `strain_yy_std`, `strain_xy_std`
        - lengths also in nm if the pixel size is known

        Raises
        ------
        InputError
            If no lattice is found, or a frame lacks the reference grain.
        """
        yield Progress(0.0, "fitting lattices …")
        positions = _positions(atoms, self.corrected)
        tables = [
            self._frame(positions[rows], atoms.features.iloc[rows]).set_index(rows)
            for rows in (np.flatnonzero(atoms.frame == frame) for frame in np.unique(atoms.frame))
        ]
        table = pd.concat(tables).sort_index() if tables else pd.DataFrame({"grain": []})
        if not (table["grain"] >= 0).any():
            raise InputError(
                f"No lattice of at least {self.min_size} atoms was found among {len(atoms)} atoms: where there is a "
                "crystal, check that its atoms were found (atoms that are missing, false or doubled break a lattice), "
                "or lower the minimum number of atoms in a grain; amorphous material has none."
            )
        if atoms.pixel_size is not None:
            for name in ("neighbour_distance", "a", "b", "displacement"):
                table[f"{name}_nm"] = table[f"{name}_px"] * atoms.pixel_size
        stale = [f"{name}_std" for name in ("displacement", "strain_xx", "strain_yy", "strain_xy")]
        return atoms.without([*stale, "displacement_std_px"]).with_features(
            **{str(name): table[name] for name in table}
        )

    def _frame(self, yx: Array, features: pd.DataFrame) -> pd.DataFrame:
        """The columns of the atoms of one frame, in pixels."""
        used = self.by_intensity and "intensity" in features
        values = features["intensity"].to_numpy(float) if used else None
        if values is not None and not np.isfinite(values).all():
            values = None
        std = features[["y_std_px", "x_std_px"]].to_numpy(float) if "y_std_px" in features else None
        count, distance = neighbour_shell(yx)
        table = pd.DataFrame({"neighbours": count, "neighbour_distance_px": distance})
        table = table.assign(grain=-1, cell_a=0, cell_b=0, sublattice=-1)
        lattices = [lattice for lattice in find_lattices(yx, values) if len(lattice.rows) >= self.min_size]
        parts = [self._grain(yx, std, lattices, grain) for grain in range(len(lattices))]
        whole = [name for part in parts for name in part]
        for name in dict.fromkeys(whole or [*_LATTICE, *_DISPLACEMENT]):
            table[name] = table.get(name, np.nan)
        for part, lattice in zip(parts, lattices, strict=True):
            table.loc[lattice.rows, list(part)] = part.to_numpy()
        kept = dict.fromkeys(("grain", "cell_a", "cell_b", "sublattice"), int)
        return table.astype(kept)

    def _grain(self, yx: Array, std: Array | None, lattices: list[Lattice], grain: int) -> pd.DataFrame:
        """The columns of the atoms of one grain."""
        lattice = lattices[grain]
        neighbours = self.neighbours or PER_SITE * len(lattice.basis)
        vectors, spread = local_vectors(yx, lattice, neighbours)
        reference = self._reference(lattices, grain, vectors)
        strain, angle = strain_and_rotation(affine(vectors, reference))
        a, b, gamma = lengths_and_angle(vectors)
        shift, cage = cage_displacements(yx, lattice)
        columns = {
            "grain": np.full(len(a), grain),
            "cell_a": lattice.index[:, 0],
            "cell_b": lattice.index[:, 1],
            "sublattice": lattice.site,
            **dict(zip(_LATTICE, (a, b, gamma), strict=False)),
            "strain_xx": strain[:, 1, 1],
            "strain_yy": strain[:, 0, 0],
            "strain_xy": strain[:, 0, 1],
            "lattice_rotation_rad": angle,
            "displacement_y_px": shift[:, 0],
            "displacement_x_px": shift[:, 1],
            "displacement_px": np.linalg.norm(shift, axis=1),
            "displacement_angle_rad": np.arctan2(-shift[:, 0], shift[:, 1]),
        }
        if std is not None:
            columns |= _deviations(std, lattice, cage, reference, spread)
        return pd.DataFrame(columns)

    def _reference(self, lattices: list[Lattice], grain: int, vectors: Array) -> Array:
        """(2, 2) vectors that strain refers to; NaN if the reference grain has a different lattice."""
        chosen = grain if self.reference_grain is None else self.reference_grain
        if chosen >= len(lattices):
            raise InputError(f"There is no reference grain {chosen}; choose one from 0 to {len(lattices) - 1}.")
        own = np.nanmedian(vectors, axis=0) if np.isfinite(vectors).any() else lattices[grain].vectors
        if chosen == grain:
            return np.asarray(own)
        cell = matching(lattices[chosen].vectors, own)
        return np.full((2, 2), np.nan) if cell is None else cell


_LATTICE = ("a_px", "b_px", "gamma_rad", "strain_xx", "strain_yy", "strain_xy", "lattice_rotation_rad")
_DISPLACEMENT = ("displacement_y_px", "displacement_x_px", "displacement_px", "displacement_angle_rad")


def _positions(atoms: Atoms, corrected: bool) -> Array:
    """(N, 2) positions to measure with: corrected ones where wanted and available, else those in the image."""
    names = ["y_corrected_px", "x_corrected_px"]
    if not corrected or not set(names) <= set(atoms.features):
        return atoms.yx
    positions = atoms.features[names].to_numpy(float)
    return np.where(np.isfinite(positions), positions, atoms.yx)


def _deviations(std: Array, lattice: Lattice, cage: Index, reference: Array, spread: Array) -> dict[str, Array]:
    """Standard deviations of displacement and strains from those of the positions, assumed independent."""
    variance, back = std**2, np.linalg.inv(reference)
    members = (cage >= 0)[..., None]
    size = np.maximum(members.sum(axis=1), 1)
    of_cage = np.where(members, variance[cage], 0).sum(axis=1) / size**2
    along = (variance[lattice.rows] + of_cage).mean(axis=1)
    y, x = variance[lattice.rows].T
    shape = np.einsum("ij,njk,lk->nil", back, spread, back)
    return {
        "displacement_std_px": np.where(members[:, 0, 0], np.sqrt(along), np.nan),
        "strain_xx_std": np.sqrt(x * shape[:, 1, 1]),
        "strain_yy_std": np.sqrt(y * shape[:, 0, 0]),
        "strain_xy_std": np.sqrt(x * shape[:, 0, 0] + y * shape[:, 1, 1]) / 2,
    }

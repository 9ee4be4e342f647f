"""Lattice around every atom: neighbours, grain, cell, sublattice, local vectors, strain, rotation, displacement."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, ValidatorFunctionWrapHandler, field_validator, model_validator

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import HAND_LABEL, Column
from local_crystallography.data.errors import InputError
from local_crystallography.data.parameters import Alternative, gathered, listed, unset
from local_crystallography.data.polygons import Region, inside_any
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
    turned_onto,
)
from local_crystallography.steps.base import Step, own

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

PER_SITE = 12
"""Atoms per sublattice that local vectors are fitted to, unless a number is given."""


class GrainCell(Alternative):
    """Median cell of a grain: each its own, or that of one for all."""

    renamed: ClassVar = {"reference_grain": "grain"}

    method: Literal["grain"] = "grain"
    grain: int | None = Field(
        None,
        ge=0,
        le=10_000,
        json_schema_extra=unset("own"),
        description="Grain whose cell is the reference of strain and rotation; automatic: that of the atom.",
    )


class RegionCell(Alternative):
    """Median cell of the atoms in areas of the image, such as the substrate."""

    method: Literal["region"] = "region"
    region: Region = Field(
        (),
        description="Areas of the image, each given by its corners (y, x) in pixels, as drawn in a Shapes layer; none: "
        "the whole image.",
    )


class HandClassCell(Alternative):
    """Median cell of a class assigned by hand."""

    method: Literal["hand class"] = "hand class"
    number: int = Field(0, ge=0, le=10_000, description="Number of the class.")


class KnownCell(Alternative):
    """A known cell, at the orientation of the grain."""

    method: Literal["known cell"] = "known cell"
    a: float = Field(0.3905, gt=0, le=100, description="Length of the lattice vector a, in nm.")
    b: float = Field(0.3905, gt=0, le=100, description="Length of the lattice vector b, in nm.")
    gamma: float = Field(90.0, ge=30, le=150, description="Angle between a and b, in degrees.")

    def vectors(self, pixel_size: float | None) -> Array:
        """(2, 2) rows a, b as (y, x) in pixels, a along x and b counter-clockwise of it as displayed.

        Raises
        ------
        InputError
            If the pixel size is unknown.
        """
        if pixel_size is None:
            raise InputError(
                "The pixel size is unknown, so a cell in nm cannot be the reference; enter the pixel size."
            )
        angle = np.radians(self.gamma)
        b = self.b * np.array([-np.sin(angle), np.cos(angle)])
        return np.array([[0.0, self.a], b]) / pixel_size


REFERENCES = (GrainCell, RegionCell, HandClassCell, KnownCell)


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
            has_std=True,
        ),
        Column("displacement_angle_rad", "Direction of the displacement, counter-clockwise from x.", painted=True),
        Column(
            "displacement_[yx]_(px|nm)",
            "Displacement from the centre of the cage of the other sublattices, y down.",
            signed=True,
            has_std=True,
        ),
        Column(
            "displacement_(px|nm)",
            "Length of the displacement from the centre of the cage; its standard deviation is that along one axis.",
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
        Column("lattice_angle_rad", "Direction of lattice vector a around the atom, counter-clockwise from x."),
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
    cage: int | None = Field(
        None,
        ge=0,
        le=100,
        description="Sublattice whose atoms are the cage that displacements refer to; automatic: the nearest columns "
        "of the most intense other kind that surround the atom.",
    )
    reference: GrainCell | RegionCell | HandClassCell | KnownCell = Field(
        default_factory=GrainCell,
        discriminator="method",
        description=listed("What strain and rotation are relative to.", *REFERENCES),
    )

    @model_validator(mode="before")
    @classmethod
    def _read_flat(cls, given: Any) -> Any:
        return gathered(given, "reference", REFERENCES)

    @field_validator("reference", mode="wrap")
    @classmethod
    def _read_reference(cls, given: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        return Alternative.read(given, handler, GrainCell)

    def uses(self, replaced: set[str]) -> bool:
        """Classes assigned by hand count only if they are the reference."""
        by_class = isinstance(self.reference, HandClassCell)
        return super().uses(replaced) or (by_class and own(HAND_LABEL) in replaced)

    def summary(self, result: Atoms) -> str:
        counts = {name: int(result.features[name].max()) + 1 for name in ("grain", "sublattice")}
        words = [f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items()]
        cells = grain_cells(result)
        if cells:
            first = max(cells, key=lambda cell: cell.atoms)
            words.append(f"{first.words}, {first.lattice}")
        return f"{', '.join(words)}; strain relative to {self._reference_in_words(result)}"

    def remarks(self, result: Atoms) -> list[str]:
        table = result.features
        on = table["grain"] >= 0
        said = []
        if (strange := on & table["strain_xx"].isna() & table["a_px"].notna()).any():
            said.append(
                f"{strange.sum():,} atoms have no strain: the cell of their grain differs from the reference by more "
                "than 20 %, so it is another structure."
            )
        if table.loc[on, "displacement_px"].isna().all():
            said.append("There are no displacements: no sublattice is surrounded by another one.")
        return said

    def _reference_in_words(self, atoms: Atoms) -> str:
        match self.reference:
            case GrainCell(grain=None):
                return "the median cell of each grain"
            case GrainCell(grain=grain):
                return f"the median cell of grain {grain}"
            case KnownCell(a=a, b=b, gamma=gamma):
                return f"the known cell a {a:g} nm, b {b:g} nm, γ {gamma:g}°"
        count = int((self._of_reference(atoms) & (atoms.features["grain"] >= 0)).sum())
        what = "the region" if isinstance(self.reference, RegionCell) else f"class {self.reference.number}"
        return f"the median cell of {what} ({count:,} atoms)"

    def _of_reference(self, atoms: Atoms) -> Mask:
        """(N,) atoms whose median cell is the reference, of a region or of a class by hand.

        Raises
        ------
        InputError
            Where there are none.
        """
        if isinstance(self.reference, HandClassCell):
            if HAND_LABEL not in atoms.features:
                raise InputError("There are no classes by hand; assign one to the reference first (Alt and a digit).")
            chosen = np.asarray(atoms.features[HAND_LABEL].to_numpy(float) == self.reference.number)
        else:
            assert isinstance(self.reference, RegionCell)
            areas = [np.asarray(area) for area in self.reference.region]
            chosen = inside_any(atoms.yx, areas) if areas else np.ones(len(atoms), bool)
        if not chosen.any():
            raise InputError(
                "No atom lies in the reference. Choose the Shapes layer in which its region is drawn, or another class."
            )
        return chosen

    def run(self, atoms: Atoms) -> Job[Atoms]:
        """The atoms with columns of neighbours and lattice; NaN, or -1 for integers, where undefined.

        - `neighbours`, up to the first gap in distance, and their mean distance `neighbour_distance_px`
        - `grain`, largest first within each frame; `cell_a`, `cell_b`, the number of the cell along a and b (0 off the
          lattice), and `sublattice`, 0 being the most intense. A lattice that continues without a break across a
          change of its cell is one grain, and the change is strain.
        - `a_px`, `b_px`, `gamma_rad`, `lattice_angle_rad`: lattice vectors around the atom, the angle from a to b, and
          the direction of a
        - `strain_xx`, `strain_yy`, `strain_xy`, along the image axes, x right and y down, of the stretch U of the
          map M = R U from the reference cell to the local one; `lattice_rotation_rad` of R, counter-clockwise as
          displayed. The reference is the median cell of the grain, of another grain, of atoms in a region or of a
          class by hand, or a known cell turned so that its median rotation is zero. Grains whose cell differs from it
          by more than 20 % have none.
        - `displacement_y_px`, `displacement_x_px`, `displacement_px`, `displacement_angle_rad` (counter-clockwise
          as displayed) from the mean position of the cage, if none of its atoms is missing: see `cage_displacements`
        - with `y_std_px` and `x_std_px`, the standard deviations that follow from them: `displacement_y_std_px`,
          `displacement_x_std_px`, their root mean square `displacement_std_px`, `strain_xx_std`, `strain_yy_std`,
          `strain_xy_std`, `lattice_rotation_std_rad`
        - lengths also in nm if the pixel size is known

        Raises
        ------
        InputError
            If no lattice is found, a frame lacks the reference, or no grain has a cell like the reference.
        """
        yield Progress(0.0, "fitting lattices …")
        positions = _positions(atoms, self.corrected)
        tables = [
            self._frame(positions[rows], atoms[rows]).set_index(rows)
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
            for name in [name for name in map(str, table) if name.endswith("_px")]:
                table[name.replace("_px", "_nm")] = table[name] * atoms.pixel_size
        stale = ["lattice_rotation_std_rad", *(f"strain_{name}_std" for name in ("xx", "yy", "xy"))]
        stale += [f"displacement_{name}std_{unit}" for name in ("", "y_", "x_") for unit in ("px", "nm")]
        return atoms.without(stale).with_features(**{str(name): table[name] for name in table})

    def _frame(self, yx: Array, atoms: Atoms) -> pd.DataFrame:
        """The columns of the atoms of one frame, in pixels."""
        features = atoms.features
        used = self.by_intensity and "intensity" in features
        values = features["intensity"].to_numpy(float) if used else None
        if values is not None and not np.isfinite(values).all():
            values = None
        std = features[["y_std_px", "x_std_px"]].to_numpy(float) if "y_std_px" in features else None
        count, distance = neighbour_shell(yx)
        table = pd.DataFrame({"neighbours": count, "neighbour_distance_px": distance})
        table = table.assign(grain=-1, cell_a=0, cell_b=0, sublattice=-1)
        lattices = [lattice for lattice in find_lattices(yx, values) if len(lattice.rows) >= self.min_size]
        fits = [local_vectors(yx, each, self.neighbours or PER_SITE * len(each.basis), std) for each in lattices]
        medians = [_median(vectors, each) for (vectors, _), each in zip(fits, lattices, strict=True)]
        reference = self._common_reference(atoms, lattices, fits, medians)
        parts = [
            self._grain(yx, std, values, grain, lattice, *fit, self._own_reference(reference, median))
            for grain, (lattice, fit, median) in enumerate(zip(lattices, fits, medians, strict=True))
        ]
        whole = [name for part in parts for name in part]
        for name in dict.fromkeys(whole or [*_LATTICE, *_DISPLACEMENT]):
            table[name] = table.get(name, np.nan)
        for part, lattice in zip(parts, lattices, strict=True):
            table.loc[lattice.rows, list(part)] = part.to_numpy()
        kept = dict.fromkeys(("grain", "cell_a", "cell_b", "sublattice"), int)
        return table.astype(kept)

    def _grain(
        self,
        yx: Array,
        std: Array | None,
        values: Array | None,
        grain: int,
        lattice: Lattice,
        vectors: Array,
        spread: Array,
        reference: Array,
    ) -> pd.DataFrame:
        """The columns of the atoms of one grain, with the reference (2, 2) of its strain; NaN for none."""
        strain, angle = strain_and_rotation(affine(vectors, reference))
        a, b, gamma = lengths_and_angle(vectors)
        if self.cage is not None and self.cage >= len(lattice.basis):
            raise InputError(
                f"There is no sublattice {self.cage} in grain {grain}, which has {len(lattice.basis)}; choose another "
                "cage, or leave it automatic."
            )
        shift, cage = cage_displacements(yx, lattice, values, self.cage)
        columns = {
            "grain": np.full(len(a), grain),
            "cell_a": lattice.index[:, 0],
            "cell_b": lattice.index[:, 1],
            "sublattice": lattice.site,
            **dict(zip(_LATTICE, (a, b, gamma), strict=False)),
            "lattice_angle_rad": np.arctan2(-vectors[:, 0, 0], vectors[:, 0, 1]),
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

    def _common_reference(
        self, atoms: Atoms, lattices: list[Lattice], fits: list[tuple[Array, Array]], medians: list[Array]
    ) -> Array | None:
        """(2, 2) vectors that strain refers to; None if every grain is its own reference."""
        if isinstance(self.reference, KnownCell):
            known = self.reference.vectors(atoms.pixel_size)
            if lattices and all(turned_onto(known, median) is None for median in medians):
                a, b, gamma = (float(part[0]) for part in lengths_and_angle(medians[0][None]))
                size = atoms.pixel_size or 1.0
                raise InputError(
                    f"No grain has a cell within 20 % of the known one; the largest has a {a * size:.4g} nm, "
                    f"b {b * size:.4g} nm and γ {np.degrees(gamma):.1f}°. Give the smallest cell of the lattice as it "
                    "is seen, and check the pixel size."
                )
            return known
        if isinstance(self.reference, GrainCell):
            chosen = self.reference.grain
            if chosen is not None and chosen >= len(lattices):
                raise InputError(f"There is no reference grain {chosen}; choose one from 0 to {len(lattices) - 1}.")
            return None if chosen is None else medians[chosen]
        of = self._of_reference(atoms)
        cells = [
            vectors[of[lattice.rows] & np.isfinite(vectors[:, 0, 0])]
            for (vectors, _), lattice in zip(fits, lattices, strict=True)
        ]
        most = max(cells, key=len, default=np.empty((0, 2, 2)))
        if not len(most):
            raise InputError("No atom of the reference is on a lattice; choose a region or class inside a grain.")
        return np.asarray(np.median(most, axis=0))

    def _own_reference(self, common: Array | None, median: Array) -> Array:
        """(2, 2) reference of a grain with the given median cell; NaN if its lattice is a different one."""
        if common is None:
            return median
        cell = (turned_onto if isinstance(self.reference, KnownCell) else matching)(common, median)
        return np.full((2, 2), np.nan) if cell is None else cell


def _median(vectors: Array, lattice: Lattice) -> Array:
    """(2, 2) median of the vectors around the atoms of a lattice."""
    return np.asarray(np.nanmedian(vectors, axis=0) if np.isfinite(vectors).any() else lattice.vectors)


_LATTICE = (
    "a_px",
    "b_px",
    "gamma_rad",
    "strain_xx",
    "strain_yy",
    "strain_xy",
    "lattice_rotation_rad",
    "lattice_angle_rad",
)
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
    of_shift = np.where(members[:, 0], variance[lattice.rows] + of_cage, np.nan)
    shape = back @ spread @ back.T  # (n, axis, 2, 2)
    return {
        "displacement_y_std_px": np.sqrt(of_shift[:, 0]),
        "displacement_x_std_px": np.sqrt(of_shift[:, 1]),
        "displacement_std_px": np.sqrt(of_shift.mean(axis=1)),
        "strain_xx_std": np.sqrt(shape[:, 1, 1, 1]),
        "strain_yy_std": np.sqrt(shape[:, 0, 0, 0]),
        "strain_xy_std": np.sqrt(shape[:, 0, 1, 1] + shape[:, 1, 0, 0]) / 2,
        "lattice_rotation_std_rad": np.sqrt(shape[:, 0, 1, 1] + shape[:, 1, 0, 0]) / 2,
    }

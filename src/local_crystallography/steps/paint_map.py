"""Columns to maps: every pixel takes the value of the nearest atom."""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.spatial import cKDTree

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.subimages import SubImages, fits
from local_crystallography.steps.base import OWN, Step
from local_crystallography.steps.extract_sub_images import neighbour_distance

Array = npt.NDArray[np.float32]

LATTICE = ("strain_xx", "strain_yy", "strain_xy", "lattice_rotation_rad", "displacement_angle_rad")


class PaintMap(Step):
    """Paint per-atom values on the pixels nearest each atom (Figs. 4d-h and 7d-h)."""

    needs: ClassVar = ("atoms", "image", "sub_images?")
    makes: ClassVar = "maps"
    reads: ClassVar = ("measure_lattice", "encode", "describe", "cluster", "encode_cvae", OWN)

    columns: tuple[str, ...] = Field(
        (), description="Columns to paint; none: angle, offsets, latents and labels, and strain where it was measured."
    )
    reach: float | None = Field(
        None,
        ge=0.5,
        le=1000,
        description="Farthest a pixel takes its value from, in pixels; automatic: the distance between neighbours.",
    )

    def resolve(self, atoms: Atoms, image: Image, sub_images: SubImages | None = None) -> PaintMap:
        """The same step with the columns named and the reach fitted to the distance between neighbours."""
        return self.model_copy(
            update={
                "columns": self.columns or default_columns(atoms),
                "reach": self.reach or max(0.5, round(neighbour_distance(atoms), 2)),
            }
        )

    def __call__(self, atoms: Atoms, image: Image, sub_images: SubImages | None = None) -> dict[str, Array]:
        """One float32 map per column, of the shape of the image; NaN where no atom is near or its value is NaN.

        Labels are painted as they are, so -1 (no class) becomes NaN. Light columns that no sub-image was cut around
        were never asked for a class: where they have no value, the nearest of the others paints their place.

        Raises
        ------
        InputError
            Where a column is missing.
        """
        step = self.resolve(atoms, image)
        assert step.reach is not None
        missing = [name for name in step.columns if name not in atoms.features]
        if missing:
            raise InputError(
                f"There is no column {', '.join(missing)}; pick from {', '.join(map(str, atoms.features))}."
            )
        left_out = not_cut(atoms, image, sub_images)
        maps, indices = {}, {}
        for name in step.columns:
            values = column_values(atoms, name)
            paints = ~left_out | np.isfinite(values)
            if (key := paints.tobytes()) not in indices:
                indices[key] = nearest(atoms, paints, image=image, reach=step.reach)
            maps[name] = paint(values, indices[key])
        return maps


def default_columns(atoms: Atoms) -> tuple[str, ...]:
    """Angle, offsets, latents, what was measured of the lattice, and labels, as far as they are there."""
    names = [str(name) for name in atoms.features]
    latents, within = ([name for name in names if re.fullmatch(rf"{kind}\d+", name)] for kind in "zc")
    length = "displacement_nm" if "displacement_nm" in names else "displacement_px"
    wanted = ["angle_rad", "offset_y_px", "offset_x_px", *latents, *within, *LATTICE, length, "label"]
    return tuple(name for name in wanted if name in names)


def column_values(atoms: Atoms, name: str) -> npt.NDArray[np.float64]:
    """(N,) numbers of a column; NaN for atoms without a class."""
    values = atoms.features[name].to_numpy(float)
    return np.where(values < 0, np.nan, values) if name == "label" else values


def not_cut(atoms: Atoms, image: Image, sub_images: SubImages | None) -> npt.NDArray[np.bool_]:
    """(N,) whether no sub-image was cut around an atom though it lies far enough from the edge for one."""
    if sub_images is None:
        return np.zeros(len(atoms), bool)
    return fits(atoms.yx, image.shape, sub_images.window_size) & ~np.isin(atoms.ids, sub_images.atoms.ids)


def nearest(atoms: Atoms, paints: npt.NDArray[np.bool_], *, image: Image, reach: float) -> npt.NDArray[np.int64]:
    """Row of the nearest atom that paints, of the shape of the image; -1 beyond the reach."""
    pixels = np.indices(image.shape).reshape(2, -1).T
    index = np.full((image.count, len(pixels)), -1)
    for frame, found in enumerate(index):
        rows = np.flatnonzero(paints & (atoms.frame == frame))
        if len(rows):
            tree = cKDTree(atoms.yx[rows])
            found[:] = np.append(rows, -1)[tree.query(pixels, distance_upper_bound=reach, workers=-1)[1]]
    return index.reshape(image.data.shape)


def paint(values: npt.NDArray[np.float64], index: npt.NDArray[np.int64]) -> Array:
    """Values looked up by row; NaN where the row is -1."""
    return np.append(values, np.nan).astype(np.float32)[index]

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
from local_crystallography.steps.base import OWN, Step
from local_crystallography.steps.extract_sub_images import neighbour_distance

Array = npt.NDArray[np.float32]


class PaintMap(Step):
    """Paint per-atom values on the pixels nearest each atom (Figs. 4d-h and 7d-h)."""

    needs: ClassVar = ("atoms", "image")
    makes: ClassVar = "maps"
    reads: ClassVar = ("encode", "describe", "cluster", "encode_cvae", OWN)

    columns: tuple[str, ...] = Field((), description="Columns to paint; none: angle, offsets, latents and labels.")
    reach: float | None = Field(
        None,
        ge=0.5,
        le=1000,
        description="Farthest a pixel takes its value from, in pixels; automatic: the distance between neighbours.",
    )

    def resolve(self, atoms: Atoms, image: Image) -> PaintMap:
        """The same step with the columns named and the reach fitted to the distance between neighbours."""
        return self.model_copy(
            update={
                "columns": self.columns or default_columns(atoms),
                "reach": self.reach or max(0.5, round(neighbour_distance(atoms), 2)),
            }
        )

    def __call__(self, atoms: Atoms, image: Image) -> dict[str, Array]:
        """One float32 map per column, of the shape of the image; NaN where no atom is near or its value is NaN.

        Labels are painted as they are, so -1 (no class) becomes NaN.

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
        frames = 1 if image.data.ndim == 2 else len(image.data)
        rows = [nearest(atoms, frame, shape=image.shape, reach=step.reach) for frame in range(frames)]
        index = np.stack(rows).reshape(image.data.shape)
        return {name: paint(column_values(atoms, name), index) for name in step.columns}


def default_columns(atoms: Atoms) -> tuple[str, ...]:
    """Angle, offsets, latents and labels as far as they are there."""
    names = [str(name) for name in atoms.features]
    latents, within = ([name for name in names if re.fullmatch(rf"{kind}\d+", name)] for kind in "zc")
    wanted = ["angle_rad", "offset_y_px", "offset_x_px", *latents, *within, "label"]
    return tuple(name for name in wanted if name in names)


def column_values(atoms: Atoms, name: str) -> npt.NDArray[np.float64]:
    """(N,) numbers of a column; NaN for atoms without a class."""
    values = atoms.features[name].to_numpy(float)
    return np.where(values < 0, np.nan, values) if name == "label" else values


def nearest(atoms: Atoms, frame: int, *, shape: tuple[int, int], reach: float) -> npt.NDArray[np.int64]:
    """(H, W) row of the nearest atom of a frame; -1 beyond the reach."""
    rows = np.flatnonzero(atoms.frame == frame)
    if not len(rows):
        return np.full(shape, -1)
    pixels = np.indices(shape).reshape(2, -1).T
    _, found = cKDTree(atoms.yx[rows]).query(pixels, distance_upper_bound=reach, workers=-1)
    index: npt.NDArray[np.int64] = np.append(rows, -1)[found].reshape(shape)
    return index


def paint(values: npt.NDArray[np.float64], index: npt.NDArray[np.int64]) -> Array:
    """Values looked up by row; NaN where the row is -1."""
    return np.append(values, np.nan).astype(np.float32)[index]

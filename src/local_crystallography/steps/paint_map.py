"""Maps of columns, in which every pixel has the value of the nearest atom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.spatial import Delaunay, cKDTree

from local_crystallography.clustering.features import numbers
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import is_class, std_of
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.progress import Cancelled, Job, Progress
from local_crystallography.data.subimages import SubImages, fits
from local_crystallography.lattice.shells import neighbour_distance
from local_crystallography.steps import catalog
from local_crystallography.steps.base import ANY, OWN, Step, own

Array = npt.NDArray[np.float32]
SPARE = 1.2
"""Distance painted beyond the gaps of a crystal, as a factor: positions scatter."""
MOST = 75
"""Percentile of the gaps that is painted; larger ones are mostly those beyond the edge of a crystal."""
FEWEST = 10
"""Number of atoms from which on their gaps are looked at."""


class PaintMap(Step):
    """Paint per-atom values on the pixels nearest each atom (Figs. 4d-h and 7d-h)."""

    renamed: ClassVar = {"reach": "max_distance"}
    needs: ClassVar = ("atoms", "image", "sub_images?")
    makes: ClassVar = "maps"
    reads: ClassVar = (ANY, OWN)

    columns: tuple[str, ...] = Field(
        (),
        description="Columns to paint; none: angle, offsets, latents and labels, and strain and symmetry where "
        "measured.",
    )
    deviations: bool = Field(False, description="Also paint the standard deviations of these columns, where known.")
    max_distance: float | None = Field(
        None,
        ge=0.5,
        le=1000,
        description="Largest distance of a pixel from the atom whose value it takes, in pixels; automatic: as far as "
        "the gaps of the crystal need, and a single missing atom.",
    )

    def resolve(self, atoms: Atoms, image: Image, sub_images: SubImages | None = None) -> PaintMap:
        """The same step with columns named and `max_distance` set so that a crystal is painted without holes."""
        columns = self.columns or default_columns(atoms)
        if self.deviations:
            columns = tuple(dict.fromkeys([*columns, *deviations_of(columns, atoms)]))
        return self.model_copy(
            update={
                "columns": columns,
                "max_distance": self.max_distance or max(0.5, round(covering_distance(atoms), 2)),
            }
        )

    def uses(self, replaced: set[str]) -> bool:
        """Whether anything painted was replaced; user-defined columns count only if this step paints them."""
        columns = own_columns(replaced)
        if columns is None:
            return super().uses(replaced)
        wanted = self.columns or catalog.columns().painted(columns)
        return any(name in wanted for name in columns)

    def summary(self, result: dict[str, Array]) -> str:
        return f"{len(result)} maps"

    def run(self, atoms: Atoms, image: Image, sub_images: SubImages | None = None) -> Job[dict[str, Array]]:
        """One float32 map per column, of the shape of the image; NaN where no atom is near, its value is NaN,
        or the image is masked.

        Labels are painted as numbers, with NaN for -1 (no class). Where a light column without a sub-image has no
        value, its area takes the value of the nearest other atom.

        Raises
        ------
        InputError
            If a column is missing or contains text.
        """
        yield Progress(0.0, "painting maps …")
        step = self.resolve(atoms, image)
        assert step.max_distance is not None
        missing = [name for name in step.columns if name not in atoms.features]
        if missing:
            raise InputError(
                f"There is no column {', '.join(missing)}; choose from {', '.join(map(str, atoms.features))}."
            )
        brush = Brush(atoms, image, reach=step.max_distance, left_out=not_cut(atoms, image, sub_images))
        maps: dict[str, Array] = {}
        for number, name in enumerate(step.columns):
            if (yield Progress(number / len(step.columns), f"painting maps: {number + 1} of {len(step.columns)}")):
                raise Cancelled
            maps[name] = brush.paint(column_values(atoms, name))
        return maps


class Brush:
    """Painter of maps of the same atoms, which remembers the nearest atom of every pixel.

    Parameters
    ----------
    reach
        Largest distance of a pixel from the atom whose value it takes, in pixels.
    left_out
        (N,) atoms whose area takes the value of the nearest other atom where they have no value.
    """

    def __init__(self, atoms: Atoms, image: Image, *, reach: float, left_out: npt.NDArray[np.bool_]) -> None:
        self.atoms, self.image, self.reach, self.left_out = atoms, image, reach, left_out
        self._indices: dict[bytes, npt.NDArray[np.int32]] = {}

    def fits(self, atoms: Atoms, reach: float) -> bool:
        """Whether this paints the same atoms, whatever their columns, with the same reach."""
        return reach == self.reach and self.atoms.same_atoms(atoms)

    def ready(self, values: npt.NDArray[np.float64]) -> bool:
        """Whether values of the N atoms can be painted without a search for nearest atoms."""
        return self._paints(values).tobytes() in self._indices

    def paint(self, values: npt.NDArray[np.float64]) -> Array:
        """The (N,) values on the pixels nearest the atoms, of the shape of the image; NaN where no atom is near."""
        paints = self._paints(values)
        if (key := paints.tobytes()) not in self._indices:
            self._indices[key] = nearest(self.atoms, paints, image=self.image, reach=self.reach)
        return np.append(values, np.nan).astype(np.float32)[self._indices[key]]

    def _paints(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        return ~self.left_out | np.isfinite(values)


def covering_distance(atoms: Atoms) -> float:
    """Distance from the atoms within which a crystal has no holes, in pixels.

    The gaps between atoms are the empty circles through three of them (Delaunay): in a honeycomb these are as large as
    the distance between neighbours, and between dumbbells larger. The centre of a missing atom is that distance away.

    Raises
    ------
    InputError
        Where no frame holds two atoms.
    """
    nearest_neighbour, gaps = neighbour_distance(atoms), [0.0]
    for frame in np.unique(atoms.frame):
        yx = atoms.yx[atoms.frame == frame]
        if len(yx) >= FEWEST and np.linalg.matrix_rank(yx - yx[0], tol=nearest_neighbour) == 2:
            gaps += _circumradii(yx[Delaunay(yx).simplices]).tolist()
    return SPARE * max(nearest_neighbour, float(np.percentile(gaps, MOST)))


def _circumradii(triangles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(n,) radii of the circles through the corners of (n, 3, 2) triangles; infinite for flat ones."""
    a, b, c = (np.linalg.norm(triangles[:, i] - triangles[:, j], axis=1) for i, j in ((0, 1), (1, 2), (2, 0)))
    (y1, x1), (y2, x2) = (triangles[:, 1] - triangles[:, 0]).T, (triangles[:, 2] - triangles[:, 0]).T
    area = np.abs(y1 * x2 - x1 * y2) / 2
    return np.where(area > 0, a * b * c / np.maximum(4 * area, 1e-12), np.inf)


def deviations_of(columns: Iterable[str], atoms: Atoms) -> list[str]:
    """Existing columns with the standard deviations of these, such as angle_std_rad for angle_rad."""
    return [name for name in map(std_of, columns) if name in atoms.features]


def default_columns(atoms: Atoms) -> tuple[str, ...]:
    """Existing columns that are painted by default."""
    return catalog.columns().painted(map(str, atoms.features))


def own_columns(replaced: set[str]) -> set[str] | None:
    """User-defined columns that were replaced, in the names of `Step.takes`; None if anything else was replaced too."""
    columns = {name.removeprefix(own("")) for name in replaced if name.startswith(own(""))}
    return None if replaced - {OWN, *map(own, columns)} else columns


def column_values(atoms: Atoms, name: str) -> npt.NDArray[np.float64]:
    """(N,) numbers of a column; NaN for atoms without a class or a decision."""
    values = numbers(atoms, name)
    return np.where(values < 0, np.nan, values) if is_class(name) else values


def not_cut(atoms: Atoms, image: Image, sub_images: SubImages | None) -> npt.NDArray[np.bool_]:
    """(N,) True for atoms without a sub-image that are far enough from the edge for one."""
    if sub_images is None:
        return np.zeros(len(atoms), bool)
    return fits(atoms.yx, image.shape, sub_images.window_size) & ~np.isin(atoms.ids, sub_images.atoms.ids)


def nearest(atoms: Atoms, paints: npt.NDArray[np.bool_], *, image: Image, reach: float) -> npt.NDArray[np.int32]:
    """Row of the nearest painting atom for every pixel, of the shape of the image; -1 beyond the reach."""
    pixels = np.indices(image.shape).reshape(2, -1).T
    index = np.full((image.count, len(pixels)), -1, np.int32)
    for frame, found in enumerate(index):
        rows = np.flatnonzero(paints & (atoms.frame == frame)).astype(np.int32)
        if len(rows):
            tree = cKDTree(atoms.yx[rows])
            found[:] = np.append(rows, np.int32(-1))[tree.query(pixels, distance_upper_bound=reach, workers=-1)[1]]
            found[image.masked(frame).ravel()] = -1
    return index.reshape(image.data.shape)

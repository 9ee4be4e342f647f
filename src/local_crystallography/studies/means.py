"""Means of columns over atoms with standard errors: of regions, classes and grains, and of vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree

from local_crystallography.clustering.features import numbers
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import is_class, kind_of, unit_of
from local_crystallography.data.errors import InputError
from local_crystallography.data.polygons import Region, inside
from local_crystallography.lattice.shells import neighbour_distance

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

REACH = 8.0
"""Distance up to which values of atoms are taken as correlated, in nearest-neighbour distances: the neighbourhoods that
strain is fitted in overlap up to there."""
SAMPLED = 4000
"""Most atoms whose surroundings are summed for a standard error."""
DISPLACEMENT = ("displacement_y", "displacement_x")


@dataclass(frozen=True)
class Mean:
    """Mean of `count` values with its standard error, and their standard deviation; NaN where unknown."""

    count: int
    mean: float
    error: float
    std: float


def mean_of(values: Array, yx: Array, reach: float, period: float | None = None) -> Mean:
    """Mean of (n,) values of atoms at (n, 2) positions; NaN are left out.

    The standard error allows for correlation of atoms up to `reach` pixels apart, such as that of strains whose
    neighbourhoods overlap: the products of residuals of all pairs enter with a weight that falls linearly to 0 there
    (Conley, Journal of Econometrics 92, 1, 1999), divided by 1 minus the share of the pairs that have a weight, as
    residuals add up to 0. It is never below that of independent atoms, std / sqrt(n). NaN for less than two values, or
    if all lie so close together that nothing is known of it.

    Parameters
    ----------
    period
        Values a period apart are the same, as angles are: the mean is that of the directions.
    """
    known = np.isfinite(values)
    values, yx = values[known], yx[known]
    n = len(values)
    if n == 0:
        return Mean(0, np.nan, np.nan, np.nan)
    if period is None:
        mean = float(values.mean())
        rest = values - mean
    else:
        mean = float(np.angle(np.exp(2j * np.pi * values / period).mean()) * period / (2 * np.pi))
        rest = (values - mean + period / 2) % period - period / 2
    if n < 2:
        return Mean(n, mean, np.nan, np.nan)
    std = float(np.sqrt((rest**2).sum() / (n - 1)))
    rows = np.random.default_rng(0).permutation(n)[:SAMPLED]
    pairs = cKDTree(yx[rows]).sparse_distance_matrix(cKDTree(yx), reach, output_type="coo_matrix")
    weight = 1 - pairs.data / reach
    together = float(weight.sum()) / len(rows)
    variance = float((weight * rest[rows[pairs.row]] * rest[pairs.col]).sum()) / len(rows) / n
    alone = std**2 / n
    error = np.sqrt(max(variance / (1 - together / n), alone)) if together < 0.7 * n else np.nan
    return Mean(n, mean, float(error), std)


def reach_of(atoms: Atoms) -> float:
    """Distance in pixels up to which values of atoms are taken as correlated."""
    return REACH * neighbour_distance(atoms)


def drawn_regions(region: Region, atoms: Atoms) -> dict[str, Mask]:
    """(N,) masks of the atoms in each of the areas drawn."""
    return {f"area {number + 1}": inside(atoms.yx, np.asarray(area)) for number, area in enumerate(region)}


def groups_of(atoms: Atoms, column: str) -> dict[str, Mask]:
    """(N,) masks of the atoms of each class, grain or sublattice of a column of whole numbers from 0."""
    values = numbers(atoms, column)
    title = column.removesuffix("_label") if column != "label" else "class"
    return {
        f"{title} {number:.0f}": values == number for number in np.unique(values[np.isfinite(values) & (values >= 0)])
    }


def means(atoms: Atoms, regions: Mapping[str, Mask], columns: Iterable[str]) -> pd.DataFrame:
    """Means of columns in each region, a row for each: region, column, atoms, mean, standard_error, std, unit.

    For a column of classes there is a row for the share of each class, for an angle that wraps around the mean is that
    of the directions. After the rows of `displacement_y_px` and `displacement_x_px`, or those in nm, follow length and
    direction of the mean vector.

    Raises
    ------
    InputError
        If there is no region with atoms, or no such column.
    """
    columns = list(columns)
    if missing := [name for name in columns if name not in atoms.features]:
        raise InputError(f"There is no column {', '.join(missing)}; choose another one, or run the step that adds it.")
    if not any(mask.any() for mask in regions.values()):
        raise InputError("No atom lies in the regions. Draw areas over the atoms in a Shapes layer.")
    reach, rows = reach_of(atoms), []
    for region, mask in regions.items():
        for name in columns:
            for title, values, period in series_of(atoms, name):
                rows.append((region, title, mean_of(values[mask], atoms.yx[mask], reach, period), unit_of(name)))
        for unit in ("px", "nm"):
            names = [f"{part}_{unit}" for part in DISPLACEMENT]
            if set(names) <= set(columns):
                parts = [mean_of(atoms.features[name].to_numpy(float)[mask], atoms.yx[mask], reach) for name in names]
                rows += [(region, *row) for row in _of_vector(parts, unit)]
    table = [(region, name, m.count, m.mean, m.error, m.std, unit) for region, name, m, unit in rows]
    return pd.DataFrame(table, columns=["region", "column", "atoms", "mean", "standard_error", "std", "unit"])


def series_of(atoms: Atoms, name: str) -> list[tuple[str, Array, float | None]]:
    """Name, (N,) values and period of what is averaged of a column: itself, or for classes the share of each."""
    values = numbers(atoms, name)
    if is_class(name):
        known = np.unique(values[np.isfinite(values) & (values >= 0)])
        return [(f"{name} = {number:.0f}", (values == number).astype(float), None) for number in known]
    if kind_of(name) != "cyclic":
        return [(name, values, None)]
    order = numbers(atoms, "symmetry_order") if name == "angle_rad" and "symmetry_order" in atoms.features else None
    fold = float(np.nanmedian(order)) if order is not None and np.isfinite(order).any() else 1.0
    return [(name, values, 2 * np.pi / max(fold, 1.0))]


def _of_vector(parts: list[Mean], unit: str) -> list[tuple[str, Mean, str]]:
    """Length and direction of a mean vector, from those of its components y (down) and x."""
    y, x = parts
    length = float(np.hypot(y.mean, x.mean))
    if length == 0 or y.count == 0:
        return []
    along = np.hypot(y.mean * y.error, x.mean * x.error) / length
    across = np.hypot(x.mean * y.error, y.mean * x.error) / length
    return [
        (f"length of the mean displacement_{unit}", Mean(y.count, length, float(along), np.nan), unit),
        (
            "direction of the mean displacement_rad",
            Mean(y.count, float(np.arctan2(-y.mean, x.mean)), float(across / length), np.nan),
            "rad",
        ),
    ]

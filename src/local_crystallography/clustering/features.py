"""Features of atoms for clustering: columns as points in a space."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import is_angle, is_class
from local_crystallography.data.errors import InputError

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

CONSTANT = 1e-12
"""Standard deviation below which a column counts as constant."""


@dataclass(frozen=True)
class Points:
    """Atoms as points in feature space.

    Parameters
    ----------
    at
        (n, d) features of the atoms that have all of them, each with mean 0 and standard deviation 1.
    rows
        (n,) row numbers of those atoms.
    """

    at: Array
    rows: Index

    def __len__(self) -> int:
        return len(self.rows)


def features(atoms: Atoms, columns: Sequence[str], *, period: int | None) -> Points:
    """Points of some columns, each divided by its standard deviation.

    An angle a (a column ending in _rad, except standard deviations) enters as cosine and sine of n a, so that symmetry
    rotations of a motif leave its point unchanged. Classes (a column ending in label or decision) enter as one-hot
    columns, since their numbers are names; atoms without a class are 0 in all.

    Parameters
    ----------
    period
        n; None: for `angle_rad` the `symmetry_order` of each atom, where it has one, 2 for `axis_angle_rad`, as an axis
        has no direction, otherwise 1.

    Raises
    ------
    InputError
        Where a column is missing, contains text or is constant, or no atom has a number in all of them.
    """
    columns = tuple(dict.fromkeys(columns))
    missing = [name for name in columns if name not in atoms.features]
    if missing:
        raise InputError(f"There is no column {', '.join(missing)}; choose from {', '.join(map(str, atoms.features))}.")
    known = [np.isfinite(numbers(atoms, name)) for name in columns if not is_class(name)]
    rows = np.flatnonzero(np.logical_and.reduce([np.ones(len(atoms), bool), *known]))
    if not len(rows):
        raise InputError(
            f"No atom has a number in every column of {', '.join(columns)}; encode the atoms first, or leave out "
            "columns without numbers."
        )
    atoms = atoms[rows]
    table = pd.concat([as_numbers(atoms, name) for name in columns], axis=1)
    for name in [name for name in columns if is_angle(name)]:
        angle = table[name] * equal_turns(atoms, name, period=period)
        halves = {f"{name} cosine": np.cos(angle), f"{name} sine": np.sin(angle)}
        table = table.assign(**halves).drop(columns=name)
    spread = table.std(ddof=0)
    if (spread < CONSTANT).any():
        constant = ", ".join(spread.index[spread < CONSTANT])
        raise InputError(f"Column {constant} is the same for every atom, so it distinguishes none; leave it out.")
    return Points(((table - table.mean()) / spread).to_numpy(), rows)


def positions(atoms: Atoms, rows: Index) -> Array:
    """(n, 2) positions of some atoms, with the frames of a stack far apart, so that they have no common neighbours."""
    yx = atoms.yx[rows]
    far = 10 * float(np.ptp(yx, axis=0).max(initial=0)) + 1
    return yx + np.column_stack([atoms.frame[rows] * far, np.zeros(len(yx))])


def as_numbers(atoms: Atoms, column: str) -> pd.DataFrame:
    """(N, k) a column as numbers; classes as one-hot columns."""
    values = numbers(atoms, column)
    if not is_class(column):
        return pd.DataFrame({column: values if is_angle(column) else about_one(values)})
    found = np.unique(values[values >= 0])
    if not len(found):
        raise InputError(f"Column {column} contains no class; leave it out.")
    return pd.DataFrame({f"{column} {number:.0f}": (values == number).astype(np.float64) for number in found})


def about_one(values: Array) -> Array:
    """Values (n,) over a power of two (without rounding) with a maximum of 0.5 to 1, as they may be tiny, in metres."""
    _, power = np.frexp(np.abs(values).max())
    return np.asarray(np.ldexp(values, -power), np.float64)


def different(points: Array, *, at_least: int) -> int:
    """Number of different points (n, d); it may stop early at a lower number of at least `at_least`."""
    along = len(np.unique(points[:, 0]))
    return along if along >= at_least else len(np.unique(points, axis=0))


def numbers(atoms: Atoms, column: str) -> Array:
    """(N,) one column as numbers.

    Raises
    ------
    InputError
        Where it contains anything else.
    """
    try:
        if np.iscomplexobj(atoms.features[column]):
            raise TypeError("complex numbers have no order")
        return np.asarray(atoms.features[column].astype(float), np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"Column {column} contains text instead of numbers; leave it out.") from error


def whole_numbers(atoms: Atoms, column: str) -> Index:
    """(N,) classes of a column; -1 for none, and for all atoms if there is no such column.

    Raises
    ------
    InputError
        Where it contains text.
    """
    if column not in atoms.features:
        return np.full(len(atoms), -1)
    given = numbers(atoms, column)
    return np.where(np.isfinite(given), given, -1).astype(np.int64)


def equal_turns(atoms: Atoms, column: str, *, period: int | None) -> Array:
    """(N,) rotational symmetry order used for an angle column, as in `features`."""
    if period is not None or column != "angle_rad" or "symmetry_order" not in atoms.features:
        return np.full(len(atoms), float(period or (2 if column == "axis_angle_rad" else 1)))
    order = numbers(atoms, "symmetry_order")
    return np.where(order >= 1, order, 1.0)


def latent_columns(atoms: Atoms) -> tuple[str, ...]:
    """z0, z1, … where they exist, otherwise the columns of one method of Describe: zernike0, …, or pca0, ….

    Raises
    ------
    InputError
        Where there are none.
    """
    components = (rf"{name}\d+" for name in ("z", "zernike", "pca", "nmf", "ica", "fft"))
    for pattern in (*components, r"aligned\d+_[yx]", r"neighbour\d+_[yx]"):
        if names := tuple(name for name in map(str, atoms.features) if re.fullmatch(pattern, name)):
            return names
    raise InputError(
        "The atoms have no latents (columns z0, z1, … or zernike0, zernike1, …) yet; train and encode first, or "
        "describe."
    )

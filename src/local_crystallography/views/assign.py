"""Results of a selection: classes assigned by hand, a column, a table."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import HAND_LABEL, is_class
from local_crystallography.data.errors import InputError
from local_crystallography.steps.catalog import columns
from local_crystallography.views.styles import ClassStyles

Mask = npt.NDArray[np.bool_]

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


def with_hand_label(atoms: Atoms, mask: Mask, number: int) -> Atoms:
    """The atoms, with class `number` assigned to those in a (N,) mask; -1 removes their class.

    Raises
    ------
    InputError
        For a number below -1.
    """
    if number < -1:
        raise InputError(f"{number} is not the number of a class; use a number from 0, or -1 for none.")
    return atoms.with_features(**{HAND_LABEL: np.where(mask, number, hand_labels(atoms))})


def hand_labels(atoms: Atoms) -> npt.NDArray[np.int64]:
    """(N,) classes assigned by hand; -1 for none, and everywhere before the first assignment."""
    if HAND_LABEL not in atoms.features:
        return np.full(len(atoms), -1)
    return np.asarray(np.nan_to_num(atoms.features[HAND_LABEL].to_numpy(float), nan=-1), np.int64)


def with_column(atoms: Atoms, name: str, mask: Mask) -> Atoms:
    """The atoms with a new column: 1 for those in a (N,) mask, 0 for the others.

    Raises
    ------
    InputError
        For an invalid name, see `checked_name`.
    """
    return atoms.with_features(**{checked_name(atoms, name): np.asarray(mask, np.int64)})


def checked_name(atoms: Atoms, name: str) -> str:
    """The name for a new column, without surrounding spaces.

    Raises
    ------
    InputError
        If the name is invalid, already exists, or is reserved for the columns of a step.
    """
    name = name.strip()
    if not NAME.fullmatch(name):
        raise InputError(
            f"A column cannot be named {name!r}; use up to 40 letters a to z, digits and underscores, starting with a "
            "letter."
        )
    if name in atoms.to_frame():
        raise InputError(f"There is already a column {name}; choose another name.")
    if columns().is_reserved(name):
        raise InputError(f"{name} is reserved for results; choose another name.")
    return name


def table_of(atoms: Atoms, mask: Mask, styles: ClassStyles) -> pd.DataFrame:
    """The atoms in a (N,) mask as in the atoms.csv of a session, with a column of names beside each of classes."""
    table = atoms[mask].to_frame()
    for column in [str(name) for name in table if is_class(str(name))]:
        numbers = np.nan_to_num(table[column].to_numpy(float), nan=-1).astype(int)
        names = {number: styles.name(column, number) for number in np.unique(numbers).tolist()}
        position = list(table).index(column) + 1
        table.insert(position, f"{column}_name", [names[number] for number in numbers.tolist()])
    return table

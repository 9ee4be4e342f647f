"""Agreement of runs on the same image: of the classes of atoms, or of any other column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree

from local_crystallography.clustering.matching import matched
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import is_class
from local_crystallography.data.errors import InputError
from local_crystallography.data.subimages import as_found
from local_crystallography.steps.catalog import columns
from local_crystallography.views.axis import axis_of, values_of

if TYPE_CHECKING:
    from local_crystallography.analysis import Analysis

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

REACH = 0.5
"""Share of the distance between neighbours within which two runs mean the same atom."""
CHANCE = 0.25
"""Median misfit, over that distance, of runs on different images; crystals laid on each other at random have 0.35."""
MOST_BESIDE = 3
"""Leading columns that are compared as well, where runs have them."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """Two runs' classes of the n atoms that both have.

    Attributes
    ----------
    adjusted_rand, rand
        Indices of the atoms that have a class in both runs; 1 where the classes are the same but for their numbers.
        The adjusted one (Hubert and Arabie 1985) is 0 on average where they have nothing to do with each other.
    same
        Share of these atoms that have the same class, after renumbering.
    numbers, table
        Classes of the first and of the second run, -1 for none, and (k, l) atoms of each pair of them.
    differ
        (n,) whether the class is another one, or only one run gives one.
    """

    adjusted_rand: float
    rand: float
    same: float
    numbers: tuple[Index, Index]
    table: Index
    differ: Bools


@dataclass(frozen=True, eq=False)
class Correlation:
    """Two runs' numbers for the n atoms that both have.

    Attributes
    ----------
    value
        Pearson's, or of what goes round the circular one of Fisher and Lee; NaN where either is constant or unknown.
    offset
        Mean of the second less the first, in the unit of the column; of what goes round the circular mean.
    difference
        (n,) the second less the first, of what goes round within half a period (None for others) of 0.
    """

    value: float
    offset: float
    difference: Floats
    period: float | None

    @property
    def deviation(self) -> Floats:
        """(n,) differences, of what goes round less their mean: networks count angles from anywhere."""
        less = self.difference - self.offset
        return self.difference if self.period is None else less - self.period * np.round(less / self.period)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two runs, by their place among those compared and by name.

    Attributes
    ----------
    rows
        (n, 2) rows of the atoms that both have.
    share
        Of the atoms that either has, those that both have.
    found, beside
        How far they agree on the column compared, and on the other columns that both have.
    """

    runs: tuple[int, int]
    names: tuple[str, str]
    rows: Index
    share: float
    found: Agreement | Correlation
    beside: dict[str, Correlation]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A column of the atoms of every run, by its name, on the same image.

    Atoms are where they were found, their classes renumbered to the first run's. Pairs with the first run are first.
    """

    column: str
    atoms: dict[str, Atoms]
    pairs: tuple[Pair, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What the runs are called, in order."""
        return tuple(self.atoms)

    @property
    def of_classes(self) -> bool:
        """Whether classes are compared, not numbers."""
        return isinstance(self.pairs[0].found, Agreement)

    @cached_property
    def values(self) -> tuple[Floats, ...]:
        """(N,) values of the column, of every run; NaN for atoms without, -1 for those without a class."""
        return tuple(values_of(each.features, self.column) for each in self.atoms.values())

    def yx(self, pair: Pair) -> Floats:
        """(n, 2) places of the atoms of a pair, in pixels, in its first run."""
        return self.atoms[pair.names[0]].yx[pair.rows[:, 0]]


def compare(runs: Mapping[str, Atoms], column: str = "label") -> Comparison:
    """Compare a column of runs on the same image; ids may differ, atoms are matched by position.

    Parameters
    ----------
    runs
        Atoms by the name of their run, the one that gives the numbers of classes first.
    column
        Classes (its name ends in label or decision) or any numbers.

    Raises
    ------
    InputError
        For fewer than two runs, for one without the column, and for runs on different images.
    """
    if len(runs) < 2:
        raise InputError("A comparison needs at least two runs on the same image; add another one.")
    names, atoms = list(runs), [_checked(name, each, column) for name, each in runs.items()]
    rows = {pair: same_places(atoms[pair[0]], atoms[pair[1]]) for pair in combinations(range(len(atoms)), 2)}
    for i, j in (pair for pair, common in rows.items() if not len(common)):
        raise InputError(f"{names[i]} and {names[j]} have no atoms in common; compare runs on the same image.")
    if is_class(column) and not column.endswith("decision"):  # those mean the same in every run
        atoms[1:] = [_renumbered(atoms[0], atoms[i], rows[0, i], column) for i in range(1, len(atoms))]
    made = [_pair(names, atoms, pair, common, column) for pair, common in rows.items()]
    return Comparison(column, dict(zip(names, atoms, strict=True)), tuple(made))


def atoms_of(runs: Mapping[str, Analysis]) -> dict[str, Atoms]:
    """Atoms of every run, by its name; an InputError where one has none, or another image than the first."""
    found: dict[str, Atoms] = {}
    for name, run in runs.items():
        if run.image is None or run.atoms is None:
            raise InputError(f"{name} has no atoms; run it to the end.")
        first = next(iter(runs.values())).image
        if first is None or not np.array_equal(first.data, run.image.data, equal_nan=True):
            raise InputError(
                f"{name} is a run of another image than {next(iter(runs))}; compare runs on the same image."
            )
        found[name] = run.atoms
    return found


def same_places(first: Atoms, second: Atoms) -> Index:
    """(n, 2) rows of the same atoms: nearest to each other, within half the distance of neighbours, in one frame.

    None where they lie as far from each other as those of two different images.
    """
    none = np.empty((0, 2), np.int64)
    if not len(first) or not len(second):
        return none
    apart = 10 * (1 + float(np.abs(np.concatenate([first.yx, second.yx])).max()))  # frames lie far from each other
    places = [np.column_stack([each.yx, each.frame * apart]) for each in (first, second)]
    trees = [cKDTree(each) for each in places]
    spacing = min(_spacing(tree, apart) for tree in trees)
    distance, there = trees[1].query(places[0])
    back = trees[0].query(places[1])[1]
    rows = np.flatnonzero((back[there] == np.arange(len(first))) & (distance <= REACH * spacing))
    if not len(rows) or np.median(distance[rows]) > CHANCE * spacing:
        return none
    return np.column_stack([rows, there[rows]]).astype(np.int64)


def correlation(first: Floats, second: Floats, period: float | None = None) -> Correlation:
    """Correlate numbers (n,), those that both know; with a period, as angles (Fisher and Lee 1983).

    The circular correlation, over all pairs of atoms, does not mind where angles are counted from, nor that they are
    spread evenly; it is -1 where one run counts clockwise: doi:10.1093/biomet/70.2.327.
    """
    known = np.isfinite(first) & np.isfinite(second)
    difference = np.subtract(second, first, out=np.full(len(first), np.nan), where=known)
    if not known.any():
        return Correlation(np.nan, np.nan, difference, period)
    a, b = first[known], second[known]
    if period is None:
        value = float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) > 0 and np.ptp(b) > 0 else np.nan
        return Correlation(value, float((b - a).mean()), difference, None)
    turn = 2 * np.pi / period
    offset = float(np.angle(np.exp(1j * turn * (b - a)).mean())) / turn
    difference = difference - period * np.round(difference / period)
    return Correlation(_circular(turn * a, turn * b), offset, difference, period)


def _circular(a: Floats, b: Floats) -> float:
    """Sum over pairs of sin(a_i - a_j) sin(b_i - b_j) over its largest value, by sums over atoms."""
    top = abs(np.exp(1j * (a - b)).sum()) ** 2 - abs(np.exp(1j * (a + b)).sum()) ** 2
    spread = [len(a) ** 2 - abs(np.exp(2j * each).sum()) ** 2 for each in (a, b)]
    return float(top / np.sqrt(spread[0] * spread[1])) if min(spread) > 1e-9 * len(a) ** 2 else np.nan


def _agreement(first: Index, second: Index, names: tuple[str, str]) -> Agreement:
    from sklearn.metrics import adjusted_rand_score, rand_score

    both = (first >= 0) & (second >= 0)
    if not both.any():
        raise InputError(f"{names[0]} and {names[1]} have no atom with a class in both; cluster both.")
    (rows, row), (columns, column) = (np.unique(each, return_inverse=True) for each in (first, second))
    table = np.zeros((len(rows), len(columns)), np.int64)
    np.add.at(table, (row, column), 1)
    adjusted, rand = (float(score(first[both], second[both])) for score in (adjusted_rand_score, rand_score))
    return Agreement(adjusted, rand, float((first == second)[both].mean()), (rows, columns), table, first != second)


def _pair(names: list[str], atoms: list[Atoms], runs: tuple[int, int], rows: Index, column: str) -> Pair:
    called, two = (names[runs[0]], names[runs[1]]), (atoms[runs[0]][rows[:, 0]], atoms[runs[1]][rows[:, 1]])
    share = len(rows) / (len(atoms[runs[0]]) + len(atoms[runs[1]]) - len(rows))
    leading = columns().leading(map(str, two[0].features))[:MOST_BESIDE]
    beside = {name: _correlated(*two, name) for name in leading if all(_known(each, name) for each in two)}
    if not is_class(column):
        return Pair(runs, called, rows, share, _correlated(*two, column), beside)
    first, second = (each.features[column].to_numpy(np.int64) for each in two)
    return Pair(runs, called, rows, share, _agreement(first, second, called), beside)


def _correlated(first: Atoms, second: Atoms, column: str) -> Correlation:
    """Angles are compared within the smaller of the sectors they lie in."""
    how = [axis_of(column, each.features) for each in (first, second)]
    period = min((each.period / each.factor for each in how if each.period is not None), default=None)
    return correlation(values_of(first.features, column), values_of(second.features, column), period)


def _renumbered(first: Atoms, later: Atoms, rows: Index, column: str) -> Atoms:
    """The later atoms with their classes as the first run numbers them."""
    before, labels = (each.features[column].to_numpy(np.int64) for each in (first, later))
    earlier = np.full(len(later), -1)
    earlier[rows[:, 1]] = before[rows[:, 0]]
    numbers = np.unique(before[before >= 0])  # those of no common atom are taken as well
    both = np.append(labels, np.full(len(numbers), -1)), np.append(earlier, numbers)
    return later.with_features(**{column: matched(*both)[: len(later)]})


def _checked(name: str, atoms: Atoms, column: str) -> Atoms:
    """The atoms where they were found; classes as whole numbers, -1 for every kind of none."""
    classes = is_class(column)
    what, todo = ("classes", "cluster it first") if classes else ("numbers", "compare a column that every run has")
    values = values_of(atoms.features, column) if _known(atoms, column) else np.full(len(atoms), np.nan)
    known = values[np.isfinite(values)]
    if not len(known) or (classes and (known.max() < 0 or (known != np.floor(known)).any())):
        raise InputError(f"{name} has no {what} in {column}; {todo}.")
    if not classes:
        return as_found(atoms)
    labels = np.where(np.isfinite(values) & (values >= 0), values, -1).astype(np.int64)
    return as_found(atoms).with_features(**{column: labels})


def _known(atoms: Atoms, column: str) -> bool:
    """Whether the atoms have numbers in the column."""
    return column in atoms.features and pd.api.types.is_numeric_dtype(atoms.features[column])


def _spacing(tree: cKDTree, apart: float) -> float:
    """Median distance to the nearest atom of the same frame, in pixels; 2 where no atom has one."""
    if tree.n < 2:
        return 2.0
    nearest = tree.query(tree.data, 2)[0][:, 1]
    known = nearest[nearest < apart / 2]
    return float(np.median(known)) if len(known) else 2.0

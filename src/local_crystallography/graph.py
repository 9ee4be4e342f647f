"""Dependencies: what is made of what, which step made which column, and the atoms that steps have moved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import without_std
from local_crystallography.data.subimages import FOUND, as_found
from local_crystallography.recipe import Recipe
from local_crystallography.steps.base import OWN, Step, own
from local_crystallography.steps.catalog import columns, step_classes
from local_crystallography.steps.encode import Encode

After = Callable[[set[str]], tuple[str, ...]]
"""The steps that depend on what was replaced, as `stale_after` gives them."""
SAME = 1e-6
"""Distance in pixels below which an atom has not been moved."""
NONE = -1
"""Stands for no value in columns of whole numbers: no class, no grain."""
CONTINUED = tuple(step.name() for step in Recipe().steps if step.continues)


def stale_after(replaced: set[str], used: Mapping[str, Step] | None = None) -> tuple[str, ...]:
    """Names of the steps, in order, made of what was replaced, directly or through others; names as in `Step.takes`.

    Steps in `used`, by name, are taken as they are set; others as made of all that they can be made of.
    """
    stale: list[str] = []
    for step in Recipe().steps:  # each takes only what earlier ones give
        name = step.name()
        if used[name].uses(replaced) if used and name in used else step.takes() & replaced:
            stale.append(name)
            replaced = replaced | {step.gives()}
    return tuple(stale)


class StepColumns:
    """Which step made which column of the atoms of an analysis, and from what atoms a step began that moved them.

    Columns that are of no step are the user's own.
    """

    def __init__(self) -> None:
        self._made: dict[str, list[str]] = {}
        self._moved: dict[str, tuple[Atoms, Atoms]] = {}
        self._last: dict[str, Atoms] = {}

    @property
    def by_step(self) -> dict[str, list[str]]:
        """Names of the columns, by the step that made them."""
        return {step: list(names) for step, names in self._made.items()}

    def __copy__(self) -> StepColumns:
        other = StepColumns()
        other._made, other._moved, other._last = self.by_step, dict(self._moved), dict(self._last)
        return other

    def untouched(self, before: Atoms, edited: Atoms) -> Atoms:
        """Edited atoms, without a value in the columns of steps where they were moved or added.

        What Find atoms knows of an added one stays, since it may have been left out before.
        """
        old = pd.DataFrame(before.yx, index=before.ids).reindex(edited.ids).to_numpy()
        added = np.isnan(old).any(axis=1)
        touched = added | (np.abs(old - edited.yx) > SAME).any(axis=1)
        owner = {str(name): columns().owner(str(name)) for name in edited.features}
        owned = [name for name, step in owner.items() if step is not None]
        later = [name for name in owned if step_classes()[owner[name] or ""].adds_columns()]
        for rows, names in ((touched, later), (touched & ~added, owned)):
            edited = edited.with_features(**{name: blanked(edited.features[name], rows) for name in names})
        return edited

    def lacking(self, step: Step, atoms: Atoms) -> npt.NDArray[np.bool_]:
        """(N,) atoms without any value of a step: added or moved since."""
        names = [name for name in self._made.get(step.name(), []) if name in atoms.features]
        table = atoms.features[names]
        return np.asarray((table.isna() | (table == NONE)).all(axis=1), bool)

    def carried(self, before: Atoms, after: Atoms, steps: set[str]) -> Atoms:
        """Atoms with the columns of these steps as they were before, by id; NaN for new atoms."""
        names = [name for step in steps for name in self._made.get(step, []) if name in before.features]
        missing = [name for name in names if name not in after.features]
        return after.join(before.ids, before.features[missing]) if missing else after

    def keep(self, step: Step, before: Atoms, after: Atoms) -> None:
        """Take note of what a step has made of the atoms it was called with."""
        self._made[step.name()] = [str(name) for name in after.features if name not in before.features]
        if step.moves:
            self._moved[step.name()] = (before, after)

    def remember(self, atoms: Atoms | None) -> None:
        """Take note of the columns that a step continues when it is run again, though they may be gone by then."""
        for step in CONTINUED:
            names = self._made.get(step, [])
            if atoms is not None and names and {*names} <= {*atoms.features}:
                self._last[step] = Atoms(atoms.yx, atoms.features[["id", "frame", *names]])

    def forget(self) -> None:
        """Let go of what `remember` kept: it is of another image."""
        self._last.clear()

    def continued(self, step: Step, made: Atoms, now: Atoms) -> Atoms:
        """The result of a step in terms of its previous one; `now` are the present atoms."""
        self.remember(now)
        return step.continued(made, self._last[step.name()]) if step.name() in self._last else made

    def restore(self, by_step: Mapping[str, list[str]]) -> None:
        """Take over the saved columns."""
        self._made = {step: list(names) for step, names in by_step.items()}

    def adopt(self, atoms: Atoms) -> None:
        """Take the columns of atoms that bring the latents of an earlier run as those of the steps that declare them.

        Without latents they are the user's: a class that was drawn, an angle that was measured elsewhere.
        """
        owners = {str(name): columns().owner(str(name)) for name in atoms.features}
        if Encode.name() in owners.values():
            for name, owner in owners.items():
                if owner is not None and step_classes()[owner].adds_columns():
                    self._made.setdefault(owner, []).append(name)

    def calibrate(self, atoms: Atoms | None) -> None:
        """Take note of columns in nm that came or went with the pixel size."""
        lengths = [] if atoms is None else lengths_of(atoms)
        for step, names in self._made.items():
            kept = [name for name in names if not (name.endswith("_nm") and f"{name[:-3]}_px" in names)]
            there = [] if atoms is None else [name.replace("_px", "_nm") for name in lengths if name in names]
            self._made[step] = [*kept, *(name for name in there if atoms is not None and name in atoms.features)]

    def drop(self, steps: Iterable[str]) -> list[str]:
        """Names of the columns of these steps, which are theirs no more."""
        return [column for step in steps for column in self._made.pop(step, [])]

    def taken_by(self, step: Step, atoms: Atoms | None, stale_after: After) -> Atoms | None:
        """The atoms as a step takes them: where it has moved these already, those it began from."""
        atoms = without(atoms, self._hidden_from(step, stale_after))
        if atoms is None or step.name() not in self._moved:
            return atoms
        before, after = self._moved[step.name()]
        if not after.same_atoms(atoms):
            return atoms
        # nobody edited what the step made, so it begins again from what it was made of
        return with_own_columns(before, atoms, made={name for names in self._made.values() for name in names})

    def led_to(self, now: Atoms, atoms: Atoms) -> bool:
        """Whether `atoms` are those there are now, or what steps have moved them from."""
        found = as_found(now)
        before = [old for old, new in self._moved.values() if new.same_atoms(now) or new.same_atoms(found)]
        return any(atoms.same_atoms(other) for other in (now, found, *before))

    def replaced(self, before: Atoms, after: Atoms) -> set[str]:
        """The makers of the columns that differ in the same atoms, in the names of `Step.takes`."""
        old, new = before.features, after.features
        maker = {column: step for step, columns in self._made.items() for column in columns}
        both = {*old, *new}
        changed = [c for c in both if c not in old or c not in new or not old[c].equals(new[c])]
        return {maker.get(c, own(c)) for c in changed} | {OWN for c in changed if c not in maker}

    def _hidden_from(self, step: Step, stale_after: After) -> list[str]:
        """Columns the step is called without: those of steps it does not read, or those that its own will replace."""
        replaced = {step.name(), *stale_after(step.replaces())}
        makers = replaced if step.adds_columns() else set(self._made) - set(step.reads_from())
        return [column for maker in makers for column in self._made.get(maker, [])]


def blanked(values: pd.Series[Any], rows: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """(N,) values without those of some rows: -1 of whole numbers, NaN of others."""
    whole = values.dtype.kind in "iu"
    return np.where(rows, NONE if whole else np.nan, values.to_numpy() if whole else values.to_numpy(float))


def without(atoms: Atoms | None, names: list[str]) -> Atoms | None:
    """The atoms without these columns, and back where they were found if those tell where."""
    if atoms is None or not names:
        return atoms
    return (as_found(atoms) if set(FOUND) <= set(names) else atoms).without(names)


def with_own_columns(atoms: Atoms, later: Atoms, *, made: set[str]) -> Atoms:
    """The atoms with the columns that `later` ones, by id, have of no step (`made` are those of steps) or otherwise."""
    old, new = atoms.features.set_index("id"), later.features.set_index("id")
    for name in [str(name) for name in new if name not in made]:
        if name not in old or not new[name].equals(old[name].reindex(new.index)):
            values = new[name].combine_first(old[name]) if name in old else new[name]
            atoms = atoms.with_features(**{name: values.reindex(old.index).to_numpy()})
    return atoms


def lengths_of(atoms: Atoms) -> list[str]:
    """The columns in pixels that are given in nm as well where the pixel size is known."""
    declared = [column for added in columns().by_step.values() for column in added if column.in_nm]
    names = [str(name) for name in atoms.features if str(name).endswith("_px")]
    also_std = [(name, column) for name in names for column in declared if column.has_std]
    stds = {name for name, column in also_std if column.matches(without_std(name))}
    return [name for name in names if name in stds or any(column.matches(name) for column in declared)]

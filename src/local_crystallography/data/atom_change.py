"""What was changed of atoms by hand, as a short record that makes the same change again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError


class ColumnChange(BaseModel):
    """New values of one column: for every value, the ids of the atoms that take it, such as "0-5 7"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: str
    values: Mapping[str, str]


class AtomChange(BaseModel):
    """Atoms removed, moved and added by hand, and columns set; calling it makes the change.

    Parameters
    ----------
    remove
        Ids of removed atoms, as ranges such as "3 8-11".
    move
        New position (y, x) in pixels, by id.
    add
        Frame and position (frame, y, x) of new atoms, in pixels, by id.
    drop
        Names of columns taken away.
    columns
        Columns with new values, by name.
    order
        Names of all columns in order, where it is not that of before with new ones at the end.
    pixel_size
        nm per pixel, where it is not that of before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    remove: str = ""
    move: Mapping[int, tuple[float, float]] = {}
    add: Mapping[int, tuple[int, float, float]] = {}
    drop: tuple[str, ...] = ()
    columns: Mapping[str, ColumnChange] = {}
    order: tuple[str, ...] = ()
    pixel_size: float | None = None

    @classmethod
    def between(cls, before: Atoms | None, after: Atoms) -> AtomChange | None:
        """The change that makes `after` of `before`, None being no atoms; None where it cannot be written exactly."""
        before = Atoms.at([]) if before is None else before
        old = {int(i): tuple(yx) for i, yx in zip(before.ids, before.yx.tolist(), strict=True)}
        new = {int(i): tuple(yx) for i, yx in zip(after.ids, after.yx.tolist(), strict=True)}
        frames = dict(zip(after.ids.tolist(), after.frame.tolist(), strict=True))
        change = cls(
            remove=ranges(set(old) - set(new)),
            move={i: yx for i, yx in new.items() if i in old and yx != old[i]},
            add={i: (frames[i], *yx) for i, yx in new.items() if i not in old},
            pixel_size=None if after.pixel_size == before.pixel_size else after.pixel_size,
            drop=tuple(str(name) for name in before.features if name not in after.features),
        )
        made = change(before)
        if not made.same_atoms(after) or made.pixel_size != after.pixel_size:
            return None
        wanted = [str(name) for name in after.features if name != "id"]
        columns = {name: _column(after, name) for name in wanted if not _alike(made, after, name)}
        change = change.model_copy(update={"columns": columns})
        made = change(before)
        if list(made.features) != list(after.features):
            change = change.model_copy(update={"order": tuple(map(str, after.features))})
            made = change(before)
        same = list(made.features) == list(after.features) and all(_alike(made, after, name) for name in wanted)
        return change if same else None

    def __call__(self, atoms: Atoms) -> Atoms:
        """The changed atoms.

        Raises
        ------
        InputError
            Where an atom to be moved is not there.
        """
        if missing := sorted(set(self.move) - set(atoms.ids.tolist())):
            raise InputError(f"There is no atom {missing[0]} to move; the atoms are not those that were changed.")
        kept = atoms[~np.isin(atoms.ids, ids_of(self.remove))]
        yx, features = kept.yx.copy(), kept.features.drop(columns=list(self.drop), errors="ignore")
        for row, number in enumerate(kept.ids.tolist()):
            yx[row] = self.move.get(number, yx[row])
        if self.add:
            new = pd.DataFrame({"id": list(self.add), "frame": [frame for frame, _, _ in self.add.values()]})
            features = pd.concat([features, new], ignore_index=True) if len(features) else new
            yx = np.concatenate([yx, [[y, x] for _, y, x in self.add.values()]])
        for name, column in self.columns.items():
            features = features.assign(**{name: _values(column, features["id"].to_numpy())})
        features = features[list(self.order)] if self.order else features
        return Atoms(yx, features, atoms.pixel_size if self.pixel_size is None else self.pixel_size)


def ranges(ids: Iterable[int]) -> str:
    """Whole numbers in short: "0-5 7 9-12"."""
    numbers = np.unique(np.fromiter(ids, np.int64))
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1) if len(numbers) else []
    return " ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def ids_of(text: str) -> list[int]:
    """The reverse of `ranges`."""
    ends = [part.split("-") for part in text.split()]
    return [number for end in ends for number in range(int(end[0]), int(end[-1]) + 1)]


def _alike(one: Atoms, other: Atoms, name: str) -> bool:
    """Whether a column is the same, bit for bit but for the kind of NaN."""
    if name not in one.features or one.features[name].dtype != other.features[name].dtype:
        return False
    return bool(one.features[name].equals(other.features[name]))


def _column(atoms: Atoms, name: str) -> ColumnChange:
    """All values of a column, grouped; the most frequent one stands for "other"."""
    values = atoms.features[name]
    texts = pd.Series([_text(value) for value in values.tolist()])
    by_text = {str(text): atoms.ids[rows.to_numpy()] for text, rows in texts.groupby(texts).groups.items()}
    most = max(by_text, key=lambda text: len(by_text[text]), default="")
    return ColumnChange(
        dtype=str(values.dtype),
        values={text: "others" if text == most else ranges(map(int, ids)) for text, ids in by_text.items()},
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _values(column: ColumnChange, ids: npt.NDArray[Any]) -> Any:
    """(N,) values of a column for these ids."""
    texts = np.full(len(ids), "", object)
    for text, which in sorted(column.values.items(), key=lambda each: each[1] != "others"):
        texts[slice(None) if which == "others" else np.isin(ids, ids_of(which))] = text
    match np.dtype(column.dtype).kind if column.dtype not in ("str", "string", "category") else "O":
        case "b":
            return (texts == "True").astype(bool)
        case "i" | "u":
            return np.array([int(text) for text in texts], column.dtype)
        case "f":
            return np.array([float(text) for text in texts], column.dtype)
    return pd.Series(list(texts), dtype=column.dtype)

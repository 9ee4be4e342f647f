"""Atom positions and every per-atom result, as columns of one table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography.data.columns import IN_FILE
from local_crystallography.data.errors import InputError

STRONG = 0.9
"""Quantile of the intensities that weak atoms are compared with."""


@dataclass(frozen=True)
class Atoms:
    """Atoms of one image or stack; never edited in place.

    Parameters
    ----------
    yx
        (N, 2) positions in pixels, rows first, origin at the centre of pixel (0, 0), y down.
    features
        N rows; holds `id` (stable, unique) and `frame`, and one column per result.
    pixel_size
        nm per pixel, or None.
    left_out
        Atoms that the step returning these has left out, if any; not passed on to subsets or changed copies.
    """

    yx: npt.NDArray[np.float64]
    features: pd.DataFrame
    pixel_size: float | None = None
    left_out: Atoms | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        yx = _pairs(self.yx)
        if len(yx) != len(self.features):
            raise InputError(
                f"There are {len(yx)} positions but {len(self.features)} rows of features; give one row for each atom."
            )
        object.__setattr__(self, "yx", yx)
        object.__setattr__(self, "features", self.features.reset_index(drop=True))

    @classmethod
    def at(
        cls,
        yx: npt.ArrayLike,
        *,
        frame: npt.ArrayLike = 0,
        pixel_size: float | None = None,
        columns: dict[str, Any] | None = None,
    ) -> Atoms:
        """New atoms, numbered 0 to N - 1, at the given (N, 2) positions."""
        yx = _pairs(yx)
        n = len(yx)
        features = pd.DataFrame({"id": np.arange(n), "frame": np.broadcast_to(np.asarray(frame), n).astype(int)})
        return cls(yx, features.assign(**(columns or {})), pixel_size)

    def __len__(self) -> int:
        return len(self.yx)

    def __getitem__(self, rows: Any) -> Atoms:
        """A subset of the atoms, by mask, index array or slice; ids are kept."""
        index = np.arange(len(self))[rows]
        return Atoms(self.yx[index], self.features.iloc[index], self.pixel_size)

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """(N,) stable numbers of the atoms."""
        return self.features["id"].to_numpy(np.int64)

    @property
    def frame(self) -> npt.NDArray[np.int64]:
        """(N,) number of the frame each atom is in."""
        return self.features["frame"].to_numpy(np.int64)

    def with_features(self, **columns: Any) -> Atoms:
        """The same atoms with columns added or replaced."""
        return Atoms(self.yx, self.features.assign(**columns), self.pixel_size)

    def relative_intensity(self) -> npt.NDArray[np.float64]:
        """(N,) magnitude of `intensity` over its 90 % quantile, that of the strong atoms; NaN where unknown."""
        size = np.abs(self.features["intensity"].to_numpy(float))
        known = np.isfinite(size)
        strong = float(np.quantile(size[known], STRONG)) if known.any() else 1.0
        return np.asarray(size / (strong or 1.0), np.float64)

    def without(self, names: list[str]) -> Atoms:
        """The same atoms without the named columns, where they exist."""
        return Atoms(self.yx, self.features.drop(columns=names, errors="ignore"), self.pixel_size)

    def join(self, ids: npt.ArrayLike, columns: pd.DataFrame) -> Atoms:
        """The atoms with columns computed for a subset of them, matched by `id`; NaN for all others.

        Columns of the same name are replaced entirely, so that no row keeps an older result.
        """
        part = columns.set_axis(pd.Index(np.asarray(ids), name="id"), axis=0)
        aligned = part.reindex(self.ids).reset_index(drop=True)
        return Atoms(self.yx, self.features.drop(columns=list(aligned), errors="ignore").join(aligned), self.pixel_size)

    def same_atoms(self, other: Atoms | None) -> bool:
        """Whether the other holds the same atoms at the same positions, whatever their columns."""
        return other is not None and np.array_equal(self.ids, other.ids) and np.array_equal(self.yx, other.yx)

    def to_frame(self) -> pd.DataFrame:
        """A flat table: id, frame, y_px, x_px, y_nm and x_nm where the scale is known, then all columns."""
        positions = {"y_px": self.yx[:, 0], "x_px": self.yx[:, 1]}
        if self.pixel_size is not None:
            positions |= {"y_nm": positions["y_px"] * self.pixel_size, "x_nm": positions["x_px"] * self.pixel_size}
        rest = self.features.drop(columns=["id", "frame"])
        return pd.concat([self.features[["id", "frame"]], pd.DataFrame(positions), rest], axis=1)

    @classmethod
    def from_frame(cls, table: pd.DataFrame, pixel_size: float | None = None) -> Atoms:
        """The reverse of `to_frame`; `id` and `frame` are made where they are missing.

        Raises
        ------
        InputError
            Where the table has no y_px and x_px.
        """
        if not {"y_px", "x_px"} <= set(table.columns):
            raise InputError(
                f"The table has the columns {', '.join(map(str, table.columns))}, but it needs y_px and x_px; rename "
                "the columns of the positions."
            )
        features = table.drop(columns=["y_px", "x_px", "y_nm", "x_nm", *IN_FILE], errors="ignore")
        for name, default in (("frame", np.zeros(len(table), int)), ("id", np.arange(len(table)))):
            if name not in features:
                features.insert(0, name, default)
        return cls(table[["y_px", "x_px"]].to_numpy(float), features, pixel_size)


def _pairs(yx: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """(N, 2) positions; an empty list is none.

    Raises
    ------
    InputError
        For an array of another shape.
    """
    pairs = np.asarray(yx, dtype=np.float64)
    if pairs.size and (pairs.ndim != 2 or pairs.shape[1] != 2):
        raise InputError(
            f"Positions of shape {pairs.shape} cannot be used, only (N, 2); give y and x of each atom, and the frame "
            "separately."
        )
    return pairs.reshape(-1, 2)

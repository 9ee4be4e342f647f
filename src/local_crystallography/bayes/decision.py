"""Three-way decision of Kruschke (2018, doi 10.1177/2515245918771304): an interval against a ROPE."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from local_crystallography.data.errors import InputError

Array = npt.NDArray[np.float64]


class Decision(IntEnum):
    """Decision on the hypothesis that a parameter is practically zero."""

    TOO_FEW = -1
    """Not enough neighbours for a posterior."""
    SYMMETRIC = 0
    """The whole interval lies inside the ROPE."""
    BROKEN = 1
    """The whole interval lies outside the ROPE."""
    UNDECIDED = 2
    """The interval crosses an edge of the ROPE."""

    @property
    def words(self) -> str:
        """Text for users."""
        return "not enough neighbours" if self is Decision.TOO_FEW else self.name.lower()


@dataclass(frozen=True)
class Rope:
    """Region of practical equivalence: values inside it are practically equal to the null value.

    Parameters
    ----------
    low, high
        Edges, in the unit of the parameter.

    Raises
    ------
    InputError
        Where `low` is not below `high`, or either is not finite.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise InputError(
                f"A ROPE cannot extend from {self.low:g} to {self.high:g}; its edges must be finite, the lower one "
                "first."
            )

    @classmethod
    def about_zero(cls, half: float) -> Rope:
        """ROPE from -half to half."""
        return cls(-half, half)

    @property
    def width(self) -> float:
        """Distance between the edges."""
        return self.high - self.low


def decide(low: npt.ArrayLike, high: npt.ArrayLike, rope: Rope) -> npt.NDArray[np.int64]:
    """(n,) values of `Decision` for intervals from `low` to `high`; NaN edges mean too few neighbours."""
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    inside = (low >= rope.low) & (high <= rope.high)
    outside = (low > rope.high) | (high < rope.low)
    known = np.isfinite(low) & np.isfinite(high)
    chosen = [Decision.TOO_FEW, Decision.SYMMETRIC, Decision.BROKEN]
    return np.select([~known, inside, outside], chosen, Decision.UNDECIDED).astype(np.int64)


def on_edge(low: npt.ArrayLike, high: npt.ArrayLike, rope: Rope) -> npt.NDArray[np.bool_]:
    """(n,) whether an edge of the ROPE lies in the middle third of an interval, so that more data may never decide."""
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    third = (high - low) / 3
    inner = [(low + third <= edge) & (edge <= high - third) for edge in (rope.low, rope.high)]
    return np.asarray(inner[0] | inner[1], np.bool_)

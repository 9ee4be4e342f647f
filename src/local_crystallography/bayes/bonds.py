"""The diatomic chain of section 1: its positions and bonds, simulated or one's own, and the lattice fitted to it.

A unit cell has an odd bond and the even one after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from local_crystallography.bayes.posterior import Summary
from local_crystallography.data.errors import InputError

Array = npt.NDArray[np.float64]
Noise = Literal["bonds", "positions"]
"""What varies independently: every bond, so that errors of positions add up; or every position, as where atoms are
localised in an image, so that neighbouring bonds share the error of the atom between them."""

CASES: dict[int, tuple[float, float]] = {1: (0.5, 1.5), 2: (0.95, 1.05)}
"""Mean odd and even bonds of the two cases of the paper."""

DEVIATION = 0.1
"""Of the bonds of both cases: the paper's sigma^2 = 0.01 is read as a variance, since it calls the difference of
case 2, which is 0.1, "on the order of the standard deviation"."""


@dataclass(frozen=True)
class Chain:
    """Positions along a chain of whole unit cells.

    Parameters
    ----------
    positions
        (2 n + 1,) of the atoms of n unit cells, in order, in any unit.
    """

    positions: Array

    @classmethod
    def of_bonds(cls, bonds: npt.ArrayLike) -> Chain:
        """From bond lengths in order, the first one odd; a last one without its partner is left out."""
        lengths = np.asarray(bonds, np.float64).ravel()
        return cls.of_positions(np.concatenate([[0.0], np.cumsum(lengths)]))

    @classmethod
    def of_positions(cls, positions: npt.ArrayLike) -> Chain:
        """From positions in order; one that ends half a unit cell is left out.

        Raises
        ------
        InputError
            For fewer than three positions, or some that are not finite.
        """
        x = np.asarray(positions, np.float64).ravel()
        if len(x) < 3 or not np.isfinite(x).all():
            raise InputError(
                f"A chain of {len(x)} positions came, {np.isfinite(x).sum()} of them finite; at least three, all "
                "finite, were expected; choose a longer row without gaps."
            )
        return cls(x[: len(x) - (len(x) + 1) % 2])

    @property
    def bonds(self) -> Array:
        """(2 n,) bond lengths in order."""
        return np.diff(self.positions)

    @property
    def odd(self) -> Array:
        """(n,) first bonds of the unit cells."""
        return self.bonds[0::2]

    @property
    def even(self) -> Array:
        """(n,) second bonds of the unit cells."""
        return self.bonds[1::2]

    @property
    def cells(self) -> int:
        """How many unit cells."""
        return len(self.positions) // 2


class SimulatedChain(BaseModel):
    """A chain to simulate; calling it gives a `Chain`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    odd: float = Field(CASES[2][0], ge=1e-6, le=1e6, description="Mean of the odd bonds, in any unit.")
    even: float = Field(CASES[2][1], ge=1e-6, le=1e6, description="Mean of the even bonds, in the same unit.")
    deviation: float = Field(
        DEVIATION, ge=1e-9, le=1e6, description="Standard deviation of the noise, in the unit of the bonds."
    )
    cells: int = Field(200, ge=1, le=10_000, description="Unit cells, each of an odd bond and the even one after it.")
    noise: Noise = Field(
        "bonds",
        description="What varies independently: every bond, as the paper draws them, or every position, as where atoms "
        "are localised in an image.",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Number that fixes the noise.")

    @classmethod
    def of_case(cls, case: int) -> SimulatedChain:
        """Case 1 or 2 of the paper."""
        odd, even = CASES[case]
        return cls(odd=odd, even=even)

    def __call__(self) -> Chain:
        """The chain."""
        return simulate_chain(**dict(self))


def simulate_chain(cells: int, *, odd: float, even: float, deviation: float, noise: Noise, seed: int) -> Chain:
    """A chain whose bonds are `odd` and `even` but for normal noise.

    Parameters
    ----------
    deviation
        Standard deviation of the noise, of every bond or of every position; as noise of positions it makes that of
        a bond sqrt(2) times as large.
    """
    if cells < 1 or not deviation >= 0:
        raise InputError(
            f"{cells} unit cells with a noise of {deviation:g} came, at least one cell and a noise of 0 or more were "
            "expected; raise them."
        )
    rng = np.random.default_rng(seed)
    return Chain(simulate_positions((1, cells), (odd, even), deviation=deviation, noise=noise, rng=rng)[0])


def simulate_positions(
    shape: tuple[int, int],
    lengths: tuple[float, float],
    *,
    deviation: float,
    noise: Noise,
    rng: np.random.Generator,
) -> Array:
    """(r, 2 n + 1) positions of r chains of n unit cells, for a `shape` of (r, n); else as `simulate_chain`."""
    chains, cells = shape
    bonds = np.tile(lengths, (chains, cells))
    if noise == "bonds":
        bonds = bonds + rng.normal(0, deviation, bonds.shape)
    positions = np.concatenate([np.zeros((chains, 1)), np.cumsum(bonds, axis=1)], axis=1)
    return positions + rng.normal(0, deviation, positions.shape) if noise == "positions" else positions


def alternation(positions: Array) -> Summary:
    """Least squares of x_j = c0 + c1 j + s (-1)^j after every unit cell, of r chains (r, 2 n + 1); shape (r, n).

    The mean is the difference even - odd, 4 s, and with flat priors two of the 2 n + 1 positions go to c0 and c1.
    One cell alone has no residual: its sum of squares is 0. Ours; right for noise on positions.
    """
    length = positions.shape[1]
    j = np.arange(length)
    design = np.stack([np.ones(length), j / length, (-1.0) ** j], axis=1)
    # The fit to all positions is taken away first: sums of squares of what is left lose no digits.
    whole = np.linalg.lstsq(design, positions.T, rcond=None)[0].T
    left = positions - whole @ design.T
    at = np.arange(2, length, 2)
    inverse = np.linalg.inv(np.cumsum(design[:, :, None] * design[:, None, :], axis=0)[at])
    right = np.cumsum(left[..., None] * design, axis=1)[:, at]
    fitted = np.einsum("nij,rnj->rni", inverse, right)
    squares = np.cumsum(left**2, axis=1)[:, at] - (fitted * right).sum(axis=2)
    squares[:, 0] = 0
    rounding = 1e-24 * np.square(positions).max(axis=1)[:, None] * at
    count = np.broadcast_to(at - 1.0, squares.shape)
    weight = np.broadcast_to(1 / (16 * inverse[:, 2, 2]), squares.shape)
    mean = 4 * (fitted[..., 2] + whole[:, 2:])
    return Summary(count, mean, np.where(squares > rounding, squares, 0.0), weight)

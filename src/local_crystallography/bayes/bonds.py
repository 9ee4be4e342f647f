"""Diatomic chain of section 1 of the paper: positions and bonds, simulated or measured, and the lattice fitted to it.

A unit cell consists of an odd bond and the even bond after it.
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
"""What varies independently: every bond, so that errors of positions accumulate; or every position, as for atoms
localised in an image, where neighbouring bonds share the error of the atom between them."""

CASES: dict[int, tuple[float, float]] = {1: (0.5, 1.5), 2: (0.95, 1.05)}
"""Mean odd and even bonds of the two cases of the paper."""

DEVIATION = 0.1
"""Standard deviation of the bonds in both cases: the paper's sigma^2 = 0.01 is read as a variance, since it calls the
difference of case 2, which is 0.1, "on the order of the standard deviation"."""


@dataclass(frozen=True)
class Chain:
    """Positions of atoms along a chain of complete unit cells.

    Parameters
    ----------
    positions
        (2 n + 1,) positions of the atoms of n unit cells, in order, in any unit.
    """

    positions: Array

    @classmethod
    def of_bonds(cls, bonds: npt.ArrayLike) -> Chain:
        """From bond lengths in order, beginning with an odd one; an unpaired last bond is dropped."""
        lengths = np.asarray(bonds, np.float64).ravel()
        return cls.of_positions(np.concatenate([[0.0], np.cumsum(lengths)]))

    @classmethod
    def of_positions(cls, positions: npt.ArrayLike) -> Chain:
        """From positions in order; the last is dropped where it ends half a unit cell.

        Raises
        ------
        InputError
            For fewer than three positions, or positions that are not finite.
        """
        x = np.asarray(positions, np.float64).ravel()
        if len(x) < 3 or not np.isfinite(x).all():
            raise InputError(
                f"A chain needs at least three positions, all finite; this one has {len(x)}, of which "
                f"{np.isfinite(x).sum()} are finite. Choose a longer row without gaps."
            )
        return cls(x[: len(x) - (len(x) + 1) % 2])

    @property
    def bonds(self) -> Array:
        """(2 n,) bond lengths in order."""
        return np.diff(self.positions)

    @property
    def odd(self) -> Array:
        """(n,) first bond of every unit cell."""
        return self.bonds[0::2]

    @property
    def even(self) -> Array:
        """(n,) second bond of every unit cell."""
        return self.bonds[1::2]

    @property
    def cells(self) -> int:
        """Number of unit cells."""
        return len(self.positions) // 2


class SimulatedChain(BaseModel):
    """A chain to simulate; calling it returns a `Chain`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    odd: float = Field(CASES[2][0], ge=1e-6, le=1e6, description="Mean odd bond, in any unit.")
    even: float = Field(CASES[2][1], ge=1e-6, le=1e6, description="Mean even bond, in the same unit.")
    deviation: float = Field(
        DEVIATION, ge=1e-9, le=1e6, description="Standard deviation of the noise, in the unit of the bonds."
    )
    cells: int = Field(200, ge=1, le=10_000, description="Number of unit cells, each an odd bond and an even bond.")
    noise: Noise = Field(
        "bonds",
        description="What varies independently: every bond, as in the paper, or every position, as for atoms localised "
        "in an image.",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Random seed of the noise.")

    @classmethod
    def of_case(cls, case: int) -> SimulatedChain:
        """Case 1 or 2 of the paper."""
        odd, even = CASES[case]
        return cls(odd=odd, even=even)

    def __call__(self) -> Chain:
        """Simulate the chain."""
        return simulate_chain(**dict(self))


def simulate_chain(cells: int, *, odd: float, even: float, deviation: float, noise: Noise, seed: int) -> Chain:
    """A chain of `odd` and `even` bonds with normal noise.

    Parameters
    ----------
    deviation
        Standard deviation of the noise of every bond or of every position; noise of positions makes the noise of a
        bond sqrt(2) times as large.
    """
    if cells < 1 or not deviation >= 0:
        raise InputError(
            f"A chain of {cells} unit cells with a noise of {deviation:g} cannot be simulated: it needs at least one "
            "cell and a noise of 0 or more."
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
    """(r, 2 n + 1) positions of r chains of n unit cells, for a `shape` of (r, n); otherwise as `simulate_chain`."""
    chains, cells = shape
    bonds = np.tile(lengths, (chains, cells))
    if noise == "bonds":
        bonds = bonds + rng.normal(0, deviation, bonds.shape)
    positions = np.concatenate([np.zeros((chains, 1)), np.cumsum(bonds, axis=1)], axis=1)
    return positions + rng.normal(0, deviation, positions.shape) if noise == "positions" else positions


def alternation(positions: Array) -> Summary:
    """Least-squares fit of x_j = c0 + c1 j + s (-1)^j after every unit cell of r chains (r, 2 n + 1); shape (r, n).

    The mean is the difference even - odd, 4 s; with flat priors c0 and c1 use up two of the 2 n + 1 positions. A
    single cell has no residual: its sum of squares is 0. Not in the paper; correct for noise on positions.
    """
    length = positions.shape[1]
    j = np.arange(length)
    design = np.stack([np.ones(length), j / length, (-1.0) ** j], axis=1)
    # Subtract the fit to all positions first, so that the sums of squares of the residuals lose no digits.
    whole = np.linalg.lstsq(design, positions.T, rcond=None)[0].T
    residual = positions - whole @ design.T
    at = np.arange(2, length, 2)
    inverse = np.linalg.inv(np.cumsum(design[:, :, None] * design[:, None, :], axis=0)[at])
    right = np.cumsum(residual[..., None] * design, axis=1)[:, at]
    fitted = np.einsum("nij,rnj->rni", inverse, right)
    squares = np.cumsum(residual**2, axis=1)[:, at] - (fitted * right).sum(axis=2)
    squares[:, 0] = 0
    rounding = 1e-24 * np.square(positions).max(axis=1)[:, None] * at
    count = np.broadcast_to(at - 1.0, squares.shape)
    weight = np.broadcast_to(1 / (16 * inverse[:, 2, 2]), squares.shape)
    mean = 4 * (fitted[..., 2] + whole[:, 2:])
    return Summary(count, mean, np.where(squares > rounding, squares, 0.0), weight)

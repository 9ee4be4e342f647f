"""Measured chains: rows of atoms of an image, instead of the simulated chain of section 1 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from local_crystallography.bayes.bonds import Chain
from local_crystallography.bayes.nets import Array, Index, Net
from local_crystallography.bayes.rows import Bonds, bonds_along, bonds_on_line
from local_crystallography.data.errors import InputError


@dataclass(frozen=True)
class RowChain:
    """A row of atoms without a gap.

    Parameters
    ----------
    chain
        Positions along the row, in `unit`, of complete unit cells of two bonds.
    atoms
        (2 n + 1,) row numbers of these atoms in the table, in order.
    unit
        "nm" or "px".
    """

    chain: Chain
    atoms: Index
    unit: str


def chains_along(nets: Sequence[Net], direction: tuple[int, int], pixel_size: float | None = None) -> list[RowChain]:
    """Rows along a direction (h, k) of the lattice, the longest first; of a row with gaps, its longest part.

    The first bond of every chain has an even number, so that along a or b the odd bonds of all rows are of one kind.

    Raises
    ------
    InputError
        Where no row has three consecutive atoms.
    """
    bonds = bonds_along(nets, direction, pixel_size)
    yx = np.full((1 + max(int(net.rows.max(initial=0)) for net in nets), 2), np.nan)
    for net in nets:
        yx[net.rows] = net.yx
    chains = [_longest(bonds.of_row(row), yx, pixel_size) for row in np.unique(bonds.row).tolist()]
    found = [chain for chain in chains if chain is not None]
    if not found:
        raise InputError(
            f"No row along {direction} has three consecutive atoms, while ten or more are useful; choose another "
            "direction or more atoms."
        )
    return sorted(found, key=lambda each: -each.chain.cells)


def chain_on_line(
    yx: Array, start: npt.ArrayLike, end: npt.ArrayLike, tolerance: float, pixel_size: float | None = None
) -> RowChain:
    """Longest part without a gap of the atoms (N, 2) near a line, see `bonds_on_line`.

    Raises
    ------
    InputError
        For a line with too few atoms.
    """
    found = _longest(bonds_on_line(yx, start, end, tolerance, pixel_size), np.asarray(yx, np.float64), pixel_size)
    if found is None:
        raise InputError("The line has no three consecutive atoms without a gap; draw it along a row.")
    return found


def _longest(bonds: Bonds, yx: Array, pixel_size: float | None) -> RowChain | None:
    """Longest run of bonds of one row, as a chain that begins with a bond of even number."""
    runs = np.split(np.arange(len(bonds)), np.flatnonzero(np.diff(bonds.number) != 1) + 1)
    runs = [run[int(bonds.number[run[0]] % 2) :] for run in runs if len(run)]
    run = max(runs, key=len, default=np.empty(0, np.int64))
    if len(run) < 2:
        return None
    atoms = np.append(bonds.atoms[run, 0], bonds.atoms[run[-1], 1])[: 2 * (len(run) // 2) + 1]
    positions = yx[atoms] * (pixel_size or 1.0)
    along = positions[-1] - positions[0]
    return RowChain(Chain.of_positions((positions - positions[0]) @ along / np.linalg.norm(along)), atoms, bonds.unit)

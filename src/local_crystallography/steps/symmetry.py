"""Symmetry around every atom: posteriors and decisions on alternation, tetragonality and cell angle."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from local_crystallography.bayes.decision import Decision, Rope
from local_crystallography.bayes.local import (
    ALTERNATIONS,
    Choice,
    Posterior,
    alternation,
    cell_angle,
    noise,
    pooled,
    recast,
    tetragonality,
    unknown,
)
from local_crystallography.bayes.nets import Array, Index, Net, Together, nets
from local_crystallography.bayes.study import Rule, WindowStudy, window_study
from local_crystallography.bayes.windows import Regression, Windows, all_regressions, regress
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import Column
from local_crystallography.data.errors import InputError
from local_crystallography.data.parameters import ADVANCED, unset
from local_crystallography.data.progress import Job
from local_crystallography.lattice.bravais import Ideal, nearest_ideal
from local_crystallography.steps.base import Step

BENT = 2.5
"""Smallest radius, in cell sides, whose windows distinguish bending from alternation."""

DECIDED = (Decision.SYMMETRIC, Decision.BROKEN, Decision.UNDECIDED)


FREE = {
    "rectangular": "The sides of a rectangular lattice may differ: only its angle is decided, not the tetragonality.",
    "centred rectangular": "The sides of a centred rectangular lattice may differ: only its angle is decided, not the "
    "tetragonality.",
    "oblique": "An oblique lattice may have any sides and angle: neither tetragonality nor cell angle is decided.",
}
"""What an ideal lattice leaves undecided."""


class DecideSymmetry(Step):
    """Decide around every atom whether bonds alternate, and whether the cell is square, by HDI and ROPE."""

    renamed: ClassVar = {"mass": "hdi_prob", "each": "all_kinds"}
    needs: ClassVar = ("atoms",)
    makes: ClassVar = "atoms"
    adds: ClassVar = (
        Column("alternation", "Difference of neighbouring bonds over the cell length.", signed=True, painted=True),
        Column("alternation_hdi", "Width of the highest-density interval of the alternation.", painted=True),
        Column("alternation_in_rope", "Probability that the alternation lies within the ROPE.", painted=True),
        Column("alternation_decision", "Decision on the alternation; -1: too few neighbours.", painted=True),
        Column("alternation_kind", "Direction of the alternation; -1 for none."),
        Column("alternation_.*", "Alternation of one kind, its interval or its probability."),
        Column("deciding_cells", "Doubled cells in the smallest window that decides.", painted=True),
        Column("position_noise", "Standard deviation of a coordinate over the side of the cell."),
        Column(
            "tetragonality",
            "Ratio of the sides of the conventional cell minus 1; NaN where the ideal lattice has unequal sides.",
            signed=True,
            painted=True,
        ),
        Column(
            "cell_angle",
            "Angle of the conventional cell minus that of the ideal lattice, in degrees; NaN for an oblique lattice.",
            signed=True,
            painted=True,
        ),
        Column("(tetragonality|cell_angle)_decision", "Decision on the shape of the cell; -1: none.", painted=True),
        Column("(tetragonality|cell_angle)_hdi", "Width of the highest-density interval."),
        Column("(tetragonality|cell_angle)_in_rope", "Probability of lying within the ROPE."),
    )
    reads: ClassVar = ("measure_lattice", "refine_atoms", "correct_scan")
    optional: ClassVar = True

    radius: float = Field(
        5.1,
        ge=1,
        le=30,
        description="Radius of the window around every atom, in sides of the cell (5.1: 42 cells).",
    )
    alternation: Choice = Field(
        "commonest",
        description="Which bonds may alternate between long and short: along a or b, or as a chessboard (ab); across: "
        "atoms zigzag; commonest: the most frequent kind in each lattice; strongest: the strongest at each atom.",
    )
    rope: float = Field(
        0.05, ge=1e-6, le=1, description="Largest difference of bonds that counts as zero, relative to the cell length."
    )
    rope_tetragonality: float = Field(
        0.01, ge=1e-6, le=1, description="Largest deviation of b / a from 1 that counts as zero."
    )
    rope_angle: float = Field(
        0.5, ge=1e-4, le=30, description="Largest deviation of the cell angle that counts as zero, in degrees."
    )
    ideal_angle: float | None = Field(
        None,
        ge=30,
        le=150,
        json_schema_extra=unset("nearest"),
        description="Angle in degrees of the cell with equal sides to compare with; automatic: the ideal lattice "
        "nearest to each grain (square, hexagonal, rectangular, centred rectangular or oblique).",
    )
    hdi_prob: float = Field(0.94, ge=0.5, le=0.999, description="Probability inside the HDI.")
    smallest_radius: float = Field(
        1.6,
        ge=1,
        le=30,
        description="Smallest radius tried to find the fewest deciding cells, in sides of the cell.",
    )
    largest_radius: float = Field(
        6.1, ge=1, le=30, description="Largest radius tried to find the fewest deciding cells, in sides of the cell."
    )
    windows: int = Field(6, ge=0, le=30, description="Number of radii tried, evenly spaced; 0: only that of the map.")
    together: Together = Field(
        "alike",
        description="Sublattices treated as one lattice of alternating bonds: those of like intensity, none, or all.",
        json_schema_extra=ADVANCED,
    )
    pool: bool = Field(
        False,
        description="Whether windows share information on their noise; helps in windows of ten cells or fewer.",
        json_schema_extra=ADVANCED,
    )
    fill: bool = Field(
        True,
        description="Whether windows at edges include atoms up to two radii away, to hold as many as others.",
        json_schema_extra=ADVANCED,
    )
    all_kinds: bool = Field(
        False, description="Whether all six kinds of alternation get their own columns.", json_schema_extra=ADVANCED
    )
    corrected: bool = Field(
        True,
        description="Use positions with scan distortions corrected, where available.",
        json_schema_extra=ADVANCED,
    )

    @property
    def rule(self) -> Rule:
        """Rule by which alternation is decided."""
        return Rule(self.alternation, Rope.about_zero(self.rope), self.hdi_prob, self.pool, self.fill)

    @property
    def radii(self) -> tuple[float, ...]:
        """Radii of the windows that are tried, in cell sides, the smallest first."""
        low, high = self.smallest_radius, self.largest_radius
        if low > high:
            raise InputError(f"The smallest radius, {low:g}, is above the largest, {high:g}; exchange them.")
        return tuple(np.linspace(low, high, self.windows).tolist()) if self.windows else ()

    def summary(self, result: Atoms) -> str:
        shares = result.features["alternation_decision"].value_counts(normalize=True)
        decided = ", ".join(f"{shares.get(int(each), 0):.0%} {each.words}" for each in DECIDED)
        return f"{decided}; cell compared with: {' and '.join(self._compared(result))}"

    def remarks(self, result: Atoms) -> list[str]:
        compared = self._compared(result)
        return [FREE[name] for name in compared if name in FREE]

    def run(self, atoms: Atoms) -> Job[Atoms]:
        """The atoms with columns of posteriors; NaN and decision -1 where there are too few neighbours.

        If stopped, the remaining atoms have no decision.

        - for `alternation` (difference of neighbouring bonds over the length of the cell), `tetragonality` (b / a - 1)
          and `cell_angle` (minus the ideal one, degrees): the mean under that name, `_hdi` the width of the interval,
          `_in_rope` the probability inside the ROPE, `_decision` a value of `Decision`. The cell is the conventional
          one of the ideal lattice nearest to the grain (`ideal_of`), so that a centred or hexagonal lattice is not
          compared with a square. Where the ideal lattice leaves the ratio or the angle free, there is nothing to
          decide: NaN, and decision -1.
        - `alternation_kind`, the number of the kind in `ALTERNATIONS`; -1 for none. Within a grain, the sign of the
          alternation distinguishes domains that are shifted by one atom.
        - `deciding_cells`: doubled cells (half the atoms) in the smallest of several windows that decides alternation,
          NaN where none does. The first of several decisions is wrong more often than one with a fixed window: with
          six radii and noise of 3 %, 0.4 % of symmetric sites are called broken in a smaller window.
        - `position_noise`: standard deviation of a coordinate over the side of the cell; large where the lattice does
          not fit the window

        A window across a domain wall holds a mixture, and the decision is on that mixture. Windows overlap, so
        decisions of neighbouring atoms are correlated. For the cell, strain may vary linearly within a window (from a
        radius of 2.5 on); alternation is not affected by it.

        Raises
        ------
        InputError
            If the atoms have no lattice.
        """
        radii, lattices = self.radii, nets(atoms, together=self.together, corrected=self.corrected)
        windows = Windows((*radii, self.radius), self._modes(), self.fill)
        fitted = yield from all_regressions(lattices, windows)
        tables = [self._columns(net, fits) for net, fits in zip(lattices, fitted, strict=False)]
        return self._with_columns(atoms, pd.concat(tables))

    def study(self, atoms: Atoms) -> Job[WindowStudy]:
        """Decisions on alternation against number of cells, for these atoms and as predicted from their noise."""
        lattices = nets(atoms, together=self.together, corrected=self.corrected)
        return (yield from window_study(lattices, self.radii or (self.radius,), self.rule))

    def ideal_of(self, net: Net) -> Ideal:
        """Ideal lattice that the cell of a net is compared with."""
        if self.ideal_angle is None:
            return nearest_ideal(net.vectors)
        return Ideal("rhombic", np.eye(2, dtype=np.int64), self.ideal_angle, equal=True)

    def _compared(self, result: Atoms) -> list[str]:
        """Names of the ideal lattices that nets were compared with, that of most atoms first."""
        sizes: dict[str, int] = {}
        for net in nets(result, together=self.together, corrected=self.corrected):
            name = self.ideal_of(net).name
            sizes[name] = sizes.get(name, 0) + len(net.rows)
        return sorted(sizes, key=lambda name: -sizes[name])

    def _modes(self) -> tuple[str, ...]:
        return ("a", "b", "ab") if self.all_kinds else self.rule.modes

    def _columns(self, net: Net, fits: tuple[Regression, ...]) -> pd.DataFrame:
        """The columns of the first atoms of a net, by row; the last fit is the one for the map."""
        fits = tuple(pooled(fit) for fit in fits) if self.pool else fits
        last = fits[-1]
        rule = self.rule.settled(last)
        posterior, inside, decision, kind = rule.judge(last)
        columns = {
            **_described("alternation", posterior, rule.rope, self.hdi_prob),
            "alternation_in_rope": inside,
            "alternation_decision": decision,
            "alternation_kind": kind,
            "deciding_cells": _deciding(fits[:-1] or fits, rule),
            "position_noise": noise(last),
            **self._cell_columns(net, len(last.atoms)),
        }
        if self.all_kinds:
            for name in ALTERNATIONS:
                column = f"alternation_{name.replace(' ', '_')}"
                columns |= _described(column, alternation(last, name), rule.rope, self.hdi_prob)
        return pd.DataFrame(columns, index=net.rows[: len(last.atoms)])

    def _cell_columns(self, net: Net, count: int) -> dict[str, Array | Index]:
        """The columns of the cell for the first atoms of a net."""
        windows = Windows((self.radius,), self._modes(), self.fill, bent=self.radius >= BENT)
        fit = Regression.joined([fits[0] for _, fits in regress(net, windows)])
        fit = pooled(fit) if self.pool else fit
        ropes = Rope.about_zero(self.rope_tetragonality), Rope.about_zero(self.rope_angle)
        ideal = self.ideal_of(net)
        cell = recast(fit, ideal.change)
        ratio = tetragonality(cell) if ideal.equal else unknown(cell)
        angle = unknown(cell) if ideal.angle is None else cell_angle(cell, ideal.angle)
        columns = {
            **_described("tetragonality", ratio, ropes[0], self.hdi_prob),
            **_described("cell_angle", angle, ropes[1], self.hdi_prob),
        }
        return {name: column[:count] for name, column in columns.items()}

    def _with_columns(self, atoms: Atoms, table: pd.DataFrame) -> Atoms:
        columns = {str(name): column for name, column in table.reindex(np.arange(len(atoms))).items()}
        for name in columns:
            if name.endswith("_decision") or name == "alternation_kind":
                columns[name] = columns[name].fillna(int(Decision.TOO_FEW)).astype(int)
        stale = [name for name in map(str, atoms.features) if name.startswith("alternation_")]
        return atoms.without(stale).with_features(**columns)


def _deciding(fits: tuple[Regression, ...], rule: Rule) -> Array:
    """(n,) doubled cells in the smallest window that decides."""
    decisions = np.array([rule.judge(fit)[2] for fit in fits])
    decided = (decisions == Decision.SYMMETRIC) | (decisions == Decision.BROKEN)
    cells = np.array([fit.atoms for fit in fits])[decided.argmax(axis=0), np.arange(decided.shape[1])] / 2
    return np.where(decided.any(axis=0), cells, np.nan)


def _described(name: str, posterior: Posterior, rope: Rope, mass: float) -> dict[str, Array | Index]:
    return {
        name: posterior.mean,
        f"{name}_hdi": 2 * posterior.half_width(mass),
        f"{name}_in_rope": posterior.in_rope(rope),
        f"{name}_decision": posterior.decision(rope, mass),
    }

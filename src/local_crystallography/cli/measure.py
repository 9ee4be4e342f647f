"""`local-crystallography profile` and `local-crystallography means`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field
from pydantic_settings import CliPositionalArg

from local_crystallography.cli.output import Answering, Format, say, write_tables
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.studies.profile import LineProfile


class ProfileAcross(Answering):
    """Profile of columns across an interface: the mean of every atomic plane along a line, or by distance from it."""

    session: CliPositionalArg[Path] = Field(description="Folder of a run.")
    column: list[str] = Field(description="Columns; classes give the share of each.")
    line: LineProfile = Field(description="The line, its width, and how distances are binned.")
    sublattice: int | None = Field(None, ge=0, description="Only the atoms of this sublattice.")
    out: Path = Field(description="Folder to write to.")
    figures: Format = Field("png", description="Format of the figures.")

    def execute(self) -> int:
        """Write the planes as a table and a figure per column, and report how distances were binned."""
        from local_crystallography.report.profile import profile_figure

        atoms = _atoms(self.session)
        only = None
        if self.sublattice is not None:
            if "sublattice" not in atoms.features:
                raise InputError(f"{self.session} has no lattice; run the image again with --also measure_lattice.")
            only = np.asarray(atoms.features["sublattice"].to_numpy() == self.sublattice)
        profiles = {name: self.line(atoms, (name,), only) for name in self.column}
        say(next(iter(profiles.values())).words())
        tables = {f"profile_{name}": each.table() for name, each in profiles.items()}
        figures = {f"profile_{name}": profile_figure(each, name) for name, each in profiles.items()}
        write_tables(self.out, tables, figures, self.figures)
        return 0


class MeanColumns(Answering):
    """Means of columns with standard errors for every class, grain or sublattice; of displacements the mean vectors."""

    session: CliPositionalArg[Path] = Field(description="Folder of a run.")
    column: list[str] = Field(description="Columns; classes give the share of each.")
    by: str = Field("label", description="Column of the groups, such as label, grain, sublattice or hand_label.")
    out: Path = Field(description="Folder to write to.")

    def execute(self) -> int:
        """Write the means as a table, and print them."""
        from local_crystallography.studies.means import groups_of, means

        atoms = _atoms(self.session)
        if self.by not in atoms.features:
            raise InputError(
                f"There is no column {self.by} to group by; choose from {', '.join(map(str, atoms.features))}."
            )
        table = means(atoms, groups_of(atoms, self.by), self.column)
        say(table.round(6).to_string(index=False))
        write_tables(self.out, {"means": table}, {}, "png")
        return 0


def _atoms(session: Path) -> Atoms:
    """The atoms of a saved result."""
    from local_crystallography.analysis import Analysis

    atoms = Analysis.open(session).atoms
    if atoms is None:
        raise InputError(f"{session} has no atoms; run the image first.")
    return atoms

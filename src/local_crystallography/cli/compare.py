"""`local-crystallography compare`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg

from local_crystallography.cli.output import Answering, Format, say, write_tables
from local_crystallography.data.errors import InputError


class CompareRuns(Answering):
    """Compare the classes, or another column, of two or more results of one image."""

    sessions: CliPositionalArg[list[Path]] = Field(description="Folders of runs; classes are numbered as in the first.")
    column: str = Field("label", description="Column to compare: classes, or numbers such as angle_rad or z0.")
    frame: int | None = Field(
        None, ge=0, description="Frame of a stack that the maps show; automatic: the first with atoms."
    )
    out: Path = Field(description="Folder to write to.")
    figures: Format = Field("png", description="Format of the figures.")

    def execute(self) -> int:
        """Write agreement, differences and figure, and report how well the runs agree."""
        from local_crystallography.analysis import Analysis
        from local_crystallography.report.comparison import comparison_figure
        from local_crystallography.studies.comparison import atoms_of, compare
        from local_crystallography.studies.comparison_tables import differences_table, pairs_table

        folders = [path.resolve() for path in self.sessions]
        if len(set(folders)) < len(folders):
            raise InputError("The same folder is given twice; give each run once.")
        short = len({folder.name for folder in folders}) == len(folders)
        runs = {folder.name if short else str(folder): Analysis.open(folder) for folder in folders}
        comparison = compare(atoms_of(runs), self.column)
        tables = {"agreement": pairs_table(comparison), "differences": differences_table(comparison)}
        say(tables["agreement"].round(3).T.to_string(header=False))
        figure = comparison_figure(comparison, next(iter(runs.values())).styles, self.frame)
        write_tables(self.out, tables, {"comparison": figure}, self.figures)
        return 0

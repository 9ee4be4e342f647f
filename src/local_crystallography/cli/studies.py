"""Commands that look at several runs: one training per window, and results side by side."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field
from pydantic_settings import CliPositionalArg

from local_crystallography.analysis import Analysis
from local_crystallography.cli.commands import Format, run_job, write_tables
from local_crystallography.cli.run import say
from local_crystallography.data.errors import InputError
from local_crystallography.studies.windows import WindowStudy, run_window_study


class StudyWindows(WindowStudy):
    """Train for several windows, sources and seeds on the atoms of a result, and compare (Figs. S2, S5, S8, S10)."""

    session: CliPositionalArg[Path] = Field(description="Folder of a run.")
    out: Path = Field(description="Folder to write to; one with runs of the same settings goes on from them.")
    figures: Format = Field("png", description="Format of the figures.")


class CompareRuns(BaseModel):
    """Compare the classes, or another column, of two or more results of one image."""

    sessions: CliPositionalArg[list[Path]] = Field(description="Folders of runs; the first one numbers the classes.")
    column: str = Field("label", description="Column to compare: classes, or numbers such as angle_rad or z0.")
    frame: int | None = Field(None, ge=0, description="Frame of a stack that the maps show; first: the default.")
    out: Path = Field(description="Folder to write to.")
    figures: Format = Field("png", description="Format of the figures.")


def study_windows(command: StudyWindows) -> int:
    """Run what has not been run, write tables and figure, and say which window the distances suggest."""
    from local_crystallography.report import windows as io
    from local_crystallography.studies.windows import suggested_window

    analysis = Analysis.open(command.session)
    if analysis.image is None or analysis.atoms is None:
        raise InputError(f"{command.session} holds no atoms, a folder of a run was expected; run it first.")
    say(f"The distances of the atoms suggest a window of {suggested_window(analysis.atoms)} px.")
    settings = WindowStudy(**{name: getattr(command, name) for name in WindowStudy.model_fields})
    # automatic settings are to be found anew for every window
    recipe = analysis.recipe.model_copy(update=analysis.asked)
    study, code = run_job(run_window_study(analysis, settings, recipe, command.out))
    done = [run for run in study.runs if not run.note]
    tables = {"windows": io.window_table(study), "agreement": io.agreement_table(study)}
    figures = {"windows": io.window_figure(study, analysis.image)} if done else {}
    say(tables["windows"].round(3).to_string(index=False))
    write_tables(command.out, tables, figures, command.figures)
    return code


def compare_runs(command: CompareRuns) -> int:
    """Write agreement, differences and figure, and say how far the runs agree."""
    from local_crystallography.report.comparison import comparison_figure
    from local_crystallography.studies.comparison import atoms_of, compare
    from local_crystallography.studies.comparison_tables import differences_table, pairs_table

    folders = [path.resolve() for path in command.sessions]
    if len(set(folders)) < len(folders):
        raise InputError("One folder came twice, different runs were expected; name each once.")
    short = len({folder.name for folder in folders}) == len(folders)
    runs = {folder.name if short else str(folder): Analysis.open(folder) for folder in folders}
    comparison = compare(atoms_of(runs), command.column)
    tables = {"agreement": pairs_table(comparison), "differences": differences_table(comparison)}
    say(tables["agreement"].round(3).T.to_string(header=False))
    figure = comparison_figure(comparison, next(iter(runs.values())).styles, command.frame)
    write_tables(command.out, tables, {"comparison": figure}, command.figures)
    return 0

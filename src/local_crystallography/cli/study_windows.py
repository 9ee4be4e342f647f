"""`local-crystallography study-windows`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg

from local_crystallography.cli.output import Answering, Format, run_job, say, write_tables
from local_crystallography.data.errors import InputError
from local_crystallography.studies.windows import WindowStudy, run_window_study


class StudyWindows(Answering, WindowStudy):
    """Train for several windows, sources and seeds on the atoms of a result, and compare (Figs. S2, S5, S8, S10)."""

    session: CliPositionalArg[Path] = Field(description="Folder of a run.")
    out: Path = Field(description="Folder to write to; runs with the same settings there are reused.")
    figures: Format = Field("png", description="Format of the figures.")

    def execute(self) -> int:
        """Do the missing runs, write tables and figure, and report the recommended window."""
        from local_crystallography.analysis import Analysis
        from local_crystallography.report import windows as io
        from local_crystallography.studies.windows import suggested_window

        analysis = Analysis.open(self.session)
        if analysis.image is None or analysis.atoms is None:
            raise InputError(f"{self.session} holds no atoms; give the folder of a completed run.")
        say(f"Recommended: {suggested_window(analysis.atoms)} px, the window of Extract sub-images.")
        settings = WindowStudy(**{name: getattr(self, name) for name in WindowStudy.model_fields})
        # automatic settings are determined anew for every window
        recipe = analysis.recipe.model_copy(update=analysis.asked)
        study, code = run_job(run_window_study(analysis, settings, recipe, self.out))
        done = [run for run in study.runs if not run.note]
        tables = {"windows": io.window_table(study), "agreement": io.agreement_table(study)}
        figures = {"windows": io.window_figure(study, analysis.image)} if done else {}
        say(tables["windows"].round(3).to_string(index=False))
        write_tables(self.out, tables, figures, self.figures)
        return code

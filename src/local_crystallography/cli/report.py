"""`local-crystallography report`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg

from local_crystallography.cli.output import Answering, say, tell


class WriteReport(Answering):
    """Draw the report of a session, one HTML file that any browser opens."""

    session: CliPositionalArg[Path] = Field(description="Folder of a session.")
    out: Path | None = Field(None, description="File to write; automatic: report.html in the session.")

    def execute(self) -> int:
        """Open the session and write its report."""
        from local_crystallography.analysis import Analysis
        from local_crystallography.io.session import REPORT
        from local_crystallography.report.html import write_report

        out = write_report(Analysis.open(self.session), self.out or self.session / REPORT)
        say(f"The report is in {out}.")
        tell(out=str(out))
        return 0

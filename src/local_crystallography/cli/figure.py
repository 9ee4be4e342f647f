"""`local-crystallography figure`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg

from local_crystallography.cli.output import Answering, say, tell
from local_crystallography.report.paper import PaperFigure


class DrawFigure(Answering, PaperFigure):
    """Draw a view of a session for a paper or a slide: image with atoms, map, scatter plot, manifold or classes."""

    session: CliPositionalArg[Path] = Field(description="Folder of a session.")
    out: Path = Field(description="File to write; its suffix says whether PDF, SVG or PNG.")

    def execute(self) -> int:
        """Open the session, draw and write."""
        from local_crystallography.analysis import Analysis

        self.check(self.out)  # before the work
        self.save(Analysis.open(self.session), self.out)
        say(f"{self.of} is in {self.out}, {self.mm:g} mm wide.")
        tell(out=str(self.out), of=self.of, width_mm=self.mm)
        return 0

"""`local-crystallography correct-image`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg

from local_crystallography.cli.output import Answering, check_tiff, say, write_image
from local_crystallography.data.errors import InputError
from local_crystallography.steps.correct_scan import CorrectScan


class CorrectImage(Answering):
    """Write the image of a result with the scan distortions found by Correct scan corrected."""

    session: CliPositionalArg[Path] = Field(description="Folder of a run that included correct_scan.")
    out: Path = Field(description="TIFF file to write, with the pixel size in its tags.")

    def execute(self) -> int:
        """Correct the image of a saved result and write it."""
        from local_crystallography.analysis import Analysis

        check_tiff(self.out)
        analysis = Analysis.open(self.session)
        step = analysis.last(CorrectScan)
        if step is None or analysis.image is None or analysis.atoms is None:
            raise InputError(f"{self.session} has no scan correction; run the image again with --also correct_scan.")
        write_image(self.out, step.corrected_image(analysis.atoms, analysis.image))
        say(f"The corrected image of {analysis.image.name} is in {self.out}.")
        return 0

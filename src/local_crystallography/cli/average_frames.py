"""`local-crystallography average-frames`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from pydantic_settings import CliPositionalArg

from local_crystallography.cli.image_options import ImageOptions
from local_crystallography.cli.output import Answering, check_tiff, say, write_image
from local_crystallography.steps.average_frames import AverageFrames

logger = logging.getLogger("local_crystallography.cli")


class AverageStack(Answering, AverageFrames, ImageOptions):
    """Align the frames of a stack and average them: one image with less noise."""

    stack: CliPositionalArg[Path] = Field(description="File with a stack of frames of the same area.")
    out: Path = Field(description="TIFF file to write, with the pixel size in its tags.")

    def execute(self) -> int:
        """Average a stack and write the average."""
        check_tiff(self.out)
        settings: dict[str, Any] = {name: getattr(self, name) for name in AverageFrames.model_fields}
        average = AverageFrames(**settings).average(self.read(self.stack))
        write_image(self.out, average.image)
        largest = float(np.nanmax(np.abs(average.shifts)))
        if average.remark:
            logger.warning("%s", average.remark)
        count = len(average.shifts) - len(average.left_out)
        say(f"The average of {count} frames, shifted by up to {largest:.1f} px, is in {self.out}.")
        return 0

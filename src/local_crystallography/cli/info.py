"""`local-crystallography info`: what a file holds."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import CliPositionalArg

from local_crystallography.cli.output import say


class Info(BaseModel):
    """List the images in a file with their shapes and pixel sizes, and which is opened where none is chosen."""

    model_config = ConfigDict(frozen=True)

    file: CliPositionalArg[Path] = Field(description="Image file: a microscope format, TIFF, PNG, JPEG or NumPy.")

    def execute(self) -> int:
        """Print one line per array; * before the one that is opened by default."""
        from local_crystallography.io.read import contents

        for one in contents(self.file):
            shape = " x ".join(map(str, one.shape))
            size = "pixel size unknown" if one.pixel is None else f"pixels of {one.pixel[0]:.4g} nm"
            if one.pixel is not None and one.pixel[0] != one.pixel[1]:
                size = f"pixels of {one.pixel[0]:.4g} x {one.pixel[1]:.4g} nm (height x width)"
            what = f"no image: {one.problem}" if one.problem else size
            say(f"{'*' if one.usual else ' '} {one.index}: {shape} {one.dtype}  {one.title or '(no name)'}  {what}")
        return 0

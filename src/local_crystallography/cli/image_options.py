"""Options of commands that open an image: which image of the file, and its pixel size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from local_crystallography.data.image import Image


class ImageOptions(BaseModel):
    """Which image of a file is opened, and at which scale."""

    index: int | None = Field(
        None,
        ge=0,
        description="Number of the image in a file with several, as `info` lists them; automatic: HAADF first.",
    )
    detector: str | None = Field(None, description="Name of a detector, or a part of it, instead of the number.")
    pixel_size: Annotated[tuple[float, ...], Field(max_length=2)] = Field(
        (), description="nm per pixel, or HEIGHT,WIDTH of a pixel, instead of what the file says; none: as in the file."
    )

    def read(self, path: Path) -> Image:
        """The image of a file that these options choose."""
        from local_crystallography.io.read import read_image

        size = self.pixel_size
        pixel_size = None if not size else size[0] if len(size) == 1 else (size[0], size[1])
        return read_image(path, self.index, detector=self.detector, pixel_size=pixel_size)

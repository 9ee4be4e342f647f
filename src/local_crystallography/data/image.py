"""An atomically resolved image with its scale."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from local_crystallography.data.errors import InputError


@dataclass(frozen=True)
class Image:
    """An image, or a stack of frames of one size.

    Pixels are addressed (y, x): rows first, the origin at the centre of pixel (0, 0), y down.

    Parameters
    ----------
    data
        (H, W) or (frames, H, W), any real number type, any range; dark or bright atoms.
    pixel_size
        nm per pixel, or None where it is not known.
    name
        What the image is called in lists and files.
    metadata
        Whatever else the file said; kept, never used.

    Raises
    ------
    InputError
        For anything but a finite, non-constant, real image of at least 16 x 16 pixels.
    """

    data: npt.NDArray[Any]
    pixel_size: float | None = None
    name: str = "image"
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        data = np.asarray(self.data)
        if data.ndim not in (2, 3) or min(data.shape[-2:]) < 16:
            raise InputError(
                f"{self.name}: an array of shape {data.shape} came, an image of (H, W) or (frames, H, W) with at "
                "least 16 x 16 pixels was expected; pick one image of the file or crop less."
            )
        if data.dtype.kind not in "buif":
            raise InputError(
                f"{self.name}: values of type {data.dtype} came, real numbers were expected; "
                "take the magnitude or one component first."
            )
        if data.dtype.kind == "f" and not np.isfinite(data).all():
            count = int(np.size(data) - np.count_nonzero(np.isfinite(data)))
            raise InputError(
                f"{self.name}: {count} pixels are NaN or infinite, numbers were expected everywhere; "
                "crop the image or fill those pixels."
            )
        if data.min() == data.max():
            raise InputError(
                f"{self.name}: every pixel is {data.flat[0]}, an image with contrast was expected; "
                "check that the right channel was opened."
            )
        if self.pixel_size is not None and not (np.isfinite(self.pixel_size) and self.pixel_size > 0):
            raise InputError(
                f"{self.name}: a pixel size of {self.pixel_size} nm came, a positive number or None was expected."
            )
        object.__setattr__(self, "data", data)

    @property
    def frames(self) -> npt.NDArray[np.float32]:
        """(frames, H, W) float32, each frame scaled by the whole stack to mean 0 and standard deviation 1."""
        data = self.data.astype(np.float64)
        frames: npt.NDArray[np.float32] = ((data - data.mean()) / data.std()).astype(np.float32)
        return frames.reshape(-1, *self.shape)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of one frame."""
        height, width = self.data.shape[-2:]
        return int(height), int(width)

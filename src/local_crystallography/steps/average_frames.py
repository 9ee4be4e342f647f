"""Average of the aligned frames of a stack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.progress import Job, Progress
from local_crystallography.steps.base import Step

Array = npt.NDArray[np.float64]

ROUNDS = 2  # of aligning every frame to the mean of all others


@dataclass(frozen=True)
class FrameAverage:
    """An average of aligned frames.

    Parameters
    ----------
    image
        (H, W) mean, float32, aligned to the first frame.
    shifts
        (frames, 2) shift (y, x) of each frame, px.
    count
        (H, W) number of frames that cover each pixel.
    """

    image: Image
    shifts: Array
    count: npt.NDArray[np.int64]


class AverageFrames(Step):
    """Align the frames of a stack rigidly, with sub-pixel precision, and average them.

    In an image of a perfect lattice, frames that drifted by more than half a lattice spacing from one to the next may
    be aligned one spacing off, since nothing in them shows the difference.
    """

    needs: ClassVar = ("image",)
    makes: ClassVar = "image"
    optional: ClassVar = True

    precision: int = Field(20, ge=1, le=200, description="Steps per pixel with which shifts are determined.")
    smoothing: float = Field(
        1.5, ge=0, le=50, description="Standard deviation of the smoothing before frames are compared, in pixels."
    )

    def run(self, image: Image) -> Job[Image]:
        """The average, (H, W); an image of a single frame is returned unchanged."""
        yield Progress(0.0, "averaging frames …")
        return image if image.data.ndim == 2 else self.average(image).image

    def average(self, image: Image) -> FrameAverage:
        """The average, with the shifts of the frames.

        Raises
        ------
        InputError
            If the image has only one frame.
        """
        if image.data.ndim == 2:
            raise InputError(f"{image.name} has only one frame, so there is nothing to average; open the whole stack.")
        shifts = self._shifts(image)
        total, covered = np.zeros(image.shape), np.zeros(image.shape)
        for number, shift in enumerate(shifts):
            inside = ndimage.shift(np.ones(image.shape), shift, order=1) > 0.999
            total += np.where(inside, _moved(image.read(number).astype(np.float64), shift), 0)
            covered += inside
        mean = np.where(covered > 0, total / np.maximum(covered, 1), image.read(0)).astype(np.float32)
        return FrameAverage(replace(image, data=mean), shifts, covered.astype(np.int64))

    def _shifts(self, image: Image) -> Array:
        """(frames, 2) shifts in px that align the frames of a stack to the first."""
        frames = (image.read(number).astype(np.float64) for number in range(image.count))
        smooth = np.stack([ndimage.gaussian_filter(frame, self.smoothing) for frame in frames])
        smooth -= smooth.mean(axis=(1, 2), keepdims=True)
        shifts = np.zeros((len(smooth), 2))
        total = smooth[0].copy()
        for i in range(1, len(smooth)):
            shifts[i] = self._aligned(total, smooth[i], shifts[i - 1])
            total += _moved(smooth[i], shifts[i])
        for _ in range(ROUNDS):
            for i in range(len(smooth)):
                others = total - _moved(smooth[i], shifts[i])
                shifts[i] = self._aligned(others, smooth[i], shifts[i])
                total = others + _moved(smooth[i], shifts[i])
        return np.asarray(shifts - shifts[0])

    def _aligned(self, reference: Array, frame: Array, start: Array) -> Array:
        """(2,) shift that aligns a frame to a reference, near a start.

        Both are tapered towards the edges, so that of the many shifts that align a lattice with itself the nearest
        wins; the second round removes the bias towards zero shift that tapering causes.
        """
        window = np.outer(*(np.hanning(side + 2)[1:-1] for side in frame.shape))
        shift = np.asarray(start, np.float64)
        for _ in range(2):
            step, _, _ = phase_cross_correlation(
                reference * window,
                _moved(frame, shift) * window,
                upsample_factor=self.precision,
                normalization=None,
            )
            shift = shift + np.asarray(step, np.float64)
        return np.asarray(shift)


def _moved(frame: Array, shift: Array) -> Array:
    return np.asarray(ndimage.shift(frame, shift, order=3, mode="nearest"))

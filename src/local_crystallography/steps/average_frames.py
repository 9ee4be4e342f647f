"""Frames of a stack laid over each other and averaged."""

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

ROUNDS = 2  # of comparing every frame with the mean of all others


@dataclass(frozen=True)
class FrameAverage:
    """An average of aligned frames.

    Parameters
    ----------
    image
        (H, W) mean, float32, on the places of the first frame.
    shifts
        (frames, 2) (y, x) px by which each frame was moved.
    count
        (H, W) number of frames that cover each pixel.
    """

    image: Image
    shifts: Array
    count: npt.NDArray[np.int64]


class AverageFrames(Step):
    """Align the frames of a stack rigidly, to a part of a pixel, and average them.

    In a picture that is all lattice, frames that moved by more than half a lattice spacing from one to the next can be
    laid one spacing off: nothing in them tells.
    """

    needs: ClassVar = ("image",)
    makes: ClassVar = "image"
    optional: ClassVar = True

    precision: int = Field(20, ge=1, le=200, description="Steps per pixel to which a shift is found.")
    smoothing: float = Field(
        1.5, ge=0, le=50, description="Standard deviation of the smoothing against noise before comparing, in pixels."
    )

    def run(self, image: Image) -> Job[Image]:
        """The average, (H, W); an image of one frame as it is."""
        yield Progress(0.0, "averaging frames …")
        return image if image.data.ndim == 2 else self.average(image).image

    def average(self, image: Image) -> FrameAverage:
        """The average with the shifts that were found.

        Raises
        ------
        InputError
            Where the image has one frame only.
        """
        if image.data.ndim == 2:
            raise InputError(
                f"{image.name}: one frame came, a stack of at least two was expected; open the whole stack."
            )
        shifts = self._shifts(image)
        total, covered = np.zeros(image.shape), np.zeros(image.shape)
        for number, shift in enumerate(shifts):
            inside = ndimage.shift(np.ones(image.shape), shift, order=1) > 0.999
            total += np.where(inside, _moved(image.read(number).astype(np.float64), shift), 0)
            covered += inside
        mean = np.where(covered > 0, total / np.maximum(covered, 1), image.read(0)).astype(np.float32)
        return FrameAverage(replace(image, data=mean), shifts, covered.astype(np.int64))

    def _shifts(self, image: Image) -> Array:
        """(frames, 2) shifts in px that lay the frames of a stack on the first."""
        frames = (image.read(number).astype(np.float64) for number in range(image.count))
        smooth = np.stack([ndimage.gaussian_filter(frame, self.smoothing) for frame in frames])
        smooth -= smooth.mean(axis=(1, 2), keepdims=True)
        shifts = np.zeros((len(smooth), 2))
        total = smooth[0].copy()
        for i in range(1, len(smooth)):
            shifts[i] = self._laid(total, smooth[i], shifts[i - 1])
            total += _moved(smooth[i], shifts[i])
        for _ in range(ROUNDS):
            for i in range(len(smooth)):
                others = total - _moved(smooth[i], shifts[i])
                shifts[i] = self._laid(others, smooth[i], shifts[i])
                total = others + _moved(smooth[i], shifts[i])
        return np.asarray(shifts - shifts[0])

    def _laid(self, reference: Array, frame: Array, start: Array) -> Array:
        """(2,) shift that lays a frame on a reference, near a start.

        Both fade towards the edges, so that of the many shifts that lay a lattice on itself the nearest wins; the
        second look is without the pull towards no shift that fading brings.
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

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
from local_crystallography.data.mask import filled
from local_crystallography.data.progress import Job, Progress
from local_crystallography.steps.base import Step

Array = npt.NDArray[np.float64]

ROUNDS = 2  # of aligning every frame to the mean of all others
FLAT = 0.05
"""A frame whose standard deviation is below this share of the median is blank."""
WORSE, USUAL = 4.0, 0.25
"""A frame is unlike the others where its correlation with them is below the median by this many median deviations, and
by this fraction of the median."""


@dataclass(frozen=True)
class FrameAverage:
    """An average of aligned frames.

    Parameters
    ----------
    image
        (H, W) mean, float32, aligned to the first frame.
    shifts
        (frames, 2) shift (y, x) of each frame, px, from the first that is averaged; NaN for frames that are left out.
    count
        (H, W) number of frames that cover each pixel.
    """

    image: Image
    shifts: Array
    count: npt.NDArray[np.int64]

    @property
    def left_out(self) -> list[int]:
        """Numbers of the frames that were left out."""
        return np.flatnonzero(np.isnan(self.shifts[:, 0])).tolist()

    @property
    def remark(self) -> str:
        """Which frames were left out, in a sentence; "" where all were averaged."""
        if not self.left_out:
            return ""
        numbers = ", ".join(map(str, self.left_out))
        return f"Frames {numbers} of 0 to {len(self.shifts) - 1} are blank or unlike the others, and were left out."


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
        for number in np.flatnonzero(~np.isnan(shifts[:, 0])):
            shift = shifts[number]
            inside = ndimage.shift(np.ones(image.shape), shift, order=1) > 0.999
            total += np.where(inside, _moved(image.read(int(number)).astype(np.float64), shift), 0)
            covered += inside
        first = image.read(int(np.flatnonzero(~np.isnan(shifts[:, 0]))[0]))
        mean = np.where(covered > 0, total / np.maximum(covered, 1), first).astype(np.float32)
        return FrameAverage(replace(image, data=mean), shifts, covered.astype(np.int64))

    def _shifts(self, image: Image) -> Array:
        """(frames, 2) shifts in px that align the frames of a stack; NaN for those blank or unlike the others."""
        smooth = np.stack([self._smooth(image.read(number)) for number in range(image.count)])
        spread = smooth.std(axis=(1, 2))
        kept = np.flatnonzero(spread > FLAT * np.median(spread))
        while True:
            if len(kept) < 2:
                raise InputError(f"{image.name} has fewer than two frames that are alike, so there is no average.")
            found = self._align(smooth[kept])
            unlike = unlike_others(smooth[kept], found)
            if not unlike.any():
                break
            kept = kept[~unlike]
        shifts = np.full((len(smooth), 2), np.nan)
        shifts[kept] = found - found[0]
        return shifts

    def _smooth(self, frame: npt.NDArray[np.generic]) -> Array:
        pixels = frame.astype(np.float64)
        smooth = ndimage.gaussian_filter(filled(pixels, ~np.isfinite(pixels)), self.smoothing)
        return np.asarray(smooth - smooth.mean())

    def _align(self, smooth: Array) -> Array:
        """(n, 2) shifts in px that align frames (n, H, W), each started from that of the one before it."""
        clear = np.array([repeats(frame) for frame in smooth])
        first = 0 if clear[0] > np.median(clear) / 2 else int(clear.argmax())  # a bad one would mislead all others
        shifts, total = np.zeros((len(smooth), 2)), smooth[first].copy()
        for i, before in [(i, i - 1) for i in range(first + 1, len(smooth))] + [(i, i + 1) for i in range(first)[::-1]]:
            shifts[i] = self._aligned(total, smooth[i], shifts[before])
            total += _moved(smooth[i], shifts[i])
        for _ in range(ROUNDS):
            for i in range(len(smooth)):
                others = total - _moved(smooth[i], shifts[i])
                shifts[i] = self._aligned(others, smooth[i], shifts[i])
                total = others + _moved(smooth[i], shifts[i])
        return shifts

    def _aligned(self, reference: Array, frame: Array, start: Array) -> Array:
        """(2,) shift that aligns a frame to a reference, near a start.

        Both are tapered towards the edges, so that of the many shifts that align a lattice with itself the nearest
        wins; the second round removes the bias towards zero shift that tapering causes.
        """
        window = taper(frame.shape)
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


def taper(shape: tuple[int, ...]) -> Array:
    """(H, W) weights that fall to 0 at the edges."""
    return np.outer(*(np.hanning(side + 2)[1:-1] for side in shape))


def repeats(frame: Array) -> float:
    """Share of the power of a frame that is at its strongest spatial frequency: high for a lattice, low for noise."""
    power = np.abs(np.fft.rfft2(frame * taper(frame.shape))) ** 2
    power[:2, :2] = power[-1:, :2] = 0  # slow changes of the background
    return float(power.max() / max(power.sum(), 1e-30))


def unlike_others(frames: Array, shifts: Array) -> npt.NDArray[np.bool_]:
    """(n,) which frames (n, H, W), shifted by (n, 2), correlate much worse than usual with the mean of the others."""
    window = taper(frames.shape[1:])
    moved = np.stack([_moved(frame, shift) for frame, shift in zip(frames, shifts, strict=True)])
    total = moved.sum(axis=0)
    pairs = [((frame * window).ravel(), ((total - frame) * window).ravel()) for frame in moved]
    likeness = np.array([np.corrcoef(*pair)[0, 1] for pair in pairs])
    usual = np.median(likeness)
    scatter = 1.4826 * np.median(np.abs(likeness - usual))
    return np.asarray((likeness < usual - WORSE * scatter) & (likeness < (1 - USUAL) * usual))

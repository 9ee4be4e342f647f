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
from local_crystallography.data.progress import Job, Progress, finish
from local_crystallography.scan.frames import moved, repeats, spacing_off, taper, unlike, weak
from local_crystallography.steps.base import Step

Array = npt.NDArray[np.float64]

ROUNDS = 2  # of aligning every frame to the mean of all others
HOPS = 3  # from one lattice vector to the next
FAR = 0.25  # of the shorter side: a shift beyond which frames hardly overlap


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
        """Which frames were left out, and whether the others moved suspiciously far; "" where neither is so."""
        return " ".join(filter(None, (self._left_out_words(), self._far_words())))

    def _far_words(self) -> str:
        far = float(np.nanmax(np.abs(self.shifts)))
        if far <= FAR * min(self.image.shape):
            return ""
        return f"Frames were shifted by up to {far:.0f} px; check that all of them show the same area."

    def _left_out_words(self) -> str:
        if not self.left_out:
            return ""
        numbers = ", ".join(map(str, self.left_out))
        s, were = ("s", "were") if len(self.left_out) > 1 else ("", "was")
        return (
            f"Frame{s} {numbers} (of 0 to {len(self.shifts) - 1}) {were} left out: blank, incomplete, torn, unsharp or "
            "unlike the others."
        )


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
        return image if image.data.ndim == 2 else (yield from self.averaging(image)).image

    def average(self, image: Image) -> FrameAverage:
        """The average, with the shifts of the frames; raises as `averaging`."""
        return finish(self.averaging(image))

    def averaging(self, image: Image) -> Job[FrameAverage]:
        """The average, with the shifts of the frames; stopped early, shifts are less exact.

        Raises
        ------
        InputError
            If the image has only one frame, or no two frames that are alike.
        """
        if image.data.ndim == 2:
            raise InputError(f"{image.name} has only one frame, so there is nothing to average; open the whole stack.")
        shifts = yield from self._shifts(image)
        total, covered = np.zeros(image.shape), np.zeros(image.shape)
        for number in np.flatnonzero(~np.isnan(shifts[:, 0])):
            shift = shifts[number]
            inside = ndimage.shift(np.ones(image.shape), shift, order=1) > 0.999
            total += np.where(inside, moved(image.read(int(number)).astype(np.float64), shift), 0)
            covered += inside
        first = image.read(int(np.flatnonzero(~np.isnan(shifts[:, 0]))[0]))
        mean = np.where(covered > 0, total / np.maximum(covered, 1), first).astype(np.float32)
        average = FrameAverage(replace(image, data=mean), shifts, covered.astype(np.int64))
        messages = [*image.metadata.get("messages", []), *([average.remark] if average.remark else [])]
        return replace(average, image=replace(average.image, metadata={**image.metadata, "messages": messages}))

    def _shifts(self, image: Image) -> Job[Array]:
        """(frames, 2) shifts in px that align the frames of a stack; NaN for those that are bad."""
        smooth = np.stack([self._smooth(image.read(number)) for number in range(image.count)])
        kept, left = np.flatnonzero(~weak(smooth)), 1.0
        while True:
            if len(kept) < 2:
                raise InputError(f"{image.name} has fewer than two frames that are alike, so there is no average.")
            left *= 0.5  # nobody knows how many times bad frames will be left out
            found = yield from self._align(smooth[kept], 1 - 2 * left, 1 - left)
            bad = unlike(smooth[kept], found)
            if not bad.any():
                break
            kept = kept[~bad]
        shifts = np.full((len(smooth), 2), np.nan)
        shifts[kept] = found - found[0]
        return shifts

    def _smooth(self, frame: npt.NDArray[np.generic]) -> Array:
        pixels = frame.astype(np.float64)
        smooth = ndimage.gaussian_filter(filled(pixels, ~np.isfinite(pixels)), self.smoothing)
        return np.asarray(smooth - smooth.mean())

    def _align(self, smooth: Array, begin: float, end: float) -> Job[Array]:
        """(n, 2) shifts in px that align frames (n, H, W), each started from that of the one before it."""
        clear = np.array([repeats(frame) for frame in smooth])
        first = 0 if clear[0] > np.median(clear) / 2 else int(clear.argmax())  # a bad one would mislead all others
        shifts, total = np.zeros((len(smooth), 2)), smooth[first].copy()
        count, done, parts = 1, 0, (1 + ROUNDS) * len(smooth)
        for i, before in [(i, i - 1) for i in range(first + 1, len(smooth))] + [(i, i + 1) for i in range(first)[::-1]]:
            done += 1
            yield Progress(begin + (end - begin) * done / parts, f"aligning frame {i}")
            shifts[i] = self._aligned(total, smooth[i], shifts[before])
            shifts[i] = self._respaced(total / count, smooth[i], shifts[i])
            total, count = total + moved(smooth[i], shifts[i]), count + 1
        for _ in range(ROUNDS):
            for i in range(len(smooth)):
                done += 1
                if (yield Progress(begin + (end - begin) * done / parts, f"refining the shift of frame {i}")):
                    return shifts
                others = total - moved(smooth[i], shifts[i])
                shifts[i] = self._respaced(others / (count - 1), smooth[i], shifts[i])
                shifts[i] = self._aligned(others, smooth[i], shifts[i])
                total = others + moved(smooth[i], shifts[i])
        return shifts

    def _respaced(self, reference: Array, frame: Array, shift: Array) -> Array:
        """The shift of a frame, moved on by a lattice vector if the frame is like the reference there and not here."""
        for _ in range(HOPS):
            off = spacing_off(reference, moved(frame, shift), self.smoothing)
            if not off.any():
                break
            shift = shift + off
        return shift

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
                moved(frame, shift) * window,
                upsample_factor=self.precision,
                normalization=None,
            )
            shift = shift + np.asarray(step, np.float64)
        return np.asarray(shift)

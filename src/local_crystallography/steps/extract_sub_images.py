"""Sub-images: a window around every atom, centred with sub-pixel precision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.data.progress import Cancelled, Job, Progress
from local_crystallography.data.subimages import SubImages, fits
from local_crystallography.lattice.shells import neighbour_distance
from local_crystallography.steps.base import Step

Array = npt.NDArray[np.float32]
Probability = ProbabilityMap | npt.ArrayLike

WINDOW_SPACINGS = 2.3
"""Automatic window side over the distance between neighbours: the inscribed disc holds the first two shells."""
MOST_MASKED = 0.25
"""Largest share of masked pixels in a window."""
CHUNK = 2000


class ExtractSubImages(Step):
    """Cut a window around every atom that is far enough from the edge."""

    renamed: ClassVar = {"weakest": "min_relative_intensity"}
    needs: ClassVar = ("atoms", "image", "probability?")
    makes: ClassVar = "sub_images"
    reads: ClassVar = ("refine_atoms",)

    source: Literal["image", "smoothed", "probability", "image and probability"] = Field(
        "image",
        description="What is cut: the image, as it is or smoothed, the probability map, or image and map as two "
        "channels.",
    )
    window_size: int | None = Field(
        None,
        ge=8,
        le=512,
        description="Side of the window, in pixels; automatic: 2.3 times the distance between neighbours.",
    )
    smoothing: float = Field(
        2.0,
        ge=0.1,
        le=50,
        description="Standard deviation of the Gaussian for the smoothed image, in pixels.",
        json_schema_extra={"advanced": True},
    )
    min_relative_intensity: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Lowest intensity, relative to the strong atoms, of atoms that get a window: light columns are "
        "visible in the windows of others, and only some rise above the noise. For refined atoms; 0: all.",
    )
    normalise: Literal["image", "sub-image"] = Field(
        "image",
        description="Scale the whole image, or every window by itself, to mean 0 and standard deviation 1.",
    )

    def resolve(self, atoms: Atoms, image: Image, probability: Probability | None = None) -> ExtractSubImages:
        """The same step with the window size fitted to the distance between neighbours."""
        if self.window_size is not None:
            return self
        return self.model_copy(update={"window_size": min(self.automatic(atoms), *image.shape)})

    def automatic(self, atoms: Atoms) -> int:
        """Automatic side of the window, in pixels, in an image that is no smaller."""
        side = round(WINDOW_SPACINGS * neighbour_distance(self._strong(atoms)) / 2) * 2
        return int(np.clip(side, 8, 512))

    def summary(self, result: SubImages) -> str:
        return f"{len(result):,} windows of {result.window_size} px"

    def run(self, atoms: Atoms, image: Image, probability: Probability | None = None) -> Job[SubImages]:
        """Windows (N, w, w) float32, or (N, w, w, 2) with two channels.

        Atoms too near an edge for a window, or with more than a quarter of it masked, are left out; in other windows
        masked pixels are filled in from their surroundings.

        Raises
        ------
        InputError
            If the window is larger than the image, no atom is left, atoms are in frames that the image does not have,
            or the probability map is missing.
        """
        yield Progress(0.0, "cutting sub-images …")
        side = self.resolve(atoms, image).window_size
        assert side is not None
        atoms = self._strong(atoms)
        height, width = image.shape
        if side > min(height, width):
            raise InputError(
                f"A window of {side} pixels is larger than the image of {height} x {width}; use one of at most "
                f"{min(height, width)} pixels."
            )
        beyond = (atoms.frame < 0) | (atoms.frame >= image.count)
        if beyond.any():
            raise InputError(
                f"Some atoms are in frame {atoms.frame[beyond][0]}, but {image.name} has frames 0 to "
                f"{image.count - 1}; use the image they were found in."
            )
        inside = fits(atoms.yx, image.shape, side) & (masked_share(atoms, image, side) <= MOST_MASKED)
        if not inside.any():
            raise InputError(
                f"None of the {len(atoms)} atoms is {(side - 1) / 2:g} pixels away from all edges and masked areas, so "
                f"no window of {side} pixels fits around one; use a smaller window."
            )
        kept = atoms[inside]
        channels = self._channels(image, probability)
        windows = []
        for number, frames in enumerate(channels):
            channel, done = np.empty((len(kept), side, side), np.float32), 0
            for rows in cut_into(channel, frames, kept):
                done += rows
                share = (number + done / len(kept)) / len(channels)
                if (yield Progress(share, f"cutting sub-images: {done:,} of {len(kept):,}")):
                    raise Cancelled
            windows.append(channel)
        if self.normalise == "sub-image":
            windows = [standardised(channel) for channel in windows]
        return SubImages.stacked([SubImages(channel, kept) for channel in windows])

    def _strong(self, atoms: Atoms) -> Atoms:
        """The atoms without light columns; all if intensities above the background are unknown."""
        if not self.min_relative_intensity or "amplitude" not in atoms.features:
            return atoms
        return atoms[~(atoms.relative_intensity() < self.min_relative_intensity)]

    def _channels(self, image: Image, probability: Probability | None) -> list[Iterable[Array]]:
        """The sources, channel by channel: the frames (H, W) of each, one at a time."""
        if self.source == "image":
            return [frames_of(image)]
        if self.source == "smoothed":
            return [(ndimage.gaussian_filter(frame, self.smoothing) for frame in frames_of(image))]
        if probability is None:
            raise InputError(
                "There is no probability map to cut sub-images from; segment the image first, or cut from the image."
            )
        probabilities = frames_of(Image(ProbabilityMap.of(probability).values, name="probability"))
        return [probabilities] if self.source == "probability" else [frames_of(image), probabilities]


def masked_share(atoms: Atoms, image: Image, side: int) -> npt.NDArray[np.float64]:
    """(N,) masked share of a window of this side around each atom."""
    share = np.zeros(len(atoms))
    for frame in np.unique(atoms.frame):
        masked = image.masked(int(frame))
        if masked.any():
            rows = np.flatnonzero(atoms.frame == frame)
            at = np.clip(np.rint(atoms.yx[rows]).astype(int), 0, np.array(image.shape) - 1)
            share[rows] = ndimage.uniform_filter(masked.astype(np.float32), side)[tuple(at.T)]
    return share


def frames_of(image: Image) -> Iterable[Array]:
    """The frames of an image, each computed on demand."""
    return (image.frame(number) for number in range(image.count))


def cut_into(windows: Array, frames: Iterable[Array], atoms: Atoms) -> Iterator[int]:
    """Fill (N, side, side) windows centred on the atoms, by cubic spline interpolation, without rounding to pixels.

    Yields how many were cut at a time.
    """
    side = windows.shape[1]
    axis = np.arange(side) - (side - 1) / 2
    for number, frame in enumerate(frames):
        spline = ndimage.spline_filter(frame, order=3, output=np.float32, mode="mirror")
        rows = np.flatnonzero(atoms.frame == number)
        for part in np.array_split(rows, max(1, len(rows) // CHUNK)):
            y = atoms.yx[part, 0, None, None] + axis[:, None] + np.zeros(side)
            x = atoms.yx[part, 1, None, None] + axis[None, :] + np.zeros((side, 1))
            windows[part] = ndimage.map_coordinates(spline, [y, x], order=3, mode="mirror", prefilter=False)
            yield len(part)


def standardised(windows: Array) -> Array:
    """(N, w, w) windows, each scaled to mean 0 and standard deviation 1."""
    spread = windows.std(axis=(1, 2), keepdims=True)
    scaled: Array = (windows - windows.mean(axis=(1, 2), keepdims=True)) / np.maximum(spread, 1e-6)
    return scaled

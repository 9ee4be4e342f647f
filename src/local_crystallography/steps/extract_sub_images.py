"""Atoms and image to sub-images: a window around every atom, cut at its sub-pixel centre."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.data.progress import Job, Progress
from local_crystallography.data.subimages import SubImages, fits
from local_crystallography.lattice.shells import neighbour_distance
from local_crystallography.steps.base import Step

Array = npt.NDArray[np.float32]
Probability = ProbabilityMap | npt.ArrayLike

WINDOW_SPACINGS = 2.3
"""Automatic window side over the distance between neighbours: the disc in it holds the first and second shell."""
MOST_MASKED = 0.25
"""Share of the pixels of a window that may be masked."""
CHUNK = 2000


class ExtractSubImages(Step):
    """Cut a window around every atom that is far enough from the edge."""

    renamed: ClassVar = {"weakest": "min_relative_intensity"}
    needs: ClassVar = ("atoms", "image", "probability?")
    makes: ClassVar = "sub_images"
    reads: ClassVar = ("refine_atoms",)

    source: Literal["image", "smoothed", "probability", "image and probability"] = Field(
        "image",
        description="What is cut: the image, plain or smoothed, the probability map, or image and map as two channels.",
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
        description="Lowest intensity, over that of the strong atoms, around which is cut: light columns are seen in "
        "the windows of others, and only some stand out of the noise. For refined atoms; 0: all.",
    )
    normalise: Literal["image", "sub-image"] = Field(
        "image",
        description="Bring the whole image, or every window by itself, to mean 0 and standard deviation 1.",
    )

    def resolve(self, atoms: Atoms, image: Image, probability: Probability | None = None) -> ExtractSubImages:
        """The same step with the window size fitted to the distance between neighbours."""
        if self.window_size is not None:
            return self
        side = round(WINDOW_SPACINGS * neighbour_distance(self._strong(atoms)) / 2) * 2
        return self.model_copy(update={"window_size": int(np.clip(side, 8, min(512, *image.shape)))})

    def summary(self, result: SubImages) -> str:
        return f"{len(result):,} windows of {result.window_size} px"

    def run(self, atoms: Atoms, image: Image, probability: Probability | None = None) -> Job[SubImages]:
        """Windows (N, w, w) float32, (N, w, w, 2) of two channels.

        Left out are atoms too near an edge for a window, and those of whose window more than a quarter is masked; in
        the other windows masked pixels take the value of what is around them.

        Raises
        ------
        InputError
            Where the window is larger than the image, no atom is left, or the probability map is missing.
        """
        yield Progress(0.0, "cutting sub-images …")
        side = self.resolve(atoms, image).window_size
        assert side is not None
        atoms = self._strong(atoms)
        height, width = image.shape
        if side > min(height, width):
            raise InputError(
                f"A window of {side} pixels came with an image of {height} x {width}; use a window of at most "
                f"{min(height, width)} pixels."
            )
        inside = fits(atoms.yx, image.shape, side) & (masked_share(atoms, image, side) <= MOST_MASKED)
        if not inside.any():
            raise InputError(
                f"None of the {len(atoms)} atoms is {(side - 1) / 2:g} pixels away from every edge and from masked "
                f"areas, so no window of {side} pixels fits around one; use a smaller window."
            )
        kept = atoms[inside]
        windows = [cut(frames, kept, side=side) for frames in self._channels(image, probability)]
        if self.normalise == "sub-image":
            windows = [standardised(channel) for channel in windows]
        return SubImages.stacked([SubImages(channel, kept) for channel in windows])

    def _strong(self, atoms: Atoms) -> Atoms:
        """The atoms without light columns; all where intensities above the background are not known."""
        if not self.min_relative_intensity or "amplitude" not in atoms.features:
            return atoms
        return atoms[~(atoms.relative_intensity() < self.min_relative_intensity)]

    def _channels(self, image: Image, probability: Probability | None) -> list[Iterable[Array]]:
        """What is cut, channel by channel: the frames (H, W) of each, one at a time."""
        if self.source == "image":
            return [frames_of(image)]
        if self.source == "smoothed":
            return [(ndimage.gaussian_filter(frame, self.smoothing) for frame in frames_of(image))]
        if probability is None:
            raise InputError(
                "There is no probability map to cut sub-images from; segment the image first or cut the image."
            )
        chances = frames_of(Image(ProbabilityMap.of(probability).values, name="probability"))
        return [chances] if self.source == "probability" else [frames_of(image), chances]


def masked_share(atoms: Atoms, image: Image, side: int) -> npt.NDArray[np.float64]:
    """(N,) share of the window of a side around each atom that is masked."""
    share = np.zeros(len(atoms))
    for frame in np.unique(atoms.frame):
        masked = image.masked(int(frame))
        if masked.any():
            rows = np.flatnonzero(atoms.frame == frame)
            at = np.clip(np.rint(atoms.yx[rows]).astype(int), 0, np.array(image.shape) - 1)
            share[rows] = ndimage.uniform_filter(masked.astype(np.float32), side)[tuple(at.T)]
    return share


def frames_of(image: Image) -> Iterable[Array]:
    """The frames of an image, each made when it is asked for."""
    return (image.frame(number) for number in range(image.count))


def cut(frames: Iterable[Array], atoms: Atoms, *, side: int) -> Array:
    """(N, side, side) windows centred on the atoms by cubic spline interpolation: pixels are not rounded to."""
    axis = np.arange(side) - (side - 1) / 2
    windows = np.empty((len(atoms), side, side), np.float32)
    for number, frame in enumerate(frames):
        spline = ndimage.spline_filter(frame, order=3, output=np.float32, mode="mirror")
        rows = np.flatnonzero(atoms.frame == number)
        for part in np.array_split(rows, max(1, len(rows) // CHUNK)):
            y = atoms.yx[part, 0, None, None] + axis[:, None] + np.zeros(side)
            x = atoms.yx[part, 1, None, None] + axis[None, :] + np.zeros((side, 1))
            windows[part] = ndimage.map_coordinates(spline, [y, x], order=3, mode="mirror", prefilter=False)
    return windows


def standardised(windows: Array) -> Array:
    """(N, w, w) windows, each by itself brought to mean 0 and standard deviation 1."""
    spread = windows.std(axis=(1, 2), keepdims=True)
    scaled: Array = (windows - windows.mean(axis=(1, 2), keepdims=True)) / np.maximum(spread, 1e-6)
    return scaled

"""Probability map to atoms: one per blob, at its centre of mass."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field
from scipy import ndimage
from skimage.segmentation import watershed

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.steps.base import Step


class FindAtoms(Step):
    """Find one atom per blob of a probability map, at the blob's centre of mass (Section 3 of the paper)."""

    needs: ClassVar = ("probability", "image?")
    makes: ClassVar = "atoms"

    threshold: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Lowest probability that counts as an atom; Refine atoms drops those that prove to be none.",
    )
    smallest: int = Field(1, ge=1, le=10_000, description="Smallest blob above the threshold that counts, in pixels.")

    def __call__(self, probability: npt.NDArray[np.floating], image: Image | None = None) -> Atoms:
        """Atoms with columns `probability` (highest in the blob) and, given the image, `intensity`.

        `intensity` is the mean of the image, in its own units, where the probability is above half the blob's peak.

        Raises
        ------
        InputError
            Where no blob reaches the threshold.
        """
        maps = np.asarray(probability, np.float32)
        maps = maps.reshape(-1, *maps.shape[-2:])
        pixels = None if image is None else image.data.reshape(maps.shape)
        tables = [
            find_in_frame(
                frame, None if pixels is None else pixels[i], threshold=self.threshold, smallest=self.smallest
            )
            for i, frame in enumerate(maps)
        ]
        table = pd.concat([t.assign(frame=i) for i, t in enumerate(tables)], ignore_index=True)
        if table.empty:
            raise InputError(
                f"No blob of at least {self.smallest} pixels reaches the threshold of {self.threshold:g} (the highest "
                f"probability is {maps.max():.2g}), at least one atom was expected; lower the threshold."
            )
        return Atoms.at(
            table[["y_px", "x_px"]].to_numpy(),
            frame=table["frame"],
            pixel_size=None if image is None else image.pixel_size,
            columns={name: table[name].to_numpy() for name in table if name in ("probability", "intensity")},
        )


def find_in_frame(
    probability: npt.NDArray[np.float32],
    pixels: npt.NDArray[np.generic] | None,
    *,
    threshold: float,
    smallest: int,
) -> pd.DataFrame:
    """Atoms of one frame: y_px, x_px, probability and, given the pixels of the image, intensity.

    The centre of mass is taken over the part above half the blob's own peak, weighted by the height above that half:
    weights that vanish at the rim do not jump as pixels come and go, which a plain mask's centre does (by 0.25 px).
    """
    blobs, count = ndimage.label((probability >= threshold) & (probability > 0), structure=np.ones((3, 3)))
    if count == 0:
        return pd.DataFrame({"y_px": [], "x_px": [], "probability": []})
    index = np.flatnonzero(np.bincount(blobs.ravel())[1:] >= smallest) + 1
    basin = watershed(-probability, blobs, mask=probability > 0)
    peak = ndimage.maximum(probability, blobs, np.arange(count + 1))
    weight = np.clip(probability - 0.5 * peak[basin], 0, None) * (basin > 0)
    total = _sums(basin, weight, count)[index]
    y, x = np.ogrid[: probability.shape[0], : probability.shape[1]]
    table = pd.DataFrame(
        {
            "y_px": _sums(basin, weight * y, count)[index] / total,
            "x_px": _sums(basin, weight * x, count)[index] / total,
            "probability": peak[index],
        }
    )
    if pixels is not None:
        core = (weight > 0).astype(np.float64)
        table["intensity"] = _sums(basin, core * pixels, count)[index] / _sums(basin, core, count)[index]
    return table


def _sums(basin: npt.NDArray[np.integer], values: npt.NDArray[np.floating], count: int) -> npt.NDArray[np.float64]:
    return np.bincount(basin.ravel(), values.ravel(), minlength=count + 1).astype(np.float64)

"""Atoms from a probability map: one per blob, or per maximum of a blob with several, at its centre of mass."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from skimage.segmentation import relabel_sequential, watershed

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import Column
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.data.progress import Job, Progress
from local_crystallography.steps.base import Step

CLEARLY = 1.15
"""Ratio by which a class must be likelier than any other to have its own atom in a blob shared with another class."""
PART = 0.25
"""Minimum size of such a part over the largest in its blob, so that a rim does not count."""


SADDLE, NEAREST, SMOOTH = 0.8, 8, 0.7
"""Probability between two maxima of a blob, over that of the lower, below which they are two atoms; number of nearest
maxima each is compared with; and standard deviation of the smoothing that removes single-pixel maxima, px."""


class FindAtoms(Step):
    """Find one atom per blob of a probability map, at the blob's centre of mass (Section 3 of the paper).

    A blob whose probability is clearly lower between two of its maxima holds an atom at each, as in a dumbbell.
    """

    renamed: ClassVar = {"smallest": "min_size"}
    needs: ClassVar = ("probability", "image?")
    makes: ClassVar = "atoms"
    adds: ClassVar = (
        Column("probability", "Highest probability of an atom in its blob.", has_std=True),
        Column("kind", "Number of the likeliest class of atom in the core of the blob."),
        Column("kind_probability", "Share of that class in the core of the blob."),
        Column(
            "intensity",
            "Mean of the image in the core of the blob; Refine atoms: volume of the fitted Gaussian.",
            leading=True,
        ),
    )

    threshold: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Lowest probability that counts as an atom; Refine atoms later removes false ones.",
    )
    min_size: int = Field(1, ge=1, le=10_000, description="Smallest blob above the threshold that counts, in pixels.")

    def summary(self, result: Atoms) -> str:
        return f"{len(result):,} atoms"

    def run(self, probability: ProbabilityMap | npt.ArrayLike, image: Image | None = None) -> Job[Atoms]:
        """Atoms of a map, or of a plain array (H, W) or (frames, H, W), with columns.

        - `probability`: the highest in the blob
        - `probability_std`, with an ensemble: its standard deviation among the members
        - `kind`, `kind_probability`, with several classes: number of the likeliest class in the core of the blob, where
          the probability is above half its peak, and the share of that class among all there
        - `intensity`, if the image is given: its mean in the core, in its own units

        Raises
        ------
        InputError
            If no blob reaches the threshold, or image and map differ in shape.
        """
        yield Progress(0.0, "finding atoms …")
        given = ProbabilityMap.of(probability)
        frames = given.frames
        if image is not None and (image.count, *image.shape) != (len(frames), *given.values.shape[-2:]):
            raise InputError(
                f"The probability map has shape {given.values.shape}, the image {image.data.shape}; use a map of the "
                "shape of the image."
            )
        tables = [
            find_in_frame(
                frame, None if image is None else image.read(i), threshold=self.threshold, smallest=self.min_size
            ).assign(frame=i)
            for i, frame in enumerate(frames)
        ]
        found = [table for table in tables if len(table)]
        if not found:
            raise InputError(
                f"No atom was found: no blob of at least {self.min_size} pixel{'s' * (self.min_size > 1)} reaches the "
                f"threshold of {self.threshold:g} (the highest probability is {given.values.max():.2g}); lower the "
                "threshold."
            )
        table = pd.concat(found, ignore_index=True)
        return Atoms.at(
            table[["y_px", "x_px"]].to_numpy(),
            frame=table["frame"],
            pixel_size=None if image is None else image.pixel_size,
            columns={str(name): table[name].to_numpy() for name in table if name not in ("y_px", "x_px", "frame")},
        )


def find_in_frame(
    given: ProbabilityMap, pixels: npt.NDArray[np.generic] | None, *, threshold: float, smallest: int
) -> pd.DataFrame:
    """Atoms of one frame (H, W): y_px, x_px and the columns of `FindAtoms`.

    The centre of mass is over the part above half the peak of the blob, weighted by the height above that half: these
    weights vanish at the rim, so the centre does not jump as pixels are added, unlike that of a mask (by 0.25 px).
    """
    probability = given.values
    blobs, count = ndimage.label((probability >= threshold) & (probability > 0), structure=np.ones((3, 3)))
    blobs, count = split_at_saddles(blobs, count, probability)
    if given.shares is not None and count:
        blobs, count, probability = split_by_class(blobs, count, given)
    index = np.flatnonzero(np.bincount(blobs.ravel(), minlength=count + 1)[1:] >= smallest) + 1
    if not len(index):
        return pd.DataFrame()
    basin = watershed(-probability, blobs, mask=probability > 0)
    peak = ndimage.maximum(probability, blobs, np.arange(count + 1))
    weight = np.clip(probability - 0.5 * peak[basin], 0, None) * (basin > 0)
    total = _sums(basin, weight, count)[index]
    y, x = np.ogrid[: probability.shape[0], : probability.shape[1]]
    core = (weight > 0).astype(np.float64)
    size = _sums(basin, core, count)[index]

    def mean(values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        return np.asarray(_sums(basin, core * values, count)[index] / size)

    table = {
        "y_px": _sums(basin, weight * y, count)[index] / total,
        "x_px": _sums(basin, weight * x, count)[index] / total,
        "probability": peak[index],
    }
    if given.std is not None:
        table["probability_std"] = ndimage.mean(given.std, np.where(probability == peak[blobs], blobs, 0), index)
    if given.shares is not None:
        shares = np.stack([mean(share) for share in given.shares])
        table["kind"] = shares.argmax(axis=0)
        table["kind_probability"] = shares.max(axis=0) / shares.sum(axis=0)
    if pixels is not None:
        table["intensity"] = mean(pixels)
    return pd.DataFrame(table)


def split_at_saddles(
    blobs: npt.NDArray[np.integer], count: int, probability: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.integer], int]:
    """The blobs (H, W) and their number, split where the probability between two maxima is clearly lower."""
    smooth = ndimage.gaussian_filter(probability, SMOOTH)
    tops = np.argwhere((smooth == ndimage.maximum_filter(smooth, 3)) & (blobs > 0))
    blob = blobs[tuple(tops.T)]
    several = np.bincount(blob, minlength=count + 1)[blob] > 1
    tops, blob = tops[several], blob[several]
    if not len(tops):
        return blobs, count
    near = cKDTree(tops).query(tops, range(2, NEAREST + 2))[1]
    first = np.repeat(np.arange(len(tops)), NEAREST)
    pairs = np.stack([first, near.ravel()])[:, near.ravel() < len(tops)]
    pairs = pairs[:, blob[pairs[0]] == blob[pairs[1]]]
    along = np.linspace(0, 1, 9)[:, None, None]
    line = tops[pairs[0]] * (1 - along) + tops[pairs[1]] * along
    lowest = smooth[tuple(np.moveaxis(np.rint(line).astype(int), -1, 0))].min(axis=0)
    lower = np.minimum(*smooth[tuple(tops.T)][pairs])
    joined = pairs[:, lowest >= SADDLE * lower]
    one = sparse.coo_array((np.ones(joined.shape[1]), joined), shape=(len(tops), len(tops)))
    number, atom = connected_components(one, directed=False)
    if number == len(np.unique(blob)):
        return blobs, count
    shared = np.argwhere(np.isin(blobs, blob))
    # the nearest maximum of the same blob: those of others are put far away
    apart = 2 * sum(blobs.shape) * np.append(blob, blobs[tuple(shared.T)])[:, None]
    where = np.concatenate([np.concatenate([tops, shared]), apart], axis=1)
    nearest = cKDTree(where[: len(tops)]).query(where[len(tops) :])[1]
    divided = blobs.copy()
    divided[tuple(shared.T)] = count + 1 + atom[nearest]
    divided, _, _ = relabel_sequential(divided)
    return divided, int(divided.max())


def split_by_class(
    blobs: npt.NDArray[np.integer], count: int, given: ProbabilityMap
) -> tuple[npt.NDArray[np.integer], int, npt.NDArray[np.float32]]:
    """The blobs (H, W), with those shared by several classes split, their number and the probability to weight them by.

    Between two close atoms of different classes the total probability is high, though each class has its own disc. A
    blob is split if two or more classes each hold a part of it: above half the peak of the blob, clearly likelier than
    any other class, with a maximum of the class in it, and not much smaller than the largest part. In split blobs only
    the likeliest class counts.
    """
    assert given.shares is not None
    second, first = np.sort(given.shares, axis=0)[-2:]
    kind = given.shares.argmax(axis=0)
    peak = ndimage.maximum(given.values, blobs, np.arange(count + 1))
    clear = (blobs > 0) & (first > 0.5 * peak[blobs]) & (first > CLEARLY * second)
    parts, number, tops = np.zeros_like(blobs), 0, np.zeros(blobs.shape, bool)
    for each, share in enumerate(given.shares):
        own, more = ndimage.label(clear & (kind == each), structure=np.ones((3, 3)))
        parts[own > 0] = own[own > 0] + number
        tops |= (own > 0) & (share == ndimage.maximum_filter(share, 3))
        number += more
    pixel = np.unique(parts, return_index=True)[1][1:] if number else np.empty(0, int)  # one of each part
    blob, kinds = blobs.ravel()[pixel], kind.ravel()[pixel]
    size, peaks = (np.bincount(part.ravel(), minlength=number + 1)[1:] for part in (parts, parts[tops]))
    largest = np.zeros(count + 1)
    np.maximum.at(largest, blob, size)
    real = (peaks > 0) & (size >= PART * largest[blob])
    several = np.bincount(np.unique(np.stack([blob, kinds])[:, real], axis=1)[0], minlength=count + 1) > 1
    if not several.any():
        return blobs, count, given.values
    seeds = np.where(np.append(False, real & several[blob])[parts], parts + count, 0)
    probability = np.where(several[blobs], first, given.values)
    grown = watershed(-probability, seeds, mask=several[blobs])
    divided, _, _ = relabel_sequential(np.where(several[blobs], grown, blobs))
    return divided, int(divided.max()), probability


def _sums(basin: npt.NDArray[np.integer], values: npt.NDArray[np.floating], count: int) -> npt.NDArray[np.float64]:
    return np.bincount(basin.ravel(), values.ravel(), minlength=count + 1).astype(np.float64)

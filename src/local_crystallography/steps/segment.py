"""Image to probability map: which pixels belong to an atom."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.data.progress import Job, Progress, finish
from local_crystallography.positions.blobs import BLOB_SCALE, blob_probability, find_spacing, looks_bright
from local_crystallography.positions.scale import measure_scale
from local_crystallography.steps.base import ADVANCED, Step

Array = npt.NDArray[np.float32]


class Segment(Step):
    """Mark the pixels that belong to an atom with a probability from 0 to 1 (Fig. 3a)."""

    needs: ClassVar = ("image",)
    makes: ClassVar = "probability"

    method: Literal["network", "blobs"] = Field(
        "network",
        description="How atoms are recognised. network: one trained on simulated images of all kinds. "
        "blobs: a Laplacian of Gaussian of the scale of an atom.",
    )
    contrast: Literal["bright", "dark"] | None = Field(
        None, description="Whether atoms are brighter or darker than between; automatic: as the image looks."
    )
    sigma: float | None = Field(
        None,
        ge=0.5,
        le=60,
        description="For the network: standard deviation of a column along one axis, in pixels; automatic: measured "
        "in the image.",
    )
    spacing: float | None = Field(
        None,
        ge=2,
        le=400,
        description="For blobs: distance between neighbouring atoms, in pixels; automatic: found in the image.",
    )
    ensemble: int = Field(
        1,
        ge=1,
        le=4,
        description="Networks whose probabilities are averaged; more are slower and a little surer, and where they "
        "disagree is told.",
    )
    network: Path | None = Field(
        None,
        json_schema_extra=ADVANCED,
        description="File of a network written by train-segmenter; none: the one that comes with the program.",
    )
    significance: float = Field(
        5.0,
        ge=0.5,
        le=50,
        json_schema_extra=ADVANCED,
        description="For blobs: height above the noise, in standard deviations, at which an atom is as likely as not.",
    )
    weakest: float = Field(
        0.1,
        ge=0,
        le=1,
        json_schema_extra=ADVANCED,
        description="For blobs: height, over the strongest atoms around, at which an atom is as likely as not.",
    )

    def resolve(self, image: Image) -> Segment:
        """The same step with contrast and sigma or spacing as they are in the image, its first frame in a stack.

        Raises
        ------
        InputError
            Where no columns or no regular blobs are found at any scale.
        """
        frame = image.frame(0)
        found: dict[str, Any] = {}
        if self.method == "network" and self.sigma is None:
            scale = measure_scale(frame)
            if scale is None:
                raise InputError(
                    f"{image.name}: no columns of atoms are seen, an atomically resolved image was expected; set sigma "
                    "by hand where there are some."
                )
            found["sigma"] = round(min(max(scale.sigma, 0.5), 60), 2)
        if self.contrast is None:
            found["contrast"] = "bright" if looks_bright(frame, found.get("sigma", self.sigma)) else "dark"
        step = self.model_copy(update=found)
        if self.method == "blobs" and self.spacing is None:
            step = step.model_copy(update={"spacing": find_spacing(step._signed(frame), name=image.name)})
        return step

    def __call__(self, image: Image) -> ProbabilityMap:
        """Probability of every pixel, with what an ensemble is unsure of and the shares of classes where there are any.

        Raises
        ------
        InputError
            As `resolve`; for a file that holds no network, or fewer members than the ensemble asks for.
        """
        return finish(self.job(image))

    def job(self, image: Image) -> Job[ProbabilityMap]:
        """The same as a job, frame by frame; frames not reached before it is stopped hold nothing."""
        step = self.resolve(image)
        maps, mark = [], step._marker()
        for number in range(image.count):
            if (yield Progress(number / image.count, step.scale)):
                break
            maps.append(mark(step._signed(image.frame(number))))
        return ProbabilityMap.stacked(maps, image.data.shape)

    def _marker(self) -> Callable[[Array], ProbabilityMap]:
        """What gives a frame its probability."""
        if self.method == "network":
            from local_crystallography.models.segmenter import Segmenter, shipped

            assert self.sigma is not None
            segmenter = shipped() if self.network is None else Segmenter.load(self.network)
            return partial(segmenter.probability, sigma=self.sigma, members=self.ensemble)
        assert self.spacing is not None
        sigma = BLOB_SCALE * self.spacing
        mark = partial(blob_probability, sigma=sigma, significance=self.significance, weakest=self.weakest)
        return lambda frame: ProbabilityMap(mark(frame))

    @property
    def scale(self) -> str:
        """What was taken the atoms for, in words."""
        scale = f"columns, sigma {self.sigma} px" if self.method == "network" else f"atoms {self.spacing:.3g} px apart"
        return f"{self.contrast} {scale}"

    def _signed(self, frame: Array) -> Array:
        return -frame if self.contrast == "dark" else frame

"""Image to probability map: which pixels belong to an atom."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidatorFunctionWrapHandler, field_validator, model_validator

from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.mask import filled
from local_crystallography.data.parameters import ADVANCED, Alternative, gathered, listed
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.data.progress import Job, Progress
from local_crystallography.fitting.background import terraces
from local_crystallography.fitting.blobs import BLOB_SCALE, blob_probability, find_spacing
from local_crystallography.scan.frames import usual
from local_crystallography.steps.base import Step

if TYPE_CHECKING:
    from local_crystallography.models.scale import Candidate
    from local_crystallography.models.segmenter import Segmenter

Array = npt.NDArray[np.float32]
Marker = Callable[[Array], ProbabilityMap]

FRAMES = 5
"""Most frames of a stack of which the scale is chosen."""


class Network(Alternative):
    """A network trained on simulated images of all kinds."""

    renamed: ClassVar = {"network": "weights"}

    method: Literal["network"] = "network"
    sigma: float | None = Field(
        None,
        ge=0.5,
        le=200,
        description="Standard deviation of a column along one axis, in pixels; automatic: measured in the image.",
    )
    ensemble: int = Field(
        1,
        ge=1,
        le=4,
        description="Networks whose probabilities are averaged; more are slower but more reliable, and their spread is "
        "kept.",
    )
    weights: Path | None = Field(
        None,
        json_schema_extra=ADVANCED,
        description="File of a network written by train-segmenter; none: the one that comes with the program.",
    )

    @property
    def scale(self) -> str:
        """What the atoms are assumed to be, in words."""
        return f"columns, sigma {self.sigma} px"

    @property
    def segmenter(self) -> Segmenter:
        """The network."""
        from local_crystallography.models.segmenter import Segmenter, shipped

        return shipped() if self.weights is None else Segmenter.load(self.weights)

    def marker(self) -> Marker:
        """The function that gives a frame its probability."""
        assert self.sigma is not None
        find, width = partial(self.segmenter.probability, sigma=self.sigma, members=self.ensemble), self.sigma
        return lambda frame: find(frame - terraces(filled(frame, ~np.isfinite(frame)), width)[0])


class Blobs(Alternative):
    """A Laplacian of Gaussian at the scale of an atom."""

    renamed: ClassVar = {"significance": "min_snr", "weakest": "min_relative_intensity"}

    method: Literal["blobs"] = "blobs"
    spacing: float | None = Field(
        None,
        ge=2,
        le=400,
        description="Distance between neighbouring atoms, in pixels; automatic: found in the image.",
    )
    min_snr: float = Field(
        5.0,
        ge=0.5,
        le=50,
        json_schema_extra=ADVANCED,
        description="Signal-to-noise ratio at which the probability of an atom is one half.",
    )
    min_relative_intensity: float = Field(
        0.1,
        ge=0,
        le=1,
        json_schema_extra=ADVANCED,
        description="Height, relative to the strongest atoms around, at which the probability is one half.",
    )

    @property
    def scale(self) -> str:
        """What the atoms are assumed to be, in words."""
        return f"atoms {self.spacing:.3g} px apart"

    def marker(self) -> Marker:
        """The function that gives a frame its probability."""
        assert self.spacing is not None
        sigma = BLOB_SCALE * self.spacing
        mark = partial(blob_probability, sigma=sigma, significance=self.min_snr, weakest=self.min_relative_intensity)
        return lambda frame: ProbabilityMap(mark(filled(frame, ~np.isfinite(frame))))


class Segment(Step):
    """Mark the pixels that belong to an atom with a probability from 0 to 1 (Fig. 3a)."""

    needs: ClassVar = ("image",)
    makes: ClassVar = "probability"

    by: Network | Blobs = Field(
        default_factory=Network,
        discriminator="method",
        description=listed("How atoms are recognised.", Network, Blobs),
    )
    contrast: Literal["bright", "dark"] | None = Field(
        None, description="Whether atoms are brighter or darker than the background; automatic: as in the image."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_flat(cls, given: Any) -> Any:
        """Recipes of 0.1.0 have the parameters of both methods side by side."""
        return gathered(given, "by", (Network, Blobs))

    @field_validator("by", mode="wrap")
    @classmethod
    def _read_method(cls, given: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        return Alternative.read(given, handler, Network)

    def resolve(self, image: Image) -> Segment:
        """The same step with contrast and sigma or spacing as they are in the image, the clearest frame of a stack.

        Raises
        ------
        InputError
            Where no columns or no regular blobs are found at any scale.
        """
        if isinstance(self.by, Network):
            return self if self.by.sigma and self.contrast else self.taking(self.candidates(image), image)
        step = self
        if self.contrast is None:
            step = self.replace(contrast=Segment().taking(self.candidates(image), image).contrast)
        if self.by.spacing is None:
            first = image.frame(usual(image, FRAMES)[0])
            spacing = find_spacing(step._signed(first), name=image.name)
            step = step.replace(by=self.by.replace(spacing=spacing))
        return step

    def resolving(self, image: Image) -> Job[Segment]:
        """`resolve` as a job, since it takes seconds."""
        yield Progress(0.0, "looking for columns of any width, bright and dark …")
        return self.resolve(image)

    def candidates(self, image: Image) -> list[Candidate]:
        """What the columns of the image may be, the most likely first; see `models.scale.choose_scale`."""
        from local_crystallography.models.scale import choose_scale

        bright = None if self.contrast is None else self.contrast == "bright"
        network = self.network

        def choose() -> list[Candidate]:
            frames = ((number, image.known_frame(number)) for number in usual(image, FRAMES))
            return choose_scale(network.segmenter, frames, bright=bright, sigma=network.sigma)

        return image.remembered(("candidates", bright, network.sigma, network.weights), choose)

    def taking(self, candidates: list[Candidate], image: Image) -> Segment:
        """The same step with the first of some candidates."""
        if not candidates:
            raise InputError(
                f"{image.name}: no columns of atoms are seen at any scale; set sigma and contrast by hand where there "
                "are some, or check that the right image was opened."
            )
        first = candidates[0]
        sigma = self.network.sigma or round(min(max(first.sigma, 0.5), 200), 2)
        return self.replace(by=self.network.replace(sigma=sigma), contrast="bright" if first.bright else "dark")

    def summary(self, result: ProbabilityMap) -> str:
        return f"{self.scale} · {result.summary}" if result.summary else self.scale

    def run(self, image: Image) -> Job[ProbabilityMap]:
        """Probability of every pixel, with what an ensemble is unsure of and the shares of classes where there are any.

        Frame by frame; frames not reached before it is stopped hold nothing.

        Raises
        ------
        InputError
            As `resolve`; for a file that holds no network, or fewer members than the ensemble asks for.
        """
        step = self.resolve(image)
        maps, mark = [], step.by.marker()
        for number in range(image.count):
            if (yield Progress(number / image.count, step.scale)):
                break
            maps.append(mark(step._signed(image.known_frame(number))))
        return ProbabilityMap.stacked(maps, image.data.shape)

    @property
    def network(self) -> Network:
        """The network that looks for columns; the one that comes with the program where atoms are found as blobs."""
        return self.by if isinstance(self.by, Network) else Network()

    @property
    def scale(self) -> str:
        """What the atoms are assumed to be, in words."""
        return f"{self.contrast} {self.by.scale}"

    def _signed(self, frame: Array) -> Array:
        return -frame if self.contrast == "dark" else frame

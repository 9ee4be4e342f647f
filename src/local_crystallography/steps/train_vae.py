"""Training of a variational autoencoder on sub-images."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from local_crystallography.data.progress import Job
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.training import Training

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae


class TrainVae(Training):
    """Train the network that separates the motif of a sub-image from its rotation and offset (Eq. 2)."""

    needs: ClassVar = ("sub_images",)
    makes: ClassVar = "vae"

    kind: Literal["rvae", "vae"] = Field(
        "rvae",
        description="rvae: rotationally invariant, with angle and offset (Fig. 3b of the paper); vae: latents only.",
    )

    def resolve(self, sub_images: SubImages) -> TrainVae:
        """The same step with automatic parameters determined from the sub-images."""
        return self.model_copy(update=self.resolved(sub_images))

    def run(self, sub_images: SubImages) -> Job[Vae]:
        """The trained network; the best so far if stopped.

        Raises
        ------
        InputError
            If there are too few sub-images, they are constant or not finite, or the training diverges.
        """
        return self.resolve(sub_images).fit(sub_images)

"""Sub-images to a trained variational autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from local_crystallography.data.progress import Job
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.training import Training

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae


class TrainVae(Training):
    """Train the network that tells what a sub-image shows apart from how it is turned and shifted (Eq. 2)."""

    needs: ClassVar = ("sub_images",)
    makes: ClassVar = "vae"

    kind: Literal["rvae", "vae"] = Field(
        "rvae",
        description="rvae: rotationally invariant, with angle and offset (Fig. 3b of the paper); vae: latents alone.",
    )

    def resolve(self, sub_images: SubImages) -> TrainVae:
        """The same step with the detail found in the sub-images, the passes fitted to their number and so on."""
        return self.model_copy(update=self.resolved(sub_images))

    def run(self, sub_images: SubImages) -> Job[Vae]:
        """The trained network; the best so far where the job is stopped.

        Raises
        ------
        InputError
            Where there are too few sub-images, they are all alike or not finite, or the training diverges.
        """
        return self.resolve(sub_images).fit(sub_images)

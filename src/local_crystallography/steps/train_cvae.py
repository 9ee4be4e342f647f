"""Training of a conditional variational autoencoder on sub-images and class labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.base import own
from local_crystallography.steps.training import Training

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae


class TrainCvae(Training):
    """Train a network that is given the classes, so that its latents describe the variation within them (Fig. 6)."""

    needs: ClassVar = ("sub_images", "atoms")
    makes: ClassVar = "cvae"
    reads: ClassVar = ("cluster", own("label"))
    optional: ClassVar = True

    kind: Literal["cvae", "crvae"] = Field(
        "cvae", description="cvae: latents only (Fig. 3c of the paper); crvae: also angle and offset."
    )

    def resolve(self, sub_images: SubImages, atoms: Atoms) -> TrainCvae:
        """The same step with automatic parameters determined from the labelled sub-images."""
        return self.model_copy(update=self.resolved(labelled(sub_images, atoms)))

    def run(self, sub_images: SubImages, atoms: Atoms) -> Job[Vae]:
        """The trained network; the best so far if stopped. Classes may be any numbers from 0.

        Raises
        ------
        InputError
            Without labels, if there are too few sub-images, if they are constant or not finite, or if the training
            diverges.
        """
        part = labelled(sub_images, atoms)
        return self.resolve(part, atoms).fit(part, part.atoms.features["label"].to_numpy(np.int64))


def labelled(sub_images: SubImages, atoms: Atoms) -> SubImages:
    """The sub-images of the atoms that have a class, with the column `label`."""
    if "label" not in atoms.features:
        raise InputError("The atoms have no classes yet (no column label); cluster first.")
    label = dict(zip(atoms.ids.tolist(), atoms.features["label"].tolist(), strict=True))
    of_windows = np.array([label.get(i, np.nan) for i in sub_images.atoms.ids.tolist()], float)
    kept = of_windows >= 0
    if not kept.any():
        raise InputError("No atom with a sub-image has a class; cluster first.")
    windows = sub_images.windows if kept.all() else sub_images.windows[kept]
    return SubImages(windows, sub_images.atoms[kept].with_features(label=of_windows[kept].astype(np.int64)))

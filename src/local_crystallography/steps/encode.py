"""Trained network and sub-images to columns: angle, offset and latents of every atom."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.base import Step

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae


class Encode(Step):
    """Give every atom its angle, offset and latents, with their standard deviations."""

    needs: ClassVar = ("vae", "sub_images", "atoms")
    makes: ClassVar = "atoms"

    def __call__(self, vae: Vae, sub_images: SubImages, atoms: Atoms) -> Atoms:
        """The atoms with the columns of `Vae.encode`; NaN for atoms without a sub-image."""
        return atoms.join(sub_images.atoms.ids, vae.encode(sub_images.windows))

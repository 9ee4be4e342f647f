"""Trained network and sub-images to columns: angle, offset and latents of every atom."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.base import Step

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae


class Encode(Step):
    """Give every atom its angle, offset and latents, with their standard deviations."""

    needs: ClassVar = ("vae", "sub_images", "atoms")
    makes: ClassVar = "atoms"

    angle: Literal["own symmetry", "full circle"] = Field(
        "own symmetry",
        description="Range of the angle. own symmetry: a motif with n equal turns gets the one nearest to 0.",
    )

    def __call__(self, vae: Vae, sub_images: SubImages, atoms: Atoms) -> Atoms:
        """The atoms with the columns of `Vae.encode` and `symmetry_order`; NaN for atoms without a sub-image."""
        columns = vae.encode(sub_images.windows)
        latents = [f"z{i}" for i in range(vae.settings.latents)]
        order = vae.symmetry_order(columns[latents])
        if self.angle == "own symmetry":
            sector = 2 * np.pi / order
            columns["angle_rad"] -= sector * np.round(columns["angle_rad"] / sector)
        return atoms.join(sub_images.atoms.ids, columns.assign(symmetry_order=order))

"""Trained network and sub-images to columns: angle, offset and latents of every atom."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.subimages import FOUND, SubImages
from local_crystallography.steps.base import Step
from local_crystallography.steps.cluster import Cluster

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae

FIRST_LOOK = 3
"""Starts of the mixture that tells which atoms have their symmetry in common."""


class Encode(Step):
    """Give every atom its angle, offset and latents, with their standard deviations."""

    needs: ClassVar = ("vae", "sub_images", "atoms")
    makes: ClassVar = "atoms"

    angle: Literal["own symmetry", "full circle"] = Field(
        "own symmetry",
        description="Range of the angle. own symmetry: a motif with n equal turns gets the one nearest to 0.",
    )

    correct_positions: bool = Field(
        False,
        description="Move every atom by its offset, to where the network sees the motif.",
    )

    def __call__(self, vae: Vae, sub_images: SubImages, atoms: Atoms) -> Atoms:
        """The atoms with the columns of `Vae.encode` and `symmetry_order`; NaN for atoms without a sub-image.

        The order is that of a kind of site, as Cluster finds them in a first look, and decided from all its atoms: were
        it each atom's own, equal turns would get different angles.

        Corrected positions are counted from where the sub-images were cut, so encoding again does not move the atoms
        again; `found_y_px` and `found_x_px` then tell where they were. Atoms without a sub-image stay.
        A network of kind vae gives latents alone.

        Raises
        ------
        InputError
            Where positions are to be corrected by a network that has no offset.
        """
        if self.correct_positions and not vae.settings.turns:
            raise InputError(
                "Positions cannot be corrected by a network of kind vae, which has no offset; train one of kind rvae, "
                "or leave the positions as they are."
            )
        columns = vae.encode(sub_images.windows)
        latents = [f"z{i}" for i in range(vae.settings.latents)]
        order = vae.symmetry_order(columns[latents], groups=kinds(sub_images.atoms, columns[latents]))
        if self.angle == "own symmetry" and vae.settings.turns:
            sector = 2 * np.pi / order
            columns["angle_rad"] -= sector * np.round(columns["angle_rad"] / sector)
        found = placed(atoms.without(list(FOUND)), sub_images.atoms)
        encoded = found.join(sub_images.atoms.ids, columns.assign(symmetry_order=order))
        if not self.correct_positions:
            return encoded
        offset = columns[["offset_y_px", "offset_x_px"]].to_numpy()
        cut = sub_images.atoms
        moved = placed(encoded, Atoms(cut.yx + offset, cut.features))
        return moved.with_features(**dict(zip(FOUND, found.yx.T, strict=True)))


def kinds(atoms: Atoms, latents: pd.DataFrame) -> npt.NDArray[np.int64]:
    """(n,) kind of site of atoms by their latents; one where they cannot be told apart."""
    try:
        sorted_atoms = Cluster(columns=tuple(latents), n_init=FIRST_LOOK)(atoms.with_features(**latents))
    except InputError:
        return np.zeros(len(atoms), np.int64)
    return sorted_atoms.features["label"].to_numpy(np.int64)


def placed(atoms: Atoms, part: Atoms) -> Atoms:
    """The atoms, those of the part at its places."""
    places = pd.DataFrame(part.yx, index=part.ids).reindex(atoms.ids).to_numpy()
    return Atoms(np.where(np.isfinite(places), places, atoms.yx), atoms.features, atoms.pixel_size)

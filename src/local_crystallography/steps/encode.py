"""Trained network and sub-images to columns: angle, offset and latents of every atom."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from local_crystallography.clustering.alternatives import GaussianMixture
from local_crystallography.clustering.angle_peaks import effective_order, scatter
from local_crystallography.clustering.environment import CERTAIN
from local_crystallography.clustering.features import positions
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import Column
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job, Progress
from local_crystallography.data.subimages import FOUND, SubImages
from local_crystallography.steps.base import Step
from local_crystallography.steps.cluster import Cluster

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

MOST = 10.0
"""Most that a standard deviation is corrected by."""
FIRST_LOOK = 3
"""Starts of the mixture that tells which atoms have their symmetry in common."""


class Encode(Step):
    """Give every atom its angle, offset and latents, with their standard deviations."""

    needs: ClassVar = ("vae", "sub_images", "atoms")
    makes: ClassVar = "atoms"
    adds: ClassVar = (
        Column("angle_rad", "Rotation of the motif, counter-clockwise.", painted=True, has_std=True),
        Column("offset_[yx]_px", "Offset of the motif from the centre of the sub-image.", signed=True, painted=True),
        Column(r"z\d+", "Latent: variation of sub-images beyond rotation and offset.", painted=True, has_std=True),
        Column("reconstruction_error", "Mean squared residual over the variance of the noise; 1 is noise alone."),
        Column("symmetry_order", "Rotational symmetry order of the motif."),
    )

    angle: Literal["own symmetry", "full circle"] = Field(
        "own symmetry",
        description="Range of the angle. own symmetry: a motif with n equal turns gets the one nearest to 0.",
    )

    correct_positions: bool = Field(
        False,
        description="Move every atom by its offset, to where the network sees the motif.",
    )

    def summary(self, result: Atoms) -> str:
        return f"{int(result.features['z0'].notna().sum()):,} atoms encoded"

    def run(self, vae: Vae, sub_images: SubImages, atoms: Atoms) -> Job[Atoms]:
        """The atoms with the columns of `Vae.encode` and `symmetry_order`; NaN for atoms without a sub-image.

        The order is that of a kind of site, as Cluster finds them in a first look, and decided from all its atoms: were
        it each atom's own, equal turns would get different angles; and turns that only noise tells apart are equal.
        Where the network has made two motifs of one that is turned, their angles are counted from the same direction.
        `angle_std_rad` is the posterior's, times what angles of a kind scatter more or less among neighbours.

        Corrected positions are counted from where the sub-images were cut, so encoding again does not move the atoms
        again; `found_y_px` and `found_x_px` then tell where they were. Atoms without a sub-image stay.
        A network of kind vae gives latents alone.

        Raises
        ------
        InputError
            Where positions are to be corrected by a network that has no offset.
        """
        yield Progress(0.0, "encoding atoms …")
        if self.correct_positions and not vae.settings.turns:
            raise InputError(
                "Positions cannot be corrected by a network of kind vae, which has no offset; train one of kind rvae, "
                "or leave the positions as they are."
            )
        columns = vae.encode(sub_images.windows)
        latents = [f"z{i}" for i in range(vae.settings.latents)]
        group, turn = first_look(sub_images, columns[[*latents, *(["angle_rad"] if vae.settings.turns else [])]])
        order = vae.symmetry_order(columns[latents], groups=group)
        if vae.settings.turns:
            columns["angle_rad"] = (columns["angle_rad"] + turn + np.pi) % (2 * np.pi) - np.pi
            angle, std = (columns[name].to_numpy() for name in ("angle_rad", "angle_std_rad"))
            order = orders_told(sub_images.atoms, angle, order, group)
            columns["angle_std_rad"] = std * beyond_noise(sub_images.atoms, angle, std, order, group)
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


def first_look(sub_images: SubImages, found: pd.DataFrame) -> tuple[Index, Array]:
    """(n,) kind of site of sub-images by their latents, and radians to add to their angles; one kind where they cannot
    be told apart."""
    atoms = sub_images.atoms.with_features(**found)
    columns = tuple(str(name) for name in found if name != "angle_rad")
    try:
        kinds = Cluster(columns=columns, by=GaussianMixture(n_init=FIRST_LOOK)).kinds(atoms, sub_images)
    except InputError:
        return np.zeros(len(atoms), np.int64), np.zeros(len(atoms))
    return kinds.shares.argmax(axis=1), kinds.turn


def orders_told(atoms: Atoms, angle: Array, order: Index, group: Index) -> Index:
    """(n,) symmetry orders of atoms, for every kind of site as its angles (n,) tell them, see `effective_order`."""
    yx, told = positions(atoms, np.arange(len(atoms))), order.copy()
    for kind in np.unique(group):
        rows = group == kind
        told[rows] = effective_order(angle[rows], int(order[rows][0]), yx[rows])
    return told


def beyond_noise(atoms: Atoms, angle: Array, std: Array, order: Index, group: Index) -> Array:
    """(n,) how many times more angles scatter among neighbours than their standard deviations (n,) tell, by kind.

    These are of the noise of all sub-images alike, while noise differs from kind to kind, and no model fits exactly.
    1 where nothing can be told.
    """
    yx, times = positions(atoms, np.arange(len(atoms))), np.ones(len(atoms))
    for kind in np.unique(group):
        rows = group == kind
        told = float(np.sqrt((std[rows] ** 2).mean()))
        seen = scatter(angle[rows], int(order[rows][0]), yx[rows])
        if told < CERTAIN and np.isfinite(seen):
            times[rows] = np.clip(seen / told, 1 / MOST, MOST)
    return times


def placed(atoms: Atoms, part: Atoms) -> Atoms:
    """The atoms, those of the part at its places."""
    places = pd.DataFrame(part.yx, index=part.ids).reindex(atoms.ids).to_numpy()
    return Atoms(np.where(np.isfinite(places), places, atoms.yx), atoms.features, atoms.pixel_size)

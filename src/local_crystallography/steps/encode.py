"""Encoding: angle, offset and latents of every atom from a trained network and sub-images."""

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
"""Largest factor by which a standard deviation is corrected."""
KIND_STARTS = 3
"""Starts of the preliminary mixture that groups atoms of the same symmetry."""


class Encode(Step):
    """Give every atom its angle, offset and latents, with their standard deviations."""

    needs: ClassVar = ("vae", "sub_images", "atoms")
    makes: ClassVar = "atoms"
    adds: ClassVar = (
        Column("angle_rad", "Rotation of the motif, counter-clockwise.", painted=True, has_std=True, leading=True),
        Column(
            r"z\d+",
            "Latent: variation of sub-images beyond rotation and offset.",
            painted=True,
            has_std=True,
            leading=True,
        ),
        Column(
            "offset_[yx]_px",
            "Offset of the motif from the centre of the sub-image.",
            signed=True,
            painted=True,
            leading=True,
        ),
        Column(
            "reconstruction_error",
            "Mean squared residual over the variance of the noise; 1 is noise alone.",
            leading=True,
        ),
        Column("symmetry_order", "Rotational symmetry order of the motif."),
    )

    angle: Literal["own symmetry", "full circle"] = Field(
        "own symmetry",
        description="Range of the angle. own symmetry: of the n equivalent angles of a motif with n-fold symmetry, the "
        "one nearest to 0.",
    )

    correct_positions: bool = Field(
        False,
        description="Move every atom by its offset, to the position of the motif found by the network.",
    )

    def summary(self, result: Atoms) -> str:
        return f"{int(result.features['z0'].notna().sum()):,} atoms encoded"

    def run(self, vae: Vae, sub_images: SubImages, atoms: Atoms) -> Job[Atoms]:
        """The atoms with the columns of `Vae.encode` and `symmetry_order`; NaN for atoms without a sub-image.

        The order is decided for each kind of site of a preliminary clustering, from all its atoms: decided atom by
        atom, equivalent orientations would get different angles, while those that differ only by noise are equivalent.
        If the network has learned one motif as two rotated ones, their angles are measured from the same direction.
        `angle_std_rad` is that of the posterior, times the ratio of the scatter among neighbours to it, by kind.

        Corrected positions are relative to the centres of the sub-images, so encoding again does not move the atoms
        again; `found_y_px` and `found_x_px` hold the earlier positions. Atoms without a sub-image are not moved.
        A network of kind vae gives only latents.

        Raises
        ------
        InputError
            If positions are to be corrected by a network without an offset.
        """
        if self.correct_positions and not vae.settings.turns:
            raise InputError(
                "Positions cannot be corrected by a network of kind vae, which has no offset; train one of kind rvae, "
                "or leave the positions as they are."
            )
        columns = yield from vae.encoding(sub_images.windows)
        yield Progress(1.0, "grouping kinds of site …")
        latents = [f"z{i}" for i in range(vae.settings.latents)]
        group, rotation = kinds_of_site(sub_images, columns[[*latents, *(["angle_rad"] if vae.settings.turns else [])]])
        order = vae.symmetry_order(columns[latents], groups=group)
        if vae.settings.turns:
            columns["angle_rad"] = (columns["angle_rad"] + rotation + np.pi) % (2 * np.pi) - np.pi
            angle, std = (columns[name].to_numpy() for name in ("angle_rad", "angle_std_rad"))
            order = decided_orders(sub_images.atoms, angle, order, group)
            columns["angle_std_rad"] = std * beyond_noise(sub_images.atoms, angle, std, order, group)
        if self.angle == "own symmetry" and vae.settings.turns:
            sector = 2 * np.pi / order
            columns["angle_rad"] -= sector * np.round(columns["angle_rad"] / sector)
        found = moved_to(atoms.without(list(FOUND)), sub_images.atoms)
        encoded = found.join(sub_images.atoms.ids, columns.assign(symmetry_order=order))
        if not self.correct_positions:
            return encoded
        offset = columns[["offset_y_px", "offset_x_px"]].to_numpy()
        cut = sub_images.atoms
        moved = moved_to(encoded, Atoms(cut.yx + offset, cut.features))
        return moved.with_features(**dict(zip(FOUND, found.yx.T, strict=True)))


def kinds_of_site(sub_images: SubImages, found: pd.DataFrame) -> tuple[Index, Array]:
    """(n,) kind of site of each sub-image by its latents, and radians to add to its angle.

    All are of one kind if kinds cannot be distinguished.
    """
    atoms = sub_images.atoms.with_features(**found)
    columns = tuple(str(name) for name in found if name != "angle_rad")
    try:
        kinds = Cluster(columns=columns, by=GaussianMixture(n_init=KIND_STARTS)).kinds(atoms, sub_images)
    except InputError:
        return np.zeros(len(atoms), np.int64), np.zeros(len(atoms))
    return kinds.shares.argmax(axis=1), kinds.turn


def decided_orders(atoms: Atoms, angle: Array, order: Index, group: Index) -> Index:
    """(n,) symmetry orders of atoms, decided for every kind of site from its angles (n,), see `effective_order`."""
    yx, decided = positions(atoms, np.arange(len(atoms))), order.copy()
    for kind in np.unique(group):
        rows = group == kind
        decided[rows] = effective_order(angle[rows], int(order[rows][0]), yx[rows])
    return decided


def beyond_noise(atoms: Atoms, angle: Array, std: Array, order: Index, group: Index) -> Array:
    """(n,) ratio, by kind, of the scatter of angles among neighbours to their standard deviations (n,).

    The latter assume the same noise in all sub-images, while noise differs from kind to kind, and no model fits
    exactly. 1 where the ratio cannot be estimated.
    """
    yx, times = positions(atoms, np.arange(len(atoms))), np.ones(len(atoms))
    for kind in np.unique(group):
        rows = group == kind
        reported = float(np.sqrt((std[rows] ** 2).mean()))
        seen = scatter(angle[rows], int(order[rows][0]), yx[rows])
        if reported < CERTAIN and np.isfinite(seen):
            times[rows] = np.clip(seen / reported, 1 / MOST, MOST)
    return times


def moved_to(atoms: Atoms, part: Atoms) -> Atoms:
    """The atoms, with those in `part` moved to its positions."""
    yx = pd.DataFrame(part.yx, index=part.ids).reindex(atoms.ids).to_numpy()
    return Atoms(np.where(np.isfinite(yx), yx, atoms.yx), atoms.features, atoms.pixel_size)

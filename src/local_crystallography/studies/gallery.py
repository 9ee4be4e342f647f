"""Gallery: images of the latent space and of the classes, as shown in the manifold dock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.subimages import SubImages
from local_crystallography.views.greys import Floats, Limits, channel_of, grey_limits, seen
from local_crystallography.views.manifold import Grid, labels_of, latents_of

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae


@dataclass(frozen=True, eq=False)
class Asked:
    """Inputs of a gallery."""

    vae: Vae
    cvae: Vae | None
    sub_images: SubImages | None
    atoms: Atoms | None
    grid: Grid
    channel: int

    def same_tiles(self, other: Asked) -> bool:
        """Whether both give the same tiles."""
        return self.vae is other.vae and self.grid == other.grid and self.channel == other.channel

    def same(self, other: Asked) -> bool:
        """Whether both give the same gallery."""
        return (
            self.same_tiles(other)
            and self.cvae is other.cvae
            and self.sub_images is other.sub_images
            and self.atoms is other.atoms
        )


@dataclass(frozen=True)
class ClassPicture:
    """A class: number of atoms, their share of all classified atoms, mean latents (d,) and mean sub-image.

    `mean` is (w, w), NaN where no atom of the class has a sub-image.
    """

    number: int
    count: int
    share: float
    centroid: Floats
    mean: Floats


@dataclass(frozen=True)
class Tableaux:
    """Variation within the classes (Fig. 6): decoded (K, n, n, w, w), the difference from the average, and its range.

    With a single latent each tableau has one row. `classes` are the class numbers.
    """

    classes: tuple[int, ...]
    shown: Floats
    less: Floats
    reach: float


@dataclass(frozen=True, eq=False)
class Gallery:
    """All images of the manifold dock.

    Attributes
    ----------
    limits
        Values shown as black and white in all grey images.
    tiles
        (rows, columns, w, w) decoded images on the grid.
    places
        (N, 2) column and row of each atom on the grid; (0, 2) if the latents are unknown.
    tile_of
        (N,) number of the tile of each atom, -1 if unknown.
    centroids
        (K, w, w) images decoded at the mean latents of the classes.
    """

    asked: Asked
    limits: Limits
    tiles: Floats
    places: Floats
    tile_of: npt.NDArray[np.intp]
    classes: list[ClassPicture]
    centroids: Floats
    tableaux: Tableaux | None


def gallery(asked: Asked, before: Gallery | None = None) -> Gallery:
    """Compute all images; unchanged tiles and tableaux of an earlier gallery are reused."""
    vae, grid, channel, atoms, subs = asked.vae, asked.grid, asked.channel, asked.atoms, asked.sub_images
    z = latents_of(atoms, vae.settings.latents)
    z = np.empty((0, vae.settings.latents)) if z is None else z
    if before is not None and before.asked.same_tiles(asked):
        tiles = before.tiles
    else:
        tiles = decoded(vae, grid.latents.reshape(-1, z.shape[1]), channel)
        tiles = tiles.reshape(*grid.shape, *tiles.shape[1:])
    if before is not None and before.asked.cvae is asked.cvae and before.asked.channel == channel:
        within = before.tableaux
    else:
        within = None if asked.cvae is None else tableaux(asked.cvae, channel)
    classes = [] if atoms is None or subs is None or not len(z) else class_pictures(atoms, subs, z, channel)
    centroids = decoded(vae, [each.centroid for each in classes], channel) if classes else tiles[0, :0]
    limits = _limits(tiles) if subs is None else grey_limits(subs, channel)
    return Gallery(asked, limits, tiles, grid.places(z), grid.tiles(z), classes, centroids, within)


def class_pictures(atoms: Atoms, sub_images: SubImages, z: Floats, channel: int = 0) -> list[ClassPicture]:
    """All classes with mean latents and mean sub-image (Figs. 5e and 8c to 8e); none without labels."""
    labels = labels_of(atoms)
    if labels is None:
        return []
    of_windows = dict(zip(atoms.ids.tolist(), labels.tolist(), strict=True))
    window_labels = np.array([of_windows.get(number, -1) for number in sub_images.atoms.ids.tolist()], np.int64)
    windows, known = channel_of(sub_images.windows, channel), np.isfinite(z).all(axis=1)
    found = []
    for number in np.unique(labels[labels >= 0]).tolist():
        mask, rows = labels == number, np.flatnonzero(window_labels == number)
        mean = windows[rows].mean(axis=0) if len(rows) else np.full(windows.shape[1:], np.nan)
        some = z[mask & known]
        centroid = some.mean(axis=0) if len(some) else np.full(z.shape[1], np.nan)
        share = float(mask.sum() / (labels >= 0).sum())
        found.append(ClassPicture(number, int(mask.sum()), share, centroid, mean))
    return found


def decoded(vae: Vae, z: npt.ArrayLike, channel: int = 0) -> Floats:
    """(n, w, w) canonical images of latents (n, d), NaN outside the field of view of the network."""
    return seen(vae, channel_of(vae.decode(np.asarray(z, np.float32)), channel))


def tableaux(cvae: Vae, channel: int = 0) -> Tableaux:
    """Decode the tableaux of a conditional network."""
    every = seen(cvae, channel_of(cvae.tableaux(3), channel, axes=5))
    shown = every if cvae.settings.latents > 1 else every[:, :1]
    less = shown - shown.mean(axis=(1, 2), keepdims=True)
    reach = float(np.nanpercentile(np.abs(less), 99.9)) or 1.0
    return Tableaux(cvae.settings.classes, shown, less, reach)


def mosaic_of(pictures: Floats) -> Floats:
    """(n, m, w, w) images side by side, with gaps between them."""
    from local_crystallography.views.greys import apart, mosaic

    return mosaic(apart(pictures))


def _limits(pictures: Floats) -> Limits:
    low, high = np.nanpercentile(pictures, (0.5, 99.5))
    return float(low), float(high if high > low else low + 1)

"""Class report: counts, mean images, neighbours and symmetry of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree

from local_crystallography.clustering.class_symmetry import (
    Means,
    Pairs,
    Symmetry,
    means_of,
    pairs,
    pictures_of,
    symmetries,
)
from local_crystallography.clustering.features import numbers, whole_numbers
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.subimages import SubImages
from local_crystallography.lattice.strain import neighbour_shell
from local_crystallography.models.harmonics import basis
from local_crystallography.studies.gallery import ClassPicture, class_pictures, decoded
from local_crystallography.views.greys import Floats, channel_of
from local_crystallography.views.manifold import latents_of

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae

FINEST = 1.2
"""Highest frequency that scores use without a network, radians per pixel; with one it is that of the network."""


@dataclass(frozen=True, eq=False)
class ClassEntry:
    """One class.

    Attributes
    ----------
    picture
        Its number, count, share of all classified atoms, mean latents and mean sub-image.
    windows
        Number of its atoms that have a sub-image.
    decoded
        (w, w) image decoded at the mean latents (Figs. 5e and 8c to 8e); None without a network.
    spread
        (d,) standard deviation of each latent within the class, NaN for fewer than two atoms.
    probability
        Mean `label_probability` of its atoms; NaN if unknown.
    symmetry, decoded_symmetry
        Scores of the mean sub-image, with standard errors, and of the decoded image, without.
    """

    picture: ClassPicture
    windows: int
    decoded: Floats | None
    spread: Floats
    probability: float
    symmetry: Symmetry
    decoded_symmetry: Symmetry | None


@dataclass(frozen=True, eq=False)
class ClassReport:
    """All classes in order of their number, and the relations between them.

    Attributes
    ----------
    neighbours
        (k, k) share of the nearest neighbours of atoms of the row's class that are of the column's class, among those
        that have a class; NaN in the row of a class without any. For classes assigned at random, every row would equal
        the shares of the classes.
    pairs, decoded_pairs
        Similarity of the mean sub-images, and of the decoded images, under rotation and mirroring.
    """

    classes: tuple[ClassEntry, ...]
    neighbours: Floats
    pairs: Pairs
    decoded_pairs: Pairs | None

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the classes, in the order of all tables."""
        return tuple(each.picture.number for each in self.classes)

    def to_frame(self) -> pd.DataFrame:
        """One row per class: counts, probability, latents, scores with errors, and shares of neighbours."""
        table = pd.DataFrame([_row(each) for each in self.classes], index=pd.Index(self.numbers, name="label"))
        shares = {f"neighbours_{number}": self.neighbours[:, i] for i, number in enumerate(self.numbers)}
        return table.assign(**shares)


def class_report(
    atoms: Atoms, sub_images: SubImages, vae: Vae | None, *, channel: int = 0, seed: int = 0, column: str = "label"
) -> ClassReport:
    """Full report on the classes in a column, from their probabilities and the latents where there are any.

    The mean is over sub-images as cut: if the motifs of a class are rotated against each other, it is blurred, while
    the decoded image shows the motif in the canonical orientation of the network. The seed is that of the random
    halves of the classes from which the errors of scores are estimated.

    Raises
    ------
    InputError
        If no atom has a class, or classes or probabilities are not numbers.
    """
    atoms = by_column(atoms, column)
    labels, z = _labels(atoms), _latents(atoms, vae)
    atoms = atoms.with_features(label=labels)
    pictures = class_pictures(atoms, sub_images, z, channel)
    found = np.array([each.number for each in pictures])
    ranks, of_windows = _ranks(labels, found), _ranks(_of_windows(atoms, sub_images, labels), found)
    finest = FINEST if vae is None else vae.settings.highest_frequency
    windows, seen = channel_of(sub_images.windows, channel), basis(sub_images.window_size, finest)
    means = means_of(windows, of_windows, seen, count=len(found), seed=seed)
    shown = _decoded(pictures, vae, z.shape[1], channel)
    canonical = None if shown is None else pictures_of(shown, basis(shown.shape[-1], finest))
    classes = [
        ClassEntry(
            picture=picture,
            windows=int((of_windows == i).sum()),
            decoded=None if shown is None else shown[i],
            spread=_spread(z[ranks == i]),
            probability=_probability(atoms, ranks == i),
            symmetry=symmetry,
            decoded_symmetry=decoded_symmetry,
        )
        for i, (picture, symmetry, decoded_symmetry) in enumerate(
            zip(pictures, symmetries(means), _symmetries(canonical, len(found)), strict=True)
        )
    ]
    between = pairs(means), None if canonical is None else pairs(canonical)
    return ClassReport(tuple(classes), neighbour_classes(atoms, ranks), *between)


def by_column(atoms: Atoms, column: str) -> Atoms:
    """The atoms with the classes of a column, and their probabilities if known, as `label`."""
    probability = f"{column}_probability"
    if column == "label" or column not in atoms.features:
        return atoms if column == "label" else atoms.without(["label"])
    known = {"label_probability": atoms.features[probability]} if probability in atoms.features else {}
    return atoms.without(["label_probability"]).with_features(label=atoms.features[column], **known)


def neighbour_classes(atoms: Atoms, ranks: npt.NDArray[np.int64]) -> Floats:
    """(k, k) share of the neighbours of atoms of class i that are of class j; ranks (N,) are 0 to k - 1, -1 for none.

    S_ij = n_ij / sum_j n_ij, where n_ij counts pairs of an atom of class i and a neighbour of class j. Neighbours are
    all atoms up to the first gap in distance, of the same frame (`lattice.strain.neighbour_shell`).
    """
    count = int(ranks.max(initial=-1)) + 1
    pairs_of = np.zeros((count, count))
    for number in np.unique(atoms.frame):
        rows = np.flatnonzero(atoms.frame == number)
        yx, rank = atoms.yx[rows], ranks[rows]
        shell, _ = neighbour_shell(yx)
        if not shell.any():
            continue
        near = cKDTree(yx).query(yx, k=int(shell.max()) + 1)[1][:, 1:]
        inside = np.arange(near.shape[1]) < shell[:, None]
        own, other = np.broadcast_to(rank[:, None], near.shape)[inside], rank[near][inside]
        both = (own >= 0) & (other >= 0)
        np.add.at(pairs_of, (own[both], other[both]), 1)
    total = pairs_of.sum(axis=1, keepdims=True)
    return np.asarray(pairs_of / np.where(total > 0, total, np.nan), np.float64)


def _labels(atoms: Atoms) -> npt.NDArray[np.int64]:
    labels = whole_numbers(atoms, "label")
    if not (labels >= 0).any():
        raise InputError("No atom has a class: the column label holds no number from 0; cluster first.")
    return labels


def _latents(atoms: Atoms, vae: Vae | None) -> Floats:
    """(N, d) latents, as many as the network has if there is one; (N, 0) without any."""
    found = sum(f"z{i}" in atoms.features for i in range(atoms.features.shape[1]))
    z = latents_of(atoms, found if vae is None else vae.settings.latents)
    return np.empty((len(atoms), 0)) if z is None else z


def _of_windows(atoms: Atoms, sub_images: SubImages, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(n,) class of every sub-image, -1 for none."""
    known = pd.Series(labels, index=atoms.ids)
    return known.reindex(sub_images.atoms.ids, fill_value=-1).to_numpy(np.int64)


def _ranks(labels: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Index of each label in the sorted numbers; -1 for none."""
    return np.where(labels >= 0, np.searchsorted(numbers, labels), -1)


def _decoded(pictures: list[ClassPicture], vae: Vae | None, latents: int, channel: int) -> Floats | None:
    if vae is None or latents != vae.settings.latents:
        return None
    return decoded(vae, [each.centroid for each in pictures], channel)


def _symmetries(means: Means | None, count: int) -> list[Symmetry] | list[None]:
    return [None] * count if means is None else symmetries(means)


def _spread(z: Floats) -> Floats:
    known = z[np.isfinite(z).all(axis=1)]
    return np.asarray(known.std(axis=0, ddof=1) if len(known) > 1 else np.full(z.shape[1], np.nan), np.float64)


def _probability(atoms: Atoms, mask: npt.NDArray[np.bool_]) -> float:
    if "label_probability" not in atoms.features:
        return float("nan")
    known = numbers(atoms, "label_probability")[mask]
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else float("nan")


def _row(entry: ClassEntry) -> dict[str, float]:
    picture = entry.picture
    row: dict[str, float] = {
        "count": picture.count,
        "share": picture.share,
        "sub_images": entry.windows,
        "probability": entry.probability,
    }
    for i, (middle, spread) in enumerate(zip(picture.centroid, entry.spread, strict=True)):
        row |= {f"z{i}": float(middle), f"z{i}_spread": float(spread)}
    for prefix, symmetry in (("", entry.symmetry), ("decoded_", entry.decoded_symmetry)):
        if symmetry is None:
            continue
        scores = {f"turn_{n}": score for n, score in symmetry.turns.items()} | {"mirror": symmetry.mirror}
        for name, score in scores.items():
            row |= {prefix + name: score.value, f"{prefix}{name}_error": score.error}
        row |= {f"{prefix}mirror_rad": symmetry.mirror_angle, f"{prefix}ceiling": symmetry.ceiling}
    return row

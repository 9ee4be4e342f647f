"""Warnings about unreliable latents, angles or classes, with the atoms concerned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from local_crystallography.clustering.environment import domains
from local_crystallography.clustering.features import numbers, positions, whole_numbers
from local_crystallography.clustering.kinds import ALIKE
from local_crystallography.clustering.look import look_at
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.image import Image
from local_crystallography.data.subimages import SubImages
from local_crystallography.scan.frames import unusual

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae

Mask = npt.NDArray[np.bool_]

ROUND = 0.1
"""Median standard deviation of the angle, relative to the symmetry rotation of a motif, above which it is round."""
UNROTATED = np.radians(3)
"""Largest rotation that counts as none, radians."""
CROWDED = 0.5
"""Fraction of sub-images with another phase or grain above which the window is too large."""
FEWEST = 20
"""Fewest atoms of a class for a warning, and of a lattice without one."""
ON_LATTICE = 0.5
"""Fraction of the atoms on a lattice below which none holds."""
MANY, SMALL = 6, 80
"""Number of grains, and atoms of the largest one, from which and below which a lattice is broken."""
LATTICE = ("grain", "sublattice", "a_px", "b_px", "gamma_rad", "strain_xx", "strain_yy", "strain_xy", "displacement_px")


@dataclass(frozen=True, eq=False)
class Doubt:
    """A warning about unreliable results.

    Parameters
    ----------
    flag
        Short name, as in the column `flags` of atoms.csv.
    columns
        Columns that are unreliable.
    rows
        (N,) mask of the atoms concerned.
    says
        Reason and remedy, in a sentence or two.
    """

    flag: str
    columns: tuple[str, ...]
    rows: Mask
    says: str


def doubts(atoms: Atoms, sub_images: SubImages | None, vae: Vae | None) -> tuple[Doubt, ...]:
    """All warnings about the columns of Encode and Cluster."""
    found = [*of_network(atoms, vae)] if vae is not None else []
    label = whole_numbers(atoms, "label")
    found += [*of_angles(atoms, label), *of_orders(atoms, label, vae)]
    if sub_images is not None and (label >= 0).any():
        found += [*of_brightness(atoms, label, sub_images), *of_windows(atoms, label, sub_images)]
    return tuple(found)


def of_frames(atoms: Atoms, image: Image) -> tuple[Doubt, ...]:
    """A warning about frames of a stack that are unlike the others."""
    bad = unusual(image)
    rows = np.isin(atoms.frame, bad)
    if not bad:
        return ()
    numbers = ", ".join(map(str, bad))
    s, are, it, its = ("s", "are", "them", "their") if len(bad) > 1 else ("", "is", "it", "its")
    says = (
        f"Frame{s} {numbers} (of 0 to {image.count - 1}) {are} unlike the others: blank, incomplete, unsharp or of "
        f"another area. Do not trust {its} atoms; the scale was chosen without {it}, and Average frames leaves "
        f"{it} out."
    )
    return (Doubt("unusual frame", ("probability",), rows, says),)


def of_lattice(atoms: Atoms) -> tuple[Doubt, ...]:
    """A warning about a lattice that few atoms are on, that breaks into small grains, or that has few cells."""
    grain = whole_numbers(atoms, "grain")
    if not (grain >= 0).any():
        return ()
    on = grain >= 0
    sizes = np.sort(np.unique(np.c_[atoms.frame, grain][on], axis=0, return_counts=True)[1])[::-1]
    remedy = (
        "Check that atoms are neither missing, false nor doubled, or analyse only the crystal (region in Refine atoms)"
    )
    if on.mean() < ON_LATTICE:
        grains = f"one grain of {sizes[0]}" if len(sizes) == 1 else f"{len(sizes)} grains of at most {sizes[0]}"
        says = (
            f"No lattice holds for most of the image: only {on.mean():.0%} of the atoms are on one, in {grains}. Do "
            f"not trust grains, strain or displacements. {remedy}; amorphous material has no lattice."
        )
    elif len(sizes) >= MANY and sizes[0] < SMALL:
        says = (
            f"The lattice breaks into {len(sizes)} grains of at most {sizes[0]} atoms. Unless they are that small, do "
            f"not trust strain between them. {remedy}."
        )
    elif sizes[0] < FEWEST:
        says = (
            f"The lattice has only {sizes[0]} atoms: too few to tell whether its cell repeats. Do not trust the cell; "
            "image a larger area."
        )
    else:
        return ()
    return (Doubt("no lattice", LATTICE, np.ones(len(atoms), bool), says),)


def flags(atoms: Atoms, found: tuple[Doubt, ...]) -> npt.NDArray[np.object_]:
    """(N,) flags of every atom, separated by semicolons; "" where there are none."""
    words = np.full(len(atoms), "", object)
    for doubt in found:
        words[doubt.rows] = [f"{before}; {doubt.flag}" if before else doubt.flag for before in words[doubt.rows]]
    return words


def of_network(atoms: Atoms, vae: Vae) -> Iterator[Doubt]:
    """Warnings about uninformative latents and a training that has not converged."""
    latents = tuple(f"z{i}" for i in range(vae.settings.latents))
    if not set(latents) <= set(atoms.features):
        return
    rows = np.isfinite(numbers(atoms, latents[0]))
    remarks = iter(vae.remarks)
    if vae.empty:
        yield Doubt("collapsed latents", tuple(f"z{i}" for i in vae.empty), rows, next(remarks))
    if vae.settings.unsettled:
        yield Doubt("training not finished", (*latents, "angle_rad", "label"), rows, next(remarks))


def of_angles(atoms: Atoms, label: npt.NDArray[np.int64]) -> Iterator[Doubt]:
    """Warnings about classes with a round motif, whose angle is undetermined."""
    if not {"angle_rad", "angle_std_rad", "symmetry_order"} <= set(atoms.features):
        return
    std, order = numbers(atoms, "angle_std_rad"), numbers(atoms, "symmetry_order")
    for kind in np.unique(label[label >= 0]).tolist() or [-1]:
        rows = (label == kind) & np.isfinite(std) & (order >= 1)
        if rows.sum() < FEWEST:
            continue
        turn = 2 * np.pi / float(np.median(order[rows]))
        error = float(np.median(std[rows]))
        if error > ROUND * turn:
            of_class = f"of class {kind} " if kind >= 0 else ""
            says = (
                f"The angles {of_class}are uncertain: ± {np.degrees(error):.0f} degrees in a range of "
                f"{np.degrees(turn):.0f}, since the motif is nearly round or lost in noise. Use a larger window, or "
                "leave out the angle."
            )
            yield Doubt("angle of a round motif", ("angle_rad",), rows, says)


def of_orders(atoms: Atoms, label: npt.NDArray[np.int64], vae: Vae | None) -> Iterator[Doubt]:
    """Warnings about classes whose angle jumps between rotations that are not symmetries of the motif."""
    latents = [] if vae is None else [f"z{i}" for i in range(vae.settings.latents)]
    if vae is None or not vae.settings.turns or not {*latents, "symmetry_order"} <= set(atoms.features):
        return
    z, order = np.column_stack([numbers(atoms, name) for name in latents]), numbers(atoms, "symmetry_order")
    for kind in np.unique(label[label >= 0]).tolist():
        rows = (label == kind) & np.isfinite(z).all(axis=1) & (order >= 1)
        if rows.sum() < FEWEST or vae.settings.classes:
            continue
        used = int(np.median(order[rows]))
        own = int(vae.symmetry_order(np.median(z[rows], axis=0)[None])[0])
        if used > own:
            repeats = f"after {360 // own} degrees" if own > 1 else "only after a full rotation"
            says = (
                f"Rotations by {360 // used} degrees can hardly be distinguished in class {kind}, whose decoded image "
                f"repeats {repeats}: its angles are given within {360 // used} degrees. A larger window or a higher "
                "dose may distinguish them."
            )
            yield Doubt("symmetry order uncertain", ("angle_rad", "symmetry_order"), rows, says)


def of_brightness(atoms: Atoms, label: npt.NDArray[np.int64], sub_images: SubImages) -> Iterator[Doubt]:
    """Warnings about classes that differ only in brightness and contrast."""
    kinds = np.unique(label[label >= 0])
    rank = np.where(label >= 0, np.searchsorted(kinds, label), -1)
    if len(kinds) < 2:
        return
    alike, turn, lying, _ = look_at(sub_images, atoms, np.arange(len(atoms)))(rank)
    same = (lying > ALIKE) | ((alike > ALIKE) & (np.abs(turn) < UNROTATED))
    for one, other in zip(*np.nonzero(np.triu(same, 1)), strict=True):
        pair = int(kinds[one]), int(kinds[other])
        says = (
            f"Classes {pair[0]} and {pair[1]} look alike (their mean sub-images have a correlation of "
            f"{min(1.0, float(max(lying[one, other], alike[one, other]))):.3f}) and differ in brightness or contrast, "
            "as with varying thickness. Merge them unless the element differs."
        )
        yield Doubt("class of brightness", ("label",), np.isin(label, pair), says)


def of_windows(atoms: Atoms, label: npt.NDArray[np.int64], sub_images: SubImages) -> Iterator[Doubt]:
    """Warnings about sub-images that end before the nearest neighbours or contain several phases or grains."""
    rows = np.flatnonzero(label >= 0)
    yx, half = positions(atoms, rows), sub_images.window_size / 2
    if len(rows) < FEWEST:
        return
    tree, columns = cKDTree(yx), ("label", *(str(name) for name in atoms.features if name in ("z0", "z1")))
    spacing = float(np.median(tree.query(yx, 2)[0][:, 1]))
    if half < spacing:
        says = (
            f"Sub-images of {sub_images.window_size} px end before the nearest neighbours, {spacing:.0f} px away: "
            f"classes describe single columns, not their surroundings. Use a window of {2 * round(1.3 * spacing)} px."
        )
        yield Doubt("window too small", columns, label >= 0, says)
    domain = domains(atoms)[rows]
    if len(np.unique(domain)) < 2:
        return
    crowded = np.zeros(len(rows), bool)
    for number in np.unique(domain):
        inside = domain == number
        crowded[inside] = cKDTree(yx[~inside]).query(yx[inside])[0] < half
    if crowded.mean() > CROWDED:
        mask = np.zeros(len(atoms), bool)
        mask[rows[crowded]] = True
        says = (
            f"{crowded.mean():.0%} of the sub-images of {sub_images.window_size} px contain several phases or grains, "
            "so classes describe mixtures of them. Use a smaller window."
        )
        yield Doubt("window over several domains", columns, mask, says)

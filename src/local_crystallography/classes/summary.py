"""What classes and angles say of an image, in a sentence, and which map shows it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from local_crystallography.classes.angle_peaks import preferred_angles
from local_crystallography.classes.features import numbers, places, whole_numbers
from local_crystallography.classes.kinds import NEIGHBOURS, like_neighbours
from local_crystallography.data.atoms import Atoms

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

GRAIN, BANDWIDTH, WITHIN = 0.05, 0.04, 0.1
"""Share of the atoms that an orientation has at least; the kernel that angles are counted with, and how far from the
preferred one they are, radians."""
CERTAIN = 0.2
"""Median standard deviation of the angle, radians, above which orientations are not spoken of."""
STRUCTURED = 0.3
"""Correlation of a latent with its mean over the nearest atoms from which it has a structure in the image."""
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def sentence(atoms: Atoms) -> str:
    """Kinds of site with their atoms, and the grains of the largest with their angle; "" without classes."""
    label = whole_numbers(atoms, "label")
    sizes = np.bincount(label[label >= 0])
    sizes = np.sort(sizes[sizes > 0])[::-1]
    if not len(sizes):
        return ""
    if len(sizes) == 1:
        summary = f"One kind of site, {sizes[0]:,} atoms"
    else:
        counts = [f"{size:,}" for size in sizes]
        summary = f"{word(len(sizes)).capitalize()} kinds of site: {', '.join(counts[:-1])} and {counts[-1]} atoms"
    rows, angles, errors, period = orientations(atoms)
    if len(angles) < 2:
        return summary + "."
    grains = "grains" if apart(atoms, rows) else "orientations"
    summary += f", {'the largest ' if len(sizes) > 1 else ''}in {word(len(angles))} {grains}"
    if len(angles) > 2:
        return f"{summary}."
    between = abs(angles[1] - angles[0]) % period
    between, error = np.degrees(min(between, period - between)), np.degrees(np.hypot(*errors))
    return f"{summary} {between:.1f} ± {max(error, 0.05):.1f} degrees apart."


def telling_map(atoms: Atoms) -> str:
    """The map to look at first: classes where there are several, the angle of one kind in several orientations, or
    else the latent that varies most from place to place."""
    label = whole_numbers(atoms, "label")
    if len(np.unique(label[label >= 0])) > 1:
        return "label"
    if len(orientations(atoms)[1]) > 1:
        return "angle_rad"
    latents = [name for name in map(str, atoms.features) if name[:1] == "z" and name[1:].isdigit()]
    structure = {name: structure_of(atoms, name) for name in latents}
    best = max(structure, key=structure.__getitem__, default="")
    return best if best and structure[best] > STRUCTURED else "label"


def orientations(atoms: Atoms) -> tuple[Index, Array, Array, float]:
    """Preferred angles of the largest class: (N,) which one an atom has, -1 for none; angles, errors; the period."""
    none = np.full(len(atoms), -1), np.zeros(0), np.zeros(0), 2 * np.pi
    label = whole_numbers(atoms, "label")
    if not {"angle_rad", "angle_std_rad", "symmetry_order"} <= set(atoms.features) or not (label >= 0).any():
        return none
    angle, order = numbers(atoms, "angle_rad"), numbers(atoms, "symmetry_order")
    rows = np.flatnonzero((label == np.bincount(label[label >= 0]).argmax()) & np.isfinite(angle) & (order >= 1))
    if not len(rows) or not np.nanmedian(numbers(atoms, "angle_std_rad")[rows]) < CERTAIN:
        return none
    peaks, period = preferred_angles(angle[rows], order[rows], bandwidth=BANDWIDTH)
    which = none[0]
    found: list[float] = []
    errors: list[float] = []
    for peak in peaks:
        away = (angle[rows] - peak + period / 2) % period - period / 2
        near = np.abs(away) < WITHIN
        if near.sum() >= GRAIN * len(rows):
            which[rows[near]] = len(found)
            found.append(float(peak + np.median(away[near])))
            errors.append(float(away[near].std() / np.sqrt(near.sum())))
    return which, np.array(found), np.array(errors), period


def apart(atoms: Atoms, which: Index) -> bool:
    """Whether orientations fill regions of the image, rather than alternate."""
    like, chance, clear = like_neighbours(places(atoms, np.arange(len(atoms))), which == 0, which > 0)
    return clear and like > chance


def structure_of(atoms: Atoms, column: str) -> float:
    """Correlation of a column with its mean over the nearest atoms."""
    values = numbers(atoms, column)
    rows = np.flatnonzero(np.isfinite(values))
    if len(rows) <= NEIGHBOURS or np.ptp(values[rows]) == 0:
        return 0.0
    yx = places(atoms, rows)
    near = cKDTree(yx).query(yx, NEIGHBOURS + 1)[1][:, 1:]
    around = values[rows][near].mean(axis=1)
    return float(np.corrcoef(values[rows], around)[0, 1]) if np.ptp(around) else 0.0


def word(number: int) -> str:
    """A small number as a word."""
    return COUNTS[number] if number < len(COUNTS) else str(number)

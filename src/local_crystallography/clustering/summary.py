"""Summary of classes and angles in a sentence, and the map to show first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from local_crystallography.clustering.environment import Environment, domains, orientations, phases
from local_crystallography.clustering.features import numbers, positions, whole_numbers
from local_crystallography.clustering.neighbours import NEIGHBOURS
from local_crystallography.data.atoms import Atoms

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

STRUCTURED = 0.3
"""Correlation of a latent with its mean over the nearest atoms above which it has structure in the image."""
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def sentence(atoms: Atoms) -> str:
    """Kinds of site with their numbers of atoms, phases, grains of the largest kind with their angles, and atoms not in
    the interior; "" without classes."""
    label = whole_numbers(atoms, "label")
    sizes = np.bincount(label[label >= 0])
    sizes = np.sort(sizes[sizes > 0])[::-1]
    if not len(sizes):
        return ""
    if len(sizes) == 1:
        summary = f"One kind of site, {sizes[0]:,} atoms"
    else:
        counts = [f"{size:,}" for size in sizes]
        summary = f"{word(len(sizes)).capitalize()} kinds of site: {listed(counts)} atoms"
        if len(groups := phases(atoms)) > 1:
            named = [f"class{'es' if len(group) > 1 else ''} {listed(list(map(str, group)))}" for group in groups]
            summary += f", in {word(len(groups))} phases ({'; '.join(named)})"
    which, angles, errors, period = orientations(atoms, largest(label))
    if len(angles) > 1:
        domain = domains(atoms)
        of = np.array([np.bincount(domain[which == number]).argmax() for number in range(len(angles))])
        grains = len(np.unique(of))
        words = f"{word(grains)} grains" if grains > 1 else f"{word(len(angles))} orientations"
        summary += f", {'the largest ' if len(sizes) > 1 else ''}in {words}"
        if grains == 2 or (grains == 1 and len(angles) == 2):
            other = of != of[0] if grains == 2 else np.arange(2) == 1
            between = np.abs((angles[other] - angles[0] + period / 2) % period - period / 2)
            nearest = between.argmin()
            error = np.degrees(np.hypot(errors[0], errors[other][nearest]))
            summary += f" {np.degrees(between[nearest]):.1f} ± {max(error, 0.05):.1f} degrees apart"
    return f"{summary}.{elsewhere(atoms)}"


def elsewhere(atoms: Atoms) -> str:
    """Numbers of atoms at boundaries, edges and defects, as a sentence after a space; "" where there are none."""
    where = whole_numbers(atoms, "environment")
    counts = {each: int((where == each).sum()) for each in (Environment.BOUNDARY, Environment.EDGE, Environment.DEFECT)}
    counted = [
        f"{count:,} {words}"
        for count, words in zip(counts.values(), ("at boundaries", "at edges", "at defects"), strict=True)
        if count
    ]
    return f" Of these {listed(counted)}." if counted else ""


def largest(label: Index) -> int:
    """Class with the most atoms; -1 where there is none."""
    return int(np.bincount(label[label >= 0]).argmax()) if (label >= 0).any() else -1


def listed(words: list[str]) -> str:
    """Enumeration, as in "one, two and three"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def telling_map(atoms: Atoms) -> str:
    """Map to show first: classes where there are several, the angle of one kind in several orientations, otherwise the
    latent with the most structure in the image."""
    label = whole_numbers(atoms, "label")
    if len(np.unique(label[label >= 0])) > 1:
        return "label"
    if len(orientations(atoms, largest(label))[1]) > 1:
        return "angle_rad"
    latents = [name for name in map(str, atoms.features) if name[:1] == "z" and name[1:].isdigit()]
    structure = {name: structure_of(atoms, name) for name in latents}
    best = max(structure, key=structure.__getitem__, default="")
    return best if best and structure[best] > STRUCTURED else "label"


def structure_of(atoms: Atoms, column: str) -> float:
    """Correlation of a column with its mean over the nearest atoms."""
    values = numbers(atoms, column)
    rows = np.flatnonzero(np.isfinite(values))
    if len(rows) <= NEIGHBOURS or np.ptp(values[rows]) == 0:
        return 0.0
    yx = positions(atoms, rows)
    near = cKDTree(yx).query(yx, NEIGHBOURS + 1)[1][:, 1:]
    around = values[rows][near].mean(axis=1)
    return float(np.corrcoef(values[rows], around)[0, 1]) if np.ptp(around) else 0.0


def word(number: int) -> str:
    """A small number as a word."""
    return COUNTS[number] if number < len(COUNTS) else str(number)

"""Crystal structures and their projections along the beam: a plane cell with atomic columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from local_crystallography.data.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms as AseAtoms

Array = npt.NDArray[np.float64]
StructureName = Literal["La0.7Sr0.3MnO3", "NiO", "Sr3Fe2O7", "SrTiO3", "graphene", "MoS2"]

MERGE_DISTANCE = 0.02  # nm; a probe never resolves closer columns (O is 0.012 nm from Fe in Sr3Fe2O7)


@dataclass(frozen=True)
class Site:
    """One crystallographic site.

    Parameters
    ----------
    label
        Name of the site class in the truth.
    position
        Fractional coordinates x, y, z.
    elements
        Occupancy by element; a mixed site has several.
    u_iso
        Mean-square displacement along one axis, squared angstrom.
    """

    label: str
    position: tuple[float, float, float]
    elements: dict[str, float]
    u_iso: float


@dataclass(frozen=True)
class Crystal:
    """A crystal and its viewing direction.

    Parameters
    ----------
    spacegroup
        International number.
    cell
        a, b, c in nm and alpha, beta, gamma in degrees.
    sites
        The asymmetric unit.
    beam
        Cell axis along the beam: 0, 1 or 2. The next cell axis in the plane points right, the other one up.
    layer
        True for a sheet one cell thick, whose strength is per sheet instead of per nm.
    """

    spacegroup: int
    cell: tuple[float, float, float, float, float, float]
    sites: tuple[Site, ...]
    beam: Literal[0, 1, 2] = 2
    layer: bool = False

    def atoms(self) -> AseAtoms:
        """Full cell; a mixed site has its first element, and `spacegroup_kinds` gives the number of the site."""
        from ase.spacegroup import crystal

        a, b, c, *angles = self.cell
        return crystal(
            [next(iter(site.elements)) for site in self.sites],
            [site.position for site in self.sites],
            spacegroup=self.spacegroup,
            cellpar=[10 * a, 10 * b, 10 * c, *angles],
        )

    def elements(self) -> dict[str, dict[str, float]]:
        """Occupancy by site class and element, averaged over the atoms of a class with several sites."""
        counts = np.bincount(self.atoms().arrays["spacegroup_kinds"])
        mean: dict[str, dict[str, float]] = {}
        for label in dict.fromkeys(site.label for site in self.sites):
            members = [(site, n) for site, n in zip(self.sites, counts, strict=True) if site.label == label]
            total = sum(n for _, n in members)
            symbols = dict.fromkeys(symbol for site, _ in members for symbol in site.elements)
            mean[label] = {
                symbol: round(float(sum(n * site.elements.get(symbol, 0.0) for site, n in members) / total), 4)
                for symbol in symbols
            }
        return mean


@dataclass(frozen=True)
class Projection:
    """Projection of a crystal along the beam.

    Parameters
    ----------
    cell
        (2, 2) plane cell vectors as rows, each (y, x) in nm, y down; the first points right.
    positions
        (S, 2) fractional positions of the columns in that cell.
    labels
        S names of site classes.
    strength
        (S,) sum of occupancy * Z ** exponent, per nm of thickness (per sheet for a layer).
    variance
        (S,) mean-square thermal displacement along one axis, nm squared.
    """

    cell: Array
    positions: Array
    labels: tuple[str, ...]
    strength: Array
    variance: Array

    def spacing(self, fraction: float = 0.15) -> float:
        """Shortest distance in nm between columns of at least this fraction of the highest strength."""
        positions = self.positions[self.strength >= fraction * self.strength.max()]
        steps = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij"), -1).reshape(-1, 2)
        apart = positions[:, None, None] - positions[None, :, None] + steps
        distance = np.linalg.norm(apart @ self.cell, axis=-1)
        return float(distance[distance > MERGE_DISTANCE].min())


def _perovskite(a: float, a_site: Site, b_site: Site, u_oxygen: float) -> Crystal:
    oxygen = Site("O", (0.5, 0.5, 0.0), {"O": 1.0}, u_oxygen)
    return Crystal(221, (a, a, a, 90, 90, 90), (a_site, b_site, oxygen))


# Thermal motion is from Table S1 for Sr3Fe2O7 and a typical, rounded room-temperature value for the others.
CRYSTALS: dict[StructureName, Crystal] = {
    "La0.7Sr0.3MnO3": _perovskite(
        0.388,
        Site("A", (0, 0, 0), {"La": 0.7, "Sr": 0.3}, 0.0070),
        Site("B", (0.5, 0.5, 0.5), {"Mn": 1.0}, 0.0040),
        0.0120,
    ),
    "SrTiO3": _perovskite(
        0.3905,
        Site("A", (0, 0, 0), {"Sr": 1.0}, 0.0062),
        Site("B", (0.5, 0.5, 0.5), {"Ti": 1.0}, 0.0044),
        0.0075,
    ),
    "NiO": Crystal(
        225,
        (0.4177, 0.4177, 0.4177, 90, 90, 90),
        (Site("Ni", (0, 0, 0), {"Ni": 1.0}, 0.0045), Site("O", (0.5, 0.5, 0.5), {"O": 1.0}, 0.0060)),
    ),
    "Sr3Fe2O7": Crystal(  # Table S1
        139,
        (0.387098, 0.387098, 2.020233, 90, 90, 90),
        (
            Site("Sr1", (0, 0, 0.5), {"Sr": 1.0}, 0.0095),
            Site("Sr2", (0, 0, 0.3176), {"Sr": 1.0}, 0.0075),
            Site("Fe", (0, 0, 0.0986), {"Fe": 1.0}, 0.0044),
            Site("O", (0, 0.5, 0.0927), {"O": 1.0}, 0.0113),
            Site("O", (0, 0, 0.1941), {"O": 1.0}, 0.0120),
            Site("O", (0, 0, 0), {"O": 0.78}, 0.0117),
        ),
        beam=1,
    ),
    "graphene": Crystal(
        191, (0.246, 0.246, 1.0, 90, 90, 120), (Site("C", (1 / 3, 2 / 3, 0), {"C": 1.0}, 0.0020),), layer=True
    ),
    "MoS2": Crystal(
        187,
        (0.316, 0.316, 1.0, 90, 90, 120),
        (
            Site("Mo", (1 / 3, 2 / 3, 0), {"Mo": 1.0}, 0.0026),
            Site("S", (2 / 3, 1 / 3, 0.156), {"S": 1.0}, 0.0035),
        ),
        layer=True,
    ),
}


@lru_cache
def projection(name: StructureName, exponent: float) -> Projection:
    """Projection of a named structure along its beam direction; contrast is proportional to Z to the exponent."""
    if name not in CRYSTALS:
        raise InputError(f"There is no structure {name!r}; choose one of {', '.join(get_args(StructureName))}.")
    return project(CRYSTALS[name], exponent=exponent)


def project(crystal: Crystal, *, exponent: float) -> Projection:
    """Project a crystal along its beam axis; sites at the same projected position become one column.

    Raises
    ------
    InputError
        Where the beam axis is not perpendicular to the other two, so that the projection has another period.
    """
    atoms = crystal.atoms()
    vectors = np.asarray(atoms.cell) / 10  # nm
    plane = [axis for axis in range(3) if axis != crystal.beam]
    if np.abs(vectors[plane] @ vectors[crystal.beam]).max() > 1e-6:
        raise InputError(
            f"Cell axis {crystal.beam} cannot be the beam axis, as it is not perpendicular to the other two; choose a "
            "perpendicular axis or define a larger cell."
        )
    depth = 1.0 if crystal.layer else float(np.linalg.norm(vectors[crystal.beam]))
    kinds = atoms.arrays["spacegroup_kinds"]
    strength = np.array([_scattering(site, exponent) for site in crystal.sites])[kinds] / depth
    variance = np.array([site.u_iso / 100 for site in crystal.sites])[kinds]
    cell = _plane_cell(vectors[plane])
    return _merge(
        cell,
        atoms.get_scaled_positions()[:, plane],
        [crystal.sites[k].label for k in kinds],
        strength,
        variance,
    )


def _scattering(site: Site, exponent: float) -> float:
    from ase.data import atomic_numbers

    return float(sum(occupancy * atomic_numbers[symbol] ** exponent for symbol, occupancy in site.elements.items()))


def _plane_cell(vectors: Array) -> Array:
    """(2, 2) vectors as (y, x) rows, from (2, 3) ones: the first points right, the second up."""
    first, second = vectors
    length = np.linalg.norm(first)
    along = first @ second / length
    return np.array([[0.0, length], [-np.sqrt(second @ second - along**2), along]])


def _merge(cell: Array, positions: Array, labels: list[str], strength: Array, variance: Array) -> Projection:
    """Merge sites at one projected position; the strongest gives the name, positions and variances are averaged."""
    groups: list[list[int]] = []
    for atom in np.argsort(-strength, kind="stable"):
        for group in groups:
            apart = positions[atom] - positions[group[0]]
            if np.linalg.norm((apart - np.round(apart)) @ cell) < MERGE_DISTANCE:
                group.append(int(atom))
                break
        else:
            groups.append([int(atom)])

    def mean(values: Array, group: list[int]) -> Array:
        return np.asarray(np.average(values[group], axis=0, weights=strength[group]))

    nearest = [positions[g] - np.round(positions[g] - positions[g[0]]) for g in groups]
    centres = [np.average(near, axis=0, weights=strength[g]) % 1.0 for near, g in zip(nearest, groups, strict=True)]
    return Projection(
        cell=cell,
        positions=np.array(centres),
        labels=tuple(labels[g[0]] for g in groups),
        strength=np.array([strength[g].sum() for g in groups]),
        variance=np.array([mean(variance, g) for g in groups]),
    )

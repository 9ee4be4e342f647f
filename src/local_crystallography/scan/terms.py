"""Displacements along x besides row shifts: lattice, its bending, displacements of atoms and fly-back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline

from local_crystallography.data.arrays import Array, Mask
from local_crystallography.lattice.lattices import Lattice

LEAST_BENT = 200  # fewest atoms for which slow bending of the lattice is allowed
PATCH = 2.0  # cells between the knots of the displacement of a sublattice
BENDS = 6  # intervals along x in which the lattice may bend
MOST_KNOTS = 24  # most intervals along one axis
DISPLACEMENT = 0.1  # prior standard deviation of displacements, in nearest-neighbour distances
DECAYS = 60  # number of decay lengths to try
LONGEST = 0.08  # longest decay length, relative to the width of the image
FEWEST_OF_SITE = 30  # fewest atoms of a sublattice that may be displaced by patches
LEAST_SEEN = 1e-2  # smallest effect of a fly-back of 1 px on columns, in standard deviations of all
CERTAIN = 5.0  # standard deviations above which a fly-back is significant


@dataclass(frozen=True)
class Crystal:
    """Terms that displace N atoms along x other than the scan.

    Parameters
    ----------
    base
        (N, G) origin, vectors and sites of every lattice; 0 for atoms on none.
    bend
        (N, B) slow curves that vary along a row.
    waves
        (N, K) splines along x, for lattices that bend more.
    patches
        (N, K) displacements of one sublattice against another, in patches of a few cells.
    held
        (N,) whether an atom is on a lattice.
    displacement
        Prior standard deviation of `bend`, `waves` and `patches`, px.
    """

    base: Array
    bend: Array
    waves: Array
    patches: Array
    held: Mask
    displacement: float


def describe_crystal(yx: Array, lattices: list[Lattice], shape: tuple[int, int], distance: float) -> Crystal:
    """Terms for (N, 2) atoms on their lattices in an image of (H, W) pixels, with atoms `distance` px apart."""
    base, sublattices = [], []
    held = np.zeros(len(yx), bool)
    for lattice in lattices:
        held[lattice.rows] = True
        cell = np.zeros((len(yx), 2))
        cell[lattice.rows] = lattice.index / max(float(np.abs(lattice.index).max()), 1.0)
        sites = np.zeros((len(yx), len(lattice.basis)))
        sites[lattice.rows, lattice.site] = 1
        base += [cell, sites]
        patch = PATCH * np.sqrt(abs(float(np.linalg.det(lattice.vectors))))
        sublattices += [(one, patch) for one in sites[:, 1:].T if one.sum() >= FEWEST_OF_SITE]
    steady = np.hstack(base)
    ideal = steady @ np.linalg.lstsq(steady, yx, rcond=None)[0]  # without the displacements
    patches = [_splines(ideal, shape, patch) * one[:, None] for one, patch in sublattices]
    field = np.hstack(patches) if patches else np.zeros((len(yx), 0))
    y, x = (2 * ideal / np.array(shape) - 1).T
    bend = np.stack([x**2, x * y, x**3, x**2 * y, x * y**2], axis=1) * held[:, None]
    waves = _along(ideal[:, 1], shape[1], BENDS) * held[:, None]
    if held.sum() < LEAST_BENT:
        bend, waves = bend[:, :0], waves[:, :0]
    return Crystal(steady, bend, waves, field[:, field.sum(axis=0) > 0.5], held, DISPLACEMENT * distance)


def _splines(yx: Array, shape: tuple[int, int], patch: float) -> Array:
    """(N, K) cubic splines in both directions, with knots about `patch` px apart."""
    counts = [int(np.clip(side / patch, 1, MOST_KNOTS)) for side in shape]
    down, along = (_along(yx[:, axis], shape[axis], counts[axis]) for axis in (0, 1))
    return np.asarray((down[:, :, None] * along[:, None, :]).reshape(len(yx), -1))


def _along(at: Array, length: int, count: int) -> Array:
    """(N, count + 3) cubic splines in `count` intervals along a length in px."""
    inner = np.linspace(0, length, count + 1)
    knots = np.concatenate([[inner[0]] * 3, inner, [inner[-1]] * 3])
    return np.asarray(BSpline.design_matrix(np.clip(at, 0, length - 1e-6), knots, 3).toarray())


def choose_terms(crystal: Crystal, measured: Array, x: Array, trust: Array, width: int) -> tuple[Array, float]:
    """(N, B) bending terms of the lattice, and decay length of the fly-back in px, 0 where it is not significant.

    Splines along x are included where they explain more than slow curves by the Bayesian information criterion, so
    that strain along x is not mistaken for fly-back, nor fly-back for strain.

    Parameters
    ----------
    measured, x
        (N,) displacements along x, and positions without displacements of single atoms, px.
    trust
        (N,) inverse standard deviation of each displacement.
    """
    both = np.hstack([crystal.bend, crystal.waves])
    decay, left = _decay(measured, x, np.hstack([crystal.base, crystal.bend]), trust, width)
    decay_waves, left_waves = _decay(measured, x, np.hstack([crystal.base, both]), trust, width)
    if left_waves + crystal.waves.shape[1] * np.log(len(x)) < left:
        return both, decay_waves
    return crystal.bend, decay


def _decay(measured: Array, x: Array, steady: Array, trust: Array, width: int) -> tuple[float, float]:
    """Decay length in px that explains displacements best, 0 where not significant, and the remaining chi squared."""
    decays = np.geomspace(0.004 * width + 1, LONGEST * width, DECAYS)
    falls = np.exp(-np.maximum(x, 0)[:, None] / decays) * trust[:, None]
    both = np.column_stack([falls, measured * trust])
    base = steady * trust[:, None]
    both = both - base @ np.linalg.lstsq(base, both, rcond=1e-10)[0]
    length = np.linalg.norm(both[:, :-1], axis=0)
    gain = np.abs(both[:, :-1].T @ both[:, -1]) / np.maximum(length, LEAST_SEEN)
    left = float(both[:, -1] @ both[:, -1])
    if gain.max() <= CERTAIN:
        return 0.0, left
    return float(decays[gain.argmax()]), left - float(gain.max()) ** 2

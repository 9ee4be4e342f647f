"""Geometric phase analysis: the local lattice from the phases of two reflections (Hÿtch, Snoeck, Kilaas 1998)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from scipy.spatial import cKDTree

from local_crystallography.data.arrays import Array, Index, Mask
from local_crystallography.data.errors import InputError

Complex = npt.NDArray[np.complex128]

ORDERS = 3
"""Highest index of the reflections that are tried."""
FINEST = 0.45
"""Highest frequency of a reflection, in cycles per pixel."""
APART = np.radians(30)
"""Smallest angle between the two reflections."""
WEAK = 0.35
"""Amplitude of a reflection, relative to its median, below which its phase is not trusted."""
JUMP = 0.2
"""Deviation of the local reflection from its mean, relative to its length, above which the phase jumps."""
NEAR_EDGE = 1.5
"""Distance from edges and other lattices within which phases are disturbed, in units of the resolution."""
NEARBY = 0.75
"""Distance within which the strain is compared, in units of the resolution."""
STEEP = 6.0, 0.004, 2.0
"""Change of the strain there above which it is too steep to be resolved: in standard deviations, in absolute terms, and
over the median change, as rows that jitter change it everywhere."""


class Validity(IntEnum):
    """Whether geometric phase analysis is valid around an atom, or why not."""

    NONE = -1
    """The atom is on no lattice."""
    VALID = 0
    WEAK = 1
    """The amplitude of a reflection is low: another phase, a defect, or vacuum."""
    EDGE = 2
    """An edge, a mask or another lattice is within the resolution."""
    JUMP = 3
    """The phase jumps, as at the core of a dislocation."""
    STEEP = 4
    """The strain changes within the resolution, which blurs it."""

    @property
    def words(self) -> str:
        """The reason in words."""
        return {
            -1: "no lattice",
            0: "valid",
            1: "weak reflection",
            2: "near an edge or another lattice",
            3: "phase jump",
            4: "strain changes within the resolution",
        }[int(self)]


@dataclass(frozen=True, eq=False)
class Phases:
    """Local lattice at n positions, from two reflections.

    Attributes
    ----------
    orders
        (2, 2) integer indices h, k of the reflections.
    vectors
        (n, 2, 2) rows a, b of the local lattice, (y, x) in pixels.
    spread
        (n, 2, 2) standard deviation, due to the noise of the image, of the components (y, x) of both local reflections,
        in cycles per pixel.
    amplitude
        (n, 2) amplitudes of the reflections, relative to their medians.
    jump
        (n,) whether a local reflection is far from its mean.
    resolution
        Full width at half maximum of the average that the masks make, in pixels.
    """

    orders: Index
    vectors: Array
    spread: Array
    amplitude: Array
    jump: Mask
    resolution: float


def local_phases(frame: Array, yx: Array, vectors: Array, resolution: float) -> Phases:
    """Local lattice at positions, from the phases of the two reflections that tell most.

    A Gaussian mask around a reflection g leaves a complex image H, and the gradient of its phase is the local
    reflection: Re(K conj H) / abs(H)², where K is H with its Fourier components times their frequency, so that no phase
    is unwrapped. Both local reflections give the local lattice (Hÿtch, Snoeck, Kilaas, Ultramicroscopy 74, 131, 1998),
    here without the approximation of small strains.

    Parameters
    ----------
    frame
        (H, W) image without NaN.
    yx
        (n, 2) positions.
    vectors
        (2, 2) mean vectors a, b of the lattice.
    resolution
        Full width at half maximum of the average, in units of the largest spacing of lattice planes.

    Raises
    ------
    InputError
        If the lattice is too fine for the pixels, or has no two reflections.
    """
    spectrum = fft.rfft2(frame - frame.mean(), workers=-1)
    frequency = np.stack(np.meshgrid(fft.fftfreq(frame.shape[0]), fft.rfftfreq(frame.shape[1]), indexing="ij"))
    reciprocal: Array = np.asarray(np.linalg.inv(vectors).T, np.float64)  # rows a*, b*
    shortest = min(np.linalg.norm(np.array(order) @ reciprocal) for order in ((1, 0), (0, 1), (1, 1), (1, -1)))
    fwhm = resolution / float(shortest)
    width = 2.355 / (2 * np.pi * fwhm)
    orders = _reflections(spectrum, frequency, reciprocal, width, frame.size)
    found = [_reflection(spectrum, frequency, order @ reciprocal, width, frame.shape, yx) for order in orders]
    local, spread, amplitude, jump = (np.stack(parts, axis=1) for parts in zip(*found, strict=True))
    with np.errstate(all="ignore"):
        matrix = np.linalg.solve(orders.astype(float)[None], local)  # rows a*, b*
        flat = np.abs(np.linalg.det(matrix)) < 1e-3 * abs(np.linalg.det(reciprocal))
    matrix[flat] = np.nan
    direct = np.full_like(matrix, np.nan)
    direct[~flat] = np.swapaxes(np.linalg.inv(matrix[~flat]), 1, 2)
    relative = amplitude / np.maximum(np.median(amplitude, axis=0), 1e-30)
    return Phases(orders, direct, spread, relative, jump.any(axis=1) | flat, fwhm)


def _reflections(spectrum: Complex, frequency: Array, reciprocal: Array, width: float, size: int) -> Index:
    """(2, 2) indices of the two reflections with the least error of the strain: strong, long, and far from parallel."""
    steps = np.arange(-ORDERS, ORDERS + 1)
    every = np.array([(h, k) for h in steps for k in steps if h > 0 or (h == 0 and k > 0)])
    g = every @ reciprocal
    fine = np.linalg.norm(g, axis=1) <= FINEST
    every, g = every[fine], g[fine]
    power = np.array([_power(spectrum, frequency, each, width) for each in g])
    worth = np.sqrt(np.maximum(power, 0)) * np.linalg.norm(g, axis=1)
    best, chosen = 0.0, None
    for i in range(len(every)):
        for j in range(i):
            sine = abs(g[i, 0] * g[j, 1] - g[i, 1] * g[j, 0]) / np.prod(np.linalg.norm(g[[i, j]], axis=1))
            if sine >= np.sin(APART) and min(worth[i], worth[j]) * sine > best:
                best, chosen = min(worth[i], worth[j]) * sine, every[[j, i]]
    if chosen is None:
        raise InputError(
            "The lattice has no two reflections below the highest frequency of the image, so there is no phase; use an "
            "image with smaller pixels."
        )
    return np.asarray(chosen)


def _power(spectrum: Complex, frequency: Array, g: Array, width: float) -> float:
    """Power of a reflection above that of the noise around it."""
    g = g if g[1] >= 0 else -g
    away = np.linalg.norm(frequency - g[:, None, None], axis=0)
    inner, outer = away <= width, (away > 3 * width) & (away <= 5 * width)
    if not inner.any() or not outer.any():
        return 0.0
    power = np.abs(spectrum) ** 2
    return float(power[inner].sum() - inner.sum() * power[outer].mean())


def _reflection(
    spectrum: Complex, frequency: Array, g: Array, width: float, shape: tuple[int, ...], yx: Array
) -> tuple[Array, Array, Array, Mask]:
    """Local reflection (n, 2), its spread (n, 2), amplitude (n,) and whether it jumps (n,), at positions (n, 2)."""
    sign = 1.0 if g[1] >= 0 else -1.0
    centre = sign * g
    from_g = frequency - centre[:, None, None]
    squared = (from_g**2).sum(axis=0)
    mask = np.exp(-squared / (2 * width**2))
    near = squared <= (5 * width) ** 2
    full = np.zeros(shape, np.complex128)

    def image(values: Complex) -> Complex:
        """Positive frequencies alone, so that the image is complex."""
        full[:] = 0
        full[:, : values.shape[1]] = np.where(near, values, 0)
        return np.asarray(fft.ifft2(full, workers=-1))

    masked = spectrum * mask
    h = image(masked)
    size = np.maximum(np.abs(h) ** 2, 1e-300)
    turns = [np.real(image(masked * part) * np.conj(h)) / size for part in from_g]
    ring = (squared > (3 * width) ** 2) & near
    noise = float(np.median(np.abs(spectrum[ring]) ** 2)) / np.log(2)  # of a Fourier component without any signal
    pixels = np.prod(shape)
    of_gradient = [np.sqrt(noise * (mask**2 * part**2)[near].sum() / 2) / pixels for part in from_g]
    at = [ndimage.map_coordinates(turn, yx.T, order=1, mode="nearest") for turn in turns]
    amplitude = ndimage.map_coordinates(np.sqrt(size), yx.T, order=1, mode="nearest")
    off = np.stack(at, axis=1)
    spread = np.stack([each / np.maximum(amplitude, 1e-30) for each in of_gradient], axis=1)
    far = np.linalg.norm(off - np.median(off, axis=0), axis=1) > JUMP * np.linalg.norm(g)
    return sign * (centre + off), spread, amplitude, np.asarray(far)


def validity(phases: Phases, strain: Array, std: Array, yx: Array, from_edge: Array) -> Index:
    """(n,) `Validity` around atoms of one lattice.

    Parameters
    ----------
    strain, std
        (n, 3) strains and their standard deviations.
    from_edge
        (n,) distance from the nearest edge, masked pixel or atom of another lattice, in pixels.
    """
    around = cKDTree(yx).query_ball_point(yx, NEARBY * phases.resolution)
    weak = (phases.amplitude < WEAK).any(axis=1)
    edge = from_edge < NEAR_EDGE * phases.resolution
    usable = ~(weak | edge | phases.jump)
    change = np.zeros_like(strain)
    for row, near in enumerate(around):
        others = [other for other in near if usable[other]]
        if len(others) > 1:
            change[row] = np.ptp(strain[others], axis=0)
    usual = np.median(change[usable], axis=0) if usable.any() else np.zeros(3)
    steep = (change > np.maximum(np.maximum(STEEP[0] * std, STEEP[1]), STEEP[2] * usual)).any(axis=1)
    result = np.where(steep, Validity.STEEP, Validity.VALID)
    for why, kind in ((phases.jump, Validity.JUMP), (edge, Validity.EDGE), (weak, Validity.WEAK)):
        result = np.where(why, kind, result)
    return np.asarray(result, np.int64)

"""Scan distortion of one image, measured on its own lattice: fly-back, shifts of rows, drift and shear.

Pixel (r, c) shows the specimen at y = r, x = c - shift(r) - flyback exp(-c / decay), the scan model of the simulator.
Displacements common to all columns of a row are attributed to the scan; those between sublattices, to the specimen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from local_crystallography.data.arrays import Array
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job, Progress
from local_crystallography.lattice.lattices import Lattice, find_lattices
from local_crystallography.scan.fit import RowFit, fit_rows
from local_crystallography.scan.rows import flattened, initial_model
from local_crystallography.scan.terms import describe_crystal

FEWEST = 40  # atoms on lattices
LEAST_FRACTION = 1 / 3  # of the atoms, on lattices
ALIKE = 0.15  # relative spread of heights up to which columns are of one kind
MOST_CHANGED = 0.3  # largest drift and shear, as a fraction of the distance between rows
SLOW = 100  # period, in rows, above which a shift counts as slow wobble
HALF = np.sqrt(2 * np.log(2)) / (2 * np.pi)  # width of a Gaussian that halves a wave, in periods
WEAK = 0.3  # px; rows with a larger uncertainty count as undetermined
MANY = 0.1  # fraction of undetermined rows above which there is a remark
UNEVEN = 1.5  # ratio of the spreads along x and y above which distortion remains


@dataclass(frozen=True)
class ScanCorrection:
    """Distortions of a scan, and the correction of positions and pixels.

    Parameters
    ----------
    row_shift
        (H,) shift of each row to the right, px.
    flyback, flyback_decay
        px: pixel column c is shifted to the right by flyback exp(-c / decay).
    row_spread
        Standard deviation in px of the rows over which the position of a column is averaged.
    affine
        (2, 2) matrix on (y, x) about the centre of the image, applied last; the identity if no cell was given.
    spread_before, spread_after
        (2,) rms distance in px, along y and x, of columns from the lattice that fits best.
    remarks
        Sentences on ambiguities and doubtful results.
    width
        W of the image, px.
    """

    row_shift: Array
    flyback: float
    flyback_decay: float
    row_spread: float
    affine: Array
    spread_before: Array
    spread_after: Array
    remarks: tuple[str, ...]
    width: int

    @property
    def frequency(self) -> Array:
        """(H // 2 + 1,) frequencies, cycles per row."""
        return np.asarray(np.fft.rfftfreq(len(self.row_shift)))

    @property
    def power(self) -> Array:
        """(H // 2 + 1,) power of the row shifts in px², which sums to their mean square after removing a line."""
        rows = np.arange(len(self.row_shift))
        rest = self.row_shift - np.polyval(np.polyfit(rows, self.row_shift, 1), rows)
        power = np.abs(np.fft.rfft(rest) / len(rows)) ** 2
        power[1 : (len(rows) + 1) // 2] *= 2
        return np.asarray(power)

    def positions(self, yx: Array) -> Array:
        """(N, 2) corrected positions in px of columns observed at (N, 2)."""
        reach = int(np.ceil(4 * self.row_spread)) + 1
        rows = np.rint(yx[:, :1]).astype(np.int64) + np.arange(-reach, reach + 1)
        weight = np.exp(-0.5 * ((rows - yx[:, :1]) / self.row_spread) ** 2)
        weight *= (rows >= 0) & (rows < len(self.row_shift))
        shift = self.row_shift[np.clip(rows, 0, len(self.row_shift) - 1)]
        x = yx[:, 1] - (weight * shift).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-12) - self._fall(yx[:, 1])
        centre = self._centre
        return np.asarray(centre + (np.column_stack([yx[:, 0], x]) - centre) @ self.affine.T)

    def image(self, pixels: npt.NDArray[np.generic], flatten: float = 0.0) -> Array:
        """(H, W) corrected pixels, by cubic splines along each row and, if a cell was given, again in 2-D.

        Parameters
        ----------
        flatten
            Width in px of the surroundings from which the smooth background is estimated and subtracted; 0 keeps it.
        """
        height, width = pixels.shape
        rows, wanted = np.mgrid[:height, :width].astype(np.float64)
        wanted += self.row_shift[:, None]
        observed = wanted.copy()
        for _ in range(20):
            fall = self._fall(observed)
            observed -= (observed - fall - wanted) / np.maximum(1 + fall / self.flyback_decay, 0.2)
        corrected = ndimage.map_coordinates(pixels.astype(np.float64), [rows, observed], order=3, mode="nearest")
        if not np.array_equal(self.affine, np.eye(2)):
            inverse, centre = np.linalg.inv(self.affine), self._centre
            corrected = ndimage.affine_transform(corrected, inverse, centre - inverse @ centre, order=3, mode="nearest")
        return flattened(corrected, flatten) if flatten > 0 else corrected

    def _fall(self, x: Array) -> Array:
        return np.asarray(self.flyback * np.exp(-np.maximum(x, 0) / self.flyback_decay))

    @property
    def _centre(self) -> Array:
        return (np.array([len(self.row_shift), self.width]) - 1) / 2


def correct_scan(
    pixels: npt.NDArray[np.generic], yx: Array, *, longest_period: int, cell: complex | None
) -> Job[ScanCorrection]:
    """Job that finds the correction of (H, W) pixels with columns observed at (N, 2) positions.

    Parameters
    ----------
    longest_period
        Longest period of row shifts that is corrected, in rows; 0 corrects all.
    cell
        b / a, with the vectors of the cell as complex numbers; None keeps drift and shear.

    Raises
    ------
    InputError
        Where too few columns lie on lattices to measure the distortion.
    """
    if len(yx) < FEWEST:
        raise InputError(_too_few(len(yx), len(yx)))
    values = np.asarray(pixels, np.float64)
    distance = float(np.median(cKDTree(yx).query(yx, k=2)[0][:, 1]))
    yield Progress(0.0, f"Measuring {len(yx)} atoms")
    model = initial_model(values, yx, distance)
    uneven = model.amplitude.std() > ALIKE * abs(np.median(model.amplitude))
    lattices = find_lattices(yx, np.abs(model.amplitude) if uneven else None)
    on = sum(len(lattice.rows) for lattice in lattices)
    if on < max(FEWEST, LEAST_FRACTION * len(yx)):
        raise InputError(_too_few(on, len(yx)))
    crystal = describe_crystal(yx, lattices, values.shape, distance)
    fit = yield from fit_rows(values, model, yx[:, 1], crystal, distance)
    shift = fit.row_shift
    if longest_period > 0:
        shift = shift - ndimage.gaussian_filter1d(shift, HALF * longest_period, mode="nearest")
    return _correction(fit, shift, yx, lattices, values.shape[1], cell)


def _correction(
    fit: RowFit, shift: Array, yx: Array, lattices: list[Lattice], width: int, cell: complex | None
) -> ScanCorrection:
    """Correction with its affine part, spreads and remarks."""
    bare = ScanCorrection(shift, fit.flyback, fit.decay, fit.row_spread, np.eye(2), np.ones(2), np.ones(2), (), width)
    corrected = bare.positions(yx)
    before, after = column_spread(yx, lattices), column_spread(corrected, lattices)
    remarks = [*_on_lattices(lattices, yx), *_on_rows(fit, shift), *_on_spread(before, after)]
    affine = np.eye(2)
    if cell is not None:
        affine = affine_to_cell(_affine_fit(corrected, lattices[0])[0], cell)
        remarks.append(
            f"Drift and shear assume that the largest lattice has the given cell: the distance between rows changes by "
            f"{100 * (affine[0, 0] - 1):+.2f} %, and the shear is {100 * affine[1, 0]:+.2f} %."
        )
    return replace(bare, affine=affine, spread_before=before, spread_after=after, remarks=tuple(remarks))


def column_spread(yx: Array, lattices: list[Lattice]) -> Array:
    """(2,) rms distance in px along y and x of (N, 2) positions from the lattices that fit them best, site by site."""
    deviations = np.concatenate([_affine_fit(yx, lattice)[1] for lattice in lattices])
    return np.asarray(np.sqrt((deviations**2).mean(axis=0)))


def _affine_fit(yx: Array, lattice: Lattice) -> tuple[Array, Array]:
    """(2, 2) rows a, b of the affine lattice that fits (N, 2) positions best, and (n, 2) deviations from it."""
    design = np.column_stack([lattice.index, np.eye(len(lattice.basis))[lattice.site]])
    positions = yx[lattice.rows]
    fitted = np.linalg.lstsq(design, positions, rcond=None)[0]
    return np.asarray(fitted[:2]), np.asarray(positions - design @ fitted)


def affine_to_cell(vectors: Array, cell: complex) -> Array:
    """(2, 2) matrix on (y, x) that gives a measured lattice the shape of a given cell.

    Drift of the specimen changes the distance between rows and shears them, but preserves distances along a row; so the
    matrix is [[m, 0], [n, 1]]. With x + (n + i m) y the position of an atom in the complex plane, n + i m follows from
    b = cell a. Of all choices of a and b in the lattice, the one with the smallest change is used.

    Parameters
    ----------
    vectors
        (2, 2) rows a, b as (y, x), px.
    cell
        b / a, with the vectors of the given cell as complex numbers; of either handedness.

    Raises
    ------
    InputError
        Where no choice is close to the given cell.
    """
    steps = [np.array(step) for step in product(range(-2, 3), repeat=2)]
    best, least = np.eye(2), np.inf
    for one, other, shape in product(steps, steps, (cell, cell.conjugate())):
        if abs(one[0] * other[1] - one[1] * other[0]) != 1:
            continue
        a, b = one @ vectors, other @ vectors
        below = b[0] - shape * a[0]
        factor = (shape * a[1] - b[1]) / below if abs(below) > 1e-9 else 0j  # n + i m
        change = abs(factor - 1j) if factor.imag > 0 else np.inf
        if change < least:
            best, least = np.array([[factor.imag, 0.0], [factor.real, 1.0]]), float(change)
    if least > MOST_CHANGED:
        raise InputError(
            f"The lattice does not have the given cell, b / a = {abs(cell):.3g} at "
            f"{abs(np.degrees(np.angle(cell))):.3g} degrees: it would have to be stretched or sheared by "
            f"{100 * least:.0f} %. Give the cell seen in the image."
        )
    return best


def _too_few(on: int, count: int) -> str:
    return (
        f"Only {on} of {count} atoms lie on a lattice, but at least {FEWEST} and a third of all are needed to measure "
        "the scan distortion; find atoms in crystalline regions, or leave this image uncorrected."
    )


def _on_lattices(lattices: list[Lattice], yx: Array) -> list[str]:
    """Remarks on ambiguities due to the lattices."""
    remarks = []
    if len(lattices) > 1:
        remarks.append(
            f"{len(lattices)} lattices were found, and each is assumed to be straight: a shear of one of them that "
            "varies only from row to row cannot be distinguished from the scan."
        )
    extent = float(np.ptp(yx[lattices[0].rows, 1]))
    a, b = lattices[0].vectors
    area = abs(float(np.linalg.det(lattices[0].vectors)))
    for row in (a, b, a + b, a - b):
        length = float(np.linalg.norm(row))
        climb = extent * abs(float(row[0])) / length
        if climb < 2 * area / length and length < 1.6 * float(np.linalg.norm(a)):
            remarks.append(
                f"Rows of atoms run along the scan to within {np.degrees(abs(np.arcsin(row[0] / length))):.1f} "
                "degrees: a displacement along x common to all columns of such a row cannot be distinguished from the "
                "scan. Displacements along x are therefore wrong, mostly too small (0.6 to 1.17 of the true value in "
                "simulations); measure them in a scan rotated by a few degrees."
            )
            break
    return remarks


def _on_rows(fit: RowFit, shift: Array) -> list[str]:
    """Remarks on ambiguities due to the rows."""
    remarks = []
    undetermined = float((fit.row_seen < 1 / WEAK**2).mean())
    if undetermined > MANY:
        remarks.append(
            f"{100 * undetermined:.0f} % of the rows cross too few atoms to measure their shift to {WEAK:g} px; it is "
            "interpolated there from other rows."
        )
    if fit.bent:
        remarks.append(
            "The lattice bends along x: strain of the specimen and a slowly decaying fly-back cannot be distinguished, "
            "and the bend is kept."
        )
    slow = ndimage.gaussian_filter1d(shift, HALF * SLOW, mode="nearest")
    wobble = float(np.std(slow))
    if wobble > 0.1:
        remarks.append(
            f"Shifts with periods above {SLOW} rows ({wobble:.2f} px rms) are attributed to the scan; shear of the "
            f"specimen that varies only from row to row would look the same: set longest_period to {SLOW} to keep it."
        )
    return remarks


def _on_spread(before: Array, after: Array) -> list[str]:
    """Remarks on the spread of columns along the rows, compared with that across them, which jitter does not affect."""
    if after[1] > before[1]:
        return [
            f"The correction increased the spread of columns along x ({before[1]:.2f} to {after[1]:.2f} px): do not "
            "use it."
        ]
    if after[1] > UNEVEN * after[0]:
        return [
            f"After correction the spread of columns is still {after[1]:.2f} px along x, but {after[0]:.2f} px along "
            "y: the lattice bends, or the scan has distortions other than row shifts and fly-back."
        ]
    return []

"""Scan distortion of one image, told by its own lattice: fly-back, shifts of rows, drift and shear.

Pixel (r, c) is taken to show the specimen at y = r, x = c - shift(r) - flyback exp(-c / decay), the scan model of the
simulator. What all columns of a row share is the scan; what sublattices do against each other is the specimen.
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
from local_crystallography.scan.rows import flattened, start_picture
from local_crystallography.scan.terms import describe_crystal

FEWEST = 40  # atoms on lattices
LEAST_SHARE = 1 / 3  # of the atoms
ALIKE = 0.15  # spread of heights over their median up to which columns are of one kind
MOST_CHANGED = 0.3  # by drift and shear, as parts of the distance of rows
SLOW = 100  # rows from which a shift counts as slow wobble
HALF = np.sqrt(2 * np.log(2)) / (2 * np.pi)  # Gaussian that passes half of a wave, in periods
WEAK = 0.3  # px of uncertainty from which a row counts as unseen
MANY = 0.1  # share of unseen rows that is worth saying
UNEVEN = 1.5  # spread along x over that along y from which something is left


@dataclass(frozen=True)
class ScanCorrection:
    """Where a scan went wrong, and how to put places and pixels right.

    Parameters
    ----------
    row_shift
        (H,) px: what a row shows appears so much further right.
    flyback, flyback_decay
        px: at column c everything appears flyback exp(-c / decay) further right.
    row_spread
        Standard deviation in px of the rows over which the place of one column is an average.
    affine
        (2, 2) on (y, x) about the middle of the image, after the rest; the identity where no cell was named.
    spread_before, spread_after
        (2,) rms distance in px, along y and x, of columns from the lattice that fits best.
    remarks
        Sentences on what could not be told or should be doubted.
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
        """(H // 2 + 1,) cycles per row."""
        return np.asarray(np.fft.rfftfreq(len(self.row_shift)))

    @property
    def power(self) -> Array:
        """(H // 2 + 1,) power of the row shifts in px², which adds up to their mean square, a straight line aside."""
        rows = np.arange(len(self.row_shift))
        rest = self.row_shift - np.polyval(np.polyfit(rows, self.row_shift, 1), rows)
        power = np.abs(np.fft.rfft(rest) / len(rows)) ** 2
        power[1 : (len(rows) + 1) // 2] *= 2
        return np.asarray(power)

    def places(self, yx: Array) -> Array:
        """(N, 2) corrected places in px of columns seen at (N, 2)."""
        reach = int(np.ceil(4 * self.row_spread)) + 1
        rows = np.rint(yx[:, :1]).astype(np.int64) + np.arange(-reach, reach + 1)
        weight = np.exp(-0.5 * ((rows - yx[:, :1]) / self.row_spread) ** 2)
        weight *= (rows >= 0) & (rows < len(self.row_shift))
        shift = self.row_shift[np.clip(rows, 0, len(self.row_shift) - 1)]
        x = yx[:, 1] - (weight * shift).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-12) - self._fall(yx[:, 1])
        middle = self._middle
        return np.asarray(middle + (np.column_stack([yx[:, 0], x]) - middle) @ self.affine.T)

    def image(self, pixels: npt.NDArray[np.generic], flatten: float = 0.0) -> Array:
        """(H, W) corrected pixels, by cubic splines along each row and, where a cell was named, once more in 2-D.

        Parameters
        ----------
        flatten
            Width in px of the surroundings that tell the smooth background, which is taken off; 0 leaves it.
        """
        height, width = pixels.shape
        rows, wanted = np.mgrid[:height, :width].astype(np.float64)
        wanted += self.row_shift[:, None]
        seen = wanted.copy()
        for _ in range(20):
            fall = self._fall(seen)
            seen -= (seen - fall - wanted) / np.maximum(1 + fall / self.flyback_decay, 0.2)
        put = ndimage.map_coordinates(pixels.astype(np.float64), [rows, seen], order=3, mode="nearest")
        if not np.array_equal(self.affine, np.eye(2)):
            back, middle = np.linalg.inv(self.affine), self._middle
            put = ndimage.affine_transform(put, back, middle - back @ middle, order=3, mode="nearest")
        return flattened(put, flatten) if flatten > 0 else put

    def _fall(self, x: Array) -> Array:
        return np.asarray(self.flyback * np.exp(-np.maximum(x, 0) / self.flyback_decay))

    @property
    def _middle(self) -> Array:
        return (np.array([len(self.row_shift), self.width]) - 1) / 2


def correct_scan(
    pixels: npt.NDArray[np.generic], yx: Array, *, slowest: int, cell: complex | None
) -> Job[ScanCorrection]:
    """A job: the correction of (H, W) pixels in which columns are seen at (N, 2) places.

    Parameters
    ----------
    slowest
        Longest period of row shifts in rows that is corrected; 0 corrects all.
    cell
        b / a, the vectors of the cell as numbers in the complex plane; None leaves drift and shear.

    Raises
    ------
    InputError
        Where too few columns stand on lattices to tell the scan from them.
    """
    if len(yx) < FEWEST:
        raise InputError(_too_few(len(yx), len(yx)))
    values = np.asarray(pixels, np.float64)
    distance = float(np.median(cKDTree(yx).query(yx, k=2)[0][:, 1]))
    yield Progress(0.0, f"Looking at {len(yx)} atoms")
    picture = start_picture(values, yx, distance)
    uneven = picture.amplitude.std() > ALIKE * abs(np.median(picture.amplitude))
    lattices = find_lattices(yx, np.abs(picture.amplitude) if uneven else None)
    on = sum(len(lattice.rows) for lattice in lattices)
    if on < max(FEWEST, LEAST_SHARE * len(yx)):
        raise InputError(_too_few(on, len(yx)))
    crystal = describe_crystal(yx, lattices, values.shape, distance)
    fit = yield from fit_rows(values, picture, yx[:, 1], crystal, distance)
    shift = fit.row_shift
    if slowest > 0:
        shift = shift - ndimage.gaussian_filter1d(shift, HALF * slowest, mode="nearest")
    return _judged(fit, shift, yx, lattices, values.shape[1], cell)


def _judged(
    fit: RowFit, shift: Array, yx: Array, lattices: list[Lattice], width: int, cell: complex | None
) -> ScanCorrection:
    """The correction with its affine part, its spreads and what is to be said about it."""
    bare = ScanCorrection(shift, fit.flyback, fit.decay, fit.row_spread, np.eye(2), np.ones(2), np.ones(2), (), width)
    put = bare.places(yx)
    before, after = column_spread(yx, lattices), column_spread(put, lattices)
    remarks = [*_on_lattices(lattices, yx), *_on_rows(fit, shift), *_on_spread(before, after)]
    affine = np.eye(2)
    if cell is not None:
        affine = affine_to_cell(_straight(put, lattices[0])[0], cell)
        remarks.append(
            f"Drift and shear are those that make the largest lattice the named cell, which is assumed: rows are "
            f"{100 * (affine[0, 0] - 1):+.2f} % further apart and shear by {100 * affine[1, 0]:+.2f} %."
        )
    return replace(bare, affine=affine, spread_before=before, spread_after=after, remarks=tuple(remarks))


def column_spread(yx: Array, lattices: list[Lattice]) -> Array:
    """(2,) rms distance in px along y and x of (N, 2) places from the lattices that fit them best, site by site."""
    left = np.concatenate([_straight(yx, lattice)[1] for lattice in lattices])
    return np.asarray(np.sqrt((left**2).mean(axis=0)))


def _straight(yx: Array, lattice: Lattice) -> tuple[Array, Array]:
    """(2, 2) rows a, b of the one affine lattice that fits (N, 2) places best, and how far (n, 2) off it they are."""
    design = np.column_stack([lattice.index, np.eye(len(lattice.basis))[lattice.site]])
    places = yx[lattice.rows]
    fitted = np.linalg.lstsq(design, places, rcond=None)[0]
    return np.asarray(fitted[:2]), np.asarray(places - design @ fitted)


def affine_to_cell(vectors: Array, cell: complex) -> Array:
    """(2, 2) matrix on (y, x) that gives a measured lattice the shape of a named cell.

    Drift of the specimen changes the distance of rows and shears them, but leaves distances along a row; so the
    matrix is [[m, 0], [n, 1]], and with x + (n + i m) y the place of an atom in the complex plane, n + i m follows
    from b = cell a. Of all choices of a and b in the lattice the one least changed is taken.

    Parameters
    ----------
    vectors
        (2, 2) rows a, b as (y, x), px.
    cell
        b / a, the vectors of the named cell as numbers in the complex plane; either hand.

    Raises
    ------
    InputError
        Where no choice comes near the named cell.
    """
    steps = [np.array(step) for step in product(range(-2, 3), repeat=2)]
    best, least = np.eye(2), np.inf
    for one, other, shape in product(steps, steps, (cell, cell.conjugate())):
        if abs(one[0] * other[1] - one[1] * other[0]) != 1:
            continue
        a, b = one @ vectors, other @ vectors
        below = b[0] - shape * a[0]
        turn = (shape * a[1] - b[1]) / below if abs(below) > 1e-9 else 0j
        change = abs(turn - 1j) if turn.imag > 0 else np.inf
        if change < least:
            best, least = np.array([[turn.imag, 0.0], [turn.real, 1.0]]), float(change)
    if least > MOST_CHANGED:
        raise InputError(
            f"A cell with b / a = {abs(cell):.3g} and {abs(np.degrees(np.angle(cell))):.3g} degrees was named, the "
            f"lattice would have to be drawn out or sheared by {100 * least:.0f} % to have it; name the one seen."
        )
    return best


def _too_few(on: int, count: int) -> str:
    return (
        f"{on} of {count} atoms stand on a lattice, at least {FEWEST} and a third of all were expected: the "
        "scan is told from what should be a lattice; find atoms first where the image is crystalline, or "
        "leave this image as it is."
    )


def _on_lattices(lattices: list[Lattice], yx: Array) -> list[str]:
    """What the lattices themselves leave undecided."""
    said = []
    if len(lattices) > 1:
        said.append(
            f"{len(lattices)} lattices were found, each taken as straight for itself: a shear of a single one that "
            "varies only from row to row cannot be told from the scan."
        )
    extent = float(np.ptp(yx[lattices[0].rows, 1]))
    a, b = lattices[0].vectors
    area = abs(float(np.linalg.det(lattices[0].vectors)))
    for row in (a, b, a + b, a - b):
        length = float(np.linalg.norm(row))
        climb = extent * abs(float(row[0])) / length
        if climb < 2 * area / length and length < 1.6 * float(np.linalg.norm(a)):
            said.append(
                f"Rows of atoms run along the scan to within {np.degrees(abs(np.arcsin(row[0] / length))):.1f} "
                "degrees: a displacement along x that all columns of such a row share cannot be told from the scan, so "
                "displacements along x come out wrong, mostly reduced (0.6 to 1.17 of their size was kept in "
                "simulations); do not measure them here, but in a scan turned by some degrees."
            )
            break
    return said


def _on_rows(fit: RowFit, shift: Array) -> list[str]:
    """What the rows leave undecided."""
    said = []
    unseen = float((fit.row_seen < 1 / WEAK**2).mean())
    if unseen > MANY:
        said.append(
            f"{100 * unseen:.0f} % of the rows cross too few atoms to tell their shift to {WEAK:g} px; there it is a "
            "guess from the rows around."
        )
    if fit.bent:
        said.append(
            "The lattice bends along x: strain of the specimen there and a fly-back that decays slowly cannot be told "
            "apart, and the bend is kept."
        )
    slow = ndimage.gaussian_filter1d(shift, HALF * SLOW, mode="nearest")
    wobble = float(np.std(slow))
    if wobble > 0.1:
        said.append(
            f"Shifts slower than {SLOW} rows ({wobble:.2f} px rms) are taken for the scan's; shear of the specimen "
            f"that varies only from row to row would look the same: set slowest to {SLOW} to keep it."
        )
    return said


def _on_spread(before: Array, after: Array) -> list[str]:
    """Whether columns are as narrowly spread along the rows as across them, which jitter does not touch."""
    if after[1] > before[1]:
        return [
            f"The columns spread along x no less than before ({before[1]:.2f} to {after[1]:.2f} px): do not use it."
        ]
    if after[1] > UNEVEN * after[0]:
        return [
            f"After correction the columns still spread by {after[1]:.2f} px along x and {after[0]:.2f} px along y: "
            "the lattice bends, or the scan errs in ways that rows and fly-back do not cover."
        ]
    return []

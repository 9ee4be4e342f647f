"""Refined atoms: positions fitted to a fraction of a pixel, with standard deviations."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field
from scipy.spatial import cKDTree

from local_crystallography.data.atoms import STRONG, Atoms
from local_crystallography.data.columns import Column
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.mask import filled, saturated
from local_crystallography.data.parameters import unset
from local_crystallography.data.polygons import Region, inside
from local_crystallography.data.progress import Job, Progress
from local_crystallography.fitting.background import terraces
from local_crystallography.fitting.evidence import repetition, support
from local_crystallography.fitting.joint import are_dark, first_look, fit_columns
from local_crystallography.fitting.plausibility import CHANCE, on_maxima, plausibility
from local_crystallography.fitting.quadratic import tops
from local_crystallography.steps.base import Step

Array = npt.NDArray[np.float64]
CERTAIN = 0.98
"""Probability from which an atom is kept however weak, as are atoms added by hand, which have no probability."""
EVEN, FEW, SUPPORT, USUAL = 0.5, 12, 0.2, 0.38
"""Probability from which atoms define the lattice; minimum number of them; and minimum share of lattice vectors that
lead from an atom to another, as such and relative to the median."""
ON_LATTICE = ((0.9, 0.0), (0.7, 0.1), (0.5, 0.4), (0.0, 0.8))
ALONE = ((0.9, 0.7), (0.7, 1.0), (0.0, 1.5))
"""(probability, factor of `min_snr` from there on), for atoms that a lattice supports and for others."""
RARE, LIKELY = 0.05, 0.9
"""If at most this share of the certain atoms is off the lattice, others off the lattice need this probability."""
MANY = 0.1
"""Share of certain atoms that are on no maximum, above which those are left out too."""
RIM = 0.4
"""Distance from the centre of the outermost pixels, px, beyond which a column is outside the image."""
FAINT, STRAY = 0.06, 0.5
"""Minimum height of an uncertain atom over that of strong ones, since the network was not trained on fainter ones; and
the same off the lattice, where the grain of a support film reaches higher."""
UPON = 1.2
"""Distance in widths below which two atoms are one, found twice on a clipped or broad column."""
REASONS = ("doubtful", "doubled", "masked", "outside", "weak")
"""Reasons for leaving atoms out."""


class RefineAtoms(Step):
    """Refine the position of every atom in the image to a fraction of a pixel, with its standard deviation."""

    renamed: ClassVar = {
        "significance": "min_snr",
        "closest": "min_distance",
        "weakest": "min_relative_intensity",
        "axes": "fit_axes",
    }
    needs: ClassVar = ("atoms", "image")
    makes: ClassVar = "atoms"
    adds: ClassVar = (
        Column("amplitude", "Height of the column above the background, in units of the image.", has_std=True),
        Column("background", "Background under the column, in units of the image."),
        Column("sigma_px", "Standard deviation of the Gaussian fitted to the column."),
        Column("[yx]_std_px", "Standard deviation of the position."),
        Column("fit_error", "Residual in the core over the noise expected there; 1: noise only."),
        Column("sigma_(long|short)_px", "Standard deviation of an elliptical Gaussian along its long or short axis."),
        Column("axis_angle_rad", "Direction of the long axis, counter-clockwise from x."),
    )
    moves: ClassVar = True

    method: Literal["joint", "quadratic"] = Field(
        "joint",
        description="joint: all atoms and background fitted together; quadratic: maxima of the smoothed image, fast.",
    )
    width: float | None = Field(
        None,
        ge=0.5,
        le=100,
        json_schema_extra=unset("measured"),
        description="Initial standard deviation of an atom, in pixels; automatic: measured in every frame. The widths "
        "fitted are in the column sigma_px.",
    )
    min_snr: float = Field(
        2.5,
        ge=0,
        le=100,
        description="Minimum signal-to-noise ratio for an atom of uncertain probability to be kept; it must also be on "
        "a maximum of the image, or one of a pair. 0: all are kept.",
    )
    fit_axes: bool = Field(False, description="Also measure the long and short axis of every atom and their direction.")
    min_distance: float | None = Field(
        None,
        ge=0,
        le=400,
        json_schema_extra=unset("1.2 widths"),
        description="Of atoms closer than this, in pixels, only the strongest is kept; 0: all; automatic: 1.2 times "
        "their width, below which two columns have a single maximum.",
    )
    min_relative_intensity: float = Field(
        0.0, ge=0, le=1, description="Lowest intensity that is kept, relative to the strong atoms; 0: all."
    )
    when_doubtful: Literal["stop", "continue"] = Field(
        "stop",
        description="Whether a run stops or continues after this step if the atoms do not match the image.",
    )
    region: Region = Field(
        (),
        description="Areas of the image whose atoms are kept, each given by its corners (y, x) in pixels, as drawn in "
        "a Shapes layer; none: the whole image.",
    )

    def summary(self, result: Atoms) -> str:
        left = result.left_out
        why = "none"
        if left is not None and len(left):
            why = f"{len(left):,} ({counted(left.features['left_out'].to_numpy(str))})"
        precision = result.features[["y_std_px", "x_std_px"]].median().mean()
        return f"kept {len(result):,}, left out {why}, precision {precision:.2f} px"

    def run(self, atoms: Atoms, image: Image) -> Job[Atoms]:
        """The atoms at their refined positions, with columns.

        If stopped, the atoms as far as they were refined.

        - `intensity`: volume above the background, in units of the image times px²; negative for dark atoms
        - `amplitude`: height above the background, `amplitude_std` its standard deviation; `background`: the background
          itself; all in units of the image
        - `y_std_px`, `x_std_px`: standard deviation of the position
        - `sigma_px`: standard deviation of the Gaussian (shared by all atoms for quadratic)
        - `fit_error` (joint): rms residual in the core over that expected from noise; 1: noise only
        - `sigma_long_px`, `sigma_short_px`, `axis_angle_rad` (joint, with `fit_axes`): the same along two axes, and the
          direction of the long one, counter-clockwise as displayed from the x axis

        Atoms outside `region`, atoms whose column turns out to be outside the image or on masked pixels, and those that
        fail `min_snr`, `min_distance` or `min_relative_intensity` are moved to `left_out`, with the reason in a column
        of that name, unless a column `kept` is true, as it is for atoms edited by hand. An atom that moves by more than
        half the distance to its nearest neighbour has lost its column: it keeps its position, and its standard
        deviations are NaN. Atoms that were outside the image from the start are kept, with NaN in all columns.

        Raises
        ------
        InputError
            If no atoms are in the image or none is kept, or positions are not finite or in frames it does not have.
        """
        check(atoms, image)
        seen = in_image(atoms.yx, image)
        yx, tables, numbers = atoms.yx.copy(), [], np.unique(atoms.frame[seen])
        for done, frame in enumerate(numbers):
            rows = np.flatnonzero(seen & (atoms.frame == frame))
            work = self._joint if self.method == "joint" else self._quadratic
            pixels = image.read(frame)
            job, stop = work(pixels, atoms.yx[rows], image.masked(frame)), None
            while True:
                try:
                    progress = job.send(stop)
                except StopIteration as end:
                    yx[rows], table = end.value
                    break
                stop = yield Progress((done + progress.fraction) / len(numbers), progress.message)
            tables.append(table.set_axis(atoms.ids[rows], axis=0))
            if stop:
                break
        table = pd.concat(tables)
        refined = Atoms(yx, atoms.features, atoms.pixel_size).join(table.index, table)
        why = self.reasons(refined, image, seen)
        return replace(refined[why == ""], left_out=refined[why != ""].with_features(left_out=why[why != ""]))

    def doubt(self, atoms: Atoms, image: Image, sigma: float | None) -> str:
        """Why the refined atoms should not be trusted and what to do, in words; "" if nothing speaks against them.

        `sigma` is the standard deviation of the columns that Segment searched for, px, or None.
        """
        doubts = [each.doubt for each in plausibility(atoms, image, sigma) if each.doubt]
        if not doubts:
            return ""
        return (
            f"These atoms should not be trusted: {doubts[0]}. Try another sigma or contrast in Segment, or mask "
            "what is not specimen."
        )

    def reasons(self, atoms: Atoms, image: Image, seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.str_]:
        """(N,) why each atom is left out, one of `REASONS`, or "" if kept; raises if none is kept.

        Atoms not `seen` were outside the image before refinement.
        """
        within = self._within(atoms.yx)
        if not within.any():
            raise InputError(
                f"None of the {len(atoms)} atoms of {image.name} lies in the {len(self.region)} areas of the region; "
                "draw it around atoms, or use the whole image."
            )
        why = np.full(len(atoms), "", dtype="<U16")
        for reason, out in (
            ("outside", (seen & beyond_rim(atoms.yx, image)) | ~within),
            ("masked", self._masked(atoms, image)),
            ("doubtful", self._doubtful(atoms, image)),
            ("weak", atoms.relative_intensity() < self.min_relative_intensity),
        ):
            why[(why == "") & out & ~(by_hand(atoms) & within)] = reason
        why[self._doubled(atoms, why == "") & ~by_hand(atoms)] = "doubled"
        if (why != "").all():
            raise InputError(
                f"All {len(atoms)} atoms of {image.name} would be left out ({counted(why)}): set the width of the "
                "columns (sigma of Segment) and their contrast by hand, or lower min_snr."
            )
        return why

    def _within(self, yx: Array) -> npt.NDArray[np.bool_]:
        """(N,) whether atoms lie in the region; all atoms are fitted, so that none at its border lacks a neighbour."""
        areas = [inside(yx, area) for area in self.region] or [np.ones(len(yx), bool)]
        return np.asarray(np.any(areas, axis=0), np.bool_)

    def _joint(
        self, pixels: npt.NDArray[np.generic], yx: Array, masked: npt.NDArray[np.bool_]
    ) -> Job[tuple[Array, pd.DataFrame]]:
        """Positions and columns of the atoms of one frame; masked and saturated pixels are ignored."""
        dark = are_dark(scaled_frame(pixels, masked)[0], yx)
        unknown = masked | saturated(pixels, masked, dark=dark)
        values = filled(pixels.astype(np.float64), masked)
        fit = yield from fit_columns(values, yx, width=self.width, unknown=unknown)
        columns = fit.columns
        table = {
            "intensity": 2 * np.pi * columns.sigma**2 * columns.height,
            "amplitude": columns.height,
            "amplitude_std": fit.height_std,
            "background": fit.background,
            "sigma_px": columns.sigma,
            "y_std_px": fit.std[:, 0],
            "x_std_px": fit.std[:, 1],
            "fit_error": fit.error,
        }
        if self.fit_axes:
            table |= {"sigma_long_px": fit.axes[:, 0], "sigma_short_px": fit.axes[:, 1], "axis_angle_rad": fit.angle}
        return columns.yx, pd.DataFrame(table)

    def _quadratic(
        self, pixels: npt.NDArray[np.generic], yx: Array, masked: npt.NDArray[np.bool_]
    ) -> Job[tuple[Array, pd.DataFrame]]:
        """The same, from maxima of the smoothed image."""
        yield Progress(0.0, f"Refining {len(yx)} atoms")
        scaled, level, unit = scaled_frame(pixels, masked)
        distance, width, dark = first_look(scaled, yx, self.width)
        found = tops(scaled, yx, width=width, dark=dark, reach=distance / 2)
        table = {
            "intensity": 2 * np.pi * width**2 * found.height * unit,
            "amplitude": found.height * unit,
            "amplitude_std": found.height_std * unit,
            "background": found.background * unit + level,
            "sigma_px": np.full(len(yx), width),
            "y_std_px": found.std,
            "x_std_px": found.std,
        }
        return found.yx, pd.DataFrame(table)

    def _masked(self, atoms: Atoms, image: Image) -> npt.NDArray[np.bool_]:
        """(N,) whether atoms are on masked pixels."""
        on = np.zeros(len(atoms), bool)
        for frame in np.unique(atoms.frame):
            rows = np.flatnonzero((atoms.frame == frame) & in_image(atoms.yx, image))
            on[rows] = image.masked(int(frame))[tuple(np.rint(atoms.yx[rows]).astype(int).T)]
        return on

    def _doubtful(self, atoms: Atoms, image: Image) -> npt.NDArray[np.bool_]:
        """(N,) whether an atom is uncertain by its probability and not clear in the image either."""
        if not self.min_snr or not {"probability", "amplitude_std"} <= set(atoms.features):
            return np.zeros(len(atoms), bool)
        probability = atoms.features["probability"].to_numpy(float)
        signed = atoms.features["amplitude"].to_numpy(float)
        height, std = np.abs(signed), np.abs(atoms.features["amplitude_std"].to_numpy(float))
        on, off = self._on_lattice(atoms, probability >= EVEN)
        needed = self.min_snr * np.where(on, *(by_level(probability, of) for of in (ON_LATTICE, ALONE)))
        clear = (needed == 0) | (height > needed * std)
        strong = np.nanquantile(height, STRONG) if np.isfinite(height).any() else 0.0
        high = height + 2 * np.nan_to_num(std) > np.where(off, STRAY, FAINT) * strong
        certain = probability >= CERTAIN
        # in a crystal without disorder, atoms elsewhere are most likely the grain of a support film
        perfect = (certain & off).sum() <= RARE * certain.sum()
        out = ~certain & (~(clear & high) | (perfect & off & (probability < LIKELY)))
        width = float(np.nanmedian(atoms.features["sigma_px"]))
        for frame in np.unique(atoms.frame[~out]):
            rows = np.flatnonzero((atoms.frame == frame) & in_image(atoms.yx, image))
            pixels = image.frame(int(frame))
            shown = on_maxima(pixels - terraces(pixels, width)[0], atoms.yx[rows], signed[rows], width)
            # if many certain ones are on none, the network mistook the gaps between columns for atoms
            wrong = (~shown & certain[rows]).sum() > MANY * max(certain[rows].sum(), 1)
            out[rows] |= ~shown & (wrong | ~certain[rows])
        return np.asarray(out, np.bool_)

    def _on_lattice(
        self, atoms: Atoms, likely: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """(N,) whether the lattice of the likely atoms of a frame supports an atom, and whether it speaks against it.

        Neither at the corner of a crystal, nor without a lattice.
        """
        on, off = np.zeros(len(atoms), bool), np.zeros(len(atoms), bool)
        for frame in np.unique(atoms.frame):
            rows = np.flatnonzero(atoms.frame == frame)
            yx, likely_here = atoms.yx[rows], likely[rows]
            if likely_here.sum() >= FEW and repetition(yx[likely_here]) >= 2 * CHANCE:
                share = support(yx, likely_here)
                on[rows] = share >= max(SUPPORT, USUAL * float(np.median(share[likely_here])))
                off[rows] = share < SUPPORT
        return on, off

    def mended(self, made: Atoms, now: Atoms, touched: npt.NDArray[np.bool_]) -> Atoms:
        """Only edited atoms move; the others were refined before."""
        rows = pd.Series(np.arange(len(made)), made.ids).reindex(now.ids)
        new = touched & rows.notna().to_numpy()
        moved = made[rows[new].to_numpy(int)]
        yx = now.yx.copy()
        yx[new] = moved.yx
        others = now.features.loc[~new].reindex(columns=list(made.features))
        table = pd.concat([others, moved.features.set_index(np.flatnonzero(new))]).sort_index()
        return Atoms(yx, table, now.pixel_size)

    def _doubled(self, atoms: Atoms, kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """(N,) whether an atom coincides with a stronger one of the atoms kept."""
        rows = np.flatnonzero(kept)
        closest = self.min_distance
        if closest is None and len(rows):
            closest = UPON * float(np.nanmedian(atoms.features["sigma_px"].to_numpy(float)))
        out = np.zeros(len(atoms), bool)
        if closest and len(rows) > 1:
            far = 2 * np.ptp(atoms.yx, axis=0).max() + closest + 1
            positions = np.column_stack([atoms.yx, atoms.frame * far])[rows]
            intensity = np.nan_to_num(np.abs(atoms.features["intensity"].to_numpy(float)[rows]))
            out[rows] = ~strongest(intensity, cKDTree(positions).query_pairs(closest, output_type="ndarray"))
        return out


def by_level(values: Array, levels: tuple[tuple[float, float], ...]) -> Array:
    """(N,) result of the first (level, result) pair, levels descending, that each of the values (N,) reaches."""
    return np.select([values >= level for level, _ in levels], [given for _, given in levels])


def counted(why: npt.NDArray[np.str_]) -> str:
    """Number of atoms left out for each reason, in words: doubtful: 120, doubled: 22."""
    counts = ((reason, int((why == reason).sum())) for reason in REASONS)
    return ", ".join(f"{reason}: {count:,}" for reason, count in counts if count)


def scaled_frame(
    pixels: npt.NDArray[np.generic], masked: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float32], float, float]:
    """Pixels scaled to mean 0 and standard deviation 1, masked ones filled in, and the original mean and deviation."""
    values = filled(pixels.astype(np.float64), masked)
    level, unit = float(values[::2, ::2].mean()), float(values[::2, ::2].std()) or 1.0
    return ((values - level) / unit).astype(np.float32), level, unit


def by_hand(atoms: Atoms) -> npt.NDArray[np.bool_]:
    """(N,) whether an atom was marked by hand to be kept."""
    if "kept" not in atoms.features:
        return np.zeros(len(atoms), bool)
    return np.asarray(atoms.features["kept"].fillna(False), bool)


def strongest(intensity: Array, pairs: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """(N,) whether an atom is kept, since no stronger atom that is itself kept is paired with it."""
    keep = np.ones(len(intensity), bool)
    partners: dict[int, list[int]] = {}
    for left, right in pairs.tolist():
        partners.setdefault(left, []).append(right)
        partners.setdefault(right, []).append(left)
    for atom in sorted(partners, key=lambda row: -intensity[row]):
        if keep[atom]:
            keep[partners[atom]] = False
    return keep


def in_image(yx: Array, image: Image) -> npt.NDArray[np.bool_]:
    """(N,) whether positions are on pixels of the image."""
    return np.asarray(((yx >= -0.5) & (yx <= np.array(image.shape) - 0.5)).all(axis=1), np.bool_)


def beyond_rim(yx: Array, image: Image) -> npt.NDArray[np.bool_]:
    """(N,) whether positions are beyond the outermost pixels, where only the flank of a column is seen."""
    return np.asarray(((yx < -RIM) | (yx > np.array(image.shape) - 1 + RIM)).any(axis=1), np.bool_)


def check(atoms: Atoms, image: Image) -> None:
    """Raise if there is nothing to refine."""
    if not np.isfinite(atoms.yx).all():
        raise InputError(
            f"{int((~np.isfinite(atoms.yx)).any(axis=1).sum())} atoms have a position that is NaN or infinite; "
            "remove these atoms."
        )
    if len(atoms) and not 0 <= atoms.frame.min() <= atoms.frame.max() < image.count:
        raise InputError(
            f"Some atoms are in frame {atoms.frame.max()}, but {image.name} has frames 0 to {image.count - 1}; "
            "refine them in the image they were found in."
        )
    if not in_image(atoms.yx, image).any():
        raise InputError(f"None of the {len(atoms)} atoms is inside {image.name}; find atoms in this image first.")

"""Correction of scan distortions in the positions of atoms and, on request, in the image."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy.spatial import cKDTree

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import Column
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.progress import Job, finish
from local_crystallography.data.subimages import as_found
from local_crystallography.scan.distortion import ScanCorrection, correct_scan
from local_crystallography.steps.base import Step


class CorrectScan(Step):
    """Correct atom positions for fly-back, row jitter and slow wobble of the scan, as estimated from the lattice.

    A displacement of one sublattice against another is kept; a displacement along x shared by all columns of a row is
    attributed to the scan. Drift and shear are corrected only if the true cell is given.
    """

    renamed: ClassVar = {"slowest": "longest_period"}
    needs: ClassVar = ("atoms", "image")
    makes: ClassVar = "atoms"
    adds: ClassVar = (Column("[yx]_corrected_px", "Position with scan distortions corrected."),)
    reads: ClassVar = ("refine_atoms",)
    optional: ClassVar = True

    longest_period: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Longest period of row shifts to remove, in rows; longer ones are kept, as real strain may "
        "look the same. 0: all are removed.",
    )
    cell: Literal["unknown", "square", "hexagonal", "named"] = Field(
        "unknown",
        description="Assumed cell of the largest lattice, to correct drift and shear; named: given by the next "
        "three fields; unknown: drift and shear are not corrected.",
    )
    cell_a: float = Field(0.4, ge=0.01, le=100, description="Length a of the named cell, in nm; only b / a is used.")
    cell_b: float = Field(0.4, ge=0.01, le=100, description="Length b of the named cell, in nm; only b / a is used.")
    cell_angle: float = Field(90.0, ge=20, le=160, description="Angle between a and b of the named cell, in degrees.")
    flatten: bool = Field(False, description="Whether the smooth background is subtracted from the corrected image.")

    def summary(self, result: Atoms) -> str:
        moved = as_found(result).yx[:, 1] - result.features["x_corrected_px"].to_numpy(float)
        return f"moved along x by {np.nanstd(moved):.2f} px rms"

    def run(self, atoms: Atoms, image: Image) -> Job[Atoms]:
        """The atoms with columns `y_corrected_px` and `x_corrected_px`; their positions in the image are unchanged.

        If stopped, atoms of the remaining frames have no corrected positions.

        Raises
        ------
        InputError
            If too few atoms of a frame lie on a lattice.
        """
        positions, numbers = np.full((len(atoms), 2), np.nan), np.unique(atoms.frame)
        for done, frame in enumerate(numbers):
            rows, stop, job = atoms.frame == frame, None, self._correction(atoms, image, int(frame))
            while True:
                try:
                    progress = job.send(stop)
                except StopIteration as end:
                    positions[rows] = end.value.positions(atoms.yx[rows])
                    break
                stop = yield replace(progress, fraction=(done + progress.fraction) / len(numbers))
            if stop:
                break
        return atoms.with_features(y_corrected_px=positions[:, 0], x_corrected_px=positions[:, 1])

    def correction(self, atoms: Atoms, image: Image, frame: int = 0) -> ScanCorrection:
        """Scan distortions of one frame: row shifts, their spectrum, fly-back, spreads and remarks.

        Positions that were corrected later, as by Encode, enter as they were found.
        """
        return finish(self._correction(atoms, image, frame))

    def _correction(self, atoms: Atoms, image: Image, frame: int) -> Job[ScanCorrection]:
        if frame not in range(image.count):
            raise InputError(
                f"There is no frame {frame} in an image of {image.count}; use the image the atoms were found in."
            )
        yx = as_found(atoms).yx[atoms.frame == frame]
        height, width = image.shape
        outside = int(((yx < -0.5) | (yx > np.array([height, width]) - 0.5)).any(axis=1).sum())
        if outside:
            raise InputError(
                f"{outside} atoms lie outside the image of {height} x {width} pixels; use the image the atoms were "
                "found in."
            )
        key = (self.longest_period, self._ratio(), frame, yx.tobytes())
        found: ScanCorrection | None = image.recalled(key)
        if found is None:
            found = yield from correct_scan(
                image.read(frame), yx, longest_period=self.longest_period, cell=self._ratio()
            )
        return image.remembered(key, lambda: found)

    def corrected_image(self, atoms: Atoms, image: Image) -> Image:
        """The image with every frame resampled to an undistorted scan; float32."""
        frames, found = [], as_found(atoms)
        for frame in range(image.count):
            yx = found.yx[found.frame == frame]
            correction = self.correction(found, image, frame)
            wide = 2 * float(np.median(cKDTree(yx).query(yx, k=2)[0][:, 1])) if self.flatten else 0.0
            frames.append(correction.image(image.read(frame), flatten=wide).astype(np.float32))
        return replace(image, data=np.stack(frames).reshape(image.data.shape))

    def _ratio(self) -> complex | None:
        """b / a of the named cell, as numbers in the complex plane."""
        named = self.cell_b / self.cell_a * np.exp(1j * np.radians(self.cell_angle))
        return {"unknown": None, "square": 1j, "hexagonal": complex(np.exp(1j * np.pi / 3)), "named": complex(named)}[
            self.cell
        ]

"""Strain by geometric phase analysis, as a cross-check of that of Measure lattice."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field
from scipy import ndimage
from scipy.spatial import cKDTree

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import Column
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.progress import Job, Progress
from local_crystallography.lattice.gpa import Validity, local_phases, validity
from local_crystallography.lattice.strain import affine, strain_and_rotation, vectors_from
from local_crystallography.steps.base import Step

Array = npt.NDArray[np.float64]

PARTS = ("xx", "yy", "xy")
LIKELY = 1.5
"""Difference over that expected from the standard errors, up to which both methods agree."""
FEWEST = 100
"""Fewest atoms of a grain whose phases are analysed."""


class GeometricPhase(Step):
    """Strain from the phases of two reflections of the image, relative to the same reference as Measure lattice.

    It needs no positions of atoms, but averages over its resolution, and is valid only inside one lattice.
    """

    needs: ClassVar = ("atoms", "image")
    makes: ClassVar = "atoms"
    adds: ClassVar = (
        Column(
            "gpa_strain_(xx|yy|xy)",
            "Strain by geometric phase analysis, relative to the reference of Measure lattice.",
            signed=True,
            has_std=True,
        ),
        Column(
            "gpa_rotation_rad",
            "Rotation by geometric phase analysis, counter-clockwise.",
            signed=True,
        ),
        Column(
            "gpa_difference_(xx|yy|xy)",
            "Strain by geometric phase analysis minus that of Measure lattice.",
            signed=True,
        ),
        Column("gpa_decision", "Where geometric phase analysis is valid, or why not; -1: no lattice."),
    )
    reads: ClassVar = ("refine_atoms", "correct_scan", "measure_lattice")
    optional: ClassVar = True

    resolution: float = Field(
        2.0,
        ge=1,
        le=20,
        description="Full width at half maximum of the average that the mask in Fourier space makes, in spacings of "
        "the widest lattice planes; larger: less noise, but blurred.",
    )

    def summary(self, result: Atoms) -> str:
        of = result.features["gpa_decision"]
        return f"valid around {(of == Validity.VALID).sum():,} of {(of >= 0).sum():,} atoms"

    def remarks(self, result: Atoms) -> list[str]:
        """Where it is not valid, and by how much it differs from Measure lattice where it is, and why."""
        table = result.features
        why = table["gpa_decision"]
        said = []
        invalid = [f"{(why == kind).sum():,} {kind.words}" for kind in Validity if kind > 0 and (why == kind).any()]
        if invalid:
            said.append(f"Not valid around these atoms: {', '.join(invalid)}.")
        valid = table[why == Validity.VALID]
        if len(valid):
            difference = valid[[f"gpa_difference_{part}" for part in PARTS]]
            rms = np.sqrt((difference**2).mean())
            told = ", ".join(f"{100 * value:.2f} % ({part})" for part, value in zip(PARTS, rms, strict=True))
            said.append(
                f"Where valid, it differs from the strain of Measure lattice by {told} rms{_reason(valid, rms)}."
            )
        if "x_corrected_px" in table:
            said.append(
                "Measure lattice may have used positions with scan distortions corrected; the phases are those of the "
                "image, where a jump of a row is a strain."
            )
        return said

    def run(self, atoms: Atoms, image: Image) -> Job[Atoms]:
        """The atoms with strain and rotation by geometric phase analysis, and where that is valid.

        - `gpa_strain_xx`, `gpa_strain_yy`, `gpa_strain_xy`, `gpa_rotation_rad` defined as those of Measure lattice, of
          the local lattice at the position of the atom; their standard deviations are those due to noise of the image
        - `gpa_difference_xx`, `gpa_difference_yy`, `gpa_difference_xy` from the strain of Measure lattice
        - `gpa_decision`, a `Validity`; where that is a weak reflection, an edge or a jump, the others are NaN

        Raises
        ------
        InputError
            If Measure lattice has not been run, or no grain has enough atoms.
        """
        if "lattice_angle_rad" not in atoms.features:
            raise InputError("Run Measure lattice first: it gives the lattice and the reference of the strain.")
        table = pd.DataFrame(np.nan, index=np.arange(len(atoms)), columns=_columns())
        table["gpa_decision"] = int(Validity.NONE)
        grains = atoms.features["grain"].to_numpy()
        pairs = [
            (frame, grain)
            for frame in np.unique(atoms.frame)
            for grain, count in zip(*np.unique(grains[atoms.frame == frame], return_counts=True), strict=True)
            if grain >= 0 and count >= FEWEST
        ]
        if not pairs:
            raise InputError(f"No grain has {FEWEST} atoms, too few for phases to be told from noise.")
        for done, (frame, grain) in enumerate(pairs):
            stop = yield Progress(done / len(pairs), f"phases of grain {grain} …")
            if stop:
                break
            self._grain(atoms, image, int(frame), int(grain), table)
        for part in PARTS:
            table[f"gpa_difference_{part}"] = table[f"gpa_strain_{part}"] - atoms.features[f"strain_{part}"]
        return atoms.with_features(**{str(name): table[name].to_numpy() for name in table})

    def _grain(self, atoms: Atoms, image: Image, frame: int, grain: int, table: pd.DataFrame) -> None:
        """Fill in the rows of one grain."""
        here = atoms.frame == frame
        rows = np.flatnonzero(here & (atoms.features["grain"].to_numpy() == grain))
        yx, features = atoms.yx[rows], atoms.features.iloc[rows]
        vectors, reference = vectors_from(features)
        masked = image.masked(frame)
        phases = local_phases(image.frame(frame).astype(float), yx, np.nanmedian(vectors, axis=0), self.resolution)
        strain, angle = strain_and_rotation(affine(phases.vectors, reference))
        values = np.stack([strain[:, 1, 1], strain[:, 0, 0], strain[:, 0, 1]], axis=1)
        # a relative error of a reflection is one of the lattice: dA = -A dG^T A, with dG from both reflections
        inverse = np.linalg.inv(phases.orders @ np.linalg.inv(reference).T)
        of = np.sqrt(np.einsum("ij,njk->nik", inverse**2, phases.spread**2))  # (n, axis of strain, axis of gradient)
        std = np.stack([of[:, 1, 1], of[:, 0, 0], np.hypot(of[:, 0, 1], of[:, 1, 0]) / 2], axis=1)
        elsewhere = here & (atoms.features["grain"].to_numpy() >= 0)
        elsewhere[rows] = False
        others = atoms.yx[elsewhere]
        why = validity(phases, values, std, yx, _from_edge(yx, others, masked))
        disturbed = np.isin(why, [Validity.WEAK, Validity.EDGE, Validity.JUMP])
        values[disturbed], std[disturbed], angle[disturbed] = np.nan, np.nan, np.nan
        table.loc[rows, [f"gpa_strain_{part}" for part in PARTS]] = values
        table.loc[rows, [f"gpa_strain_{part}_std" for part in PARTS]] = std
        table.loc[rows, "gpa_rotation_rad"] = angle
        table.loc[rows, "gpa_decision"] = why


def _reason(valid: pd.DataFrame, rms: pd.Series) -> str:
    """How the difference compares with the standard errors of both, in words; "" if those are unknown."""
    errors = [f"{name}_{part}_std" for name in ("strain", "gpa_strain") for part in PARTS]
    if not {*errors} <= {*valid}:
        return ""
    expected = np.sqrt((valid[errors].to_numpy(float) ** 2).reshape(len(valid), 2, 3).sum(axis=1))
    ratio = float(np.sqrt((rms**2).mean() / np.nanmean(expected**2)))
    if ratio <= LIKELY:
        return f", {ratio:.1f} times what the standard errors of both give: they agree"
    return (
        f", {ratio:.1f} times what the standard errors of both give: they average over different areas, shifts of "
        "sublattices change phases, and scan distortions enter differently"
    )


def _columns() -> list[str]:
    strains = [f"gpa_strain_{part}" for part in PARTS]
    return [*strains, *(f"{name}_std" for name in strains), "gpa_rotation_rad"]


def _from_edge(yx: Array, others: Array, masked: npt.NDArray[np.bool_]) -> Array:
    """(n,) distance in pixels of positions from the nearest edge, masked pixel, or atom of another lattice."""
    height, width = masked.shape
    distance = np.minimum(yx, np.array([height, width]) - 1 - yx).min(axis=1)
    if masked.any():
        away = ndimage.distance_transform_edt(~masked)
        distance = np.minimum(distance, ndimage.map_coordinates(away, yx.T, order=1, mode="nearest"))
    if len(others):
        distance = np.minimum(distance, cKDTree(others).query(yx)[0])
    return np.asarray(distance)

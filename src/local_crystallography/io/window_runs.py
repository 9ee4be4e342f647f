"""Runs of a window study: the record of each, the table of all, and their folders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError

Source = Literal["image", "smoothed", "probability"]
RunKey = tuple[Source, int, int]
"""Source, window side in px, and seed."""


@dataclass(frozen=True)
class StudyRun:
    """One training of a window study, with its results.

    Attributes
    ----------
    atoms
        Those with a sub-image, with angle_rad, symmetry_order, z0, z1, … and label.
    angle_peaks
        Number of peaks of the angles, see `clustering.angle_peaks`.
    elbo_per_pixel
        Evidence lower bound (Eq. 2) on the held-out tenth, in nats per pixel that the network sees. Pixels are in units
        of the standard deviation of the source, so only runs of one source can be compared, and windows only if they
        resolve the same detail: set `min_wavelength` of the training, or consider `numbers` per pixel.
    numbers
        Modelled numbers per window: its harmonic coefficients, or its pixels.
    seconds
        Duration of the run since it was last started.
    note
        Why there is no result, if there is none.
    """

    source: Source
    window: int
    seed: int
    atoms: Atoms = field(repr=False)
    angle_peaks: int = 0
    elbo_per_pixel: float = float("nan")
    numbers: int = 0
    classes: int = 0
    seconds: float = 0.0
    note: str = ""

    @property
    def name(self) -> str:
        """Name of the sub-folder of the run, such as `image-32-seed0`."""
        return run_name(self.source, self.window, self.seed)


@dataclass(frozen=True)
class StudyTable:
    """The finished runs, in the order requested; incomplete if the study was stopped."""

    runs: tuple[StudyRun, ...]

    @property
    def agreement(self) -> pd.DataFrame:
        """Adjusted Rand index of each pair of runs, on the atoms that have a class in both."""
        names = [run.name for run in self.runs]
        pairs = [[adjusted_rand(one.atoms, other.atoms) for other in self.runs] for one in self.runs]
        return pd.DataFrame(pairs, names, names, dtype=float)

    @property
    def table(self) -> pd.DataFrame:
        """One row per run; rand_seeds and rand_windows are means over runs that differ only in seed, or in window."""
        agreement = self.agreement.to_numpy()
        rows = []
        for number, run in enumerate(self.runs):
            seeds = [(r.source, r.window) == (run.source, run.window) for r in self.runs]
            windows = [(r.source, r.seed) == (run.source, run.seed) for r in self.runs]
            rand = [mean_of(agreement[number], like, but=number) for like in (seeds, windows)]
            values = {name: value for name, value in vars(run).items() if name not in ("atoms", "note")}
            rows.append(
                values | {"atoms": len(run.atoms), "rand_seeds": rand[0], "rand_windows": rand[1], "note": run.note}
            )
        return pd.DataFrame(rows)


def adjusted_rand(one: Atoms, other: Atoms) -> float:
    """Agreement of two labellings: 1 for the same classes, 0 for chance; NaN if no atom has a class in both."""
    from sklearn.metrics import adjusted_rand_score

    if "label" not in one.features or "label" not in other.features:
        return float("nan")
    labels = [pd.Series(atoms.features["label"].to_numpy(), atoms.ids) for atoms in (one, other)]
    both = pd.concat([label[label >= 0] for label in labels], axis=1, join="inner").to_numpy()
    return float(adjusted_rand_score(both[:, 0], both[:, 1])) if len(both) else float("nan")


def mean_of(values: npt.NDArray[np.float64], like: Sequence[bool], *, but: int) -> float:
    """Mean of the known values in a mask, excluding one; NaN if there are none."""
    mask = np.array(like) & np.isfinite(values)
    mask[but] = False
    return float(values[mask].mean()) if mask.any() else float("nan")


def run_name(source: str, window: int, seed: int) -> str:
    """Name of the sub-folder of a run."""
    return f"{source}-{window}-seed{seed}"


def write_run(run: StudyRun, recipe: str, wanted: dict[str, Any], folder: Path) -> None:
    """Write atoms.csv, recipe.toml and last run.json, which marks the run as done and holds the digest of its table."""
    sub_folder = folder / run.name
    record, part = sub_folder / "run.json", sub_folder / "run.json.part"
    record.unlink(missing_ok=True)
    table = run.atoms.to_frame().to_csv(index=False, lineterminator="\n").encode()
    (sub_folder / "atoms.csv").write_bytes(table)
    (sub_folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    found = {name: value for name, value in vars(run).items() if name not in ("atoms", "note")}
    written = {"asked": wanted, "found": found, "atoms_sha256": hashlib.sha256(table).hexdigest()}
    part.write_text(json.dumps(written, indent=1), encoding="utf-8")
    part.replace(record)


def read_run(folder: Path, run: RunKey, wanted: dict[str, Any]) -> StudyRun | None:
    """A finished run with exactly these settings; None if there is no readable one."""
    sub_folder = folder / run_name(*run)
    try:
        record = json.loads((sub_folder / "run.json").read_text(encoding="utf-8"))
        if record["asked"] != wanted:
            return None
        table = (sub_folder / "atoms.csv").read_bytes()
        if record["atoms_sha256"] != hashlib.sha256(table).hexdigest():
            return None
        return StudyRun(**record["found"], atoms=Atoms.from_frame(pd.read_csv(BytesIO(table))))
    except (OSError, KeyError, TypeError, ValueError):
        return None


def refuse_other_image(folder: Path, runs: Sequence[RunKey], image: str) -> None:
    """Refuse a folder whose runs are on another image, recognised by its digest, so that they are not replaced.

    Raises
    ------
    InputError
        If the folder holds a run on another image.
    """
    for run in runs:
        try:
            record = json.loads((folder / run_name(*run) / "run.json").read_text(encoding="utf-8"))
            known = record["asked"]["image"]
        except (OSError, KeyError, TypeError, ValueError):
            continue
        if known != image:
            raise InputError(f"{folder} holds runs on another image (such as {run_name(*run)}); choose another folder.")


def digest(*arrays: npt.NDArray[Any]) -> str:
    """Digest of the contents of arrays."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()

"""Runs of a window study: what is kept of each, the table of all, and the folder each is saved to."""

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
"""Source, window and seed."""


@dataclass(frozen=True)
class StudyRun:
    """One run.

    Attributes
    ----------
    atoms
        Those a window was cut around, with angle_rad, symmetry_order, z0, z1, … and label.
    angle_peaks
        See `angle_peaks`.
    elbo_per_pixel
        Evidence lower bound (Eq. 2) on the held-out tenth, nats per pixel that the network sees. Pixels count in
        standard deviations of what was cut, so it compares runs of one source only, and windows only where they keep
        the same detail: set `detail` of the training, or look at `numbers` per pixel.
    numbers
        How many numbers of a window are modelled: its harmonic coefficients, or its pixels.
    seconds
        Time the run took, since it was last started.
    note
        Why there is no result, where there is none.
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
        """`image-32-seed0`: the sub-folder of the run."""
        return run_name(self.source, self.window, self.seed)


@dataclass(frozen=True)
class StudyTable:
    """The runs there are, in the order asked for; fewer than asked for where the study was stopped."""

    runs: tuple[StudyRun, ...]

    @property
    def agreement(self) -> pd.DataFrame:
        """Adjusted Rand index of every pair of runs, on the atoms that have a class in both."""
        names = [run.name for run in self.runs]
        pairs = [[adjusted_rand(one.atoms, other.atoms) for other in self.runs] for one in self.runs]
        return pd.DataFrame(pairs, names, names, dtype=float)

    @property
    def table(self) -> pd.DataFrame:
        """One row per run; rand_seeds and rand_windows are means over the runs that differ from it in that alone."""
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
    """Agreement of two labellings: 1 the same classes, 0 as by chance; NaN without atoms that have a class in both."""
    from sklearn.metrics import adjusted_rand_score

    if "label" not in one.features or "label" not in other.features:
        return float("nan")
    labels = [pd.Series(atoms.features["label"].to_numpy(), atoms.ids) for atoms in (one, other)]
    both = pd.concat([label[label >= 0] for label in labels], axis=1, join="inner").to_numpy()
    return float(adjusted_rand_score(both[:, 0], both[:, 1])) if len(both) else float("nan")


def mean_of(values: npt.NDArray[np.float64], like: Sequence[bool], *, but: int) -> float:
    """Mean of the known values of a mask, without one of them; NaN where there are none."""
    mask = np.array(like) & np.isfinite(values)
    mask[but] = False
    return float(values[mask].mean()) if mask.any() else float("nan")


def run_name(source: str, window: int, seed: int) -> str:
    """Name of the sub-folder of a run."""
    return f"{source}-{window}-seed{seed}"


def write_run(run: StudyRun, recipe: str, wanted: dict[str, Any], folder: Path) -> None:
    """atoms.csv, recipe.toml and last run.json, which tells that the run is done, and of which table."""
    place = folder / run.name
    record, part = place / "run.json", place / "run.json.part"
    record.unlink(missing_ok=True)
    table = run.atoms.to_frame().to_csv(index=False, lineterminator="\n").encode()
    (place / "atoms.csv").write_bytes(table)
    (place / "recipe.toml").write_text(recipe, encoding="utf-8")
    found = {name: value for name, value in vars(run).items() if name not in ("atoms", "note")}
    told = {"asked": wanted, "found": found, "atoms_sha256": hashlib.sha256(table).hexdigest()}
    part.write_text(json.dumps(told, indent=1), encoding="utf-8")
    part.replace(record)


def read_run(folder: Path, run: RunKey, wanted: dict[str, Any]) -> StudyRun | None:
    """A run that is done, with exactly what was asked for; None where there is none that can be read."""
    place = folder / run_name(*run)
    try:
        record = json.loads((place / "run.json").read_text(encoding="utf-8"))
        if record["asked"] != wanted:
            return None
        table = (place / "atoms.csv").read_bytes()
        if record["atoms_sha256"] != hashlib.sha256(table).hexdigest():
            return None
        return StudyRun(**record["found"], atoms=Atoms.from_frame(pd.read_csv(BytesIO(table))))
    except (OSError, KeyError, TypeError, ValueError):
        return None


def refuse_other_image(folder: Path, runs: Sequence[RunKey], image: str) -> None:
    """Keep the runs that are done from being replaced by those on another image, told by its digest.

    Raises
    ------
    InputError
        Where the folder holds one of another image.
    """
    for run in runs:
        try:
            record = json.loads((folder / run_name(*run) / "run.json").read_text(encoding="utf-8"))
            known = record["asked"]["image"]
        except (OSError, KeyError, TypeError, ValueError):
            continue
        if known != image:
            raise InputError(
                f"{folder} holds runs on another image ({run_name(*run)}), a folder without or of the same image was "
                "expected; choose another one."
            )


def digest(*arrays: npt.NDArray[Any]) -> str:
    """A short name of what arrays hold."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()

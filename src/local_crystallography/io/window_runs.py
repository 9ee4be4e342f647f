"""Runs of a window study: what is kept of each, the table of all, and the folder each is saved to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography.data.atoms import Atoms

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
    """atoms.csv, recipe.toml and last run.json, which tells that the run is done."""
    place = folder / run.name
    record, part = place / "run.json", place / "run.json.part"
    record.unlink(missing_ok=True)
    run.atoms.to_frame().to_csv(place / "atoms.csv", index=False, lineterminator="\n")
    (place / "recipe.toml").write_text(recipe, encoding="utf-8")
    found = {name: value for name, value in vars(run).items() if name not in ("atoms", "note")}
    part.write_text(json.dumps({"asked": wanted, "found": found}, indent=1), encoding="utf-8")
    part.replace(record)


def read_run(folder: Path, run: RunKey, wanted: dict[str, Any]) -> StudyRun | None:
    """A run that is done, with exactly what was asked for; None where there is none that can be read."""
    place = folder / run_name(*run)
    try:
        record = json.loads((place / "run.json").read_text(encoding="utf-8"))
        if record["asked"] != wanted:
            return None
        atoms = Atoms.from_frame(pd.read_csv(place / "atoms.csv"))
        return StudyRun(**record["found"], atoms=atoms)
    except (OSError, KeyError, TypeError, ValueError):
        return None

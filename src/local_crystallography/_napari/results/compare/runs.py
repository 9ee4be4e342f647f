"""Runs to compare: the current result, kept ones, and those read from folders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import HAND_LABEL, is_class
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.steps.catalog import columns
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.views.styles import ClassStyles

NOW = "now"
"""Name of the current result of the active image."""
HIDDEN = ("id", "frame")
SAMPLE = 512
"""Pixels along an edge of an image that go into its mark."""
LONGEST = 40
"""Most letters of a name."""


@dataclass(frozen=True, eq=False)
class Run:
    """Atoms with their columns, as they were when the run was added; the current result is a new one each time.

    Attributes
    ----------
    image
        Mark of the image, see `mark_of`; "" if unknown.
    column
        The column to compare; "" for the one chosen for all runs.
    chosen
        Whether the run is compared.
    """

    name: str
    atoms: Atoms
    styles: ClassStyles
    image: str = ""
    column: str = ""
    chosen: bool = True

    @property
    def columns(self) -> list[str]:
        """Columns of numbers, classes first."""
        return sorted_columns(_numbers(self.atoms))


def mark_of(image: Image) -> str:
    """Mark of an image, by which it is recognised: its shape, and a hash of some pixels of its first frame."""
    pixels = np.asarray(image.read(0))
    steps = [max(1, side // SAMPLE) for side in pixels.shape]
    some = np.ascontiguousarray(pixels[:: steps[0], :: steps[1]], np.float64)
    return f"{image.data.shape} {hashlib.blake2b(some.tobytes(), digest_size=16).hexdigest()}"


def run_of(name: str, analysis: Analysis) -> Run:
    """The present result of an analysis; an InputError if it has no atoms."""
    if analysis.image is None or analysis.atoms is None:
        raise InputError(f"{name} has no atoms to compare; run it to the end first.")
    return Run(name, analysis.atoms, analysis.styles, mark_of(analysis.image))


def read_runs(folder: Path) -> list[Run]:
    """The run in a folder: that of a session, one of a window study, or all of a study.

    Raises
    ------
    InputError
        For a folder with no such run.
    """
    if _is_study_run(folder):
        return [_study_run(folder)]
    inside = sorted(each for each in folder.iterdir() if _is_study_run(each)) if folder.is_dir() else []
    return [_study_run(each) for each in inside] or [run_of(folder.name, Analysis.open(folder))]


def offered_name(analysis: Analysis) -> str:
    """Default name of a result: its window size and number of classes."""
    words = []
    cut, cluster = analysis.last(ExtractSubImages), analysis.last(Cluster)
    if cut is not None and analysis.sub_images is not None:
        words.append(f"{cut.window_size} px")
    if cluster is not None and analysis.atoms is not None and "label" in analysis.atoms.features:
        count = len(np.unique(known := analysis.atoms.features["label"].dropna())) - int((known < 0).any())
        words.append(f"{count} classes" if count != 1 else "1 class")
    return ", ".join(words) or "kept"


def unique_name(name: str, taken: Iterable[str]) -> str:
    """The name, followed by a number if another run has it."""
    name, taken = " ".join(name.split())[:LONGEST].rstrip() or "run", set(taken)
    numbered = (name if number == 1 else f"{name} ({number})" for number in range(1, len(taken) + 2))
    return next(each for each in numbered if each not in taken)


def shared_columns(runs: Sequence[Run]) -> list[str]:
    """Numeric columns common to all runs that have no column of their own; classes first."""
    own = [_numbers(run.atoms) for run in runs if not run.column]
    return sorted_columns(set.intersection(*own)) if own else []


def sorted_columns(names: Iterable[str]) -> list[str]:
    """Columns in the order in which they are offered: classes, leading columns, the rest by name."""
    names = tuple(names)
    rank = {name: number for number, name in enumerate(("label", HAND_LABEL, *columns().leading(names)))}
    return sorted(names, key=lambda name: (not is_class(name), rank.get(name, len(rank)), name))


def aligned(runs: Sequence[Run], column: str) -> tuple[dict[str, Atoms], str]:
    """Atoms by the name of their run, with the values to compare in the column of the first one.

    Raises
    ------
    InputError
        For runs on different images, missing columns, and classes compared with numbers.
    """
    names = [run.column or column for run in runs]
    known = [run for run in runs if run.image]
    for run in known:
        if run.image != known[0].image:
            raise InputError(
                f"{run.name} is a run of another image than {known[0].name}; compare runs of the same image, and "
                "remove one of these."
            )
    for run, name in zip(runs, names, strict=True):
        if name not in _numbers(run.atoms):
            raise InputError(f"{run.name} has no numbers in {name or 'any column'}; choose another column.")
        if is_class(name) != is_class(names[0]):
            raise InputError(f"{name} of {run.name} and {names[0]} are classes and numbers; compare like with like.")
    return {
        called(run, name, names[0]): run.atoms.with_features(**{names[0]: run.atoms.features[name].to_numpy()})
        for run, name in zip(runs, names, strict=True)
    }, names[0]


def called(run: Run, column: str, first: str) -> str:
    """Name of a run, with its column if that is not the first run's."""
    return run.name if column == first or column in run.name else f"{run.name}, {column}"


def _numbers(atoms: Atoms) -> set[str]:
    kept = atoms.features.select_dtypes(["number", "bool"])
    return {str(name) for name in kept if name not in HIDDEN and kept[name].notna().any()}


def _is_study_run(folder: Path) -> bool:
    return (folder / "run.json").is_file() and (folder / "atoms.csv").is_file()


def _study_run(folder: Path) -> Run:
    try:
        return Run(folder.name, Atoms.from_frame(pd.read_csv(folder / "atoms.csv")), ClassStyles())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / 'atoms.csv'} cannot be read ({error}); choose the folder of a run.") from error

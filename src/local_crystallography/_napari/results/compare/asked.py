"""Request for a comparison, and its results; in any thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from local_crystallography._napari.results.compare.pictures import Pictures
from local_crystallography._napari.results.compare.runs import Run, aligned
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import writing
from local_crystallography.studies.comparison import Comparison, Pair, compare
from local_crystallography.views.greys import Colors

Bools = npt.NDArray[np.bool_]
DPI = 200


@dataclass(frozen=True)
class Asked:
    """Runs, the column common to them, the frame of maps, and which two runs are shown closer.

    `revision` is another one where names or colours of classes are others.
    """

    runs: tuple[Run, ...]
    column: str
    frame: int = 0
    pair: tuple[int, int] = (0, 1)
    revision: int = 0

    @property
    def image(self) -> str:
        """Mark of the image of the runs; "" where it is not known."""
        return next((run.image for run in self.runs if run.image), "")


@dataclass(frozen=True, eq=False)
class Shown:
    """A comparison, the two runs shown closer, the maps of all runs and last what the two differ in."""

    asked: Asked
    pictures: Pictures
    pair: Pair
    made: list[Colors]

    @property
    def comparison(self) -> Comparison:
        """The runs with the classes of the first one."""
        return self.pictures.comparison

    def rows_in(self, atoms: Atoms) -> npt.NDArray[np.int64] | None:
        """(n,) rows of the atoms of the pair in these; None where neither run is of them."""
        for run, rows in zip(self.pair.runs, self.pair.rows.T, strict=True):
            if (given := self.asked.runs[run].atoms) is atoms or given.same_atoms(atoms):
                return np.asarray(rows)
        return None

    def in_cell(self, first: int, second: int) -> Bools:
        """(n,) which atoms of the pair have these two classes."""
        found = [self.comparison.values[run][rows] for run, rows in zip(self.pair.runs, self.pair.rows.T, strict=True)]
        return np.asarray((found[0] == first) & (found[1] == second))


def shown_of(asked: Asked, earlier: Shown | None) -> Shown:
    """Compare, and draw; runs that are compared already are only drawn.

    Raises
    ------
    InputError
        For what cannot be compared.
    """
    if earlier is not None and (earlier.asked.runs, earlier.asked.column) == (asked.runs, asked.column):
        comparison = earlier.comparison
    else:
        comparison = compare(*aligned(asked.runs, asked.column))
    pair = next(each for each in comparison.pairs if each.runs == asked.pair)
    pictures = Pictures(comparison, asked.runs[0].styles, asked.frame)
    maps = [pictures.of_run(number) for number in range(len(comparison.names))]
    return Shown(asked, pictures, pair, [*maps, pictures.of_pair(pair)])


def pair_within(pair: tuple[int, int], count: int) -> tuple[int, int]:
    """The pair, or the first one where there are fewer runs by now."""
    return pair if max(pair) < count else (0, 1)


def at_frame(asked: Asked, frame: int) -> Asked:
    """The same with another frame of maps, where the runs have more than one."""
    several = any(len(run.atoms) and np.ptp(run.atoms.frame) > 0 for run in asked.runs)
    return replace(asked, frame=frame) if several else asked


def written_tables(shown: Shown, path: Path) -> str:
    """Write the agreement of pairs, and beside it the atoms of every pair; a sentence of what was written."""
    from local_crystallography.studies.comparison_tables import differences_table, pairs_table

    beside = path.with_name(f"{path.stem}_differences{path.suffix}")

    def write() -> None:
        for place, table in ((path, pairs_table(shown.comparison)), (beside, differences_table(shown.comparison))):
            table.to_csv(place, index=False, lineterminator="\n")

    return _written(write, path, f"Wrote {path.name} and {beside.name}.")


def written_figure(shown: Shown, path: Path) -> str:
    """Write the figure; a sentence of what was written."""
    from local_crystallography.report.comparison import comparison_figure

    def write() -> None:
        figure = comparison_figure(shown.comparison, shown.pictures.styles, shown.asked.frame)
        figure.savefig(path, dpi=DPI, facecolor="white")

    return _written(write, path, f"Wrote {path.name}.")


def _written(write: Callable[[], None], path: Path, words: str) -> str:
    with writing(path):
        write()
    return words

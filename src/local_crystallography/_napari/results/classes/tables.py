"""A report on classes as tables: numbers, symmetry, neighbours, and who looks like whom."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from local_crystallography._napari.results.classes.grid import Cell, Head
from local_crystallography.clustering.class_symmetry import ORDERS, Score, Symmetry
from local_crystallography.studies.classes import ClassEntry, ClassReport
from local_crystallography.views.greys import Floats
from local_crystallography.views.styles import ClassStyles

CHANCE = "Share of the class among all atoms that have one: what neighbours at random would be."
CEILING = (
    "What a perfectly symmetric picture with the noise of this one would score. Scores near it are as symmetric as "
    "can be told."
)
MIRROR = "Best of all mirror lines through the centre; the gain expected by chance from the search is subtracted."


class Table(NamedTuple):
    """Heads of the rows and columns, and the cells row by row."""

    rows: list[Head]
    columns: list[Head]
    cells: list[list[Cell]]


class Names:
    """Names and colours of the classes of a column."""

    def __init__(self, styles: ClassStyles, column: str) -> None:
        self._styles, self._column = styles, column

    def words(self, number: int) -> str:
        """What a class is called."""
        return self._styles.name(self._column, number)

    def bold(self, number: int) -> str:
        """What a class is called, for rich text."""
        return f"<b>{escape(self.words(number))}</b>"

    def heads(self, numbers: Sequence[int]) -> list[Head]:
        """Heads of rows or columns of classes."""
        return [Head(self.words(k), self._styles.colour(self._column, k), self.bold(k)) for k in numbers]


def numbers_table(report: ClassReport, names: Names) -> Table:
    """Certainty, and mean and spread of every latent."""
    columns = [
        Head("sub-im.", tip="Atoms of the class that have a sub-image; those too near an edge have none"),
        Head("certainty", tip="Mean probability of the label among the atoms of the class"),
    ]
    latents = len(report.classes[0].spread)
    about = "Mean of latent z{0} in the class, and ± its spread: the standard deviation within the class"
    columns += [Head(f"z{i}", tip=about.format(i)) for i in range(latents)]
    cells = [[*_counts(each), *(_latent(each, i) for i in range(latents))] for each in report.classes]
    return Table(names.heads(report.numbers), columns, cells)


def symmetry_table(report: ClassReport, names: Names, *, of_decoded: bool) -> Table:
    """Scores of every turn and of the best mirror, of the mean sub-images or of the decoded ones."""
    columns = [Head(f"{n}-fold", tip=_turn_words(n)) for n in ORDERS]
    columns += [Head("mirror", tip=MIRROR), Head("at", tip="Angle of that mirror line, counter-clockwise from x")]
    if not of_decoded:
        columns.append(Head("ceiling", tip=CEILING))
    cells = []
    for each in report.classes:
        symmetry = each.decoded_symmetry if of_decoded else each.symmetry
        assert symmetry is not None
        row = _symmetry_cells(symmetry, names.bold(each.picture.number))
        cells.append(row[:-1] if of_decoded else row)
    return Table(names.heads(report.numbers), columns, cells)


def neighbours_table(report: ClassReport, names: Names) -> Table:
    """Which classes lie beside which, and below what chance would give."""
    heads, numbers = names.heads(report.numbers), report.numbers
    shares = [each.picture.share for each in report.classes]
    cells = []
    for i, one in enumerate(numbers):
        row = []
        for j, other in enumerate(numbers):
            value = float(report.neighbours[i, j])
            said = f"{_percent(value)} of the neighbours of {names.bold(one)} are {names.bold(other)}"
            row.append(Cell(_percent(value), share=value, tip=f"{said}; at random it would be {_percent(shares[j])}."))
        cells.append(row)
    cells.append([Cell(_percent(share), share=share, tip=CHANCE) for share in shares])
    return Table([*heads, Head("all atoms", tip=CHANCE)], heads, cells)


def pairs_table(report: ClassReport, names: Names, *, mirrored: bool, of_decoded: bool) -> Table:
    """How alike the pictures of classes are at the best of all turns, without or with a mirror."""
    pairs = report.decoded_pairs if of_decoded else report.pairs
    assert pairs is not None
    kind = (pairs.mirrored, pairs.mirrored_error, pairs.mirror_angle)
    value, error, angle = kind if mirrored else (pairs.turned, pairs.turned_error, pairs.turn_angle)
    cells = []
    for i, one in enumerate(report.numbers):
        row = []
        for j, other in enumerate(report.numbers):
            if i == j and not mirrored:
                row.append(Cell("", tip="A class is like itself"))
                continue
            score = Score(float(value[i, j]), float(error[i, j]))
            way = f"mirrored at {_degrees(angle[i, j])}" if mirrored else f"turned by {_degrees(angle[i, j])}"
            tip = f"{names.bold(one)} against {names.bold(other)} {way}: {_long(score)}"
            row.append(_scored(score, tip))
        cells.append(row)
    heads = names.heads(report.numbers)
    return Table(heads, heads, cells)


def number_words(value: float, digits: int) -> str:
    """A number without a negative zero; a dash where there is none."""
    if not np.isfinite(value):
        return "–"
    return f"{round(float(value), digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _counts(entry: ClassEntry) -> list[Cell]:
    certain = entry.probability
    said = "not known" if np.isnan(certain) else f"{certain:.4f}"
    return [
        Cell(f"{entry.windows:,}", tip=f"{entry.windows:,} of {entry.picture.count:,} atoms have a sub-image"),
        Cell(number_words(certain, 3), share=certain, tip=f"Mean probability of the label: {said}"),
    ]


def _latent(entry: ClassEntry, number: int) -> Cell:
    middle, spread = (float(each[number]) for each in (entry.picture.centroid, entry.spread))
    words = f"z{number}: {number_words(middle, 4)}, spread {number_words(spread, 4)}"
    below = f"± {number_words(spread, 2)}" if np.isfinite(spread) else ""
    return Cell(number_words(middle, 2), below, tip=words)


def _symmetry_cells(symmetry: Symmetry, name: str) -> list[Cell]:
    cells = []
    for n in ORDERS:
        score = symmetry.turns[n]
        tip = f"{name} against itself turned by {360 // n}°: {_long(score)}"
        cells.append(_scored(score, tip + _of_ceiling(symmetry)))
    angle = _degrees(symmetry.mirror_angle)
    tip = f"{name} against its mirror image at {angle}: {_long(symmetry.mirror)}"
    cells.append(_scored(symmetry.mirror, tip + _of_ceiling(symmetry)))
    cells.append(Cell(angle, tip=f"Best mirror line of {name}: {angle} from x, counter-clockwise as displayed"))
    ceiling = f"{name}: {CEILING}"
    return [*cells, Cell(number_words(symmetry.ceiling, 2), share=symmetry.ceiling, tip=ceiling)]


def _of_ceiling(symmetry: Symmetry) -> str:
    return f"; at most {symmetry.ceiling:.3f} with this noise" if np.isfinite(symmetry.ceiling) else ""


def _scored(score: Score, tip: str) -> Cell:
    """A score with its error below it, where it has one."""
    below = ""
    if np.isfinite(score.error):
        below = "<.001" if score.error < 0.0005 else f"±{score.error:.3f}".replace("0.", ".", 1)
    return Cell(number_words(score.value, 2), below, score.value, tip)


def _long(score: Score) -> str:
    error = f" ± {score.error:.4f}" if np.isfinite(score.error) else ""
    return f"{number_words(score.value, 4)}{error}"


def _turn_words(n: int) -> str:
    centre = ": the centrosymmetry" if n == 2 else ""
    return f"The picture against itself turned by {360 // n}°{centre}. 1 is perfect, 0 is none."


def _degrees(angle: float | Floats) -> str:
    words = number_words(float(np.degrees(angle)), 0)
    return words if words == "–" else f"{words}°"


def _percent(share: float) -> str:
    return "–" if not np.isfinite(share) else f"{100 * share:.0f}%"

"""A report on classes as tables: numbers, neighbours, symmetry, and how alike the classes are."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from qtpy import QtWidgets

from local_crystallography._napari.results.classes.grid import Cell, ColourGrid, Head
from local_crystallography._napari.widgets.pictures import faint
from local_crystallography.clustering.class_symmetry import ORDERS, Score, Symmetry
from local_crystallography.studies.classes import ClassEntry, ClassReport
from local_crystallography.views.greys import Floats
from local_crystallography.views.styles import ClassStyles

MEAN, DECODED = "mean sub-images", "decoded images"
TIPS = {
    MEAN: "Averaged from the image, with standard errors; motifs in different orientations blur it",
    DECODED: "Decoded by the network at the mean latents: the motif in the orientation of the network, without noise",
}
CHANCE = "Share of the class among all classified atoms: what random neighbours would give."
CEILING = (
    "Score of a perfectly symmetric picture with the noise of this one. A score near it is indistinguishable from "
    "perfect symmetry."
)
MIRROR = "Best of all mirror lines through the centre; the gain expected by chance from the search is subtracted."


class Section(NamedTuple):
    """Title of a table, the line below it, and its tooltip."""

    title: str
    note: str
    tip: str


SECTIONS = {
    "numbers": Section(
        "In numbers",
        "Mean ± spread (standard deviation) within the class.",
        "Point at a cell to read all its digits.",
    ),
    "neighbours": Section(
        "Neighbours",
        "Of the nearest neighbours of the row's class, the share that is of the column's class.",
        "Neighbours are all atoms up to the first gap in distance. The last row is what chance would give.",
    ),
    "symmetry": Section(
        "Symmetry",
        "Each picture against itself rotated or mirrored: 1 is perfect, 0 is none; ± one standard error.",
        "Correlation within the inscribed disc, mean removed. Rotated by 360° / n; 2-fold is the centrosymmetry. The "
        "ceiling is the score of a perfectly symmetric picture with this noise. Standard errors come from random "
        "halves of the class.",
    ),
    "turned": Section(
        "Alike when rotated",
        "The row's class against the column's class, at the best rotation.",
        "Correlation within the inscribed disc. The gain expected by chance from searching for the best rotation is "
        "subtracted.",
    ),
    "mirrored": Section(
        "Alike when mirrored",
        "The same with a mirror. Higher than without: mirror images of each other. Diagonal: own best mirror.",
        "Two classes are a mirror pair where this is near 1 and clearly above Alike when rotated; classes with a "
        "mirror of their own score alike in both.",
    ),
}


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
        """Name of a class."""
        return self._styles.name(self._column, number)

    def bold(self, number: int) -> str:
        """Name of a class in rich text."""
        return f"<b>{escape(self.words(number))}</b>"

    def heads(self, numbers: Sequence[int]) -> list[Head]:
        """Heads of rows or columns of classes."""
        return [Head(self.words(k), self._styles.colour(self._column, k), self.bold(k)) for k in numbers]


class Sections(QtWidgets.QWidget):  # type: ignore[misc]
    """The tables below each other; scores are those of the mean sub-images or of the decoded images."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.grids = {name: ColourGrid() for name in SECTIONS}
        self.parts: dict[str, QtWidgets.QWidget] = {}
        self.pictures = QtWidgets.QComboBox()
        self._shown: tuple[ClassReport, Names] | None = None
        self._lay_out()
        self.pictures.currentIndexChanged.connect(lambda _: self._fill())

    def show_report(self, report: ClassReport, names: Names) -> None:
        """Show a report, with the names and colours of its classes."""
        self._shown = report, names
        decoded = report.decoded_pairs is not None
        self.pictures.setVisible(decoded)
        if not decoded:
            self.pictures.setCurrentText(MEAN)
        self._fill()

    def _lay_out(self) -> None:
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        self.pictures.addItems((MEAN, DECODED))
        self.pictures.setToolTip("<qt>Pictures that are scored. " + "; ".join(TIPS.values()) + ".</qt>")
        for name, grid in self.grids.items():
            part = self.parts[name] = QtWidgets.QWidget()
            inside, head = QtWidgets.QVBoxLayout(part), QtWidgets.QHBoxLayout()
            inside.setContentsMargins(0, 0, 0, 0)
            inside.setSpacing(2)
            title = QtWidgets.QLabel(f"<b>{SECTIONS[name].title}</b>")
            note = QtWidgets.QLabel(faint(SECTIONS[name].note), wordWrap=True)
            for label in (title, note):
                label.setToolTip(f"<qt>{SECTIONS[name].tip}</qt>")
            head.addWidget(title, stretch=1)
            if name == "symmetry":
                head.addWidget(self.pictures)
            inside.addLayout(head)
            inside.addWidget(grid)
            inside.addWidget(note)
            layout.addWidget(part)

    def _fill(self) -> None:
        if self._shown is None:
            return
        for name, table in self._tables(*self._shown).items():
            self.parts[name].setVisible(table is not None)
            if table is not None:
                self.grids[name].show_cells(*table)

    def _tables(self, report: ClassReport, names: Names) -> dict[str, Table | None]:
        decoded = self.pictures.currentText() == DECODED and report.decoded_pairs is not None
        several = len(report.classes) > 1
        return {
            "numbers": numbers_table(report, names),
            "neighbours": neighbours_table(report, names) if several else None,
            "symmetry": symmetry_table(report, names, of_decoded=decoded),
            "turned": pairs_table(report, names, mirrored=False, of_decoded=decoded) if several else None,
            "mirrored": pairs_table(report, names, mirrored=True, of_decoded=decoded) if several else None,
        }


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
    """Scores of every rotation and of the best mirror, of the mean sub-images or of the decoded ones."""
    columns = [Head(f"{n}-fold", tip=_rotation_words(n)) for n in ORDERS]
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
    """Shares of the classes among the neighbours of every class, and below them what chance would give."""
    heads, numbers = names.heads(report.numbers), report.numbers
    shares = [each.picture.share for each in report.classes]
    cells = []
    for i, one in enumerate(numbers):
        row = []
        for j, other in enumerate(numbers):
            value = float(report.neighbours[i, j])
            words = f"{_percent(value)} of the neighbours of {names.bold(one)} are {names.bold(other)}"
            row.append(Cell(_percent(value), share=value, tip=f"{words}; at random it would be {_percent(shares[j])}."))
        cells.append(row)
    cells.append([Cell(_percent(share), share=share, tip=CHANCE) for share in shares])
    return Table([*heads, Head("all atoms", tip=CHANCE)], heads, cells)


def pairs_table(report: ClassReport, names: Names, *, mirrored: bool, of_decoded: bool) -> Table:
    """How alike the pictures of classes are at the best rotation, without or with a mirror."""
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
            way = f"mirrored at {_degrees(angle[i, j])}" if mirrored else f"rotated by {_degrees(angle[i, j])}"
            tip = f"{names.bold(one)} against {names.bold(other)} {way}: {_in_full(score)}"
            row.append(_scored(score, tip))
        cells.append(row)
    heads = names.heads(report.numbers)
    return Table(heads, heads, cells)


def number_words(value: float, digits: int) -> str:
    """A number without a negative zero; a dash where it is unknown."""
    if not np.isfinite(value):
        return "–"
    return f"{round(float(value), digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _counts(entry: ClassEntry) -> list[Cell]:
    certain = entry.probability
    words = "unknown" if np.isnan(certain) else f"{certain:.4f}"
    return [
        Cell(f"{entry.windows:,}", tip=f"{entry.windows:,} of {entry.picture.count:,} atoms have a sub-image"),
        Cell(number_words(certain, 3), share=certain, tip=f"Mean probability of the label: {words}"),
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
        tip = f"{name} against itself rotated by {360 // n}°: {_in_full(score)}"
        cells.append(_scored(score, tip + _of_ceiling(symmetry)))
    angle = _degrees(symmetry.mirror_angle)
    tip = f"{name} against its mirror image at {angle}: {_in_full(symmetry.mirror)}"
    cells.append(_scored(symmetry.mirror, tip + _of_ceiling(symmetry)))
    cells.append(Cell(angle, tip=f"Best mirror line of {name}: {angle} from x, counter-clockwise as displayed"))
    ceiling = f"{name}: {CEILING}"
    return [*cells, Cell(number_words(symmetry.ceiling, 2), share=symmetry.ceiling, tip=ceiling)]


def _of_ceiling(symmetry: Symmetry) -> str:
    return f"; at most {symmetry.ceiling:.3f} with this noise" if np.isfinite(symmetry.ceiling) else ""


def _scored(score: Score, tip: str) -> Cell:
    """A score with its standard error below it, if it has one."""
    below = ""
    if np.isfinite(score.error):
        below = "<.001" if score.error < 0.0005 else f"±{score.error:.3f}".replace("0.", ".", 1)
    return Cell(number_words(score.value, 2), below, score.value, tip)


def _in_full(score: Score) -> str:
    error = f" ± {score.error:.4f}" if np.isfinite(score.error) else ""
    return f"{number_words(score.value, 4)}{error}"


def _rotation_words(n: int) -> str:
    centre = ": the centrosymmetry" if n == 2 else ""
    return f"The picture against itself rotated by {360 // n}°{centre}. 1 is perfect, 0 is none."


def _degrees(angle: float | Floats) -> str:
    words = number_words(float(np.degrees(angle)), 0)
    return words if words == "–" else f"{words}°"


def _percent(share: float) -> str:
    return "–" if not np.isfinite(share) else f"{100 * share:.0f}%"

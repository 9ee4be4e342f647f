"""Tables and legends of a comparison in rich text."""

from __future__ import annotations

from html import escape

import numpy as np

from local_crystallography._napari.results.compare.pictures import (
    DIFFERS,
    ONLY_ONE,
    SAME,
    Pictures,
    bar,
    difference_look,
    shown_number,
)
from local_crystallography._napari.widgets.pictures import rich_table, swatch
from local_crystallography.studies.comparison import Agreement, Comparison, Correlation, Pair
from local_crystallography.studies.comparison_tables import scores
from local_crystallography.views.axis import axis_of
from local_crystallography.views.greys import Colors
from local_crystallography.views.styles import ClassStyles

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Short names of runs."""
SHADE = "#2a95ff"
LONGEST = 14
"""Most letters of the name of a class in a table."""
DIFFERENCE = ((DIFFERS, "differs"), (ONLY_ONE, "in one run only"), (SAME, "the same"))
"""Colours of the map of differences."""


def letter(number: int) -> str:
    """Letter of a run, by its index."""
    return LETTERS[number] if number < len(LETTERS) else str(number + 1)


def counts_table(comparison: Comparison, styles: ClassStyles) -> str:
    """Atoms of every class in every run."""
    numbers = np.unique(np.concatenate(comparison.values)).astype(int).tolist()
    head = ["", *(letter(run) for run in range(len(comparison.names)))]
    rows = [
        [class_words(comparison.column, number, styles)]
        + [f"{np.count_nonzero(values == number):,}" for values in comparison.values]
        for number in numbers
    ]
    return rich_table(head, rows)


def scores_table(comparison: Comparison, shown: Pair) -> str:
    """Adjusted Rand index or correlation of every pair of runs, a link to the pair; bold for the pair shown."""
    matrix, count = scores(comparison), len(comparison.names)
    rows = []
    for i in range(count):
        cells = [letter(i)]
        for j in range(count):
            words = f"{matrix[i, j]:.2f}" if i != j else "·"
            words = f"<b>{words}</b>" if {i, j} == set(shown.runs) else words
            cells.append(words if i == j else link(f"pair {min(i, j)} {max(i, j)}", words))
        rows.append(cells)
    what = "Adjusted Rand index of pairs" if comparison.of_classes else "Correlation of pairs"
    return f"{what}:{rich_table(['', *map(letter, range(count))], rows)}"


def pair_words(comparison: Comparison, pair: Pair) -> str:
    """Agreement of two runs."""
    found, both = pair.found, f"{len(pair.rows):,} atoms ({pair.share:.1%} in both)"
    if isinstance(found, Agreement):
        words = (
            f"Adjusted Rand <b>{found.adjusted_rand:.3f}</b>, Rand {found.rand:.3f}, same class {found.same:.1%}.<br>"
            f"<b>{np.count_nonzero(found.differ):,}</b> of {both} differ."
        )
    else:
        title = axis_of(comparison.column).title
        words = f"{title}: {correlation_words(found, comparison.column)}<br>{both}."
    others = {name: each for name, each in pair.beside.items() if name != comparison.column}
    beside = [f"{axis_of(name).title}: {correlation_words(each, name)}" for name, each in others.items()]
    return "<br>".join([words, *beside])


def correlation_words(found: Correlation, column: str) -> str:
    """Correlation and offset of a column."""
    if not np.isfinite(found.value):
        return "no correlation (constant or unknown)."
    round_words = "circular r" if found.period is not None else "r"
    return f"{round_words} = <b>{found.value:.3f}</b>, offset {shown_number(found.offset, column)}."


def classes_table(comparison: Comparison, pair: Pair, styles: ClassStyles) -> str:
    """Contingency table of the classes of two runs; each count is a link that selects its atoms."""
    assert isinstance(pair.found, Agreement)
    (rows, columns), table = pair.found.numbers, pair.found.table
    first, second = (letter(run) for run in pair.runs)
    heads = [swatch(styles.colour(comparison.column, int(k))) + f" {_brief(int(k))}" for k in columns]
    cells = []
    for row, number in enumerate(rows):
        words = [class_words(comparison.column, int(number), styles)]
        for column, count in enumerate(table[row]):
            given = link(f"cell {number} {columns[column]}", f"{count:,}") if count else "<span>·</span>"
            words.append(f"<b>{given}</b>" if number == columns[column] else given)
        cells.append(words)
    return rich_table([f"{first} ↓ {second} →", *heads], cells)


def class_words(column: str, number: int, styles: ClassStyles) -> str:
    """Colour and name of a class."""
    name = styles.name(column, number)
    name = name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
    return f"{swatch(styles.colour(column, number))}&nbsp;{escape(name)}"


def link(target: str, words: str) -> str:
    """Words that can be clicked."""
    return f'<a href="{target}" style="color: {SHADE}; text-decoration: none">{words}</a>'


def runs_legend(pictures: Pictures) -> str:
    """Legend of the maps of runs."""
    comparison, column = pictures.comparison, pictures.comparison.column
    if comparison.of_classes:
        numbers = np.unique(np.concatenate(comparison.values)).astype(int).tolist()
        return "<br>".join(class_words(column, number, pictures.styles) for number in numbers)
    colormap, (low, high) = pictures.look
    return (
        f"{axis_of(column).title}<br>{_ramp(colormap)}<br>{shown_number(low, column)} to {shown_number(high, column)}"
    )


def pair_legend(pictures: Pictures, pair: Pair) -> str:
    """Legend of the map of differences."""
    red, blue, grey = (f"{swatch(_hex(ink))}&nbsp;{words}" for ink, words in DIFFERENCE)
    if not isinstance(pair.found, Correlation):
        return "<br>".join([red, *([blue] if pair.share < 1 else []), grey])
    column, (apart, reach) = pictures.comparison.column, difference_look(pair.found)
    less = ",<br>mean subtracted" if pair.found.period is not None else ""
    ends = f"{shown_number(-reach, column)} to {shown_number(reach, column)}"
    alone = f"<br>{blue}" if pair.share < 1 else ""
    return f"Differences{less}<br>{_ramp(apart)}<br>{ends}{alone}"


def _hex(colour: Colors) -> str:
    """A (4,) colour as #rrggbb."""
    return "#" + colour[:3].tobytes().hex()


def _ramp(colormap: str) -> str:
    """The colours of a scale as a row of patches."""
    colours = [_hex(each) for each in bar(colormap)[0, ::4]]
    return "".join(f'<span style="background-color: {each}">&nbsp;</span>' for each in colours)


def _brief(number: int) -> str:
    return "–" if number < 0 else str(number)

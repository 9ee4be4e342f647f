"""Tables of a comparison in rich text: counts of classes, agreement of pairs, one run's classes against another's."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from local_crystallography._napari.results.compare.pictures import shown_number
from local_crystallography._napari.widgets.pictures import swatch
from local_crystallography.studies.comparison import Agreement, Comparison, Correlation, Pair
from local_crystallography.studies.comparison_tables import scores
from local_crystallography.views.axis import axis_of
from local_crystallography.views.styles import ClassStyles

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What runs are called where there is little room."""
SHADE = "#2a95ff"
LONGEST = 14
"""Most letters of the name of a class in a table."""
CELL = "style='padding: 1px 5px; white-space: nowrap'"


def letter(number: int) -> str:
    """Of a run, by its place."""
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
    return _table(head, rows)


def scores_table(comparison: Comparison, shown: Pair) -> str:
    """Adjusted Rand index or correlation of every pair of runs; each is a link to its pair, the one shown is bold."""
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
    return f"{what}:{_table(['', *map(letter, range(count))], rows)}"


def pair_words(comparison: Comparison, pair: Pair) -> str:
    """How far two runs agree."""
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
        return "no correlation, constant or unknown."
    round_words = "circular r" if found.period is not None else "r"
    return f"{round_words} = <b>{found.value:.3f}</b>, offset {shown_number(found.offset, column)}."


def classes_table(comparison: Comparison, pair: Pair, styles: ClassStyles) -> str:
    """Atoms of each class of one run and of the other; each count is a link that selects its atoms."""
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
    return _table([f"{first} ↓ {second} →", *heads], cells)


def class_words(column: str, number: int, styles: ClassStyles) -> str:
    """Colour and name of a class."""
    name = styles.name(column, number)
    name = name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
    return f"{swatch(styles.colour(column, number))}&nbsp;{escape(name)}"


def link(target: str, words: str) -> str:
    """Words that can be clicked."""
    return f'<a href="{target}" style="color: {SHADE}; text-decoration: none">{words}</a>'


def _brief(number: int) -> str:
    return "–" if number < 0 else str(number)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th align={'right' if place else 'left'} {CELL}>{each}</th>" for place, each in enumerate(head))
    body = "".join(
        "<tr>"
        + "".join(f"<td align={'right' if place else 'left'} {CELL}>{cell}</td>" for place, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f"<table cellspacing=0 cellpadding=2><tr>{top}</tr>{body}</table>"

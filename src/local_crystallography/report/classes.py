"""Report section on the classes: mean images, statistics, symmetry, neighbours and similarity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from local_crystallography.clustering.class_symmetry import Score, Symmetry
from local_crystallography.data.atoms import Atoms
from local_crystallography.report.page import figure, grid, swatch
from local_crystallography.steps.cluster import Cluster
from local_crystallography.studies.classes import ClassEntry, ClassReport, class_report
from local_crystallography.views import small_map
from local_crystallography.views.greys import Colors, Floats, Limits, grey, grey_limits
from local_crystallography.views.manifold import labels_of
from local_crystallography.views.styles import ClassStyles

if TYPE_CHECKING:
    from local_crystallography.analysis import Analysis
    from local_crystallography.steps.cluster import Reasons

MOST_CLASSES = 12
"""Largest number of classes shown."""
DARKEST = (42, 111, 181)
"""Red, green and blue of a cell whose value is 1."""
LIT = 0.55
"""Cells above this value have white text."""
PICTURES = "Mean of the sub-images as cut, image decoded at the mean latents, and location of the class."
NEIGHBOURS = (
    "Share of the nearest neighbours of atoms in the row's class, up to the first gap in distance, that are in the "
    "column's class; last row: share of each class among all atoms, as expected for a random arrangement."
)
SCORES = (
    "Correlation of an image with its transformed copy within the inscribed disc, mean removed: 1 is perfect symmetry, "
    "0 none. Centre: rotated by 180°; n-fold: rotated by 360° / n; mirror: at the best of all angles, "
    "counter-clockwise from x. ± is the standard error from random halves of the class; the ceiling is the score of a "
    "perfectly symmetric image with this noise. If motifs are rotated against each other, the mean of the class is "
    "blurred, but not the decoded image."
)
SIMILARITY = (
    "Correlation of the mean sub-images of two classes at the best rotation, without and with mirroring. Motifs that "
    "are mirror images of each other, but not rotated copies, score higher with it; if a motif has a mirror line, both "
    "scores are equal. Diagonal: the best mirror line of the class itself."
)
CRITERION = (
    "Bayesian information criterion (BIC) and integrated completed likelihood (ICL), minus the lowest value, which is "
    "best."
)
PAIRS = (
    "Neighbouring components of the mixture, in the order in which they were compared. They are merged into one class "
    "if the density has no valley between them, unless their atoms alternate or fill separate regions, and if their "
    "mean sub-images are rotated copies of each other."
)
NUMBERS = "Spread: standard deviation within the class. Certainty: mean probability of the label."


def class_section(analysis: Analysis) -> str:
    """HTML for the report; empty without classes or sub-images."""
    atoms, sub_images, image = analysis.atoms, analysis.sub_images, analysis.image
    labels = labels_of(atoms)
    if atoms is None or sub_images is None or labels is None or not (labels >= 0).any():
        return ""
    channels = range(sub_images.channels)
    reports = [class_report(atoms, sub_images, analysis.vae, channel=channel) for channel in channels]
    limits = [grey_limits(sub_images, channel) for channel in channels]
    tables = class_tables(reports[0], analysis.styles, first_of_several=len(reports) > 1)
    maps = {} if image is None else class_maps(atoms, labels, image.shape, analysis.styles)
    step = analysis.last(Cluster) or Cluster()
    directions = step.directions if "angle_rad" in atoms.features else None
    return class_pictures_grid(reports, limits, analysis.styles, maps, directions) + tables


def reasons_section(reasons: Reasons | None) -> str:
    """HTML on the choice of classes: BIC and ICL, and the decision on each pair; empty if unknown."""
    if reasons is None:
        return ""
    from local_crystallography.report.figures import criterion_figure

    curve = figure(criterion_figure(reasons.curve), CRITERION, "BIC and ICL against the number of components")
    decisions = "".join(f"<li>{escape(pair.words)}</li>" for pair in reasons.pairs)
    return (
        f"<h3>Why these classes</h3>{grid('two', [curve])}"
        + (f"<ul>{decisions}</ul>" if decisions else "")
        + _note(PAIRS)
    )


def class_maps(
    atoms: Atoms, labels: npt.NDArray[np.int64], shape: tuple[int, int], styles: ClassStyles
) -> dict[int, Colors]:
    """Map of every class of the labels (N,) in the first frame of an image of this shape, by class number."""
    rows = small_map.nearest_rows(atoms, labels >= 0, shape)
    numbers = np.unique(labels[labels >= 0]).tolist()
    return {each: small_map.of_class(rows, labels, each, styles.colour("label", each)) for each in numbers}


def class_pictures_grid(
    reports: list[ClassReport],
    limits: list[Limits],
    styles: ClassStyles,
    maps: Mapping[int, Colors],
    directions: tuple[int, ...] | None = None,
) -> str:
    """Mean sub-image and decoded image of every class, channel by channel, and a map of its location.

    A line in the decoded image shows the direction, in degrees by class, from which angles are measured; None: no line.
    """
    from local_crystallography.report.figures import tile_figure

    figures = []
    for each in zip(*(report.classes[:MOST_CLASSES] for report in reports), strict=True):
        picture = each[0].picture
        caption = f"{swatch(styles, picture.number)} · {picture.count:,} atoms · {100 * picture.share:.1f} %"
        means = [entry.picture.mean for entry in each]
        figures += _tiles(means, limits, caption, f"Mean sub-image of class {picture.number}")
        decoded = [entry.decoded for entry in each if entry.decoded is not None]
        if decoded:
            caption = f"{swatch(styles, picture.number)} · decoded"
            words = f"Decoded image of class {picture.number}"
            if directions is None:
                figures += _tiles(decoded, limits, caption, words)
            else:
                degrees = directions[picture.number] if picture.number < len(directions) else 0
                seen = [small_map.of_height(grey(one, each)) for one, each in zip(decoded, limits, strict=True)]
                lined = [small_map.with_direction(one, np.radians(degrees)).astype(float) / 255 for one in seen]
                figures += _tiles(lined, limits, f"{caption}, angles from {degrees}°", words)
        if picture.number in maps:
            tile, caption = tile_figure(maps[picture.number], (0, 1)), f"{swatch(styles, picture.number)} · location"
            figures.append(figure(tile, caption, f"Map of class {picture.number}"))
    return grid("six", figures) + _note(PICTURES)


def class_tables(report: ClassReport, styles: ClassStyles, *, first_of_several: bool = False) -> str:
    """The numbers of a class report, as HTML tables."""
    entries = report.classes[:MOST_CLASSES]
    channel = " First channel." if first_of_several else ""
    parts = [_part("Statistics", _numbers(entries, styles)), _note(NUMBERS)]
    parts.append(_part("Symmetry of the mean sub-images", _symmetries(entries, "symmetry", styles)))
    if entries[0].decoded_symmetry is not None:
        parts.append(_part("Symmetry of the decoded images", _symmetries(entries, "decoded_symmetry", styles)))
    parts += [_note(SCORES + channel), _neighbours(report, entries, styles), _note(NEIGHBOURS)]
    if len(entries) > 1:
        parts += [_similarity(report, entries, styles), _note(SIMILARITY + channel)]
    if left_out := len(report.classes) - len(entries):
        parts.append(_note(f"{left_out} more {'class is' if left_out == 1 else 'classes are'} not shown."))
    return "\n".join(parts)


def colour_grid(values: Floats, heads: list[str], *, errors: Floats | None = None, below: Floats | None = None) -> str:
    """A table (k, k) of class against class, darker for values near 1; `below` (k,) is a separate last row."""
    head = "".join(f"<th>{each}</th>" for each in heads)
    rows = []
    for i, each in enumerate(heads):
        cells = "".join(_cell(values[i, j], None if errors is None else errors[i, j]) for j in range(len(heads)))
        rows.append(f"<tr><th>{each}</th>{cells}</tr>")
    if below is not None:
        rows.append(f"<tr><th>all</th>{''.join(_cell(value) for value in below)}</tr>")
    return f'<table style="width: auto"><tr><th></th>{head}</tr>{"".join(rows)}</table>'


def channel_words(number: int, count: int) -> str:
    """Number of the channel for a caption, if there are several."""
    return f" · channel {number + 1}" if count > 1 else ""


def _tiles(pictures: Sequence[Floats], limits: list[Limits], caption: str, words: str) -> list[str]:
    """A small image of every channel."""
    from local_crystallography.report.figures import tile_figure

    tiles = [tile_figure(picture, each) for picture, each in zip(pictures, limits, strict=True)]
    return [figure(tile, caption + channel_words(i, len(tiles)), words) for i, tile in enumerate(tiles)]


def _numbers(entries: tuple[ClassEntry, ...], styles: ClassStyles) -> str:
    """Counts, shares, certainty, and mean and spread of every latent."""
    latents = range(len(entries[0].spread))
    head = ["Class", "Atoms", "Share", "Sub-images", "Certainty", *(f"z{i}, spread" for i in latents)]
    rows = []
    for entry in entries:
        picture = entry.picture
        latent = [f"{_number(picture.centroid[i], 2)}, {_number(entry.spread[i], 2)}" for i in latents]
        certain = _number(entry.probability, 3)
        cells = [f"{picture.count:,}", f"{100 * picture.share:.1f} %", f"{entry.windows:,}", certain, *latent]
        rows.append([swatch(styles, picture.number), *cells])
    return _table(head, rows)


def _symmetries(entries: tuple[ClassEntry, ...], kind: str, styles: ClassStyles) -> str:
    """Scores of every class; `kind` is the attribute that holds them."""
    found: list[tuple[int, Symmetry | None]] = [(entry.picture.number, getattr(entry, kind)) for entry in entries]
    rows = []
    for number, symmetry in found:
        if symmetry is not None:
            scores = [_score(symmetry.centre), *(_score(symmetry.turns[n]) for n in (3, 4, 6))]
            angle = _number(float(np.degrees(symmetry.mirror_angle)), 0)
            ceiling = _number(symmetry.ceiling, 3)
            rows.append([swatch(styles, number), *scores, f"{_score(symmetry.mirror)} at {angle}°", ceiling])
    return _table(["Class", "Centre", "3-fold", "4-fold", "6-fold", "Best mirror", "Ceiling"], rows)


def _neighbours(report: ClassReport, entries: tuple[ClassEntry, ...], styles: ClassStyles) -> str:
    k, heads = len(entries), [swatch(styles, entry.picture.number) for entry in entries]
    shares = np.array([entry.picture.share for entry in entries])
    return _part("Neighbours", colour_grid(report.neighbours[:k, :k], heads, below=shares))


def _similarity(report: ClassReport, entries: tuple[ClassEntry, ...], styles: ClassStyles) -> str:
    """Similarity of every pair of classes under rotation, and with mirroring."""
    k, pairs = len(entries), report.pairs
    heads = [swatch(styles, entry.picture.number) for entry in entries]
    rotated = np.where(np.eye(k, dtype=bool), np.nan, pairs.turned[:k, :k])  # a class equals itself
    beside = [
        _part("Similarity under rotation", colour_grid(rotated, heads, errors=pairs.turned_error[:k, :k])),
        _part(
            "Similarity under rotation and mirroring",
            colour_grid(pairs.mirrored[:k, :k], heads, errors=pairs.mirrored_error[:k, :k]),
        ),
    ]
    return f'<div style="display: flex; flex-wrap: wrap; gap: 0 40px">{"".join(beside)}</div>'


def _table(head: list[str], rows: list[list[str]]) -> str:
    titles = "".join(f"<th>{title}</th>" for title in head)
    body = "".join("<tr>" + "".join(f'<td class="value">{cell}</td>' for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{titles}</tr>{body}</table>"


def _cell(value: float, error: float | None = None) -> str:
    """A cell between white and the darkest colour; uncoloured without a value."""
    words = _score(Score(value, error)) if error is not None else _number(value, 2)
    if not np.isfinite(value):
        return '<td style="padding: 4px 10px">–</td>'
    red, green, blue = _mixed(float(np.clip(value, 0, 1)))
    ink = "#fff" if value > LIT else "#1c2330"
    style = f"background: rgb({red} {green} {blue}); color: {ink}; padding: 4px 10px; print-color-adjust: exact"
    return f'<td class="value" style="{style}">{words}</td>'


def _mixed(share: float) -> npt.NDArray[np.int64]:
    return np.rint(255 + share * (np.array(DARKEST) - 255)).astype(np.int64)


def _score(score: Score) -> str:
    """A score, with its error if it has one."""
    if not np.isfinite(score.error):
        return _number(score.value, 3)
    error = "&lt;0.001" if score.error < 0.0005 else f"{score.error:.3f}"
    return f"{_number(score.value, 3)} ± {error}"


def _number(value: float, digits: int) -> str:
    """A number without negative zero; a dash for NaN."""
    if not np.isfinite(value):
        return "–"
    return f"{round(float(value), digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _part(title: str, content: str) -> str:
    return f"<div><h3>{title}</h3>{content}</div>"


def _note(words: str) -> str:
    return f'<p class="note">{words}</p>'

"""What one is looking at: for every plot and map a line on its axes and colours, what to look for and what to doubt."""

from __future__ import annotations

import re

from local_crystallography.data.columns import without_std
from local_crystallography.steps.catalog import columns

STRIPES = "do not believe stripes along the scan, or changes at the edge of the image"

MAPS: dict[str, str] = {
    "label": (
        "Colour: class of each atom by its surroundings. Look for phases, boundaries and odd single atoms; do not "
        "believe classes that only follow brightness, thickness or the edge."
    ),
    "hand_label": "Colour: classes that you gave by hand; grey atoms have none.",
    "pixel_label": (
        "Colour: class by the pixels themselves. Look for phases; do not believe it where one motif occurs in several "
        "orientations, each of which becomes a class."
    ),
    "environment": (
        "Colour: interior, boundary, edge or defect. Look for closed lines of boundary; do not believe defects where "
        "atoms are missing from the table."
    ),
    "borders_label": (
        "Colour: class on the other side of a boundary. Look for sides of a wall that differ; it says nothing away "
        "from boundaries."
    ),
    r"z\d+|c\d+": (
        "Colour: a latent, what varies beside rotation and offset; no unit, and its sign means nothing. Look for "
        "steps and domains; do not believe slow changes with thickness, or compare numbers of two trainings."
    ),
    r"(class_)?(pca|nmf|ica|fft)\d+|zernike.*": (
        "Colour: score of a component of the sub-images. Look for regions; do not believe it as a property of the "
        "motif where orientations differ or brightness drifts."
    ),
    r"fold_\d+": (
        "Colour: share of this rotational symmetry around the atom, 1 for a perfect one. Look for sites that differ; "
        "noise lowers it everywhere."
    ),
    "angle_rad": (
        "Colour: rotation of the motif, a cyclic scale. Look for grains of one colour; do not believe it for motifs "
        "that look the same however rotated, where it is noise."
    ),
    "offset_[yx]_px": (
        "Colour: position of the motif in its window. Look for domains that shift; do not believe offsets that follow "
        "brightness, or stripes along the scan."
    ),
    "symmetry_order": (
        "Colour: order of rotation that leaves the motif unchanged. Do not believe an order that changes from atom to "
        "atom: noise decides it there."
    ),
    "reconstruction_error|cvae_error|fit_error": (
        "Colour: misfit over the noise; 1 is noise alone. Look for defects and dirt; do not trust the other columns "
        "where it is high."
    ),
    "label_probability|pixel_label_probability|kind_probability": (
        "Colour: probability of the class. Look for low values along boundaries; a high one says that classes are "
        "apart, not that they are real."
    ),
    "label_entropy": "Colour: how undecided the class is, 0 certain, 1 not at all. Look for boundaries and mixtures.",
    "strain_(xx|yy|xy)": (
        "Colour: strain against the reference cell, 0 in the middle of the scale. Look for steps at interfaces and "
        "fields around defects; do not believe stripes along the scan, or changes at the edge of the image."
    ),
    "lattice_rotation_rad": (
        "Colour: rotation against the reference cell. Look for tilted regions and dipoles around dislocations; do not "
        "believe stripes along the scan, or changes at the edge of the image."
    ),
    "displacement_vectors|displacement_colours": (
        "Colour: direction of the shift of one sublattice in its cage, as in the wheel. Look for domains and walls; do "
        "not believe single vectors shorter than their error, or a shift that follows the edge of the image."
    ),
    "gpa_decision": (
        "Colour: where geometric phase analysis is valid, and why not elsewhere. Do not compare strains outside of the "
        "valid part."
    ),
    "gpa_(strain|difference)_(xx|yy|xy)|gpa_rotation_rad": (
        "Colour: strain, rotation or difference by geometric phase analysis, 0 in the middle; empty where disturbed. "
        "Look for differences beyond both errors; do not believe it where it changes within its resolution."
    ),
    "displacement_(px|nm)|displacement_[yx]_(px|nm)": (
        "Colour: shift of an atom from the centre of its neighbours on other sublattices. Look for domains; do not "
        "believe values below their standard deviation, or stripes along the scan."
    ),
    "displacement_angle_rad|axis_angle_rad|direction_angle_rad": (
        "Colour: direction, a cyclic scale. Look for domains of one colour; do not believe it where the length is no "
        "larger than its error."
    ),
    "grain": (
        "Colour: number of the grain, the largest first. Look at where the lattice breaks; do not believe many small "
        "grains where atoms are missing or false."
    ),
    "sublattice": (
        "Colour: site in the cell, 0 the brightest. Look for rows that alternate; do not believe sites that swap in "
        "the middle of a grain."
    ),
    "[ab]_(px|nm)|gamma_rad|lattice_angle_rad": (
        "Colour: local length or angle of the cell. Look for regions of another cell; do not believe stripes along "
        "the scan, or changes at the edge of the image."
    ),
    "cell_[ab]": (
        "Colour: number of the unit cell. It should rise evenly; a jump is a fault of the lattice, or of the indexing."
    ),
    "neighbours|neighbour_distance_(px|nm)": (
        "Colour: number or mean distance of nearest neighbours. Look for defects; do not believe it at edges, or "
        "where atoms are missing."
    ),
    ".*_decision": (
        "Colour: blue symmetric, orange broken, grey undecided. Look for domains larger than the window; do not "
        "believe atoms at walls and edges, whose windows mix both sides."
    ),
    "alternation_kind": (
        "Colour: direction in which bonds alternate. Look for domains; without meaning where the decision is "
        "symmetric or undecided."
    ),
    "alternation.*|tetragonality|cell_angle": (
        "Colour: deviation from the symmetric cell, 0 in the middle. Look for domains of one sign; do not believe "
        "values smaller than the width of the interval (hdi)."
    ),
    ".*_hdi": (
        "Colour: width of the interval of the deviation. Look for where it exceeds the ROPE: there nothing can be "
        "decided."
    ),
    ".*_in_rope": (
        "Colour: probability of being practically symmetric. Near 0 or 1 it is decided; it depends on the ROPE that "
        "you chose."
    ),
    "deciding_cells": (
        "Colour: unit cells that a decision takes. Look for where few suffice; the smallest of several windows is "
        "wrong more often than one chosen beforehand."
    ),
    "position_noise": (
        "Colour: scatter of positions about the lattice, in cells. Look for where the lattice does not fit; decisions "
        "there are not to be believed."
    ),
    "probability": "Colour: probability of an atom here. Low ones may be false; a high one is no proof.",
    "intensity|amplitude|background": (
        "Colour: brightness of columns. Look for sublattices and single bright ones; do not take it for composition "
        "where thickness or background changes."
    ),
    "sigma.*": (
        "Colour: width of columns. Look for split or vibrating columns; do not believe changes with focus or across "
        "the scan."
    ),
}
"""By a regular expression that the whole name of a column matches; the first counts."""

PLOTS = {
    "contours": "Lines join equal density of atoms. Look for separate peaks; do not count peaks of a few atoms.",
    "points": "One point per atom. Look for separate clouds; do not believe groups that only noise or edges set apart.",
    "density": "Brightness: number of atoms. Look for separate peaks; a logarithm makes single atoms visible too.",
    "histogram": "Height: number of atoms. Look for separate peaks; do not believe dips narrower than a few bars.",
}
"""By the first word of the mode of a plot in the explorer."""

PANELS = {
    "training": (
        "Loss against epoch. It should fall and flatten; where held out rises while training falls, the network "
        "learns noise by heart."
    ),
    "components": (
        "Number of classes against BIC and ICL, lower is better. Look for the lowest point; where the curve is flat, "
        "the data do not fix the number."
    ),
    "manifold": (
        "Decoded motifs along two latents; dots: atoms. Look for what changes from tile to tile; do not believe tiles "
        "without atoms."
    ),
    "mean": (
        "Across: bond length; height: probability. Look for peaks apart; not to be believed if the noise model is "
        "wrong (see the warning above)."
    ),
    "deviation": (
        "Across: scatter of bonds; height: probability. It should be alike for odd and even bonds; few cells leave it "
        "wide."
    ),
    "difference": (
        "Across: unit cells used; up: even minus odd; bright: probable. Look for where it settles; do not stop at the "
        "first cells that please."
    ),
    "interval": (
        "Across: unit cells used; band: interval, orange: ROPE. Inside is symmetric, outside broken; a band across an "
        "edge stays undecided."
    ),
    "mass": (
        "Across: half width of the ROPE; up: probability inside. If the curve is steep at the line, the decision is "
        "that of your ROPE."
    ),
    "windows": (
        "Across: unit cells in the window; up: share of atoms. Look for where grey ends; do not believe large windows "
        "across domain walls."
    ),
    "pairs": (
        "Across: distance; up: pairs against chance; peaks are shells of neighbours. Look at which lie left of the "
        "line; broad peaks mean disorder or several phases."
    ),
    "runs": (
        "Each picture: classes, angles and histogram of one training. Look for what all share; do not believe what "
        "only one window or seed shows."
    ),
    "classes": (
        "Mean sub-image, its decoding and where the class lies. Look for motifs that differ; do not believe classes "
        "that are one motif, rotated or brighter."
    ),
    "loadings": (
        "Each component beside the map of its scores. Look for maps with regions; do not believe components that are "
        "one motif moved or rotated."
    ),
    "compare": (
        "The same atoms in two results; differing ones are coloured. Look for differences that gather at boundaries; "
        "scattered ones are noise of training."
    ),
    "profile": (
        "Across: distance; up: mean of each atomic plane, bars: standard errors. Look for steps larger than the bars; "
        "do not believe how steep strain is within a nanometre of an interface, where it is blurred."
    ),
    "means": (
        "Mean of each region with its standard error. Look for differences of several errors; do not average "
        "displacements of sublattices that are in each other's cage."
    ),
    "scan": (
        "Shift of each row, and its spectrum. Look for what falls after correction; do not believe that slow strain "
        "along y survives it."
    ),
    "alternatives": (
        "Circles: what would be taken for atoms. Choose the picture in which every column has one circle; none is "
        "right if all miss some."
    ),
}
"""By the name of what is shown in a dock."""


def of_map(column: str) -> str:
    """What one looks at in a map of a column; "" for none."""
    if not column:
        return ""
    if without_std(column) != column:
        return f"Colour: standard deviation of {without_std(column)}. Where it is large, do not believe that column."
    found = next((words for name, words in MAPS.items() if re.fullmatch(name, column)), "")
    help = columns().help(column).rstrip(".")
    return found or f"Colour: {help or column}. Look for regions that differ; {STRIPES}."


def of_plot(x: str, y: str, mode: str) -> str:
    """What one looks at in a plot of two columns, in a mode of the explorer; "" without columns."""
    axes = f"Across: {x}." if mode.startswith("histogram") else f"Across: {x}, up: {y}."
    return f"{axes} {PLOTS[mode.split()[0]]}" if x else ""

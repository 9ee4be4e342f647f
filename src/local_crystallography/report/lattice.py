"""Report section on Measure lattice: the cell of every grain on the image and in a table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from local_crystallography.lattice.cells import grain_cells
from local_crystallography.report.figures import image_figure
from local_crystallography.report.page import figure, grid

if TYPE_CHECKING:
    from local_crystallography.analysis import Analysis
    from local_crystallography.data.image import Image

HEAD = ("Grain", "Atoms", "Sublattices", "Cell", "Nearest ideal lattice")
CAPTION = "Unit cell of each grain, at its centre: lengths and angle are medians over the grain."


def lattice_section(analysis: Analysis, image: Image) -> str:
    """HTML for the report; empty without a lattice. Of a stack, the cells of the first frame."""
    if analysis.atoms is None:
        return ""
    cells = [cell for cell in grain_cells(analysis.atoms) if cell.frame == int(analysis.atoms.frame.min())]
    if not cells:
        return ""
    rows = [(str(cell.grain), f"{cell.atoms:,}", str(cell.sublattices), cell.words, cell.lattice) for cell in cells]
    head = "".join(f"<th>{name}</th>" for name in HEAD)
    body = "".join(f"<tr>{''.join(f'<td>{escape(each)}</td>' for each in row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return grid("two", [figure(image_figure(image, cells=cells), CAPTION, "Image with unit cells")]) + table

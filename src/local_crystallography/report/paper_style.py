"""Width, fonts and line widths of every figure for a paper or a slide, and how it is written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from matplotlib import rc_context
from matplotlib.figure import Figure
from pydantic import Field

from local_crystallography.data.errors import InputError, writing
from local_crystallography.data.parameters import Parameters

FORMATS = ("pdf", "svg", "png")
WIDTHS = {"single": 88.0, "middle": 130.0, "double": 180.0}
"""Widths of one, one and a half and two columns of journals, in mm."""
SLIDE = 254.0
"""Width in mm at which a figure for a slide is drawn, so that its letters are read from afar."""
INCH = 25.4
INK = "#1c2330"
RASTER, SHARP = 300, 600
"""Dots per inch of pixels in vector files, and of PNG."""


class PaperStyle(Parameters):
    """Size and letters of a figure."""

    width: Literal["single", "middle", "double"] | Annotated[float, Field(ge=40, le=300)] = Field(
        "single", description="Width: one column (88 mm), one and a half (130 mm), two (180 mm), or a number of mm."
    )
    font_size: float = Field(7.0, ge=4, le=14, description="Size of letters in points; journals ask for 5 to 8.")
    slide: int | None = Field(
        None,
        ge=400,
        le=8000,
        description="Pixels across a PNG for a slide, such as 1920, with larger letters; none: a figure for paper.",
    )

    @property
    def mm(self) -> float:
        """Width in mm."""
        if self.slide is not None:
            return SLIDE
        return WIDTHS[self.width] if isinstance(self.width, str) else self.width

    @property
    def inches(self) -> float:
        """Width in inches."""
        return self.mm / INCH

    @property
    def letter(self) -> float:
        """Height of letters in inches."""
        return self.points / 72

    @property
    def points(self) -> float:
        """Size of letters in points."""
        return self.font_size if self.slide is None else 2.4 * self.font_size

    @property
    def rc(self) -> Any:
        """Settings of matplotlib: text stays text in vector files, lines grow with the letters."""
        size, line = self.points, self.points / 14
        return {
            "font.family": "sans-serif",
            "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],
            "font.size": size,
            **dict.fromkeys(("axes.titlesize", "axes.labelsize", "legend.fontsize", "figure.titlesize"), size),
            **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.title_fontsize"), size),
            **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), line),
            **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 0.35 * size),
            "lines.linewidth": 2 * line,
            "lines.markersize": 0.7 * size,
            "axes.edgecolor": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "text.color": INK,
            "axes.labelcolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "legend.frameon": False,
            "axes.formatter.useoffset": False,
            "pdf.fonttype": 42,
            "svg.fonttype": "none",
        }

    def check(self, path: Path) -> None:
        """Refuse a file that cannot be written, before any work is done.

        Raises
        ------
        InputError
            For another format, a folder that is not there or not writable, or a folder in place of the file.
        """
        if (suffix := path.suffix.lower()[1:]) not in FORMATS:
            raise InputError(f"{path} is no figure that can be written; let its name end in .pdf, .svg or .png.")
        if self.slide is not None and suffix != "png":
            raise InputError(f"A figure for a slide is a PNG; let the name of {path} end in .png.")
        if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            raise InputError(f"{path} cannot be written: {path.parent} is no writable folder; choose another location.")
        if path.is_dir():
            raise InputError(f"{path} is a folder; choose the name of a file.")

    def write(self, figure: Figure, path: Path, facts: dict[str, Any] | None = None) -> Path:
        """Write a figure on white in the format of the suffix, with facts on its origin in the metadata of the file.

        Raises
        ------
        InputError
            As `check`, and where the file cannot be written; an earlier file is kept then.
        """
        self.check(path)
        kind = path.suffix.lower()[1:]
        pixels = SHARP if kind == "png" else RASTER
        dpi = pixels if self.slide is None else self.slide / self.inches
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with rc_context(self.rc), writing(path):
                figure.savefig(part, format=kind, dpi=dpi, facecolor="white", metadata=metadata(kind, facts or {}))
                part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path


def metadata(kind: str, facts: dict[str, Any]) -> dict[str, Any]:
    """The facts as metadata of a PDF, SVG or PNG: their own words, and all of them as JSON."""
    from local_crystallography import __version__

    program = f"napari-local-crystallography {__version__}"
    text = json.dumps(facts, ensure_ascii=False)
    title = str(facts.get("figure", ""))
    if kind == "pdf":
        return {"Title": title, "Creator": program, "Subject": text}
    if kind == "svg":
        return {"Title": title, "Creator": program, "Description": text}
    return {"Title": title, "Software": program, "Description": text}

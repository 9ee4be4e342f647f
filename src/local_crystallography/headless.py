"""A recipe on an image without a window: progress, Ctrl-C, saving, and what to say in the end."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from local_crystallography.console import is_first_process, progress_bar, stop_on_interrupt, together
from local_crystallography.data.progress import finish
from local_crystallography.recipe import Recipe

if TYPE_CHECKING:
    from local_crystallography.analysis import Analysis
    from local_crystallography.data.image import Image

logger = logging.getLogger("local_crystallography.cli")

STOPPED = 130
"""Exit code after Ctrl-C, as shells give it."""


def analyse(image: Image, recipe: Recipe, out: Path) -> tuple[Analysis, int]:
    """Run the recipe and save what there is; the analysis and the exit code.

    After Ctrl-C or a step that cannot go on, what was done is saved to a new folder, but never over earlier results. Of
    several processes the first alone saves, and decides for all when to stop.
    """
    from local_crystallography.analysis import Analysis
    from local_crystallography.io.session import earlier_files

    earlier = earlier_files(out.resolve(), image)  # a folder that cannot be used is better refused before the work
    analysis, code = Analysis(image), 2
    try:
        with progress_bar() as report, stop_on_interrupt() as stopped:
            finish(analysis.run(recipe), lambda progress: report(progress) or together(stopped()))
            code = STOPPED if together(stopped()) else 0
    finally:
        if is_first_process() and (code == 0 or not earlier):
            analysis.save(out)
    if code == STOPPED:
        kept = f"the earlier results in {out} stay" if earlier else "what was done by then is saved"
        logger.warning("Stopped; %s.", kept)
    if code == 0 or not earlier:
        summarise(analysis, out)
    return analysis, code


def summarise(analysis: Analysis, out: Path) -> None:
    """What was found, what to know about it and where it is."""
    for training, vae in (("Train VAE", analysis.vae), ("Train cVAE", analysis.cvae)):
        for remark in [] if vae is None else vae.remarks:
            logger.warning("%s: %s", training, remark)
    if analysis.atoms is not None:
        counts = f"{len(analysis.atoms):,} atoms"
        if "label" in analysis.atoms.features:
            labels = analysis.atoms.features["label"]
            counts += f" in {labels[labels >= 0].nunique()} classes"
        say(f"Found {counts}.")
    say(f"Results are in {out}; open {out / 'report.html'} in a browser.")


def say(line: str) -> None:
    """One line of result to standard output."""
    sys.stdout.write(line + "\n")

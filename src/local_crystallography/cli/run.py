"""A recipe on an image without a window: progress, Ctrl-C, saving, and what to say in the end."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from local_crystallography.cli.console import is_first_process, progress_bar, stop_on_interrupt, together
from local_crystallography.data.progress import finish
from local_crystallography.io.session import REPORT, earlier_files
from local_crystallography.recipe import Recipe
from local_crystallography.steps.refine_atoms import counted
from local_crystallography.steps.segment import Segment

if TYPE_CHECKING:
    from local_crystallography.analysis import Analysis
    from local_crystallography.data.image import Image
    from local_crystallography.models.scale import Candidate

logger = logging.getLogger("local_crystallography.cli")

STOPPED, DOUBTFUL = 130, 3
"""Exit codes after Ctrl-C, as shells give it, and for atoms that should not be trusted."""


def analyse(image: Image, recipe: Recipe, out: Path) -> tuple[Analysis, int]:
    """Run the recipe and save what there is; the analysis and the exit code.

    After Ctrl-C or a step that cannot go on, what was done is saved to a new folder, but never over earlier results. Of
    several processes the first alone saves, and decides for all when to stop.
    """
    from local_crystallography.analysis import Analysis
    from local_crystallography.report.html import write_report

    earlier = earlier_files(out.resolve(), image)  # a folder that cannot be used is better refused before the work
    analysis, code = Analysis(image), 2
    try:
        with progress_bar() as report, stop_on_interrupt() as stopped:
            finish(analysis.run(recipe), lambda progress: report(progress) or together(stopped()))
            code = STOPPED if together(stopped()) else DOUBTFUL if analysis.doubt else 0
    finally:
        if is_first_process() and (code in (0, DOUBTFUL) or not earlier):
            analysis.save(out)
            write_report(analysis, out / REPORT)
    if code == STOPPED:
        kept = f"the earlier results in {out} stay" if earlier else "what was done by then is saved"
        logger.warning("Stopped; %s.", kept)
    if code in (0, DOUBTFUL) or not earlier:
        summarise(analysis, out)
    return analysis, code


def summarise(analysis: Analysis, out: Path) -> None:
    """What was found, what to know about it and where it is."""
    segment = analysis.used.get("segment")
    if isinstance(segment, Segment) and analysis.image is not None and analysis.asked.get("segment") is not None:
        say(columns_taken(cast("Segment", analysis.asked["segment"]).candidates(analysis.image), segment))
    for training, vae in (("Train VAE", analysis.vae), ("Train cVAE", analysis.cvae)):
        for remark in [] if vae is None else vae.remarks:
            logger.warning("%s: %s", training, remark)
    if analysis.atoms is not None:
        counts = f"{len(analysis.atoms):,} atoms"
        if "label" in analysis.atoms.features:
            labels = analysis.atoms.features["label"]
            counts += f" in {labels[labels >= 0].nunique()} classes"
        say(f"Found {counts}.")
        if analysis.summary:
            say(analysis.summary)
    for doubt in analysis.doubts:
        if analysis.vae is None or doubt.says not in analysis.vae.remarks:
            logger.warning("%s", doubt.says)
    if analysis.left_out is not None and len(analysis.left_out):
        why = counted(analysis.left_out.features["left_out"].to_numpy(str))
        say(f"Refine atoms left out {len(analysis.left_out):,} ({why}).")
    if analysis.doubt:
        logger.warning("%s", analysis.doubt)
    say(f"Results are in {out}; open {out / REPORT} in a browser.")


def columns_taken(candidates: Sequence[Candidate], used: Segment) -> str:
    """What the columns were taken for, how sure that is, and what else they might be."""
    line = f"Segment looked for {used.scale}"
    if len(candidates) > 1:
        clear = 1 - candidates[1].score / max(candidates[0].score, 1e-9)
        sure = "clearly" if clear > 0.5 else "fairly clearly" if clear > 0.2 else "not clearly"
        line += f"; next best, {sure} behind: {candidates[1].words}"
    return line + "."


def say(line: str) -> None:
    """One line of result to standard output."""
    sys.stdout.write(line + "\n")

"""`local-crystallography run`: a recipe on an image, with progress, Ctrl-C, saving and a summary."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError
from pydantic_settings import CliPositionalArg

from local_crystallography.cli.console import is_first_process, progress_bar, stop_on_interrupt, together
from local_crystallography.cli.image_options import ImageOptions
from local_crystallography.cli.output import DOUBTFUL, STOPPED, Answering, say, tell
from local_crystallography.data.errors import InputError
from local_crystallography.data.parameters import Alternative, sentence
from local_crystallography.data.progress import Cancelled, finish
from local_crystallography.io.session import REPORT, earlier_files
from local_crystallography.recipe import Recipe
from local_crystallography.steps.base import Step
from local_crystallography.steps.geometric_phase import GeometricPhase
from local_crystallography.steps.measure_lattice import MeasureLattice
from local_crystallography.steps.refine_atoms import counted
from local_crystallography.steps.segment import Segment
from local_crystallography.studies.calibration import calibration

if TYPE_CHECKING:
    from local_crystallography.analysis import Analysis
    from local_crystallography.data.image import Image
    from local_crystallography.models.scale import Candidate

logger = logging.getLogger("local_crystallography.cli")


class Run(Answering, Recipe, ImageOptions):
    """Find, learn and map the atoms of one image; options override the recipe file."""

    image: CliPositionalArg[Path] = Field(description="Image file: a microscope format, TIFF, PNG, JPEG or NumPy.")
    recipe: Path | None = Field(None, description="Recipe in TOML, such as recipe.toml of an earlier result.")
    out: Path = Field(description="Folder for the results; earlier results of the same image there are updated.")
    mask: Path | None = Field(
        None,
        description="Image of the same size, nonzero on pixels to ignore; automatic: padding, bars, clipped and "
        "defective pixels are detected.",
    )

    known_spacing: float | None = Field(
        None,
        gt=0,
        le=10,
        description="A known spacing of the crystal in nm, such as 0.3905 for SrTiO3 [001], to check the pixel size.",
    )

    def execute(self) -> int:
        """Read the image, run the recipe, save the session."""
        from local_crystallography.data.image import with_mask
        from local_crystallography.io.read import read_mask

        recipe = Recipe() if self.recipe is None else Recipe.from_toml(self.recipe)
        image = self.read(self.image)
        if self.mask is not None:
            image = with_mask(image, read_mask(self.mask))
        analysis, code = analyse(image, overridden(recipe, self), self.out)
        if self.known_spacing is not None and analysis.atoms is not None:
            say(calibration(analysis.atoms, self.known_spacing).sentence)
        return code


def analyse(image: Image, recipe: Recipe, out: Path) -> tuple[Analysis, int]:
    """Run the recipe and save the results; the analysis and the exit code.

    After Ctrl-C or a failed step, the results so far are saved to a new folder, but never over earlier results. Of
    several processes only the first saves, and it decides for all when to stop.
    """
    from local_crystallography.analysis import Analysis
    from local_crystallography.report.html import write_report

    earlier = earlier_files(out.resolve(), image)  # refuse an unusable folder before the work
    analysis, code = Analysis(image), 2
    try:
        with progress_bar() as report, stop_on_interrupt() as stopped:
            with suppress(Cancelled):  # what earlier steps found is saved
                finish(analysis.run(recipe), lambda progress: report(progress) or together(stopped()))
            code = STOPPED if together(stopped()) else DOUBTFUL if analysis.doubt else 0
    finally:
        if is_first_process() and (code in (0, DOUBTFUL) or not earlier):
            analysis.save(out)
            write_report(analysis, out / REPORT)
    if code == STOPPED:
        kept = f"the earlier results in {out} are kept" if earlier else "the results so far are saved"
        logger.warning("Stopped; %s.", kept)
    if code in (0, DOUBTFUL) or not earlier:
        summarise(analysis, out)
    return analysis, code


def summarise(analysis: Analysis, out: Path) -> None:
    """Report what was found, any doubts, and where the results are."""
    segment, requested = analysis.last(Segment), analysis.requested(Segment)
    if segment is not None and requested is not None and analysis.image is not None:
        say(scale_found(requested.candidates(analysis.image), segment))
    for training, vae in (("Train VAE", analysis.vae), ("Train cVAE", analysis.cvae)):
        for remark in [] if vae is None else vae.remarks:
            logger.warning("%s: %s", training, remark)
    tell(out=str(out), atoms=0 if analysis.atoms is None else len(analysis.atoms), steps=list(analysis.used))
    tell(summary=analysis.summary, doubt=analysis.doubt, doubts=[each.says for each in analysis.doubts])
    if analysis.atoms is not None:
        counts = f"{len(analysis.atoms):,} atoms"
        if "label" in analysis.atoms.features:
            labels = analysis.atoms.features["label"]
            count = labels[labels >= 0].nunique()
            counts += f" in {count} class{'es' * (count != 1)}"
        say(f"Found {counts}.")
        if analysis.summary:
            say(analysis.summary)
    for doubt in analysis.doubts:
        if analysis.vae is None or doubt.says not in analysis.vae.remarks:
            logger.warning("%s", doubt.says)
    for kind in (MeasureLattice, GeometricPhase):
        if (step := analysis.last(kind)) is not None and analysis.atoms is not None:
            say(f"{step.title()}: {step.summary(analysis.atoms)}.")
            for remark in step.remarks(analysis.atoms):
                logger.warning("%s: %s", step.title(), remark)
    if analysis.left_out is not None and len(analysis.left_out):
        why = counted(analysis.left_out.features["left_out"].to_numpy(str))
        say(f"Refine atoms left out {len(analysis.left_out):,} ({why}).")
    if analysis.doubt:
        logger.warning("%s", analysis.doubt)
    say(f"Results are in {out}; open {out / REPORT} in a browser.")


def scale_found(candidates: Sequence[Candidate], used: Segment) -> str:
    """Size and contrast of the columns Segment searched for, and how clearly they beat the next best candidate."""
    line = f"Segment searched for {used.scale}"
    if len(candidates) > 1:
        clear = 1 - candidates[1].score / max(candidates[0].score, 1e-9)
        margin = "clearly" if clear > 0.5 else "fairly clearly" if clear > 0.2 else "not clearly"
        line += f"; next best, {margin} behind: {candidates[1].words}"
    return line + "."


def overridden(recipe: Recipe, given: Recipe) -> Recipe:
    """The recipe with the given parameters replaced, and the optional steps of both.

    Raises
    ------
    InputError
        For an option of a step that would not run, or one that does not fit the recipe.
    """
    recipe = recipe.model_copy(update={"also": tuple(dict.fromkeys([*recipe.also, *given.also]))})
    for step in given.steps:
        name, values = step.name(), {field: getattr(step, field) for field in step.model_fields_set}
        if values and step.optional and name not in recipe.also:
            option = f"--{name}.{next(iter(values))}".replace("_", "-")
            raise InputError(f"{option} has no effect, since the optional step {name} is not run; add --also {name}.")
        recipe = recipe.with_step(changed(getattr(recipe, name), values))
    return recipe


def changed(step: Step, values: dict[str, Any]) -> Step:
    """The step with other values, which must be consistent with the rest.

    Raises
    ------
    InputError
        If they are not.
    """
    try:
        return step.replace(**{name: merged(getattr(step, name), value) for name, value in values.items()})
    except ValidationError as error:
        raise InputError(f"{step.name()}, from recipe and options together: {sentence(error)}.") from error


def merged(earlier: Any, given: Any) -> Any:
    """A parameter as given; a method without its name is the earlier one, with the parameters given."""
    if not isinstance(given, Alternative) or "method" in given.model_fields_set:
        return given
    return dict(earlier) | {name: getattr(given, name) for name in given.model_fields_set}

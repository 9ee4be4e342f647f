"""The command line: run the workflow without a window, make samples, show a demo."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    CliPositionalArg,
    CliSubCommand,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    get_subcommand,
)

import local_crystallography
from local_crystallography.cli import commands, studies
from local_crystallography.cli.console import (
    HEADLESS,
    first_process_speaks,
    has_display,
    is_first_process,
    leave_together,
    logging_to_stderr,
)
from local_crystallography.cli.run import STOPPED, analyse, say
from local_crystallography.data.errors import InputError, writing
from local_crystallography.recipe import Recipe
from local_crystallography.steps.base import Step, sentence

if TYPE_CHECKING:
    from local_crystallography.analysis import Analysis

logger = logging.getLogger("local_crystallography.cli")  # also when run as __main__

PROGRAM = "local-crystallography"
Sample = Literal["lsmo_nio", "sr3fe2o7", "two_grains", "quick"]


class Demo(BaseModel):
    """Run the workflow on a sample image and show it in napari; without a screen, write a picture of that."""

    sample: Sample = Field("lsmo_nio", description="Which sample.")
    out: Path = Field(Path("demo"), description="Folder for the results.")


class MakeSample(BaseModel):
    """Write a simulated sample image and its truth."""

    name: CliPositionalArg[Sample] = Field(description="Which sample.")
    out: Path = Field(description="Folder to write to.")
    seed: int | None = Field(
        None, ge=0, le=2**31 - 1, description="Start of the random numbers; automatic: the sample's own."
    )


class Run(Recipe):
    """Find, learn and map the atoms of one image; options override the recipe file."""

    image: CliPositionalArg[Path] = Field(description="Image file: a microscope format, TIFF, PNG, JPEG or NumPy.")
    recipe: Path | None = Field(None, description="Recipe in TOML, such as recipe.toml of an earlier result.")
    out: Path = Field(description="Folder for the results; one with earlier results is brought up to date.")
    mask: Path | None = Field(
        None,
        description="Image of the same size, not 0 on pixels to leave out; automatic: padding, bars, clipped and "
        "broken pixels are found.",
    )


class CommandLine(BaseSettings):
    """Deep Bayesian local crystallography of atomically resolved images. --version tells the version."""

    model_config = SettingsConfigDict(
        cli_prog_name=PROGRAM,
        cli_kebab_case=True,
        cli_parse_none_str="auto",
        cli_enforce_required=True,
        cli_avoid_json=True,
        cli_hide_none_type=True,
        cli_use_class_docs_for_groups=True,
        cli_exit_on_error=False,
    )

    demo: CliSubCommand[Demo]
    sample: CliSubCommand[MakeSample]
    run: CliSubCommand[Run]
    average_frames: CliSubCommand[commands.AverageStack]
    correct_image: CliSubCommand[commands.CorrectImage]
    train_segmenter: CliSubCommand[commands.TrainSegmenter]
    symmetry_chain: CliSubCommand[commands.SymmetryChain]
    symmetry_study: CliSubCommand[commands.SymmetryStudy]
    study_windows: CliSubCommand[studies.StudyWindows]
    compare: CliSubCommand[studies.CompareRuns]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The command line alone: a variable named RUN in someone's environment means something else."""
        return (init_settings,)


BESIDE: dict[type, Callable[[Any], int]] = {
    commands.AverageStack: commands.average_frames,
    commands.CorrectImage: commands.correct_image,
    commands.TrainSegmenter: commands.train_segmenter,
    commands.SymmetryChain: commands.symmetry_chain,
    commands.SymmetryStudy: commands.symmetry_study,
    studies.StudyWindows: studies.study_windows,
    studies.CompareRuns: studies.compare_runs,
}
"""What each command beside the analysis of an image does."""


@first_process_speaks()
def main(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit code.

    0; 2 for input that cannot be used; 3 for atoms that should not be trusted; 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["--version"]:
        say(f"{PROGRAM} {local_crystallography.__version__}")
        return 0
    try:
        command = get_subcommand(CommandLine(_cli_parse_args=arguments or ["--help"]))
    except ValidationError as error:
        return refuse(option_sentence(error))
    except SettingsError as error:
        return refuse(str(error).replace("error parsing CLI: ", "", 1) + "; see --help.")
    try:
        with logging_to_stderr():
            code = dispatch(command)
    except KeyboardInterrupt:
        return STOPPED
    except InputError as error:
        code = refuse(str(error))
    leave_together()
    return code


def refuse(problem: str) -> int:
    """Say what cannot be used; the exit code."""
    sys.stderr.write(f"{PROGRAM}: {problem}\n")
    return 2


def dispatch(command: object) -> int:
    """Run the command that was chosen."""
    if isinstance(command, Demo):
        return demo(command)
    if isinstance(command, MakeSample):
        return make_sample(command) if is_first_process() else 0
    if isinstance(command, Run):
        return run(command)
    return BESIDE[type(command)](command)


def run(command: Run) -> int:
    """Read the image, run the recipe, save the session."""
    from local_crystallography.io.read import read_image

    recipe = Recipe() if command.recipe is None else Recipe.from_toml(command.recipe)
    image = read_image(command.image)
    if command.mask is not None:
        image = replace(image, mask=read_image(command.mask).read(0) != 0)
    return analyse(image, overridden(recipe, command), command.out)[1]


def overridden(recipe: Recipe, given: Recipe) -> Recipe:
    """The recipe with those parameters replaced that were given, and with the optional steps of both.

    Raises
    ------
    InputError
        For an option of a step that is not going to be run, and for one that does not fit the recipe.
    """
    recipe = recipe.model_copy(update={"also": tuple(dict.fromkeys([*recipe.also, *given.also]))})
    for step in given.steps:
        name, values = step.name(), {field: getattr(step, field) for field in step.model_fields_set}
        if values and step.optional and name not in recipe.also:
            option = f"--{name}.{next(iter(values))}".replace("_", "-")
            raise InputError(f"{option} came, but {name} is optional and would not be run; add --also {name}.")
        recipe = recipe.with_step(changed(getattr(recipe, name), values))
    return recipe


def changed(step: Step, values: dict[str, Any]) -> Step:
    """The step with other values, which have to fit the rest of it.

    Raises
    ------
    InputError
        Where they do not.
    """
    try:
        return type(step)(**(dict(step) | values))
    except ValidationError as error:
        raise InputError(f"{step.name()} of recipe and options together: {sentence(error)}.") from error


def make_sample(command: MakeSample) -> int:
    """Simulate a sample anew and write it."""
    from local_crystallography.simulate.samples import simulate_sample
    from local_crystallography.simulate.simulation import write_simulation

    if command.out.is_dir() and any(command.out.iterdir()) and not (command.out / "truth.json").exists():
        raise InputError(
            f"{command.out} holds other files, a new folder or one with a sample was expected; choose another."
        )
    simulation = simulate_sample(command.name, command.seed)
    with writing(command.out):
        write_simulation(simulation, command.out)
    say(f"Image and truth of {command.name} are in {command.out} (seed {simulation.seed}).")
    return 0


def demo(command: Demo) -> int:
    """The workflow on a sample, compared with its truth, and then seen in napari."""
    from local_crystallography.simulate.samples import load_sample, load_truth
    from local_crystallography.simulate.score import score

    if not has_display() and shutil.which("xvfb-run"):
        return on_virtual_screen(command)
    analysis, code = analyse(load_sample(command.sample), Recipe(), command.out)
    if analysis.atoms is not None:
        result = score(analysis.atoms, load_truth(command.sample))
        say(
            f"Against the truth: {result.recall:.1%} of {result.heavy} heavy columns found, off by "
            f"{result.distance_px:.2f} px (root mean square), {result.false_rate:.1%} of the atoms false."
        )
        if result.adjusted_rand_index is not None:
            say(f"Classes against true sites: adjusted Rand index {result.adjusted_rand_index:.2f}.")
    if code == 0 and is_first_process():
        show(analysis, command.out)
    return code


def on_virtual_screen(command: Demo) -> int:
    """The same demo in a process of its own that has one."""
    this = [
        sys.executable,
        "-m",
        "local_crystallography.cli",
        "demo",
        "--sample",
        command.sample,
        "--out",
        str(command.out),
    ]
    before = signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches the other process too; wait for it to save
    try:
        screen = ["xvfb-run", "-a", "-s", "-screen 0 1280x800x24"]
        return subprocess.run([*screen, *this], env={**os.environ, HEADLESS: "1"}, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)


def show(analysis: Analysis, out: Path) -> None:
    """The finished result in napari: until it is closed, or as a picture where nobody can look."""
    if not has_display():
        logger.warning("There is no screen, so no picture of the viewer was taken; install xvfb and run this again.")
        return
    try:
        from local_crystallography._napari import show as window
    except ImportError as error:
        raise InputError(
            f"The viewer cannot be opened ({error}), napari with a Qt was expected; run "
            'pip install "napari-local-crystallography[all]". The results are saved all the same.'
        ) from error
    viewer = window.open_viewer(analysis)
    if os.environ.get(HEADLESS) == "1":
        window.screenshot(viewer, out / "viewer.png")
        say(f"A picture of the viewer is {out / 'viewer.png'}.")
    else:
        window.run()


def option_sentence(error: ValidationError) -> str:
    """The first option that is wrong, as it is spelled, with what came and what was expected."""
    first = error.errors()[0]
    places = [str(part).replace("_", "-") for part in first["loc"][1:] if not isinstance(part, int)]
    option = places[0].upper() if places in (["name"], ["image"], ["stack"], ["session"]) else "--" + ".".join(places)
    came, says = "" if isinstance(first["input"], dict) else f" {first['input']}", sentence(error)
    return f"{option}{came}: {says[0].lower()}{says[1:]}; see --help."


if __name__ == "__main__":
    sys.exit(main())

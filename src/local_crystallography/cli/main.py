"""Command line: the commands, and the messages for invalid options and input."""

from __future__ import annotations

import re
import sys
from json import JSONDecodeError
from typing import Protocol, cast

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    CliSubCommand,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    get_subcommand,
)

import local_crystallography
from local_crystallography.cli.average_frames import AverageStack
from local_crystallography.cli.compare import CompareRuns
from local_crystallography.cli.console import (
    first_process_speaks,
    leave_together,
    logging_to_stderr,
)
from local_crystallography.cli.correct_image import CorrectImage
from local_crystallography.cli.demo import Demo
from local_crystallography.cli.info import Info
from local_crystallography.cli.measure import MeanColumns, ProfileAcross
from local_crystallography.cli.output import STOPPED, say
from local_crystallography.cli.run import Run
from local_crystallography.cli.sample import MakeSample
from local_crystallography.cli.script import Script
from local_crystallography.cli.study_windows import StudyWindows
from local_crystallography.cli.symmetry_chain import SymmetryChain
from local_crystallography.cli.symmetry_study import SymmetryStudy
from local_crystallography.cli.train_segmenter import TrainSegmenter
from local_crystallography.data.errors import InputError
from local_crystallography.data.parameters import path_of, sentence

PROGRAM = "local-crystallography"
SPOKEN = (
    (r"argument \{.*\}: invalid choice: (\S+) \(choose from (.*)\)", r"There is no command \1; choose from \2"),
    (r"argument (\S+): expected .*", r"\1 needs a value"),
    (r"unrecognized arguments: (.*)", r"\1 is not part of this command"),
    (r"the following arguments are required: (.*)", r"\1 must be given"),
)
"""Messages of argparse, and what is said instead."""


class Command(Protocol):
    """A frozen model of options, with one verb."""

    def execute(self) -> int:
        """Run the command and return the exit code."""


class CommandLine(BaseSettings):
    """Deep Bayesian local crystallography of atomically resolved images. --version shows the version."""

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
    info: CliSubCommand[Info]
    sample: CliSubCommand[MakeSample]
    run: CliSubCommand[Run]
    average_frames: CliSubCommand[AverageStack]
    correct_image: CliSubCommand[CorrectImage]
    train_segmenter: CliSubCommand[TrainSegmenter]
    symmetry_chain: CliSubCommand[SymmetryChain]
    symmetry_study: CliSubCommand[SymmetryStudy]
    study_windows: CliSubCommand[StudyWindows]
    compare: CliSubCommand[CompareRuns]
    script: CliSubCommand[Script]
    profile: CliSubCommand[ProfileAcross]
    means: CliSubCommand[MeanColumns]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The command line only: an environment variable such as RUN means something else."""
        return (init_settings,)


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
        command = cast(Command, get_subcommand(CommandLine(_cli_parse_args=arguments or ["--help"])))
    except ValidationError as error:
        return refuse(option_sentence(error))
    except SettingsError as error:
        return refuse(command_sentence(error, arguments))
    try:
        with logging_to_stderr():
            code = command.execute()
    except KeyboardInterrupt:
        return STOPPED
    except InputError as error:
        code = refuse(str(error))
    leave_together()
    return code


def refuse(problem: str) -> int:
    """Report input that cannot be used; the exit code."""
    sys.stderr.write(f"{PROGRAM}: {problem}\n")
    return 2


def command_sentence(error: SettingsError, arguments: list[str]) -> str:
    """What is wrong with the words of a command line, before any value of an option is checked."""
    said = str(error).removeprefix("error parsing CLI: ")
    if isinstance(error.__cause__, JSONDecodeError):  # a list with a word that is no number
        value = error.__cause__.doc.strip("[]")
        place = arguments.index(value) if value in arguments else 0
        option = f"{arguments[place - 1]} {value}" if place else value
        return f"{option}: must be a number; see --help."
    for pattern, words in SPOKEN:
        if found := re.fullmatch(pattern, said):
            return f"{found.expand(words).replace(chr(39), '')}; see --help."
    return f"{said}; see --help."


def option_sentence(error: ValidationError) -> str:
    """The first invalid option as written on the command line, its value, and what is wrong with it."""
    first = error.errors()[0]
    places = [part.replace("_", "-") for part in path_of(error)[1:] if not part.isdecimal()]
    option = places[0].upper() if places in (["name"], ["image"], ["stack"], ["session"]) else "--" + ".".join(places)
    value, problem = "" if isinstance(first["input"], dict) else f" {first['input']}", sentence(error)
    return f"{option}{value}: {problem[0].lower()}{problem[1:]}; see --help."


if __name__ == "__main__":
    sys.exit(main())

"""`local-crystallography completion`: a script for the shell, made from the options of all commands."""

from __future__ import annotations

import argparse
from typing import Literal

from pydantic import Field
from pydantic_settings import CliPositionalArg, CliSettingsSource

from local_crystallography.cli import commands
from local_crystallography.cli.output import Answering, say, tell

PROGRAM = "local-crystallography"
Options = dict[str, tuple[str, ...]]
"""Values to choose from, by option; empty where anything is possible."""


class Completion(Answering):
    """Print a script for the completion of commands and options; the help of each shell says where it belongs.

    bash: eval "$(local-crystallography completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc, after compinit; fish:
    local-crystallography completion fish > ~/.config/fish/completions/local-crystallography.fish
    """

    shell: CliPositionalArg[Literal["bash", "zsh", "fish"]] = Field(description="The shell.")

    def execute(self) -> int:
        """Print the script."""
        found = options()
        script = fish(found) if self.shell == "fish" else bash(found)
        if self.shell == "zsh":
            script = "autoload -U +X bashcompinit && bashcompinit\n" + script
        say(script)
        tell(shell=self.shell, script=script)
        return 0


def options() -> dict[str, Options]:
    """The options of every command."""
    from local_crystallography.cli.main import CommandLine

    line = commands.command_line(CommandLine, {name: commands.model(name) for name in commands.names()})
    parser: argparse.ArgumentParser = CliSettingsSource(line).root_parser
    verbs = next(each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    return {name: dict(_options(each)) for name, each in verbs.choices.items()}


def _options(parser: argparse.ArgumentParser) -> list[tuple[str, tuple[str, ...]]]:
    found = []
    for action in parser._actions:
        written = str(action.metavar or "")
        choices = tuple(written[1:-1].split(",")) if written[:1] == "{" else ()
        found += [(option, choices) for option in action.option_strings if option.startswith("--")]
    return found


def bash(found: dict[str, Options]) -> str:
    """Script for bash; after an option without choices, and where no option is begun, files are offered."""
    cases = "\n".join(f'    {name}) options="{" ".join(each)}" ;;' for name, each in found.items())
    choices = "\n".join(
        f'    "{name} {option}") choices="{" ".join(values)}" ;;'
        for name, each in found.items()
        for option, values in each.items()
        if values and not any(" " in value for value in values)
    )
    return f"""_local_crystallography() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" options="" choices=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{" ".join(found)} --help --version" -- "$word"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  case "${{COMP_WORDS[1]}} ${{COMP_WORDS[COMP_CWORD-1]}}" in
{choices}
  esac
  if [ -n "$choices" ]; then
    COMPREPLY=($(compgen -W "$choices" -- "$word"))
  elif [ "${{word:0:1}}" = "-" ]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  fi
}}
complete -o default -F _local_crystallography {PROGRAM}"""


def fish(found: dict[str, Options]) -> str:
    """Script for fish."""
    lines = [f"complete -c {PROGRAM} -n __fish_use_subcommand -l {each}" for each in ("help", "version")]
    for name, each in found.items():
        lines.append(f"complete -c {PROGRAM} -n __fish_use_subcommand -a {name}")
        for option, values in each.items():
            where = f"complete -c {PROGRAM} -n '__fish_seen_subcommand_from {name}' -l {option[2:]}"
            lines.append(where + (f" -x -a '{' '.join(values)}'" if values else ""))
    return "\n".join(lines)

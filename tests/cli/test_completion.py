"""Completion in the shells."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from local_crystallography.cli import commands
from local_crystallography.cli.completion import bash, fish, options


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, tuple[str, ...]]]:
    return options()


def test_every_command_has_its_options(found: dict[str, dict[str, tuple[str, ...]]]) -> None:
    assert tuple(found) == commands.names()
    assert "--threshold" in found["find-atoms"]
    assert "--train-vae.epochs" in found["run"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["find-"], {"find-atoms"}),
        (["find-atoms", "--thr"], {"--threshold"}),
        (["completion", ""], set()),
        (["segment", "--contrast", "b"], {"bright"}),
    ],
)
def test_bash_completes(found: dict[str, dict[str, tuple[str, ...]]], words: list[str], offered: set[str]) -> None:
    line = " ".join(f"'{word}'" for word in ["local-crystallography", *words])
    script = f"{bash(found)}\nCOMP_WORDS=({line}); COMP_CWORD={len(words)}; _local_crystallography\n"
    script += 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert {*done.stdout.split()} == offered
    assert done.stderr == ""


def test_fish_has_a_line_for_every_option(found: dict[str, dict[str, tuple[str, ...]]]) -> None:
    lines = fish(found).splitlines()
    assert any("find-atoms'" in line and line.endswith("-l threshold") for line in lines)
    assert all(line.startswith("complete -c local-crystallography ") for line in lines)

"""A command for every step, on the folder of a session."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from pydantic import BaseModel

from local_crystallography.analysis import Analysis
from local_crystallography.cli import commands
from local_crystallography.cli.main import main
from local_crystallography.io.write import write_tiff
from local_crystallography.recipe import Recipe
from local_crystallography.simulate.samples import load_sample
from local_crystallography.steps.find_atoms import FindAtoms

STEPS = [step.name().replace("_", "-") for step in Recipe().steps]


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of a sample."""
    whole, path = load_sample("quick"), tmp_path_factory.mktemp("image") / "part.tif"
    write_tiff(path, whole.data[:160, :160], whole.pixel_size)
    return path


@pytest.fixture(scope="module")
def done(picture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session made step by step."""
    folder = tmp_path_factory.mktemp("steps") / "session"
    assert main(["segment", str(picture), "--out", str(folder), "--by.method", "blobs"]) == 0
    assert main(["find-atoms", str(folder), "--threshold", "0.4"]) == 0
    assert main(["paint-map", str(folder), "--columns", "probability"]) == 0
    return folder


@pytest.fixture
def session(done: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(done, tmp_path / "session"))


def test_every_step_of_a_recipe_is_a_command() -> None:
    assert [name for name in commands.names() if name in STEPS] == STEPS
    for name in STEPS:
        made = commands.model(name)
        kind = type(getattr(Recipe(), name.replace("-", "_")))
        assert issubclass(made, kind)
        assert {*kind.model_fields} < {*made.model_fields}


@pytest.mark.parametrize("name", STEPS)
def test_no_option_of_a_step_is_hidden_by_one_of_the_command(name: str) -> None:
    made, kind = commands.model(name), type(getattr(Recipe(), name.replace("-", "_")))
    for each in kind.model_fields:
        assert made.model_fields[each].description == kind.model_fields[each].description


@pytest.mark.parametrize("name", commands.names())
def test_the_list_of_commands_says_what_the_command_says(name: str) -> None:
    made: type[BaseModel] = commands.model(name)
    listed = " ".join((commands.stand_in(name).__doc__ or "").split())
    assert listed
    assert " ".join((made.__doc__ or "").split()).startswith(listed[:40])


def test_steps_are_those_of_the_library(done: Path) -> None:
    analysis = Analysis.open(done)
    assert analysis.asked["find_atoms"] == FindAtoms(threshold=0.4)
    assert list(analysis.used) == ["segment", "find_atoms", "paint_map"]
    again = Analysis(analysis.image)
    again.probability = analysis.probability
    assert FindAtoms(threshold=0.4)(*again.inputs(FindAtoms())).same_atoms(analysis.atoms)


def test_what_was_made_of_a_step_is_out_of_date_when_it_is_run_again(
    session: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["find-atoms", str(session), "--threshold", "0.5", "--json"]) == 0
    said = capsys.readouterr()
    answer = json.loads(said.out)
    assert answer["out_of_date"] == ["paint_map"]
    assert answer["done"]
    assert answer["exit_code"] == 0
    assert "Out of date" in said.err
    assert "Paint map" in said.err
    assert list(Analysis.open(session).used) == ["segment", "find_atoms"]


def test_a_step_that_is_up_to_date_is_not_run(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (session / "provenance.json").read_bytes()
    assert main(["find-atoms", str(session)]) == 0
    assert "up to date" in capsys.readouterr().out
    assert (session / "provenance.json").read_bytes() == before


REFUSED = {
    "no session": (["find-atoms", "nowhere"], "nowhere does not exist"),
    "out of range": (["find-atoms", "{session}", "--threshold", "3"], "--threshold 3: must be at most 1"),
    "nothing to work on": (["encode", "{session}"], "Train a network first"),
    "no out": (["segment", "{image}"], "give --out SESSION"),
    "out of a session": (["segment", "{session}", "--out", "x"], "--out is for image files"),
    "session there": (["segment", "{image}", "--out", "{session}"], "is a session of this image already"),
    "no column": (["figure", "{session}", "--of", "map:fly", "--out", "{tmp}/a.pdf"], "There is no column fly"),
    "no view": (["figure", "{session}", "--of", "fly", "--out", "{tmp}/a.pdf"], "There is no view fly"),
    "no format": (["figure", "{session}", "--out", "{tmp}/a.bmp"], "let its name end in .pdf, .svg or .png"),
    "no folder": (["figure", "{session}", "--out", "{tmp}/no/a.pdf"], "no writable folder"),
    "no width": (["figure", "{session}", "--width", "huge", "--out", "{tmp}/a.pdf"], "--width"),
    "no manifold": (["figure", "{session}", "--of", "manifold", "--out", "{tmp}/a.pdf"], "train one first"),
    "no shell": (["completion", "cmd"], "'bash', 'zsh' or 'fish'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_one_sentence_and_changes_nothing(
    case: str, session: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, words = REFUSED[case]
    given = [each.format(session=session, image=picture, tmp=tmp_path) for each in arguments]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert main(given) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert len([line for line in said.err.splitlines() if not line.endswith("…")]) == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_info_of_a_session(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(session), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["steps"] == ["segment", "find_atoms", "paint_map"]
    assert answer["atoms"] == len(Analysis.open(session).atoms)
    assert "local-crystallography" in answer["versions"]


def test_info_of_a_file(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(picture), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["images"][0]["shape"] == [160, 160]
    assert answer["images"][0]["pixel_size_nm"] == pytest.approx([load_sample("quick").pixel_size] * 2)


def test_an_error_is_part_of_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "nowhere", "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == {
        "error": "nowhere does not exist; check the spelling of the path.",
        "exit_code": 2,
    }


def test_report_and_figure(session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(session), "--out", str(tmp_path / "r.html")]) == 0
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    given = ["figure", str(session), "--of", "map:probability", "--width", "120", "--out", str(tmp_path / "a.svg")]
    assert main(given) == 0
    assert "120 mm wide" in capsys.readouterr().out


def test_exit_codes_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert "Exit codes: 0 done; 2" in text
    assert all(name in text for name in commands.names())

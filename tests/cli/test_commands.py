"""Commands that average frames, put images right and decide symmetries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from scans import drifting, skewed
from walls import net

from local_crystallography.analysis import Analysis
from local_crystallography.bayes.bonds import SimulatedChain
from local_crystallography.bayes.chain import ChainModel
from local_crystallography.cli.main import main
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.image import Image
from local_crystallography.data.progress import finish
from local_crystallography.io.read import read_image
from local_crystallography.io.write import write_tiff
from local_crystallography.report.html import write_report
from local_crystallography.steps.average_frames import AverageFrames
from local_crystallography.steps.correct_scan import CorrectScan
from local_crystallography.steps.measure_lattice import MeasureLattice
from local_crystallography.steps.symmetry import DecideSymmetry


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stack") / "stack.tif"
    write_tiff(path, drifting(count=3)[0].astype(np.uint16), 0.02)
    return path


def test_the_average_is_written_with_its_pixel_size(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["average-frames", str(stack), "--precision", "5", "--out", str(tmp_path / "new" / "a.tif")]) == 0
    written = read_image(tmp_path / "new" / "a.tif")
    np.testing.assert_array_equal(written.data, AverageFrames(precision=5).average(read_image(stack)).image.data)
    assert written.pixel_size == pytest.approx(0.02)
    assert "average of 3 frames" in capsys.readouterr().out


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """A session whose scan was corrected, as it was before saving, in `name`."""
    pixels, seen, _ = skewed()
    analysis = Analysis(Image(pixels, 0.02, str(tmp_path_factory.mktemp("session") / "s")))
    analysis.atoms = Atoms.at(seen, pixel_size=0.02)
    finish(analysis.apply(CorrectScan(cell="square")))
    analysis.save(analysis.image.name)
    return analysis


def test_the_image_of_a_session_is_put_right_as_its_step_does(corrected: Analysis, tmp_path: Path) -> None:
    assert main(["correct-image", corrected.image.name, "--out", str(tmp_path / "c.tif")]) == 0
    written = read_image(tmp_path / "c.tif")
    wanted = CorrectScan(cell="square").corrected_image(corrected.atoms, corrected.image)
    np.testing.assert_allclose(written.data, wanted.data, atol=1e-3)
    assert written.pixel_size == pytest.approx(0.02)


def test_the_report_of_a_session_shows_its_correction(corrected: Analysis, tmp_path: Path) -> None:
    html = write_report(corrected, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h2>Scan correction</h2>" in html
    assert "Drift and shear assume" in html


def test_atoms_that_were_moved_since_count_where_they_were_found(corrected: Analysis) -> None:
    atoms = corrected.atoms
    moved = Atoms(atoms.yx + 0.8, atoms.features, atoms.pixel_size)
    moved = moved.with_features(found_y_px=atoms.yx[:, 0], found_x_px=atoms.yx[:, 1])
    as_moved, as_found = (CorrectScan().correction(each, corrected.image) for each in (moved, atoms))
    np.testing.assert_array_equal(as_moved.row_shift, as_found.row_shift)


def decisions(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "chain.csv").set_index("cells")


@pytest.mark.parametrize(("case", "word"), [("1", "broken"), ("2", "undecided")])
def test_the_cases_of_the_paper_are_decided(
    case: str, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["symmetry-chain", "--case", case, "--cells", "60", "--out", str(tmp_path / "new"), "--figures", "svg"]
    assert main(given) == 0
    table = decisions(tmp_path / "new")
    result = ChainModel()(SimulatedChain.of_case(int(case)).model_copy(update={"cells": 60})())
    np.testing.assert_allclose(table["low"], result.low)
    assert table.loc[60, "decision"] == word
    assert f"After 60 unit cells: {word}." in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"chain.csv", "chain.svg"}


def test_bonds_and_model_are_those_given(tmp_path: Path) -> None:
    given = [
        "--odd",
        "2",
        "--even",
        "2.4",
        "--deviation",
        "0.05",
        "--cells",
        "30",
        "--noise",
        "positions",
        "--seed",
        "3",
    ]
    given += ["--model.difference", "positions", "--model.rope-half-width", "0.2", "--model.kind", "ETI"]
    assert main(["symmetry-chain", *given, "--out", str(tmp_path)]) == 0
    chain = SimulatedChain(odd=2, even=2.4, deviation=0.05, cells=30, noise="positions", seed=3)()
    result = ChainModel(difference="positions", rope_half_width=0.2, kind="ETI")(chain)
    np.testing.assert_allclose(decisions(tmp_path)["mean"], result.mu3.mean())


def test_a_bond_given_stands_in_for_that_of_the_case(tmp_path: Path) -> None:
    assert main(["symmetry-chain", "--case", "1", "--even", "0.5", "--out", str(tmp_path)]) == 0
    assert decisions(tmp_path)["mean"].iloc[-1] == pytest.approx(0, abs=0.05)


@pytest.mark.slow
def test_measured_rates_are_written_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["symmetry-chain", "--case", "1", "--cells", "20", "--deviation", "0.02", "--calibrate"]
    assert main([*given, "--out", str(tmp_path)]) == 0
    table = pd.read_csv(tmp_path / "calibration.csv")
    assert table["broken_at_end"].tolist()[::2] == [0, 1]
    assert (table["coverage"] - 0.94).abs().max() < 0.06
    assert "broken_at_first" in capsys.readouterr().out
    assert (tmp_path / "calibration.png").exists()


@pytest.fixture(scope="module")
def doubled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of a lattice with its cell measured, whose bonds along a alternate by 20 %, in two classes."""
    made = net(24, s=(0.05, 0), sd=0.02)
    yx = made.yx - made.yx.min(axis=0) + 5
    side = int(yx.max()) + 6
    analysis = Analysis(Image(np.random.default_rng(0).random((side, side)).astype(np.float32), 0.02))
    analysis.atoms = Atoms.at(yx, pixel_size=0.02, columns={"label": (made.index[:, 0] > 11).astype(float)})
    finish(analysis.apply(MeasureLattice()))
    return analysis.save(tmp_path_factory.mktemp("doubled") / "s")


@pytest.mark.slow
def test_a_row_of_atoms_is_a_chain(doubled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = {}
    for direction in "ab":
        given = ["--direction", direction, "--model.difference", "positions", "--out", str(tmp_path / direction)]
        assert main(["symmetry-chain", "--session", str(doubled), *given]) == 0
        last[direction] = abs(decisions(tmp_path / direction)["mean"].iloc[-1])
    assert max(last.values()) == pytest.approx(0.2, abs=0.04)
    assert min(last.values()) < 0.06
    assert "of 11 unit cells correlate" in capsys.readouterr().out


def test_windows_and_lattices_of_a_session_are_studied(
    doubled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--largest-radius", "4.1", "--windows", "3", "--out", str(tmp_path)]
    assert main(["symmetry-study", str(doubled), *given]) == 0
    study = finish(DecideSymmetry(largest_radius=4.1, windows=3).study(Analysis.open(doubled).atoms))
    table = pd.read_csv(tmp_path / "study.csv")
    np.testing.assert_allclose(table["broken"], study.broken)
    weights = pd.read_csv(tmp_path / "weights.csv").set_index("region")
    assert weights.index.tolist() == ["grain 0", "class 0", "class 1"]
    assert (weights[["doubled along a", "doubled along b"]].sum(axis=1) > 0.99).all()
    assert weights["atoms"].tolist() == [576, 288, 288]
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".png"}
    said = capsys.readouterr().out
    assert "Lattice of class 1: doubled along" in said
    assert f"{study.broken[-1]:.1%} broken" in said


def test_a_profile_and_means_of_a_session(doubled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    atoms = Analysis.open(doubled).atoms
    assert atoms is not None
    (top, left), (bottom, right) = atoms.yx.min(axis=0), atoms.yx.max(axis=0)
    middle = str((top + bottom) / 2)
    line = ["--line.start", f"{middle},{left}", "--line.end", f"{middle},{right}", "--line.width", "100"]
    assert main(["profile", str(doubled), "--column", "label", *line, "--out", str(tmp_path)]) == 0
    assert "atomic planes" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "profile_label.csv")
    assert {table["label = 0"].iloc[0], table["label = 0"].iloc[-1]} <= {0.0, 1.0, 0.5}
    assert (tmp_path / "profile_label.png").exists()
    assert main(["means", str(doubled), "--column", "a_px", "--by", "grain", "--out", str(tmp_path)]) == 0
    assert main(["means", str(doubled), "--column", "a_px", "--by", "nothing", "--out", str(tmp_path)]) == 2
    assert "no column nothing" in capsys.readouterr().err
    assert pd.read_csv(tmp_path / "means.csv")["mean"][0] == pytest.approx(atoms.features["a_px"].mean())


REFUSED = {
    "no stack": (["average-frames", "one.tif", "--out", "o.tif"], "only one frame"),
    "no such file": (["average-frames", "no.tif", "--out", "o.tif"], "no.tif does not exist"),
    "option out of range": (["average-frames", "one.tif", "--precision", "0", "--out", "o.tif"], "--precision 0"),
    "no tiff": (["average-frames", "one.tif", "--out", "o.png"], "--out o.png is not the name of a TIFF"),
    "no tiff to correct": (["correct-image", "plain", "--out", "o"], "let it end in .tif"),
    "no session": (["correct-image", "taken", "--out", "o.tif"], "taken"),
    "not corrected": (["correct-image", "plain", "--out", "o.tif"], "--also correct_scan"),
    "no such case": (["symmetry-chain", "--case", "3", "--out", "o.d"], "--case 3: must be at most 2"),
    "too short a chain": (["symmetry-chain", "--cells", "3", "--out", "o.d"], "The chain has 6 bonds"),
    "no ROPE": (["symmetry-chain", "--model.rope-half-width", "0", "--out", "o.d"], "--model.rope-half-width 0"),
    "sigma": (
        ["symmetry-chain", "--model.prior-mu3.centre", "0", "--model.prior-mu3.scale", "1"]
        + ["--model.prior-mu3.sigma-high", "0.01", "--out", "o.d"],
        "but the prior of sigma allows",
    ),
    "half a prior": (["symmetry-chain", "--model.prior-mu1.centre", "1", "--out", "o.d"], "--model.prior-mu1.scale"),
    "no lattice": (["symmetry-study", "plain", "--out", "o.d"], "--also measure_lattice"),
    "no lattice for a chain": (["symmetry-chain", "--session", "plain", "--out", "o.d"], "--also measure_lattice"),
    "no atoms": (["means", "plain", "--column", "id", "--by", "grain", "--out", "o.d"], "plain has no atoms"),
    "windows turned round": (["symmetry-study", "plain", "--windows", "-1", "--out", "o.d"], "--windows -1"),
    "a file for a folder": (["symmetry-chain", "--case", "2", "--out", "one.tif"], "one.tif cannot be written"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_and_exit_code_2(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    pixels = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    write_tiff(tmp_path / "one.tif", pixels)
    Analysis(Image(pixels)).save(tmp_path / "plain")
    arguments, says = REFUSED[case]
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1
    assert not list(tmp_path.glob("o.*"))


def test_a_file_that_cannot_be_written_is_told(stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["average-frames", str(stack), "--out", str(tmp_path / "file" / "a.tif")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_the_average_of_a_written_stack_is_float32(stack: Path, tmp_path: Path) -> None:
    main(["average-frames", str(stack), "--out", str(tmp_path / "a.tiff")])
    assert tifffile.imread(tmp_path / "a.tiff").dtype == np.float32


WORDS = {
    "no such command": (["runs"], "There is no command runs; choose from demo, info"),
    "no such option": (["run", "a.tif", "--out", "o", "--fly", "1"], "--fly 1 is not part of this command; see"),
    "no value": (["run", "a.tif", "--out"], "--out needs a value; see"),
    "no file": (["info"], "FILE must be given; see"),
    "not a number": (["run", "a.tif", "--out", "o", "--pixel-size", "nan"], "--pixel-size nan: must be a number; see"),
    "a word": (["run", "a.tif", "--out", "o", "--index", "x"], "--index x: must be a whole number; see"),
    "too high": (["run", "a.tif", "--out", "o", "--find-atoms.threshold", "7"], "must be at most 1; see"),
    "no table": (
        ["train-segmenter", "--out", "a", "--image", "a.tif", "--points", "no.csv"],
        "no.csv cannot be read as a table of atoms (No such file or directory); give a CSV file",
    ),
}


@pytest.mark.parametrize("case", WORDS)
def test_a_line_that_cannot_be_read_is_refused_in_words(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, says = WORDS[case]
    assert main(arguments) == 2
    assert says in capsys.readouterr().err

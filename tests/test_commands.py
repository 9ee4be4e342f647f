"""Commands that average frames and put images right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from test_correct_scan import drifting, skewed

from local_crystallography.analysis import Analysis
from local_crystallography.cli import main
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.image import Image
from local_crystallography.data.progress import finish
from local_crystallography.io.read import read_image
from local_crystallography.io.write import write_tiff
from local_crystallography.steps.average_frames import AverageFrames
from local_crystallography.steps.correct_scan import CorrectScan


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


def test_the_report_of_a_session_shows_its_correction(corrected: Analysis) -> None:
    html = (Path(corrected.image.name) / "report.html").read_text(encoding="utf-8")
    assert "<h2>Scan correction</h2>" in html
    assert "which is assumed" in html


def test_atoms_that_were_moved_since_count_where_they_were_found(corrected: Analysis) -> None:
    atoms = corrected.atoms
    moved = Atoms(atoms.yx + 0.8, atoms.features, atoms.pixel_size)
    moved = moved.with_features(found_y_px=atoms.yx[:, 0], found_x_px=atoms.yx[:, 1])
    as_moved, as_found = (CorrectScan().correction(each, corrected.image) for each in (moved, atoms))
    np.testing.assert_array_equal(as_moved.row_shift, as_found.row_shift)


REFUSED = {
    "no stack": (["average-frames", "one.tif", "--out", "o.tif"], "stack of at least two was expected"),
    "no such file": (["average-frames", "no.tif", "--out", "o.tif"], "no.tif does not exist"),
    "option out of range": (["average-frames", "one.tif", "--precision", "0", "--out", "o.tif"], "--precision 0"),
    "no tiff": (["average-frames", "one.tif", "--out", "o.png"], "--out o.png came, the name of a TIFF"),
    "no tiff to put right": (["correct-image", "plain", "--out", "o"], "let it end in .tif"),
    "no session": (["correct-image", "taken", "--out", "o.tif"], "taken"),
    "not corrected": (["correct-image", "plain", "--out", "o.tif"], "--also correct_scan"),
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

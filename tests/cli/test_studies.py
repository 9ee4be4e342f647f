"""The commands that look at several runs."""

import pandas as pd
import pytest
from analyses import copied

from local_crystallography import Cluster, KMeans
from local_crystallography.cli.main import main
from local_crystallography.data.progress import finish


@pytest.fixture(scope="module")
def other_session(quick_analysis, tmp_path_factory):
    other = copied(quick_analysis)
    finish(other.apply(Cluster(by=KMeans(classes=2))))
    return other.save(tmp_path_factory.mktemp("other") / "two")


@pytest.mark.slow
def test_runs_are_compared(quick_session, other_session, tmp_path, capsys):
    given = ["compare", str(quick_session), str(other_session), "--out", str(tmp_path / "new"), "--figures", "svg"]
    assert main(given) == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "agreement.csv",
        "differences.csv",
        "comparison.svg",
    }
    agreement = pd.read_csv(tmp_path / "new" / "agreement.csv").iloc[0]
    assert (agreement["first"], agreement["second"]) == (quick_session.name, "two")
    assert 0 < agreement["adjusted_rand"] < 1
    assert agreement["differ"] > 0
    assert "adjusted_rand" in capsys.readouterr().out


@pytest.mark.slow
def test_windows_are_studied_and_what_was_done_is_not_done_again(quick_session, tmp_path, capsys):
    given = ["study-windows", str(quick_session), "--windows", "24", "--epochs", "1", "--out", str(tmp_path / "w")]
    assert main(given) == 0
    assert "the window of Extract sub-images" in capsys.readouterr().out
    before = pd.read_csv(tmp_path / "w" / "windows.csv")
    assert before["window"].tolist() == [24]
    run = tmp_path / "w" / "image-24-seed0" / "atoms.csv"
    written = run.stat().st_mtime_ns
    assert main([*given, "--windows", "32"]) == 0
    after = pd.read_csv(tmp_path / "w" / "windows.csv")
    assert after["window"].tolist() == [24, 32]
    assert run.stat().st_mtime_ns == written
    assert after["elbo_per_pixel"][0] == pytest.approx(before["elbo_per_pixel"][0])
    assert (tmp_path / "w" / "windows.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["compare", "{session}", "--out", "{out}"], "needs at least two runs on the same image"),
        (["compare", "{session}", "{other}", "--frame", "7", "--out", "{out}"], "Frame 7 has no atoms"),
        (["compare", "{session}", "{session}", "--out", "{out}"], "The same folder is given twice"),
        (["compare", "{session}", "{out}", "--out", "{out}"], "{out}"),
        (["study-windows", "{out}", "--out", "{out}"], "{out}"),
    ],
)
def test_what_cannot_be_compared_is_said(quick_session, other_session, tmp_path, capsys, arguments, says):
    places = {"session": str(quick_session), "other": str(other_session), "out": str(tmp_path / "nothing")}
    assert main([argument.format(**places) for argument in arguments]) == 2
    assert says.format(**places) in capsys.readouterr().err

"""Several processes on one run: the first one speaks, saves and decides."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from crystals import blobs, square_lattice

from local_crystallography.analysis import Analysis
from local_crystallography.cli import console
from local_crystallography.cli.main import main
from local_crystallography.io.session import FILES, REPORT

LONG = 5000
"""Passes of a training that is not meant to end by itself."""


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"RANK": "3"}, True),
        ({"WORLD_SIZE": "1", "RANK": "0"}, True),
        ({"WORLD_SIZE": "2", "RANK": "0"}, True),
        ({"WORLD_SIZE": "2", "RANK": "1"}, False),
        ({"WORLD_SIZE": "16", "RANK": "10"}, False),
    ],
)
def test_one_process_is_the_first(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], first: bool) -> None:
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert console.is_first_process() == first


@pytest.mark.parametrize("decision", [True, False])
def test_one_process_decides_for_itself(decision: bool) -> None:
    assert console.together(decision) == decision
    console.leave_together()


@pytest.mark.parametrize("rank", [0, 1])
def test_only_the_first_process_speaks(
    rank: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", str(rank))
    assert main(["--version"]) == 0
    assert main(["fly"]) == 2
    said = capfd.readouterr()
    assert bool(said.out) == bool(said.err) == (rank == 0)


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """A run by two processes on a small image."""
    picture = blobs(square_lattice(9.0)) + 0.05 * np.random.default_rng(0).standard_normal((128, 128))
    np.save(tmp_path / "small.npy", picture)
    run = ["-m", "local_crystallography.cli", "run", str(tmp_path / "small.npy"), "--out", str(tmp_path / "out")]
    options = ["--cluster.by.classes", "2", "--train-vae.device", "cpu", "--train-vae.batch-size", "64"]
    return [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *run, *options]


@pytest.mark.slow
def test_two_processes_write_one_session(command: list[str], tmp_path: Path) -> None:
    within = ["--also", "train_cvae", "--train-cvae.epochs", "3", "--train-cvae.device", "cpu"]
    done = subprocess.run(
        [*command, "--train-vae.epochs", "4", *within], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Found ") == done.stdout.count("Results are in") == 1
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*FILES, REPORT, "maps"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "small.npy"]
    analysis = Analysis.open(tmp_path / "out")
    assert set(analysis.asked) == set(analysis.used)
    assert np.isfinite(analysis.vae.settings.held_out_loss)


@pytest.mark.slow
def test_what_cannot_be_used_is_said_once(command: list[str], tmp_path: Path) -> None:
    given = [*command, "--extract-sub-images.window-size", "512"]
    done = subprocess.run(given, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    assert done.stderr.count("local-crystallography: A window of 512 pixels") == 1
    assert set(Analysis.open(tmp_path / "out").asked) == {"segment", "find_atoms", "refine_atoms"}


def wait_for(file: Path, seconds: float = 60) -> None:
    """Until there is a file."""
    end = time.monotonic() + seconds
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert file.exists()


def interrupt_second(torchrun: int) -> None:
    """Ctrl-C for the second process alone."""
    for child in Path(f"/proc/{torchrun}/task/{torchrun}/children").read_text().split():
        if b"RANK=1" in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            os.kill(int(child), signal.SIGINT)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_ctrl_c_ends_both_processes_with_one_session(command: list[str], tmp_path: Path) -> None:
    saved = tmp_path / "net.safetensors"
    given = [*command, "--train-vae.epochs", str(LONG), "--train-vae.patience", str(LONG)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([*given, "--train-vae.checkpoint", str(saved)], stdout=log, stderr=log)
        try:
            wait_for(saved)
            interrupt_second(process.pid)
            saved.unlink()
            wait_for(saved)  # it goes on
            os.kill(process.pid, signal.SIGINT)
            asked = time.monotonic()
            assert process.wait(60) != 0
        finally:
            process.terminate()
    assert time.monotonic() - asked < 20  # torchrun kills after 30 s those that wait for each other
    said = (tmp_path / "log").read_text()
    assert said.count("Stopped; the results so far are saved.") == 1
    analysis = Analysis.open(tmp_path / "out")
    assert analysis.vae is not None
    assert "train_vae" not in analysis.asked

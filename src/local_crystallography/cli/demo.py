"""`local-crystallography demo`."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from local_crystallography.cli.console import HEADLESS, has_display, is_first_process
from local_crystallography.cli.output import Answering, say
from local_crystallography.cli.run import analyse
from local_crystallography.cli.sample import Sample
from local_crystallography.data.errors import InputError
from local_crystallography.recipe import Recipe

if TYPE_CHECKING:
    from local_crystallography.analysis import Analysis

logger = logging.getLogger("local_crystallography.cli")


class Demo(Answering):
    """Run the workflow on a sample image and show it in napari; without a screen, write a screenshot."""

    sample: Sample = Field("lsmo_nio", description="Which sample.")
    out: Path = Field(Path("demo"), description="Folder for the results.")

    def execute(self) -> int:
        """Run the workflow on a sample, compare it with the ground truth and show it in napari."""
        from local_crystallography.simulate.samples import load_sample, load_truth
        from local_crystallography.simulate.score import score

        if not has_display() and shutil.which("xvfb-run"):
            return self._on_virtual_screen()
        analysis, code = analyse(load_sample(self.sample), Recipe(), self.out)
        if analysis.atoms is not None:
            result = score(analysis.atoms, load_truth(self.sample))
            say(
                f"Against the ground truth: {result.recall:.1%} of {result.heavy} heavy columns found, rms error "
                f"{result.distance_px:.2f} px, {result.false_rate:.1%} of the atoms false."
            )
            if result.adjusted_rand_index is not None:
                say(f"Classes against true sites: adjusted Rand index {result.adjusted_rand_index:.2f}.")
        if code == 0 and is_first_process():
            show(analysis, self.out)
        return code

    def _on_virtual_screen(self) -> int:
        """Run the same demo in a process that has a virtual screen."""
        this = [
            sys.executable,
            "-m",
            "local_crystallography.cli",
            "demo",
            "--sample",
            self.sample,
            "--out",
            str(self.out),
        ]
        before = signal.signal(
            signal.SIGINT, lambda *_: None
        )  # Ctrl-C reaches the other process too; wait for it to save
        try:
            screen = ["xvfb-run", "-a", "-s", "-screen 0 1280x800x24"]
            return subprocess.run([*screen, *this], env={**os.environ, HEADLESS: "1"}, check=False).returncode
        finally:
            signal.signal(signal.SIGINT, before)


def show(analysis: Analysis, out: Path) -> None:
    """Show the finished result in napari until it is closed, or write a screenshot if there is no real screen."""
    if not has_display():
        logger.warning("There is no screen, so no screenshot of the viewer was taken; install xvfb and run this again.")
        return
    try:
        from local_crystallography._napari import show as window
    except ImportError as error:
        raise InputError(
            f"The viewer cannot be opened ({error}), since napari or Qt is missing; run "
            'pip install "napari-local-crystallography[all]". The results are saved nonetheless.'
        ) from error
    viewer = window.open_viewer(analysis)
    if os.environ.get(HEADLESS) == "1":
        window.screenshot(viewer, out / "viewer.png")
        say(f"A screenshot of the viewer is in {out / 'viewer.png'}.")
    else:
        window.run()

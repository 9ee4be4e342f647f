"""Commands beside the analysis of an image: frames averaged, a scan put right, the network that finds atoms trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from pydantic import BaseModel, Field
from pydantic_settings import CliPositionalArg

from local_crystallography.console import progress_bar, stop_on_interrupt
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish
from local_crystallography.headless import STOPPED, say
from local_crystallography.steps.average_frames import AverageFrames

if TYPE_CHECKING:
    from local_crystallography.data.image import Image
    from local_crystallography.steps.correct_scan import CorrectScan

TIFF = (".tif", ".tiff")


class AverageStack(AverageFrames):
    """Align the frames of a stack and average them: one image with less noise."""

    stack: CliPositionalArg[Path] = Field(description="File with a stack of frames of the same place.")
    out: Path = Field(description="TIFF file to write, with the pixel size in its tags.")


class CorrectImage(BaseModel):
    """Write the image of a result with the distortions of its scan taken off, as Correct scan found them."""

    session: CliPositionalArg[Path] = Field(description="Folder of a run that included correct_scan.")
    out: Path = Field(description="TIFF file to write, with the pixel size in its tags.")


class TrainSegmenter(BaseModel):
    """Train the network that finds atoms: anew on simulated pictures, or on for an image whose atoms are marked."""

    out: Path = Field(description="File to write, such as atoms.safetensors; give it to run as --segment.network.")
    image: Path | None = Field(None, description="Image to go on with; none: train anew, about an hour.")
    points: Path | None = Field(
        None, description="Table in CSV that marks every atom of the image: y_px, x_px and, for classes, label."
    )
    steps: int | None = Field(
        None, ge=1, le=1_000_000, description="Steps of the optimiser; automatic: 9,000 anew, 400 to go on."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Start of the random numbers.")
    checkpoint: Path | None = Field(
        None, description="File the training is saved to now and then, and gone on from where it exists."
    )


def average_frames(command: AverageStack) -> int:
    """Average a stack and write the average."""
    from local_crystallography.io.read import read_image

    check_tiff(command.out)
    settings: dict[str, Any] = {name: getattr(command, name) for name in AverageFrames.model_fields}
    average = AverageFrames(**settings).average(read_image(command.stack))
    write(command.out, average.image)
    reach = float(np.abs(average.shifts).max())
    say(f"The average of {len(average.shifts)} frames, moved by up to {reach:.1f} px, is in {command.out}.")
    return 0


def correct_image(command: CorrectImage) -> int:
    """Put the image of a saved result right and write it."""
    from local_crystallography.analysis import Analysis

    check_tiff(command.out)
    analysis = Analysis.open(command.session)
    step = analysis.used.get("correct_scan")
    if step is None or analysis.image is None or analysis.atoms is None:
        raise InputError(
            f"{command.session} came without a scan correction, a result with one was expected; run it again with "
            "--also correct_scan."
        )
    write(command.out, cast("CorrectScan", step).corrected_image(analysis.atoms, analysis.image))
    say(f"The corrected image of {analysis.image.name} is in {command.out}.")
    return 0


def train_segmenter(command: TrainSegmenter) -> int:
    """Train and write the networks; after Ctrl-C those there are."""
    import pandas as pd

    from local_crystallography import segmenters
    from local_crystallography.data.atoms import Atoms
    from local_crystallography.io.read import read_image

    if (command.image is None) != (command.points is None):
        raise InputError("Only one of --image and --points came, both or none were expected; give the other too.")
    if command.image is None or command.points is None:
        steps = command.steps or segmenters.STEPS
        job = segmenters.train_segmenter(seed=command.seed, steps=steps, checkpoint=command.checkpoint)
    else:
        try:
            atoms = Atoms.from_frame(pd.read_csv(command.points))
        except (OSError, ValueError) as error:
            raise InputError(f"{command.points} cannot be read ({error}); a table in CSV was expected.") from error
        steps = command.steps or segmenters.TUNING_STEPS
        image = read_image(command.image)
        job = segmenters.tune_segmenter(image, atoms, seed=command.seed, steps=steps, checkpoint=command.checkpoint)
    with progress_bar() as report, stop_on_interrupt() as stopped:
        segmenter = finish(job, lambda progress: report(progress) or stopped())
        code = STOPPED if stopped() else 0
    segmenter.save(command.out)
    say(f"The networks are in {command.out}; use them with --segment.network {command.out}.")
    return code


def check_tiff(out: Path) -> None:
    """Refuse a name that is none of a TIFF file, before the work is done."""
    if out.suffix.lower() not in TIFF:
        raise InputError(f"--out {out} came, the name of a TIFF file was expected; let it end in .tif.")


def write(out: Path, image: Image) -> None:
    """Write an image as TIFF; its folder is made where it is missing."""
    from local_crystallography.io.write import write_tiff

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_tiff(out, image.data, image.pixel_size)
    except OSError as error:
        raise InputError(
            f"{out} cannot be written ({error.strerror or error}), a file name in a folder with leave to write was "
            "expected; choose another one."
        ) from error

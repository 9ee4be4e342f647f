"""Commands beside the analysis of an image: frames averaged, a scan put right, a network trained, symmetry decided."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import numpy as np
from pydantic import BaseModel, Field
from pydantic_settings import CliImplicitFlag, CliPositionalArg

from local_crystallography.bayes.bonds import CASES, Chain, SimulatedChain
from local_crystallography.bayes.chain import ChainModel
from local_crystallography.cli.console import progress_bar, stop_on_interrupt
from local_crystallography.cli.run import STOPPED, say
from local_crystallography.data.errors import InputError, writing
from local_crystallography.data.progress import Job, finish
from local_crystallography.steps.average_frames import AverageFrames
from local_crystallography.steps.symmetry import DecideSymmetry

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from local_crystallography.bayes.study import WindowStudy
    from local_crystallography.bayes.weights import ModelWeights
    from local_crystallography.data.atoms import Atoms
    from local_crystallography.data.image import Image
    from local_crystallography.steps.correct_scan import CorrectScan

TIFF = (".tif", ".tiff")
DIRECTIONS = {"a": (1, 0), "b": (0, 1), "a+b": (1, 1), "a-b": (1, -1)}
Format = Literal["png", "svg", "pdf"]
T = TypeVar("T")


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


class SymmetryChain(SimulatedChain):
    """Decide after every unit cell whether the bonds of a chain alternate: simulated, or a row of atoms of a result."""

    case: int = Field(
        2, ge=1, le=2, description="Case of the paper, for what is not given of odd and even: 0.5, 1.5 or 0.95, 1.05."
    )
    session: Path | None = Field(
        None,
        description="Folder of a run that included measure_lattice: its longest row of atoms without a gap, in place "
        "of a simulated chain. Its bonds are over their mean, and so are the ROPE and all priors.",
    )
    direction: Literal["a", "b", "a+b", "a-b"] = Field("a", description="Of the row of a session.")
    model: ChainModel = Field(default_factory=ChainModel, description="How the chain is judged.")
    calibrate: CliImplicitFlag[bool] = Field(
        False, description="Also simulate 1000 chains like this one, and count how often decisions are right."
    )
    out: Path = Field(description="Folder for chain.csv and the figure, and calibration.csv and its figure.")
    figures: Format = Field("png", description="Format of the figures.")


class SymmetryStudy(DecideSymmetry):
    """How large a window decides the symmetry around an atom, and which lattice each grain and each class has."""

    session: CliPositionalArg[Path] = Field(description="Folder of a run that included measure_lattice.")
    out: Path = Field(description="Folder for study.csv and weights.csv with their figures.")
    figures: Format = Field("png", description="Format of the figures.")


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


def symmetry_chain(command: SymmetryChain) -> int:
    """Decide on a chain, write table and figure and say the decision; with measured rates where asked for."""
    from local_crystallography.bayes.calibrate import ChainTrials, calibrate_chain
    from local_crystallography.bayes.noise import residual_correlation
    from local_crystallography.report import symmetry as io
    from local_crystallography.views.chain_view import decision_words

    chain, unit, noise, code = chain_of(command), "a.u.", command.noise, 0
    if command.session is not None:
        found = residual_correlation(chain.bonds)
        unit, noise = "mean bonds", found.favours or noise
        told = f"as for noise of {found.favours}" if found.favours else "which tells neither kind of noise"
        say(f"Bonds of {chain.cells} unit cells correlate with their neighbours by {found.correlation:.2f}, {told}.")
    result = command.model(chain)
    tables = {"chain": io.chain_table(result)}
    figures = {"chain": io.chain_figure(chain, result, command.model, unit=unit)}
    say(" ".join(decision_words(result, command.model)))
    if command.calibrate:
        trials = ChainTrials.like(chain, command.model, noise)
        calibration, code = run_job(calibrate_chain(command.model, trials))
        tables["calibration"] = io.calibration_table(calibration)
        figures["calibration"] = io.calibration_figure(calibration, unit=unit)
        say(tables["calibration"].round(3).T.to_string(header=False))
    write_tables(command.out, tables, figures, command.figures)
    return code


def chain_of(command: SymmetryChain) -> Chain:
    """The chain simulated, or a row of atoms over its mean bond."""
    if command.session is None:
        case = dict(zip(("odd", "even"), CASES[command.case], strict=True))
        given = {name: getattr(command, name) for name in SimulatedChain.model_fields.keys() & command.model_fields_set}
        return SimulatedChain(**(case | given))()
    from local_crystallography.bayes.nets import nets
    from local_crystallography.bayes.row_chains import chains_along

    longest = chains_along(nets(measured(command.session)), DIRECTIONS[command.direction])[0].chain
    return Chain(longest.positions / longest.bonds.mean())


def symmetry_study(command: SymmetryStudy) -> int:
    """Study the windows and weigh the lattices of a saved result."""
    from local_crystallography.report import symmetry as io

    atoms = measured(command.session)
    study, code = run_job(command.study(atoms))
    weights = weights_of(command, atoms)
    tables = {"study": study_table(study)}
    figures = {"study": io.study_figure(study)}
    if weights:
        tables["weights"] = io.weights_table(weights).reset_index()
        figures["weights"] = io.weights_figure(weights)
    decided = study.symmetric + study.broken
    say(
        f"Noise of positions: {study.noise:.2%} of the cell. Windows of {study.cells[-1]:g} doubled cells decide "
        f"{decided[-1]:.1%} of the atoms: {study.symmetric[-1]:.1%} symmetric, {study.broken[-1]:.1%} broken."
    )
    for region, each in weights.items():
        say(f"Lattice of {region}: {each.names[0]} ({each.weights[0]:.1%}).")
    write_tables(command.out, tables, figures, command.figures)
    return code


def study_table(study: WindowStudy) -> pd.DataFrame:
    """One row per window; noise and difference are the same in all."""
    import pandas as pd

    return pd.DataFrame(asdict(study))


def weights_of(command: SymmetryStudy, atoms: Atoms) -> dict[str, ModelWeights]:
    """Of every grain, and of every class where there are some; regions too small for weights are left out."""
    from local_crystallography.bayes.nets import nets
    from local_crystallography.bayes.weights import region_weights

    lattices = nets(atoms, together=command.together, corrected=command.corrected)
    columns = {"grain": "grain", "class": "label"}
    return {
        f"{word} {number}": weights
        for word, column in columns.items()
        if column in atoms.features
        for number, weights in region_weights(lattices, atoms.features[column].fillna(-1)).items()
    }


def measured(session: Path) -> Atoms:
    """The atoms of a saved result with their lattice."""
    from local_crystallography.analysis import Analysis

    atoms = Analysis.open(session).atoms
    if atoms is None or "cell_a" not in atoms.features:
        raise InputError(
            f"{session} came without a lattice, a result with one was expected; run it again with --also "
            "measure_lattice."
        )
    return atoms


def run_job(job: Job[T]) -> tuple[T, int]:
    """Finish a job with a progress bar, or stop it at Ctrl-C; its result and the exit code."""
    with progress_bar() as report, stop_on_interrupt() as stopped:
        return finish(job, lambda progress: report(progress) or stopped()), STOPPED if stopped() else 0


def write_tables(out: Path, tables: dict[str, pd.DataFrame], figures: dict[str, Figure], ending: Format) -> None:
    """Write tables in CSV and figures to a folder, which is made where it is missing."""
    from local_crystallography.report.symmetry import write_figure

    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            table.to_csv(out / f"{name}.csv", index=False)
        for name, figure in figures.items():
            write_figure(figure, out / f"{name}.{ending}")
    say(f"Tables and figures are in {out}.")


def check_tiff(out: Path) -> None:
    """Refuse a name that is none of a TIFF file, before the work is done."""
    if out.suffix.lower() not in TIFF:
        raise InputError(f"--out {out} came, the name of a TIFF file was expected; let it end in .tif.")


def write(out: Path, image: Image) -> None:
    """Write an image as TIFF; its folder is made where it is missing."""
    from local_crystallography.io.write import write_tiff

    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_tiff(out, image.data, image.pixel_size)

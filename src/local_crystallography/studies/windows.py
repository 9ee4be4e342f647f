"""Window study: dependence of the result on window size, source and seed, with one training for each (Fig. S2)."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from local_crystallography.analysis import MISSING, Analysis, watched
from local_crystallography.clustering.angle_peaks import angle_peaks
from local_crystallography.clustering.features import numbers
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import HAND_LABEL
from local_crystallography.data.errors import InputError, writing
from local_crystallography.data.image import Image
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.data.progress import Job, Progress
from local_crystallography.data.subimages import as_found, fits
from local_crystallography.io.provenance import pixels_sha256
from local_crystallography.io.window_runs import (
    RunKey,
    Source,
    StudyRun,
    StudyTable,
    digest,
    read_run,
    refuse_other_image,
    run_name,
    write_run,
)
from local_crystallography.lattice.shells import Suggestion, neighbour_distance, pair_distribution, shells_of
from local_crystallography.recipe import Recipe
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.encode import Encode
from local_crystallography.steps.encode_cvae import EncodeCvae
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.paint_map import PaintMap

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae

T = TypeVar("T")

NEW = (Encode.name(), Cluster.name(), EncodeCvae.name())
"""Steps whose columns each run computes anew."""
KEPT = r"id|frame|angle_rad|symmetry_order|z\d+|label|label_probability"


class WindowStudy(BaseModel):
    """Train once for every window size, source and seed, and compare the results."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    windows: tuple[Annotated[int, Field(ge=8, le=512)], ...] = Field(
        (24, 32, 48), description="Sides of the windows, in pixels."
    )
    sources: tuple[Source, ...] = Field(
        ("image",),
        description="What is cut: the image, the image smoothed by the width of its atoms, or the probability map.",
    )
    seeds: tuple[Annotated[int, Field(ge=0, le=2**31 - 1)], ...] = Field(
        (0,), description="Random seeds of the training; several show how stable the classes are."
    )
    epochs: int | None = Field(
        None, ge=1, le=5000, description="Passes over all sub-images; automatic: those of the recipe."
    )

    @property
    def runs(self) -> tuple[RunKey, ...]:
        """Source, window and seed of every run, in order, each once."""
        return tuple(dict.fromkeys(product(self.sources, self.windows, self.seeds)))

    def of_run(self, recipe: Recipe, source: Source, window: int, seed: int, smoothing: float) -> Recipe:
        """The recipe of one run."""
        cut = {"source": source, "window_size": window, "smoothing": smoothing}
        trained = {"seed": seed, "epochs": self.epochs or recipe.train_vae.epochs, "checkpoint": None}
        extract = recipe.extract_sub_images.model_copy(update=cut)
        return recipe.with_step(extract).with_step(recipe.train_vae.model_copy(update=trained))


@dataclass(frozen=True)
class Inputs:
    """Common inputs of all runs."""

    image: Image
    atoms: Atoms
    probability: ProbabilityMap | None
    digests: dict[str, str]


def run_window_study(analysis: Analysis, settings: WindowStudy, recipe: Recipe, folder: Path) -> Job[StudyTable]:
    """A job that trains every run, each saved to its own sub-folder as it ends; the analysis stays as it is.

    A run whose folder holds the result for the same image, atoms and settings is read and not repeated; one with other
    settings is replaced. A stopped training is resumed. If stopped, the job returns the finished runs, including later
    ones saved by an earlier study. The note of a run that failed says why.

    Raises
    ------
    InputError
        If there is nothing to train on, a list is empty, a window does not fit, the folder holds runs on another image
        or cannot be written, or all runs fail.
    """
    inputs = checked(analysis, settings, recipe)
    recipes = recipes_of(settings, recipe, inputs)
    refuse_other_image(folder, list(recipes), inputs.digests["image"])
    done = {run: read_run(folder, run, asked(recipes[run], inputs)) for run in recipes}
    for number, (run, each) in enumerate(recipes.items()):
        name = run_name(*run)
        if (yield Progress(number / len(recipes), f"{name}: {'already done' if done[run] else 'cutting sub-images'}")):
            break
        if done[run] is None:
            done[run] = yield from share(one_run(run, each, inputs, folder), name, number, len(recipes))
            if done[run] is None:
                break
    found = [run for run in done.values() if run is not None]
    if found and all(run.note for run in found):
        raise InputError(f"No run gave a result; {found[0].name}: {found[0].note}")
    return StudyTable(tuple(found))


def finished_runs(analysis: Analysis, settings: WindowStudy, recipe: Recipe, folder: Path) -> StudyTable:
    """The requested runs that a folder already holds; failed ones are not saved.

    Raises
    ------
    InputError
        As `run_window_study`, for inputs that cannot be studied.
    """
    inputs = checked(analysis, settings, recipe)
    read = (read_run(folder, run, asked(each, inputs)) for run, each in recipes_of(settings, recipe, inputs).items())
    return StudyTable(tuple(run for run in read if run is not None))


def recipes_of(settings: WindowStudy, recipe: Recipe, inputs: Inputs) -> dict[RunKey, Recipe]:
    """The recipe of every run, in order."""
    smoothing = width_of(inputs, recipe)
    return {run: settings.of_run(recipe, *run, smoothing) for run in settings.runs}


def checked(analysis: Analysis, settings: WindowStudy, recipe: Recipe) -> Inputs:
    """The inputs of the runs, checked."""
    for name in ("windows", "sources", "seeds"):
        if not getattr(settings, name):
            raise InputError(f"The window study has no {name}; give at least one.")
    needed = ["image", "atoms"] + ["probability"] * ("probability" in settings.sources)
    if lacking := [name for name in needed if getattr(analysis, name) is None]:
        raise InputError(MISSING[lacking[0]])
    if recipe.train_vae.kind != "rvae":
        raise InputError("A window study compares angles, which a network of kind vae does not have; choose kind rvae.")
    image, atoms = analysis.image, analysis.atoms
    assert image is not None
    assert atoms is not None
    if not len(atoms):
        raise InputError("There are no atoms for the window study; find atoms first.")
    atoms = as_found(atoms).without([name for step in NEW for name in analysis.columns.get(step, [])])
    largest = max(settings.windows)
    if not fits(atoms.yx, image.shape, largest).any():
        raise InputError(
            f"A window of {largest} pixels fits around none of the {len(atoms)} atoms in an image of "
            f"{image.shape[0]} x {image.shape[1]} pixels; use a smaller one."
        )
    digests = {"image": pixels_sha256(image), "atoms": digest(atoms.yx, atoms.ids, atoms.frame)}
    read = {"intensity", *recipe.cluster.columns} | ({HAND_LABEL} if recipe.cluster.by.starts_by_hand else set())
    for name in sorted(read & set(atoms.features)):
        digests[name] = digest(numbers(atoms, name))
    probability = analysis.probability if "probability" in settings.sources else None
    if probability is not None:
        digests["probability"] = digest(probability.values)
    return Inputs(image, atoms, probability, digests)


def width_of(inputs: Inputs, recipe: Recipe) -> float:
    """Standard deviation of the atoms in pixels: as refined, else as measured in the image, else from the recipe."""
    if "sigma_px" in inputs.atoms.features:
        sigma = float(inputs.atoms.features["sigma_px"].median())
    else:
        sigma = recipe.segment.resolve(inputs.image).network.sigma or recipe.extract_sub_images.smoothing
    return round(float(np.clip(sigma, 0.1, 50)), 3)


def one_run(run: RunKey, recipe: Recipe, inputs: Inputs, folder: Path) -> Job[StudyRun | None]:
    """Cut, train, encode, cluster and save; None if stopped, in which case the next study resumes it."""
    started, wanted = time.perf_counter(), asked(recipe, inputs)
    sub_folder = folder / run_name(*run)
    with writing(sub_folder):
        try:
            sub_folder.mkdir(parents=True, exist_ok=True)
            key = hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:12]
            checkpoint = sub_folder / f"training-{key}.safetensors"
            sub_images = recipe.extract_sub_images(inputs.atoms, inputs.image, inputs.probability)
            training = recipe.train_vae.model_copy(update={"checkpoint": checkpoint})
            vae, stopped = yield from watched(training.run(sub_images))
            if stopped:
                return None
            encoded = recipe.encode(vae, sub_images, inputs.atoms)
            clustered = recipe.cluster(encoded)
            made = summarised(run, clustered[np.isin(clustered.ids, sub_images.atoms.ids)], vae)
            made = replace(made, seconds=round(time.perf_counter() - started, 2))
            write_run(made, recipe.to_toml(), wanted, folder)
            for old in sub_folder.glob("training-*.safetensors"):
                old.unlink()
        except InputError as error:
            return StudyRun(*run, atoms=inputs.atoms[:0], note=str(error))
    return made


def summarised(run: RunKey, atoms: Atoms, vae: Vae) -> StudyRun:
    """A run with its summary numbers and the columns in `KEPT`."""
    kept = Atoms(atoms.yx, atoms.features.filter(regex=f"^({KEPT})$"), atoms.pixel_size)
    label = kept.features["label"].to_numpy()
    return StudyRun(
        *run,
        atoms=kept,
        angle_peaks=angle_peaks(kept.features["angle_rad"], kept.features["symmetry_order"]),
        elbo_per_pixel=elbo_per_pixel(vae),
        numbers=int(vae.network.likelihood.numbers),
        classes=len(np.unique(label[label >= 0])),
    )


def elbo_per_pixel(vae: Vae) -> float:
    """Held-out evidence of a window in nats per pixel the network sees, in the inscribed disc or the whole window."""
    numbers, side = vae.network.likelihood.numbers, vae.settings.window_size
    share = np.pi / 4 if vae.settings.decoder == "harmonic" else 1.0
    return -float(vae.settings.held_out_loss) * numbers / (share * side**2 * vae.settings.channels)


def study_maps(study: StudyTable, image: Image) -> dict[str, dict[str, npt.NDArray[np.float32]]]:
    """Maps of angle, latents and label, of the shape of the image, by run name and column; failed runs have none."""
    return {run.name: PaintMap()(run.atoms, image) for run in study.runs if not run.note}


def suggested_window(atoms: Atoms) -> int:
    """Side of the window to begin with, in pixels; see `suggest`."""
    return suggest(atoms).window


def suggest(atoms: Atoms) -> Suggestion:
    """The automatic window of Extract sub-images, with the pair distribution that shows what it holds.

    The disc inside the window is what the network sees. Shells of neighbours are peaks of the radial pair distribution.

    Raises
    ------
    InputError
        If no frame holds two atoms, or most atoms coincide with another.
    """
    spacing = neighbour_distance(atoms)
    if not spacing > 0:
        raise InputError("Most atoms coincide with another atom; find them again.")
    radius, density = pair_distribution(atoms, spacing)
    return Suggestion(ExtractSubImages().automatic(atoms), radius, density, radius[shells_of(density)])


def asked(recipe: Recipe, inputs: Inputs) -> dict[str, Any]:
    """Everything the result of a run depends on, in a form that JSON can hold."""
    steps = (recipe.extract_sub_images, recipe.train_vae, recipe.encode, recipe.cluster)
    digests = {
        name: value
        for name, value in inputs.digests.items()
        if name != "probability" or recipe.extract_sub_images.source == "probability"
    }
    settings: dict[str, Any] = {step.name(): step.model_dump(mode="json") for step in steps}
    return digests | settings


def share(job: Job[T], name: str, number: int, of: int) -> Generator[Progress, bool | None, T]:
    """The job as number `number` (from 0) of several; without its preview, which is of other sub-images."""
    stop: bool | None = None
    while True:
        try:
            progress = job.send(stop)
        except StopIteration as end:
            result: T = end.value
            return result
        fraction = (number + progress.fraction) / of
        stop = yield replace(progress, fraction=fraction, message=f"{name}: {progress.message}", preview=None)

"""Training the network that finds atoms: anew on simulated pictures, or on for an image whose atoms are known."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.progress import Job
from local_crystallography.steps.segment import Segment

if TYPE_CHECKING:
    from local_crystallography.models.segmenter import Segmenter
    from local_crystallography.models.segmenter_training import Example

EPOCH = 1_000_000
"""Pictures between those of one seed and those of the next."""
STEPS, LEARNING_RATE = 9000, 3e-3
TUNING_STEPS, TUNING_RATE = 400, 1e-3
SIDE = 192
"""Side of what the network sees of an image in one step, px of the scaled image."""
FEWEST = 10


def train_segmenter(*, seed: int, steps: int = STEPS, checkpoint: Path | None = None) -> Job[Segmenter]:
    """Train networks as those that come with the program, from nothing, on simulated pictures alone; about an hour.

    Parameters
    ----------
    seed, steps
        Start of the random numbers; steps of the optimiser, 8 pictures each.
    checkpoint
        File the training is saved to regularly, and resumed from where it exists.
    """
    from local_crystallography.models.segmenter import COLUMN
    from local_crystallography.models.segmenter_training import SegmenterTraining

    training = SegmenterTraining(partial(simulated, seed=seed), ("atom",), COLUMN, steps, LEARNING_RATE, seed)
    return training.run(checkpoint)


def tune_segmenter(
    image: Image, atoms: Atoms, *, seed: int, steps: int = TUNING_STEPS, checkpoint: Path | None = None
) -> Job[Segmenter]:
    """Fine-tune the first network that comes with the program for an image in which every atom is marked.

    Where the atoms have a column `label`, the network learns to tell those classes; without, simulated pictures are
    mixed in, so that it does not forget.

    Raises
    ------
    InputError
        For fewer than 10 atoms, a stack, an image without columns of atoms.
    """
    from local_crystallography.models.segmenter import shipped
    from local_crystallography.models.segmenter_training import SegmenterTraining

    if len(atoms) < FEWEST or image.data.ndim != 2:
        raise InputError(
            f"{len(atoms)} atoms on an image of shape {image.data.shape} came, at least {FEWEST} on one frame were "
            "expected; mark every atom of one image."
        )
    classes, kind = classes_of(atoms)
    first = shipped()
    scaled, places = scaled_to(image, atoms.yx, first.sigma)
    mixed = len(classes) == 1

    def example(number: int) -> Example:
        if mixed and number % 2:
            return simulated(number, seed=seed)
        return marked(scaled, places, kind, len(classes), first.sigma, np.random.default_rng([seed, number]))

    network = first.with_classes(len(classes)).networks[0]
    return SegmenterTraining(example, classes, first.sigma, steps, TUNING_RATE, seed, network).run(checkpoint)


def simulated(number: int, *, seed: int) -> Example:
    """A simulated picture with a disc on every column that counts; those too weak or without a top are left open."""
    from local_crystallography.models.segmenter_training import RADIUS, Example, disc
    from local_crystallography.simulate.variety import INVISIBLE, WEAKEST, noisy, picture

    made = picture(seed * EPOCH + number, side=SIDE)
    yes = (made.share >= WEAKEST) & made.seen
    shape, radius = made.expected.shape, RADIUS * made.sigma
    target = disc(shape, made.yx[yes], radius) * ~made.covered
    maybe = disc(shape, made.yx[~yes & (made.share >= INVISIBLE)], radius + 1)
    rim = ndimage.binary_dilation(made.covered, iterations=3) & ~ndimage.binary_erosion(made.covered, iterations=3)
    weight = (((maybe == 0) | (target > 0)) & ~rim).astype(np.float32)
    return Example(lambda rng: noisy(rng, made), target[None], weight)


def classes_of(atoms: Atoms) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Names of the classes, and the number (N,) of that of every atom; -1 for those that have none."""
    if "label" not in atoms.features:
        return ("atom",), np.zeros(len(atoms), np.int64)
    labels = atoms.features["label"].to_numpy(float)
    known = [int(label) for label in np.unique(labels[labels >= 0])]
    number = {label: index for index, label in enumerate(known)}
    kind = np.array([number.get(int(label), -1) if np.isfinite(label) else -1 for label in labels])
    return tuple(f"class {label}" for label in known) or ("atom",), kind if known else np.zeros(len(atoms), np.int64)


def scaled_to(
    image: Image, yx: npt.NDArray[np.float64], sigma: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """The frame with bright atoms, scaled so that columns have the given sigma; and the places in it."""
    from local_crystallography.models.segmenter import resized

    frame, step = image.frame(0), Segment().resolve(image)
    frame = frame if step.contrast == "bright" else -frame
    shape = tuple(max(16, round(side * sigma / (step.network.sigma or sigma))) for side in frame.shape)
    zoom = np.array(shape) / frame.shape
    return resized(frame[None, None], shape)[0, 0], (yx + 0.5) * zoom - 0.5


def marked(
    frame: npt.NDArray[np.float32],
    places: npt.NDArray[np.float64],
    kind: npt.NDArray[np.int64],
    classes: int,
    sigma: float,
    rng: np.random.Generator,
) -> Example:
    """A part of an image with a disc on every atom of each class, the scale a little off; a little noise is added."""
    from local_crystallography.models.segmenter import resized
    from local_crystallography.models.segmenter_training import RADIUS, Example, disc

    zoom = float(np.exp(rng.uniform(-0.2, 0.2)))
    side = min(round(SIDE / zoom), *frame.shape)
    top, left = (int(rng.integers(length - side + 1)) for length in frame.shape)
    zoom = SIDE / side
    part = resized(frame[None, None, top : top + side, left : left + side], (SIDE, SIDE))[0, 0]
    at = (places - (top, left) + 0.5) * zoom - 0.5
    near = ((at > -5 * sigma) & (at < SIDE + 5 * sigma)).all(axis=1)
    discs = [disc((SIDE, SIDE), at[near & (kind == k)], RADIUS * sigma * zoom) for k in range(classes)]
    open_part = disc((SIDE, SIDE), at[near & (kind < 0)], RADIUS * sigma * zoom)
    noise = 0.1 * float(part.std()) * rng.random()
    return Example(
        lambda other: part + noise * other.standard_normal(part.shape, np.float32), np.stack(discs), 1 - open_part
    )

"""Training of the network that finds atoms: from scratch on simulated images, or fine-tuned on a marked image."""

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
"""Number of simulated images reserved for each seed."""
STEPS, LEARNING_RATE = 9000, 3e-3
TUNING_STEPS, TUNING_RATE = 400, 1e-3
SIDE = 192
"""Side of the part of an image used in one step, px of the scaled image."""
FEWEST = 10


def train_segmenter(*, seed: int, steps: int = STEPS, checkpoint: Path | None = None) -> Job[Segmenter]:
    """Train networks like those that come with the program, from scratch on simulated images; about an hour.

    Parameters
    ----------
    seed, steps
        Random seed; steps of the optimiser, with 8 images each.
    checkpoint
        File to which the training is saved regularly, and from which it resumes.
    """
    from local_crystallography.models.segmenter import COLUMN
    from local_crystallography.models.segmenter_training import SegmenterTraining

    training = SegmenterTraining(partial(simulated, seed=seed), ("atom",), COLUMN, steps, LEARNING_RATE, seed)
    return training.run(checkpoint)


def tune_segmenter(
    image: Image, atoms: Atoms, *, seed: int, steps: int = TUNING_STEPS, checkpoint: Path | None = None
) -> Job[Segmenter]:
    """Fine-tune the first network that comes with the program on an image in which every atom is marked.

    If the atoms have a column `label`, the network learns to distinguish those classes; otherwise simulated images are
    mixed in, so that earlier training is not lost.

    Raises
    ------
    InputError
        For fewer than 10 atoms, a stack, or an image without atom columns.
    """
    from local_crystallography.models.segmenter import shipped
    from local_crystallography.models.segmenter_training import SegmenterTraining

    if len(atoms) < FEWEST or image.data.ndim != 2:
        raise InputError(
            f"Fine-tuning needs at least {FEWEST} atoms on a single frame, but there are {len(atoms)} on data of shape "
            f"{image.data.shape}; mark every atom of one image."
        )
    classes, kind = classes_of(atoms)
    first = shipped()
    scaled, positions = scaled_to(image, atoms.yx, first.sigma)
    mixed = len(classes) == 1

    def example(number: int) -> Example:
        if mixed and number % 2:
            return simulated(number, seed=seed)
        return marked(scaled, positions, kind, len(classes), first.sigma, np.random.default_rng([seed, number]))

    network = first.with_classes(len(classes)).networks[0]
    return SegmenterTraining(example, classes, first.sigma, steps, TUNING_RATE, seed, network).run(checkpoint)


def simulated(number: int, *, seed: int) -> Example:
    """Simulated example with a disc on every visible column; columns too weak or without a maximum have weight 0."""
    from local_crystallography.models.segmenter_training import RADIUS, Example, disc
    from local_crystallography.simulate.variety import INVISIBLE, WEAKEST, noisy, training_image

    made = training_image(seed * EPOCH + number, side=SIDE)
    yes = (made.strength >= WEAKEST) & made.resolved
    shape, radius = made.expected.shape, RADIUS * made.sigma
    target = disc(shape, made.yx[yes], radius) * ~made.covered
    maybe = disc(shape, made.yx[~yes & (made.strength >= INVISIBLE)], radius + 1)
    rim = ndimage.binary_dilation(made.covered, iterations=3) & ~ndimage.binary_erosion(made.covered, iterations=3)
    weight = (((maybe == 0) | (target > 0)) & ~rim).astype(np.float32)
    return Example(lambda rng: noisy(rng, made), target[None], weight)


def classes_of(atoms: Atoms) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Names of the classes, and number (N,) of the class of every atom; -1 for those without one."""
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
    """Frame with bright atoms, scaled so that columns have the given sigma, and the scaled positions (N, 2)."""
    from local_crystallography.models.segmenter import resized

    frame, step = image.frame(0), Segment().resolve(image)
    frame = frame if step.contrast == "bright" else -frame
    shape = tuple(max(16, round(side * sigma / (step.network.sigma or sigma))) for side in frame.shape)
    zoom = np.array(shape) / frame.shape
    return resized(frame[None, None], shape)[0, 0], (yx + 0.5) * zoom - 0.5


def marked(
    frame: npt.NDArray[np.float32],
    positions: npt.NDArray[np.float64],
    kind: npt.NDArray[np.int64],
    classes: int,
    sigma: float,
    rng: np.random.Generator,
) -> Example:
    """Random part of an image with a disc on every atom of each class, slightly rescaled and with added noise."""
    from local_crystallography.models.segmenter import resized
    from local_crystallography.models.segmenter_training import RADIUS, Example, disc

    zoom = float(np.exp(rng.uniform(-0.2, 0.2)))
    side = min(round(SIDE / zoom), *frame.shape)
    top, left = (int(rng.integers(length - side + 1)) for length in frame.shape)
    zoom = SIDE / side
    part = resized(frame[None, None, top : top + side, left : left + side], (SIDE, SIDE))[0, 0]
    at = (positions - (top, left) + 0.5) * zoom - 0.5
    near = ((at > -5 * sigma) & (at < SIDE + 5 * sigma)).all(axis=1)
    discs = [disc((SIDE, SIDE), at[near & (kind == k)], RADIUS * sigma * zoom) for k in range(classes)]
    open_part = disc((SIDE, SIDE), at[near & (kind < 0)], RADIUS * sigma * zoom)
    noise = 0.1 * float(part.std()) * rng.random()
    return Example(
        lambda other: part + noise * other.standard_normal(part.shape, np.float32), np.stack(discs), 1 - open_part
    )

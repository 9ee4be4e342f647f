"""Common part of all trainings: parameters, and the settings of a network for given sub-images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from local_crystallography.data.errors import InputError
from local_crystallography.data.parameters import ADVANCED, unset
from local_crystallography.data.progress import Job
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.base import Step

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae

STEPS = 1000
"""Steps of the optimiser after which both small and large sets had converged in tests."""

MENTIONED = 0.01
"""Smallest shear that is mentioned in the summary."""


class Training(Step):
    """Parameters of the training of any variational autoencoder."""

    renamed: ClassVar = {"detail": "min_wavelength"}

    kind: Literal["rvae", "vae", "crvae", "cvae"]
    latents: int = Field(2, ge=1, le=10, description="Number of latent variables besides angle and offset.")
    epochs: int | None = Field(
        None,
        ge=1,
        le=5000,
        description="Passes over all sub-images; automatic: about 1000 steps, in 20 to 200 passes.",
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        description="Random seed; the same seed gives the same network.",
    )
    restarts: int = Field(
        1,
        ge=1,
        le=100,
        description="Trainings from different starts; the one with the best held-out loss is kept.",
    )
    rotation_prior: float = Field(
        0.3,
        ge=0.01,
        le=100,
        description="Prior standard deviation of the angle, s_gamma of Eq. 2, in radians.",
    )
    decoder: Literal["harmonic", "canonical", "coordinates"] | None = Field(
        None,
        json_schema_extra=ADVANCED,
        description=(
            "How an image is decoded from latents. harmonic: rotated exactly, all angles weighted (automatic for kinds "
            "with angle); canonical: an image rotated by interpolation (automatic otherwise); coordinates: pixel by "
            "pixel, as in the paper, slow."
        ),
    )
    encoder: Literal["invariant", "dense", "convolutional"] | None = Field(
        None,
        json_schema_extra=ADVANCED,
        description=(
            "How an image is encoded as latents. invariant: the same for any rotation (automatic with harmonic); "
            "dense: fully connected (automatic otherwise); convolutional."
        ),
    )
    likelihood: Literal["gaussian", "bernoulli"] = Field(
        "gaussian",
        json_schema_extra=ADVANCED,
        description=(
            "Distribution of pixel values. gaussian: with noise that is learned; bernoulli: pixels are probabilities, "
            "for sub-images of the probability map."
        ),
    )
    offset_prior: float | None = Field(
        None,
        ge=0.01,
        le=20,
        json_schema_extra=unset("learned", advanced=True),
        description="Prior standard deviation of the offset, in pixels; automatic: learned during training.",
    )
    min_wavelength: float | None = Field(
        None,
        ge=2,
        le=100,
        json_schema_extra=ADVANCED,
        description="Shortest wavelength modelled, in pixels; automatic: down to the noise.",
    )
    hidden: int = Field(64, ge=4, le=1024, json_schema_extra=ADVANCED, description="Width of the hidden layers.")
    batch_size: int = Field(
        256, ge=2, le=65536, json_schema_extra=ADVANCED, description="Sub-images per training step."
    )
    learning_rate: float = Field(
        0.003,
        ge=0.00001,
        le=1,
        json_schema_extra=ADVANCED,
        description="Initial step size of the optimiser (Adam).",
    )
    kl_weight: float = Field(
        1.0,
        ge=0,
        le=1000,
        json_schema_extra=ADVANCED,
        description="Weight of the KL divergences of Eq. 2; above 1, latents become simpler.",
    )
    warm_up: float = Field(
        0.3,
        ge=0,
        le=1,
        json_schema_extra=ADVANCED,
        description="Fraction of the training during which the KL divergences rise to their full weight.",
    )
    capacity: float | None = Field(
        None,
        ge=0,
        le=1000,
        json_schema_extra=unset("none", advanced=True),
        description="Target KL capacity of the latents, in nats, increased during training; none: no target.",
    )
    patience: int | None = Field(
        None,
        ge=1,
        le=5000,
        json_schema_extra=ADVANCED,
        description="Passes without a better held-out loss after which training ends; automatic: a third of all.",
    )
    device: Literal["cpu", "cuda", "mps"] | None = Field(
        None, json_schema_extra=ADVANCED, description="Device for the computation; automatic: a GPU if there is one."
    )
    checkpoint: Path | None = Field(
        None,
        json_schema_extra=ADVANCED,
        description="File the training is saved to after every epoch, and resumed from if it exists.",
    )

    @property
    def turns(self) -> bool:
        """Whether the network has angle and offset."""
        return self.kind in ("rvae", "crvae")

    @model_validator(mode="after")
    def _fits_together(self) -> Training:
        decoder, encoder = self.decoder, self.encoder
        if decoder == "harmonic" and not self.turns:
            raise ValueError("the harmonic decoder needs a kind with angle; use canonical or coordinates for this kind")
        if encoder == "invariant" and (not self.turns or decoder not in (None, "harmonic")):
            raise ValueError("the invariant encoder belongs to the harmonic decoder; use dense or convolutional")
        return self

    def summary(self, result: Vae) -> str:
        shear = float(np.hypot(*result.settings.shear))
        corrected = f", {shear:.1%} shear of the scan corrected" if shear > MENTIONED else ""
        return f"held-out loss {result.settings.held_out_loss:.3f}{corrected}"

    def remarks(self, result: Vae) -> list[str]:
        return list(result.remarks)

    def resolved(self, sub_images: SubImages) -> dict[str, Any]:
        """Values of all automatic parameters."""
        n, decoder = len(sub_images), self.decoder or ("harmonic" if self.turns else "canonical")
        passes = int(np.clip(round(STEPS * self.batch_size / max(n, self.batch_size)), 20, 200))
        epochs, detail = self.epochs or passes, self.min_wavelength
        if detail is None and decoder == "harmonic":
            normalisation(sub_images.windows, self.likelihood)  # report unusable sub-images at once
            detail = round(float(np.clip(finest_wavelength(sub_images.windows, seed=self.seed), 2, 100)), 2)
        return {
            "decoder": decoder,
            "encoder": self.encoder or ("invariant" if decoder == "harmonic" else "dense"),
            "epochs": epochs,
            "min_wavelength": detail,
            "patience": self.patience or max(10, epochs // 3),
            "device": self.device or best_device(),
        }

    def fit(self, sub_images: SubImages, labels: npt.NDArray[np.int64] | None = None) -> Job[Vae]:
        """The training as a job; automatic parameters must have been resolved.

        Raises
        ------
        InputError
            If sub-images are constant, not finite, or not probabilities as a Bernoulli likelihood requires.
        """
        from local_crystallography.models.plan import Plan
        from local_crystallography.models.settings import VaeSettings
        from local_crystallography.models.training import train

        windows = sub_images.windows
        center, scale = normalisation(windows, self.likelihood)
        settings = VaeSettings(
            turns=self.turns,
            decoder=self.decoder,
            encoder=self.encoder,
            likelihood=self.likelihood,
            window_size=sub_images.window_size,
            channels=sub_images.channels,
            classes=() if labels is None else tuple(np.unique(labels).tolist()),
            highest_frequency=2 * np.pi / (self.min_wavelength or 2),
            latents=self.latents,
            hidden=self.hidden,
            s_gamma=self.rotation_prior,
            s_offset=self.offset_prior,
            center=center,
            scale=scale,
        )
        names = set(Plan.__dataclass_fields__)
        plan = Plan(**{name: value for name, value in self if name in names})
        return train(windows, settings, plan, labels)


def normalisation(windows: npt.NDArray[np.float32], likelihood: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Value to subtract from each channel, and value to divide it by."""
    channels = 1 if windows.ndim == 3 else windows.shape[3]
    parts = [windows if windows.ndim == 3 else windows[..., i] for i in range(channels)]
    lowest, highest = (np.array([float(end(part)) for part in parts]) for end in (np.min, np.max))
    if not np.isfinite([lowest, highest]).all():
        raise InputError("Some sub-images have NaN or infinite pixels; cut them again.")
    if (lowest == highest).any():
        raise InputError("All pixels of the sub-images are equal; check the image they were cut from.")
    if likelihood == "bernoulli":
        if lowest.min() < -0.05 or highest.max() > 1.05:
            raise InputError(
                f"A Bernoulli likelihood needs probabilities, but the sub-images range from {lowest.min():.3g} to "
                f"{highest.max():.3g}; cut them from the probability map, or use a Gaussian likelihood."
            )
        return (0.5,) * channels, (1.0,) * channels
    means = tuple(float(part.mean(dtype=np.float64)) for part in parts)
    return means, tuple(spread(part, mean) for part, mean in zip(parts, means, strict=True))


def spread(part: npt.NDArray[np.float32], mean: float) -> float:
    """Standard deviation, computed in slices: a full copy of many sub-images may not fit in memory."""
    squares = sum(float(np.square(some - np.float32(mean)).sum(dtype=np.float64)) for some in np.array_split(part, 64))
    return float(np.sqrt(squares / part.size))


def best_device() -> str:
    """A GPU if torch finds one, else the CPU."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def finest_wavelength(windows: npt.NDArray[np.float32], *, seed: int) -> float:
    """Wavelength in pixels down to which the sub-images contain 99.5 % of the power above the noise.

    The mean power per coefficient is sorted by spatial frequency; the finest fifth is taken as noise. Of several
    channels the shortest wavelength counts.
    """
    from local_crystallography.models.harmonics import Harmonics

    if windows.ndim == 4:
        return min(finest_wavelength(windows[..., i], seed=seed) for i in range(windows.shape[3]))
    side = windows.shape[-1]
    basis = Harmonics(side, min(2.5, 48 / side))
    some = np.random.default_rng(seed).permutation(len(windows))[:1000]
    flat = windows[np.sort(some)].reshape(len(some), -1).astype(np.float64)
    power = ((flat - flat.mean()) @ basis.analysis.T).var(axis=0).reshape(2, -1).sum(axis=0)
    average = (((flat - flat.mean()).mean(axis=0) @ basis.analysis.T) ** 2).reshape(2, -1).sum(axis=0)
    order = np.argsort(basis.frequencies, kind="stable")
    per_part = np.where(basis.orders == 0, 1, 2)
    floor = np.median((power / per_part)[order][-len(order) // 5 :])
    signal = (power - floor * per_part + average)[order]
    last = int(np.clip(np.searchsorted(np.cumsum(signal) / signal.sum(), 0.995), 1, len(order) - 1))
    return float(2 * np.pi / basis.frequencies[order][last])

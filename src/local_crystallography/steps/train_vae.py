"""Sub-images to a trained rotational variational autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.base import Step

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae

STEPS = 1000
"""Steps of the optimiser after which small and large sets alike were seen to have converged."""


class TrainVae(Step):
    """Train the network that tells what a sub-image shows apart from how it is turned and shifted (Eq. 2)."""

    needs: ClassVar = ("sub_images",)
    makes: ClassVar = "vae"

    kind: Literal["rvae"] = Field(
        "rvae", description="Kind of network. rvae: rotationally invariant (Fig. 3b of the paper)."
    )
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
        description="Start of the random numbers; the same seed gives the same network.",
    )
    rotation_prior: float = Field(
        0.3,
        ge=0.01,
        le=100,
        description="Standard deviation of the angle expected, s_gamma of Eq. 2, in radians.",
    )
    offset_prior: float = Field(
        0.2, ge=0.01, le=20, description="Standard deviation of the offset expected, in pixels."
    )
    detail: float | None = Field(
        None,
        ge=2,
        le=100,
        description="Finest wavelength kept, in pixels; automatic: all that stands above the noise.",
    )
    hidden: int = Field(64, ge=4, le=1024, description="Width of the hidden layers.")
    batch_size: int = Field(256, ge=2, le=65536, description="Sub-images in one step of the training.")
    learning_rate: float = Field(0.003, ge=0.00001, le=1, description="Step size of the optimiser (Adam) at the start.")

    def resolve(self, sub_images: SubImages) -> TrainVae:
        """The same step with the detail found in the sub-images and the passes fitted to their number."""
        step = self
        if self.epochs is None:
            passes = round(STEPS * self.batch_size / max(len(sub_images), self.batch_size))
            step = step.model_copy(update={"epochs": int(np.clip(passes, 20, 200))})
        if self.detail is None:
            wavelength = finest_wavelength(sub_images.windows, seed=self.seed)
            step = step.model_copy(update={"detail": round(float(np.clip(wavelength, 2, 100)), 2)})
        return step

    def __call__(self, sub_images: SubImages) -> Job[Vae]:
        """A job that yields Progress and returns the best network so far.

        Raises
        ------
        InputError
            Where there are too few sub-images, they are all alike or not finite, or the training diverges.
        """
        from local_crystallography.models.training import train
        from local_crystallography.models.vae import VaeSettings

        windows = sub_images.windows
        if not np.isfinite(windows).all():
            raise InputError("Some sub-images hold NaN or infinite pixels, numbers were expected; cut them again.")
        center, scale = float(windows.mean()), float(windows.std())
        if scale == 0:
            raise InputError(
                "All sub-images are one constant, contrast was expected; check the image they were cut from."
            )
        step = self.resolve(sub_images)
        assert step.detail is not None
        assert step.epochs is not None
        settings = VaeSettings(
            window_size=sub_images.window_size,
            highest_frequency=2 * np.pi / step.detail,
            latents=self.latents,
            hidden=self.hidden,
            s_gamma=self.rotation_prior,
            s_offset=self.offset_prior,
            center=center,
            scale=scale,
            held_out_loss=0.0,
        )
        return train(
            windows,
            settings,
            epochs=step.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )


def finest_wavelength(windows: npt.NDArray[np.float32], *, seed: int) -> float:
    """Wavelength in pixels down to which the sub-images hold 99.5 % of what stands above the noise.

    The mean power per coefficient is sorted by spatial frequency; the finest fifth is taken for noise.
    """
    from local_crystallography.models.harmonics import Harmonics

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

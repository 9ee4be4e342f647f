"""A trained rotational variational autoencoder with everything that rebuilds it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import norm
from torch import Tensor

from local_crystallography.data.errors import InputError
from local_crystallography.models.harmonics import Harmonics
from local_crystallography.models.network import RotationalVae

Array = npt.NDArray[np.float32]
CHUNK = 4096
ORDERS = (2, 3, 4, 6)
ALIKE = 0.8


class VaeSettings(BaseModel):
    """What the network was built from and trained to; saved beside the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_size: int = Field(ge=4, le=512, description="Side of the sub-images, pixels.")
    highest_frequency: float = Field(gt=0, le=4, description="Finest detail kept, radians per pixel.")
    latents: int = Field(ge=1, le=10, description="Number of latent variables.")
    hidden: int = Field(ge=4, le=1024, description="Width of the hidden layers.")
    s_gamma: float = Field(gt=0, le=100, description="Standard deviation of the rotational prior (Eq. 2), radians.")
    s_offset: float = Field(gt=0, le=100, description="Standard deviation of the offset prior, pixels.")
    center: float = Field(description="Mean of the training sub-images, subtracted from every one.")
    scale: float = Field(gt=0, description="Standard deviation of the training sub-images, divided by.")
    shear: tuple[float, float] = Field(
        (0.0, 0.0),
        description="Shear of the whole image, undone first: stretch along x, stretch along the diagonal.",
    )
    held_out_loss: float = Field(description="Minus the evidence lower bound per coefficient on the held-out part.")

    def network(self) -> RotationalVae:
        """An untrained network of these settings."""
        return RotationalVae(
            Harmonics(self.window_size, self.highest_frequency),
            latents=self.latents,
            hidden=self.hidden,
            s_gamma=self.s_gamma,
            s_offset=self.s_offset,
        )


@dataclass(frozen=True)
class Vae:
    """A trained network. Windows are (n, w, w); only the inscribed disc is seen and decoded."""

    settings: VaeSettings
    weights: dict[str, Tensor]

    @cached_property
    def harmonics(self) -> Harmonics:
        """The basis of the sub-images."""
        return Harmonics(self.settings.window_size, self.settings.highest_frequency)

    @cached_property
    def network(self) -> RotationalVae:
        """The network with its weights, ready to evaluate."""
        network = self.settings.network()
        network.load_state_dict(self.weights)
        return network.eval().requires_grad_(False)

    @property
    def noise(self) -> float:
        """Standard deviation of the noise found in the sub-images, in their own units."""
        return float(self.weights["noise"]) * self.settings.scale

    def coefficients(self, windows: npt.NDArray[np.floating]) -> Tensor:
        """(n, 2 P) coefficients of normalised sub-images.

        Raises
        ------
        InputError
            For windows of another size than the network was trained on.
        """
        if windows.shape[1:] != (self.settings.window_size,) * 2:
            raise InputError(
                f"Sub-images of {windows.shape[1:]} pixels came, {self.settings.window_size} x "
                f"{self.settings.window_size} were expected; cut them with the window size of the training."
            )
        return project(windows, self.harmonics, self.settings)

    def encode(self, windows: npt.NDArray[np.floating]) -> pd.DataFrame:
        """Posterior mean and standard deviation of angle, offset and latents of every sub-image.

        Columns: angle_rad (counter-clockwise as displayed, in [-pi, pi)), angle_std_rad, offset_y_px, offset_x_px (of
        the motif from the centre of the window, in the axes of the image), z0, z1, …, z0_std, …, and
        reconstruction_error (residual variance over the variance of the noise, 1 where the model fits).
        """
        parts = [self._encode(c) for c in torch.split(self.coefficients(windows), CHUNK)]
        return pd.concat(parts, ignore_index=True)

    def symmetry_order(self, z: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """(n,) highest of 1, 2, 3, 4, 6 whose turn leaves the canonical image of a latent point (n, d) alike.

        Alike means a correlation of at least 0.8 between the image and its turned copy, its round part left out.
        """
        image = self.network.decode(torch.as_tensor(np.atleast_2d(np.asarray(z, np.float32))))
        power = self.network.score(image, image)[:, 0]
        power[:, 0] = 0
        turns = torch.arange(power.shape[1])[:, None] * 2 * torch.pi / torch.tensor(ORDERS)
        alike = power @ turns.cos() / power.sum(1, keepdim=True).clamp_min(1e-12)
        return np.asarray((torch.tensor(ORDERS) * (alike > ALIKE)).amax(1).clamp_min(1))

    def _encode(self, c: Tensor) -> pd.DataFrame:
        network, noise = self.network, self.network.noise
        mean, log_std = network.encoder(c)
        image = network.decode(mean)
        angle, angle_std, offset, fitted = align(network, c, image)
        error = (c - fitted).square().sum(1) / (network.dimensions * noise**2)
        offset = offset @ shear_matrix(self.settings.shear).T
        columns = {
            "angle_rad": angle,
            "angle_std_rad": angle_std,
            "offset_y_px": offset[:, 0],
            "offset_x_px": offset[:, 1],
        }
        columns |= {f"z{i}": mean[:, i] for i in range(mean.shape[1])}
        columns |= {f"z{i}_std": log_std[:, i].exp() for i in range(mean.shape[1])}
        columns["reconstruction_error"] = error
        return pd.DataFrame({name: value.double().numpy() for name, value in columns.items()})

    def decode(self, z: npt.ArrayLike) -> Array:
        """(n, w, w) canonical images of latent points (n, d), in the units of the sub-images; zero outside the disc."""
        points = torch.as_tensor(np.atleast_2d(np.asarray(z, np.float32)))
        return self.images(self.network.decode(points))

    def reconstruct(self, windows: npt.NDArray[np.floating]) -> Array:
        """(n, w, w) the model's picture of every sub-image, in its own pose."""
        c = self.coefficients(windows)
        parts = torch.split(c, CHUNK)
        fitted = [align(self.network, part, self.network.decode(self.network.encoder(part)[0]))[3] for part in parts]
        sheared = torch.as_tensor(self.harmonics.sheared(self.settings.shear), dtype=torch.float32)
        return self.images(torch.cat(fitted) @ sheared.T)

    def manifold(self, n: int = 9) -> Array:
        """(n, n, w, w) canonical images over the quantiles 5 % to 95 % of the first two latents (Fig. 4b).

        z0 grows along the second axis (to the right), z1 against the first (upwards); other latents are 0.
        """
        ticks = norm.ppf(np.linspace(0.05, 0.95, n))
        z = np.zeros((n, n, self.settings.latents), np.float32)
        z[..., 0] = ticks[None, :]
        if self.settings.latents > 1:
            z[..., 1] = ticks[::-1, None]
        return self.decode(z.reshape(n * n, -1)).reshape(n, n, *(self.settings.window_size,) * 2)

    def images(self, c: Tensor) -> Array:
        """(n, w, w) pixels of coefficients, in the units of the sub-images; zero outside the disc."""
        side, disc = self.settings.window_size, self.harmonics.disc
        pixels = (c.numpy() @ self.harmonics.synthesis.T.astype(np.float32)).reshape(-1, side, side)
        return np.where(disc, pixels * self.settings.scale + self.settings.center, 0).astype(np.float32)


def shear_matrix(shear: tuple[float, float]) -> Tensor:
    """(2, 2) what a shear does to a small vector (y, x)."""
    along, diagonal = shear
    matrix: Tensor = torch.linalg.matrix_exp(torch.tensor([[-along, diagonal], [diagonal, along]]))
    return matrix


def project(windows: npt.NDArray[np.floating], harmonics: Harmonics, settings: VaeSettings) -> Tensor:
    """(n, 2 P) coefficients of normalised, unsheared sub-images, a part at a time to stay small in memory."""
    unsheared = harmonics.sheared([-amount for amount in settings.shear]) @ harmonics.analysis
    analysis, center = (unsheared / settings.scale).astype(np.float32).T, settings.center
    rows = [
        (windows[i : i + CHUNK].reshape(-1, analysis.shape[0]).astype(np.float32) - np.float32(center)) @ analysis
        for i in range(0, len(windows), CHUNK)
    ]
    return torch.from_numpy(np.concatenate(rows))


def align(network: RotationalVae, c: Tensor, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Best angle (n,), its standard deviation (n,), offset (n, 2) and fitted coefficients (n, 2 P) of images.

    The angle starts at the highest posterior on the grid and is refined by Newton steps on the exact trigonometric
    polynomial; the offset by Gauss-Newton steps to second order; two rounds, since each sees the other.
    """
    target, angle_step = c, 2 * torch.pi / len(network.angle)
    for _ in range(3):
        score = network.score(target, image)
        first = network.angle[network.log_angle(score).argmax(1)]
        angle, curvature = newton(score / network.noise**2, first, largest=angle_step)
        turned = network.turn(image, angle)
        offset, _, moved = network.shift(c, turned, steps=3)
        target = c - (moved - turned)
    wrapped = (angle + torch.pi) % (2 * torch.pi) - torch.pi
    return wrapped, curvature.clamp_min(1e-6).rsqrt(), offset, moved


def newton(score: Tensor, angle: Tensor, *, largest: float) -> tuple[Tensor, Tensor]:
    """Refined angle (n,) and minus the second derivative there (n,) of the log likelihood of the angle."""
    order = torch.arange(score.shape[2], dtype=score.dtype)
    for _ in range(3):
        cosine, sine = (angle[:, None] * order).cos(), (angle[:, None] * order).sin()
        slope = (order * (score[:, 1] * cosine - score[:, 0] * sine)).sum(1)
        curvature = (order**2 * (score[:, 0] * cosine + score[:, 1] * sine)).sum(1)
        angle = angle + (slope / curvature.clamp_min(1e-6)).clamp(-largest, largest)
    return angle, curvature

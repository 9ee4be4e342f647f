"""Networks whose encoder infers the pose, on pixels: the paper's design, for comparison; and the VAE without a pose.

Rows are pixels (n, w * w * C) of the whole square window, channels fastest.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from local_crystallography.models.likelihood import Likelihood
from local_crystallography.models.network import (
    Divergence,
    Inferred,
    Network,
    Residuals,
    draw,
    normal_divergence,
    split_normal,
)

FRAME = 1.5
"""Side of a canonical image over that of the window: when it rotates, the corners of the window reach beyond it."""
CHUNK = 64
"""Images decoded at once by coordinates, to limit memory: every pixel of each has its own hidden layer."""


class AmortisedNetwork(Network):
    """q(z, g, t | x) is one Gaussian from the encoder (Fig. 3b); without a pose it is q(z | x) (Fig. 3c)."""

    def __init__(
        self, encoder: nn.Module, decoder: CanonicalDecoder | CoordinateDecoder, likelihood: Likelihood, *, latents: int
    ) -> None:
        super().__init__()
        self.latents, self.encoder, self.decoder, self.likelihood = latents, encoder, decoder, likelihood
        self.s_gamma = self.s_offset = 1.0

    def set_priors(self, *, s_gamma: float, s_offset: float | None) -> None:
        """s_gamma of Eq. 2 in radians, and the standard deviation of the offset in pixels."""
        self.s_gamma, self.s_offset = s_gamma, 0.2 if s_offset is None else s_offset

    def decode(self, z: Tensor, classes: Tensor) -> Tensor:
        """(n, w * w * C) image of every latent point, neither rotated nor shifted."""
        pose = z.new_zeros(len(z), 3) if self.decoder.turns else None
        image: Tensor = self.decoder(z, classes, pose)
        return image

    def evidence(
        self, x: Tensor, classes: Tensor, divergence: Divergence, generator: torch.Generator
    ) -> tuple[Tensor, Residuals]:
        mean, log_std = split_normal(self.encoder(x, classes))
        z = draw(mean, log_std, generator)
        pose, rest = self._parts(z)
        image = self.decoder(rest, classes, pose)
        nats = divergence(normal_divergence(self._parts(mean)[1], self._parts(log_std)[1]))
        if self.decoder.turns:
            angle = normal_divergence(mean[:, :1], log_std[:, :1], self.s_gamma)
            nats = nats + divergence.weight * (angle + normal_divergence(mean[:, 1:3], log_std[:, 1:3], self.s_offset))
        return self.likelihood.log(x, image) - nats, Residuals(self.likelihood.residual(x, image))

    def infer(self, x: Tensor, classes: Tensor) -> Inferred:
        """Posterior as given by the encoder."""
        mean, log_std = split_normal(self.encoder(x, classes))
        pose, z = self._parts(mean)
        std = log_std.exp()
        image = self.decoder(z, classes, pose)
        if pose is None:
            return Inferred(z, std, image)
        angle = (pose[:, 0] + math.pi) % (2 * math.pi) - math.pi
        return Inferred(z, std[:, 3:], image, angle, std[:, 0], pose[:, 1:])

    def _parts(self, parameters: Tensor) -> tuple[Tensor | None, Tensor]:
        """Pose (n, 3) of angle and offset, or None, and the latents."""
        return (parameters[:, :3], parameters[:, 3:]) if self.decoder.turns else (None, parameters)


def sampling_points(side: int, pose: Tensor | None, *, device: torch.device) -> Tensor:
    """(n or 1, side * side, 2) point of the canonical image shown by each pixel, (y, x) pixels from its centre.

    `pose` (n, 3) is an angle, counter-clockwise as displayed, and an offset (y, x).
    """
    axis = torch.arange(side, device=device) - (side - 1) / 2
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).reshape(1, -1, 2)
    if pose is None:
        return grid
    y, x = (grid - pose[:, None, 1:]).unbind(2)
    cosine, sine = pose[:, :1].cos(), pose[:, :1].sin()
    return torch.stack([cosine * y + sine * x, cosine * x - sine * y], dim=2)


class CanonicalDecoder(nn.Module):
    """Latents to changes of the mean image of the class; the image is then rotated and shifted by interpolation."""

    def __init__(self, side: int, channels: int, *, turns: bool, latents: int, classes: int, hidden: int) -> None:
        super().__init__()
        self.side, self.channels, self.turns = side, channels, turns
        self.frame = 2 * math.ceil(FRAME * side / 2) + side % 2 if turns else side
        size = self.frame**2 * channels
        self.mean = nn.Parameter(torch.zeros(max(1, classes), size))
        self.layers = nn.Sequential(
            nn.Linear(latents + classes, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, size),
        )

    def forward(self, z: Tensor, classes: Tensor, pose: Tensor | None) -> Tensor:
        mean = classes @ self.mean if classes.shape[1] else self.mean
        image: Tensor = mean + self.layers(torch.cat([z, classes], dim=1))
        if pose is None:
            return image
        image = image.view(len(z), self.frame, self.frame, self.channels).permute(0, 3, 1, 2)
        points = sampling_points(self.side, pose, device=z.device)
        grid = points.flip(2) / ((self.frame - 1) / 2)  # grid_sample expects x, y
        grid = grid.view(len(z), self.side, self.side, 2)
        sampled = F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=True)
        return sampled.permute(0, 2, 3, 1).flatten(1)

    @torch.no_grad()
    def start(self, x: Tensor, classes: Tensor, likelihood: Likelihood) -> None:
        """Start from the mean of the data of every class; beyond the window its edge values are repeated."""
        members = classes if classes.shape[1] else torch.ones(len(x), 1)
        means = likelihood.image(members.T @ x / members.sum(0).clamp_min(1)[:, None])
        image = means.view(len(means), self.side, self.side, self.channels).permute(0, 3, 1, 2)
        edge = (self.frame - self.side) // 2
        self.mean.copy_(F.pad(image, (edge,) * 4, mode="replicate").permute(0, 2, 3, 1).flatten(1))


class CoordinateDecoder(nn.Module):
    """The paper's spatial decoder: every pixel is decoded from its coordinates and the latents (Bepler et al. 2019)."""

    def __init__(self, side: int, channels: int, *, turns: bool, latents: int, classes: int, hidden: int) -> None:
        super().__init__()
        self.side, self.turns = side, turns
        self.from_place = nn.Linear(2, hidden)
        self.from_latents = nn.Linear(latents + classes, hidden, bias=False)
        self.layers = nn.Sequential(
            nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(),
            nn.Linear(hidden, channels),
        )  # fmt: skip

    def forward(self, z: Tensor, classes: Tensor, pose: Tensor | None) -> Tensor:
        if not torch.is_grad_enabled() and len(z) > CHUNK:
            parts = [slice(i, i + CHUNK) for i in range(0, len(z), CHUNK)]
            return torch.cat([self(z[p], classes[p], None if pose is None else pose[p]) for p in parts])
        points = sampling_points(self.side, pose, device=z.device) / ((self.side - 1) / 2)
        code = self.from_latents(torch.cat([z, classes], dim=1))
        image: Tensor = self.layers(self.from_place(points) + code[:, None])
        return image.flatten(1)

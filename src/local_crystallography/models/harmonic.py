"""The rotational variational autoencoder with exact angles: read it top to bottom.

Works on the coefficients of `harmonics`. Only q(z | c) is amortised. Given z, every angle is scored at once (turning
is a phase factor, so the score of all angles is one Fourier sum) and the angle is marginalised over the circle; the
offset, nearly a linear Gaussian variable, is marginalised by Laplace's method.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from local_crystallography.models.encoders import ConvolutionalEncoder
from local_crystallography.models.harmonics import Harmonics
from local_crystallography.models.likelihood import NOISE_RATE, Likelihood
from local_crystallography.models.network import (
    Divergence,
    Inferred,
    Network,
    Residuals,
    draw,
    normal_divergence,
    split_normal,
)

OFFSET_STEPS, FAR_STEPS, FAR = 2, 4, 0.4
"""Newton steps to an offset while training; more where offsets of this many pixels are usual."""
LOOKS = 2
"""How often the encoder looks at a row: a second time at what was moved back."""
ANGLES = 128
"""Angles at which the posterior of the angle is scored: several on every peak, which Newton steps then refine."""
FIRST_OFFSET = 0.5
"""Standard deviation of the offset from which a learned one starts, pixels."""
MOST_STILL = 0.02
"""Smallest standard deviation of the offset that is learned, pixels."""
LONGEST_STEP = 1.0
"""Pixels that a Newton step may move along an axis: further off, its quadratic is of no use."""
HIGHEST_TERM = 8
"""Last term of the series that moves an image."""


class HarmonicNetwork(Network):
    """Coefficients are rows (n, 2 P C): a and b of `Harmonics`, the C channels running fastest."""

    likelihood: Likelihood
    s_offset: Tensor
    angle: Tensor
    log_prior: Tensor
    waves: Tensor
    places: Tensor
    orders: Tensor
    gradients: Tensor

    def __init__(
        self,
        harmonics: Harmonics,
        likelihood: Likelihood,
        encoder: nn.Module,
        *,
        latents: int,
        classes: int,
        hidden: int,
    ) -> None:
        super().__init__()
        channels = len(likelihood.noise)
        self.latents, self.encoder, self.likelihood = latents, encoder, likelihood
        orders = torch.as_tensor(harmonics.orders).repeat_interleave(channels)
        self.decoder = Decoder(2 * len(orders), hidden=hidden, latents=latents, classes=classes)
        self.learns_offset = False
        self.top_frequency = harmonics.highest_frequency
        self.register_buffer("s_offset", torch.ones(()))
        self.register_buffer("orders", orders, persistent=False)
        self.register_buffer("places", F.one_hot(orders).float(), persistent=False)
        gradients = np.kron(harmonics.gradients, np.eye(channels))
        self.register_buffer("gradients", torch.as_tensor(gradients, dtype=torch.float32), persistent=False)
        angle = 2 * math.pi / ANGLES * torch.arange(ANGLES)
        phase = torch.arange(int(orders.max()) + 1)[:, None] * angle
        self.register_buffer("angle", (angle + math.pi) % (2 * math.pi) - math.pi, persistent=False)
        self.register_buffer("waves", torch.cat([phase.cos(), phase.sin()]), persistent=False)
        self.register_buffer("log_prior", torch.zeros(ANGLES), persistent=False)

    def set_priors(self, *, s_gamma: float, s_offset: float | None) -> None:
        """s_gamma of Eq. 2 in radians, and the standard deviation of the offset in pixels, None if it is learned."""
        self.log_prior.copy_(F.log_softmax(-0.5 * (self.angle / s_gamma) ** 2, dim=0))
        self.learns_offset = s_offset is None
        self.s_offset.fill_(FIRST_OFFSET if s_offset is None else s_offset)

    def decode(self, z: Tensor, classes: Tensor) -> Tensor:
        """(n, 2 P C) coefficients of the canonical image of every latent point.

        Moving and turning are left to offset and angle: what the latents change has no part along the motions of the
        mean image of the class. So the description of a picture is unique, and all canonical images have the same
        orientation.
        """
        mean, change = self.decoder(z, classes)
        motions = self.motions(self.decoder.mean.detach())
        if len(motions) == 1:
            fixed: Tensor = (change @ motions[0]) @ motions[0].mT
        else:
            own = torch.einsum("nk,kpm->npm", classes, motions)
            fixed = (own @ (own.mT @ change[..., None]))[..., 0]
        image: Tensor = mean + change - fixed
        return image

    def motions(self, mean: Tensor) -> Tensor:
        """(K, 2 P C, 3) orthonormal directions along which images (K, 2 P C) change as they move and turn."""
        a, b = mean.chunk(2, dim=1)
        turning = torch.cat([-self.orders * b, self.orders * a], dim=1)
        directions: list[Tensor] = []
        for change in (*self.moved(mean).unbind(1), turning):  # Gram-Schmidt: qr is not to be had on every device
            for other in directions:
                change = change - (change * other).sum(1, keepdim=True) * other
            directions.append(change / change.norm(dim=1, keepdim=True).clamp_min(1e-12))
        return torch.stack(directions, dim=2)

    def score(self, c: Tensor, image: Tensor) -> Tensor:
        """(n, 2, M + 1): cosine and sine coefficients of the log likelihood of c with the image turned by any angle."""
        (a, b), (d, e) = c.chunk(2, 1), (image * self.likelihood.spread(self.likelihood.weight, c.shape[1])).chunk(2, 1)
        return torch.stack([a * d + b * e, b * d - a * e], dim=1) @ self.places

    def log_angle(self, score: Tensor, weight: float = 1.0) -> Tensor:
        """(n, ANGLES) log of the prior, at some weight, times the likelihood of every angle.

        Left out is what does not depend on the angle.
        """
        return score.flatten(1) @ self.waves + F.log_softmax(weight * self.log_prior, dim=0)

    def turn(self, image: Tensor, angle: Tensor) -> Tensor:
        """Coefficients of the images turned counter-clockwise by angle (n,), radians."""
        a, b = image.chunk(2, 1)
        cosine, sine = (angle[:, None] * self.orders).cos(), (angle[:, None] * self.orders).sin()
        return torch.cat([a * cosine - b * sine, b * cosine + a * sine], dim=1)

    def moved(self, image: Tensor) -> Tensor:
        """(n, 2, 2 P C) change of the coefficients per pixel of motion along y and along x."""
        return (image @ self.gradients.reshape(-1, image.shape[1]).T).view(len(image), 2, -1)

    def move(self, image: Tensor, offset: Tensor) -> Tensor:
        """The images moved by offset (n, 2) pixels: as many terms of the Taylor series as the farthest one needs."""
        farthest = float(offset.detach().abs().max()) if len(offset) else 0.0
        needed = 2 + 1.5 * farthest * self.top_frequency  # not a number where a training has diverged
        term = image
        for number in range(1, int(needed if needed < HIGHEST_TERM else HIGHEST_TERM) + 1):
            along_y, along_x = self.moved(term).unbind(1)
            term = (offset[:, :1] * along_y + offset[:, 1:] * along_x) / number  # many small products would be slow
            image = image + term
        return image

    @torch.no_grad()
    def offset(self, c: Tensor, image: Tensor, steps: int) -> Tensor:
        """(n, 2) most probable offset in pixels, prior N(0, s_offset^2), by Newton steps with the expected Hessian."""
        offset = c.new_zeros(len(c), 2)
        for number in range(steps):
            moved = self.move(image, offset) if number else image
            gradient, precision = self.likelihood.pull(c, moved, self.moved(moved))
            step = solve(self.with_prior(precision), gradient - offset / self.s_offset**2)
            offset = offset + step.clamp(-LONGEST_STEP, LONGEST_STEP)
        return offset

    def with_prior(self, precision: Tensor) -> Tensor:
        """(n, 2, 2) precision of the offset, that of its prior included."""
        return precision + torch.eye(2, device=precision.device) / self.s_offset**2

    def log_evidence(self, c: Tensor, image: Tensor, prior_weight: float) -> tuple[Tensor, Residuals]:
        """(n,) log p(c | image), angle and offset marginalised, and the residuals at their best values."""
        score = self.score(c, image)
        log_angle = self.log_angle(score, prior_weight)
        best = log_angle.argmax(1)
        with torch.no_grad():
            angle, _ = newton(score, self.angle[best], largest=2 * math.pi / ANGLES)
        # pose by pose the likelihood is at its top, where its gradient does not see that the pose depends on the image
        turned = self.turn(image, angle)
        offset = self.offset(c, turned, steps=FAR_STEPS if float(self.s_offset) > FAR else OFFSET_STEPS)
        moved = self.move(turned, offset)
        precision = self.with_prior(self.likelihood.pull(c, moved, self.moved(moved))[1])
        # all angles over the best of the grid; at a sharp peak that one may lie beside it, so the likelihood is refined
        share = torch.logsumexp(log_angle, 1) - harmonic_sum(score, self.angle[best])
        volume = 0.5 * determinant(precision).log() + 2 * self.s_offset.log()  # Laplace's method
        evidence = self.likelihood.log(c, moved) + share - offset.square().sum(1) / (2 * self.s_offset**2) - volume
        still = trace_of_inverse(precision) / self.s_offset**2
        spread = (offset.square().sum(1) + still * self.s_offset**2) / 2
        # angle and offset take what they fit out of the residual: up to three numbers of every row
        fitted = self.likelihood.noise**2 * ((3 - still) / self.likelihood.numbers)[:, None]
        return evidence, Residuals(self.likelihood.residual(c, moved) + fitted, spread)

    def evidence(
        self, x: Tensor, classes: Tensor, divergence: Divergence, generator: torch.Generator
    ) -> tuple[Tensor, Residuals]:
        mean, log_std = split_normal(self.encoder(x, classes))
        image = self.decode(draw(mean, log_std, generator), classes)
        evidence, residuals = self.log_evidence(x, image, divergence.weight)
        return evidence - divergence(normal_divergence(mean, log_std)), residuals

    @torch.no_grad()
    def learn(self, residuals: Residuals) -> None:
        """Set the noise, and the spread of the offsets where that is learned."""
        super().learn(residuals)
        if self.learns_offset and residuals.offsets is not None:
            self.s_offset.square_().lerp_(residuals.offsets.mean().clamp_min(MOST_STILL**2), NOISE_RATE).sqrt_()

    def infer(self, x: Tensor, classes: Tensor) -> Inferred:
        """The posterior; angle and offset at its peak, as exact as the model.

        Turning changes nothing for the encoder, moving does: it looks again at what was moved back.
        """
        centred = x
        for _ in range(LOOKS):
            mean, log_std = split_normal(self.encoder(centred, classes))
            angle, angle_std, offset, image = self.align(x, self.decode(mean, classes))
            centred = self.move(x, -offset)
        return Inferred(mean, log_std.exp(), image, angle, angle_std, offset)

    def align(self, c: Tensor, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Best angle (n,), its standard deviation (n,), offset (n, 2) and the image in that pose (n, 2 P C).

        The angle starts at the highest posterior on the grid and is refined by Newton steps on the exact trigonometric
        polynomial; the offset by Newton steps; three rounds, since each sees the other.
        """
        target = c
        for _ in range(3):
            score = self.score(target, image)
            first = self.angle[self.log_angle(score).argmax(1)]
            angle, curvature = newton(score, first, largest=2 * math.pi / ANGLES)
            turned = self.turn(image, angle)
            offset = self.offset(c, turned, steps=4)
            target = self.move(c, -offset)
        wrapped = (angle + math.pi) % (2 * math.pi) - math.pi
        return wrapped, curvature.clamp_min(1e-6).rsqrt(), offset, self.move(turned, offset)


class Decoder(nn.Module):
    """Latents to the mean image of the class, and to what they change of it: a linear part and a network."""

    def __init__(self, size: int, *, hidden: int, latents: int, classes: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(max(1, classes), size))
        self.linear = nn.Linear(latents, size, bias=False)
        self.hidden = nn.Sequential(
            nn.Linear(latents + classes, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        self.last = nn.Linear(hidden, size)

    def forward(self, z: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        mean = classes @ self.mean if classes.shape[1] else self.mean
        return mean, self.linear(z) + self.last(self.hidden(torch.cat([z, classes], dim=1)))


class PixelEncoder(nn.Module):
    """A convolutional encoder for rows of coefficients."""

    synthesis: Tensor

    def __init__(self, synthesis: Tensor, encoder: ConvolutionalEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("synthesis", synthesis, persistent=False)

    def forward(self, c: Tensor, classes: Tensor) -> Tensor:
        given: Tensor = self.encoder(c @ self.synthesis.T, classes)
        return given


def harmonic_sum(score: Tensor, angle: Tensor) -> Tensor:
    """(n,) the trigonometric polynomial of a score (n, 2, M + 1) at an angle (n,)."""
    phase = angle[:, None] * torch.arange(score.shape[2], device=score.device)
    return (score[:, 0] * phase.cos() + score[:, 1] * phase.sin()).sum(1)


def newton(score: Tensor, angle: Tensor, *, largest: float) -> tuple[Tensor, Tensor]:
    """Refined angle (n,) and minus the second derivative there (n,) of the log likelihood of the angle."""
    order = torch.arange(score.shape[2], dtype=score.dtype, device=score.device)
    for _ in range(3):
        cosine, sine = (angle[:, None] * order).cos(), (angle[:, None] * order).sin()
        slope = (order * (score[:, 1] * cosine - score[:, 0] * sine)).sum(1)
        curvature = (order**2 * (score[:, 0] * cosine + score[:, 1] * sine)).sum(1)
        angle = angle + (slope / curvature.clamp_min(1e-6)).clamp(-largest, largest)
    return angle, curvature


def determinant(matrix: Tensor) -> Tensor:
    """(n,) of symmetric matrices (n, 2, 2): in closed form, since a solver for batches of them is slow."""
    return matrix[:, 0, 0] * matrix[:, 1, 1] - matrix[:, 0, 1] * matrix[:, 1, 0]


def trace_of_inverse(matrix: Tensor) -> Tensor:
    """(n,) of symmetric matrices (n, 2, 2)."""
    return (matrix[:, 0, 0] + matrix[:, 1, 1]) / determinant(matrix)


def solve(matrix: Tensor, right: Tensor) -> Tensor:
    """(n, 2) solution of matrix (n, 2, 2) times it being right (n, 2)."""
    (a, b), (c, d) = (row.unbind(1) for row in matrix.unbind(1))
    y, x = right.unbind(1)
    return torch.stack([d * y - b * x, a * x - c * y], dim=1) / determinant(matrix)[:, None]

"""Rotational variational autoencoder with exact angles, in reading order from top to bottom.

It works on the coefficients of `harmonics`. Only q(z | c) is amortised. Given z, all angles are scored at once
(rotation is a phase factor, so the score of all angles is one Fourier sum) and the angle is marginalised over the
circle; the offset, nearly a linear Gaussian variable, is marginalised by Laplace's method.
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
"""Newton steps to an offset during training; the larger number where their prior is wider than this many pixels."""
ENCODINGS = 2
"""Times a row is encoded: the second time after its offset has been removed."""
ANGLES = 128
"""Angles at which the posterior of the angle is scored: several on every peak, which Newton steps then refine."""
FIRST_OFFSET = 0.5
"""Initial standard deviation of a learned offset prior, pixels."""
SMALLEST_OFFSET = 0.02
"""Smallest standard deviation of a learned offset prior, pixels."""
LONGEST_STEP = 1.0
"""Longest Newton step along an axis, pixels: the quadratic approximation fails beyond it."""
HIGHEST_TERM = 8
"""Highest order of the Taylor series that shifts an image."""


class HarmonicNetwork(Network):
    """Rotational network on rows (n, 2 P C) of coefficients: a and b of `Harmonics`, the C channels running fastest."""

    likelihood: Likelihood
    s_offset: Tensor
    angle: Tensor
    log_prior: Tensor
    waves: Tensor
    one_hot_orders: Tensor
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
        self.register_buffer("one_hot_orders", F.one_hot(orders).float(), persistent=False)
        gradients = np.kron(harmonics.gradients, np.eye(channels))
        self.register_buffer("gradients", torch.as_tensor(gradients, dtype=torch.float32), persistent=False)
        angle = 2 * math.pi / ANGLES * torch.arange(ANGLES)
        phase = torch.arange(int(orders.max()) + 1)[:, None] * angle
        self.register_buffer("angle", (angle + math.pi) % (2 * math.pi) - math.pi, persistent=False)
        self.register_buffer("waves", torch.cat([phase.cos(), phase.sin()]), persistent=False)
        self.register_buffer("log_prior", torch.zeros(ANGLES), persistent=False)

    def set_priors(self, *, s_gamma: float, s_offset: float | None) -> None:
        """s_gamma of Eq. 2 in radians, and the standard deviation of the offset in pixels, None to learn it."""
        self.log_prior.copy_(F.log_softmax(-0.5 * (self.angle / s_gamma) ** 2, dim=0))
        self.learns_offset = s_offset is None
        self.s_offset.fill_(FIRST_OFFSET if s_offset is None else s_offset)

    def decode(self, z: Tensor, classes: Tensor) -> Tensor:
        """(n, 2 P C) coefficients of the canonical image of every latent point.

        Translation and rotation are left to offset and angle: the changes made by the latents are orthogonal to both
        motions of the mean image of the class. The description of an image is therefore unique, and all canonical
        images have the same orientation.
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
        """(K, 2 P C, 3) orthonormal directions along which translation and rotation change images (K, 2 P C)."""
        a, b = mean.chunk(2, dim=1)
        rotation = torch.cat([-self.orders * b, self.orders * a], dim=1)
        directions: list[Tensor] = []
        for change in (*self.slopes(mean).unbind(1), rotation):  # Gram-Schmidt, as not every device provides qr
            for other in directions:
                change = change - (change * other).sum(1, keepdim=True) * other
            directions.append(change / change.norm(dim=1, keepdim=True).clamp_min(1e-12))
        return torch.stack(directions, dim=2)

    def score(self, c: Tensor, image: Tensor) -> Tensor:
        """(n, 2, M + 1) cosine and sine coefficients of the log likelihood of c as a function of the image's angle."""
        (a, b), (d, e) = c.chunk(2, 1), (image * self.likelihood.spread(self.likelihood.weight, c.shape[1])).chunk(2, 1)
        return torch.stack([a * d + b * e, b * d - a * e], dim=1) @ self.one_hot_orders

    def log_angle(self, score: Tensor, weight: float = 1.0) -> Tensor:
        """(n, ANGLES) log of the prior, raised to a weight, times the likelihood of every angle.

        Terms that do not depend on the angle are omitted.
        """
        return score.flatten(1) @ self.waves + F.log_softmax(weight * self.log_prior, dim=0)

    def rotate(self, image: Tensor, angle: Tensor) -> Tensor:
        """Coefficients of the images rotated counter-clockwise by angle (n,), radians."""
        a, b = image.chunk(2, 1)
        cosine, sine = (angle[:, None] * self.orders).cos(), (angle[:, None] * self.orders).sin()
        return torch.cat([a * cosine - b * sine, b * cosine + a * sine], dim=1)

    def slopes(self, image: Tensor) -> Tensor:
        """(n, 2, 2 P C) derivative of the coefficients per pixel of translation along y and along x."""
        return (image @ self.gradients.reshape(-1, image.shape[1]).T).view(len(image), 2, -1)

    def shift(self, image: Tensor, offset: Tensor) -> Tensor:
        """Images shifted by offset (n, 2) pixels, with as many terms of the Taylor series as the largest one needs."""
        farthest = float(offset.detach().abs().max()) if len(offset) else 0.0
        needed = 2 + 1.5 * farthest * self.top_frequency  # NaN where a training has diverged
        term = image
        for number in range(1, int(needed if needed < HIGHEST_TERM else HIGHEST_TERM) + 1):
            along_y, along_x = self.slopes(term).unbind(1)
            term = (offset[:, :1] * along_y + offset[:, 1:] * along_x) / number  # many small products would be slow
            image = image + term
        return image

    @torch.no_grad()
    def offset(self, c: Tensor, image: Tensor, steps: int) -> Tensor:
        """(n, 2) most probable offset in pixels, prior N(0, s_offset^2), by Newton steps with the expected Hessian."""
        offset = c.new_zeros(len(c), 2)
        for number in range(steps):
            shifted = self.shift(image, offset) if number else image
            gradient, precision = self.likelihood.pull(c, shifted, self.slopes(shifted))
            step = solve(self.with_prior(precision), gradient - offset / self.s_offset**2)
            offset = offset + step.clamp(-LONGEST_STEP, LONGEST_STEP)
        return offset

    def with_prior(self, precision: Tensor) -> Tensor:
        """(n, 2, 2) precision of the offset, including that of its prior."""
        return precision + torch.eye(2, device=precision.device) / self.s_offset**2

    def log_evidence(self, c: Tensor, image: Tensor, prior_weight: float) -> tuple[Tensor, Residuals]:
        """(n,) log p(c | image), angle and offset marginalised, and the residuals at their best values."""
        score = self.score(c, image)
        log_angle = self.log_angle(score, prior_weight)
        best = log_angle.argmax(1)
        with torch.no_grad():
            angle, _ = newton(score, self.angle[best], largest=2 * math.pi / ANGLES)
        # The likelihood is maximal in the pose, so its gradient need not include the dependence of pose on image.
        rotated = self.rotate(image, angle)
        offset = self.offset(c, rotated, steps=FAR_STEPS if float(self.s_offset) > FAR else OFFSET_STEPS)
        shifted = self.shift(rotated, offset)
        precision = self.with_prior(self.likelihood.pull(c, shifted, self.slopes(shifted))[1])
        # Ratio of all angles to the best grid angle, which may miss a sharp peak: the likelihood is at the refined one.
        others = torch.logsumexp(log_angle, 1) - harmonic_sum(score, self.angle[best])
        volume = 0.5 * determinant(precision).log() + 2 * self.s_offset.log()  # Laplace's method
        evidence = self.likelihood.log(c, shifted) + others - offset.square().sum(1) / (2 * self.s_offset**2) - volume
        still = trace_of_inverse(precision) / self.s_offset**2
        spread = (offset.square().sum(1) + still * self.s_offset**2) / 2
        # Fitting angle and offset lowers the residual: they use up to three degrees of freedom of every row.
        fitted = self.likelihood.noise**2 * ((3 - still) / self.likelihood.numbers)[:, None]
        return evidence, Residuals(self.likelihood.residual(c, shifted) + fitted, spread)

    def evidence(
        self, x: Tensor, classes: Tensor, divergence: Divergence, generator: torch.Generator
    ) -> tuple[Tensor, Residuals]:
        mean, log_std = split_normal(self.encoder(x, classes))
        image = self.decode(draw(mean, log_std, generator), classes)
        evidence, residuals = self.log_evidence(x, image, divergence.weight)
        return evidence - divergence(normal_divergence(mean, log_std)), residuals

    @torch.no_grad()
    def learn(self, residuals: Residuals) -> None:
        """Update the noise, and the spread of the offsets where it is learned."""
        super().learn(residuals)
        if self.learns_offset and residuals.offsets is not None:
            self.s_offset.square_().lerp_(residuals.offsets.mean().clamp_min(SMALLEST_OFFSET**2), NOISE_RATE).sqrt_()

    def infer(self, x: Tensor, classes: Tensor) -> Inferred:
        """Posterior of every row; angle and offset at its peak, to the accuracy of the model.

        The encoder is invariant under rotation but not under translation, so each row is encoded again with its offset
        removed.
        """
        centred = x
        for _ in range(ENCODINGS):
            mean, log_std = split_normal(self.encoder(centred, classes))
            angle, angle_std, offset, image = self.align(x, self.decode(mean, classes))
            centred = self.shift(x, -offset)
        return Inferred(mean, log_std.exp(), image, angle, angle_std, offset)

    def align(self, c: Tensor, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Best angle (n,), its standard deviation (n,), offset (n, 2) and the image in that pose (n, 2 P C).

        The angle starts at the highest posterior on the grid and is refined by Newton steps on the exact trigonometric
        polynomial, the offset by Newton steps; three rounds, since each depends on the other.
        """
        target = c
        for _ in range(3):
            score = self.score(target, image)
            first = self.angle[self.log_angle(score).argmax(1)]
            angle, curvature = newton(score, first, largest=2 * math.pi / ANGLES)
            rotated = self.rotate(image, angle)
            offset = self.offset(c, rotated, steps=4)
            target = self.shift(c, -offset)
        wrapped = (angle + math.pi) % (2 * math.pi) - math.pi
        return wrapped, curvature.clamp_min(1e-6).rsqrt(), offset, self.shift(rotated, offset)


class Decoder(nn.Module):
    """Mean image of the class, and its change by the latents: a linear part and a network."""

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
    """Convolutional encoder for rows of coefficients."""

    synthesis: Tensor

    def __init__(self, synthesis: Tensor, encoder: ConvolutionalEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("synthesis", synthesis, persistent=False)

    def forward(self, c: Tensor, classes: Tensor) -> Tensor:
        given: Tensor = self.encoder(c @ self.synthesis.T, classes)
        return given


def harmonic_sum(score: Tensor, angle: Tensor) -> Tensor:
    """(n,) trigonometric polynomial of a score (n, 2, M + 1) at an angle (n,)."""
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
    """(n,) determinants of symmetric matrices (n, 2, 2), in closed form since batched solvers are slow."""
    return matrix[:, 0, 0] * matrix[:, 1, 1] - matrix[:, 0, 1] * matrix[:, 1, 0]


def trace_of_inverse(matrix: Tensor) -> Tensor:
    """(n,) traces of the inverses of symmetric matrices (n, 2, 2)."""
    return (matrix[:, 0, 0] + matrix[:, 1, 1]) / determinant(matrix)


def solve(matrix: Tensor, right: Tensor) -> Tensor:
    """(n, 2) solutions x of matrix (n, 2, 2) times x = right (n, 2)."""
    (a, b), (c, d) = (row.unbind(1) for row in matrix.unbind(1))
    y, x = right.unbind(1)
    return torch.stack([d * y - b * x, a * x - c * y], dim=1) / determinant(matrix)[:, None]

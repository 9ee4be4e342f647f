"""Common part of all networks, whatever their decoder, and the loss (Eq. 2 of the paper).

Generative model (Fig. 3b and 3c):

    z ~ N(0, I)                     latents: content of the sub-image
    g ~ wrapped N(0, s_gamma^2)     angle, in a rotational network
    t ~ N(0, s_offset^2)            offset, in a rotational network
    x ~ likelihood(shift_t rotate_g decode(z, class))
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from local_crystallography.models.likelihood import Likelihood


@dataclass(frozen=True)
class Divergence:
    """Weight of the Kullback-Leibler terms of Eq. 2 at some point of the training.

    Parameters
    ----------
    weight
        Factor of both terms ("beta"); for a marginalised angle, the weight of its prior.
    capacity
        Target of the divergence of the latents, in nats (Burgess et al. 2018); None for the plain term.
    """

    weight: float = 1.0
    capacity: float | None = None

    def __call__(self, nats: Tensor) -> Tensor:
        """(n,) penalty for (n,) nats; with a capacity its mean is weight * |mean of the nats - capacity|."""
        if self.capacity is None:
            return self.weight * nats
        away = nats - self.capacity
        return self.weight * away * away.detach().mean().sign()


@dataclass(frozen=True)
class Inferred:
    """Posterior of n rows of data: mean and std (n, d) of the latents, and the image (n, D) at the mean, in its pose.

    angle and angle_std (n,) are in radians, offset (n, 2) in pixels (y, x); None for networks without a pose.
    """

    mean: Tensor
    std: Tensor
    image: Tensor
    angle: Tensor | None = None
    angle_std: Tensor | None = None
    offset: Tensor | None = None


@dataclass(frozen=True)
class Residuals:
    """Residuals of a batch, which give the maximum-likelihood values of noise and offset prior in closed form.

    squares (n, channels): mean squared residual. offsets (n,): posterior mean square of an offset along one axis.
    """

    squares: Tensor
    offsets: Tensor | None = None

    @torch.no_grad()
    def mean(self) -> Residuals:
        """Residuals averaged over the batch."""
        offsets = None if self.offsets is None else self.offsets.mean(0, keepdim=True)
        return Residuals(self.squares.mean(0, keepdim=True), offsets)


class Network(nn.Module):
    """Encoder, decoder and likelihood on rows (n, D) of data, with one-hot classes (n, K); K may be 0."""

    likelihood: Likelihood
    latents: int

    @abstractmethod
    def decode(self, z: Tensor, classes: Tensor) -> Tensor:
        """(n, D) canonical image of every latent point."""

    @abstractmethod
    def infer(self, x: Tensor, classes: Tensor) -> Inferred:
        """Posterior of every row."""

    @abstractmethod
    def evidence(
        self, x: Tensor, classes: Tensor, divergence: Divergence, generator: torch.Generator
    ) -> tuple[Tensor, Residuals]:
        """(n,) evidence lower bound from one draw, with weighted divergences, and the residuals."""

    def loss(
        self, x: Tensor, classes: Tensor, divergence: Divergence, generator: torch.Generator
    ) -> tuple[Tensor, Residuals]:
        """(n,) negative evidence lower bound per element of a row, and the residuals."""
        evidence, residuals = self.evidence(x, classes, divergence, generator)
        return -evidence / self.likelihood.numbers, residuals

    @torch.no_grad()
    def information(self, x: Tensor, classes: Tensor) -> Tensor:
        """(latents,) mean information of each latent about a row, in nats: its divergence from the prior."""
        found = self.infer(x, classes)
        return (0.5 * (found.mean.square() + found.std.square() - 1) - found.std.log()).mean(0)

    @torch.no_grad()
    def learn(self, residuals: Residuals) -> None:
        """Update the parameters whose maximum likelihood has a closed form."""
        self.likelihood.learn(residuals.squares)


def draw(mean: Tensor, log_std: Tensor, generator: torch.Generator) -> Tensor:
    """Sample of N(mean, exp(log_std)^2), differentiable by reparameterisation."""
    return mean + log_std.exp() * torch.randn(mean.shape, generator=generator, device=mean.device)


def normal_divergence(mean: Tensor, log_std: Tensor, prior_std: float = 1.0) -> Tensor:
    """(n,) Kullback-Leibler divergence of N(mean, std^2) from N(0, prior_std^2), summed over the last axis."""
    ratio = (2 * log_std).exp() + mean.square()
    log_prior = torch.log(torch.tensor(prior_std, device=mean.device))
    return (0.5 * (ratio / prior_std**2 - 1) - log_std + log_prior).sum(1)


def split_normal(parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log standard deviation, clamped for numerical safety, from the two halves of the columns."""
    mean, log_std = parameters.chunk(2, dim=1)
    return mean, log_std.clamp(-8, 2)

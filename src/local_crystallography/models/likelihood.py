"""Likelihoods of pixels or coefficients given the decoder's image.

Rows are (n, D) with the channel running fastest. Both kinds give the log likelihood of a row, its gradient and Hessian
with respect to a few parameters of the image (its offset), and the residual. Neither omits constants that depend on
the data alone, so that evidence lower bounds can be compared.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NOISE_RATE = 0.1
"""Rate at which the variance of the noise follows its maximum-likelihood value on the last batch."""


class Likelihood(nn.Module):
    """Distribution of data around an image; `noise` (channels,) is its learned standard deviation."""

    noise: Tensor

    def __init__(self, channels: int, numbers: int) -> None:
        super().__init__()
        self.numbers = numbers
        self.register_buffer("noise", torch.ones(channels))

    @property
    def weight(self) -> Tensor:
        """(channels,) factor of the inner product of data and image in the log likelihood."""
        return torch.ones_like(self.noise)

    @abstractmethod
    def log(self, x: Tensor, image: Tensor) -> Tensor:
        """(n,) log p(x | image)."""

    @abstractmethod
    def pull(self, x: Tensor, image: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient (n, k) and expected negative Hessian (n, k, k) of the log likelihood along slopes (n, k, D)."""

    @abstractmethod
    def residual(self, x: Tensor, image: Tensor) -> Tensor:
        """(n, channels) mean squared residual of the data."""

    def image(self, mean: Tensor) -> Tensor:
        """(n, D) image around which data with this mean (n, D) are distributed."""
        return mean

    @torch.no_grad()
    def learn(self, squares: Tensor, rate: float = NOISE_RATE) -> None:
        """Move the variance of the noise towards the mean squared residual (n, channels)."""
        self.noise.square_().lerp_(squares.mean(0).clamp_min(1e-8), rate).sqrt_()

    def spread(self, values: Tensor, size: int) -> Tensor:
        """(D,) values per channel, repeated for every element of a row."""
        return values.repeat(size // len(values))

    def per_channel(self, squares: Tensor) -> Tensor:
        """(n, channels) mean of squares (n, D) over the independent elements of a row."""
        channels = len(self.noise)
        return squares.view(len(squares), -1, channels).sum(1) * (channels / self.numbers)


class Gaussian(Likelihood):
    """White noise with a learned variance per channel: with a fixed one, latents collapse on noisy data."""

    @property
    def weight(self) -> Tensor:
        return self.noise**-2

    def log(self, x: Tensor, image: Tensor) -> Tensor:
        weight = self.spread(self.weight, x.shape[1])
        constant = self.numbers * (self.noise.log().mean() + 0.5 * math.log(2 * math.pi))
        return -0.5 * ((x - image).square() * weight).sum(1) - constant

    def pull(self, x: Tensor, image: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
        weighted = slopes * self.spread(self.weight, x.shape[1])
        return along(weighted, x - image), products(weighted, slopes)

    def residual(self, x: Tensor, image: Tensor) -> Tensor:
        return self.per_channel((x - image).square())


class Bernoulli(Likelihood):
    """Pixels are probabilities; the image is their log odds l. Data rows are the probabilities p minus one half.

    log p(x | image) = sum (p - 1/2) l - log(2 cosh(l / 2)). Where rows are coefficients, `synthesis` (pixels, D) maps
    them to pixels; as the basis is orthonormal, inner products are the same in both.
    """

    synthesis: Tensor | None

    def __init__(self, channels: int, numbers: int, synthesis: Tensor | None) -> None:
        super().__init__(channels, numbers)
        self.register_buffer("synthesis", synthesis, persistent=False)

    def log(self, x: Tensor, image: Tensor) -> Tensor:
        odds = self._pixels(image)
        return (x * image).sum(1) + (odds / 2 - F.softplus(odds)).sum(1)

    def pull(self, x: Tensor, image: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
        mean = torch.sigmoid(self._pixels(image))
        changes = self._pixels(slopes)
        gradient = along(slopes, x) - along(changes, mean - 0.5)
        return gradient, products(changes * (mean * (1 - mean))[:, None], changes)

    def residual(self, x: Tensor, image: Tensor) -> Tensor:
        rest = self._pixels(x) + 0.5 - torch.sigmoid(self._pixels(image))
        channels = len(self.noise)
        return rest.square().view(len(rest), -1, channels).mean(1)

    def image(self, mean: Tensor) -> Tensor:
        odds = torch.logit((self._pixels(mean) + 0.5).clamp(0.02, 0.98))
        return odds if self.synthesis is None else odds @ torch.linalg.pinv(self.synthesis).T

    def _pixels(self, rows: Tensor) -> Tensor:
        return rows if self.synthesis is None else rows @ self.synthesis.T


def along(slopes: Tensor, x: Tensor) -> Tensor:
    """(n, k) inner products of slopes (n, k, D) with x (n, D), as sums are faster than many small matrix products."""
    return (slopes * x[:, None]).sum(2)


def products(one: Tensor, other: Tensor) -> Tensor:
    """(n, k, k) inner products of two sets of slopes (n, k, D)."""
    return (one[:, :, None] * other[:, None]).sum(3)

"""Initialisation of a harmonic network before training: a mean image to rotate, and the shear of the scan."""

from __future__ import annotations

import math
from collections.abc import Generator

import torch
from torch import Tensor

from local_crystallography.data.progress import Progress
from local_crystallography.models.harmonic import HarmonicNetwork
from local_crystallography.models.harmonics import Harmonics
from local_crystallography.models.likelihood import Gaussian

SAMPLE, ROUNDS = 1000, 20
FEW, TRIES, FIRST_ROUNDS = 300, 7, 8
"""Sub-images, shears and rounds of the preliminary search for an initial shear."""
SHEAR_PRIOR = 0.05
"""Prior standard deviation of the shear of a scan."""

CLEARLY = 0.02
"""Nats per element by which a loss must be lower to count as better: several motifs may fit a shear."""

Shear = tuple[float, float]


@torch.no_grad()
def start(
    network: HarmonicNetwork, harmonics: Harmonics, some: Tensor, classes: Tensor, *, find_shear: bool
) -> Generator[Progress, bool | None, Shear]:
    """Set the mean image of every class in the decoder, and estimate the shear of the whole image, from a sample.

    The mean image is the aligned average of the data, grown from one sub-image: a round image would score all angles
    equally, and no gradient would break that symmetry. Drift of the scan shears the image, so that differently oriented
    grains of one crystal no longer show the same motif in rotation; the shear that restores this is found by
    Gauss-Newton steps alternating with the average. Nearly hexagonal motifs look similar at several angles, each with
    its own shear, so the steps start at another shear where that is clearly better. With a single orientation the shear
    cannot be determined, and the prior keeps it at zero.
    """
    likelihood, channels = network.likelihood, len(network.likelihood.noise)
    network.likelihood = Gaussian(channels, likelihood.numbers)  # averages are of data, whatever their likelihood
    search = ShearSearch(network, harmonics, some)
    shear, stop = torch.zeros(2), None
    if find_shear:
        none, *others = (search.preliminary(number) for number in range(TRIES))
        best = min(others, key=lambda found: found[1])
        shear = best[0] if best[1] < none[1] - CLEARLY else shear
    template = search.first_template(some)
    for number in range(ROUNDS):
        template, step = search.step(some, template, shear)
        shear = shear + step if find_shear else shear
        stop = yield Progress(0.0, f"initialising, round {number + 1} of {ROUNDS}")
        if stop:
            break
    unsheared = search.unsheared(some, shear)
    means = class_means(network, unsheared, template, classes)
    own = classes @ means if classes.shape[1] else means.expand(len(some), -1)
    fitted = network.align(unsheared, own)[3]
    likelihood.learn(network.likelihood.residual(unsheared, fitted), rate=1)
    network.likelihood = likelihood
    network.decoder.mean.copy_(likelihood.image(means))
    network.decoder.linear.weight.mul_(0.1)
    network.decoder.last.weight.mul_(0.1)
    network.decoder.last.bias.zero_()
    return float(shear[0]), float(shear[1])


class ShearSearch:
    """Gauss-Newton search for the shear without which all sub-images show one motif in rotation."""

    def __init__(self, network: HarmonicNetwork, harmonics: Harmonics, some: Tensor) -> None:
        self.network, self.some = network, some[:FEW]
        identity = torch.eye(len(network.likelihood.noise))
        self.strains = torch.stack([torch.kron(s, identity) for s in torch.as_tensor(harmonics.strains).float()])
        self.prior = torch.eye(2) / SHEAR_PRIOR**2

    def preliminary(self, number: int) -> tuple[Tensor, float]:
        """Shear after a few steps from zero (number 0) or from one of the values around it, and its loss per element,
        in nats."""
        angle = torch.tensor(2 * math.pi * number / (TRIES - 1))
        shear = SHEAR_PRIOR * torch.stack([angle.cos(), angle.sin()]) if number else torch.zeros(2)
        template = self.first_template(self.some)
        for _ in range(FIRST_ROUNDS):
            template, step = self.step(self.some, template, shear)
            shear = shear + step
        unsheared, likelihood = self.unsheared(self.some, shear), self.network.likelihood
        fitted = self.network.align(unsheared, template.expand(len(unsheared), -1))[3]
        residual = likelihood.residual(unsheared, fitted).mean(0).log().mean()
        prior = shear @ self.prior @ shear / (len(unsheared) * likelihood.numbers)
        return shear, float(0.5 * (residual + prior))

    def first_template(self, some: Tensor) -> Tensor:
        """The sub-image (D,) at the median distance from the mean."""
        return some[(some - some.mean(0)).square().sum(1).argsort()[len(some) // 2]]

    def step(self, some: Tensor, template: Tensor, shear: Tensor) -> tuple[Tensor, Tensor]:
        """Aligned average (D,) of sub-images (n, D), and the increment of the shear (2,)."""
        unsheared, likelihood = self.unsheared(some, shear), self.network.likelihood
        likelihood.learn(likelihood.residual(unsheared, template), rate=1)
        angle, _, _, fitted = self.network.align(unsheared, template.expand(len(some), -1))
        slope = torch.einsum("spq,nq->nsp", self.strains, fitted)
        pull, curvature = likelihood.pull(unsheared, fitted, slope)
        step = torch.linalg.solve(curvature.sum(0) + self.prior, pull.sum(0) - self.prior @ shear)
        return self.network.rotate(unsheared, -angle).mean(0), step

    def unsheared(self, some: Tensor, shear: Tensor) -> Tensor:
        """Sub-images (n, D) with a shear removed."""
        inverse: Tensor = torch.linalg.matrix_exp(-torch.tensordot(shear, self.strains, dims=1))
        return some @ inverse.T


def class_means(network: HarmonicNetwork, some: Tensor, template: Tensor, classes: Tensor, rounds: int = 5) -> Tensor:
    """(K or 1, D) aligned average of every class, oriented like the common template."""
    means = template.expand(max(1, classes.shape[1]), -1).clone()
    for _ in range(rounds if classes.shape[1] else 0):
        angle = network.align(some, classes @ means)[0]
        aligned = network.rotate(some, -angle)
        weight = classes / classes.sum(0).clamp_min(1)
        present = classes.sum(0) > 0
        means[present] = (weight.T @ aligned)[present]
    return means

"""Where the training of a harmonic network starts: a mean image to turn, and the shear of the scan."""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor

from local_crystallography.data.progress import Progress
from local_crystallography.models.harmonic import HarmonicNetwork
from local_crystallography.models.harmonics import Harmonics
from local_crystallography.models.likelihood import Gaussian

SAMPLE, ROUNDS = 1000, 20
SHEAR_PRIOR = 0.05
"""Standard deviation of the shear expected of a scan."""

Shear = tuple[float, float]


@torch.no_grad()
def start(
    network: HarmonicNetwork, harmonics: Harmonics, some: Tensor, classes: Tensor, *, look_for_shear: bool
) -> Generator[Progress, bool | None, Shear]:
    """Give the decoder a mean image of every class, and find the shear of the whole image, from some of the data.

    The mean image is the aligned average of the data, grown from one sub-image: a round one would score all angles
    alike, and no gradient would ever break that. Drift of the scan shears the image. Two grains of one crystal, turned
    against each other, are then no longer the same motif turned; the shear that makes them so is found by Gauss-Newton
    steps beside the average. Where only one orientation is there, nothing can be known and the prior keeps it at zero.
    """
    likelihood, channels = network.likelihood, len(network.likelihood.noise)
    network.likelihood = Gaussian(channels, likelihood.numbers)  # averages are made of data, whatever their likelihood
    template = some[(some - some.mean(0)).square().sum(1).argsort()[len(some) // 2]]
    strains = torch.stack([torch.kron(s, torch.eye(channels)) for s in torch.as_tensor(harmonics.strains).float()])
    shear, prior = torch.zeros(2), torch.eye(2) / SHEAR_PRIOR**2
    for number in range(ROUNDS):
        unsheared = some @ torch.linalg.matrix_exp(-torch.tensordot(shear, strains, dims=1)).T
        network.likelihood.learn(network.likelihood.residual(unsheared, template), rate=1)
        angle, _, _, fitted = network.align(unsheared, template.expand(len(some), -1))
        template = network.turn(unsheared, -angle).mean(0)
        if look_for_shear:
            slope = torch.einsum("spq,nq->nsp", strains, fitted)
            pull, curvature = network.likelihood.pull(unsheared, fitted, slope)
            shear += torch.linalg.solve(curvature.sum(0) + prior, pull.sum(0) - prior @ shear)
        stop = yield Progress(0.0, f"finding a start, {number + 1} of {ROUNDS}")
        if stop:
            break
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


def class_means(network: HarmonicNetwork, some: Tensor, template: Tensor, classes: Tensor, rounds: int = 5) -> Tensor:
    """(K or 1, D) aligned average of every class, each first turned as the template of all."""
    means = template.expand(max(1, classes.shape[1]), -1).clone()
    for _ in range(rounds if classes.shape[1] else 0):
        angle = network.align(some, classes @ means)[0]
        turned = network.turn(some, -angle)
        share = classes / classes.sum(0).clamp_min(1)
        seen = classes.sum(0) > 0
        means[seen] = (share.T @ turned)[seen]
    return means

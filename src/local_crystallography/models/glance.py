"""Quick look at the latents of a network that is still training, not as exact as `Vae.encode`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from local_crystallography.data.progress import Columns
from local_crystallography.models.amortised import AmortisedNetwork
from local_crystallography.models.harmonic import ANGLES, HarmonicNetwork, newton
from local_crystallography.models.network import split_normal

POSE = 3
"""Numbers of the pose, angle and offset, before the latents of an encoder that guesses it."""


@torch.no_grad()
def glance(network: HarmonicNetwork | AmortisedNetwork, x: Tensor, classes: Tensor) -> Columns:
    """Columns z0, z1, … and, where the network turns, angle_rad of rows (n, D) of data.

    One look: the offset is not looked for, which changes little where windows were cut around refined atoms. Nothing is
    drawn and nothing of the network is changed, so a training goes on as if nobody had looked.
    """
    mean, _ = split_normal(network.encoder(x, classes))
    angle = None
    if isinstance(network, HarmonicNetwork):
        score = network.score(x, network.decode(mean, classes))
        first = network.angle[network.log_angle(score).argmax(1)]
        angle, _ = newton(score, first, largest=2 * math.pi / ANGLES)
    elif network.decoder.turns:
        angle, mean = mean[:, 0], mean[:, POSE:]
    columns = {f"z{i}": column for i, column in enumerate(mean.unbind(1))}
    if angle is not None:
        columns["angle_rad"] = (angle + math.pi) % (2 * math.pi) - math.pi
    return {name: column.double().cpu().numpy() for name, column in columns.items()}

"""Preview of the latents of a network in training, faster but less exact than `Vae.encode`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from local_crystallography.data.progress import Columns
from local_crystallography.models.amortised import AmortisedNetwork
from local_crystallography.models.harmonic import ANGLES, HarmonicNetwork, newton
from local_crystallography.models.network import split_normal

POSE = 3
"""Outputs for the pose (angle and offset) before the latents, for encoders that infer it."""


@torch.no_grad()
def glance(network: HarmonicNetwork | AmortisedNetwork, x: Tensor, classes: Tensor) -> Columns:
    """Columns z0, z1, … and, for a rotational network, angle_rad of rows (n, D) of data.

    The offset is not fitted, which matters little where windows were cut around refined atoms. No random number is
    drawn and the network stays unchanged, so the preview does not affect the training.
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

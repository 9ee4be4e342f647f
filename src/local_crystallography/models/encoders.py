"""Encoders from sub-images to the parameters of q(z | x), the left half of Fig. 3b and 3c of the paper.

Every encoder takes rows (n, D) of data and one-hot classes (n, K), where K may be 0, and returns (n, outputs).
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class InvariantEncoder(nn.Module):
    """Encoder of coefficients that is invariant under rotation of the image.

    Steerable filters respond in 32 directions of the circle; the same layer acts on every direction; moments over the
    directions do not depend on where the circle begins.
    """

    directions = 32
    slots: Tensor
    waves: Tensor

    def __init__(self, orders: Tensor, *, hidden: int, classes: int, outputs: int) -> None:
        super().__init__()
        counts = torch.bincount(orders)
        radial = torch.cat([torch.arange(int(count)) for count in counts])
        self.shape = (len(counts), int(counts.max()))
        filters = max(4, hidden // 2)
        self.register_buffer("slots", orders * self.shape[1] + radial, persistent=False)
        # a r + b i and b r - a i, for the complex filter r - i i, are one matrix product on (a, b).
        self.filters = nn.Parameter(torch.randn(*self.shape, 2, filters) / math.sqrt(2 * len(orders)))
        phase = 2 * math.pi / self.directions * torch.arange(self.directions) * torch.arange(self.shape[0])[:, None]
        self.register_buffer("waves", torch.cat([phase.cos(), phase.sin()]), persistent=False)
        self.bias = nn.Parameter(torch.zeros(filters))
        self.middle = nn.Linear(filters, filters)
        self.outer = nn.Sequential(nn.Linear(2 * filters + classes, hidden), nn.SiLU(), nn.Linear(hidden, outputs))

    def forward(self, c: Tensor, classes: Tensor) -> Tensor:
        n = len(c)
        padded = torch.zeros(n, 2, self.shape[0] * self.shape[1], device=c.device)
        padded = padded.index_copy(2, self.slots, c.view(n, 2, -1)).view(n, 2, *self.shape)
        a, b = padded.permute(1, 2, 0, 3)
        real, imaginary = self.filters.unbind(2)
        parts = torch.cat([a @ real + b @ imaginary, b @ real - a @ imaginary])
        answers = (self.waves.T @ parts.flatten(1)).view(self.directions, n, -1)
        answers = F.silu(self.middle(F.silu(answers + self.bias)))
        pooled = torch.cat([answers.mean(0), (answers * answers).mean(0), classes], dim=1)
        given: Tensor = self.outer(pooled)
        return given


class DenseEncoder(nn.Module):
    """Two fully connected layers, the default of the paper's encoder."""

    def __init__(self, size: int, *, hidden: int, classes: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(size + classes, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, outputs),
        )

    def forward(self, x: Tensor, classes: Tensor) -> Tensor:
        given: Tensor = self.layers(torch.cat([x, classes], dim=1))
        return given


class ConvolutionalEncoder(nn.Module):
    """Three layers of strided convolutions and a fully connected one, on (n, side * side * channels) pixels."""

    def __init__(self, side: int, channels: int, *, hidden: int, classes: int, outputs: int) -> None:
        super().__init__()
        self.side, self.channels = side, channels
        widths = (channels, max(4, hidden // 4), max(4, hidden // 2), hidden)
        layers: list[nn.Module] = []
        for inner, outer in itertools.pairwise(widths):
            layers += [nn.Conv2d(inner, outer, 3, stride=2, padding=1), nn.SiLU()]
            side = (side + 1) // 2
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.outer = nn.Sequential(nn.Linear(hidden * side**2 + classes, hidden), nn.SiLU(), nn.Linear(hidden, outputs))

    def forward(self, x: Tensor, classes: Tensor) -> Tensor:
        image = x.view(len(x), self.side, self.side, self.channels).permute(0, 3, 1, 2)
        given: Tensor = self.outer(torch.cat([self.layers(image), classes], dim=1))
        return given

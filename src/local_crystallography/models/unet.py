"""Network that finds atoms: from an image to the probability that each pixel lies on an atom."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (32, 64, 96)
"""Channels at half, a quarter and an eighth of the resolution."""
CHANNELS = 4
"""Input channels: an image over its overall contrast, over wide and narrow local contrast, and filtered."""
BLOCK = 8
"""Pixels by which the sides of an image must be divisible."""


class UNet(nn.Module):
    """Semantic segmentation as in Fig. 3a, after Ronneberger 2015, with skip connections that add.

    Maps the input (n, 4, H, W) of `segmenter.prepare` to logits (n, K, H, W), one channel per class of atoms. The first
    layer halves the resolution by moving 2 x 2 pixels into channels and the last one reverses this, so that no layer
    works at full resolution.
    """

    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        first, middle, deep = WIDTHS
        self.first = nn.Sequential(convolution(4 * CHANNELS, first), convolution(first, first))
        self.middle = nn.Sequential(convolution(first, middle), convolution(middle, middle))
        self.deep = nn.Sequential(convolution(middle, deep), convolution(deep, deep))
        self.from_deep = nn.Conv2d(deep, middle, 1)
        self.up_middle = convolution(middle, middle)
        self.from_middle = nn.Conv2d(middle, first, 1)
        self.up_first = convolution(first, first)
        self.last = nn.Conv2d(first, 4 * classes, 3, padding=1, padding_mode="replicate")
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster on every device

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(F.pixel_unshuffle(x, 2))
        middle = self.middle(F.max_pool2d(first, 2))
        deep = self.deep(F.max_pool2d(middle, 2))
        middle = self.up_middle(middle + doubled(self.from_deep(deep)))
        first = self.up_first(first + doubled(self.from_middle(middle)))
        logits: Tensor = F.pixel_shuffle(self.last(first), 2)
        return logits


def untrained(classes: int, seed: int = 0) -> UNet:
    """Network with random weights; the global random state is left unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet(classes)


def convolution(channels: int, out: int) -> nn.Sequential:
    """3 x 3 convolution with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, padding=1, padding_mode="replicate", bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )


def doubled(x: Tensor) -> Tensor:
    """Images at twice the resolution, by bilinear interpolation."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)

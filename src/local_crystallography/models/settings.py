"""Settings from which a network is rebuilt: saved beside its weights, so that no code in a model file is executed."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from local_crystallography.models.amortised import AmortisedNetwork, CanonicalDecoder, CoordinateDecoder
from local_crystallography.models.encoders import ConvolutionalEncoder, DenseEncoder, InvariantEncoder
from local_crystallography.models.harmonic import HarmonicNetwork, PixelEncoder
from local_crystallography.models.harmonics import Harmonics, basis
from local_crystallography.models.likelihood import Bernoulli, Gaussian, Likelihood


class VaeSettings(BaseModel):
    """Architecture of a network and results of its training, saved beside the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    turns: bool = Field(description="Whether the network has a pose: angle and offset.")
    decoder: Literal["harmonic", "canonical", "coordinates"] = Field(description="Kind of decoder.")
    encoder: Literal["invariant", "dense", "convolutional"] = Field(description="Kind of encoder.")
    likelihood: Literal["gaussian", "bernoulli"] = Field(description="Distribution of data around the decoded image.")
    window_size: int = Field(ge=4, le=512, description="Side of the sub-images, pixels.")
    channels: int = Field(1, ge=1, le=64, description="Number of channels of the sub-images.")
    classes: tuple[int, ...] = Field((), description="Class labels of the training; empty: not conditional.")
    highest_frequency: float = Field(gt=0, le=4, description="Highest spatial frequency kept, radians per pixel.")
    latents: int = Field(ge=1, le=10, description="Number of latent variables.")
    hidden: int = Field(ge=4, le=1024, description="Width of the hidden layers.")
    s_gamma: float = Field(gt=0, le=100, description="Standard deviation of the rotational prior (Eq. 2), radians.")
    s_offset: float | None = Field(
        gt=0, le=100, description="Standard deviation of the offset prior, px; None: learned."
    )
    center: tuple[float, ...] = Field(description="Value subtracted from every channel of the sub-images.")
    scale: tuple[float, ...] = Field(description="Value by which every channel is then divided.")
    shear: tuple[float, float] = Field(
        (0.0, 0.0),
        description="Shear of the whole image, corrected first: stretch along x, stretch along the diagonal.",
    )
    held_out_loss: float = Field(0.0, description="Negative evidence lower bound per element on the held-out part.")
    nats: tuple[float, ...] = Field((), description="Information of every latent about a sub-image, nats.")
    unsettled: bool = Field(False, description="Whether the held-out loss was still falling when the training ended.")

    @property
    def harmonics(self) -> Harmonics:
        """Basis of the sub-images."""
        return basis(self.window_size, self.highest_frequency)

    def network(self, generator: torch.Generator) -> HarmonicNetwork | AmortisedNetwork:
        """Untrained network with these settings; the global random state is left unchanged."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            network = self._harmonic() if self.decoder == "harmonic" else self._amortised()
        network.set_priors(s_gamma=self.s_gamma, s_offset=self.s_offset)
        return network

    def _harmonic(self) -> HarmonicNetwork:
        harmonics, channels = self.harmonics, self.channels
        orders = torch.as_tensor(harmonics.orders).repeat_interleave(channels)
        synthesis = torch.as_tensor(np.kron(harmonics.synthesis, np.eye(channels)), dtype=torch.float32)
        disc = torch.as_tensor(harmonics.disc.ravel()).repeat_interleave(channels)
        likelihood: Likelihood
        if self.likelihood == "gaussian":
            likelihood = Gaussian(channels, 2 * len(orders) - int((orders == 0).sum()))
        else:
            likelihood = Bernoulli(channels, int(disc.sum()), synthesis[disc])
        sizes = {"hidden": self.hidden, "classes": len(self.classes), "outputs": 2 * self.latents}
        encoder: nn.Module
        if self.encoder == "invariant":
            encoder = InvariantEncoder(orders, **sizes)
        elif self.encoder == "dense":
            encoder = DenseEncoder(2 * len(orders), **sizes)
        else:
            encoder = PixelEncoder(synthesis, ConvolutionalEncoder(self.window_size, channels, **sizes))
        return HarmonicNetwork(
            harmonics, likelihood, encoder, latents=self.latents, classes=len(self.classes), hidden=self.hidden
        )

    def _amortised(self) -> AmortisedNetwork:
        side, channels, classes = self.window_size, self.channels, len(self.classes)
        pixels = side**2 * channels
        likelihood = (
            Gaussian(channels, pixels) if self.likelihood == "gaussian" else Bernoulli(channels, pixels, synthesis=None)
        )
        outputs = 2 * (self.latents + (3 if self.turns else 0))
        encoder: nn.Module
        if self.encoder == "dense":
            encoder = DenseEncoder(pixels, hidden=self.hidden, classes=classes, outputs=outputs)
        else:
            encoder = ConvolutionalEncoder(side, channels, hidden=self.hidden, classes=classes, outputs=outputs)
        kind = CanonicalDecoder if self.decoder == "canonical" else CoordinateDecoder
        decoder = kind(side, channels, turns=self.turns, latents=self.latents, classes=classes, hidden=self.hidden)
        return AmortisedNetwork(encoder, decoder, likelihood, latents=self.latents)

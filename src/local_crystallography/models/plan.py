"""Plan of a training: everything that does not belong to the network itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local_crystallography.models.network import Divergence


@dataclass(frozen=True)
class Plan:
    """How to train.

    Parameters
    ----------
    epochs, batch_size, learning_rate
        Passes over the data, sub-images in one step, step size of Adam at the start; it falls to zero as a cosine.
    warm_up
        Share of the training in which the divergences grow to their full weight.
    kl_weight, capacity
        See `network.Divergence`; the capacity grows over the whole training.
    patience
        Passes without a better held-out loss after which the training ends.
    restarts
        Trainings from different starts, of which the best is kept.
    seed, device
        Start of the random numbers; cpu, cuda or mps.
    checkpoint
        File the training is saved to after every epoch, and resumed from where it exists.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    warm_up: float
    kl_weight: float
    capacity: float | None
    patience: int
    restarts: int
    seed: int
    device: str
    checkpoint: Path | None = None

    def divergence(self, done: float) -> Divergence:
        """The divergences when this share of the training is done."""
        warmth = min(1.0, done / self.warm_up) if self.warm_up else 1.0
        return Divergence(self.kl_weight * warmth, None if self.capacity is None else self.capacity * done)

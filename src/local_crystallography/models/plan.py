"""Plan of a training: all settings that do not belong to the network itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local_crystallography.models.network import Divergence


@dataclass(frozen=True)
class Plan:
    """Settings of the optimisation.

    Parameters
    ----------
    epochs, batch_size, learning_rate
        Passes over the data, sub-images per step, initial step size of Adam, which follows a cosine to zero.
    warm_up
        Fraction of the training during which the weight of the divergences rises to its full value.
    kl_weight, capacity
        See `network.Divergence`; the capacity increases over the whole training.
    patience
        Epochs without a better held-out loss after which the training ends.
    restarts
        Number of trainings from different initial weights, of which the best is kept.
    seed, device
        Random seed; cpu, cuda or mps.
    checkpoint
        File to which the training is saved after every epoch, and from which it resumes.
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
        """Divergences when this fraction of the training is done."""
        warmth = min(1.0, done / self.warm_up) if self.warm_up else 1.0
        return Divergence(self.kl_weight * warmth, None if self.capacity is None else self.capacity * done)

"""Training of the rotational variational autoencoder: a generator that reports, and stops when told to."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job, Progress
from local_crystallography.models.harmonics import Harmonics
from local_crystallography.models.network import RotationalVae
from local_crystallography.models.vae import Vae, VaeSettings, align, project

logger = logging.getLogger(__name__)

FEWEST = 20
HELD_OUT = 0.1
NOISE_RATE = 0.1
WARM_UP = 0.3


@contextmanager
def one_thread() -> Iterator[None]:
    """Small networks train fastest on one thread: with more, threads mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train(
    windows: npt.NDArray[np.float32],
    settings: VaeSettings,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> Job[Vae]:
    """Fit the network to sub-images (n, w, w); yields Progress after every batch, returns the best so far.

    Minimises minus the evidence lower bound (Eq. 2), the variance of the noise learned with the rest. The best weights
    on a held-out tenth are kept. The learning rate falls to zero as a cosine.

    Raises
    ------
    InputError
        For fewer than 20 sub-images, and where the loss stops being a number.
    """
    if len(windows) < FEWEST:
        raise InputError(
            f"{len(windows)} sub-images came, at least {FEWEST} were expected; find more atoms or use a smaller window."
        )
    torch.manual_seed(seed)
    data = project(
        windows,
        Harmonics(settings.window_size, settings.highest_frequency),
        center=settings.center,
        scale=settings.scale,
    )
    order = torch.randperm(len(data))
    held_out, training = (
        data[order[: max(4, int(HELD_OUT * len(data)))]],
        data[order[max(4, int(HELD_OUT * len(data))) :]],
    )
    network = settings.network()
    start(network, training)
    best = snapshot(network, settings, held_out_loss(network, held_out))
    per_epoch = max(1, len(training) // batch_size)
    total = epochs * per_epoch
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
    for epoch in range(epochs):
        losses = []
        for number, rows in enumerate(torch.randperm(len(training)).chunk(per_epoch)):
            with one_thread():
                losses.append(
                    update(
                        network,
                        optimizer,
                        training[rows],
                        kl_weight=min(1.0, (epoch * per_epoch + number) / (WARM_UP * total)),
                    )
                )
            schedule.step()
            stop = yield Progress(
                (epoch * per_epoch + number + 1) / total, f"epoch {epoch + 1} of {epochs}", losses[-1]
            )
            if stop:
                return best
        with one_thread():
            now = held_out_loss(network, held_out)
        if now < best.settings.held_out_loss:
            best = snapshot(network, settings, now)
        logger.info("epoch %d loss %.4f held out %.4f", epoch + 1, np.mean(losses), now)
        stop = yield Progress((epoch + 1) / epochs, f"epoch {epoch + 1} of {epochs}", float(np.mean(losses)), now)
        if stop:
            return best
    return best


def update(network: RotationalVae, optimizer: torch.optim.Optimizer, batch: Tensor, *, kl_weight: float) -> float:
    """One step of the optimiser; the loss before it."""
    optimizer.zero_grad()
    losses, squares = network.loss(batch, kl_weight)
    loss = losses.mean()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    with torch.no_grad():  # the variance of the noise has its maximum likelihood in closed form
        network.noise.square_().lerp_(squares.mean().clamp_min(1e-8), NOISE_RATE).sqrt_()
    value = float(loss.detach())
    if not np.isfinite(value):
        raise InputError(
            "The training diverged: the loss is not a number any more. Train again with a smaller learning rate."
        )
    return value


@torch.no_grad()
def held_out_loss(network: RotationalVae, data: Tensor) -> float:
    """Minus the evidence lower bound per coefficient, with the same draws of the latents at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return float(torch.cat([network.loss(part, 1.0)[0] for part in torch.split(data, 2048)]).mean())


def snapshot(network: RotationalVae, settings: VaeSettings, loss: float) -> Vae:
    """The network as it is now."""
    weights = {name: value.detach().clone() for name, value in network.state_dict().items()}
    return Vae(settings.model_copy(update={"held_out_loss": loss}), weights)


@torch.no_grad()
def start(network: RotationalVae, data: Tensor) -> None:
    """Give the decoder a mean image to turn: the aligned average of the data, grown from one sub-image.

    A round mean image would score all angles alike, and no gradient would ever break that.
    """
    some = data[torch.randperm(len(data))[:1000]]
    template = some[(some - some.mean(0)).square().sum(1).argsort()[len(some) // 2]]
    for _ in range(8):
        image = template.expand(len(some), -1)
        network.noise.copy_((some - template).square().mean().clamp_min(1e-6).sqrt())
        angle, _, _, _ = align(network, some, image)
        template = network.turn(some, -angle).mean(0)
    aligned = network.turn(some, -angle)
    network.decoder.mean.copy_(template)
    network.noise.copy_(((aligned - template).square().sum(1).mean() / network.dimensions).clamp_min(1e-6).sqrt())
    network.decoder.linear.weight.mul_(0.1)
    network.decoder.last.weight.mul_(0.1)
    network.decoder.last.bias.zero_()

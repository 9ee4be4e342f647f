"""Training of the rotational variational autoencoder: a generator that reports, and stops when told to."""

from __future__ import annotations

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

FEWEST = 20
HELD_OUT = 0.1
NOISE_RATE = 0.1
WARM_UP = 0.3
START_SAMPLE, START_ROUNDS = 1000, 20
SHEAR_PRIOR = 0.05
"""Standard deviation of the shear expected of a scan."""


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
    network = settings.network()
    harmonics = Harmonics(settings.window_size, settings.highest_frequency)
    yield Progress(0.0, "finding a start")
    with one_thread():
        shear = start(network, harmonics, project(windows, harmonics, settings))
        settings = settings.model_copy(update={"shear": shear})
        held_out, training = split(project(windows, harmonics, settings))
        best = snapshot(network, settings, held_out_loss(network, held_out))
    per_epoch = max(1, len(training) // batch_size)
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * per_epoch)
    for epoch in range(epochs):
        message, losses = f"epoch {epoch + 1} of {epochs}", []
        for number, rows in enumerate(torch.randperm(len(training)).chunk(per_epoch)):
            done = (epoch + number / per_epoch) / epochs
            with one_thread():
                losses.append(update(network, optimizer, training[rows], kl_weight=min(1.0, done / WARM_UP)))
            schedule.step()
            if (yield Progress(done, message, losses[-1])):
                return best
        with one_thread():
            now = held_out_loss(network, held_out)
        if now < best.settings.held_out_loss:
            best = snapshot(network, settings, now)
        if (yield Progress((epoch + 1) / epochs, message, float(np.mean(losses)), now)):
            return best
    return best


def split(data: Tensor) -> tuple[Tensor, Tensor]:
    """A tenth to judge by, at least four, and the rest to train on; which is which is random."""
    order = torch.randperm(len(data))
    count = max(4, int(HELD_OUT * len(data)))
    return data[order[:count]], data[order[count:]]


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
def start(network: RotationalVae, harmonics: Harmonics, data: Tensor) -> tuple[float, float]:
    """Give the decoder a mean image to turn, and find the shear of the whole image.

    The mean image is the aligned average of the data, grown from one sub-image: a round one would score all angles
    alike, and no gradient would ever break that. Drift of the scan shears the image. Two grains of one crystal, turned
    against each other, are then no longer the same motif turned; the shear that makes them so is found by Gauss-Newton
    steps beside the average. Where only one orientation is there, nothing can be known and the prior keeps it at zero.
    """
    some = data[torch.randperm(len(data))[:START_SAMPLE]]
    template = some[(some - some.mean(0)).square().sum(1).argsort()[len(some) // 2]]
    strains = torch.as_tensor(harmonics.strains, dtype=torch.float32)
    shear = torch.zeros(2)
    for _ in range(START_ROUNDS):
        unsheared = some @ torch.linalg.matrix_exp(-torch.tensordot(shear, strains, dims=1)).T
        image = template.expand(len(some), -1)
        network.noise.copy_((unsheared - template).square().mean().clamp_min(1e-6).sqrt())
        angle, _, _, fitted = align(network, unsheared, image)
        template = network.turn(unsheared, -angle).mean(0)
        slope = torch.einsum("spq,nq->nsp", strains, fitted)
        normal = torch.einsum("nsp,ntp->st", slope, slope) / network.noise**2 + torch.eye(2) / SHEAR_PRIOR**2
        right = torch.einsum("nsp,np->s", slope, unsheared - fitted) / network.noise**2 - shear / SHEAR_PRIOR**2
        shear += torch.linalg.solve(normal, right)
    rest = (unsheared - fitted).square().sum(1).mean() / network.dimensions
    network.noise.copy_(rest.clamp_min(1e-6).sqrt())
    network.decoder.mean.copy_(template)
    network.decoder.linear.weight.mul_(0.1)
    network.decoder.last.weight.mul_(0.1)
    network.decoder.last.bias.zero_()
    return float(shear[0]), float(shear[1])

"""Training of the network that finds atoms, on images with known atoms."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor
from torch.nn import functional as F

from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job, Progress
from local_crystallography.models.segmenter import Segmenter, prepare, under
from local_crystallography.models.training import one_thread
from local_crystallography.models.unet import CHANNELS, UNet, untrained

Array = npt.NDArray[np.float32]
Noise = Callable[[np.random.Generator], Array]

BATCH, POOL, FIRST = 8, 3000, 300
"""Images per step, most images kept, and images before the first step; every step adds a new one."""
CYCLES, CYCLE = 4, 0.1
"""Networks of the ensemble, one at each minimum of the step size, and length of the short cycles as a fraction."""
LOWER = 0.3
"""Highest step size in the short cycles, relative to the long one (snapshot ensembles, Huang 2017)."""
WARM_UP = 200
"""Most steps over which the step size rises, limited to a tenth of all."""
SAVED_EVERY = 250
RADIUS = 0.7
"""Radius of the disc that marks a column, in its standard deviations; with larger ones close columns would touch."""


@dataclass(frozen=True)
class Example:
    """A training image with its target.

    Parameters
    ----------
    noisy
        Function that returns the image (h, w) with new noise.
    target
        (K, h, w) 1 on atoms of a class, 0 elsewhere, with values in between at their rims.
    weight
        (h, w) 0 where the target is undefined, 1 elsewhere.
    """

    noisy: Noise
    target: Array
    weight: Array


def disc(shape: tuple[int, ...], yx: npt.NDArray[np.float64], radius: float) -> Array:
    """(h, w) 1 within radius px of a position, 0 beyond, linear over one pixel at the rim."""
    reach = math.ceil(radius + 1)
    offsets = np.arange(-reach, reach + 1)
    rows, cols = (np.rint(yx[:, axis, None]).astype(int) + offsets for axis in (0, 1))
    distance = np.hypot((rows - yx[:, :1])[:, :, None], (cols - yx[:, 1:])[:, None, :])
    height = np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32)
    inside = ((rows >= 0) & (rows < shape[0]))[:, :, None] & ((cols >= 0) & (cols < shape[1]))[:, None, :]
    marked = np.zeros(shape, np.float32)
    pixels = (rows[:, :, None] * shape[1] + cols[:, None, :])[inside]
    np.maximum.at(marked.reshape(-1), pixels, height[inside])
    return marked


@dataclass
class SegmenterTraining:
    """A training that can be saved after any step and resumed exactly.

    Parameters
    ----------
    example
        Function from a number to an example, always the same one.
    classes, sigma
        Classes and sigma of the resulting `Segmenter`.
    steps, learning_rate, seed
        Steps of the optimiser, its highest step size, random seed.
    network
        Network to start from; None for random weights.
    """

    example: Callable[[int], Example]
    classes: tuple[str, ...]
    sigma: float
    steps: int
    learning_rate: float
    seed: int
    network: UNet | None = None
    members: list[dict[str, Tensor]] = field(default_factory=list)
    done: int = 0

    def run(self, checkpoint: Path | None = None) -> Job[Segmenter]:
        """Train, saving to a checkpoint regularly and resuming from it where it exists; the last network comes first.

        Raises
        ------
        InputError
            For a checkpoint of another training.
        """
        network = (self.network or untrained(len(self.classes), self.seed)).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=self.learning_rate, weight_decay=1e-4)
        if checkpoint is not None and checkpoint.exists():
            self._restore(checkpoint, network, optimizer)
        pool: list[Example] = []
        for number in range(max(0, self.done + FIRST - POOL), self.done + FIRST):
            pool.append(self.example(number))
            if (yield Progress(self.done / self.steps, "simulating images")):
                return self._result(network)
        loss: float | None = None
        while self.done < self.steps:
            with one_thread():
                now = self._step(network, optimizer, pool)
            loss = now if loss is None else 0.98 * loss + 0.02 * now
            pool.append(self.example(self.done + FIRST))
            del pool[:-POOL]
            self.done += 1
            if self.done in self._lows():
                self.members.append(deepcopy(network.state_dict()))
            if checkpoint is not None and (self.done % SAVED_EVERY == 0 or self.done == self.steps):
                self._save(checkpoint, network, optimizer)
            if (yield Progress(self.done / self.steps, f"step {self.done} of {self.steps}", loss)):
                break
        return self._result(network)

    def _lows(self) -> list[int]:
        """Steps at which the step size reaches zero, except the last."""
        return [round(self.steps * (1 - CYCLE * (CYCLES - 1 - k))) for k in range(CYCLES - 1)]

    def rate(self) -> float:
        """Current step size: one long cosine, then short lower ones."""
        fraction, first = self.done / self.steps, 1 - CYCLE * (CYCLES - 1)
        if fraction < first:
            warm = min(1.0, (self.done + 1) / min(WARM_UP, 1 + self.steps // 10))
            return warm * self.learning_rate * 0.5 * (1 + math.cos(math.pi * fraction / first))
        phase = (fraction - first) / CYCLE % 1
        return LOWER * self.learning_rate * 0.5 * (1 + math.cos(math.pi * phase))

    def _step(self, network: UNet, optimizer: torch.optim.Optimizer, pool: list[Example]) -> float:
        for group in optimizer.param_groups:
            group["lr"] = self.rate()
        value = loss_of(network, *batch(pool, np.random.default_rng([self.seed, self.done])))
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        return float(value.detach())

    def _result(self, network: UNet) -> Segmenter:
        networks = [deepcopy(network).eval()]
        for weights in reversed(self.members):
            other = untrained(len(self.classes))
            other.load_state_dict(weights)
            networks.append(other.eval())
        return Segmenter(tuple(networks), self.classes, self.sigma)

    def _belongs(self) -> str:
        return repr((self.classes, self.sigma, self.steps, self.learning_rate, self.seed))

    def _save(self, path: Path, network: UNet, optimizer: torch.optim.Optimizer) -> None:
        tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
        for number, weights in enumerate(self.members):
            tensors |= {f"member{number}.{name}": value for name, value in weights.items()}
        for number, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer{number}.{name}": value for name, value in state.items()}
        notes = {"belongs": self._belongs(), "done": str(self.done), "members": str(len(self.members))}
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_bytes(to_bytes({name: value.contiguous() for name, value in tensors.items()}, metadata=notes))
            part.replace(path)
        except OSError as error:
            raise InputError(
                f"{path} cannot be written ({error.strerror}); name a file in a folder that exists."
            ) from error

    def _restore(self, path: Path, network: UNet, optimizer: torch.optim.Optimizer) -> None:
        try:
            with safe_open(path, framework="pt") as file:
                notes = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            belongs = notes["belongs"] == self._belongs()
            network.load_state_dict(under(tensors, "network."))
            self.done = int(notes["done"])
            self.members = [under(tensors, f"member{number}.") for number in range(int(notes["members"]))]
            state = {n: under(tensors, f"optimizer{n}.") for n in range(len(list(network.parameters())))}
            optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise InputError(
                f"{path} is not a checkpoint of a segmenter training; name another file or remove it."
            ) from error
        if not belongs:
            raise InputError(f"{path} belongs to a training with other settings; name another file or remove this one.")


def batch(pool: list[Example], rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs (n, 4, h, w) with new noise, rotated and mirrored, targets (n, K, h, w) and weights (n, 1, h, w)."""
    parts = []
    for number in rng.integers(len(pool), size=BATCH):
        example = pool[number]
        stack = np.concatenate([prepare(example.noisy(rng)), example.target, example.weight[None]])
        stack = np.rot90(stack, int(rng.integers(4)), (1, 2))
        parts.append(torch.as_tensor((stack[:, :, ::-1] if rng.integers(2) else stack).copy()))
    x = torch.stack(parts)
    return x[:, :CHANNELS].contiguous(memory_format=torch.channels_last), x[:, CHANNELS:-1], x[:, -1:]


def loss_of(network: UNet, x: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean cross-entropy per pixel."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(x)
    each = F.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
    return (each * weight).sum() / (weight.sum() * target.shape[1])

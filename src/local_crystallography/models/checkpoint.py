"""State of a training in one file, from which it resumes as if never interrupted. Nothing in the file is executed."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from local_crystallography.data.errors import InputError
from local_crystallography.models.settings import VaeSettings
from local_crystallography.models.vae import Vae


def fingerprint(windows: np.ndarray, *parts: Any) -> str:
    """Hash of the data and the plan of a training."""
    some = np.ascontiguousarray(windows[:: max(1, len(windows) // 1000)])
    return hashlib.sha256(some.tobytes() + repr((windows.shape, *parts)).encode()).hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """State of a training after an epoch.

    Parameters
    ----------
    belongs
        `fingerprint` of its data, settings and plan.
    run, epoch
        Number of the run, see `training.Run`, and epochs completed in it.
    settings, network, optimizer
        Settings of the run with its shear, weights, and state of Adam by parameter.
    lowest, lowest_epoch
        Lowest held-out loss of this run, and its epoch.
    best
        Best network so far, over all restarts.
    """

    belongs: str
    run: int
    epoch: int
    settings: VaeSettings
    network: dict[str, Tensor]
    optimizer: dict[int, dict[str, Tensor]]
    lowest: float
    lowest_epoch: int
    best: Vae

    def write(self, path: Path) -> None:
        """Write the file atomically.

        Raises
        ------
        InputError
            Where it cannot be written.
        """
        tensors = {f"network.{name}": tensor for name, tensor in self.network.items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.weights.items()}
        tensors |= {f"optimizer.{i}.{name}": t for i, state in self.optimizer.items() for name, t in state.items()}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        notes = {
            "belongs": self.belongs,
            "numbers": json.dumps([self.run, self.epoch, self.lowest, self.lowest_epoch]),
            "settings": self.settings.model_dump_json(),
            "best": self.best.settings.model_dump_json(),
        }
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_bytes(to_bytes(tensors, metadata=notes))
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise InputError(
                f"The checkpoint {path} cannot be written ({error.strerror}); name a file in a folder that exists."
            ) from error

    @classmethod
    def read(cls, path: Path, belongs: str) -> Checkpoint:
        """Read the checkpoint of a training to resume.

        Raises
        ------
        InputError
            Where the file is damaged, or belongs to other data or settings.
        """
        try:
            with safe_open(path, framework="pt") as file:
                notes = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            run, epoch, lowest, lowest_epoch = json.loads(notes["numbers"])
            settings, best = (VaeSettings.model_validate_json(notes[name]) for name in ("settings", "best"))
            found = cls(
                notes["belongs"], run, epoch, settings, under(tensors, "network"), of_optimizer(tensors),
                lowest, lowest_epoch, Vae(best, under(tensors, "best")),
            )  # fmt: skip
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is not a training checkpoint; name another file or remove this one.") from error
        if found.belongs != belongs:
            raise InputError(
                f"{path} belongs to a training with other sub-images or settings; name another file or remove it."
            )
        return found


def under(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    """Tensors of one part of the file, by their names within it."""
    return {name.removeprefix(f"{part}."): tensor for name, tensor in tensors.items() if name.startswith(f"{part}.")}


def of_optimizer(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """State of Adam, by number of the parameter."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in under(tensors, "optimizer").items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    return state


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:
    """State of an optimiser, by number of the parameter."""
    return {int(i): dict(state) for i, state in optimizer.state_dict()["state"].items()}

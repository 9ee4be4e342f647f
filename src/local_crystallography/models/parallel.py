"""Training on several devices: `torchrun --nproc-per-node N -m local_crystallography.cli run …`.

Every process holds all data and takes its part of each batch; gradients are averaged, so all keep the same network.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed


def join(backend: str) -> None:
    """Join the group of processes started by torchrun, unless already joined."""
    if not distributed.is_initialized():
        # Imported later, as optimisers do, this module keeps the group in default arguments of its functions, whose
        # threads outlive destroy_process_group: about half of the processes then aborted on exit.
        import torch.distributed.nn  # noqa: F401

        distributed.init_process_group(backend)


@dataclass(frozen=True)
class Ranks:
    """Rank of this process among those of the training, and its device."""

    device: torch.device
    rank: int = 0
    count: int = 1

    @classmethod
    def of_environment(cls, device: str) -> Ranks:
        """From the variables set by torchrun, or a single process; joins the group of processes on first use."""
        count, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
        if count == 1:
            return cls(torch.device(device))
        local = (
            torch.device(device, int(os.environ.get("LOCAL_RANK", "0"))) if device == "cuda" else torch.device(device)
        )
        join("nccl" if device == "cuda" else "gloo")
        return cls(local, rank, count)

    @property
    def words(self) -> str:
        """Name of the device for users; training uses one thread, see `training.one_thread`."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return "CPU, 1 thread" if self.device.type == "cpu" else "Apple GPU"

    def share(self, rows: Tensor) -> Tensor:
        """Part of a batch assigned to this process."""
        return rows[self.rank :: self.count]

    def average(self, tensors: Iterable[Tensor | None]) -> None:
        """Replace every tensor by its mean over the processes."""
        if self.count > 1:
            for tensor in tensors:
                if tensor is not None:
                    distributed.all_reduce(tensor)
                    tensor /= self.count

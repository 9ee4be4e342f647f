"""Progress of a long job: a generator that yields `Progress`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
Columns = dict[str, npt.NDArray[np.float64]]


class Cancelled(Exception):
    """A job was stopped before it had any result."""


@dataclass(frozen=True)
class Progress:
    """One report of a long job.

    Parameters
    ----------
    fraction
        Completed part of the job, 0 to 1.
    message
        A few words on the current activity.
    loss, held_out_loss
        While a network trains: minus the evidence lower bound, in nats per modelled number of a window, on the training
        and on the held-out part.
    epoch, epochs
        While a network trains: number of the pass, from 1, and the maximum number of passes; else 0.
    batch, batches
        Batches completed in this pass, and their total number.
    device
        Device a network trains on, in words.
    trial
        While one of two compared trainings runs: which one, and what it tries.
    preview
        While a network trains: a call that gives its current results for all sub-images, as columns, some rows at a
        time. Valid until the job continues.
    """

    fraction: float
    message: str = ""
    loss: float | None = None
    held_out_loss: float | None = None
    epoch: int = 0
    epochs: int = 0
    batch: int = 0
    batches: int = 0
    device: str = ""
    trial: str = ""
    preview: Callable[[], Iterator[Columns]] | None = field(default=None, compare=False, repr=False)


Job = Generator[Progress, bool | None, T]
"""A long job: yields `Progress`, stops early when sent True, and returns its result (the best so far)."""


def finish(job: Job[T], report: Callable[[Progress], bool | None] | None = None) -> T:
    """Run a job to its end; `report` sees each Progress and may return True to stop it early."""
    stop: bool | None = None
    while True:
        try:
            progress = job.send(stop)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        stop = report(progress) if report is not None else None

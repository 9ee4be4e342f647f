"""Progress of a long job: a generator that yields `Progress`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
Columns = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Progress:
    """One report of a long job.

    Parameters
    ----------
    fraction
        0 to 1, how much is done.
    message
        A few words on what is being done.
    loss, held_out_loss
        While a network trains: minus the evidence lower bound, in nats per number that is modelled of a window, on the
        training and on the held-out part.
    epoch, epochs
        While a network trains: the number of the pass, counted from 1, and how many there are at most; else 0.
    batch, batches
        Batches done in this pass, and how many it has.
    device
        What a network trains on, in words.
    trial
        While one of two trainings runs that are compared: which, and what it tries.
    preview
        While a network trains: a call that gives what it makes of all sub-images now, as columns, some rows at a time.
        To be used before the job goes on.
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
"""A long job: yields `Progress`, is told to stop by sending True, returns its result (the best so far)."""


def finish(job: Job[T], report: Callable[[Progress], bool | None] | None = None) -> T:
    """Run a job to its end; `report` sees each Progress and may return True to stop it early."""
    stop: bool | None = None
    while True:
        try:
            progress = job.send(stop)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        stop = report(progress) if report is not None else None

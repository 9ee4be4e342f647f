"""How a long job reports: it is a generator, and what it yields is a `Progress`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


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
        While a network trains: minus the evidence lower bound per pixel, on the training and on the held-out part.
    """

    fraction: float
    message: str = ""
    loss: float | None = None
    held_out_loss: float | None = None


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

"""Environment of a command: progress bar, Ctrl-C, messages, screen, other processes of torchrun."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from types import FrameType

from local_crystallography.data.progress import Progress

package_logger = logging.getLogger("local_crystallography")
logger = logging.getLogger("local_crystallography.cli")

HEADLESS = "LOCAL_CRYSTALLOGRAPHY_HEADLESS"
"""Set to 1 on a virtual screen: screenshots are taken, and nothing waits for the user."""


def is_first_process() -> bool:
    """Whether this process is the only one, or the first of those that torchrun started for one run."""
    return not in_parallel() or os.environ.get("RANK", "0") == "0"


def in_parallel() -> bool:
    """Whether torchrun started several processes for one run."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def first_process_speaks() -> Iterator[None]:
    """Context that silences all processes but the first; unexpected errors are still shown, on leaving it."""
    with ExitStack() as stack:
        if not is_first_process():
            nowhere = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(redirect_stderr(nowhere))
        yield


def together(decision: bool) -> bool:
    """The decision of the first process, in all processes; each waits here for the others.

    All must call it equally often, or one would continue training alone and wait for gradients forever.
    """
    if not in_parallel():
        return decision
    import torch
    from torch import distributed

    from local_crystallography.models.parallel import join

    join("cpu:gloo,cuda:nccl" if torch.cuda.is_available() and distributed.is_nccl_available() else "gloo")
    shared = torch.tensor(int(decision and is_first_process()))
    distributed.all_reduce(shared)
    return bool(shared)


def leave_together() -> None:
    """Wait until the first process has saved: torchrun ends all processes as soon as one fails."""
    if in_parallel():
        from torch import distributed

        together(False)
        distributed.destroy_process_group()


def has_display() -> bool:
    """Whether windows can be shown, if only on a virtual screen; always true on macOS and Windows."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """A bar on standard error with message and loss of a job; if it or the output is redirected, one line per step."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    shape = "{percentage:3.0f}% |{bar:24}| {elapsed} {desc}"
    with (
        tqdm(total=1.0, bar_format=shape, disable=None if sys.stdout.isatty() else True, leave=False) as bar,
        logging_redirect_tqdm([package_logger]),
    ):
        last = ""

        def report(progress: Progress) -> None:
            nonlocal last
            loss = "" if progress.loss is None else f", loss {progress.loss:.4f}"
            bar.set_description_str(progress.message + loss, refresh=False)
            bar.update(progress.fraction - bar.n)
            step = progress.message.partition(":")[0]
            if step != last and bar.disable:
                logger.info(step)
            elif step != last:
                bar.refresh()  # a long step may report nothing more until it ends
            last = step

        yield report


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Ctrl-C requests a stop, which the function it yields reports; a second one stops at once.

    Of several processes only the first listens: the others stop when it does, see `together`.
    """
    requested = False

    def request(_number: int, _frame: FrameType | None) -> None:
        nonlocal requested
        requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        logger.warning("Stopping after this step; press Ctrl-C again to stop at once and lose the results.")

    before = signal.signal(signal.SIGINT, request if is_first_process() else signal.SIG_IGN)
    try:
        yield lambda: requested
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def logging_to_stderr(*, quiet: bool = False) -> Iterator[None]:
    """Warnings of the package and messages of the command, one per line; `quiet`: the warnings alone."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    package_logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    try:
        yield
    finally:
        package_logger.removeHandler(handler)

"""Common parts of the workers: options, windows, clock and results."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch


def parse_options(description: str) -> argparse.Namespace:
    """Options of a worker; the number of threads is set right away."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("source", type=Path, help="npz with windows (n, w, w), float32, in [0, 1]")
    parser.add_argument("result", type=Path, help="npz to write")
    parser.add_argument("--latents", type=int, default=2)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learning-rate", type=float, help="default: that of the package")
    parser.add_argument("--rotation-prior", type=float, help="radians; default: that of the package")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    return options


def load_windows(options: argparse.Namespace) -> np.ndarray:
    """Windows (n, w, w), at least one batch of them: AtomAI drops the rest and would train on nothing."""
    with np.load(options.source) as file:
        windows = file["windows"]
    if len(windows) < options.batch:
        raise SystemExit(f"{len(windows)} windows came, at least a batch of {options.batch} was expected.")
    return windows


class Clock:
    """Wall and CPU seconds of every epoch; `start` before it, `lap` after it, which starts the next."""

    def __init__(self) -> None:
        self.laps: list[tuple[float, float]] = []
        self.start()

    def start(self) -> None:
        """Start the clock."""
        self.last = time.perf_counter(), time.process_time()

    def lap(self) -> None:
        """End an epoch."""
        now = time.perf_counter(), time.process_time()
        self.laps.append((now[0] - self.last[0], now[1] - self.last[1]))
        self.last = now


def save(
    options: argparse.Namespace,
    z: np.ndarray,
    loss: list[float],
    clock: Clock,
    samples: int,
    start_seconds: float = 0.0,
) -> None:
    """Write the results.

    Parameters
    ----------
    z
        (n, 3 + d): angle, offset, latents, in units of the package.
    loss
        Minus the evidence lower bound of every epoch, in units of the package.
    samples
        Samples trained on while the clock ran, counted in every epoch.
    start_seconds
        Time a package needs to search for a start before it trains; the clock does not run then.
    """
    wall, cpu = np.array(clock.laps).T
    unit = 2**20 if sys.platform == "darwin" else 2**10
    np.savez(
        options.result,
        angle=z[:, 0],
        offset=z[:, 1:3],
        latents=z[:, 3:],
        loss=loss,
        seconds=wall.sum(),
        cpu_seconds=cpu.sum(),
        epoch_seconds=wall,
        epoch_cpu_seconds=cpu,
        samples_per_second=samples / wall.sum(),
        samples_per_cpu_second=samples / cpu.sum(),
        start_seconds=start_seconds,
        peak_mib=peak() / unit,
    )


def peak() -> int:
    """Largest memory of this process so far, in the unit of the system."""
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def load_torchvision() -> None:
    """Make torchvision importable beside a torch without CUDA; both peers import it, and use it to draw only.

    The package index has torchvision built with CUDA only. Its compiled operators do not load here, and the import
    fails because it needs two of them: they are declared, and never called.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        global operators  # declarations end with this object
        operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

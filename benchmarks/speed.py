"""Training speed in windows per second: the rVAE of this package, of AtomAI and of pyroVED, on the same windows.

    python benchmarks/peers/make_environments.py FOLDER
    python benchmarks/speed.py --environments FOLDER [--batch 256] [--windows 1137] [--epochs 3]

Everything is trained in a separate process, in the order ours, AtomAI, ours, pyroVED, ours; of ours the medians count.
This package always trains on one thread, whatever it is given, and on nine tenths of the windows. It first searches for
a start, which is reported separately. Ratios are those of samples per second, in brackets those of samples per CPU
second, which other work on the same cores disturbs less.
"""

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
from peers.run import python_of, run_peer

from local_crystallography import Blobs, ExtractSubImages, FindAtoms, Segment, simulate_sample

SIDES = (24, 36, 48)
THREADS = (1, 2)
WALL, CPU = "samples_per_second", "samples_per_cpu_second"
WINDOWS = 1137
"""Nine tenths of them, what this package trains on and AtomAI keeps, are four whole batches of 256."""
LONGER = 10
"""Factor on the epochs of ours, which would otherwise be too short to time."""


def cut_windows(number: int) -> dict[int, np.ndarray]:
    """Windows (n, w, w) of the sample lsmo_nio for every side w, scaled to [0, 1] together, as the peers expect."""
    image = simulate_sample("lsmo_nio").image
    atoms = FindAtoms(threshold=0.5)(Segment(by=Blobs())(image), image)
    cut = {}
    for side in SIDES:
        windows = ExtractSubImages(window_size=side)(atoms, image).windows
        some = np.sort(np.random.default_rng(0).permutation(len(windows))[:number])
        low, high = windows[some].min(), windows[some].max()
        cut[side] = (windows[some] - low) / (high - low)
    return cut


def measure(windows: np.ndarray, threads: int, options: argparse.Namespace) -> str:
    """Samples per second of ours, AtomAI and pyroVED, the ratios, the start of ours."""
    same: dict[str, Any] = {"latents": 2, "batch": options.batch, "threads": threads, "seed": 0}

    def ours() -> dict[str, Any]:
        return run_peer(Path(sys.executable), "ours.py", windows, epochs=LONGER * options.epochs, **same)

    own, peers = [ours()], []
    for name in ("atomai", "pyroved"):
        python = python_of(options.environments / name)
        peers.append(run_peer(python, f"{name}_rvae.py", windows, epochs=options.epochs, **same))
        own.append(ours())
    median = {key: statistics.median(run[key] for run in own) for key in ("start_seconds", WALL, CPU)}
    speeds = [f"{run[WALL]:.0f}" for run in (median, *peers)]
    ratios = [f"{median[WALL] / peer[WALL]:.0f} ({median[CPU] / peer[CPU]:.0f})" for peer in peers]
    return " | ".join([*speeds, *ratios, f"{median['start_seconds']:.1f}"])


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--environments", type=Path, required=True, help="folder filled by make_environments.py")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--windows", type=int, default=WINDOWS)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    cut = cut_windows(options.windows)
    print(f"Batches of {options.batch}, 2 latents, up to {options.windows} windows; samples per second of training.\n")
    print("| window, px | windows | threads | ours | AtomAI | pyroVED | ours / AtomAI | ours / pyroVED | start, s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for side, windows in cut.items():
        for threads in THREADS:
            print(f"| {side} | {len(windows)} | {threads} | {measure(windows, threads, options)} |", flush=True)


if __name__ == "__main__":
    main()

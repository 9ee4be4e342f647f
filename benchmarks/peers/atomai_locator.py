"""Atoms by AtomAI's Locator: `python atomai_locator.py IN.npz OUT.npz`, by the Python it is installed in.

IN and OUT as in hyperspy_atoms.py, with `probability` (H, W): a map of atoms, by a network or otherwise. The Locator
takes the centre of mass of every part above a threshold (0.5). With `start`, its fit of Gaussians is run instead.
"""

import sys
import time

import numpy as np
from exchange import load_torchvision

load_torchvision()

from atomai.predictors import Locator  # noqa: E402
from atomai.utils import peak_refinement  # noqa: E402

THRESHOLDS = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def locate(probability: np.ndarray, threshold: float | None = None) -> np.ndarray:
    """Positions (n, 2)."""
    locator = Locator() if threshold is None else Locator(threshold)
    return locator.run(probability[None, :, :, None])[0][:, :2]


def find(probability: np.ndarray) -> dict[str, np.ndarray]:
    """Atoms at its default threshold and at others."""
    clock = time.process_time()
    found = {"AtomAI Locator/default": locate(probability)}
    found["AtomAI Locator/cpu"] = time.process_time() - clock
    sets = [locate(probability, threshold) for threshold in THRESHOLDS]
    found["AtomAI Locator/any"] = np.concatenate(sets)
    found["AtomAI Locator/set"] = np.repeat(np.arange(len(sets)), [len(part) for part in sets])
    return found


def refine(image: np.ndarray, start: np.ndarray, nearest: float) -> dict[str, np.ndarray]:
    """A Gaussian per atom, in its default window (half side 0.25 of the neighbour distance) and in one of 0.4."""
    found, given = {}, np.column_stack([start, np.zeros(len(start))])
    for name, half in {"AtomAI, Gaussian": None, "AtomAI, Gaussian, wider window": int(0.4 * nearest)}.items():
        clock = time.process_time()
        found[f"{name}/default"] = peak_refinement(image, given, half)[:, :2]
        found[f"{name}/cpu"] = time.process_time() - clock
    return found


def main() -> None:
    """Find or refine, save."""
    with np.load(sys.argv[1]) as file:
        if "start" in file:
            found = refine(file["image"].astype(float), file["start"], float(file["nearest"]))
        else:
            found = find(file["probability"].astype(np.float32))
    np.savez(sys.argv[2], **found)


if __name__ == "__main__":
    main()

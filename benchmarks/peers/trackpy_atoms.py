"""Atoms by trackpy: `python trackpy_atoms.py IN.npz OUT.npz`, by the Python it is installed in.

IN and OUT as in hyperspy_atoms.py. Its diameter has no default: it is given the odd number next to 3.7 widths, and a
separation of 0.6 of the distance of nearest columns, which resolves dumbbells. The threshold that is scanned is that
of the mass. The second call is timed: the first compiles.
"""

import sys
import time

import numpy as np
import trackpy as tp


def find(image: np.ndarray, diameter: int, nearest: float) -> dict[str, np.ndarray]:
    """Band-pass, local maxima, iterated centre of mass."""
    for _ in range(2):
        clock = time.process_time()
        table = tp.locate(image, diameter, separation=0.6 * nearest)
        seconds = time.process_time() - clock
    every = tp.locate(image, diameter, separation=0.6 * nearest, minmass=0, percentile=10)
    return {
        "trackpy/default": table[["y", "x"]].to_numpy(),
        "trackpy/cpu": seconds,
        "trackpy/any": every[["y", "x"]].to_numpy(),
        "trackpy/score": every["mass"].to_numpy(),
    }


def refine(image: np.ndarray, diameter: int, start: np.ndarray) -> dict[str, np.ndarray]:
    """Iterated centre of mass, in the band-passed image as its own chain does."""
    radius = diameter // 2
    for _ in range(2):
        clock = time.process_time()
        passed = tp.bandpass(image, 1, diameter)
        table = tp.refine_com(image, passed, radius, np.clip(start, radius + 1, np.array(image.shape) - radius - 2))
        seconds = time.process_time() - clock
    return {"trackpy, centre of mass/default": table[["y", "x"]].to_numpy(), "trackpy, centre of mass/cpu": seconds}


def main() -> None:
    """Find or refine, save."""
    tp.quiet()
    with np.load(sys.argv[1]) as file:
        image, diameter = file["image"].astype(float), 2 * round((3.7 * float(file["sigma"]) - 1) / 2) + 1
        start = file.get("start")
        found = find(image, diameter, float(file["nearest"])) if start is None else refine(image, diameter, start)
    np.savez(sys.argv[2], **found)


if __name__ == "__main__":
    main()

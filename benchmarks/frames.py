"""Bad frames of a stack: how many are recognised, and how many good ones are left out with them.

    python benchmarks/frames.py [--count 40] [--first 0]

Every stack holds 6 to 20 frames of a simulated crystal of one to three grains, with drift, shot noise and a gain that
varies by 5 %. Without a bad frame, none should be left out. Otherwise one is bad: *blank* (background alone), *cut*
(background from some row on), *torn* (moved by part of a lattice spacing from some row on), *unsharp* (blurred until
half of the contrast is left), *elsewhere* (another crystal), *spacing* (moved by one lattice vector, which is right if
it is aligned or left out).
"""

import argparse
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from local_crystallography import AverageFrames, Image
from local_crystallography.data.errors import InputError
from local_crystallography.simulate.scene import Background, Scene, voronoi_grains
from local_crystallography.simulate.simulation import expected_counts
from local_crystallography.simulate.structures import StructureName, projection

Array = npt.NDArray[np.float64]
KINDS = ("none", "blank", "cut", "torn", "unsharp", "elsewhere", "spacing")
SIDE, RIM = 256, 48
ALIGNED = 0.5
"""Largest error of a shift, px, at which a frame is aligned."""


@dataclass(frozen=True)
class Stack:
    """Frames (n, H, W), shifts (n, 2) that align them, and the number of the bad one; -1 for none."""

    frames: npt.NDArray[np.uint16]
    shifts: Array
    bad: int


def crystal(rng: np.random.Generator, structure: StructureName) -> tuple[Array, Array]:
    """Expected counts (H, W), with a rim for drift, and a lattice vector (2,) in pixels."""
    size = float(rng.uniform(0.012, 0.024))
    shape = (SIDE + 2 * RIM, SIDE + 2 * RIM)
    count, seed = int(rng.integers(1, 4)), int(rng.integers(1 << 30))
    grains = voronoi_grains(structure=structure, count=count, field=(shape[0] * size, shape[1] * size), seed=seed)
    scene = Scene(
        shape=shape,
        pixel_size=size,
        grains=grains,
        static_rms=0.004,
        strength_scatter=0.08,
        background=Background(level=float(rng.uniform(0.05, 0.5))),
        dose=float(np.exp(rng.uniform(np.log(8), np.log(150)))),
    )
    counts, _ = expected_counts(scene, seed)
    along = projection(structure, 1.7).cell[0] / size
    angle = grains[0].angle
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return counts, turn @ np.array([0.0, float(np.hypot(*along))])


def seen(counts: Array, shift: Array) -> Array:
    """The middle (SIDE, SIDE) of the counts after a shift."""
    return np.asarray(ndimage.shift(counts, shift, order=3, mode="nearest"))[RIM:-RIM, RIM:-RIM]


def stack(seed: int, kind: str) -> Stack:
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    structures = get_args(StructureName)
    counts, vector = crystal(rng, structures[seed % len(structures)])
    number = int(rng.integers(6, 21))
    steps = rng.normal(0, 0.6, (number, 2)) + rng.uniform(-0.8, 0.8, 2)
    path = np.clip(np.cumsum(steps, axis=0) - steps[0], -RIM / 2, RIM / 2)
    bad = -1 if kind == "none" else int(rng.integers(number))
    frames = []
    for i, shift in enumerate(path):
        frame = seen(counts, shift)
        if i == bad:
            if kind == "spacing":
                path[i] = shift + vector
                frame = seen(counts, path[i])
            else:
                frame = spoiled(frame, kind, counts, shift, vector, rng)
        frames.append(rng.poisson(np.clip(frame, 0, None) * rng.uniform(0.95, 1.05)))
    return Stack(np.array(frames, np.uint16), path[0] - path, bad)


def spoiled(frame: Array, kind: str, counts: Array, shift: Array, vector: Array, rng: np.random.Generator) -> Array:
    """What a bad frame shows instead."""
    row = int(rng.uniform(0.25, 0.75) * SIDE)
    if kind == "blank":
        return np.full_like(frame, np.quantile(counts, 0.1))
    if kind == "cut":
        return np.where(np.arange(SIDE)[:, None] < row, frame, np.quantile(counts, 0.1))
    if kind == "torn":
        angle, part = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.5) * np.hypot(*vector)
        moved = seen(counts, shift + part * np.array([np.sin(angle), np.cos(angle)]))
        return np.where(np.arange(SIDE)[:, None] < row, frame, moved)
    if kind == "unsharp":
        for sigma in np.arange(0.5, 12, 0.25):
            blurred = ndimage.gaussian_filter(frame, sigma)
            if blurred.std() < 0.5 * frame.std():
                return np.asarray(blurred)
    other, _ = crystal(rng, str(rng.choice(get_args(StructureName))))  # type: ignore[arg-type]
    return other[RIM:-RIM, RIM:-RIM]


def judged(seed: int, kind: str) -> dict[str, Any]:
    made = stack(seed, kind)
    row = {"seed": seed, "kind": kind, "frames": len(made.frames)}
    try:
        average = AverageFrames().average(Image(made.frames))
    except InputError:
        return {**row, "recognised": False, "good left out": len(made.frames) - 1, "misaligned": 0}
    out = set(average.left_out)
    first = next(i for i in range(len(made.frames)) if i not in out)
    off = np.hypot(*(average.shifts - (made.shifts - made.shifts[first])).T)
    recognised = made.bad in out or (kind == "spacing" and off[made.bad] < ALIGNED)
    others = [i for i in range(len(made.frames)) if i != made.bad]
    return {
        **row,
        "recognised": recognised,
        "good left out": len(out.intersection(others)),
        "misaligned": int(sum(off[i] >= ALIGNED for i in others if i not in out)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40, help="stacks of every kind")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.count)
    table = pd.DataFrame([judged(seed, kind) for kind in given.kinds for seed in seeds])
    print("| bad frame | stacks | recognised | good frames left out | good frames misaligned |")
    print("| --- | --- | --- | --- | --- |")
    for kind in given.kinds:
        of = table[table["kind"] == kind]
        good = int(of["frames"].sum()) - (len(of) if kind != "none" else 0)
        found = "" if kind == "none" else f"{int(of['recognised'].sum())}"
        lost, off = int(of["good left out"].sum()), int(of["misaligned"].sum())
        print(f"| {kind} | {len(of)} | {found} | {lost} of {good} | {off} |")
    print(table[~table["recognised"] & (table["kind"] != "none")].to_string())


if __name__ == "__main__":
    main()

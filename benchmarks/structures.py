"""Kinds of site found with nothing set, in random crystals with one to five of them.

    python benchmarks/structures.py [--count 40] [--first 0] [--processes 1] [--out results.csv]

The package's own simulator is not used. A cell is oblique, rectangular, square or hexagonal, and holds one to
five columns that differ in height by 15 % or more; a third of the pictures hold two grains of it. The number of kinds
is right if there are as many classes, not counting those of under 1 % of the atoms.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score

from local_crystallography import Analysis, Image
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish
from local_crystallography.recipe import Recipe

Array = npt.NDArray[np.float64]
CLOSEST = 3.6
"""Shortest distance of columns in a cell, standard deviations."""
APART = 0.15
SMALL = 0.01
SIDE = 640
CELLS = {"square": (1, 90), "rectangular": (0, 90), "hexagonal": (1, 120), "oblique": (0, 0)}


@dataclass(frozen=True)
class Made:
    """An image (H, W), its columns (N, 2), the kind (N,) of each, and whether (N,) it is far from other grains."""

    image: Image
    yx: Array
    kind: npt.NDArray[np.int64]
    interior: npt.NDArray[np.bool_]


def cell(random: np.random.Generator, kinds: int, sigma: float) -> tuple[Array, Array]:
    """Vectors (2, 2) of a cell, pixels, and fractions (K, 2) of its columns, none nearer to another than `CLOSEST`."""
    while True:
        ratio, angle = CELLS[str(random.choice(list(CELLS)))]
        side = sigma * CLOSEST * np.sqrt(kinds) * random.uniform(1.0, 1.5)
        turn = np.deg2rad(angle or random.uniform(65, 115))
        other = side * (ratio or random.uniform(0.75, 1.35))
        vectors = np.array([[0, side], [other * np.sin(turn), other * np.cos(turn)]])
        places = random.uniform(0, 1, (kinds, 2))
        copies = (places[:, None] + np.mgrid[-1:2, -1:2].reshape(2, -1).T).reshape(-1, 2) @ vectors
        if cKDTree(copies).query(places @ vectors, 2)[0][:, 1].min() >= CLOSEST * sigma:
            return vectors, places


def heights(random: np.random.Generator, kinds: int) -> Array:
    """Heights (K,) from 0.3 to 1, well separated."""
    while True:
        drawn = np.sort(np.append(random.uniform(0.3, 0.9, kinds - 1), 1.0))
        if kinds == 1 or np.diff(drawn).min() >= APART * 0.7:
            return np.asarray(random.permutation(drawn))


def made(number: int) -> Made:
    """The picture with this number, always the same."""
    random = np.random.default_rng([2031, number])
    kinds, sigma = number % 5 + 1, random.uniform(1.8, 3.2)
    vectors, places = cell(random, kinds, sigma)
    height, grains = heights(random, kinds), []
    normal = random.uniform(0, 2 * np.pi)
    beyond = lambda yx: (yx - SIDE / 2) @ [np.sin(normal), np.cos(normal)]  # noqa: E731
    two = random.random() < 1 / 3
    for side in (-1, 1) if two else (0,):
        turn, reach = random.uniform(0, 2 * np.pi), int(SIDE / np.linalg.norm(vectors, axis=1).min()) + 3
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        corners = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).T
        yx = (corners[:, None] + places).reshape(-1, 2) @ vectors @ matrix + SIDE / 2 + random.uniform(0, 20, 2)
        kind = np.tile(np.arange(kinds), len(corners))
        kept = ((yx > -6 * sigma) & (yx < SIDE + 6 * sigma)).all(axis=1) & (side * beyond(yx) >= 0)
        grains.append((yx[kept], kind[kept]))
    yx, kind = (np.concatenate(parts) for parts in zip(*grains, strict=True))
    if two:
        near = cKDTree(yx).query_pairs(0.75 * CLOSEST * sigma, output_type="ndarray")
        yx, kind = np.delete(yx, near[:, 1], axis=0), np.delete(kind, near[:, 1])
    yx = yx + random.normal(0, 0.02 * sigma, yx.shape)
    counts = picture(random, yx, height[kind] * random.normal(1, 0.03, len(kind)), sigma)
    inside = ((yx > 0) & (yx < SIDE - 1)).all(axis=1)
    away = np.abs(beyond(yx)) > 2 * np.linalg.norm(vectors, axis=1).max() if two else np.ones(len(yx), bool)
    return Made(Image(counts, name=f"structure {number}"), yx[inside], kind[inside], away[inside])


def picture(random: np.random.Generator, yx: Array, height: Array, sigma: float) -> npt.NDArray[np.float32]:
    """(H, W) counts of columns on a background."""
    expected, reach = np.full((SIDE, SIDE), random.uniform(0.1, 0.5)), int(np.ceil(5 * sigma))
    for (y, x), top in zip(yx, height, strict=True):
        rows, cols = (np.arange(max(0, round(at) - reach), min(SIDE, round(at) + reach + 1)) for at in (y, x))
        expected[np.ix_(rows, cols)] += top * np.exp(-((rows[:, None] - y) ** 2 + (cols - x) ** 2) / (2 * sigma**2))
    dose = np.exp(random.uniform(np.log(40), np.log(400)))
    return random.poisson(expected * dose).astype(np.float32)


def score(number: int) -> dict[str, Any]:
    """The score of a picture."""
    truth = made(number)
    kinds = number % 5 + 1
    analysis = Analysis(truth.image)
    try:
        finish(analysis.run(Recipe()))
        atoms = analysis.atoms
    except InputError as error:
        return {"number": number, "kinds": kinds, "classes": 0, "rand": 0.0, "interior": 0.0, "said": str(error)}
    label = atoms.features["label"].to_numpy()
    distance, row = cKDTree(truth.yx).query(atoms.yx, distance_upper_bound=0.25 * CLOSEST * 2.5)
    hit = np.isfinite(distance) & (label >= 0)
    kind, inner = truth.kind[row[hit]], truth.interior[row[hit]]
    sizes = np.bincount(label[label >= 0])
    classes = int((sizes >= SMALL * sizes.sum()).sum())
    return {
        "number": number,
        "kinds": kinds,
        "classes": classes,
        "rand": adjusted_rand_score(kind, label[hit]) if kinds > 1 else float(classes == 1),
        "interior": adjusted_rand_score(kind[inner], label[hit][inner]) if kinds > 1 else np.nan,
        "atoms": len(atoms),
        "columns": len(truth.yx),
        "said": "",
    }


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    for name, default in (("count", 40), ("first", 0), ("processes", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with ProcessPoolExecutor(options.processes) as pool:
        rows = pd.DataFrame(pool.map(score, range(options.first, options.first + options.count)))
    if options.out:
        rows.to_csv(options.out, index=False)
    print("| kinds | pictures | number right | too low | too high | adjusted Rand, median | lowest |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, part in [*rows.groupby("kinds"), ("all", rows)]:
        off = part.classes - part.kinds
        cells = [name, len(part), f"{(off == 0).mean():.0%}", (off < 0).sum(), (off > 0).sum()]
        print("| " + " | ".join(map(str, cells)) + f" | {part.rand.median():.3f} | {part.rand.min():.3f} |")


if __name__ == "__main__":
    main()

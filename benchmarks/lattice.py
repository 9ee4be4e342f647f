"""Lattice that Measure lattice finds with nothing set, against one derived from reference positions without it.

    python benchmarks/lattice.py [REAL] [--only NAME ...]

The samples, and the real images with reference positions in the folder REAL or in LOCAL_CRYSTALLOGRAPHY_REAL_DATA.
Atoms are those of Refine atoms.

The reference cell comes from the phases of a structure factor: in tiles of the reference positions of one kind of
site, the two reciprocal vectors of the seed tile are fitted to the maxima of |sum exp(2 pi i q r)|, and lengths and
angle are medians over the tiles in which they are three quarters as strong. Grains and sites per cell are what an
expert would name (given below, with the point of a tile that seeds each grain).
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from local_crystallography import Analysis, MeasureLattice, read_image
from local_crystallography.clustering.doubts import of_lattice
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish

PEAKS = 8
"""Number of maxima that the cell of a tile is fitted to."""
CLEAR = 3.4
"""Smallest structure factor of a tile that counts, in units of that of as many random positions."""
COHERENT = 0.75
"""Smallest amplitude of the structure factors of a tile that counts, over that of the tile at the seed."""


@dataclass(frozen=True)
class Case:
    """What an expert would name: kinds of site that form one primitive lattice, sites per cell, a seed of each grain.

    Seeds are (y, x) over the size of the image. Where the sites per cell depend on which weak columns are found, all
    numbers that would be right. `grains`: where there are more than seeds.
    `tile`: radius of a tile, in nearest-neighbour distances of the positions of one kind; larger for large cells.
    """

    kinds: str = ".*"
    sites: tuple[int, ...] = (1,)
    seeds: tuple[tuple[float, float], ...] = ((0.5, 0.5),)
    grains: int = 0
    tile: float = 6.0

    @property
    def count(self) -> int:
        """Number of grains that an expert would name."""
        return max(self.grains, len(self.seeds))


CASES = {
    "quick": Case("A", (2, 3, 4, 5), grains=3),
    "two_grains": Case("A", (2, 3, 4, 5), ((0.25, 0.25), (0.75, 0.75))),
    "lsmo_nio": Case("A", (2, 3, 4, 5), grains=6),
    "sr3fe2o7": Case("Sr1", (5, 6, 7, 8, 9, 10)),
}
"""The samples; the real images follow in `REAL`."""
REAL = {
    "BaTiO3_HAADF": Case("Ba", (1, 2)),
    "DyScO3_HAADF": Case("Dy", (4,)),
    "LSFO_film": Case("site0", (2,)),
    "MoS2_ADF": Case("Mo", (1, 2)),
    "MoS2_tem": Case("Mo", (1, 2)),
    "MoSe2_2H3R": Case("site", (1, 2, 3), grains=2, tile=10.0),
    "PtIr_nanocrystal": Case("Pt"),
    "Si110": Case("a", (2,)),
    "Si111_7x7_STM": Case("Si", (12,), tile=9.0),
    "Si111_step_STM": Case("Si", (12,), ((0.4, 0.3), (0.6, 0.88)), tile=9.0),
    "TiO2_EFTEM": Case("column", (1, 2)),
    "WSTe": Case("site", (2, 3), ((0.2, 0.6),), grains=2),
    "dumbbell_stack": Case("a", (2,)),
    "gold_grain_boundary_HAADF": Case("Au", (1,), ((0.25, 0.25), (0.75, 0.75))),
    "graphene_GB4": Case("C", (2,), ((0.25, 0.5), (0.75, 0.5))),
    "graphene_GB_HRTEM": Case("ring centre", (1,), ((0.5, 0.2), (0.5, 0.8))),
    "nanoparticle_1182": Case("M"),
    "nanoparticle_500": Case("M"),
    "particle_edge": Case("A", (1, 2)),
    "particle_slope": Case("M"),
    "perovskite_interface_HAADF": Case("(film|substrate):A", (2,)),
}


def reference_cell(yx: np.ndarray, seed: np.ndarray, tile: float) -> np.ndarray | None:
    """(2, 2) cell of the grain around a seed, (y, x) in pixels: lengths and angle are medians over its tiles."""
    tree = cKDTree(yx)
    spacing = float(np.median(tree.query(yx, 2)[0][:, 1]))
    radius = tile * spacing
    centres = np.unique(np.round(2 * yx / radius), axis=0) * radius / 2
    at = {tuple(np.round(2 * centre / radius)): yx[tree.query(centre)[1]] for centre in centres}
    tiles = {key: yx[tree.query_ball_point(place, radius)] for key, place in at.items()}
    first = min(at, key=lambda key: float(np.linalg.norm(at[key] - seed)))
    start = reciprocal(tiles[first], spacing)
    if start is None:
        return None
    guess, orders = start
    least = COHERENT * refitted(tiles[first], guess, orders)[1]
    found: list[np.ndarray] = []
    todo, done = [(first, guess)], set()
    while todo:  # from tile to tile, with the vectors of the neighbour, so that bending is followed
        key, guess = todo.pop(0)
        if key in done:
            continue
        done.add(key)
        vectors, amplitude = refitted(tiles[key], guess, orders)
        if len(tiles[key]) >= 20 and amplitude >= least:
            found.append(np.linalg.inv(vectors).T)
            steps = ((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1))
            todo += [(other, vectors) for i, j in steps if (other := (key[0] + i, key[1] + j)) in at]
    if not found:
        return None
    a, b, gamma = np.median(shape(np.array(found)), axis=0)
    return np.array([[0, a], [b * np.sin(np.radians(gamma)), b * np.cos(np.radians(gamma))]])


def refitted(points: np.ndarray, vectors: np.ndarray, orders: np.ndarray) -> tuple[np.ndarray, float]:
    """(2, 2) reciprocal vectors that fit the maxima at (k, 2) orders of given ones best, and the mean |S| there."""
    found = [refined(points, q) for q in orders @ vectors]
    fitted = np.linalg.lstsq(orders, np.array([q for q, _ in found]), rcond=None)[0]
    return fitted, float(np.mean([amplitude for _, amplitude in found]))


def reciprocal(points: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray] | None:
    """(2, 2) reciprocal vectors of one tile, and (k, 2) orders of its strongest maxima of |S|.

    Of the vectors between strong maxima, those of the largest cell that span all of them.

    Maxima up to 2.3 over the spacing count, so that superlattices whose first orders are weak are seen.
    """
    extent, far = np.ptp(points, axis=0).max(), 2.3 / spacing
    steps = np.arange(-far, far, 0.25 / extent)
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1)
    size = np.abs(np.exp(2j * np.pi * grid.reshape(-1, 2) @ points.T).mean(axis=1)).reshape(grid.shape[:2])
    peak = (size == ndimage.maximum_filter(size, 5)) & (np.linalg.norm(grid, axis=-1) > 0.7 / extent)
    least = max(0.25, CLEAR / np.sqrt(len(points)))
    found = [refined(points, q) for q in grid[peak & (size > 0.8 * least)]]
    found = sorted((one for one in found if one[1] >= least), key=lambda one: -one[1])
    strong = np.array([q for q, _ in found])
    if len(strong) < 4:
        return None
    apart = np.vstack([strong, (strong[:, None] - strong).reshape(-1, 2)])
    length = np.linalg.norm(apart, axis=1)
    short = apart[(length > 0.7 / extent) & (length < 1.3 / spacing)]
    short = short[np.argsort(np.linalg.norm(short, axis=1))][:400:2]  # each comes with its opposite
    best, area = None, 0.0
    for i, first in enumerate(short):
        for second in short[:i]:
            pair = np.array([second, first])
            here = abs(float(np.linalg.det(pair)))
            if here > area and here > 0.3 * np.prod(np.linalg.norm(pair, axis=1)):
                order = strong @ np.linalg.inv(pair)
                if (np.abs(order - np.round(order)).max(axis=1) < 0.15).mean() > 0.85:
                    best, area = pair, here
    if best is None:
        return None
    orders = np.round(strong @ np.linalg.inv(best))
    fits = (np.abs(strong @ np.linalg.inv(best) - orders).max(axis=1) < 0.15) & (orders != 0).any(axis=1)
    upper = (orders[:, 0] > 0) | ((orders[:, 0] == 0) & (orders[:, 1] > 0))  # the others are their opposites
    chosen = np.unique(orders[fits & upper], axis=0, return_index=True)[1]
    orders = orders[fits & upper][np.sort(chosen)][:PEAKS]
    return (best, orders) if np.linalg.matrix_rank(orders) == 2 else None


def refined(points: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, float]:
    """Maximum of |S| next to q, and |S| over the number of points there."""
    middle = points - points.mean(axis=0)

    def loss(k: np.ndarray) -> float:
        return -float(np.abs(np.exp(2j * np.pi * middle @ k).mean()))

    size = 0.1 / np.ptp(points, axis=0).max()
    simplex = np.array([q, q + [size, 0], q + [0, size]])
    found = minimize(loss, q, method="Nelder-Mead", options={"initial_simplex": simplex, "xatol": 1e-7, "fatol": 1e-7})
    return found.x, -found.fun


def shape(vectors: np.ndarray) -> np.ndarray:
    """(n, 3) lengths of two rows a, b of (n, 2, 2) vectors, and the angle between them in degrees."""
    a, b = vectors[:, 0], vectors[:, 1]
    length = np.linalg.norm(vectors, axis=2)
    return np.c_[length, np.degrees(np.arccos((a * b).sum(axis=1) / length.prod(axis=1)))]


def compared(own: np.ndarray, true: np.ndarray) -> tuple[float, np.ndarray]:
    """Area of a cell over that of the reference, and the smallest deviations of its shape over all equivalent cells.

    Deviations: of |a| and |b| in per cent, and of the angle in degrees.
    """
    ratio = abs(np.linalg.det(own) / np.linalg.det(true))
    best = np.full(3, np.nan)
    if abs(ratio - 1) < 0.25:
        for entries in np.ndindex(5, 5, 5, 5):
            change = np.array(entries).reshape(2, 2) - 2
            if abs(round(np.linalg.det(change))) == 1:
                d = (shape((change @ true)[None]) - shape(own[None]))[0]
                off = np.r_[100 * d[:2] / np.linalg.norm(own, axis=1), d[2]]
                if np.isnan(best[0]) or np.abs(off).max() < np.abs(best).max():
                    best = off
    return ratio, best


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("real", nargs="?", default=os.environ.get("LOCAL_CRYSTALLOGRAPHY_REAL_DATA"))
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--tables", type=Path, help="folder that keeps the atoms of each image for the next run")
    options = parser.parse_args()
    print(
        "| image | grains (an expert's) | sublattices | on the lattice, % | cell, px | its area / reference "
        "| a, b off, % | angle off | said |\n|" + " --- |" * 9
    )
    for name in [*CASES, *(REAL if options.real else ())]:
        if not options.only or name in options.only:
            print(line(name, options), flush=True)


def line(name: str, options: argparse.Namespace) -> str:
    """A line of the table."""
    case = (CASES | REAL)[name]
    file, table = found_files(name, options.real)
    image = read_image(file)
    kind = "site" if name in CASES else "kind"
    positions = table.loc[table[kind].str.fullmatch(case.kinds), ["y_px", "x_px"]].to_numpy(float)
    cells = []
    for seed in case.seeds:
        found = reference_cell(positions, np.array(seed) * image.shape, case.tile)
        if found is not None:
            cells.append(found)
    try:
        measured = MeasureLattice()(atoms_of(name, image, options))
    except InputError as error:
        return f"| {name} | none ({case.count}) | | | | | | | {error} |"
    return f"| {name} | {row(measured, case, cells)} |"


def row(atoms: Atoms, case: Case, cells: list[np.ndarray]) -> str:
    """The entries of a measured lattice."""
    table = atoms.features
    on, shapes, off = (table["grain"] >= 0).mean(), [], []
    for grain in range(min(int(table["grain"].max()) + 1, len(case.seeds))):
        own = table[table["grain"] == grain]
        a, b, gamma = (float(own[name].median()) for name in ("a_px", "b_px", "gamma_rad"))
        vectors = np.array([[0, a], [b * np.sin(gamma), b * np.cos(gamma)]])
        shapes.append(f"{a:.2f} x {b:.2f}, {np.degrees(gamma):.1f}°")
        choices = [compared(vectors, cell) for cell in cells] or [(np.nan, np.full(3, np.nan))]
        off.append(min(choices, key=lambda one: np.nan_to_num(np.abs(one[1]).max(), nan=99)))
    counts = table.loc[table["grain"] >= 0, "grain"].value_counts().tolist()
    sites = [int(table.loc[table["grain"] == g, "sublattice"].max()) + 1 for g in range(min(len(counts), 3))]
    entries = (
        f"{len(counts)} ({case.count})",
        f"{', '.join(map(str, sites))} ({' or '.join(map(str, case.sites))})",
        f"{100 * on:.0f}",
        "; ".join(shapes),
        "; ".join(f"{ratio:.2f}" for ratio, _ in off),
        "; ".join(f"{d[0]:+.2f}, {d[1]:+.2f}" for _, d in off),
        "; ".join(f"{d[2]:+.2f}°" for _, d in off),
        " ".join(doubt.says for doubt in of_lattice(atoms)),
    )
    return " | ".join(entries)


def atoms_of(name: str, image: object, options: argparse.Namespace) -> Atoms:
    """The atoms that a run with nothing set finds."""
    kept = None if options.tables is None else options.tables / f"{name}.csv"
    if kept is not None and kept.exists():
        return Atoms.from_frame(pd.read_csv(kept))
    analysis = Analysis(image)
    for step in ("segment", "find_atoms", "refine_atoms"):
        finish(analysis.apply(getattr(analysis.recipe, step)))
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        analysis.atoms.to_frame().to_csv(kept, index=False)
    return analysis.atoms


def found_files(name: str, real: str | None) -> tuple[Path, pd.DataFrame]:
    """The image of a case, and its reference positions."""
    if name in CASES:
        folder = Path(__file__).parents[1] / "sample_data" / name
        return folder / "image.tif", pd.read_csv(folder / "truth.csv")
    folders = [Path(str(real)) / "images", Path(str(real)).parent / "data", Path(str(real)) / "data"]
    file = next(file for folder in folders if folder.is_dir() for file in folder.iterdir() if file.stem == name)
    return file, pd.read_csv(Path(str(real)) / "reference" / f"{name}.csv")


if __name__ == "__main__":
    main()

"""A multislice image of SrTiO3 along [001]: `python abtem_image.py IN.npz OUT.npz`, by the Python abTEM is in.

IN has `seed`. OUT has `multislice` (H, W), heights over that of a strontium column without noise; `truth` (M, 2),
positions (y, x) in pixels; `kind`: A (Sr), B (Ti and O) or light (O); and Gaussians fitted to it at fixed positions:
`amplitude` and `sigma` (M,), `ground`, `gaussian` (H, W).

4 x 4 cells, 20 Å thick, 200 kV, 20 mrad, HAADF from 60 to 105 mrad, PRISM; whole columns are displaced by 5 pm
and atoms vibrate by 8 pm, every configuration with its opposite, so that the mean position of a column is kept. Blurred
by 0.4 Å, the size of the source. The image is periodic and repeated 4 x 4 times: 28.28 px per cell.
"""

import sys

import abtem
import numpy as np
from ase import Atoms
from ase.build import make_supercell
from scipy import optimize

CELL, CELLS, THICK, PAIRS, REPEATS = 3.905, 4, 5, 2, 4
STEP = CELL / 28.28
SAMPLING, SOURCE = 0.07, 0.40
STATIC, THERMAL = 0.05, 0.08
KINDS = {(0, 0): "A", (1, 1): "B", (0, 1): "light", (1, 0): "light"}


def crystal(random: np.random.Generator) -> tuple[Atoms, np.ndarray]:
    """SrTiO3, whole columns displaced; the number of the column of every atom."""
    places = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]
    cell = Atoms("SrTiO3", scaled_positions=places, cell=[CELL] * 3, pbc=True)
    atoms = make_supercell(cell, np.diag([CELLS, CELLS, THICK]))
    halves = np.round(atoms.positions[:, :2] / (CELL / 2)).astype(int) % (2 * CELLS)
    _, column = np.unique(halves, axis=0, return_inverse=True)
    column = column.ravel()
    atoms.positions[:, :2] += random.normal(0, STATIC, (column.max() + 1, 2))[column]
    atoms.positions[:, 2] += CELL / 4  # planes in the middle of slices: none leaves its slice by vibrating
    return atoms, column


def vibrating(atoms: Atoms, random: np.random.Generator) -> list[Atoms]:
    """A configuration, and the same with every atom displaced the other way: to first order no column moves."""
    off = random.normal(0, THERMAL, (len(atoms), 3))
    pair = [atoms.copy(), atoms.copy()]
    for moved, sign in zip(pair, (1, -1), strict=True):
        moved.positions += sign * off
        moved.wrap()
    return pair


def haadf(atoms: Atoms) -> np.ndarray:
    """Image (x, y) of one configuration, about 0.25 Å per pixel."""
    potential = abtem.Potential(atoms, sampling=SAMPLING, slice_thickness=2, projection="infinite")
    waves = abtem.SMatrix(potential=potential, energy=200e3, semiangle_cutoff=20)
    scan = abtem.GridScan(start=(0, 0), end=(CELL * CELLS,) * 2, gpts=64, endpoint=False)
    measured = waves.scan(scan=scan, detectors=abtem.AnnularDetector(inner=60, outer=105))
    return np.asarray(measured.compute(progress_bar=False).array, float).squeeze()


def resampled(image: np.ndarray, side: int) -> np.ndarray:
    """The periodic image (n, n), blurred and summed at side x side points of REPEATS periods by its Fourier series."""
    n, length = len(image), CELL * CELLS
    orders = np.fft.fftfreq(n, 1 / n)
    series = np.fft.fft2(image) / n**2
    damping = np.exp(-2 * (np.pi * SOURCE * orders / length) ** 2)
    waves = np.exp(2j * np.pi * np.outer(np.arange(side) * STEP / length, orders)) * damping
    return (waves @ series @ waves.T).real


def gaussians(truth: np.ndarray, kind: np.ndarray, side: int, values: np.ndarray) -> np.ndarray:
    """Image (side, side) of a ground, and of Gaussians whose height and width depend on the kind."""
    grid, image = np.arange(side), np.full((side, side), values[6])
    for number, name in enumerate(("A", "B", "light")):
        here = truth[kind == name]
        y, x = (np.exp(-((grid[:, None] - places) ** 2) / (2 * values[3 + number] ** 2)) for places in here.T)
        image += values[number] * y @ x.T
    return image


def fitted(image: np.ndarray, truth: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Heights and widths of A, B and light, and the ground, by least squares on a part of the image."""
    part = image[:128, :128]
    near = (truth < 150).all(axis=1)
    unit = np.array([np.ptp(part)] * 3 + [1] * 3 + [np.ptp(part)])
    return (
        unit
        * optimize.least_squares(
            lambda values: (gaussians(truth[near], kind[near], 128, values * unit) - part).ravel() / unit[0],
            x0=[1, 0.4, 0.1, 3.5, 3.5, 3.5, 0.1],
            bounds=([0, 0, 0, 2.5, 2.5, 2.5, 0], [2, 2, 1, 5, 5, 5, 1]),  # a light column must not widen into a ground
        ).x
    )


def main() -> None:
    """Draw, fit, save."""
    with np.load(sys.argv[1]) as file:
        random = np.random.default_rng([int(file["seed"]), 5])
    abtem.config.set({"diagnostics.progress_bar": False, "device": "cpu"})
    atoms, column = crystal(random)
    raw = np.mean([haadf(one) for _ in range(PAIRS) for one in vibrating(atoms, random)], axis=0)
    side, length = int(REPEATS * CELL * CELLS / STEP), CELL * CELLS
    image = resampled(raw, side).T  # abTEM has x first
    _, first = np.unique(column, return_index=True)
    halves = np.round(atoms.positions[first, :2] / (CELL / 2)).astype(int) % 2
    shift = np.stack(np.meshgrid(*[np.arange(-1, REPEATS + 1)] * 2), axis=-1).reshape(-1, 1, 2) * length
    truth = ((atoms.positions[first, :2] + shift) / STEP).reshape(-1, 2)[:, ::-1]
    kind = np.tile([KINDS[tuple(half)] for half in halves], len(shift))
    near = ((truth > -20) & (truth < side + 20)).all(axis=1)
    truth, kind = truth[near], kind[near]
    values = fitted(image, truth, kind)
    image, values[[0, 1, 2, 6]] = image / values[0], values[[0, 1, 2, 6]] / values[0]
    rank = np.array([("A", "B", "light").index(name) for name in kind])
    made = {"amplitude": values[rank], "sigma": values[3 + rank], "ground": values[6]}
    np.savez(
        sys.argv[2], multislice=image, truth=truth, kind=kind, gaussian=gaussians(truth, kind, side, values), **made
    )


if __name__ == "__main__":
    main()

"""Errors of refined positions over those reported, for correlated noise and near masked areas.

    python benchmarks/noise.py [--seeds 3]

Columns of 2.4 px standard deviation in two sublattices (heights 1 and 0.5) on 384 x 384 pixels, noise of 0.05 at every
pixel: white; blurred by a Gaussian of 0.7 px, as detectors do; or recorded in pixels 1.5 times as large and
interpolated. Only columns at least 20 px from the frame and from the area count.
"""

import argparse

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from local_crystallography import FindAtoms, Image, RefineAtoms, Segment

SIDE, SPACING, SIGMA, AWAY = 384, 14.0, 2.4, 20
STD = ["y_std_px", "x_std_px"]


def lattice(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (N, 2), slightly displaced, and the image without noise."""
    random = np.random.default_rng([seed, 11])
    cells = np.arange(-1, SIDE // SPACING + 2) * SPACING
    corners = np.stack(np.meshgrid(cells, cells, indexing="ij"), -1).reshape(-1, 2)
    yx = np.concatenate([corners, corners + SPACING / 2]) + random.normal(0, 0.2, (2 * len(corners), 2)) + 3.3
    height = np.repeat([1.0, 0.5], len(corners))
    axis = np.arange(SIDE)
    down, across = (np.exp(-((axis - yx[:, i, None]) ** 2) / (2 * SIGMA**2)) for i in (0, 1))
    return yx, 0.3 + (down * height[:, None]).T @ across


def noise(kind: str, seed: int) -> np.ndarray:
    """Noise of standard deviation 0.05 at a pixel."""
    white = np.random.default_rng([seed, 12]).standard_normal((SIDE, SIDE))
    if kind == "blurred":
        white = ndimage.gaussian_filter(white, 0.7)
    elif kind == "interpolated":
        coarse = white[: SIDE * 2 // 3 + 2, : SIDE * 2 // 3 + 2]
        white = ndimage.zoom(coarse, 1.5, order=1, grid_mode=True, mode="nearest")[:SIDE, :SIDE]
    return 0.05 * white / white.std()


def spoiled(image: np.ndarray, area: str) -> tuple[np.ndarray, np.ndarray]:
    """The image with an area of one value, and where that is."""
    where = np.zeros(image.shape, bool)
    if area == "scale bar":
        where[340:356, 20:140] = True
        image = np.where(where, 2.0, image)
    elif area == "padding":
        where[:50] = True
        image = np.where(where, 0.0, image)
    elif area == "clipped vacuum":
        where[:, :150] = True
        image = np.where(where, image - 2, image).clip(0)
    return image, where


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    print("| noise | area | found | error, px | error / reported |\n| --- | --- | --- | --- | --- |")
    for kind in ("white", "blurred", "interpolated"):
        for area in ("none", "scale bar", "padding", "clipped vacuum"):
            cells: list[tuple[float, float, float]] = []
            for seed in seeds:
                yx, clean = lattice(seed)
                pixels, where = spoiled(clean + noise(kind, seed), area)
                image = Image(pixels.astype(np.float32))
                atoms = RefineAtoms()(FindAtoms()(Segment()(image), image), image)
                far = ndimage.distance_transform_edt(np.pad(~where, 1))[1:-1, 1:-1]
                inside = ((yx > 0) & (yx < SIDE - 1)).all(axis=1)
                yx = yx[inside][far[tuple(np.rint(yx[inside]).astype(int).T)] > AWAY]
                distance, row = cKDTree(atoms.yx).query(yx)
                hit = distance < SPACING / 4
                error = atoms.yx[row[hit]] - yx[hit]
                reported = atoms.features[STD].to_numpy()[row[hit]]
                over = np.sqrt(np.nanmean((error / reported) ** 2))
                cells.append((float(hit.mean()), float(np.sqrt(np.mean(error**2))), float(over)))
            found, off, over = zip(*cells, strict=True)
            columns = [min(found), np.mean(off), " ".join(f"{value:.2f}" for value in over)]
            print(f"| {kind} | {area} | {columns[0]:.1%} | {columns[1]:.3f} | {columns[2]} |")


if __name__ == "__main__":
    main()

"""Simulation of an image with its truth from a scene and a seed, and its files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.io.write import write_tiff
from local_crystallography.simulate.columns import FWHM_PER_SIGMA, place_columns
from local_crystallography.simulate.distort import ScanPath
from local_crystallography.simulate.render import render_background, render_columns, stamp_radius
from local_crystallography.simulate.scene import Scene, write_recipe
from local_crystallography.simulate.structures import CRYSTALS

DECIMALS = 4
BROADEST_THERMAL = 0.012  # nm, largest standard deviation of any site of any structure


@dataclass(frozen=True)
class Simulation:
    """A simulated image with its truth.

    Parameters
    ----------
    image
        (H, W) uint16 counts.
    truth
        One row per column of the image, including weak ones:

        - `id`; `y_px, x_px`, apparent position; `y_ideal_px, x_ideal_px`, position without scan distortion
        - `site` class, `phase` (structure), `grain` number, `grain_angle_rad` counter-clockwise as displayed
        - `displacement_y_px, displacement_x_px` from the rotated and strained lattice of its grain, due to site shifts,
          waves and static displacements, without mistilt and scan
        - `strength` peak counts, `sigma_px` standard deviation of its Gaussian along one axis
        - `heavy`, whether its site has at least 15 % of the peak of the brightest site at equal thickness
    scene, seed
        Scene and random seed of the image.
    """

    image: Image
    truth: pd.DataFrame
    scene: Scene
    seed: int


def expected_counts(scene: Scene, seed: int) -> tuple[npt.NDArray[np.float64], pd.DataFrame]:
    """(H, W) expected counts, without shot noise, and the truth."""
    positions, jitter, background = (_rng(seed, stream) for stream in range(3))
    path = ScanPath.of(scene.scan, scene.shape[0], jitter)
    thermal = BROADEST_THERMAL if scene.thermal_rms is None else scene.thermal_rms
    sigma = float(np.hypot(scene.probe_fwhm / FWHM_PER_SIGMA, thermal)) / scene.pixel_size
    margin = (path.reach + stamp_radius(scene, sigma)) * scene.pixel_size + scene.mistilt.shift
    margin += sum(wave.reach for wave in scene.waves)
    columns = place_columns(scene, margin=margin, rng=positions)
    drawn_out = scene.mistilt.smear / scene.pixel_size * np.sin(scene.mistilt.angle)
    height = np.hypot(columns["sigma_px"].to_numpy(), drawn_out)
    apparent = path.apparent(columns[["y_ideal_px", "x_ideal_px"]].to_numpy(), height)
    columns.insert(0, "y_px", apparent[:, 0])
    columns.insert(1, "x_px", apparent[:, 1])
    counts = render_columns(scene, columns, path) + render_background(scene, background)
    inside = np.all((apparent >= -0.5) & (apparent < np.array(scene.shape) - 0.5), axis=1)
    truth = columns.loc[np.flatnonzero(inside)].reset_index(drop=True)
    truth.insert(0, "id", np.arange(len(truth)))
    return counts, truth


def simulate_scene(scene: Scene, seed: int, name: str = "simulated") -> Simulation:
    """Image with shot noise; the same scene and seed give the same bytes.

    Raises
    ------
    InputError
        Where the scene has no column, or too many counts per pixel for 16 bits.
    """
    if seed < 0:
        raise InputError(f"The seed must be an integer of at least 0, not {seed}.")
    counts, truth = expected_counts(scene, seed)
    if counts.max() > 60_000:
        raise InputError(
            f"The brightest pixel would have {counts.max():.0f} counts, but at most 60,000 fit; lower the dose."
        )
    if truth.empty:
        raise InputError("The scene has no columns; move its grains into the image or make the image larger.")
    noisy = _rng(seed, 3).poisson(counts).astype(np.uint16)
    return Simulation(Image(noisy, scene.pixel_size, name), truth, scene, seed)


def _rng(seed: int, stream: int) -> np.random.Generator:
    """One of the independent random streams of a seed, so that changing one does not affect the others."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream])))


def write_simulation(simulation: Simulation, folder: Path) -> None:
    """Write `image.tif`, `truth.csv`, `truth.json` and `recipe.toml`.

    The image is a 16-bit ImageJ TIFF with its pixel size, see `write_tiff`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_tiff(folder / "image.tif", simulation.image.data, simulation.scene.pixel_size, compression=9)
    simulation.truth.round(DECIMALS).to_csv(folder / "truth.csv", index=False, lineterminator="\n")
    (folder / "truth.json").write_text(json.dumps(_summary(simulation), indent=1) + "\n", encoding="utf-8")
    write_recipe(folder / "recipe.toml", simulation.scene, simulation.seed)


def _summary(simulation: Simulation) -> dict[str, Any]:
    from local_crystallography import __version__

    truth = simulation.truth
    phases = dict.fromkeys(grain.structure for grain in simulation.scene.grains)
    sites = (truth["phase"] + " " + truth["site"]).value_counts(sort=False)
    return {
        "name": simulation.image.name,
        "version": __version__,
        "seed": simulation.seed,
        "columns": len(truth),
        "heavy_columns": int(truth["heavy"].sum()),
        "columns_per_site": {str(site): int(count) for site, count in sites.items()},
        "elements": {phase: CRYSTALS[phase].elements() for phase in phases},
        "scene": simulation.scene.model_dump(mode="json"),
    }

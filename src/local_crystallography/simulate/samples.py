"""Shipped samples: recipes, images and truth in `sample_data`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import local_crystallography
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.simulate.scene import read_recipe
from local_crystallography.simulate.simulation import Simulation, simulate_scene

SAMPLES: dict[str, str] = {
    "lsmo_nio": "NiO inclusions in La0.7Sr0.3MnO3 along [001], about 10,000 heavy columns (as Fig. 4).",
    "sr3fe2o7": "Sr3Fe2O7 along [010], layers stacked along y, thicker from left to right (as Fig. 7).",
    "two_grains": "SrTiO3 along [001], two grains rotated by +5 and +22 degrees.",
    "quick": "Two NiO inclusions in La0.7Sr0.3MnO3, about 1,000 heavy columns, for a quick start.",
}


def sample_folder() -> Path:
    """Folder of the samples, in the installed package or in the source tree.

    Raises
    ------
    InputError
        Where neither contains it.
    """
    package = Path(local_crystallography.__file__).parent
    for folder in (package / "sample_data", package.parents[1] / "sample_data"):
        if folder.is_dir():
            return folder
    raise InputError("The folder sample_data was not found beside the package; install the package again.")


def simulate_sample(name: str, seed: int | None = None) -> Simulation:
    """Simulate a sample again; another seed gives another image of the same scene."""
    scene, own_seed = read_recipe(_file(name, "recipe.toml"))
    return simulate_scene(scene, own_seed if seed is None else seed, name)


def load_sample(name: str) -> Image:
    """Shipped image, (H, W) uint16 counts, with its pixel size."""
    import tifffile

    scene, _ = read_recipe(_file(name, "recipe.toml"))
    return Image(tifffile.imread(_file(name, "image.tif")), scene.pixel_size, name)


def load_truth(name: str) -> pd.DataFrame:
    """Shipped truth; its columns are described in `Simulation`."""
    return pd.read_csv(_file(name, "truth.csv"))


def _file(name: str, part: str) -> Path:
    if name not in SAMPLES:
        raise InputError(f"There is no sample named {name!r}; choose one of {', '.join(SAMPLES)}.")
    path = sample_folder() / name / part
    if not path.is_file():
        raise InputError(f"Sample {name} has no {part} in {path.parent}; install the package again.")
    return path

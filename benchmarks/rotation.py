"""Accuracy of angles and invariance of latents, on two grains of known angle and on a real grain boundary.

    python benchmarks/rotation.py [--seeds 5]

The real boundary (gold) is read from the folder that LOCAL_CRYSTALLOGRAPHY_REAL_DATA names, and left out without it.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from local_crystallography import Blobs, ExtractSubImages, FindAtoms, Image, Segment, SubImages, TrainVae, read_image
from local_crystallography.simulate.samples import load_sample, load_truth

LATENTS = ["z0", "z1"]


def sub_images(image: Image) -> SubImages:
    """The sub-images of an image with default settings."""
    atoms = FindAtoms(threshold=0.5)(Segment(by=Blobs())(image), image)
    return ExtractSubImages()(atoms, image)


def direction(angle: np.ndarray, fold: int) -> float:
    """Mean angle in degrees, modulo 360 / fold."""
    return float(np.degrees(np.angle(np.exp(1j * fold * angle).mean())) / fold)


def difference(one: float, two: float, fold: int) -> float:
    """Difference of two angles in degrees, modulo 360 / fold, nearest to zero."""
    sector = 360 / fold
    return (two - one + sector / 2) % sector - sector / 2


def two_grains(seed: int) -> str:
    """Angle between the grains less the true 17 degrees, for each site; change of the latents on rotation."""
    part, truth = sub_images(load_sample("two_grains")), load_truth("two_grains")
    _, row = cKDTree(truth[["y_px", "x_px"]]).query(part.atoms.yx)
    grain, site = truth["grain"].to_numpy()[row], truth["site"].to_numpy()[row]
    vae = TrainVae(seed=seed)(part)
    columns = vae.encode(part.windows)
    errors = []
    for name in ("A", "B"):
        one, two = (
            direction(columns["angle_rad"][(grain == g) & (site == name)].to_numpy(), 4) for g in np.unique(grain)
        )
        errors.append(f"{difference(one, two, 4) - 17:+.2f}")
    some, change = np.arange(0, len(part), 40), []
    for turn in (17, 45, 90, 133):
        turned = ndimage.rotate(part.windows[some], turn, axes=(1, 2), reshape=False, order=3, mode="nearest")
        change.append((vae.encode(turned)[LATENTS] - columns[LATENTS].iloc[some].to_numpy()) ** 2)
    share = np.sqrt(np.mean(change, axis=(0, 1))) / columns[LATENTS].std()
    along, diagonal = vae.settings.shear
    return f"| {seed} | {errors[0]} | {errors[1]} | {share.max():.1%} | {along:+.4f}, {diagonal:+.4f} |"


def gold(seed: int, folder: Path) -> str:
    """Angle between the two gold grains modulo 60 degrees, its concentration, and the distance of their latents."""
    part = sub_images(read_image(folder / "gold_grain_boundary_HAADF.png"))
    y, x = part.atoms.yx.T
    boundary = 150 + 180 * y / 512
    vae = TrainVae(seed=seed)(part)
    columns = vae.encode(part.windows)
    left, right = columns[x < boundary - 30], columns[x > boundary + 30]
    angle = difference(*(direction(side["angle_rad"].to_numpy(), 6) for side in (left, right)), 6)
    sharp = min(abs(np.exp(6j * side["angle_rad"]).mean()) for side in (left, right))
    apart = (left[LATENTS].mean() - right[LATENTS].mean()).abs() / np.sqrt(
        (left[LATENTS].var() + right[LATENTS].var()) / 2
    )
    along, diagonal = vae.settings.shear
    latents = f"{apart['z0']:.1f}, {apart['z1']:.1f}"
    return f"| {seed} | {abs(angle):.1f} | {sharp:.3f} | {latents} | {along:+.3f}, {diagonal:+.3f} |"


def main() -> None:
    """Print two Markdown tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    print(
        "| seed | error of angle A, degrees | error of angle B, degrees | latents changed by rotation, over spread "
        "| shear |"
    )
    print("| --- | --- | --- | --- | --- |")
    for seed in seeds:
        print(two_grains(seed), flush=True)
    folder = os.environ.get("LOCAL_CRYSTALLOGRAPHY_REAL_DATA")
    if folder:
        print("\n| seed | gold grains apart mod 60, degrees | concentration | latents apart, over spread | shear |")
        print("| --- | --- | --- | --- | --- |")
        for seed in seeds:
            print(gold(seed, Path(folder)), flush=True)


if __name__ == "__main__":
    main()

"""Atoms by scikit-image: `python skimage_atoms.py IN.npz OUT.npz`, by the Python it is installed in.

IN and OUT as in hyperspy_atoms.py. Blurred by 2 pixels, then local maxima 0.4 of the nearest distance apart and above a
tenth of the highest; and blobs of the Laplacian of Gaussian in the image from 0 to 1, at 0.6 to 1 of the width.
"""

import sys
import time

import numpy as np
from scipy import ndimage
from skimage.feature import blob_log, peak_local_max

THRESHOLDS = [0.01, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.25]


def maxima(image: np.ndarray, nearest: float) -> dict[str, np.ndarray]:
    """Local maxima of the blurred image."""
    name, distance, clock = "skimage, blurred, peak_local_max", max(1, int(0.4 * nearest)), time.process_time()
    shown = ndimage.gaussian_filter(image, 2)
    found = {f"{name}/default": peak_local_max(shown, min_distance=distance, threshold_rel=0.1)}
    found[f"{name}/cpu"] = time.process_time() - clock
    found[f"{name}/any"] = peak_local_max(shown, min_distance=distance)
    found[f"{name}/score"] = shown[tuple(found[f"{name}/any"].T)]
    return found


def blobs(image: np.ndarray, sigma: float) -> dict[str, np.ndarray]:
    """Maxima over positions and scales."""
    name, scaled = "skimage, blob_log", (image - image.min()) / np.ptp(image)
    settings = {"min_sigma": 0.6 * sigma, "max_sigma": sigma, "num_sigma": 4}
    clock = time.process_time()
    found = {f"{name}/default": blob_log(scaled, **settings)[:, :2]}
    found[f"{name}/cpu"] = time.process_time() - clock
    sets = [blob_log(scaled, threshold=value, **settings)[:, :2] for value in THRESHOLDS]
    found[f"{name}/any"] = np.concatenate(sets)
    found[f"{name}/set"] = np.repeat(np.arange(len(sets)), [len(part) for part in sets])
    return found


def main() -> None:
    """Find, save."""
    with np.load(sys.argv[1]) as file:
        image, nearest, sigma = file["image"].astype(float), float(file["nearest"]), float(file["sigma"])
    np.savez(sys.argv[2], **maxima(image, nearest), **blobs(image, sigma))


if __name__ == "__main__":
    main()

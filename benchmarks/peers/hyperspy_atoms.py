"""Atoms by HyperSpy's finders: `python hyperspy_atoms.py IN.npz OUT.npz`, by the Python it is installed in.

IN and OUT as in atomap_atoms.py, with `sigma`, the width of a column in pixels; a threshold that the finder applies
before it joins blobs is scanned with `METHOD/set`. Blob finders search between 0.6 and 1 of the width, the others
keep 0.4 of the distance of the nearest columns. A finder that fails finds nothing.
"""

import sys
import time

import hyperspy.api as hs
import numpy as np

SCAN = {
    "local_max": ("threshold_rel", [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7]),
    "laplacian_of_gaussian": ("threshold", [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25]),
    "difference_of_gaussian": ("threshold", [0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1]),
    "template_matching": ("threshold", [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7]),
}


def settings_of(method: str, nearest: float, sigma: float) -> dict:
    """The parameters of a method for the image."""
    if method == "local_max":
        return {"min_distance": max(1, int(0.4 * nearest))}
    if method == "template_matching":
        grid = np.arange(-int(2 * sigma), int(2 * sigma) + 1)
        template = np.exp(-(grid[:, None] ** 2 + grid**2) / (2 * sigma**2))
        return {"template": template, "distance": max(3, int(0.4 * nearest))}
    scales = {"min_sigma": 0.6 * sigma, "max_sigma": sigma}
    return scales | ({"num_sigma": 4} if method == "laplacian_of_gaussian" else {"sigma_ratio": 1.2})


def peaks(image: np.ndarray, method: str, settings: dict) -> np.ndarray:
    """Positions (n, 2)."""
    signal = hs.signals.Signal2D(image)
    try:
        found = signal.find_peaks(method=method, interactive=False, show_progressbar=False, **settings)
    except ValueError:  # a template matched to a flat part gives NaN, and a position there
        return np.zeros((0, 2))
    places = np.asarray(found.data[0] if found.data.dtype == object else found.data, float).reshape(-1, 2)
    return places[np.isfinite(places).all(axis=1)]


def main() -> None:
    """Find, save."""
    with np.load(sys.argv[1]) as file:
        image, nearest, sigma = file["image"].astype(float), float(file["nearest"]), float(file["sigma"])
    found = {}
    for method, (parameter, values) in SCAN.items():
        settings, name = settings_of(method, nearest, sigma), f"HyperSpy {method.replace('_', ' ')}"
        clock = time.process_time()
        found[f"{name}/default"] = peaks(image, method, settings)
        found[f"{name}/cpu"] = time.process_time() - clock
        sets = [peaks(image, method, settings | {parameter: value}) for value in values]
        found[f"{name}/any"] = np.concatenate(sets)
        found[f"{name}/set"] = np.repeat(np.arange(len(sets)), [len(part) for part in sets])
    np.savez(sys.argv[2], **found)


if __name__ == "__main__":
    main()

"""Atoms by Atomap: `python atomap_atoms.py IN.npz OUT.npz`, by the Python it is installed in.

IN has `image` (H, W) and `nearest`, the distance of nearest columns in pixels. With `start` (n, 2) as well, positions
(y, x) are refined from there by its documented recipe, centre of mass and then Gaussian; otherwise atoms are searched
for. Its finder has no default distance: it is given 0.4 of the nearest, which suits it best.

OUT has for every method `METHOD/default`, positions (n, 2); `METHOD/any` and `METHOD/score`, positions at the lowest
threshold and the values that the threshold applies to; `METHOD/cpu`, seconds.
"""

import sys
import time

import atomap.api as am
import hyperspy.api as hs
import numpy as np
from scipy import ndimage

LOWEST = 0.005


def find(image: np.ndarray, nearest: float) -> dict[str, np.ndarray]:
    """Atoms with its defaults, and with the image blurred first."""
    found = {}
    for name, shown in {"Atomap": image, "Atomap, blurred by 2 px": ndimage.gaussian_filter(image, 2)}.items():
        signal, settings = hs.signals.Signal2D(shown), {"separation": max(1, int(0.4 * nearest))}
        clock = time.process_time()
        found[f"{name}/default"] = am.get_atom_positions(signal, **settings)[:, ::-1]
        found[f"{name}/cpu"] = time.process_time() - clock
        found[f"{name}/any"] = am.get_atom_positions(signal, threshold_rel=LOWEST, **settings)[:, ::-1]
        found[f"{name}/score"] = shown[tuple(np.round(found[f"{name}/any"]).astype(int).T)]
    return found


def refine(image: np.ndarray, start: np.ndarray) -> dict[str, np.ndarray]:
    """Centre of mass, then Gaussian; the time of the second includes the first."""
    clock = time.process_time()
    atoms = am.Sublattice(start[:, ::-1].tolist(), image=image)
    atoms.find_nearest_neighbors()
    atoms.refine_atom_positions_using_center_of_mass(show_progressbar=False)
    found = {"Atomap, centre of mass/default": np.array(atoms.atom_positions)[:, ::-1]}
    found["Atomap, centre of mass/cpu"] = time.process_time() - clock
    atoms.refine_atom_positions_using_2d_gaussian(show_progressbar=False)
    found["Atomap, centre of mass and Gaussian/default"] = np.array(atoms.atom_positions)[:, ::-1]
    found["Atomap, centre of mass and Gaussian/cpu"] = time.process_time() - clock
    return found


def main() -> None:
    """Find or refine, save."""
    with np.load(sys.argv[1]) as file:
        image = file["image"].astype(float)
        found = refine(image, file["start"]) if "start" in file else find(image, float(file["nearest"]))
    np.savez(sys.argv[2], **found)


if __name__ == "__main__":
    main()

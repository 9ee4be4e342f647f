"""Classes from the network and from baselines without one, against the true sites, in grains of different orientation.

    python benchmarks/baselines.py [--samples two_grains many_grains] [--seeds 3] [--epochs 50] [--without-network]

`many_grains` are twelve grains of SrTiO3 at random angles. Every method gives columns, and Cluster sorts the atoms
by them: into as many Gaussians as there are sites, by k-means into as many classes, and into as many as it chooses. The
pixel mixture has its own classes, as many as sites, or as sites times grains (30 at most); those of GMM-PCA are the
same. Scores are of all atoms, and of those with only one grain in the disc of their window.
"""

import argparse
import re
import time
from collections import defaultdict

import numpy as np
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score, rand_score

from local_crystallography import Analysis, Atoms, Cluster, Describe, PixelMixture, Recipe, TrainVae, simulate_sample
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish
from local_crystallography.simulate.scene import Scene, voronoi_grains
from local_crystallography.simulate.score import REACH, match
from local_crystallography.simulate.simulation import Simulation, simulate_scene

CUT = ("segment", "find_atoms", "refine_atoms", "extract_sub_images")
WAYS: dict[str, tuple[Describe, str]] = {
    "PCA, then Gaussian mixture": (Describe(methods=("PCA components=5",)), r"pca\d+"),
    "NMF, then Gaussian mixture": (Describe(methods=("NMF components=5",)), r"nmf\d+"),
    "ICA, then Gaussian mixture": (Describe(methods=("ICA components=5",)), r"ica\d+"),
    "window Fourier transform": (Describe(methods=("FFT components=5",)), r"fft\d+"),
    "neighbours": (Describe(methods=("neighbours",)), r"neighbour\d+_[yx]"),
    "neighbours aligned": (Describe(methods=("neighbours aligned",)), r"aligned\d+_[yx]"),
    "Zernike moments": (Describe(), r"zernike\d+"),
}


def simulation_of(sample: str, seed: int) -> Simulation:
    """The picture of a sample with this seed."""
    if sample == "two_grains":
        return simulate_sample(sample, seed)
    grains = voronoi_grains(structure="SrTiO3", count=12, field=(15.36, 15.36), seed=seed)
    return simulate_scene(Scene(shape=(1024, 1024), pixel_size=0.015, grains=grains, probe_fwhm=0.11), seed, sample)


def sites(atoms: Atoms, simulation: Simulation) -> np.ndarray:
    """(N,) true site of every atom, "" for those that are no heavy column."""
    heavy = simulation.truth[simulation.truth["heavy"].astype(bool)]
    places = heavy[["y_px", "x_px"]].to_numpy(float)
    reach = REACH * float(np.median(cKDTree(places).query(places, 2)[0][:, 1]))
    rows, columns = match(atoms.yx, places, reach=reach)
    names = np.full(len(atoms), "", object)
    names[rows] = (heavy["phase"].astype(str) + " " + heavy["site"].astype(str)).to_numpy()[columns]
    return names


def inside(atoms: Atoms, simulation: Simulation, radius: float) -> np.ndarray:
    """(N,) whether all columns within a radius in pixels belong to one grain."""
    truth = simulation.truth
    near = cKDTree(truth[["y_px", "x_px"]].to_numpy(float)).query_ball_point(atoms.yx, radius)
    grain = truth["grain"].to_numpy()
    return np.array([len(set(grain[found])) == 1 for found in near])


def scores(true: np.ndarray, label: np.ndarray, within: np.ndarray) -> list[float]:
    """Rand and adjusted Rand index of all atoms, of those within, and the number of classes."""
    found = []
    for part in (np.ones(len(true), bool), within):
        known = part & (true != "") & (label >= 0)
        found += [index(true[known], label[known]) for index in (rand_score, adjusted_rand_score)]
    return [*found, len(np.unique(label[(true != "") & (label >= 0)]))]


def classes_of(atoms: Atoms, pattern: str, *, classes: int | None, method: str, seed: int) -> np.ndarray:
    """(N,) classes by the columns whose names match."""
    columns = tuple(str(name) for name in atoms.features if re.fullmatch(pattern, str(name)))
    counts = {"classes": classes} | ({"components": classes} if method == "mixture" else {})
    step = Cluster(columns=columns, by={"method": method, **counts}, seed=seed)
    return step(atoms).features["label"].to_numpy(float)


def encoded(analysis: Analysis, *, epochs: int | None, seed: int) -> Atoms:
    """The atoms with the latents of a network trained with the defaults."""
    train = TrainVae(seed=seed) if epochs is None else TrainVae(seed=seed, epochs=epochs)
    finish(analysis.run(Recipe(train_vae=train), only=("train_vae", "encode")))
    return analysis.atoms


def score(sample: str, seed: int, table: dict, *, network: bool, epochs: int | None) -> None:
    """Add the scores of one picture to a table of lists, by method and sorting."""
    simulation = simulation_of(sample, seed)
    analysis = Analysis(simulation.image)
    finish(analysis.run(Recipe(), only=CUT))
    part, atoms = analysis.sub_images, analysis.atoms
    true, within = sites(atoms, simulation), inside(atoms, simulation, part.window_size / 2)
    count = len(set(true) - {""})
    sortings = {"Gaussians": (count, "mixture"), "k-means": (count, "k-means"), "found": (None, "mixture")}
    for name, classes in {
        "as sites": count,
        "as sites times grains": min(30, count * simulation.truth["grain"].nunique()),
    }.items():
        label = Describe(methods=(PixelMixture(classes=classes),), seed=seed)(part, atoms).features["pixel_label"]
        table["pixel mixture, GMM-PCA", f"as many {name}"].append(scores(true, label.to_numpy(float), within))
    ways = {name: (lambda step=step: step(part, atoms), pattern) for name, (step, pattern) in WAYS.items()}
    if network:
        ways["rVAE, latents"] = (lambda: encoded(analysis, epochs=epochs, seed=seed), r"z\d+")
    for name, (describe, pattern) in ways.items():
        started = time.process_time()
        described = describe()
        for sorting, (classes, method) in sortings.items():
            try:
                label = classes_of(described, pattern, classes=classes, method=method, seed=seed)
            except InputError as error:
                print(f"{sample}, seed {seed}, {name}, {sorting}: {error}", flush=True)
            else:
                table[name, sorting].append(scores(true, label, within))
        print(f"{sample}, seed {seed}, {name}: {time.process_time() - started:.0f} s of CPU", flush=True)


def middle(values: list[float], digits: int) -> str:
    """Median, with lowest and highest if they differ."""
    low, median, high = (f"{value:.{digits}f}" for value in np.quantile(values, [0, 0.5, 1], method="nearest"))
    return median if low == high else f"{median} ({low} to {high})"


def main() -> None:
    """Print a Markdown table for every sample."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", nargs="+", choices=("two_grains", "many_grains"), default=["two_grains"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="of the network; default: its own")
    parser.add_argument("--without-network", action="store_true")
    options = parser.parse_args()
    for sample in options.samples:
        table: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
        for seed in range(options.seeds):
            score(sample, seed, table, network=not options.without_network, epochs=options.epochs)
        print(f"\n{sample}, median of {options.seeds} seeds (lowest to highest)\n")
        print("| columns | sorted into | Rand, all atoms | adjusted | Rand, one grain seen | adjusted | classes |")
        print("|" + " --- |" * 7)
        for (way, sorting), found in table.items():
            cells = [middle(values, 0 if number == 4 else 3) for number, values in enumerate(zip(*found, strict=True))]
            print(f"| {way} | {sorting} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

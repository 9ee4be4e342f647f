"""Classes from the network and from baselines without one, against the true sites, where grains are turned.

    python benchmarks/baselines.py [--samples two_grains many_grains] [--seeds 1] [--epochs 50] [--without-network]

`many_grains` are twelve grains of SrTiO3 at random angles. Every way gives columns, and Cluster sorts the atoms by
them: once into as many Gaussians as there are sites, once into as many classes as it finds. The pixel mixture has
classes of its own, as many as sites, or as sites times grains (30 at most); those of GMM-PCA are the same.
"""

import argparse
import re
import time

import numpy as np
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score, rand_score

from local_crystallography import Analysis, Atoms, Cluster, Describe, Recipe, TrainVae, simulate_sample
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish
from local_crystallography.simulate.scene import Scene, voronoi_grains
from local_crystallography.simulate.score import REACH, match
from local_crystallography.simulate.simulation import Simulation, simulate_scene

CUT = ("segment", "find_atoms", "refine_atoms", "extract_sub_images")
WAYS: dict[str, tuple[Describe, str]] = {
    "PCA, then Gaussian mixture": (Describe(methods=("PCA",), components=5), r"pca\d+"),
    "NMF, then Gaussian mixture": (Describe(methods=("NMF",), components=5), r"nmf\d+"),
    "ICA, then Gaussian mixture": (Describe(methods=("ICA",), components=5), r"ica\d+"),
    "window Fourier transform": (Describe(methods=("FFT",), components=5), r"fft\d+"),
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
    """(N,) true site of every atom, "" where it is none of the heavy columns."""
    heavy = simulation.truth[simulation.truth["heavy"].astype(bool)]
    places = heavy[["y_px", "x_px"]].to_numpy(float)
    reach = REACH * float(np.median(cKDTree(places).query(places, 2)[0][:, 1]))
    rows, columns = match(atoms.yx, places, reach=reach)
    names = np.full(len(atoms), "", object)
    names[rows] = (heavy["phase"].astype(str) + " " + heavy["site"].astype(str)).to_numpy()[columns]
    return names


def agreement(true: np.ndarray, label: np.ndarray) -> str:
    """Adjusted Rand and Rand index, with the number of classes."""
    known = (true != "") & (label >= 0)
    one, two = true[known], label[known]
    return f"{adjusted_rand_score(one, two):.3f} | {rand_score(one, two):.3f} | {len(np.unique(two))}"


def classes_of(atoms: Atoms, pattern: str, *, classes: int | None, seed: int) -> np.ndarray:
    """(N,) classes by the columns whose names match."""
    columns = tuple(str(name) for name in atoms.features if re.fullmatch(pattern, str(name)))
    return (
        Cluster(columns=columns, classes=classes, components=classes, seed=seed)(atoms)
        .features["label"]
        .to_numpy(float)
    )


def encoded(analysis: Analysis, *, epochs: int | None, seed: int) -> Atoms:
    """The atoms with the latents of a network trained with the defaults."""
    train = TrainVae(seed=seed) if epochs is None else TrainVae(seed=seed, epochs=epochs)
    finish(analysis.run(Recipe(train_vae=train), only=("train_vae", "encode")))
    return analysis.atoms


def rows(sample: str, seed: int, *, network: bool, epochs: int | None) -> None:
    """Print the lines of one picture."""
    simulation = simulation_of(sample, seed)
    analysis = Analysis(simulation.image)
    finish(analysis.run(Recipe(), only=CUT))
    part, atoms = analysis.sub_images, analysis.atoms
    true = sites(atoms, simulation)
    count = len(set(true) - {""})
    grains = simulation.truth["grain"].nunique()

    def line(way: str, few: str, found: str, started: float) -> None:
        print(f"| {sample} | {seed} | {way} | {few} | {found} | {time.process_time() - started:.0f} |", flush=True)

    started = time.process_time()
    mixtures = [Describe(methods=("pixel mixture",), classes=k, seed=seed) for k in (count, min(30, count * grains))]
    labels = [step(part, atoms).features["pixel_label"].to_numpy(float) for step in mixtures]
    line("pixel mixture, and that of GMM-PCA", *(agreement(true, label) for label in labels), started)
    ways = {name: (lambda step=step: step(part, atoms), pattern) for name, (step, pattern) in WAYS.items()}
    if network:
        ways["rVAE, latents"] = (lambda: encoded(analysis, epochs=epochs, seed=seed), r"z\d+")
    for name, (describe, pattern) in ways.items():
        started, told = time.process_time(), []
        described = describe()
        for classes in (count, None):
            try:
                told.append(agreement(true, classes_of(described, pattern, classes=classes, seed=seed)))
            except InputError as error:
                told.append(f"{error} | | ")
        line(name, *told, started)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", nargs="+", choices=("two_grains", "many_grains"), default=["two_grains"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, help="Of the network; without: its default.")
    parser.add_argument("--without-network", action="store_true")
    options = parser.parse_args()
    print("| sample | seed | way | adjusted Rand, as many Gaussians as sites | Rand | classes ", end="")
    print("| adjusted Rand, classes found | Rand | classes | CPU seconds |")
    print("|" + " --- |" * 10)
    for sample in options.samples:
        for seed in range(options.seeds):
            rows(sample, seed, network=not options.without_network, epochs=options.epochs)


if __name__ == "__main__":
    main()

"""Classes found with nothing set, against the true sites of simulated samples, from the rVAE and from Zernike moments.

    python benchmarks/classes.py [--samples lsmo_nio two_grains many_grains sr3fe2o7 quick ...] [--seeds 401 402 ...]

Every seed gives a different picture and a different start of the network; `many_grains` are the twelve grains of
`baselines.py`, and the last samples are pictures of quick that are difficult for moments: columns that overlap,
sub-images cut up to 2 px off centre, a low dose, and a continuous distortion. Adjusted Rand of all heavy columns that
have a class, and of those with one grain within half a window; the same with the same clustering of the moments; both
with as many classes as sites; and how often it is stated correctly whether an atom is at a boundary, that is, another
grain is within 1.5 spacings. With `--atomai`, the Python of an environment of `peers/make_environments.py`, the latents
of AtomAI's rVAE trained on the same sub-images (`--passes`, batches of 100, learning rate 0.001, otherwise defaults)
replace the moments.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import pandas as pd
from baselines import CUT, inside, simulation_of, sites
from peers.run import run_peer
from sklearn.metrics import adjusted_rand_score

from local_crystallography import Analysis, Atoms, Cluster, Describe, GaussianMixture, Recipe, simulate_sample
from local_crystallography.data.progress import finish
from local_crystallography.lattice.shells import neighbour_distance
from local_crystallography.simulate.scene import Wave
from local_crystallography.simulate.simulation import Simulation, simulate_scene

HARD = {
    "overlapping": {"probe_fwhm": 0.16},
    "shifted": {},
    "low dose": {"dose": 12.0},
    "distorted": {
        "waves": (
            Wave(amplitude=(0.05, 0.0), wavelength=4.0, angle=0.4),
            Wave(amplitude=(0.0, 0.05), wavelength=5.0, angle=2.0),
        )
    },
}
BESIDE = 2.0
"""Largest distance along each axis of the sub-images of *shifted* from their columns, pixels."""
SAMPLES = ["lsmo_nio", "two_grains", "many_grains", "sr3fe2o7", "quick", *HARD]


def picture(sample: str, seed: int) -> Simulation:
    """The picture of a sample with this seed."""
    if sample in HARD:
        scene = simulate_sample("quick", seed).scene.model_copy(update=HARD[sample])
        return simulate_scene(scene, seed, sample)
    return simulation_of(sample, seed) if sample == "many_grains" else simulate_sample(sample, seed)


def analysed(simulation: Simulation, seed: int) -> Analysis:
    """The whole run; for *shifted* with sub-images cut off centre."""
    analysis = Analysis(simulation.image)
    if simulation.image.name == "shifted":
        finish(analysis.run(Recipe(), only=CUT[:-1]))
        beside = np.random.default_rng(seed).uniform(-BESIDE, BESIDE, (len(analysis.atoms), 2))
        analysis.atoms = Atoms.at(analysis.atoms.yx + beside)
        finish(analysis.run(Recipe(), only=("extract_sub_images", "train_vae", "encode", "cluster")))
    else:
        finish(analysis.run(analysis.recipe))
    return analysis


def by_atomai(python: Path, analysis: Analysis, passes: int, seed: int) -> tuple[Atoms, tuple[str, ...]]:
    """The atoms with the latents of AtomAI, and their names."""
    cut = analysis.sub_images
    low, high = np.percentile(cut.windows, [0.1, 99.9])
    windows = np.clip((cut.windows - low) / (high - low), 0, 1)
    settings = {"latents": 2, "batch": 100, "epochs": passes, "threads": 1, "learning_rate": 0.001, "seed": seed}
    found = run_peer(python, "atomai_rvae.py", windows, **settings)
    names = ("atomai0", "atomai1")
    columns = pd.DataFrame(found["latents"], columns=names)
    return analysis.atoms.join(cut.atoms.ids, columns), names


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", nargs="+", choices=SAMPLES, default=SAMPLES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[401, 402, 403, 404, 405])
    parser.add_argument("--atomai", type=Path)
    parser.add_argument("--passes", type=int, default=50)
    options = parser.parse_args()
    print(
        "| sample | seed | rVAE, all | interior | classes | as many as sites | compared, all | interior | classes | "
        "as many as sites | boundary or not |\n|" + " --- |" * 11
    )
    for sample in options.samples:
        for seed in options.seeds:
            simulation = picture(sample, seed)
            analysis = analysed(simulation, seed)
            atoms, cut = analysis.atoms, analysis.sub_images
            if cut is None:
                print(f"| {sample} | {seed} | {analysis.doubt} |", flush=True)
                continue
            site = sites(atoms, simulation)
            within = inside(atoms, simulation, cut.windows.shape[-1] / 2)
            count = len(set(site) - {""})
            if options.atomai:
                described, beside = by_atomai(options.atomai, analysis, options.passes, seed)
            else:
                described = Describe()(cut, atoms)
                beside = tuple(name for name in described.features if re.fullmatch(r"zernike\d+", name))
            cells = []
            for columns in (("z0", "z1"), beside):
                found = atoms if columns[0] == "z0" else Cluster(columns=columns)(described, cut)
                given = Cluster(columns=columns, by=GaussianMixture(classes=count))(described, cut)
                for labelled in (found, given):
                    label = labelled.features["label"].to_numpy()
                    known = (site != "") & (label >= 0)
                    cells.append(f"{adjusted_rand_score(site[known], label[known]):.3f}")
                    if labelled is found:
                        inner = known & within
                        cells.append(f"{adjusted_rand_score(site[inner], label[inner]):.3f}")
                        cells.append(" ".join(map(str, np.bincount(label[label >= 0]))))
            near = inside(atoms, simulation, 1.5 * neighbour_distance(atoms))
            where = atoms.features["environment"].to_numpy()
            known = (site != "") & (where >= 0)
            right = ((where == 1) == ~near)[known].mean()
            print(f"| {sample} | {seed} | {' | '.join(cells)} | {right:.1%} |", flush=True)


if __name__ == "__main__":
    main()

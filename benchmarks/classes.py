"""Classes found with nothing set, against the true sites of simulated samples.

    python benchmarks/classes.py [--samples lsmo_nio two_grains many_grains sr3fe2o7 quick] [--seeds 301 302 303]

Every seed is another picture and another start of the network; `many_grains` are the twelve grains of `baselines.py`.
Adjusted Rand of all heavy columns that have a class, and of those with one grain within half a window.
"""

import argparse

import numpy as np
from baselines import inside, simulation_of, sites
from sklearn.metrics import adjusted_rand_score

from local_crystallography import Analysis, simulate_sample
from local_crystallography.data.progress import finish


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    samples = ["lsmo_nio", "two_grains", "many_grains", "sr3fe2o7", "quick"]
    parser.add_argument("--samples", nargs="+", choices=samples, default=samples)
    parser.add_argument("--seeds", nargs="+", type=int, default=[301, 302, 303])
    options = parser.parse_args()
    print("| sample | seed | all atoms | interior | atoms of each class |\n| --- | --- | --- | --- | --- |")
    for sample in options.samples:
        for seed in options.seeds:
            simulation = simulation_of(sample, seed) if sample == "many_grains" else simulate_sample(sample, seed)
            analysis = Analysis(simulation.image)
            finish(analysis.run(analysis.recipe))
            atoms = analysis.atoms
            label, site = atoms.features["label"].to_numpy(), sites(atoms, simulation)
            known = (site != "") & (label >= 0)
            within = known & inside(atoms, simulation, analysis.sub_images.windows.shape[-1] / 2)
            rand = [adjusted_rand_score(site[part], label[part]) for part in (known, within)]
            sizes = " ".join(map(str, np.bincount(label[label >= 0])))
            print(f"| {sample} | {seed} | {rand[0]:.3f} | {rand[1]:.3f} | {sizes} |", flush=True)


if __name__ == "__main__":
    main()

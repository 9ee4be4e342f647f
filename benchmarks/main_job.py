"""The main job on simulated samples against their truth: atoms found, classes, angles, seconds.

    python benchmarks/main_job.py [--sample lsmo_nio] [--seeds 5]

Every seed gives a different picture (noise, displacements) and a different start of the network.
"""

import argparse
import time

import numpy as np
import torch

from local_crystallography import Analysis, Cluster, Recipe, TrainVae, simulate_sample
from local_crystallography.data.progress import finish
from local_crystallography.simulate.samples import SAMPLES
from local_crystallography.simulate.score import score


def row(sample: str, seed: int) -> list[str]:
    """One run of the whole workflow with default settings."""
    simulation = simulate_sample(sample, seed)
    analysis = Analysis(simulation.image)
    started = time.perf_counter()
    finish(analysis.run(Recipe(train_vae=TrainVae(seed=seed), cluster=Cluster(seed=seed))))
    seconds = time.perf_counter() - started
    result = score(analysis.atoms, simulation.truth)
    return [
        sample,
        str(seed),
        f"{result.recall:.2%}",
        f"{result.false_rate:.2%}",
        f"{result.distance_px:.3f}",
        str(analysis.used["cluster"].by.classes),
        f"{result.adjusted_rand_index:.3f}",
        f"{analysis.seconds['train_vae']:.0f}",
        f"{seconds:.0f}",
    ]


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sample", choices=list(SAMPLES), default="lsmo_nio")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, numpy {np.__version__}")
    print("| sample | seed | found | false | error, px rms | classes | adjusted Rand | training, s | all, s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for seed in range(options.seeds):
        print("| " + " | ".join(row(options.sample, seed)) + " |", flush=True)


if __name__ == "__main__":
    main()

"""Time to sort atoms into classes, and agreement with simulated classes.

    python benchmarks/clustering.py [--atoms 100000] [--features 5] [--components 8] [--seeds 1]

Classes are Gaussians of any form at random positions, some of which overlap. Times are CPU seconds of this process,
including all automatic choices.
"""

import argparse
import time

import numpy as np
from sklearn.metrics import adjusted_rand_score

from local_crystallography import Agglomerative, Atoms, BayesianMixture, Cluster, GaussianMixture, Hdbscan, KMeans


def sample(options: argparse.Namespace, seed: int) -> tuple[Atoms, np.ndarray]:
    """Atoms with latents, and their classes."""
    rng = np.random.default_rng(seed)
    shape = (options.components, options.features)
    centres, form = rng.normal(0, 4, shape), rng.normal(0, 0.6, (*shape, options.features))
    kind = rng.integers(0, options.components, options.atoms)
    z = centres[kind] + np.einsum("nij,nj->ni", form[kind], rng.normal(size=(options.atoms, options.features)))
    columns = {f"z{i}": z[:, i] for i in range(options.features)}
    return Atoms.at(np.zeros((options.atoms, 2))).with_features(**columns), kind


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    for name, default in (("atoms", 100_000), ("features", 5), ("components", 8), ("seeds", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    count = options.components
    steps = {
        f"mixture, {count} components": Cluster(by=GaussianMixture(components=count, classes=count)),
        "mixture, automatic": Cluster(),
        "mixture, automatic by ICL, diagonal": Cluster(by=GaussianMixture(covariance="diagonal", criterion="ICL")),
        "Bayesian mixture, automatic": Cluster(by=BayesianMixture()),
        f"k-means, {count} classes": Cluster(by=KMeans(classes=count)),
        "HDBSCAN": Cluster(by=Hdbscan()),
        f"agglomerative, {count} classes": Cluster(by=Agglomerative(classes=count)),
    }
    print(f"{options.atoms} atoms, {options.features} features, {count} classes; worst of {options.seeds} seeds.\n")
    print("| method | CPU, s | classes | adjusted Rand |")
    print("| --- | --- | --- | --- |")
    for name, step in steps.items():
        rows = []
        for seed in range(options.seeds):
            atoms, kind = sample(options, seed)
            began = time.process_time()
            label = step(atoms).features["label"].to_numpy()
            rows.append((time.process_time() - began, label.max() + 1, adjusted_rand_score(kind, label)))
        seconds, classes, rand = zip(*rows, strict=True)
        numbers = ", ".join(str(number) for number in sorted(set(classes)))
        print(f"| {name} | {max(seconds):.1f} | {numbers} | {min(rand):.3f} |", flush=True)


if __name__ == "__main__":
    main()

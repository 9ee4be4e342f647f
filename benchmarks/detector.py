"""The network against the ideal detector: a matched filter that knows shape, width and noise of single columns.

    python benchmarks/detector.py [--pictures 12]

Columns of 2.5 px standard deviation at random, 8 widths apart or more, on a uniform background with white Gaussian
noise. The signal-to-noise ratio is that of the matched filter, and scales with the square root of the dose. The
threshold of each detector is set at each ratio so that false positives are 5 % of the true columns; recall is compared,
and the ratio at which 90 % are found. The network is given the width.
"""

import argparse

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.feature import peak_local_max

from local_crystallography.models.segmenter import shipped

SIDE, SIGMA, APART, FALSE = 320, 2.5, 8.0, 0.05
RATIOS = (3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0)


def picture(seed: int, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """An image with noise of 1 and columns of a given signal-to-noise ratio, and their positions."""
    random = np.random.default_rng([seed, 21])
    yx: list[np.ndarray] = []
    for trial in random.uniform(10, SIDE - 10, (400, 2)):
        if all(np.linalg.norm(trial - other) > APART * SIGMA for other in yx):
            yx.append(trial)
    places, axis = np.array(yx), np.arange(SIDE)
    down, across = (np.exp(-((axis - places[:, i, None]) ** 2) / (2 * SIGMA**2)) for i in (0, 1))
    height = ratio / (np.sqrt(np.pi) * SIGMA)
    return height * down.T @ across + random.standard_normal((SIDE, SIDE)), places


def recall(scores: list[tuple[np.ndarray, np.ndarray]], truth: list[np.ndarray]) -> float:
    """Share of the columns found at the threshold with the allowed number of false positives."""
    true, false = [], []
    for (yx, score), places in zip(scores, truth, strict=True):
        distance, column = cKDTree(places).query(yx)
        near = distance < 1.5 * SIGMA
        best = np.zeros(len(places))
        np.maximum.at(best, column[near], score[near])
        true.append(best)
        false.append(score[~near])
    columns, wrong = np.concatenate(true), np.sort(np.concatenate(false))[::-1]
    allowed = int(FALSE * len(columns))
    threshold = wrong[allowed] if len(wrong) > allowed else 0.0
    return float((columns > threshold).mean())


def peaks(field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Local maxima inside the frame, and their values."""
    yx = peak_local_max(field, min_distance=3, exclude_border=8)
    return yx.astype(float), field[tuple(yx.T)]


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=12)
    seeds = range(parser.parse_args().pictures)
    found: dict[str, list[float]] = {"ideal": [], "network": []}
    for ratio in RATIOS:
        made = [picture(seed, ratio) for seed in seeds]
        truth = [places for _, places in made]
        ideal = [peaks(ndimage.gaussian_filter(image, SIGMA)) for image, _ in made]
        images = [image.astype(np.float32) for image, _ in made]
        chances = [shipped().probabilities(image, members=1)[0, 0] for image in images]
        network = [peaks(ndimage.gaussian_filter(chance, 0.7)) for chance in chances]
        found["ideal"].append(recall(ideal, truth))
        found["network"].append(recall(network, truth))
    print("| detector | " + " | ".join(f"{ratio:g}" for ratio in RATIOS) + " | ratio for 90 % |")
    print("| --- " * (len(RATIOS) + 2) + "|")
    needed = {name: float(np.interp(0.9, values, RATIOS)) for name, values in found.items()}
    for name, values in found.items():
        print(f"| {name} | " + " | ".join(f"{value:.1%}" for value in values) + f" | {needed[name]:.2f} |")
    print(f"\nDose the network needs over that of the ideal detector: {(needed['network'] / needed['ideal']) ** 2:.2f}")


if __name__ == "__main__":
    main()

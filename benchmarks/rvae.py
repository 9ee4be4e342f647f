"""The rVAE against simulated truth, one measure at a time, with default settings.

    python benchmarks/rvae.py MEASURE [--seeds 5] [--environments FOLDER]

Measures: dose, motifs, offsets, noise, layers, memory. With the folder made by peers/make_environments.py, `dose` and
`motifs` also run AtomAI's rVAE on the same sub-images.
"""

import argparse
import resource
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from peers.run import python_of, run_peer
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score

from local_crystallography import (
    Atoms,
    Blobs,
    Cluster,
    Describe,
    ExtractSubImages,
    FindAtoms,
    GaussianMixture,
    Image,
    Segment,
    SubImages,
    TrainVae,
)
from local_crystallography.models.rows import rows
from local_crystallography.simulate.samples import simulate_sample
from local_crystallography.simulate.simulation import expected_counts, simulate_scene

LATENTS = ("z0", "z1")
POSE_AND_LATENTS = ("angle_rad", *LATENTS)


def cut(image: Image, **settings: int) -> SubImages:
    """Sub-images of all atoms found in an image."""
    atoms = FindAtoms(threshold=0.5)(Segment(by=Blobs())(image), image)
    return ExtractSubImages(**settings)(atoms, image)


def sites(part: SubImages, truth) -> np.ndarray:
    """Site of the true heavy column nearest to every atom."""
    heavy = truth[truth["heavy"]]
    _, row = cKDTree(heavy[["y_px", "x_px"]]).query(part.atoms.yx)
    return (heavy["phase"] + " " + heavy["site"]).to_numpy()[row]


def agreement(true: np.ndarray, columns: Mapping[str, np.ndarray], names: tuple[str, ...], **settings: int) -> str:
    """Adjusted Rand index of true classes against those of the Gaussian mixture on some columns."""
    atoms = Atoms.at(np.zeros((len(true), 2)), columns={name: columns[name] for name in names})
    return f"{adjusted_rand_score(true, Cluster(columns=names, **settings)(atoms).features['label']):.3f}"


def atomai(folder: Path, windows: np.ndarray, *, epochs: int, prior: float, seed: int) -> dict:
    """AtomAI's rVAE on windows scaled to [0, 1], as its tutorials do."""
    low, high = windows.min(), windows.max()
    return run_peer(
        python_of(folder / "atomai"), "atomai_rvae.py", (windows - low) / (high - low), latents=2, batch=32,
        epochs=epochs, threads=2, seed=seed, learning_rate=1e-3, rotation_prior=prior,
    )  # fmt: skip


def dose(seed: int, environments: Path | None) -> list[str]:
    """Adjusted Rand index on lsmo_nio at peaks of 200 and 50 counts, the number of classes automatic and set."""
    cells = []
    for counts in (200, 50):
        scene = simulate_sample("lsmo_nio", seed).scene.model_copy(update={"dose": float(counts)})
        simulation = simulate_scene(scene, seed)
        part = cut(simulation.image)
        true = sites(part, simulation.truth)
        columns = TrainVae(seed=seed)(part).encode(part.windows)
        described = Describe()(part, part.atoms).features
        cells += [
            agreement(true, columns, POSE_AND_LATENTS, seed=seed),
            agreement(true, columns, LATENTS, seed=seed),
            agreement(true, columns, LATENTS, seed=seed, classes=3),
            agreement(true, described, ("zernike0", "zernike1", "zernike2"), seed=seed, classes=3),
        ]
        if environments is not None:
            some = np.random.default_rng(seed).permutation(len(part))[:500]
            peer = atomai(environments, part.windows[some], epochs=10, prior=0.1, seed=seed)
            theirs = {"z0": peer["latents"][:, 0], "z1": peer["latents"][:, 1]}
            found = agreement(true[some], theirs, LATENTS, seed=seed, classes=3)
            cells.append(f"{found} in {peer['seconds']:.0f} s")
        else:
            cells.append("")
    return cells


def patch(angle: float, shift: np.ndarray, fold: int, side: int) -> np.ndarray:
    """A centre atom with `fold` equal neighbours."""
    turns = angle + 2 * np.pi / fold * np.arange(fold)
    places = np.vstack([[0, 0], 0.38 * side * np.stack([-np.sin(turns), np.cos(turns)], axis=1)]) + shift
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return sum(np.exp(-((y - py) ** 2 + (x - px) ** 2) / (2 * (0.08 * side) ** 2)) for py, px in places)


def motif_windows(seed: int, *, noise: float = 0.05, n: int = 1200, side: int = 20) -> tuple[np.ndarray, ...]:
    """Windows, fold and angle of 60 % hexagons and 40 % squares of atoms of height 1, up to half a pixel off centre."""
    rng = np.random.default_rng(seed)
    fold, angle = rng.choice([6, 4], n, p=[0.6, 0.4]), rng.uniform(-np.pi, np.pi, n)
    pictures = [patch(a, s, f, side) for a, s, f in zip(angle, rng.uniform(-0.5, 0.5, (n, 2)), fold, strict=True)]
    windows = np.array(pictures) + noise * rng.standard_normal((n, side, side))
    return windows.astype(np.float32), fold, angle


def concordance(fold: np.ndarray, true: np.ndarray, found: np.ndarray, of: int) -> float:
    """|<exp(i n (found - true))>| over the motifs of n-fold symmetry, for the better handedness of the angle."""
    mine = fold == of
    return max(abs(np.exp(1j * of * (found + sign * true))[mine].mean()) for sign in (-1, 1))


def motifs(seed: int, environments: Path | None) -> list[str]:
    """Rand index and angle concordance on randomly rotated hexagons and squares."""
    windows, fold, angle = motif_windows(seed)
    part, started = SubImages(windows, Atoms.at(np.zeros((len(windows), 2)))), time.perf_counter()
    columns = TrainVae(seed=seed, rotation_prior=100)(part).encode(windows)
    seconds = time.perf_counter() - started
    labels = Cluster(by=GaussianMixture(classes=2), seed=seed)(part.atoms.with_features(**columns)).features["label"]
    found = columns["angle_rad"].to_numpy()
    cells = [f"{adjusted_rand_score(fold, labels):.3f}"]
    cells += [f"{concordance(fold, angle, found, of):.4f}" for of in (6, 4)] + [f"{seconds:.0f}"]
    if environments is not None and seed == 0:
        peer = atomai(environments, windows, epochs=60, prior=np.pi / 3, seed=seed)
        theirs = part.atoms.with_features(z0=peer["latents"][:, 0], z1=peer["latents"][:, 1])
        rand = adjusted_rand_score(fold, Cluster(by=GaussianMixture(classes=2), seed=seed)(theirs).features["label"])
        turned = ", ".join(f"{concordance(fold, angle, peer['angle'], of):.2f}" for of in (6, 4))
        cells.append(f"{rand:.2f}; {turned}; {peer['seconds']:.0f} s")
    return cells


def offsets(seed: int, _environments: Path | None) -> list[str]:
    """two_grains cut at the true columns and up to 2 px off: difference of the change of the offset from the shift.

    Trained on the shifted sub-images, and trained on those cut at the columns.
    """
    simulation = simulate_sample("two_grains", seed)
    heavy = simulation.truth[simulation.truth["heavy"]]
    true, window = heavy[["y_px", "x_px"]].to_numpy(), cut(simulation.image).window_size
    inside = ((true > window / 2 + 3) & (true < np.array(simulation.image.shape) - window / 2 - 3)).all(axis=1)
    true = true[inside]
    shift = np.random.default_rng(seed).uniform(-2, 2, true.shape)
    centred, shifted = (
        ExtractSubImages(window_size=window)(Atoms.at(places), simulation.image) for places in (true, true - shift)
    )
    cells = []
    for training in (shifted, centred):
        vae = TrainVae(seed=seed)(training)
        before, after = (vae.encode(p.windows)[["offset_y_px", "offset_x_px"]].to_numpy() for p in (centred, shifted))
        error = after - before - shift
        cells += [f"{np.sqrt((error**2).mean()):.3f}", f"{np.median(np.abs(error)):.3f}"]
    return cells


def noise(seed: int, _environments: Path | None) -> list[str]:
    """Estimated over true variance of the noise: in motifs, and in lsmo_nio, where more than noise remains."""
    cells = []
    for level in (0.05, 0.1, 0.2):
        windows, *_ = motif_windows(seed, noise=level)
        vae = TrainVae(seed=seed, rotation_prior=100)(SubImages(windows, Atoms.at(np.zeros((len(windows), 2)))))
        cells.append(f"{(vae.noise / level) ** 2:.3f}")
    simulation = simulate_sample("lsmo_nio", seed)
    part = cut(simulation.image)
    clean, _ = expected_counts(simulation.scene, simulation.seed)
    counts = simulation.image.data.astype(float)
    to_frame = np.polyfit(counts.ravel(), simulation.image.frames[0].ravel().astype(float), 1)
    rest = Image(np.polyval(to_frame, counts) - np.polyval(to_frame, clean), name="noise")
    back = np.polyfit(rest.frames[0].ravel().astype(float), rest.data.ravel(), 1)
    true = np.polyval(back, ExtractSubImages(window_size=part.window_size)(part.atoms, rest).windows)
    vae = TrainVae(seed=seed)(part)
    true_rows = rows(true, vae.settings.model_copy(update={"center": (0.0,), "scale": (1.0,)}))
    variance = float(true_rows.square().sum(1).mean()) / vae.network.likelihood.numbers
    return [*cells, f"{vae.noise**2 / variance:.2f}"]


def layers(seed: int, _environments: Path | None) -> list[str]:
    """sr3fe2o7 with a window of 32 px: peaks of the angle, and correlation of each latent with the thickness."""
    simulation = simulate_sample("sr3fe2o7", seed)
    cells = []
    for normalise in ("image", "sub-image"):
        part = cut(simulation.image, window_size=32, normalise=normalise)
        true, x = sites(part, simulation.truth), part.atoms.yx[:, 1]
        columns = TrainVae(seed=seed)(part).encode(part.windows)
        angle = columns["angle_rad"].to_numpy()
        layered = true != "Sr3Fe2O7 Sr1"
        axis = np.angle(np.exp(2j * angle[layered]).mean()) / 2
        up = np.cos(angle - axis) > 0
        means = [np.angle(np.exp(1j * angle[layered & side]).mean()) for side in (up, ~up)]
        apart = np.degrees(np.abs(np.angle(np.exp(1j * (means[0] - means[1])))))
        middle = np.angle(np.exp(2j * (angle[~layered] - axis)).mean()) / 2
        wedge = [
            max(abs(np.corrcoef(columns.loc[true == s, z], x[true == s])[0, 1]) for s in np.unique(true))
            for z in ("z0", "z1")
        ]
        cells += [f"{apart:.1f}", f"{np.degrees(abs(middle)):.0f}", f"{wedge[0]:.2f}, {wedge[1]:.2f}"]
    return cells


def memory(_seed: int, _environments: Path | None) -> list[str]:
    """Peak memory of the process that holds 100,000 windows of 48 px, trains on them for one pass and encodes them."""
    rng = np.random.default_rng(0)
    some = np.array([patch(a, np.zeros(2), 4, 48) for a in rng.uniform(-np.pi, np.pi, 200)], np.float32)
    windows = np.empty((100_000, 48, 48), np.float32)
    for i in range(0, len(windows), 200):
        windows[i : i + 200] = some + 0.1 * rng.standard_normal(some.shape, np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    part = SubImages(windows, Atoms.at(np.zeros((len(windows), 2))))
    vae = TrainVae(epochs=1)(part)
    columns = vae.encode(windows)
    vae.symmetry_order(columns[["z0", "z1"]])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return [f"{before:.2f}", f"{peak:.2f}"]


MEASURES = {
    "dose": (
        dose,
        [
            f"{counts}: {name}"
            for counts in (200, 50)
            for name in (
                "angle and latents",
                "latents",
                "latents, 3 classes",
                "Zernike, 3 classes",
                "AtomAI, 3 classes",
            )
        ],
    ),
    "motifs": (motifs, ["adjusted Rand", "6-fold", "4-fold", "seconds", "AtomAI: Rand; 6-fold, 4-fold; seconds"]),
    "offsets": (offsets, ["trained on shifted, rms px", "median px", "trained on centred, rms px", "median px"]),
    "noise": (noise, ["motifs, noise 5 %", "10 %", "20 %", "lsmo_nio"]),
    "layers": (
        layers,
        ["outer peaks apart, degrees", "middle from axis, degrees", "thickness in z0, z1"]
        + ["per sub-image: apart", "middle", "thickness in z0, z1"],
    ),
    "memory": (memory, ["GiB with the windows", "GiB at the peak"]),
}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("measure", choices=list(MEASURES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--environments", type=Path)
    options = parser.parse_args()
    measure, names = MEASURES[options.measure]
    print("| seed | " + " | ".join(names) + " |")
    print("| --- " * (len(names) + 1) + "|")
    for seed in range(1 if options.measure == "memory" else options.seeds):
        print(f"| {seed} | " + " | ".join(measure(seed, options.environments)) + " |", flush=True)


if __name__ == "__main__":
    main()

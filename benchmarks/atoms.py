"""Atoms found and refined, against known positions and the Cramér-Rao bound, beside the finders of other packages.

    python benchmarks/peers/make_environments.py FOLDER
    python benchmarks/atoms.py detection --environments FOLDER [--scenes f2k p1k ...] [--counts 1000 100 ...]
    python benchmarks/atoms.py refinement --environments FOLDER [--scenes f2k p1k] [--counts 1000 100]
    python benchmarks/atoms.py calibration [--scenes ...] [--counts ...]
    python benchmarks/atoms.py speed
    python benchmarks/atoms.py multislice --environments FOLDER [--multislice-image FILE.npz]

The scenes are those of scenes.py. A position counts as found if it and a column are each other's nearest, within a
quarter of the distance of nearest columns; columns and positions within 12 px of the frame do not count. Errors are
root mean squares per axis over the columns matched; the bound is that of the same columns. Ours runs with default
settings. Peers are given the distance of nearest columns and their width if they accept them (see peers/*.py), and an
inverted image if columns are dark; `best` is at the threshold that agrees best with the truth.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from peers.run import python_of
from scenes import SCENES, Array, Scene, scene
from scores import BORDER, best, bound, inside, match, nearest, rms, score

from local_crystallography import Atoms, FindAtoms, Image, RefineAtoms, Segment
from local_crystallography.data.errors import InputError

FINDERS = {
    "atomap": "atomap_atoms.py",
    "hyperspy": "hyperspy_atoms.py",
    "trackpy": "trackpy_atoms.py",
    "skimage": "skimage_atoms.py",
    "atomai": "atomai_locator.py",
}
REFINERS = {name: FINDERS[name] for name in ("atomap", "trackpy", "atomai")}
STARTED = 0.7
"""Standard deviation of the starting positions of the refinement, pixels along each axis."""
STD = ["y_std_px", "x_std_px"]


def find(made: Scene) -> Atoms:
    """Our atoms before refinement; none if it gives up."""
    image = Image(made.image, name=made.name)
    try:
        return FindAtoms()(Segment()(image), image)
    except InputError as error:
        print(f"{made.name}: {error}", file=sys.stderr)
        return Atoms.at(np.zeros((0, 2)))


def refine(atoms: Atoms, made: Scene) -> Atoms:
    """Our atoms after refinement."""
    return RefineAtoms()(atoms, Image(made.image, name=made.name))


def reported(atoms: Atoms) -> Array:
    """Standard deviations (n, 2) that ours reports."""
    return atoms.features[STD].to_numpy(float)


def timed(work: Callable[[], Atoms]) -> tuple[Atoms, float]:
    """The result of some work, and its CPU seconds."""
    clock = time.process_time()
    return work(), time.process_time() - clock


def run_worker(folder: Path, peer: str, worker: str, **given: np.ndarray | float) -> dict[str, np.ndarray]:
    """What a worker finds, by the Python of its environment; nothing if it fails, which is printed."""
    with tempfile.TemporaryDirectory() as name:
        source, result = Path(name, "in.npz"), Path(name, "out.npz")
        np.savez(source, **given)
        command = [str(python_of(folder / peer)), str(Path(__file__).parent / "peers" / worker), source, result]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "MPLBACKEND": "Agg"}
        done = subprocess.run(command, env=environment, cwd=name, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"{worker} failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}", file=sys.stderr)
            return {}
        with np.load(result) as file:
            return dict(file)


def for_peers(made: Scene) -> dict[str, np.ndarray | float]:
    """The input of every worker for a scene."""
    image = made.image.max() - made.image if made.amplitude.mean() < 0 else made.image
    return {"image": image, "nearest": nearest(made), "sigma": float(np.median(made.sigma))}


def print_head(*names: str) -> None:
    """The head of a Markdown table."""
    print("| " + " | ".join(names) + " |\n" + "| --- " * len(names) + "|")


def print_row(made: Scene, counts: float, *cells: str) -> None:
    """A row of a Markdown table."""
    print("| " + " | ".join([made.name, f"{counts:g}", *cells]).replace("nan", "–") + " |", flush=True)


def detection(options: argparse.Namespace) -> None:
    """F1 with default settings and at the best threshold, CPU time; errors of peers are at the best threshold."""
    print_head("scene", "counts", "method", "F1", "missed", "false", "F1 best", "error, px", "error / bound", "CPU s")
    for made, counts in scenes_of(options):
        lowest = bound(made)
        rows, atoms, seconds = [], *timed(lambda made=made: find(made))
        rows.append(("ours, found", score(made, atoms.yx, lowest), None, seconds))
        atoms, more = timed(lambda made=made, atoms=atoms: refine(atoms, made))
        rows.append(("ours, refined", score(made, atoms.yx, lowest, reported(atoms)), None, seconds + more))
        for peer, worker in wanted(options, FINDERS).items():
            given = for_peers(made)
            if peer == "atomai":
                given["probability"] = Segment()(Image(made.image, name=made.name))
            found = run_worker(options.environments, peer, worker, **given)
            for name in [key.removesuffix("/default") for key in found if key.endswith("/default")]:
                default = score(made, found[f"{name}/default"], lowest)
                rows.append((name, default, best(made, found, name, lowest), float(found[f"{name}/cpu"])))
        for name, default, tuned, seconds in rows:
            last = default if tuned is None else tuned
            cells = [
                f"{default.f1:.3f}",
                str(default.missed),
                str(default.false),
                "–" if tuned is None else f"{tuned.f1:.3f}",
            ]
            print_row(made, counts, name, *cells, f"{last.error:.3f}", f"{last.over_bound:.2f}", f"{seconds:.2f}")


def refinement(options: argparse.Namespace) -> None:
    """Error from the same start, columns lost (farther than a quarter of the nearest distance), CPU time per atom."""
    print_head("scene", "counts", "method", "lost", "error, px", "error / bound", "error / reported", "CPU µs per atom")
    first = scene("f2k", 100, options.seed)
    refine(Atoms.at(first.truth), first)  # the first call loads libraries
    for made, counts in scenes_of(options):
        near = ((made.truth > BORDER / 2) & (made.truth < np.array(made.image.shape) - BORDER / 2)).all(axis=1)
        truth, lowest = made.truth[near], bound(made)[near]
        start = truth + np.random.default_rng([options.seed, 3]).normal(0, STARTED, truth.shape)
        rows = [("start", start, 0.0, None)]
        atoms, seconds = timed(lambda made=made, start=start: refine(Atoms.at(start), made))
        rows.append(("ours", atoms.yx, seconds, reported(atoms)))
        for peer, worker in wanted(options, REFINERS).items():
            found = run_worker(options.environments, peer, worker, start=start, **for_peers(made))
            for name in [key.removesuffix("/default") for key in found if key.endswith("/default")]:
                rows.append((name, found[f"{name}/default"], float(found[f"{name}/cpu"]), None))
        for name, yx, seconds, std in rows:
            counted, off = inside(made, truth), yx - truth
            kept = counted & (np.linalg.norm(off, axis=1) < nearest(made) / 4)
            over = "–" if std is None else f"{rms(off[kept] / std[kept]):.2f}"
            cells = [f"{rms(off[kept]):.4f}", f"{rms(off[kept]) / rms(lowest[kept]):.2f}", over]
            print_row(
                made, counts, name, str(int(counted.sum() - kept.sum())), *cells, f"{1e6 * seconds / len(start):.0f}"
            )


def calibration(options: argparse.Namespace) -> None:
    """Errors over the standard deviations that ours reports, for every kind of column; 1 is right."""
    print_head(
        "scene",
        "counts",
        "kind",
        "matched",
        "error, px",
        "reported, px",
        "bound, px",
        "error / reported",
        "within 1, 68 %",
    )
    for made, counts in scenes_of(options):
        atoms, lowest = refine(find(made), made), bound(made)
        std = reported(atoms)
        rows, columns = match(made, atoms.yx)
        for kind in ["all", *np.unique(made.kind)]:
            some = inside(made, made.truth[columns]) & ((kind == "all") | (made.kind[columns] == kind))
            off, own = atoms.yx[rows[some]] - made.truth[columns[some]], std[rows[some]]
            cells = [f"{rms(values):.4f}" for values in (off, own, lowest[columns[some]])]
            share = np.mean(np.abs(off) < own)
            print_row(made, counts, kind, str(some.sum()), *cells, f"{rms(off / own):.2f}", f"{share:.1%}")


def speed(options: argparse.Namespace) -> None:
    """Seconds of every step on a 2048 x 2048 image with 10,900 columns, in one run; CPU seconds in brackets."""
    made = scene("f10k", 100, options.seed)
    image = Image(made.image, name=made.name)
    steps = {"Segment": lambda _: Segment()(image), "FindAtoms": lambda given: FindAtoms()(given, image)}
    steps["RefineAtoms"] = lambda given: RefineAtoms()(given, image)
    given, spent = None, []
    for work in steps.values():
        clock = time.perf_counter(), time.process_time()
        given = work(given)
        spent.append((time.perf_counter() - clock[0], time.process_time() - clock[1]))
    print_head("columns", *steps, "all, s (CPU)", "F1", "error / bound")
    one = score(made, given.yx, bound(made), reported(given))
    times = [f"{wall:.1f} ({cpu:.1f})" for wall, cpu in [*spent, np.sum(spent, axis=0)]]
    print("| " + " | ".join([str(len(given)), *times, f"{one.f1:.4f}", f"{one.over_bound:.2f}"]) + " |")


def multislice(options: argparse.Namespace) -> None:
    """Ours on a multislice image of SrTiO3 and on Gaussians with the same positions, heights and widths."""
    saved = options.multislice_image
    if saved is None or not saved.exists():
        drawn = run_worker(options.environments, "abtem", "abtem_image.py", seed=options.seed)
        if saved is not None and drawn:
            np.savez(saved, **drawn)
    else:
        with np.load(saved) as file:
            drawn = dict(file)
    if not drawn:
        sys.exit("The multislice image was not made.")
    print_head("image", "counts", "method", "F1", "missed", "false", "error, px", "error / bound", "error / reported")
    for counts in options.counts:
        for name in ("multislice", "gaussian"):
            made = from_multislice(drawn, name, counts, options.seed)
            found = find(made)
            refined = refine(found, made)
            for step, atoms, std in (("found", found, None), ("refined", refined, reported(refined))):
                one = score(made, atoms.yx, bound(made), std, ignored="light")
                cells = [f"{one.f1:.3f}", str(one.missed), str(one.false), f"{one.error:.3f}", f"{one.over_bound:.2f}"]
                print_row(made, counts, f"ours, {step}", *cells, f"{one.over_std:.2f}")


def from_multislice(drawn: dict[str, np.ndarray], name: str, counts: float, seed: int) -> Scene:
    """A scene of the multislice image, or of the Gaussians fitted to it; counts at a strontium column."""
    expected, random = drawn[name] * counts, np.random.default_rng([seed, 4, round(1000 * counts)])
    same = {key: drawn[key] for key in ("truth", "kind", "sigma")}
    image = random.poisson(np.maximum(expected, 0)).astype(np.float32)
    heights = {"amplitude": drawn["amplitude"] * counts, "background": np.full(image.shape, drawn["ground"] * counts)}
    return Scene(name, image, specimen=drawn["truth"], expected=drawn["gaussian"] * counts, **same, **heights)


def wanted(options: argparse.Namespace, workers: dict[str, str]) -> dict[str, str]:
    """Workers of the selected peers; none without their environments."""
    return {peer: workers[peer] for peer in workers if options.environments and peer in options.peers}


def scenes_of(options: argparse.Namespace):
    """The selected scenes, with their counts."""
    for name in options.scenes:
        for counts in options.counts:
            yield scene(name, counts, options.seed), counts


def main() -> None:
    """Print a Markdown table."""
    measures = {work.__name__: work for work in (detection, refinement, calibration, speed, multislice)}
    parser = argparse.ArgumentParser()
    parser.add_argument("measure", choices=measures)
    parser.add_argument(
        "--environments", type=Path, help="folder filled by make_environments.py; without it, ours alone"
    )
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=["f2k", "p1k", "dumb", "lite"])
    parser.add_argument("--counts", nargs="+", type=float, default=[1000, 100, 30, 10])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", nargs="*", choices=FINDERS, default=list(FINDERS), help="default: all")
    parser.add_argument("--multislice-image", type=Path, help="file in which the image is kept, and read if it exists")
    options = parser.parse_args()
    measures[options.measure](options)


if __name__ == "__main__":
    main()

"""Grains and angles found with nothing set, at simulated boundaries between two randomly rotated grains.

    python benchmarks/grains.py [--count 10] [--first 0]

SrTiO3 along [001], 512 x 512 px, a straight boundary at random, at 30 to 300 counts. Error: angle between the grains,
less the true one. Error over reported: root mean square of the angles of the atoms inside a grain about the true angle
(after subtracting the mean of the kind in the larger grain), over that of `angle_std_rad`. Summary: that of the run.
"""

import argparse

import numpy as np

from local_crystallography import Analysis
from local_crystallography.clustering.environment import orientations
from local_crystallography.data.progress import finish
from local_crystallography.simulate.regions import HalfPlane
from local_crystallography.simulate.scene import Grain, Scene
from local_crystallography.simulate.score import match
from local_crystallography.simulate.simulation import Simulation, simulate_scene


def picture(number: int) -> Simulation:
    """The picture with this number, always the same."""
    random = np.random.default_rng([2033, number])
    first = random.uniform(-0.7, 0.7)
    second = first + random.choice([-1, 1]) * np.radians(random.uniform(5, 40))
    normal, away = random.uniform(-np.pi, np.pi), random.uniform(-1, 1)
    grains = (
        Grain(structure="SrTiO3", angle=first),
        Grain(
            structure="SrTiO3",
            angle=float((second + np.pi) % (2 * np.pi) - np.pi),
            origin=tuple(random.uniform(-0.2, 0.2, 2)),
            region=HalfPlane(angle=normal, through=(away, away)),
        ),
    )
    dose = float(np.exp(random.uniform(np.log(30), np.log(300))))
    scene = Scene(shape=(512, 512), pixel_size=0.0168, grains=grains, probe_fwhm=0.11, static_rms=0.002, dose=dose)
    return simulate_scene(scene, number, f"boundary {number}")


def nearest_turn(angle: np.ndarray, period: float) -> np.ndarray:
    """Angles reduced to half a period about 0."""
    return (angle + period / 2) % period - period / 2


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    for name, default in (("count", 10), ("first", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    print(
        "| number | misorientation, degrees | its error, degrees | angles: error / reported, by kind | summary |\n|"
        + " --- |" * 5
    )
    for number in range(options.first, options.first + options.count):
        simulation = picture(number)
        truth = simulation.truth
        between = nearest_turn(np.diff([grain.angle for grain in simulation.scene.grains]), np.pi / 2)[0]
        analysis = Analysis(simulation.image)
        finish(analysis.run(analysis.recipe))
        atoms = analysis.atoms
        if atoms is None or "label" not in atoms.features:
            print(f"| {number} | {abs(np.degrees(between)):.2f} | | | {analysis.doubt} |", flush=True)
            continue
        _, angles, _, period = orientations(atoms, 0)
        off = np.nan
        if len(angles) == 2:
            off = abs(nearest_turn(np.diff(angles), period)[0]) - abs(nearest_turn(np.array([between]), period)[0])
        ratios, features = [], atoms.features
        rows, columns = match(atoms.yx, truth[["y_px", "x_px"]].to_numpy(float), reach=4.0)
        angle = truth["grain_angle_rad"].to_numpy()[columns]
        for kind in range(int(features["label"].max()) + 1):
            inside = ((features["label"] == kind) & (features["environment"] == 0)).to_numpy()[rows]
            found, turns = features.iloc[rows[inside]], np.pi / 2
            error = nearest_turn(found["angle_rad"].to_numpy() - angle[inside], turns)
            error = nearest_turn(error - np.angle(np.exp(4j * error).mean()) / 4, turns)
            ratios.append(np.sqrt((error**2).mean() / (found["angle_std_rad"] ** 2).mean()))
        shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
        true, off = abs(np.degrees(between)), np.degrees(off)
        print(f"| {number} | {true:.2f} | {off:.2f} | {shown} | {analysis.summary} |", flush=True)


if __name__ == "__main__":
    main()

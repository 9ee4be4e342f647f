"""Section 1 of the paper: when a chain counts as alternating, the error rates, and the same around every atom.

python examples/bayesian_symmetry.py --out bayesian_symmetry
"""

import argparse
import logging
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from local_crystallography import Atoms, ChainModel, DecideSymmetry, MeasureLattice, SimulatedChain, calibrate_chain
from local_crystallography.bayes.calibrate import ChainTrials
from local_crystallography.bayes.decision import Decision
from local_crystallography.data.progress import finish
from local_crystallography.report.symmetry import (
    calibration_figure,
    chain_figure,
    study_figure,
    write_figure,
)
from local_crystallography.views.chain_view import decision_words
from local_crystallography.views.styles import DECIDED

ATOMS, SPACING = 60, 20.0


def chains(out: Path) -> None:
    """Fig. 1b to 1e of both cases, and how often the decision on case 2 is right."""
    model = ChainModel()
    for case in (1, 2):
        chain = SimulatedChain.of_case(case)()
        result = model(chain)
        logging.info("Case %d. %s", case, " ".join(decision_words(result, model)))
        write_figure(chain_figure(chain, result, model), out / f"case_{case}.png")
    trials = ChainTrials(cells=200, differences=(0.0, 0.05, 0.1, 0.15, 0.2))
    calibration = finish(calibrate_chain(model, trials))
    write_figure(calibration_figure(calibration), out / "case_2_calibration.png")
    edge = int(np.argmin(np.abs(calibration.differences - model.rope_half_width)))
    shares = [100 * calibration.at_end.symmetric[edge], 100 * calibration.at_end.broken[edge]]
    logging.info(
        "The true difference of case 2 is the edge of the ROPE of the paper: of %d such chains %.1f %% are called "
        "symmetric and %.1f %% broken, by chance; the rest is undecided, and longer chains do not change that.",
        trials.chains,
        *shares,
    )


def domain_wall() -> Atoms:
    """A square lattice of 60 x 60 atoms, rotated by 3 degrees; bonds along x alternate by 10 % in its left half."""
    row, column = np.indices((ATOMS, ATOMS)).reshape(2, -1)
    moved = np.where(column < ATOMS // 2, 0.025, 0.0) * (-1.0) ** column
    noise = np.random.default_rng(0).normal(0, 0.03, (ATOMS**2, 2))
    yx = SPACING * (np.stack([row, column + moved], axis=1) + noise)
    turn = np.array([[np.cos(np.radians(3)), np.sin(np.radians(3))], [-np.sin(np.radians(3)), np.cos(np.radians(3))]])
    return Atoms.at(yx @ turn, pixel_size=0.02)


def local_map(out: Path) -> None:
    """The decision around every atom, and how many cells it takes."""
    step = DecideSymmetry()
    atoms = MeasureLattice()(domain_wall())
    table = step(atoms).features
    figure = Figure((10, 5.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    for each in Decision:
        here = atoms.yx[(table["alternation_decision"] == each).to_numpy()]
        left.scatter(here[:, 1], here[:, 0], s=11, marker="s", linewidths=0, color=DECIDED[each], label=each.words)
    figure.legend(loc="outside lower left", ncols=4, frameon=False, markerscale=2)
    cells = right.scatter(atoms.yx[:, 1], atoms.yx[:, 0], s=12, marker="s", c=table["deciding_cells"], cmap="viridis")
    figure.colorbar(cells, ax=right, label="Doubled cells that decide", shrink=0.8)
    for axes in (left, right):
        axes.set(xlabel="x (px)", ylabel="y (px)", aspect="equal")
        axes.invert_yaxis()
    left.set_title("Do bonds alternate?")
    right.set_title("Smallest window that decides")
    write_figure(figure, out / "domain_wall.png")
    write_figure(study_figure(finish(step.study(atoms))), out / "domain_wall_windows.png")
    counts = table["alternation_decision"].value_counts()
    logging.info("Domain wall: %s.", ", ".join(f"{counts.get(int(d), 0)} atoms {d.words}" for d in Decision))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bayesian_symmetry"), help="folder for the figures")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    chains(folder)
    local_map(folder)

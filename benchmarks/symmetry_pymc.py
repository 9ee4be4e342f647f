"""The closed form of the chain of section 1 against PyMC: 100,000 draws for case 2 of the paper.

    python benchmarks/symmetry_pymc.py [--draws 25000] [--seed 0]

Errors are in percent of the width of the 94 % HDI of the closed form: of the mean, and the largest of the 3, 25, 75 and
97 % quantiles. mu1 to sigma2 and the paired and independent mu3 have noise on the bonds, mu3 of positions has a third
of it on every position. The draws themselves have errors, 0.1 % for the mean and 0.3 % for the outer quantiles.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np

from local_crystallography.bayes.bonds import CASES, DEVIATION, Chain, simulate_chain
from local_crystallography.bayes.chain import ChainModel, ChainResult
from local_crystallography.bayes.decision import Decision, Rope, decide
from local_crystallography.bayes.interval import interval_of_draws
from local_crystallography.bayes.posterior import Posterior
from local_crystallography.bayes.reference_models import Bonds, Positions
from local_crystallography.bayes.sampling import Reference, ReferencePosterior
from local_crystallography.data.progress import finish

CELLS = (10, 20, 50, 100, 200)
ROPE = Rope.about_zero(0.1)
Pair = tuple[str, Posterior, np.ndarray]


def first(chain: Chain, cells: int) -> Chain:
    """The first unit cells of a chain."""
    return Chain(chain.positions[: 2 * cells + 1])


def of_bonds(closed: dict[str, ChainResult], drawn: Reference) -> Iterator[Pair]:
    """Name, closed form and draws of every quantity in the model of bonds."""
    result, draws = closed["paired"], drawn.draws
    for name in ("mu1", "mu2", "sigma1", "sigma2"):
        yield name, getattr(result, name)[1], draws[name]
    yield "mu3, paired", result.mu3[-1], draws["mu3"]
    yield "mu3, independent", closed["independent"].mu3[-1], draws["mu2"] - draws["mu1"]


def row(cells: int, pair: Pair) -> tuple[float, float, bool]:
    """Print a line of the table; errors of mean and quantiles, and whether decisions are equal."""
    name, closed, draws = pair
    low, high = (float(edge[0]) for edge in closed.interval(0.94, "HDI"))
    width = high - low
    off = 100 * abs(float(closed.mean()[0]) - draws.mean()) / width
    quantiles = [float(edge[0]) for mass in (0.94, 0.5) for edge in closed.interval(mass, "ETI")]
    worst = 100 * float(np.abs(np.quantile(draws, [0.03, 0.97, 0.25, 0.75]) - quantiles).max()) / width
    decisions = [Decision(int(decide(*edges, ROPE))) for edges in ((low, high), interval_of_draws(draws, 0.94))]
    line = f"| {cells} | {name} | {off:.2f} | {worst:.2f} |"
    if name.startswith("mu3"):
        inside = float(closed.share_inside(ROPE)[0]), float(np.mean((draws >= ROPE.low) & (draws <= ROPE.high)))
        line += f" {inside[0]:.4f} / {inside[1]:.4f} | {decisions[0].words} / {decisions[1].words} |"
    else:
        line += " | |"
    print(line, flush=True)
    return off, worst, decisions[0] == decisions[1] or not name.startswith("mu3")


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=25_000, help="of each of four chains")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    odd, even = CASES[2]
    sample = ReferencePosterior(chains=4, draws=options.draws, seed=options.seed)
    same = {"odd": odd, "even": even, "seed": options.seed}
    bonds = simulate_chain(max(CELLS), deviation=DEVIATION, noise="bonds", **same)
    positions = simulate_chain(max(CELLS), deviation=DEVIATION / 3, noise="positions", **same)
    print("| unit cells | of | mean, % | quantiles, % | P(ROPE), closed / drawn | decision, closed / drawn |")
    print("| --- | --- | --- | --- | --- | --- |")
    scores, troubles, seconds = [], 0, []
    for cells in CELLS:
        chain, started = first(bonds, cells), time.process_time()
        closed = {kind: ChainModel(difference=kind)(chain) for kind in ("paired", "independent")}
        lattice = ChainModel(difference="positions")(first(positions, cells))
        seconds.append(time.process_time() - started)
        drawn = finish(sample(Bonds.of_chain(chain, closed["paired"].priors)))
        fitted = finish(sample(Positions.of_chain(first(positions, cells).positions)))
        pairs = [*of_bonds(closed, drawn), ("mu3, positions", lattice.mu3[-1], fitted.draws["mu3"])]
        scores += [row(cells, pair) for pair in pairs]
        troubles += drawn.divergences + fitted.divergences + (not drawn.sound) + (not fitted.sound)
    off, worst, equal = zip(*scores, strict=True)
    print(
        f"\nLargest error of a mean {max(off):.2f} %, of a quantile {max(worst):.2f} %; decisions equal: {all(equal)}."
    )
    print(f"Divergences and unsound runs: {troubles}. Closed forms took {max(seconds):.2f} s at most for all three.")


if __name__ == "__main__":
    main()

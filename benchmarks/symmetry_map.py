"""Decisions around every atom of a simulated domain wall: right ones, wrong ones, coverage of intervals and time.

    python benchmarks/symmetry_map.py [--images 10] [--sites 20]

100 x 100 atoms, noise 3 % of the cell, bonds along a alternating by 0.1 in the left half and not in the right,
rotated by 3 degrees and bent; ROPE 5 % of the cell, intervals of 94 %. Halves leave out sites nearer to the wall than
the radius, whose windows contain a mixture; those count as the wall. Coverage is that of the intervals of alternation,
b / a and the cell angle at the atom, in bent lattices of 40 x 40 atoms without a wall, over `--images` times 10 of
them. nutpie draws 2 x 500 after 500 of tuning, compiled once. CPU time is of one process, lattices measured before.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from local_crystallography import Atoms, MeasureLattice
from local_crystallography.bayes.decision import Decision
from local_crystallography.bayes.local import alternation, cell_angle, tetragonality
from local_crystallography.bayes.nets import nets
from local_crystallography.bayes.windows import Windows, neighbours, offsets_within, regressions, sign
from local_crystallography.data.progress import finish
from local_crystallography.steps.symmetry import BENT, DecideSymmetry

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from walls import domain_wall, net

RADII = (1.6, 2.3, 3.1, 4.1, 5.1, 6.1)
MASS = 0.94


def coverage(radius: float, fill: bool, seeds: int) -> list[float]:
    """Shares of intervals of alternation, b/a and angle that contain the true value."""
    held = []
    for seed in range(seeds):
        made = net(40, s=(0.025, 0), sd=0.03, seed=seed, turn=np.radians(3), cell=((1, 0), (0.02, 1.01)), bend=0.02)
        fit = finish(regressions(made, Windows((radius,), ("a",), fill)))[0]
        cell = finish(regressions(made, Windows((radius,), ("a",), fill, bent=radius >= BENT)))[0]
        # bending changes the cell from atom to atom
        calm = net(40, s=(0.025, 0), turn=np.radians(3), cell=((1, 0), (0.02, 1.01)), bend=0.02)
        true = finish(regressions(calm, Windows((4.1,), ("a",), bent=True)))[0]
        exact = np.full(len(fit.atoms), 0.1), tetragonality(true).mean, cell_angle(true).mean
        found = alternation(fit, "a"), tetragonality(cell), cell_angle(cell)
        known = fit.known & cell.known & true.known
        held.append(
            [
                (np.abs(p.mean - value) <= p.half_width(MASS))[known].mean()
                for p, value in zip(found, exact, strict=True)
            ]
        )
    return np.mean(held, axis=0).tolist()


def shares(decision: np.ndarray, chosen: np.ndarray) -> str:
    """Broken, undecided and symmetric, per cent."""
    order = Decision.BROKEN, Decision.UNDECIDED, Decision.SYMMETRIC
    return " / ".join(f"{100 * (decision[chosen] == which).mean():.1f}" for which in order)


def walls(images: int) -> None:
    """The table of decisions."""
    made = [domain_wall(seed=seed) for seed in range(images)]
    h = made[0][1][:, 0]
    measured = [MeasureLattice()(Atoms.at(yx)) for yx, _ in made]
    print(
        "| kind | windows at edges | R | cells | CPU s | left: br/un/sy % | right: br/un/sy % | wall | wrong | cover |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    tried: list[np.ndarray] = []
    for kind, fill, radius in [
        *((kind, fill, radius) for kind, fill in (("a", False), ("a", True)) for radius in RADII),
        *((kind, True, 5.1) for kind in ("commonest", "strongest")),
    ]:
        step = DecideSymmetry(alternation=kind, radius=radius, windows=0, fill=fill)
        begin = time.process_time()
        tables = [step(atoms).features for atoms in measured]
        spent = (time.process_time() - begin) / images
        decision = np.concatenate([table["alternation_decision"] for table in tables])
        tried += [decision] if kind == "a" and fill else []
        left, right = (np.tile(side, images) for side in (h < 50 - radius, h > 49 + radius))
        wrong = (decision[left] == Decision.SYMMETRIC).sum() + (decision[right] == Decision.BROKEN).sum()
        cells = len(offsets_within(np.eye(2), radius)[0]) / 2
        covered = ", ".join(f"{share:.3f}" for share in coverage(radius, fill, 10 * images)) if kind == "a" else ""
        row = (shares(decision, left), shares(decision, right), shares(decision, ~left & ~right))
        print(
            f"| {kind} | {'filled' if fill else 'cut'} | {radius} | {cells:g} | {spent:.2f} | {' | '.join(row)} | "
            f"{wrong} of {left.sum() + right.sum()} | {covered} |",
            flush=True,
        )
    first = np.full(len(tried[0]), int(Decision.UNDECIDED))
    for decision in reversed(tried):
        first = np.where(np.isin(decision, (Decision.BROKEN, Decision.SYMMETRIC)), decision, first)
    left, right = (np.tile(side, images) for side in (h < 50 - RADII[-1], h > 49 + RADII[-1]))
    print(f"\nFirst of the six filled windows that decides: left {shares(first, left)}, right {shares(first, right)}.")
    begin = time.process_time()
    for atoms in measured:
        DecideSymmetry()(atoms)
    print(f"\nThe whole step, 10,000 atoms: {(time.process_time() - begin) / images:.2f} s of CPU for 7 windows.")


def against_nutpie(sites: int) -> None:
    """Closed form compared with draws, site by site."""
    import nutpie
    import pymc as pm

    (made,) = nets(MeasureLattice()(Atoms.at(domain_wall()[0])))
    fit = finish(regressions(made, Windows((4.1,), ("a",))))[0]
    closed = alternation(fit, "a")
    offsets, _ = offsets_within(made.vectors, 4.1)
    inner = np.flatnonzero(fit.atoms == fit.atoms.max())
    chosen = np.random.default_rng(0).choice(inner, sites, replace=False)
    compiled, spent, off, same = None, [], [], 0
    for site in chosen:
        near = neighbours(made, offsets, slice(site, site + 1))[0]
        direction = fit.coefficients[site, 1] / np.linalg.norm(fit.coefficients[site, 1]) ** 2
        x = np.column_stack([np.ones(len(near)), offsets, sign(made.index[near], "a")]).astype(float)
        y = (made.yx[near] - made.yx[site]) @ direction
        if compiled is None:
            with pm.Model() as model:
                terms, values = pm.Data("x", x), pm.Data("y", y)
                beta = pm.Flat("beta", shape=4)
                log_sigma = pm.Flat("log_sigma")
                pm.Normal("seen", terms @ beta, pm.math.exp(log_sigma), observed=values)
            start = {"beta": np.array([0.0, 1.0, 0.0, 0.0]), "log_sigma": np.log(0.03)}
            model.rvs_to_initial_values.update({model[name]: value for name, value in start.items()})
            compiled = nutpie.compile_pymc_model(model)
        begin = time.perf_counter()
        trace = nutpie.sample(compiled.with_data(x=x, y=y), draws=500, tune=500, chains=2, seed=1, progress_bar=False)
        spent.append(time.perf_counter() - begin)
        draws = 4 * trace["posterior"]["beta"].to_numpy()[..., 3].ravel()
        edges = np.quantile(draws, [0.03, 0.97])
        half = closed.half_width(MASS)[site]
        ours = closed.mean[site] + np.array([-half, half])
        off.append(np.abs(edges - ours).max() / (2 * half))
        same += int(all((edge > 0.05) == (own > 0.05) for edge, own in zip(edges, ours, strict=True)))
    each = float(np.median(spent))
    print(
        f"\nnutpie, R = 4.1, {sites} sites: {each:.3f} s per site, so {each * 1e4 / 60:.0f} min for 10,000; edges "
        f"of the interval differ by {100 * np.median(off):.1f} % of its width (median; largest "
        f"{100 * max(off):.1f} %); same side of the ROPE at {same} of {sites}."
    )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=10)
    options.add_argument("--sites", type=int, default=20, help="sites sampled by nutpie; 0 for none")
    given = options.parse_args()
    walls(given.images)
    if given.sites:
        against_nutpie(given.sites)

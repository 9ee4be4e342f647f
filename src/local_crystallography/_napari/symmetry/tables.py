"""Tables in rich text: calibration by simulated chains and windows, reference draws, and weights of lattices."""

from __future__ import annotations

from collections.abc import Sequence

from local_crystallography._napari.widgets.pictures import rich_table
from local_crystallography.bayes.calibrate import Calibration, Rates
from local_crystallography.bayes.calibrate_windows import WindowCalibration
from local_crystallography.bayes.decision import Decision, decide
from local_crystallography.bayes.sampling import Reference
from local_crystallography.bayes.weights import ModelWeights
from local_crystallography.views.chain_view import ChainView


def calibration_table(found: Calibration, unit: str = "") -> str:
    """Coverage and decisions of simulated chains, a column for every true difference."""
    trials, model = found.trials, found.model
    rules = {
        f"all {trials.cells} cells": found.at_end,
        "first decision": found.at_first,
        "precision": found.at_precision,
    }
    count = range(len(found.differences))
    rows = [("in interval, %", *(_coverage(found.coverage[d], found.coverage_error[d]) for d in count))]
    rows += [(name, *(_rates(*_of(rates, d)) for d in count)) for name, rates in rules.items()]
    return _table(
        f"{trials.chains} simulated chains, noise on {trials.noise}; nominal {model.hdi_prob:.0%}. Below: decided "
        "symmetric/broken/undecided, %.",
        (f"true{unit and f', {unit}'}", *(f"{difference:.3g}" for difference in found.differences)),
        rows,
    )


def window_table(found: WindowCalibration, mass: float) -> str:
    """Coverage and decisions of simulated windows, for every true difference."""
    columns = (found.differences, found.coverage, found.coverage_error, found.symmetric, found.broken, found.undecided)
    rows = [
        (f"{true:.3g}", _coverage(coverage, error), _rates(symmetric, broken, undecided))
        for true, coverage, error, symmetric, broken, undecided in zip(*columns, strict=True)
    ]
    return _table(
        f"Simulated windows of {found.cells:g} unit cells; nominal {mass:.0%}.",
        ("true", "in interval, %", "symmetric/broken/undecided, %"),
        rows,
    )


def reference_table(view: ChainView, reference: Reference) -> str:
    """Closed form beside the draws, with the diagnostics of the draws."""
    closed = {
        "mu1": view.mu1[-1],
        "mu2": view.mu2[-1],
        "sigma1": view.sigma1[-1],
        "sigma2": view.sigma2[-1],
        "mu3": view.result.mu3[view.row],
    }
    mass, kind, rows = view.model.hdi_prob, view.model.kind, []
    for name, posterior in closed.items():
        if name in reference.draws and (name != "mu3" or view.model.difference != "independent"):
            low, high = (float(edge[0]) for edge in posterior.interval(mass, kind))
            drawn = reference.interval(name, mass, kind)
            rows.append((name, _span(low, high), _span(*drawn), f"{reference.r_hat[name]:.3f}"))
    decided = ""
    if "mu3" in reference.draws and view.model.difference != "independent":
        low, high = reference.interval("mu3", mass, kind)
        by_draws = Decision(int(decide([low], [high], view.model.rope)[0]))
        decided = f" Closed form: {view.decision.words}; draws: {by_draws.words}."
    sizes = [*reference.ess_bulk.values(), *reference.ess_tail.values()]
    shape = next(iter(reference.draws.values())).shape
    stopped = ", stopped early" if reference.stopped else ""
    sound = "sound" if reference.sound else "⚠ not reliable: draw more"
    return _table(
        f"{reference.sampler}: {shape[0]} × {shape[1]} draws in {reference.seconds:.1f} s{stopped}; "
        f"{reference.divergences} divergences, smallest ESS {min(sizes):.0f}: {sound}.{decided}",
        (f"{mass:.0%} {kind}", "closed form", "draws", "R-hat"),
        rows,
    )


def weights_table(found: dict[str, ModelWeights]) -> str:
    """The most probable lattices of every region."""
    rows = []
    for region, weights in found.items():
        best = [f"{name} {w:.0%}" for name, w in zip(weights.names, weights.weights, strict=True) if w >= 0.005]
        rows.append((region, f"{weights.atoms:,}", ", ".join(best[:3])))
    return _table("Weights of lattices, by marginal likelihood (BIC):", ("region", "atoms", "lattice"), rows)


def _of(rates: Rates, d: int) -> tuple[float, float, float]:
    return rates.symmetric[d], rates.broken[d], rates.undecided[d]


def _rates(symmetric: float, broken: float, undecided: float) -> str:
    if symmetric != symmetric:  # NaN: the job was stopped before
        return "—"
    return f"{100 * symmetric:.0f}/{100 * broken:.0f}/{100 * undecided:.0f}"


def _coverage(share: float, error: float) -> str:
    return "—" if share != share else f"{100 * share:.1f} ± {100 * error:.1f}"


def _span(low: float, high: float) -> str:
    return f"{low:.4g} to {high:.4g}"


def _table(words: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"<qt>{words}{rich_table(head, rows, 'left')}</qt>"

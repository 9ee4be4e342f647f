"""Maximum a posteriori fit of row shifts, fly-back and displacements to the rows of an image."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import optimize, sparse
from scipy.sparse.linalg import SuperLU, splu

from local_crystallography.data.arrays import Array
from local_crystallography.data.progress import Job, Progress
from local_crystallography.scan.rows import ImageModel, RowEvidence, fit_model, measure_rows
from local_crystallography.scan.terms import Crystal, choose_terms

OUTLIER = 3.0  # standard deviations beyond which the restraint of a column to its lattice is loosened
FREE = 1e4  # looseness of a column on no lattice
ROUNDS = 4
LEARNING_ROUNDS = (1, 2)  # rounds in which the standard deviations are estimated
RIDGE = 1e-6  # prior precision of free terms, 1/px²
LIMITS = np.log([[0.01, 0.01, 3.0, 0.02], [5.0, 10.0, 1000.0, 5.0]])


@dataclass(frozen=True)
class Deviations:
    """Standard deviations of rows and columns, px.

    Parameters
    ----------
    jitter
        Independent shift of each row.
    wobble, memory
        Slowly varying shift, and its correlation length in rows.
    static
        Displacement of columns from their lattice.
    """

    jitter: float = 0.4
    wobble: float = 0.8
    memory: float = 50.0
    static: float = 0.3


@dataclass(frozen=True)
class RowFit:
    """State of the fit of the rows.

    Parameters
    ----------
    row_shift
        (H,) shift of each row along x, px.
    model, x
        Columns and background, and (N,) positions of the columns along x in px, without the shifts of their rows.
    expected
        (N,) positions along x expected from the lattice, including fly-back; NaN off all lattices.
    looseness
        (N,) factor by which the restraint of each column to its lattice is loosened.
    flyback, decay
        Amplitude and decay length of the fly-back, px; 0 and 1 where it is not significant.
    bent
        Whether the lattice bends along x more than a slow curve.
    row_seen
        (H,) Fisher information in 1/px² on the shift of each row.
    row_spread
        Standard deviation in px of the rows that determine the position of a column.
    deviations
        Estimated standard deviations.
    """

    row_shift: Array
    model: ImageModel
    x: Array
    expected: Array
    looseness: Array
    flyback: float = 0.0
    decay: float = 1.0
    bent: bool = False
    row_seen: Array = field(default_factory=lambda: np.zeros(0))
    row_spread: float = 1.0
    deviations: Deviations = Deviations()


def fit_rows(pixels: Array, model: ImageModel, x: Array, crystal: Crystal, distance: float) -> Job[RowFit]:
    """Job that fits row shifts, fly-back and columns to (H, W) pixels, from (N,) observed positions of columns.

    Stopped early, it returns the fit so far.
    """
    looseness = np.where(crystal.held, 1.0, FREE)
    fit = RowFit(np.zeros(len(pixels)), model, x, np.full(len(x), np.nan), looseness)
    for number in range(ROUNDS):
        model = fit_model(pixels, fit.model, fit.x, fit.row_shift, distance)
        fit = _improved(replace(fit, model=model), pixels, x, crystal, learn=number in LEARNING_ROUNDS)
        if (yield Progress((number + 1) / (ROUNDS + 1), f"Fitting the rows of {len(x)} atoms, round {number + 1}")):
            break
    return fit


def _improved(fit: RowFit, pixels: Array, observed_x: Array, crystal: Crystal, *, learn: bool) -> RowFit:
    """One Gauss-Newton step from the last fit; with `learn`, also estimates the standard deviations."""
    anchor = np.where(crystal.held, crystal.base @ np.linalg.lstsq(crystal.base, observed_x, rcond=None)[0], observed_x)
    evidence = measure_rows(pixels, fit.model, fit.x, fit.row_shift, anchor)
    seen = np.maximum(evidence.weight.sum(axis=1), 1e-12)
    measured = (evidence.pull.sum(axis=1) - evidence.weight @ fit.row_shift) / seen
    trust = crystal.held / np.sqrt((fit.deviations.static * fit.looseness) ** 2 + 1 / seen)
    smooth_x = np.where(np.isfinite(fit.expected), fit.expected, anchor)  # observed ones would include displacements
    bend, decay = choose_terms(crystal, measured, smooth_x, trust, pixels.shape[1])
    fall = np.exp(-np.maximum(smooth_x, 0) / (decay or 1.0)) * crystal.held * (decay > 0)
    design = np.column_stack([crystal.base, bend, crystal.patches, fall])
    ridge = np.full(design.shape[1], RIDGE)
    ridge[crystal.base.shape[1] : -1] = crystal.displacement**-2
    deviations = fit.deviations
    shift, offset, terms = solve_rows(evidence, design, ridge, deviations, fit.looseness)
    if learn:
        deviations = fit_deviations(evidence, design @ terms, deviations, fit.looseness)
        shift, offset, terms = solve_rows(evidence, design, ridge, deviations, fit.looseness)
    expected = np.where(crystal.held, design @ terms, np.nan)
    off = np.nan_to_num(np.abs(offset - expected) / np.sqrt(deviations.static**2 + 1 / seen))
    return replace(
        fit,
        row_shift=shift,
        x=anchor + offset,
        expected=anchor + expected,
        looseness=np.where(crystal.held, np.maximum(1, off / OUTLIER), FREE),
        flyback=float(terms[-1]) if decay > 0 else 0.0,
        decay=decay or 1.0,
        bent=bend.shape[1] > crystal.bend.shape[1],
        row_seen=evidence.weight.sum(axis=0),
        row_spread=evidence.spread(fit.model.y),
        deviations=deviations,
    )


def _row_prior(deviations: Deviations, height: int) -> tuple[sparse.csc_array, float]:
    """Precision of (shifts, slow parts) of all rows, (2 H, 2 H), and its log determinant.

    A shift is its slow part plus jitter; the slow part is a first-order autoregressive process.
    """
    stay = np.exp(-1 / deviations.memory)
    step = deviations.wobble**2 * (1 - stay**2)
    middle = np.full(height, (1 + stay**2) / step)
    middle[[0, -1]] = 1 / step
    slow = sparse.diags_array([middle, *2 * [np.full(height - 1, -stay / step)]], offsets=[0, 1, -1])
    one = sparse.eye_array(height) / deviations.jitter**2
    precision = sparse.block_array([[one, -one], [-one, slow + one]], format="csc")
    return precision, float(np.log(1 - stay**2) - height * np.log(step) - 2 * height * np.log(deviations.jitter))


def solve_rows(
    evidence: RowEvidence, design: Array, ridge: Array, deviations: Deviations, looseness: Array
) -> tuple[Array, Array, Array]:
    """Joint estimate of row shifts (H,), measured positions of columns (N,) and terms of the design (G,).

    Positions of columns are normal around `design @ terms`, with the static deviation times (N,) `looseness`. Columns
    are eliminated exactly, which leaves a banded system of the rows, bordered by the terms.

    Parameters
    ----------
    design
        (N, G) terms that displace columns with their lattice.
    ridge
        (G,) prior precision of each term around 0.
    """
    weight, height = evidence.weight, evidence.weight.shape[1]
    hold = 1 / (deviations.static * looseness) ** 2
    seen, pulled = weight.sum(axis=1), evidence.pull.sum(axis=1)
    total = seen + hold
    over = sparse.diags_array(1 / total) @ weight
    system = _row_prior(deviations, height)[0] + _in_corner(weight, over)
    border = over.T @ (design * hold[:, None])
    right = np.column_stack([evidence.pull.sum(axis=0) - over.T @ pulled, border])
    solved = _factors(system).solve(np.concatenate([right, np.zeros_like(right)]))[:height]
    inner = design.T @ (design * (hold * seen / total)[:, None]) + np.diag(ridge) - border.T @ solved[:, 1:]
    terms = np.linalg.solve(inner, design.T @ (hold * pulled / total) - border.T @ solved[:, 0])
    shift = solved[:, 0] - solved[:, 1:] @ terms
    return shift, (pulled - weight @ shift) / np.maximum(seen, 1e-12), terms


def _in_corner(weight: sparse.csr_array, over: sparse.csr_array) -> sparse.csc_array:
    """(2 H, 2 H) information on the shifts of the rows, with columns eliminated; none on their slow parts."""
    rows = sparse.diags_array(weight.sum(axis=0)) - weight.T @ over
    empty = sparse.csc_array(rows.shape)
    return sparse.block_array([[rows, empty], [empty, empty]], format="csc")


def _factors(system: sparse.csc_array) -> SuperLU:
    return splu(system.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})


def fit_deviations(evidence: RowEvidence, known: Array, start: Deviations, looseness: Array) -> Deviations:
    """Maximum-likelihood standard deviations, given (N,) known positions of the lattice.

    The marginal likelihood, with rows and columns integrated out exactly, is maximised by the Nelder-Mead method.
    """
    weight, height = evidence.weight, evidence.weight.shape[1]
    pull = evidence.pull - sparse.diags_array(known) @ weight
    seen, pulled, row_pulled = weight.sum(axis=1), pull.sum(axis=1), pull.sum(axis=0)

    def negative_log_likelihood(logs: Array) -> float:
        deviations = Deviations(*np.exp(np.clip(logs, *LIMITS)))
        variance = (deviations.static * looseness) ** 2
        total = seen + 1 / variance
        over = sparse.diags_array(1 / total) @ weight
        prior, prior_log = _row_prior(deviations, height)
        factors = _factors(prior + _in_corner(weight, over))
        right = np.concatenate([row_pulled - over.T @ pulled, np.zeros(height)])
        gain = right @ factors.solve(right) + (pulled**2 / total).sum()
        log_posterior = np.log(np.abs(factors.U.diagonal())).sum() + np.log(total * variance).sum()
        return float(log_posterior - prior_log - gain)

    logs = np.log([start.jitter, start.wobble, start.memory, start.static])
    simplex = np.vstack([logs, logs + np.diag([-0.7, -0.7, 0.7, -0.5])])
    options = {"initial_simplex": simplex, "maxfev": 45, "xatol": 0.1, "fatol": 1.0}
    best = optimize.minimize(negative_log_likelihood, logs, method="Nelder-Mead", options=options)
    return Deviations(*np.exp(np.clip(best.x, *LIMITS)).tolist())

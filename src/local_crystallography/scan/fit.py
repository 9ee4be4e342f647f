"""The row shifts, fly-back and displacements that explain what the rows of an image saw, by maximum a posteriori."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import optimize, sparse
from scipy.sparse.linalg import SuperLU, splu

from local_crystallography.data.arrays import Array
from local_crystallography.data.progress import Job, Progress
from local_crystallography.scan.rows import Picture, Sight, fit_picture, look
from local_crystallography.scan.terms import Crystal, choose_terms

OUTLIER = 3.0  # standard deviations beyond which a column is held less and less to its lattice
FREE = 1e4  # looseness of a column on no lattice
ROUNDS = 4
STRAY_ROUNDS = (1, 2)  # the rounds in which the standard deviations are learned
RIDGE = 1e-6  # precision of terms that are free, 1/px²
LIMITS = np.log([[0.01, 0.01, 3.0, 0.02], [5.0, 10.0, 1000.0, 5.0]])


@dataclass(frozen=True)
class Stray:
    """How far rows and columns stray, all standard deviations in px.

    Parameters
    ----------
    jitter
        Of each row for itself.
    wobble, memory
        Of the slow part, and the number of rows after which it has forgotten itself.
    static
        Of columns from their lattice.
    """

    jitter: float = 0.4
    wobble: float = 0.8
    memory: float = 50.0
    static: float = 0.3


@dataclass(frozen=True)
class RowFit:
    """What explains the rows best, so far.

    Parameters
    ----------
    row_shift
        (H,) px along x.
    picture, x
        Columns and background, and (N,) places of the columns along x in px, without the shifts of their rows.
    expected
        (N,) the same as their lattice has it, fly-back included; NaN off all lattices.
    looseness
        (N,) by how much less than others each is held to its lattice.
    flyback, decay
        px; 0 and 1 where no fly-back is certain.
    bent
        Whether the lattice bends along x more than a slow curve.
    row_seen
        (H,) Fisher information in 1/px² about the shift of each row.
    row_spread
        Standard deviation in px of the rows that tell the place of a column.
    stray
        The standard deviations learned.
    """

    row_shift: Array
    picture: Picture
    x: Array
    expected: Array
    looseness: Array
    flyback: float = 0.0
    decay: float = 1.0
    bent: bool = False
    row_seen: Array = field(default_factory=lambda: np.zeros(0))
    row_spread: float = 1.0
    stray: Stray = Stray()


def fit_rows(pixels: Array, picture: Picture, x: Array, crystal: Crystal, distance: float) -> Job[RowFit]:
    """A job: row shifts, fly-back and columns that explain (H, W) pixels, from (N,) places at which columns are seen.

    Stopped early, it gives what it has found so far.
    """
    looseness = np.where(crystal.held, 1.0, FREE)
    fit = RowFit(np.zeros(len(pixels)), picture, x, np.full(len(x), np.nan), looseness)
    for number in range(ROUNDS):
        picture = fit_picture(pixels, fit.picture, fit.x, fit.row_shift, distance)
        fit = _improved(replace(fit, picture=picture), pixels, x, crystal, learn=number in STRAY_ROUNDS)
        if (yield Progress((number + 1) / (ROUNDS + 1), f"Fitting the rows of {len(x)} atoms, round {number + 1}")):
            break
    return fit


def _improved(fit: RowFit, pixels: Array, seen_x: Array, crystal: Crystal, *, learn: bool) -> RowFit:
    """One step of Gauss and Newton's method from the last fit; `learn` learns how far they stray as well."""
    anchor = np.where(crystal.held, crystal.base @ np.linalg.lstsq(crystal.base, seen_x, rcond=None)[0], seen_x)
    sight = look(pixels, fit.picture, fit.x, fit.row_shift, anchor)
    seen = np.maximum(sight.weight.sum(axis=1), 1e-12)
    measured = (sight.pull.sum(axis=1) - sight.weight @ fit.row_shift) / seen
    trust = crystal.held / np.sqrt((fit.stray.static * fit.looseness) ** 2 + 1 / seen)
    smooth_x = np.where(np.isfinite(fit.expected), fit.expected, anchor)  # seen places would bring displacements in
    bend, decay = choose_terms(crystal, measured, smooth_x, trust, pixels.shape[1])
    fall = np.exp(-np.maximum(smooth_x, 0) / (decay or 1.0)) * crystal.held * (decay > 0)
    design = np.column_stack([crystal.base, bend, crystal.patches, fall])
    ridge = np.full(design.shape[1], RIDGE)
    ridge[crystal.base.shape[1] : -1] = crystal.displacement**-2
    stray = fit.stray
    shift, offset, terms = solve_rows(sight, design, ridge, stray, fit.looseness)
    if learn:
        stray = fit_stray(sight, design @ terms, stray, fit.looseness)
        shift, offset, terms = solve_rows(sight, design, ridge, stray, fit.looseness)
    expected = np.where(crystal.held, design @ terms, np.nan)
    off = np.nan_to_num(np.abs(offset - expected) / np.sqrt(stray.static**2 + 1 / seen))
    return replace(
        fit,
        row_shift=shift,
        x=anchor + offset,
        expected=anchor + expected,
        looseness=np.where(crystal.held, np.maximum(1, off / OUTLIER), FREE),
        flyback=float(terms[-1]) if decay > 0 else 0.0,
        decay=decay or 1.0,
        bent=bend.shape[1] > crystal.bend.shape[1],
        row_seen=sight.weight.sum(axis=0),
        row_spread=sight.spread(fit.picture.y),
        stray=stray,
    )


def _row_prior(stray: Stray, height: int) -> tuple[sparse.csc_array, float]:
    """Precision of (shifts, slow parts) of all rows, (2 H, 2 H), and its log determinant.

    A shift is its slow part plus jitter; the slow part is an autoregressive process of first order.
    """
    stay = np.exp(-1 / stray.memory)
    step = stray.wobble**2 * (1 - stay**2)
    middle = np.full(height, (1 + stay**2) / step)
    middle[[0, -1]] = 1 / step
    slow = sparse.diags_array([middle, *2 * [np.full(height - 1, -stay / step)]], offsets=[0, 1, -1])
    one = sparse.eye_array(height) / stray.jitter**2
    precision = sparse.block_array([[one, -one], [-one, slow + one]], format="csc")
    return precision, float(np.log(1 - stay**2) - height * np.log(step) - 2 * height * np.log(stray.jitter))


def solve_rows(sight: Sight, design: Array, ridge: Array, stray: Stray, looseness: Array) -> tuple[Array, Array, Array]:
    """The most probable row shifts (H,), places of columns as measured (N,) and terms of the design (G,), all at once.

    Places of columns are normal around `design @ terms` with the static deviation times (N,) `looseness`. Columns are
    eliminated exactly, which leaves a banded system of the rows, bordered by the terms.

    Parameters
    ----------
    design
        (N, G), what moves columns with their lattice.
    ridge
        (G,) precision of each term around 0.
    """
    weight, height = sight.weight, sight.weight.shape[1]
    hold = 1 / (stray.static * looseness) ** 2
    seen, pulled = weight.sum(axis=1), sight.pull.sum(axis=1)
    total = seen + hold
    over = sparse.diags_array(1 / total) @ weight
    system = _row_prior(stray, height)[0] + _in_corner(weight, over)
    border = over.T @ (design * hold[:, None])
    right = np.column_stack([sight.pull.sum(axis=0) - over.T @ pulled, border])
    solved = _factors(system).solve(np.concatenate([right, np.zeros_like(right)]))[:height]
    inner = design.T @ (design * (hold * seen / total)[:, None]) + np.diag(ridge) - border.T @ solved[:, 1:]
    terms = np.linalg.solve(inner, design.T @ (hold * pulled / total) - border.T @ solved[:, 0])
    shift = solved[:, 0] - solved[:, 1:] @ terms
    return shift, (pulled - weight @ shift) / np.maximum(seen, 1e-12), terms


def _in_corner(weight: sparse.csr_array, over: sparse.csr_array) -> sparse.csc_array:
    """(2 H, 2 H) what the rows saw of their own shifts, columns eliminated; nothing of their slow parts."""
    rows = sparse.diags_array(weight.sum(axis=0)) - weight.T @ over
    empty = sparse.csc_array(rows.shape)
    return sparse.block_array([[rows, empty], [empty, empty]], format="csc")


def _factors(system: sparse.csc_array) -> SuperLU:
    return splu(system.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})


def fit_stray(sight: Sight, known: Array, start: Stray, looseness: Array) -> Stray:
    """The standard deviations under which what the rows saw is likeliest, given (N,) known places of the lattice.

    The marginal likelihood, rows and columns integrated out exactly, is climbed by Nelder and Mead's method.
    """
    weight, height = sight.weight, sight.weight.shape[1]
    pull = sight.pull - sparse.diags_array(known) @ weight
    seen, pulled, row_pulled = weight.sum(axis=1), pull.sum(axis=1), pull.sum(axis=0)

    def unlikely(logs: Array) -> float:
        stray = Stray(*np.exp(np.clip(logs, *LIMITS)))
        variance = (stray.static * looseness) ** 2
        total = seen + 1 / variance
        over = sparse.diags_array(1 / total) @ weight
        prior, prior_log = _row_prior(stray, height)
        factors = _factors(prior + _in_corner(weight, over))
        right = np.concatenate([row_pulled - over.T @ pulled, np.zeros(height)])
        gain = right @ factors.solve(right) + (pulled**2 / total).sum()
        log_posterior = np.log(np.abs(factors.U.diagonal())).sum() + np.log(total * variance).sum()
        return float(log_posterior - prior_log - gain)

    logs = np.log([start.jitter, start.wobble, start.memory, start.static])
    simplex = np.vstack([logs, logs + np.diag([-0.7, -0.7, 0.7, -0.5])])
    options = {"initial_simplex": simplex, "maxfev": 45, "xatol": 0.1, "fatol": 1.0}
    best = optimize.minimize(unlikely, logs, method="Nelder-Mead", options=options)
    return Stray(*np.exp(np.clip(best.x, *LIMITS)).tolist())

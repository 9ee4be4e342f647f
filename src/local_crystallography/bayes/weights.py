"""Posterior weights of lattice models of a region: square, rectangular, oblique, hexagonal, or with a doubled cell.

The models are regressions of positions on indices, and the weights are posterior probabilities by the Bayesian
information criterion (Schwarz 1978; weights as in Raftery 1995): for n coordinates and k parameters
ln p = -(n / 2) ln(RSS / n) - (k / 2) ln n. This approximates the marginal likelihood under a unit-information prior,
as does a g-prior with g = n; the BIC needs no prior of the cell, and the lattices are neither all nested nor all
linear. Noise is assumed equal along x and y. Comparing the symmetries of whole images by weights is due to Moeck
(2018, doi 10.3390/sym10050133); applying it to positions and regions is not in that paper.

The weights test whether a lattice is exactly square, which with many atoms is almost always rejected, as any scan
distortion is detected. A ROPE tests whether it is practically square.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from local_crystallography.bayes.nets import Array, Index, Net
from local_crystallography.bayes.windows import sign
from local_crystallography.data.errors import InputError

PRIOR = {
    "square": 1 / 5,
    "rectangular": 1 / 5,
    "oblique": 1 / 5,
    "hexagonal": 1 / 5,
    "doubled along a": 1 / 15,
    "doubled along b": 1 / 15,
    "doubled along a and b": 1 / 15,
}
"""Prior probabilities: equal for square, rectangular, oblique, hexagonal and doubled."""
DOUBLED = {"doubled along a": "a", "doubled along b": "b", "doubled along a and b": "ab"}
SPARE = 6
"""Fewest residual degrees of freedom (coordinates minus parameters) of a usable lattice."""
QUARTER_ROTATION = np.array([[0.0, 1.0], [-1.0, 0.0]])
"""(y, x) rows times this are rotated by 90 degrees, counter-clockwise as displayed."""


@dataclass(frozen=True)
class ModelWeights:
    """Models of one region, the most probable first.

    Parameters
    ----------
    names
        Names of the models, as in `PRIOR`.
    parameters
        Number of parameters of each, with constants and distortions but without the noise.
    log_evidence
        Logarithm of the marginal likelihood of each, by the BIC, up to a common constant.
    weights
        Posterior probability of each; they sum to 1.
    atoms
        Number of atoms.
    """

    names: tuple[str, ...]
    parameters: tuple[int, ...]
    log_evidence: Array
    weights: Array
    atoms: int


def model_weights(nets: Sequence[Net], *, distortion: int = 2) -> ModelWeights:
    """Weights for a region of (parts of) nets, each with its own cell but all of the same lattice model.

    Parameters
    ----------
    nets
        Nets of the region, see `Net.part`.
    distortion
        Degree of a polynomial of the indices common to all models, which separates slowly varying strain and scan
        distortion from the cell: 1 for none, 2 for bending, 3 for large regions.

    Raises
    ------
    InputError
        For another degree, or too few atoms.
    """
    if distortion not in (1, 2, 3):
        raise InputError(f"The degree of the distortion must be 1, 2 or 3, not {distortion}.")
    whole = [net for net in nets if _enough(net, distortion)]
    if not whole:
        count = sum(len(net.yx) for net in nets)
        raise InputError(
            f"{count} atoms are too few for lattice weights, at least in one direction of the lattice; choose a larger "
            "region."
        )
    parts = [_log_evidences(net, distortion) for net in whole]
    evidence = np.sum([[value for value, _ in part.values()] for part in parts], axis=0)
    counts = np.sum([[count for _, count in part.values()] for part in parts], axis=0)
    logs = evidence + np.log(list(PRIOR.values()))
    weights = np.exp(logs - logs.max())
    order = np.argsort(-logs, kind="stable")
    names = list(PRIOR)
    return ModelWeights(
        tuple(names[i] for i in order),
        tuple(int(counts[i]) for i in order),
        evidence[order],
        (weights / weights.sum())[order],
        sum(len(net.yx) for net in whole),
    )


def region_weights(nets: Sequence[Net], regions: npt.ArrayLike, *, distortion: int = 2) -> dict[int, ModelWeights]:
    """Weights for every region with enough atoms, by its number.

    Parameters
    ----------
    nets
        Nets of all atoms.
    regions
        (N,) number of the region of every atom: a class, a grain, or a mask (0 and 1); negative for none.
    distortion
        See `model_weights`.
    """
    label = np.asarray(regions).astype(np.int64)
    found: dict[int, ModelWeights] = {}
    for region in np.unique(label[label >= 0]).tolist():
        parts = [net.part(label[net.rows] == region) for net in nets]
        parts = [part for part in parts if _enough(part, distortion)]
        if parts:
            found[region] = model_weights(parts, distortion=distortion)
    return found


def _enough(net: Net, distortion: int) -> bool:
    """Whether a net has enough data in each direction for the largest model."""
    if not len(net.yx) or 2 * len(net.yx) < SPARE + 2 * (_shared(net.index, distortion).shape[1] + 3):
        return False
    terms = np.column_stack([_shared(net.index, distortion), _slopes(net.index), *(sign(net.index, m) for m in "ab")])
    return bool(np.linalg.matrix_rank(terms) == terms.shape[1])


def _log_evidences(net: Net, distortion: int) -> dict[str, tuple[float, int]]:
    """Logarithm of the marginal likelihood and number of parameters of each model, in the order of `PRIOR`."""
    shared, slopes = _shared(net.index, distortion), _slopes(net.index)
    basis = np.linalg.qr(shared)[0]
    free = 2 * shared.shape[1]

    def without_shared(values: Array) -> Array:
        return np.asarray(values - basis @ (basis.T @ values))

    yx, hk = without_shared(net.yx - slopes @ net.vectors), without_shared(slopes)
    yx = yx + hk @ net.vectors
    rss = {name: _rss(design, yx) for name, design in _fixed_shapes(hk, net.vectors).items()}
    rss["rectangular"] = _rss(_rectangular(hk, yx), yx)
    rss["oblique"] = _rss(_both(hk), yx)
    for name, mode in DOUBLED.items():
        rss[name] = _rss(_both(np.column_stack([hk, without_shared(sign(net.index, mode)[:, None].astype(float))])), yx)
    own = {"square": 2, "rectangular": 3, "oblique": 4, "hexagonal": 2} | dict.fromkeys(DOUBLED, 6)
    n, least = 2 * len(net.yx), 1e-12 * net.cell**2
    evidence = {name: -n / 2 * np.log(rss[name] / n + least) - (free + own[name]) / 2 * np.log(n) for name in PRIOR}
    return {name: (float(evidence[name]), free + own[name]) for name in PRIOR}


def _slopes(index: Index) -> Array:
    """(n, 2) indices minus their mean."""
    return np.asarray(index - index.mean(axis=0), np.float64)


def _shared(index: Index, degree: int) -> Array:
    """(n, t) terms common to all models: a constant and the distortions, scaled."""
    h, k = (_slopes(index) / max(float(np.abs(_slopes(index)).max(initial=0)), 1.0)).T
    powers = [(i, total - i) for total in range(2, degree + 1) for i in range(total + 1)]
    return np.asarray(np.column_stack([np.ones(len(h)), *(h**i * k**j for i, j in powers)]), np.float64)


def _both(terms: Array) -> Array:
    """(2 n, 2 t) design with separate coefficients of the (n, t) terms for y and x."""
    return np.asarray(np.kron(np.eye(2), terms), np.float64)


def _fixed_shapes(hk: Array, vectors: Array) -> dict[str, Array]:
    """Designs of cells of fixed shape but free size and orientation: a is (p, q), b is a rotated."""
    cross = vectors[0, 0] * vectors[1, 1] - vectors[0, 1] * vectors[1, 0]
    obtuse = float((vectors[0] * vectors[1]).sum()) < 0
    angles = {"square": np.pi / 2, "hexagonal": 2 * np.pi / 3 if obtuse else np.pi / 3}
    return {name: _rotated(hk, np.copysign(angle, cross)) for name, angle in angles.items()}


def _rotated(hk: Array, angle: float) -> Array:
    """(2 n, 2) design of a = (p, q) and b, which is a rotated counter-clockwise as displayed."""
    rotation = np.cos(angle) * np.eye(2) + np.sin(angle) * QUARTER_ROTATION
    columns = [hk[:, :1] * unit + hk[:, 1:] * (unit @ rotation) for unit in np.eye(2)]
    return np.asarray(np.column_stack([column.T.ravel() for column in columns]), np.float64)


def _rectangular(hk: Array, yx: Array) -> Array:
    """(2 n, 2) design of a and b at a right angle, in the orientation of the unconstrained cell.

    With J a rotation by 90 degrees and m = (a - J b) / 2, the angle is right where (a + J b) / 2 lies along m. The
    unconstrained fit gives the direction of m so precisely that refitting would not change it; it counts as one
    parameter.
    """
    a, b = np.linalg.lstsq(hk, yx, rcond=None)[0]
    rotation = QUARTER_ROTATION if a[0] * b[1] - a[1] * b[0] > 0 else -QUARTER_ROTATION
    mean = (a - b @ rotation) / 2
    unit = mean / np.linalg.norm(mean)
    columns = [hk[:, :1] * unit, hk[:, 1:] * (unit @ rotation)]
    return np.asarray(np.column_stack([column.T.ravel() for column in columns]), np.float64)


def _rss(design: Array, yx: Array) -> float:
    """Residual sum of squares of (n, 2) positions on a (2 n, k) design."""
    target = yx.T.ravel()
    solution = np.linalg.lstsq(design, target, rcond=None)[0]
    return float(((target - design @ solution) ** 2).sum())

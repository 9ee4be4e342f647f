"""Models of section 1 of the paper for PyMC: data by name, and parameters scaled so that they sample well.

PyMC is imported when a model is built, not before.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from local_crystallography.bayes.chain import Chain, ChainPriors
from local_crystallography.bayes.posterior import PriorRows, Summary
from local_crystallography.bayes.priors import Family, Priors
from local_crystallography.data.errors import InputError

Array = npt.NDArray[np.float64]


class Model(Protocol):
    """A model to sample from. Models of the same shape are compiled once per process."""

    @property
    def shape(self) -> tuple[Family, ...] | int: ...
    @property
    def data(self) -> dict[str, Array]: ...
    def natural(self, location: Array, deviation: Array) -> dict[str, Array]: ...


@dataclass(frozen=True)
class Block:
    """Values (n,), normal about `mu<name>` with standard deviation `sigma<name>`, independent of other blocks.

    Raises
    ------
    InputError
        For fewer than two values, or values that are not finite or contradict the bounds of the standard deviation.
    """

    name: str
    values: npt.ArrayLike
    priors: Priors

    def __post_init__(self) -> None:
        y = np.asarray(self.values, np.float64)
        if y.ndim != 1 or len(y) < 2 or not np.isfinite(y).all():
            raise InputError(
                f"mu{self.name} needs at least two values, all finite; {np.isfinite(y).sum()} of {y.size} are. Add "
                "data or remove values that are not finite."
            )
        PriorRows.of(self.priors, 1).check(Summary.of(y))


@dataclass(frozen=True)
class Bonds:
    """Model of the paper: (mu1, sigma1) of odd and (mu2, sigma2) of even bonds, (mu3, sigma3) of their difference.

    There may be any number of blocks, with other names too. PyMC works in units of the priors, which leaves the
    posterior unchanged and gives the sampler a good start for data in any unit.
    """

    blocks: Sequence[Block]

    def __post_init__(self) -> None:
        names = [block.name for block in self.blocks]
        if not names or len(set(names)) < len(names):
            raise InputError(
                f"A model needs one or more blocks with different names; it has {', '.join(names) or 'none'}."
            )

    @classmethod
    def of_chain(cls, chain: Chain, priors: ChainPriors) -> Bonds:
        """mu1, mu2, mu3 and their sigmas, as in the paper; mu3 from the differences even - odd of every unit cell."""
        values = (chain.odd, chain.even, chain.even - chain.odd)
        named = zip("123", values, (priors.mu1, priors.mu2, priors.mu3), strict=True)
        return cls([Block(*block) for block in named])

    @property
    def _sorted(self) -> list[Block]:
        return sorted(self.blocks, key=lambda block: block.priors.family)

    @property
    def shape(self) -> tuple[Family, ...]:
        """Families of the priors of the means, sorted."""
        return tuple(block.priors.family for block in self._sorted)

    @property
    def data(self) -> dict[str, Array]:
        """`values` (N,) of all blocks, `block` (N,) of every value, `priors` (5, blocks)."""
        blocks = self._sorted
        sizes = [len(np.asarray(block.values)) for block in blocks]
        p = [block.priors for block in blocks]
        return {
            "values": np.concatenate([np.asarray(block.values, np.float64) for block in blocks]),
            "block": np.repeat(np.arange(len(blocks), dtype=np.float64), sizes),
            "priors": np.array([(q.centre, q.scale, q.degrees, q.sigma_low, q.sigma_high) for q in p]).T,
        }

    def natural(self, location: Array, deviation: Array) -> dict[str, Array]:
        """`mu<name>`, `sigma<name>` of every block, from draws (..., blocks)."""
        number = {block.name: i for i, block in enumerate(self._sorted)}
        named = [(block.name, number[block.name]) for block in self.blocks]
        return {
            f"{what}{name}": draws[..., i]
            for name, i in named
            for what, draws in (("mu", location), ("sigma", deviation))
        }


@dataclass(frozen=True)
class Positions:
    """Noise on positions instead of bonds (not in the paper): x_j = c0 + c1 j + mu3 / 4 (-1)^j + noise.

    With flat priors of the coefficients and of the logarithm of `sigma`, the posterior of the coefficients is
    Student's t with n - p degrees of freedom. PyMC works on the residuals of a least-squares fit, in units of their
    scatter, which leaves the posterior unchanged.

    Parameters
    ----------
    values
        (n,) positions.
    terms
        (n, p) design matrix.
    names
        Names of the p coefficients.

    Raises
    ------
    InputError
        For fewer than p + 2 positions, positions that are not finite or have no noise, or collinear terms.
    """

    values: npt.ArrayLike
    terms: npt.ArrayLike
    names: Sequence[str] = ("c0", "c1", "mu3")
    _fit: tuple[Array, Array, float, Array] = field(init=False, repr=False, compare=False)

    @classmethod
    def of_chain(cls, positions: npt.ArrayLike) -> Positions:
        """From positions (n,) in the order of the chain; even bonds are longer than odd ones by mu3 = 4 s."""
        j = np.arange(np.size(positions), dtype=np.float64)
        return cls(positions, np.column_stack([np.ones_like(j), j, (-1.0) ** j / 4]))

    def __post_init__(self) -> None:
        y, terms = np.asarray(self.values, np.float64), np.asarray(self.terms, np.float64)
        n, p = len(y), len(self.names)
        if n < p + 2 or not (np.isfinite(y).all() and np.isfinite(terms).all()):
            raise InputError(
                f"{', '.join(self.names)} and sigma need at least {p + 2} positions, all finite; "
                f"{np.isfinite(y).sum()} of {n} are. Add atoms or remove positions that are not finite."
            )
        if np.linalg.matrix_rank(terms) < p:
            raise InputError(f"The terms of {', '.join(self.names)} are collinear; use atoms from more rows.")
        q, r = np.linalg.qr(terms)
        residual = y - q @ (q.T @ y)
        scatter = float(np.sqrt(residual @ residual / n))
        if scatter <= 1e-9 * np.abs(y).max():
            raise InputError("The positions fit without noise, so the posterior is a single point; use measured ones.")
        object.__setattr__(self, "_fit", (q * np.sqrt(n), r / np.sqrt(n), scatter, residual / scatter))

    @property
    def shape(self) -> int:
        """Number of coefficients."""
        return len(self.names)

    @property
    def data(self) -> dict[str, Array]:
        """`values` (n,) and orthogonal `terms` (n, p)."""
        return {"values": self._fit[3], "terms": self._fit[0]}

    def natural(self, location: Array, deviation: Array) -> dict[str, Array]:
        """Coefficients and `sigma`, from draws (..., p) and (..., 1)."""
        _, r, scatter, _ = self._fit
        best = np.linalg.lstsq(np.asarray(self.terms, np.float64), np.asarray(self.values, np.float64), rcond=None)[0]
        coefficients = best + scatter * location @ np.linalg.inv(r).T
        draws = {name: coefficients[..., i] for i, name in enumerate(self.names)}
        return {**draws, "sigma": scatter * deviation[..., 0]}


def build(shape: tuple[Family, ...] | int) -> Any:
    """PyMC model of a shape (families of `Bonds`, or number of terms of `Positions`), with placeholder data."""
    pm, pt = library("pymc"), library("pytensor.tensor")
    with pm.Model() as model:
        if isinstance(shape, int):
            values, terms = pm.Data("values", np.arange(3.0)), pm.Data("terms", np.ones((3, shape)))
            location = pm.Flat("location", shape=shape)
            deviation = pm.Deterministic("deviation", pt.exp(pm.Flat("log_deviation", shape=1)))
            pm.Normal("observed", terms @ location, deviation[0], observed=values)
            return model
        values, block = pm.Data("values", np.arange(3.0)), pm.Data("block", np.zeros(3))
        priors, member = pm.Data("priors", np.ones((5, len(shape)))), block.astype("int64")
        means = []
        for family in sorted(set(shape)):
            own = [i for i, name in enumerate(shape) if name == family]
            means.append(standard(family, len(own), priors[2, own[0] : own[-1] + 1]))
        spread = pm.Uniform("spread", 0, 1, shape=len(shape))
        location = pm.Deterministic("location", priors[0] + priors[1] * pt.concatenate(means))
        deviation = pm.Deterministic("deviation", priors[3] + (priors[4] - priors[3]) * spread)
        pm.Normal("observed", location[member], deviation[member], observed=values)
    return model


def standard(family: Family, size: int, degrees: Any) -> Any:
    """PyMC variables of a family, with centre 0 and scale 1."""
    pm = library("pymc")
    if family == "Laplace":
        return pm.Laplace(family, 0, 1, shape=size)
    if family == "Normal":
        return pm.Normal(family, 0, 1, shape=size)
    if family == "Student-t":
        return pm.StudentT(family, nu=degrees, mu=0, sigma=1, shape=size)
    return pm.Uniform(family, -1, 1, shape=size)


def library(name: str) -> ModuleType:
    """Import a library that may be missing.

    Raises
    ------
    InputError
        Where it cannot be imported.
    """
    warnings.filterwarnings("ignore", "\\s*ArviZ is undergoing a major refactor", FutureWarning)
    try:
        return importlib.import_module(name)
    except ImportError as missing:
        raise InputError(
            f"{name} cannot be loaded ({missing}); the reference posterior needs PyMC, nutpie and ArviZ. Install them "
            "with `pip install pymc nutpie`, or use the closed form."
        ) from missing

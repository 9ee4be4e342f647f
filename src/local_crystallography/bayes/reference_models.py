"""The models of section 1 of the paper as PyMC takes them: data by name, and parameters in units it samples well.

PyMC is loaded when a model is built, never before.
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
    """What can be drawn from. Models of one shape are compiled once per process."""

    @property
    def shape(self) -> tuple[Family, ...] | int: ...
    @property
    def data(self) -> dict[str, Array]: ...
    def natural(self, location: Array, deviation: Array) -> dict[str, Array]: ...


@dataclass(frozen=True)
class Block:
    """Values (n,), normal about `mu<name>` with the standard deviation `sigma<name>`, independent of other blocks.

    Raises
    ------
    InputError
        For fewer than two values, values that are not finite or that no standard deviation within its bounds explains.
    """

    name: str
    values: npt.ArrayLike
    priors: Priors

    def __post_init__(self) -> None:
        y = np.asarray(self.values, np.float64)
        if y.ndim != 1 or len(y) < 2 or not np.isfinite(y).all():
            raise InputError(
                f"{np.isfinite(y).sum()} finite values of {y.size} came for mu{self.name}, at least two and no others "
                "were expected; add data or leave out what is not finite."
            )
        PriorRows.of(self.priors, 1).check(Summary.of(y))


@dataclass(frozen=True)
class Bonds:
    """The model of the paper: (mu1, sigma1) of odd, (mu2, sigma2) of even bonds, (mu3, sigma3) of their difference.

    As many blocks as wanted, by other names too. PyMC sees means and standard deviations in units of their priors;
    that changes coordinates, not the posterior, and lets the sampler start well for data of any unit.
    """

    blocks: Sequence[Block]

    def __post_init__(self) -> None:
        names = [block.name for block in self.blocks]
        if not names or len(set(names)) < len(names):
            raise InputError(f"Blocks {', '.join(names) or 'none'} came, one or more of different names were expected.")

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
        """`values` (N,) of all blocks, `block` (N,) they belong to, `priors` (5, blocks)."""
        blocks = self._sorted
        sizes = [len(np.asarray(block.values)) for block in blocks]
        p = [block.priors for block in blocks]
        return {
            "values": np.concatenate([np.asarray(block.values, np.float64) for block in blocks]),
            "block": np.repeat(np.arange(len(blocks), dtype=np.float64), sizes),
            "priors": np.array([(q.centre, q.scale, q.degrees, q.sigma_low, q.sigma_high) for q in p]).T,
        }

    def natural(self, location: Array, deviation: Array) -> dict[str, Array]:
        """`mu<name>`, `sigma<name>` of every block from draws (..., blocks)."""
        place = {block.name: i for i, block in enumerate(self._sorted)}
        named = [(block.name, place[block.name]) for block in self.blocks]
        return {
            f"{what}{name}": draws[..., i]
            for name, i in named
            for what, draws in (("mu", location), ("sigma", deviation))
        }


@dataclass(frozen=True)
class Positions:
    """Noise on positions instead of bonds (ours): x_j = c0 + c1 j + mu3 / 4 (-1)^j + noise.

    Flat priors of the coefficients and of the logarithm of `sigma`, for which they are Student-t with n - p degrees of
    freedom. PyMC sees what least squares leave, in units of its scatter; with flat priors the posterior is the same.

    Parameters
    ----------
    values
        (n,) positions.
    terms
        (n, p) what the coefficients multiply.
    names
        Of the p coefficients.

    Raises
    ------
    InputError
        For fewer than p + 2 positions, such that are not finite, on a line without noise, or collinear terms.
    """

    values: npt.ArrayLike
    terms: npt.ArrayLike
    names: Sequence[str] = ("c0", "c1", "mu3")
    _fit: tuple[Array, Array, float, Array] = field(init=False, repr=False, compare=False)

    @classmethod
    def of_chain(cls, positions: npt.ArrayLike) -> Positions:
        """Positions (n,) in the order of the chain; even bonds are longer than odd ones by mu3, which is 4 s."""
        j = np.arange(np.size(positions), dtype=np.float64)
        return cls(positions, np.column_stack([np.ones_like(j), j, (-1.0) ** j / 4]))

    def __post_init__(self) -> None:
        y, terms = np.asarray(self.values, np.float64), np.asarray(self.terms, np.float64)
        n, p = len(y), len(self.names)
        if n < p + 2 or not (np.isfinite(y).all() and np.isfinite(terms).all()):
            raise InputError(
                f"{np.isfinite(y).sum()} finite positions of {n} came, at least {p + 2} and no others were expected "
                f"for {', '.join(self.names)} and sigma; add atoms or leave out what is not finite."
            )
        if np.linalg.matrix_rank(terms) < p:
            raise InputError(f"The terms of {', '.join(self.names)} are collinear here; take atoms of more rows.")
        q, r = np.linalg.qr(terms)
        left = y - q @ (q.T @ y)
        scatter = float(np.sqrt(left @ left / n))
        if scatter <= 1e-9 * np.abs(y).max():
            raise InputError("The positions fit without any noise; there is no posterior to draw from, only a point.")
        object.__setattr__(self, "_fit", (q * np.sqrt(n), r / np.sqrt(n), scatter, left / scatter))

    @property
    def shape(self) -> int:
        """Number of coefficients."""
        return len(self.names)

    @property
    def data(self) -> dict[str, Array]:
        """`values` (n,) and orthogonal `terms` (n, p)."""
        return {"values": self._fit[3], "terms": self._fit[0]}

    def natural(self, location: Array, deviation: Array) -> dict[str, Array]:
        """The coefficients and `sigma` from draws (..., p) and (..., 1)."""
        _, r, scatter, _ = self._fit
        best = np.linalg.lstsq(np.asarray(self.terms, np.float64), np.asarray(self.values, np.float64), rcond=None)[0]
        coefficients = best + scatter * location @ np.linalg.inv(r).T
        draws = {name: coefficients[..., i] for i, name in enumerate(self.names)}
        return {**draws, "sigma": scatter * deviation[..., 0]}


def build(shape: tuple[Family, ...] | int) -> Any:
    """The PyMC model of a shape, with data of no meaning: families of `Bonds`, or how many terms `Positions` have."""
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
    """Variables of a family with centre 0 and scale 1."""
    pm = library("pymc")
    if family == "Laplace":
        return pm.Laplace(family, 0, 1, shape=size)
    if family == "Normal":
        return pm.Normal(family, 0, 1, shape=size)
    if family == "Student-t":
        return pm.StudentT(family, nu=degrees, mu=0, sigma=1, shape=size)
    return pm.Uniform(family, -1, 1, shape=size)


def library(name: str) -> ModuleType:
    """A library that may be missing."""
    warnings.filterwarnings("ignore", "\\s*ArviZ is undergoing a major refactor", FutureWarning)
    try:
        return importlib.import_module(name)
    except ImportError as missing:
        raise InputError(
            f"{name} cannot be loaded ({missing}), PyMC, nutpie and ArviZ were expected for the reference posterior; "
            "install them with `pip install pymc nutpie`, or use the closed form."
        ) from missing

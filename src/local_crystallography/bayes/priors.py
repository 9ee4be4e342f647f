"""Priors of a mean and a standard deviation, and where the paper takes them from."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import stats

Array = npt.NDArray[np.float64]
Family = Literal["Laplace", "Normal", "Student-t", "Uniform"]


class Priors(BaseModel):
    """Prior of the mean, from a family of distributions, and uniform prior of the standard deviation.

    The paper (section 1) takes Laplace(Y10, 0.2 Y10) and Uniform(0, Y10), with Y10 the mean of the first ten bonds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Family = Field("Laplace", description="Distribution of the mean.")
    centre: float = Field(description="Its centre, in the unit of the data.")
    scale: float = Field(
        gt=0, description="Its scale: b of Laplace, standard deviation of Normal, half the width of Uniform."
    )
    degrees: float = Field(3.0, gt=0, description="Degrees of freedom of Student-t.")
    sigma_low: float = Field(0.0, ge=0, description="Lowest standard deviation.")
    sigma_high: float = Field(gt=0, description="Highest standard deviation.")

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Priors:
        if self.sigma_low >= self.sigma_high:
            raise ValueError(
                f"standard deviations from {self.sigma_low:g} to {self.sigma_high:g} came, the lower bound first was "
                "expected; turn them round"
            )
        return self

    @classmethod
    def of_paper(cls, first: npt.ArrayLike) -> Priors:
        """Those of the paper, from the first bonds (n,): usually ten, odd and even ones in the order of the chain."""
        y10 = float(np.mean(np.asarray(first, np.float64)))
        return cls(centre=y10, scale=0.2 * y10, sigma_high=y10)

    @classmethod
    def of_difference(cls, first: npt.ArrayLike) -> Priors:
        """For the difference mu3 the paper gives none; ours is Laplace(0, 0.2 Y10) and Uniform(0, Y10)."""
        y10 = float(np.mean(np.asarray(first, np.float64)))
        return cls(centre=0.0, scale=0.2 * y10, sigma_high=y10)

    def log_density(self, mu: Array) -> Array:
        """(...) logarithm of the density of means (...), up to nothing: it is normalised."""
        c, s = self.centre, self.scale
        families = {
            "Laplace": lambda: stats.laplace.logpdf(mu, c, s),
            "Normal": lambda: stats.norm.logpdf(mu, c, s),
            "Student-t": lambda: stats.t.logpdf(mu, self.degrees, c, s),
            "Uniform": lambda: stats.uniform.logpdf(mu, c - s, 2 * s),
        }
        return np.asarray(families[self.family](), np.float64)

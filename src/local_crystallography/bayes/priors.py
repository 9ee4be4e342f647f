"""Priors of a mean and a standard deviation, by default those of the paper."""

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

    The paper (section 1) uses Laplace(Y10, 0.2 Y10) and Uniform(0, Y10), with Y10 the mean of the first ten bonds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Family = Field("Laplace", description="Distribution of the mean.")
    centre: float = Field(description="Centre of the distribution, in the unit of the data.")
    scale: float = Field(
        gt=0, description="Scale of the distribution: b of Laplace, sigma of Normal, half the width of Uniform."
    )
    degrees: float = Field(3.0, gt=0, description="Degrees of freedom of Student-t.")
    sigma_low: float = Field(0.0, ge=0, description="Lowest standard deviation.")
    sigma_high: float = Field(gt=0, description="Highest standard deviation.")

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Priors:
        if self.sigma_low >= self.sigma_high:
            raise ValueError(
                f"the lowest standard deviation, {self.sigma_low:g}, must be below the highest, {self.sigma_high:g}"
            )
        return self

    @classmethod
    def of_paper(cls, first: npt.ArrayLike) -> Priors:
        """Priors of the paper, from the first bonds (n,): usually ten, odd and even in the order of the chain."""
        y10 = float(np.mean(np.asarray(first, np.float64)))
        return cls(centre=y10, scale=0.2 * y10, sigma_high=y10)

    @classmethod
    def of_difference(cls, first: npt.ArrayLike) -> Priors:
        """Priors of the difference mu3: Laplace(0, 0.2 Y10) and Uniform(0, Y10); the paper states none."""
        y10 = float(np.mean(np.asarray(first, np.float64)))
        return cls(centre=0.0, scale=0.2 * y10, sigma_high=y10)

    def log_density(self, mu: Array) -> Array:
        """(...) logarithm of the normalised prior density at means (...)."""
        c, s = self.centre, self.scale
        families = {
            "Laplace": lambda: stats.laplace.logpdf(mu, c, s),
            "Normal": lambda: stats.norm.logpdf(mu, c, s),
            "Student-t": lambda: stats.t.logpdf(mu, self.degrees, c, s),
            "Uniform": lambda: stats.uniform.logpdf(mu, c - s, 2 * s),
        }
        return np.asarray(families[self.family](), np.float64)

"""Sampling of the models of section 1 of the paper with PyMC, as a reference for the closed form.

PyMC, nutpie and ArviZ are imported when a job starts, not before. Without a C compiler everything runs through numba.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from local_crystallography.bayes.interval import Kind, interval_of_draws
from local_crystallography.bayes.priors import Family
from local_crystallography.bayes.reference_models import Model, build, library
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job, Progress

Array = npt.NDArray[np.float64]
Phase = Literal["Building", "Compiling", "Tuning", "Drawing"]
T = TypeVar("T")
THREAD = "reference posterior"
PAUSE = 0.05
"""Seconds between two progress reports of a job."""

COMPILING = threading.Lock()
"""Held while PyMC or numba compiles: neither can do so in two threads at once."""

NOTHING_YET = "The sampler was stopped before its first draw, so there is no result; let it run longer."


@dataclass(frozen=True)
class Reference:
    """Draws from a posterior, with convergence diagnostics.

    Parameters
    ----------
    draws
        (chains, draws) of every parameter.
    divergences
        Number of divergent transitions.
    r_hat, ess_bulk, ess_tail
        Rank-normalised split R-hat and effective sample sizes of every parameter (Vehtari et al. 2021, doi
        10.1214/20-BA1221); NaN for fewer than two chains or four draws.
    seconds
        Time from the call to the last draw, including compilation.
    sampler
        Name of the sampler.
    stopped
        Whether the job was stopped, with fewer draws than requested.
    """

    draws: dict[str, Array]
    divergences: int
    r_hat: dict[str, float]
    ess_bulk: dict[str, float]
    ess_tail: dict[str, float]
    seconds: float
    sampler: str
    stopped: bool

    @property
    def sound(self) -> bool:
        """Whether no chain diverged, all R-hat are below 1.01 and all effective sample sizes above 400."""
        sizes = [*self.ess_bulk.values(), *self.ess_tail.values()]
        return self.divergences == 0 and all(r < 1.01 for r in self.r_hat.values()) and all(e > 400 for e in sizes)

    def interval(self, name: str, mass: float = 0.94, kind: Kind = "HDI") -> tuple[float, float]:
        """Interval that contains a fraction `mass` of the draws of one parameter."""
        return interval_of_draws(self.draws[name], mass, kind)


@dataclass
class Run:
    """State of a running sampler, written by its thread; only `stop` is written by the caller."""

    of: ReferencePosterior
    phase: Phase = "Building"
    done: dict[int, int] = field(default_factory=dict)
    """Steps of every chain, including tuning."""
    stop: bool = False

    def progress(self) -> Progress:
        """Fraction of all steps done."""
        steps = self.of.chains * (self.of.tune + self.of.draws)
        return Progress(min(sum(self.done.values()) / steps, 1.0), self.phase)

    def begin_compiling(self) -> None:
        """Enter the phase Compiling, unless the job was stopped meanwhile."""
        if self.stop:
            raise InputError(NOTHING_YET)
        self.phase = "Compiling"

    def count(self, chain: int, steps: int) -> None:
        """Record the steps of a chain."""
        self.done[chain] = steps
        drawing = any(n > self.of.tune for n in self.done.values())
        self.phase = "Drawing" if drawing else "Tuning"


Drawn = tuple[Array, Array, int]
"""Locations and deviations (chains, draws, k), divergences."""


class ReferencePosterior(BaseModel):
    """Sampling of a posterior with the no-U-turn sampler (NUTS)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sampler: Literal["nutpie", "pymc"] = Field(
        "nutpie", description="nutpie: compiled once per session, then fast. pymc: PyMC's own sampler."
    )
    chains: int = Field(4, ge=1, le=64, description="Number of chains; R-hat needs two or more.")
    tune: int = Field(1000, ge=100, le=100_000, description="Tuning steps of each chain, which are discarded.")
    draws: int = Field(1000, ge=10, le=1_000_000, description="Draws kept from each chain.")
    seed: int = Field(0, ge=0, lt=2**31, description="Random seed.")

    def __call__(self, model: Model) -> Job[Reference]:
        """Job in the phases Building, Compiling, Tuning and Drawing, which are the messages of its Progress.

        Stopped while drawing, it returns the draws so far.

        Raises
        ------
        InputError
            Where it is stopped before the first draw, the sampler fails, or a library is missing. A compilation cannot
            be cancelled and then continues in its thread; with nutpie the next job reuses it.
        """
        started, run = time.perf_counter(), Run(self)
        if (yield run.progress()):
            raise InputError(NOTHING_YET)
        work = by_nutpie if self.sampler == "nutpie" else by_pymc
        location, deviation, divergences = yield from in_thread(run, lambda: work(model, run))
        seconds = time.perf_counter() - started
        draws = model.natural(location, deviation)
        found = yield from in_thread(Run(self, "Drawing", run.done), lambda: diagnostics(draws))
        stopped = location.shape[:2] != (self.chains, self.draws)
        return Reference(draws, divergences, *found, seconds, self.sampler, stopped)


def in_thread(run: Run, work: Callable[[], T]) -> Job[T]:
    """Work in another thread while reporting progress; closing the job early stops the work."""
    pool = ThreadPoolExecutor(1, THREAD)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    try:
        while not wait([future], PAUSE).done:
            if run.stop:
                continue
            run.stop = bool((yield run.progress()))
            if run.stop and run.phase in ("Building", "Compiling"):
                raise InputError(NOTHING_YET)
        return future.result()
    except RuntimeError as error:
        raise InputError(
            f"The sampler failed on this posterior ({error}), probably because the priors exclude the data; widen the "
            "priors, or use the closed form."
        ) from error
    finally:
        run.stop = run.stop or not future.done()


def by_nutpie(model: Model, run: Run) -> Drawn:
    """Draw with nutpie, which needs no C compiler and runs its threads without the interpreter lock."""
    nutpie = library("nutpie")
    with COMPILING:
        run.begin_compiling()
        compiled = compiled_for(model.shape)
        run.phase = "Tuning"
    sizes = {"draws": run.of.draws, "tune": run.of.tune, "chains": run.of.chains, "seed": run.of.seed}
    sampler = nutpie.sample(
        compiled.with_data(**model.data), **sizes, progress_bar=False, blocking=False, return_raw_trace=True
    )
    while not run.stop:
        try:
            trace = sampler.wait(timeout=PAUSE)
            break
        except TimeoutError:  # `is_finished` would raise it too
            for chain, rows in enumerate(sampler.inspect().get_arrow_trace()[1]):
                run.count(chain, rows.num_rows)
    else:
        trace = sampler.abort()
    return from_arrow(*trace.get_arrow_trace())


@lru_cache(maxsize=16)
def compiled_for(shape: tuple[Family, ...] | int) -> Any:
    """Model of a shape compiled by nutpie, for any data."""
    return library("nutpie").compile_pymc_model(build(shape), var_names=["location", "deviation"])


def from_arrow(batches: Sequence[Any], stats: Sequence[Any]) -> Drawn:
    """Draws of nutpie; stopped chains are cut to the common length that keeps the most draws."""
    array = library("pyarrow").array
    kept = [~np.asarray(array(rows.column("tuning")), bool) for rows in stats]
    lengths = np.array([k.sum() for k in kept])
    ranked = np.sort(lengths)[::-1]
    length = ranked[(ranked * np.arange(1, len(ranked) + 1)).argmax()] if len(ranked) else 0
    if length == 0:
        raise InputError(NOTHING_YET)
    chains = [i for i, found in enumerate(lengths) if found >= length]

    def column(name: str) -> Array:
        whole = [np.asarray(array(batches[i].column(name)).flatten()).reshape(len(kept[i]), -1) for i in chains]
        return np.stack([rows[kept[i]][:length] for i, rows in zip(chains, whole, strict=True)])

    diverging = [np.asarray(array(stats[i].column("diverging")), bool)[kept[i]][:length] for i in chains]
    return column("location"), column("deviation"), int(np.sum(diverging))


def by_pymc(model: Model, run: Run) -> Drawn:
    """Draw with the sampler of PyMC, one chain after another in this thread: forking could deadlock."""
    pm = library("pymc")
    mode = {} if library("pytensor").config.cxx else {"compile_kwargs": {"mode": "NUMBA"}}

    def count(trace: object, draw: Any) -> None:
        run.count(draw.chain, run.done.get(draw.chain, 0) + 1)
        if run.stop:
            raise KeyboardInterrupt  # PyMC then keeps the draws so far

    sizes = {"draws": run.of.draws, "tune": run.of.tune, "chains": run.of.chains, "random_seed": run.of.seed}
    with COMPILING, build(model.shape):
        pm.set_data(model.data)
        run.begin_compiling()
        quiet = {"progressbar": False, "quiet": True, "compute_convergence_checks": False}
        try:
            idata = pm.sample(**sizes, **quiet, **mode, cores=1, blas_cores=None, nuts_sampler="pymc", callback=count)
        except ValueError:
            if not run.stop:
                raise
            raise InputError(NOTHING_YET) from None
    found = [np.asarray(idata["posterior"][name], np.float64) for name in ("location", "deviation")]
    return found[0], found[1], int(np.sum(idata["sample_stats"]["diverging"]))


def diagnostics(draws: dict[str, Array]) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """R-hat, bulk and tail effective sample sizes of draws (chains, draws) of every parameter."""
    az = library("arviz")
    enough = {name: x for name, x in draws.items() if x.shape[1] >= 4}
    unknown = dict.fromkeys(draws, np.nan)
    r_hat = {name: float(az.rhat(x)) for name, x in enough.items() if len(x) > 1}
    bulk = {name: float(az.ess(x, method="bulk")) for name, x in enough.items()}
    tail = {name: float(az.ess(x, method="tail", prob=(0.05, 0.95))) for name, x in enough.items()}
    return unknown | r_hat, unknown | bulk, unknown | tail

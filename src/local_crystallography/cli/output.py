"""Output of commands, and their common checks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import CliImplicitFlag

from local_crystallography.cli.console import progress_bar, stop_on_interrupt
from local_crystallography.data.errors import InputError, writing
from local_crystallography.data.progress import Job, finish

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from local_crystallography.data.atoms import Atoms
    from local_crystallography.data.image import Image

TIFF = (".tif", ".tiff")
STOPPED, DOUBTFUL = 130, 3
"""Exit codes after Ctrl-C, as in shells, and for atoms that should not be trusted."""
Format = Literal["png", "svg", "pdf"]
T = TypeVar("T")
_answer: ContextVar[dict[str, Any] | None] = ContextVar("answer", default=None)
"""What the command answers with --json; None without it."""


class Answering(BaseModel):
    """Options of every command that prints results."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    as_json: CliImplicitFlag[bool] = Field(
        False, alias="json", description="One JSON object on standard output; messages go to standard error."
    )


def say(line: str) -> None:
    """Write a line of results to standard output; with --json, to standard error."""
    (sys.stdout if _answer.get() is None else sys.stderr).write(line + "\n")


def tell(**facts: Any) -> None:
    """Results for --json, which are plain values; nothing without it."""
    if (answer := _answer.get()) is not None:
        answer.update(facts)


@contextmanager
def answering(as_json: bool) -> Iterator[None]:
    """Context of a command; with --json all that was told in it is written as one object at its end."""
    if not as_json:
        yield
        return
    token = _answer.set({})
    try:
        yield
    finally:
        if answer := _answer.get():  # none for --help
            from local_crystallography.io.provenance import jsonable

            sys.stdout.write(json.dumps(jsonable(answer), ensure_ascii=False) + "\n")
        _answer.reset(token)


def run_job(job: Job[T]) -> tuple[T, int]:
    """Run a job with a progress bar, stopping it at Ctrl-C; its result and the exit code."""
    with progress_bar() as report, stop_on_interrupt() as stopped:
        return finish(job, lambda progress: report(progress) or stopped()), STOPPED if stopped() else 0


def write_tables(out: Path, tables: dict[str, pd.DataFrame], figures: dict[str, Figure], ending: Format) -> None:
    """Write tables as CSV and figures to a folder, which is created if missing."""
    from local_crystallography.report.symmetry import write_figure

    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            table.to_csv(out / f"{name}.csv", index=False)
            tell(**{name: table.to_dict("records")})
        for name, figure in figures.items():
            write_figure(figure, out / f"{name}.{ending}")
    say(f"Tables and figures are in {out}.")
    tell(out=str(out))


def check_tiff(out: Path) -> None:
    """Refuse a file name without a TIFF extension before any work is done."""
    if out.suffix.lower() not in TIFF:
        raise InputError(f"--out {out} is not the name of a TIFF file; let it end in .tif.")


def write_image(out: Path, image: Image) -> None:
    """Write an image as TIFF; its folder is created if missing."""
    from local_crystallography.io.write import write_tiff

    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_tiff(out, image.data, image.pixel_size)
    tell(out=str(out), shape=list(image.data.shape), pixel_size_nm=image.pixel_size)


def measured(session: Path) -> Atoms:
    """The atoms of a saved result, with lattice columns."""
    from local_crystallography.analysis import Analysis

    atoms = Analysis.open(session).atoms
    if atoms is None or "cell_a" not in atoms.features:
        raise InputError(f"{session} has no lattice; run the image again with --also measure_lattice.")
    return atoms

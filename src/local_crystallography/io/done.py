"""What was done to an image, in order: what a session is written as a script from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from local_crystallography.data.atom_change import AtomChange
from local_crystallography.recipe import Recipe
from local_crystallography.steps.base import Step


class Ran(BaseModel):
    """A step that was run: its settings as requested, and after which report of progress it was stopped.

    `mended`: it brought edited atoms up to date; `resumed`: it continued from a checkpoint.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["ran"] = "ran"
    name: str
    settings: Mapping[str, JsonValue]
    stopped: int | None = None
    mended: bool = False
    resumed: bool = False

    @property
    def step(self) -> Step:
        """The step with its settings."""
        step = getattr(Recipe.model_validate({self.name: dict(self.settings)}), self.name)
        assert isinstance(step, Step)
        return step


class Changed(BaseModel):
    """Atoms changed by hand, `edited` where steps made of the earlier ones are to be brought up to date."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["changed"] = "changed"
    change: AtomChange
    edited: bool


class Given(BaseModel):
    """A result that was given, such as a probability map of another layer; it is only in the saved session."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["given"] = "given"
    name: str


class Calibrated(BaseModel):
    """The pixel size, nm, set anew; `before` is the one until then."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["calibrated"] = "calibrated"
    pixel_size: float | None
    before: float | None


class Opened(BaseModel):
    """The session was saved and opened again here; `known` is False where nothing is recorded of what was before."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["opened"] = "opened"
    known: bool = True


Done: TypeAlias = Annotated[Ran | Changed | Given | Calibrated | Opened, Field(discriminator="kind")]


def followed(log: tuple[Done, ...], done: Done) -> tuple[Done, ...]:
    """The log with one more entry, without those that it overtakes."""
    if isinstance(done, Ran):
        if done.name == "paint_map":  # maps give no columns
            log = tuple(each for each in log if not (isinstance(each, Ran) and each.name == "paint_map"))
        last = log[-1] if log else None
        again = isinstance(last, Ran) and last.name == done.name and not (last.mended or done.mended or done.resumed)
        if again and not (done.step.continues or done.step.moves):
            log = log[:-1]
    if isinstance(done, Opened) and log and isinstance(log[-1], Opened):
        log = log[:-1] if log[-1].known else log
        done = done if not log or not isinstance(log[-1], Opened) else log[-1]
        return log if log and log[-1] is done else (*log, done)
    return (*log, done)

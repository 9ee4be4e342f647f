"""Base of every step: frozen parameters with one verb."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from local_crystallography.data.columns import Column
from local_crystallography.data.parameters import Parameters, words
from local_crystallography.data.progress import Job, finish

OWN = "own"
"""Stands in `Step.reads` for columns of the atoms that no step made; `own` for a single one of them."""

ANY = "any"
"""Stands in `Step.reads` for the columns of all steps."""


def own(column: str) -> str:
    """Stands in `Step.reads` for one column of the atoms, where no step made it."""
    return f"{OWN} {column}"


class Step(Parameters):
    """Parameters of one step. Default, range and help of each stand once, on its field.

    Calling a step gives its result; `run` gives the job behind it. A step keeps no state. A field of None means "fitted
    to the image"; `resolve` takes the same inputs and gives the step with every such field filled in, for the record.
    """

    needs: ClassVar[tuple[str, ...]]
    """The results of an analysis the call takes, in order; a name ending in ? may be missing."""
    makes: ClassVar[str]
    """The result of an analysis the call gives."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Names of the steps whose columns of the atoms the call reads; all steps read those of Find atoms."""
    adds: ClassVar[tuple[Column, ...]] = ()
    """The columns that the call adds to the atoms."""
    optional: ClassVar[bool] = False
    """Whether a whole run leaves the step out unless it is requested by name."""

    moves: ClassVar[bool] = False
    """Whether the atoms a call gives back are elsewhere or fewer, so that later steps have other atoms to work on."""

    continues: ClassVar[bool] = False
    """Whether the step, run again, tells its result in the words of the last one, as `continued` does."""

    @classmethod
    def name(cls) -> str:
        """`find_atoms` for `FindAtoms`: the key in a recipe, on the command line and in a session."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def title(cls) -> str:
        """`find_atoms` as people read it: Find atoms."""
        read = words(cls.name())
        return read[0].upper() + read[1:]

    @classmethod
    def adds_columns(cls) -> bool:
        """Whether the call gives the atoms it takes, with columns added."""
        return cls.makes == "atoms" and "atoms" in cls.needs

    @classmethod
    def takes(cls) -> set[str]:
        """What the call is made of: results by name, and columns by the name of the step that made them."""
        return {name.rstrip("?") for name in cls.needs} | set(cls.reads_from())

    @classmethod
    def reads_from(cls) -> tuple[str, ...]:
        """`reads`, with `ANY` replaced by the steps that add columns."""
        if ANY not in cls.reads:
            return cls.reads
        from local_crystallography.steps.catalog import step_classes

        adding = [name for name, kind in step_classes().items() if kind.adds_columns()]
        return (*(name for name in cls.reads if name != ANY), *adding)

    @classmethod
    def gives(cls) -> str:
        """What the call gives, in the names of `takes`."""
        return cls.name() if cls.adds_columns() else cls.makes

    @classmethod
    def replaces(cls) -> set[str]:
        """What is new after the call, in the names of `takes`."""
        return {cls.makes, cls.gives()} if cls.moves else {cls.gives()}

    def uses(self, replaced: set[str]) -> bool:
        """Whether the step, as it is set, makes anything of what was replaced, in the names of `takes`."""
        return bool(self.takes() & replaced)

    def resolve(self, *inputs: Any) -> Step:
        """The same step with every automatic parameter fixed to the value these inputs give it."""
        return self

    def resolving(self, *inputs: Any) -> Any:
        """What an analysis runs: `resolve`, or where that takes long, a generator of Progress."""
        return self.resolve(*inputs)

    def run(self, *inputs: Any) -> Job[Any]:
        """The work as a job, which reports its progress, can be stopped and returns the result."""
        raise NotImplementedError

    def __call__(self, *inputs: Any) -> Any:
        """The result of the job."""
        return finish(self.run(*inputs))

    def summary(self, result: Any) -> str:
        """What the result is, in a few words."""
        return "done"

    def remarks(self, result: Any) -> list[str]:
        """What a user should know about the result, in sentences."""
        return []

    def continued(self, made: Any, last: Any) -> Any:
        """The result of a call in terms of the previous one, such as with its class numbers; both are atoms."""
        return made

    def mended(self, made: Any, now: Any, touched: Any) -> Any:
        """The result of a call after an edit by hand; `now` are the atoms before the call, `touched` (N,) those edited.

        Steps whose results of other atoms stay true keep them.
        """
        return made

"""What every step is: frozen parameters with one verb."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Step(BaseModel):
    """Parameters of one step. Default, range and help of each stand once, on its field.

    Calling a step computes; a step keeps no state. A field of None means "fitted to the image"; `resolve` takes the
    inputs of the call and gives the same step with every such field filled in, for the record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    needs: ClassVar[tuple[str, ...]]
    """The results of an analysis the call takes, in order; a name ending in ? may be missing."""
    makes: ClassVar[str]
    """The result of an analysis the call gives."""

    @classmethod
    def name(cls) -> str:
        """`find_atoms` for `FindAtoms`: the key in a recipe, on the command line and in a session."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def resolve(self, *inputs: Any) -> Step:
        """The same step with every automatic parameter fixed to the value these inputs give it."""
        return self

    def __call__(self, *inputs: Any) -> Any:
        """Compute; a long step returns a generator of Progress instead."""
        raise NotImplementedError

"""`local-crystallography script`: a session as a script."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import CliPositionalArg

from local_crystallography.cli.output import Answering, tell
from local_crystallography.data.errors import InputError, writing


class Script(Answering):
    """Write what was done in a saved session as a Python script, a command or a notebook."""

    session: CliPositionalArg[Path] = Field(description="Folder of a saved session.")
    kind: Literal["python", "command", "notebook"] = Field("python", alias="as", description="What to write.")
    out: Path | None = Field(None, description="File to write; none: standard output.")

    def execute(self) -> int:
        """Write it; the exit code."""
        from local_crystallography.io.script import WRITERS
        from local_crystallography.io.session import load

        text = WRITERS[self.kind](load(self.session), self.session.resolve())
        tell(script=text)
        if self.out is None:
            if not self.as_json:
                sys.stdout.write(text)
            return 0
        if self.out.exists():
            raise InputError(f"{self.out} exists already; choose another name.")
        with writing(self.out):
            self.out.write_text(text, encoding="utf-8")
        return 0

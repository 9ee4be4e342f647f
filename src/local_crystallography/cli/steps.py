"""A command for each step of a recipe, which reads and writes a session: `local-crystallography find-atoms SESSION`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from pydantic import Field, create_model
from pydantic_settings import CliPositionalArg

from local_crystallography.cli.image_options import ImageOptions
from local_crystallography.cli.output import DOUBTFUL, STOPPED, Answering, run_job, say, tell
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Cancelled
from local_crystallography.steps.base import Step

if TYPE_CHECKING:
    from local_crystallography.analysis import Analysis


class StepCommand(Answering):
    """The options of a step, and the session it works on; options that are not given stay as they were there."""

    step_class: ClassVar[type[Step]]
    session: CliPositionalArg[Path] = Field(description="Folder of a session; it is updated.")

    def execute(self) -> int:
        """Open the session, run the step, save."""
        from local_crystallography.analysis import Analysis
        from local_crystallography.io.provenance import PROVENANCE

        if not os.access(self.session, os.W_OK) and (self.session / PROVENANCE).exists():
            raise InputError(f"{self.session} is not writable; copy the session to another folder first.")
        return self.apply_to(Analysis.open(self.session), self.session)

    def apply_to(self, analysis: Analysis, out: Path) -> int:
        """Run the step on an analysis and save it; the exit code."""
        from local_crystallography.cli.run import changed
        from local_crystallography.io.session import REPORT
        from local_crystallography.recipe import Recipe

        kind, name = self.step_class, self.step_class.name()
        given = {each: getattr(self, each) for each in kind.model_fields if each in self.model_fields_set}
        earlier = analysis.asked.get(name) or analysis.behind.get(name) or kind()
        step, title = changed(earlier, given), kind.title()
        tell(step=step.name(), session=str(out), out_of_date=[])
        if analysis.is_current(step):
            say(f"{title} is up to date in {out}; nothing was done.")
            tell(done=False)
            return 0
        before, reported = list(analysis.used), (out / REPORT).exists()
        try:
            _, code = run_job(analysis.apply(step))
        except Cancelled:
            return STOPPED  # the session is as it was
        analysis.save(out)
        gone = [name for name in before if name not in analysis.used]
        result, step = getattr(analysis, step.makes), analysis.used[step.name()]
        say(f"{title}: {step.summary(result)}. Saved in {out}.")
        tell(done=True, summary=step.summary(result), seconds=analysis.seconds[step.name()], out_of_date=gone)
        for remark in step.remarks(result):
            say(remark)
        if gone:
            titles = ", ".join(each.title() for each in Recipe().steps if each.name() in gone)
            say(f"Out of date, since made of what {title} replaced, and removed: {titles}; run them again.")
        if analysis.behind:
            say(f"Of the atoms before an edit: {', '.join(each.title() for each in analysis.behind.values())}.")
        if reported:
            say(f"The report was out of date and is removed; `local-crystallography report {out}` draws it anew.")
        return code or (DOUBTFUL if self.step_class.name() == "refine_atoms" and analysis.doubt else 0)


class SegmentCommand(StepCommand, ImageOptions):
    """Segment an image into a new session, or segment that of a session again."""

    session: CliPositionalArg[Path] = Field(description="Image file, which needs --out, or folder of a session.")
    out: Path | None = Field(None, description="Folder of the session for an image file.")
    mask: Path | None = Field(None, description="Image of the same size, nonzero on pixels to ignore.")

    def execute(self) -> int:
        """Open image or session, segment, save."""
        from local_crystallography.analysis import Analysis
        from local_crystallography.data.image import with_mask
        from local_crystallography.io.provenance import PROVENANCE
        from local_crystallography.io.read import read_mask
        from local_crystallography.io.session import earlier_files

        if self.session.is_dir() and (self.session / PROVENANCE).exists():
            new = {"out", "mask", *ImageOptions.model_fields} & self.model_fields_set
            if new:
                raise InputError(
                    f"{self.session} is a session already; --{min(new).replace('_', '-')} is for image files."
                )
            return super().execute()
        if self.out is None:
            raise InputError(f"{self.session} is no session; give --out SESSION to begin one with an image file.")
        image = self.read(self.session)
        if self.mask is not None:
            image = with_mask(image, read_mask(self.mask))
        if earlier_files(self.out.resolve(), image):
            raise InputError(f"{self.out} is a session of this image already; give it instead of the image.")
        return self.apply_to(Analysis(image), self.out)


def step_command(kind: type[Step], words: str) -> type[StepCommand]:
    """The command of a step, with the options of its model, and what it does in words."""
    base = SegmentCommand if kind.name() == "segment" else StepCommand
    made = cast(type[StepCommand], create_model(kind.__name__, __doc__=words, __base__=(base, kind)))
    made.step_class = kind
    return made

"""Request for a window study; the image layer remembers it, so that it outlives the dock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local_crystallography._napari.layers import convert
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job
from local_crystallography.io.window_runs import StudyTable
from local_crystallography.recipe import Recipe
from local_crystallography.studies.windows import WindowStudy, finished_runs, run_window_study

STEPS = ("extract_sub_images", "train_vae", "encode", "cluster")
"""What a run consists of."""
NOTE = "windows"
"""What the layer calls it."""


@dataclass(frozen=True)
class Asked:
    """A study of one image: what is asked for, with the recipe of then, and the atoms it is of."""

    session: ImageSession
    atoms: Atoms
    settings: WindowStudy
    recipe: Recipe
    folder: Path

    @property
    def parts(self) -> tuple[Analysis, WindowStudy, Recipe, Path]:
        """What `run_window_study` takes."""
        return self.session.analysis, self.settings, self.recipe, self.folder

    def follows(self, recipe: Recipe) -> bool:
        """Whether a recipe asks for the same, window and source aside."""
        one, other = (self.settings.of_run(each, "image", 8, 0, 1.0) for each in (self.recipe, recipe))
        return all(getattr(one, name) == getattr(other, name) for name in STEPS)

    def keep(self) -> None:
        """Let the image layer remember it."""
        self.session.layer.metadata.setdefault(convert.KEY, {})[NOTE] = (self.settings, self.recipe, self.folder)

    def study(self) -> Job[StudyTable | InputError]:
        """Train, and give the study, or why there is none."""
        try:
            return (yield from run_window_study(*self.parts))
        except InputError as error:
            return error

    def finished(self) -> StudyTable:
        """The runs that are done already."""
        return finished_runs(*self.parts)


def asked_before(session: ImageSession) -> Asked | None:
    """What the image layer remembers, for the atoms there are now; None where nothing was asked for, or no atoms."""
    kept, atoms = convert.note_of(session.layer).get(NOTE), session.analysis.atoms
    return None if kept is None or atoms is None else Asked(session, atoms, *kept)

"""All steps with all their parameters: the panels, the command line options and the provenance of a result."""

from __future__ import annotations

import tomllib
from pathlib import Path

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from local_crystallography.data.errors import InputError
from local_crystallography.steps.base import Step
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.encode import Encode
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.find_atoms import FindAtoms
from local_crystallography.steps.paint_map import PaintMap
from local_crystallography.steps.segment import Segment
from local_crystallography.steps.train_vae import TrainVae


class Recipe(BaseModel):
    """The steps of one analysis, in the order they are run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    segment: Segment = Field(default_factory=Segment, description="Mark the pixels that belong to an atom.")
    find_atoms: FindAtoms = Field(default_factory=FindAtoms, description="Find one atom per blob.")
    extract_sub_images: ExtractSubImages = Field(
        default_factory=ExtractSubImages, description="Cut a window around every atom."
    )
    train_vae: TrainVae = Field(default_factory=TrainVae, description="Train the rotationally invariant network.")
    encode: Encode = Field(default_factory=Encode, description="Angle, offset and latents of every atom.")
    cluster: Cluster = Field(default_factory=Cluster, description="Sort the atoms into classes.")
    paint_map: PaintMap = Field(default_factory=PaintMap, description="Paint the columns as maps.")

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, in order."""
        return tuple(getattr(self, name) for name in type(self).model_fields)

    def with_step(self, step: Step) -> Recipe:
        """The recipe with one step replaced."""
        return self.model_copy(update={step.name(): step})

    def to_toml(self) -> str:
        """The recipe as text; automatic parameters are left out."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    @classmethod
    def from_toml(cls, path: str | Path) -> Recipe:
        """A recipe from a file; what it leaves out takes its default.

        Raises
        ------
        InputError
            Where the file cannot be read or a parameter is unknown or out of range.
        """
        try:
            return cls.model_validate(tomllib.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); a recipe in TOML was expected.") from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InputError(
                f"{path}: {error}; a recipe in TOML was expected, as recipe.toml of a result is."
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise InputError(f"{path}: {place} = {first['input']!r}: {first['msg']}; correct this line.") from error

"""All steps with all their parameters: the panels, the command line options and the provenance of a result."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from local_crystallography.data.columns import std_of, unit_of
from local_crystallography.data.errors import InputError
from local_crystallography.data.parameters import path_of, sentence
from local_crystallography.steps.base import Step
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.correct_scan import CorrectScan
from local_crystallography.steps.describe import Describe
from local_crystallography.steps.encode import Encode
from local_crystallography.steps.encode_cvae import EncodeCvae
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.find_atoms import FindAtoms
from local_crystallography.steps.geometric_phase import GeometricPhase
from local_crystallography.steps.measure_lattice import MeasureLattice
from local_crystallography.steps.paint_map import PaintMap
from local_crystallography.steps.refine_atoms import RefineAtoms
from local_crystallography.steps.segment import Segment
from local_crystallography.steps.symmetry import DecideSymmetry
from local_crystallography.steps.train_cvae import TrainCvae
from local_crystallography.steps.train_vae import TrainVae


def optional_name(name: str) -> str:
    """The name of an optional step, checked."""
    names = [step.name() for step in Recipe().steps if step.optional]
    if name not in names:
        known = ", ".join(names)
        raise PydanticCustomError("optional", "There is no such optional step; choose from {known}", {"known": known})
    return name


class Recipe(BaseModel):
    """The steps of one analysis, in the order they are run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    segment: Segment = Field(default_factory=Segment, description="Mark the pixels that belong to an atom.")
    find_atoms: FindAtoms = Field(default_factory=FindAtoms, description="Find one atom per blob.")
    refine_atoms: RefineAtoms = Field(
        default_factory=RefineAtoms, description="Fit all atoms and the background together, to a fraction of a pixel."
    )
    correct_scan: CorrectScan = Field(
        default_factory=CorrectScan, description="Correct the positions of atoms for scan distortions (optional)."
    )
    measure_lattice: MeasureLattice = Field(
        default_factory=MeasureLattice,
        description="Neighbours, cell, strain, rotation and displacement of every atom (optional).",
    )
    geometric_phase: GeometricPhase = Field(
        default_factory=GeometricPhase,
        description="Strain by geometric phase analysis, as a cross-check of that of Measure lattice (optional).",
    )
    decide_symmetry: DecideSymmetry = Field(
        default_factory=DecideSymmetry,
        description="Decide around every atom whether bonds alternate and whether the cell is square (optional).",
    )
    extract_sub_images: ExtractSubImages = Field(
        default_factory=ExtractSubImages, description="Cut a window around every atom."
    )
    train_vae: TrainVae = Field(default_factory=TrainVae, description="Train the rotationally invariant network.")
    encode: Encode = Field(default_factory=Encode, description="Angle, offset and latents of every atom.")
    describe: Describe = Field(
        default_factory=Describe,
        description="Columns of every atom without training: moments, components, neighbours (optional).",
    )
    cluster: Cluster = Field(default_factory=Cluster, description="Sort the atoms into classes.")
    train_cvae: TrainCvae = Field(
        default_factory=TrainCvae, description="Train a network conditional on the classes (optional)."
    )
    encode_cvae: EncodeCvae = Field(
        default_factory=EncodeCvae, description="Latents within the class of every atom (optional)."
    )
    paint_map: PaintMap = Field(default_factory=PaintMap, description="Paint the columns as maps.")
    also: tuple[Annotated[str, AfterValidator(optional_name)], ...] = Field(
        (), description="Optional steps to run as well, by name, such as describe."
    )

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, in order."""
        return tuple(value for _, value in self if isinstance(value, Step))

    def wanted(self, only: Iterable[str] | None = None, also: Iterable[str] = ()) -> tuple[Step, ...]:
        """The steps of a run: those of `only`, else all but optional ones not requested; and those of `also`.

        Raises
        ------
        InputError
            For a name that no step has.
        """
        if only is None:
            only = [*self.also, *(step.name() for step in self.steps if not step.optional)]
        names, known = {*only, *also}, [step.name() for step in self.steps]
        if unknown := sorted(names - set(known)):
            raise InputError(f"There is no step {', '.join(unknown)}; choose from {', '.join(known)}.")
        return tuple(step for step in self.steps if step.name() in names)

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
            Where the file cannot be read, a parameter is unknown or out of range, or settings are given for an optional
            step that is not among those to run.
        """
        recipe = cls.parsed(path)
        forgotten = [step.name() for step in recipe.steps if step.optional and step != type(step)()]
        if forgotten := [name for name in forgotten if name not in recipe.also]:
            raise InputError(
                f"{path} has settings for {', '.join(forgotten)}, which is optional and would not be run; add "
                f"{', '.join(map(repr, forgotten))} to the list `also`, or remove the settings."
            )
        return recipe

    @classmethod
    def parsed(cls, path: str | Path) -> Recipe:
        """The recipe of a file, also one with settings for steps that it does not run, as earlier sessions may have.

        Raises
        ------
        InputError
            Where the file cannot be read or a parameter is unknown or out of range.
        """
        try:
            recipe = cls.model_validate(tomllib.loads(Path(path).read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise InputError(f"{path} does not exist; check the spelling of the path.") from error
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); choose a recipe in TOML.") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not a text file; choose a recipe such as recipe.toml of a result.") from error
        except tomllib.TOMLDecodeError as error:
            raise InputError(
                f"{path} is not TOML ({error}); choose a recipe such as recipe.toml of a result."
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(part for part in path_of(error) if not part.isdecimal())
            came = "" if isinstance(first["input"], dict) else f" = {first['input']!r}"
            raise InputError(f"{path}: {place}{came}: {sentence(error, cls)}; correct this line.") from error
        return recipe


def recipe_of(used: Mapping[str, Step]) -> Recipe:
    """The recipe of steps as they were run, by name, asking for the optional ones among them."""
    also = tuple(step.name() for step in Recipe().steps if step.optional and step.name() in used)
    return Recipe(also=also).model_copy(update=dict(used))


def column_table() -> str:
    """All columns as a table in Markdown, by the step that adds them."""
    rows = ["| column | unit | what it holds | step |", "| --- | --- | --- | --- |"]
    for step in Recipe().steps:
        for column in step.adds:
            name = column.name.replace("|", "\\|").replace("\\d+", "N")
            of = name.replace("_(px", "_std_(px") if name.endswith("nm)") else std_of(name)
            std = f"; standard deviation: `{of}`" if column.has_std else ""
            rows.append(f"| `{name}` | {unit_of(column.name)} | {column.help.rstrip('.')}{std}. | {step.title()} |")
    return "\n".join(rows) + "\n"

"""Scene of a simulated image: one frozen model, readable from a TOML recipe."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from local_crystallography.data.errors import InputError
from local_crystallography.simulate.regions import AnyRegion, Voronoi, Whole
from local_crystallography.simulate.structures import CRYSTALS, StructureName

Fraction = Annotated[float, Field(ge=0, le=1)]
Nanometres = Annotated[float, Field(ge=-1, le=1)]
LARGEST_FIELD = 40_000.0  # nm2, about a million columns
STEEPEST_WAVE = 0.5  # displacement per length; at 1 columns would change order


class Part(BaseModel):
    """A frozen part of a scene."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Strain(Part):
    """Strain along the image axes: dx' = (1 + xx) dx + xy dy and dy' = xy dx + (1 + yy) dy, y down.

    Displacements in the truth are measured from the strained lattice.
    """

    xx: float = Field(0.0, ge=-0.2, le=0.2, description="Relative stretch along the rows of the image.")
    yy: float = Field(0.0, ge=-0.2, le=0.2, description="Relative stretch along the columns of the image.")
    xy: float = Field(0.0, ge=-0.2, le=0.2, description="Pure shear, relative, with x to the right and y down.")


class SiteShift(Part):
    """A common shift of one site class, as in a ferroelectric."""

    site: str = Field("B", description="Site class that is shifted.")
    length: float = Field(0.02, ge=0, le=0.1, description="Length of the shift in nm.")
    angle: float = Field(
        0.0,
        ge=-np.pi,
        le=np.pi,
        description="Direction of the shift, radians, counter-clockwise as displayed.",
    )


class Grain(Part):
    """One grain: a structure, rotated and strained, in a region of the image."""

    structure: StructureName = Field("La0.7Sr0.3MnO3", description="Crystal structure of the grain.")
    angle: float = Field(
        0.0, ge=-np.pi, le=np.pi, description="Rotation of the lattice, radians, counter-clockwise as displayed."
    )
    origin: tuple[float, float] = Field(
        (0.0, 0.0), description="Position (y, x) of a cell corner, nm from the image centre, y down."
    )
    region: AnyRegion = Field(Whole(), description="Region filled by the grain; later grains lie on top.")
    strain: Strain = Field(
        Strain(),
        description="Homogeneous strain of the grain; displacements in the truth exclude it.",
    )
    shifts: tuple[SiteShift, ...] = Field((), description="Common shifts of site classes.")
    vacancies: dict[str, Fraction] = Field({}, description="Fraction (0 to 1) of missing columns for each site class.")

    @model_validator(mode="after")
    def _knows_its_sites(self) -> Grain:
        known = {site.label for site in CRYSTALS[self.structure].sites}
        unknown = {shift.site for shift in self.shifts} | set(self.vacancies)
        if unknown - known:
            raise InputError(f"{self.structure} has no sites {sorted(unknown - known)}; choose among {sorted(known)}.")
        return self


class Thickness(Part):
    """Specimen thickness, a wedge from one side of the image to the other."""

    first: float = Field(1.0, gt=0, le=1, description="Relative thickness at the first side of the wedge.")
    last: float = Field(1.0, gt=0, le=1, description="Relative thickness at the opposite side.")
    angle: float = Field(
        0.0,
        ge=-np.pi,
        le=np.pi,
        description="Direction of the wedge, radians, counter-clockwise as displayed; 0 is left to right.",
    )


class Background(Part):
    """Intensity between the columns as a fraction of `dose`; it increases with thickness like the columns."""

    level: float = Field(0.1, ge=0, le=10, description="Mean level, as a fraction of the brightest column.")
    gradient: float = Field(0.0, ge=-2, le=2, description="Change from one side to the other, in the same unit.")
    angle: float = Field(
        0.0,
        ge=-np.pi,
        le=np.pi,
        description="Direction of the gradient, radians, counter-clockwise as displayed.",
    )
    random: float = Field(0.0, ge=0, le=2, description="Root mean square of a smooth random part, in the same unit.")
    random_length: float = Field(3.0, gt=0, le=1000, description="Correlation length of the random part in nm.")


class Mistilt(Part):
    """Crystal mistilt: weak columns are shifted against strong ones, and all are elongated."""

    angle: float = Field(
        0.0,
        ge=-np.pi,
        le=np.pi,
        description="Direction of the tilt, radians, counter-clockwise as displayed.",
    )
    shift: float = Field(0.0, ge=0, le=0.05, description="Shift of the weakest against the strongest columns in nm.")
    smear: float = Field(0.0, ge=0, le=0.1, description="Root-mean-square elongation along the direction in nm.")


class Scan(Part):
    """Scan distortions as a function of acquisition time; every row is one time step."""

    line_jitter: float = Field(0.0, ge=0, le=10, description="Root-mean-square shift of single rows along x in px.")
    flyback: float = Field(0.0, ge=0, le=100, description="Shift along x at the start of every row in px.")
    flyback_decay: float = Field(50.0, ge=1, le=5000, description="Distance over which that shift decays to 1/e, px.")
    drift: tuple[float, float] = Field(
        (0.0, 0.0), description="Drift (y, x) of the specimen in the image during one frame in px, y down."
    )


class Wave(Part):
    """Displacement field, amplitude * sin(2 pi s / wavelength + phase), at positions s nm from the image centre.

    Every column is displaced by the field at its position in the lattice of its grain. The gradient of the field is a
    strain field, up to 2 pi amplitude / wavelength; a wave on one site class displaces that sublattice against the
    others.
    """

    amplitude: tuple[Nanometres, Nanometres] = Field(
        (0.0, 0.02), description="Largest displacement (y, x) in nm, -1 to 1, y down."
    )
    wavelength: float = Field(10.0, ge=0.1, le=10_000, description="Length of one period in nm.")
    angle: float = Field(
        0.0,
        ge=-np.pi,
        le=np.pi,
        description="Direction along which the field varies, radians, counter-clockwise as displayed.",
    )
    phase: float = Field(0.0, ge=-2 * np.pi, le=2 * np.pi, description="Phase at the image centre, radians.")
    sites: tuple[str, ...] = Field((), description="Site classes that are displaced; empty displaces all.")

    @property
    def reach(self) -> float:
        """Largest length of the displacement in nm."""
        return float(np.hypot(*self.amplitude))

    @model_validator(mode="after")
    def _is_not_too_steep(self) -> Wave:
        steepness = 2 * np.pi * self.reach / self.wavelength
        if steepness > STEEPEST_WAVE:
            raise InputError(
                f"A wave of {self.reach:.3g} nm over a wavelength of {self.wavelength:.3g} nm strains by "
                f"{steepness:.2g}, but at most {STEEPEST_WAVE} is possible; use a smaller amplitude or a longer "
                "wavelength."
            )
        return self


class Scene(Part):
    """Complete description of a simulated image, except the random seed."""

    shape: tuple[int, int] = Field((512, 512), description="Height and width of the image, 16 to 16384 px.")
    pixel_size: float = Field(0.0168, ge=0.001, le=0.2, description="nm per pixel.")
    grains: tuple[Grain, ...] = Field((Grain(),), min_length=1, description="Grains, later ones on top.")
    probe_fwhm: float = Field(
        0.1, gt=0, le=1, description="Full width at half maximum of the probe, including source size, in nm."
    )
    z_exponent: float = Field(1.7, ge=1.6, le=1.8, description="Exponent of the atomic number in the contrast.")
    thermal_rms: float | None = Field(
        None,
        ge=0,
        le=0.1,
        description="Root-mean-square thermal displacement along one axis in nm; None: that of each site.",
    )
    static_rms: float = Field(
        0.0, ge=0, le=0.1, description="Root-mean-square static displacement along one axis in nm."
    )
    waves: tuple[Wave, ...] = Field(
        (), description="Displacement fields, which are added; their gradient is a strain field."
    )
    strength_scatter: float = Field(0.0, ge=0, le=0.5, description="Relative scatter of the column strengths.")
    thickness: Thickness = Field(Thickness(), description="Relative thickness over the image.")
    background: Background = Field(Background(), description="Intensity between the columns.")
    mistilt: Mistilt = Field(Mistilt(), description="Crystal tilt away from the beam.")
    scan: Scan = Field(Scan(), description="Scan distortions.")
    dose: float = Field(
        200.0,
        gt=0,
        le=50_000,
        description="Peak counts of the brightest site above background at thickness 1.",
    )

    @model_validator(mode="after")
    def _can_be_made(self) -> Scene:
        if not all(16 <= side <= 16384 for side in self.shape):
            raise InputError(f"The shape is {self.shape} px, but each side must have 16 to 16384 pixels.")
        area = self.shape[0] * self.shape[1] * self.pixel_size**2
        if area > LARGEST_FIELD:
            raise InputError(
                f"The field of {area:.0f} nm2 is too large, at most {LARGEST_FIELD:.0f} nm2 is possible; use a smaller "
                "shape or pixel_size."
            )
        if any(abs(path) > side / 10 for path, side in zip(self.scan.drift, self.shape, strict=True)):
            raise InputError(f"The drift of {self.scan.drift} px is too large; at most a tenth of {self.shape} px.")
        return self


def read_recipe(path: Path) -> tuple[Scene, int]:
    """Scene and seed of a recipe: a TOML file with a number `seed` and a table `scene`.

    Raises
    ------
    InputError
        Where the file is missing, is not TOML, or contains invalid names or values.
    """
    if not path.is_file():
        raise InputError(f"There is no recipe {path}; give the path of a TOML file with a seed and a scene.")
    try:
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML ({error}); correct that line.") from error
    return _checked(recipe, path)


def _checked(recipe: dict[str, Any], path: Path) -> tuple[Scene, int]:
    if not set(recipe) <= {"seed", "scene"}:
        raise InputError(f"{path} has the keys {sorted(recipe)}, but only seed and scene are allowed.")
    seed = recipe.get("seed", 0)
    if not isinstance(seed, int) or seed < 0:
        raise InputError(f"{path}: the seed must be an integer of at least 0, not {seed!r}.")
    try:
        return Scene.model_validate(recipe.get("scene", {})), seed
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "scene"
        raise InputError(f"{path}: {key}: {first['input']!r} is not valid; {first['msg']}.") from error


def write_recipe(path: Path, scene: Scene, seed: int) -> None:
    """Write a recipe for `read_recipe`, with every value written out."""
    import tomli_w

    values = scene.model_dump(mode="json", exclude_none=True)
    path.write_text(tomli_w.dumps({"seed": seed, "scene": values}), encoding="utf-8")


def voronoi_grains(*, structure: StructureName, count: int, field: tuple[float, float], seed: int) -> tuple[Grain, ...]:
    """Grains of one structure at random angles, around random centres in a field of (height, width) nm."""
    rng = np.random.Generator(np.random.PCG64(seed))
    centres = (rng.random((count, 2)) - 0.5) * np.array(field)
    angles = rng.uniform(-np.pi, np.pi, count)
    return tuple(
        Grain(structure=structure, angle=float(angle), region=Voronoi(centre=(float(y), float(x))))
        for (y, x), angle in zip(centres, angles, strict=True)
    )

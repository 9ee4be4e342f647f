"""Positions of the atomic columns of a scene, before any scan distortion."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree

from local_crystallography.data.errors import InputError
from local_crystallography.simulate.regions import owners
from local_crystallography.simulate.scene import Grain, Scene
from local_crystallography.simulate.structures import Projection, projection

Array = npt.NDArray[np.float64]

FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))
CLOSEST = 0.6  # smallest distance of columns of two grains, relative to the shorter spacing of heavy columns
HEAVY = 0.15  # fraction of the brightest site above which a column counts as heavy


def place_columns(scene: Scene, *, margin: float, rng: np.random.Generator) -> pd.DataFrame:
    """All columns in the field and `margin` nm around it.

    Returns
    -------
    DataFrame
        `y_ideal_px, x_ideal_px` (position before scan distortion, with mistilt), `displacement_y_px,
        displacement_x_px` (from the rotated and strained lattice of the grain, without mistilt), `site, phase,
        grain, grain_angle_rad`, `strength` (peak counts), `sigma_px` (standard deviation along one axis, without
        mistilt) and `heavy`.
    """
    _check_waves(scene)
    half = np.array(scene.shape) * scene.pixel_size / 2 + margin
    columns = pd.concat([_lattice(scene, index, half) for index in range(len(scene.grains))], ignore_index=True)
    owner = owners(tuple(grain.region for grain in scene.grains), columns[["y", "x"]].to_numpy())
    columns = _apart(scene, columns[owner == columns["grain"]].reset_index(drop=True))
    columns = columns[rng.random(len(columns)) >= columns["vacancy"]].reset_index(drop=True)
    return _finished(scene, columns, rng)


def _check_waves(scene: Scene) -> None:
    seen = {label for grain in scene.grains for label in projection(grain.structure, scene.z_exponent).labels}
    unseen = {site for wave in scene.waves for site in wave.sites} - seen
    if unseen:
        raise InputError(
            f"A wave displaces sites {sorted(unseen)}, but along the beam there are only columns {sorted(seen)}; "
            "choose among these."
        )


def _lattice(scene: Scene, index: int, half: Array) -> pd.DataFrame:
    """Perfect lattice of one grain in a field of -half to half nm, with the properties of each site."""
    grain = scene.grains[index]
    crystal = projection(grain.structure, scene.z_exponent)
    _check_sites(grain, crystal)
    matrix = _deformation(grain)
    origin = np.array(grain.origin)
    cells = _cells(crystal.cell @ matrix, half, origin)
    yx = ((cells[:, None] + crystal.positions) @ crystal.cell @ matrix + origin).reshape(-1, 2)
    site = np.tile(np.arange(len(crystal.labels)), len(cells))
    inside = (np.abs(yx) <= half).all(axis=1)
    shift = np.array([_shift(grain, label) for label in crystal.labels])
    per_site = pd.DataFrame(
        {
            "site": crystal.labels,
            "area": crystal.strength,
            "variance": _variance(scene, crystal),
            "shift_y": shift[:, 0],
            "shift_x": shift[:, 1],
            "vacancy": [grain.vacancies.get(label, 0.0) for label in crystal.labels],
        }
    )
    lattice: pd.DataFrame = per_site.iloc[site[inside]].assign(
        y=yx[inside, 0],
        x=yx[inside, 1],
        phase=grain.structure,
        grain=index,
        grain_angle_rad=grain.angle,
        spacing=crystal.spacing(),
    )
    return lattice


def _check_sites(grain: Grain, crystal: Projection) -> None:
    unseen = {shift.site for shift in grain.shifts} | set(grain.vacancies)
    if unseen - set(crystal.labels):
        raise InputError(
            f"{grain.structure} has no columns of sites {sorted(unseen - set(crystal.labels))} along the beam, only "
            f"columns {sorted(set(crystal.labels))}; choose among these."
        )


def _deformation(grain: Grain) -> Array:
    """(2, 2) matrix that rotates and strains (y, x) rows from the right."""
    c, s = np.cos(grain.angle), np.sin(grain.angle)
    turn = np.array([[c, s], [-s, c]])  # a step to the right becomes (-sin, cos): counter-clockwise, y down
    strain = grain.strain
    return np.asarray(turn @ np.array([[1 + strain.yy, strain.xy], [strain.xy, 1 + strain.xx]]))


def _cells(cell: Array, half: Array, origin: Array) -> Array:
    """(C, 2) integer cells that cover the field."""
    corners = np.array([(y, x) for y in (-half[0], half[0]) for x in (-half[1], half[1])]) - origin
    reach = corners @ np.linalg.inv(cell)
    low, high = np.floor(reach.min(axis=0)) - 1, np.ceil(reach.max(axis=0)) + 1
    first, second = (np.arange(low[axis], high[axis] + 1) for axis in range(2))
    return np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)


def _shift(grain: Grain, label: str) -> Array:
    total = np.zeros(2)
    for shift in grain.shifts:
        if shift.site == label:
            total += shift.length * np.array([-np.sin(shift.angle), np.cos(shift.angle)])
    return total


def _wave_displacement(scene: Scene, columns: pd.DataFrame) -> Array:
    """(N, 2) displacement in nm by all waves, at the position of the column in its lattice."""
    total = np.zeros((len(columns), 2))
    y, x = columns["y"].to_numpy(), columns["x"].to_numpy()
    for wave in scene.waves:
        along = np.cos(wave.angle) * x - np.sin(wave.angle) * y
        field = np.sin(2 * np.pi * along / wave.wavelength + wave.phase)
        displaced = columns["site"].isin(wave.sites or columns["site"]).to_numpy()
        total += np.outer(np.where(displaced, field, 0.0), wave.amplitude)
    return total


def _variance(scene: Scene, crystal: Projection) -> Array:
    """(S,) variance of the Gaussian of a column along one axis in nm squared, from the probe and thermal motion."""
    thermal = crystal.variance if scene.thermal_rms is None else np.full(len(crystal.labels), scene.thermal_rms**2)
    return np.asarray((scene.probe_fwhm / FWHM_PER_SIGMA) ** 2 + thermal)


def _apart(scene: Scene, columns: pd.DataFrame) -> pd.DataFrame:
    """Columns without those too close to one of another grain: the weaker is removed, of equals that of the lower."""
    if len(scene.grains) == 1 or columns.empty:
        return columns
    spacing = columns["spacing"].to_numpy()
    grain = columns["grain"].to_numpy()
    yx = columns[["y", "x"]].to_numpy()
    pairs = cKDTree(yx).query_pairs(CLOSEST * spacing.max(), output_type="ndarray")
    pairs = pairs[grain[pairs[:, 0]] != grain[pairs[:, 1]]]
    distance = np.linalg.norm(yx[pairs[:, 0]] - yx[pairs[:, 1]], axis=1)
    pairs = pairs[distance < CLOSEST * spacing[pairs].min(axis=1)]
    rank = np.empty(len(columns), int)
    rank[np.lexsort((grain, columns["area"].to_numpy()))] = np.arange(len(columns))
    weaker = np.where(rank[pairs[:, 0]] < rank[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
    keep = np.ones(len(columns), bool)
    keep[weaker] = False
    return columns[keep].reset_index(drop=True)


def _finished(scene: Scene, columns: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Columns with displacements, mistilt and counts, all in pixels."""
    share, strength = _strength(scene, columns, rng)
    moved = columns[["shift_y", "shift_x"]].to_numpy() + rng.normal(0.0, scene.static_rms, (len(columns), 2))
    moved += _wave_displacement(scene, columns)
    tilt = np.array([-np.sin(scene.mistilt.angle), np.cos(scene.mistilt.angle)])
    seen = columns[["y", "x"]].to_numpy() + moved + scene.mistilt.shift * (1 - share)[:, None] * tilt
    centre = (np.array(scene.shape) - 1) / 2
    ideal = seen / scene.pixel_size + centre
    return pd.DataFrame(
        {
            "y_ideal_px": ideal[:, 0],
            "x_ideal_px": ideal[:, 1],
            "site": columns["site"],
            "phase": columns["phase"],
            "grain": columns["grain"],
            "grain_angle_rad": columns["grain_angle_rad"],
            "displacement_y_px": moved[:, 0] / scene.pixel_size,
            "displacement_x_px": moved[:, 1] / scene.pixel_size,
            "strength": strength,
            "sigma_px": np.sqrt(columns["variance"]) / scene.pixel_size,
            "heavy": share >= HEAVY,
        }
    )


def _strength(scene: Scene, columns: pd.DataFrame, rng: np.random.Generator) -> tuple[Array, Array]:
    """(N,) peak relative to the brightest site of the scene, and (N,) peak counts."""
    smear = scene.mistilt.smear**2
    variance = columns["variance"].to_numpy()
    peak = columns["area"].to_numpy() / np.sqrt(variance * (variance + smear))
    brightest = max(_brightest(scene, grain, smear) for grain in scene.grains)
    strength = peak / brightest
    scatter = np.maximum(1 + rng.normal(0.0, scene.strength_scatter, len(columns)), 0.0)
    side = np.array(scene.shape) * scene.pixel_size
    relative = columns[["y", "x"]].to_numpy() / side
    return strength, scene.dose * strength * scatter * relative_thickness(scene, relative[:, 0], relative[:, 1])


def _brightest(scene: Scene, grain: Grain, smear: float) -> float:
    crystal = projection(grain.structure, scene.z_exponent)
    variance = _variance(scene, crystal)
    return float((crystal.strength / np.sqrt(variance * (variance + smear))).max())


def relative_thickness(scene: Scene, y: Array, x: Array) -> Array:
    """Relative thickness at positions from the centre in units of the image sides, -0.5 to 0.5."""
    wedge = scene.thickness
    along = ramp(wedge.angle, y, x)
    return np.asarray(wedge.first + (wedge.last - wedge.first) * np.clip(along + 0.5, 0, 1))


def ramp(angle: float, y: Array, x: Array) -> Array:
    """Ramp from -0.5 to 0.5 across the image along an angle; positions as for `relative_thickness`."""
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray((c * x - s * y) / (abs(c) + abs(s)))

"""Sessions: one folder per analysis, of plain files that any program can read and that restore the analysis."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import ValidationError

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import IN_FILE
from local_crystallography.data.errors import InputError, writing
from local_crystallography.data.image import Image, can_show_atoms
from local_crystallography.data.subimages import as_found
from local_crystallography.io.done import Done
from local_crystallography.io.formats import reader_errors
from local_crystallography.io.probability import SHARES, STD, VALUES, read_probability, write_probability
from local_crystallography.io.provenance import (
    PROVENANCE,
    Provenance,
    pixels_sha256,
    provenance_of,
    read_provenance,
    to_json,
)
from local_crystallography.io.write import write_image, write_tiff
from local_crystallography.recipe import Recipe, recipe_of
from local_crystallography.steps.base import Step
from local_crystallography.steps.encode import Encode
from local_crystallography.steps.extract_sub_images import ExtractSubImages

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae

NETWORKS = {"vae": "model.safetensors", "cvae": "cvae.safetensors"}
"""The file of each network, by its name among the results."""
RECIPE = "recipe.toml"
"""The settings of every step, automatic ones filled in."""
MASK, LEFT_OUT = "mask.tif", "left_out.csv"
"""The mask if given by hand, and the atoms that Refine atoms left out."""
FLAGS = "flags"
"""Column of atoms.csv with the doubtful results of each atom, determined again when a session is opened."""
FILES = (
    "image.tif",
    "atoms.csv",
    VALUES,
    "labels.tif",
    LEFT_OUT,
    *NETWORKS.values(),
    RECIPE,
    PROVENANCE,
)
REPORT = "report.html"
"""Written by `report.html` on request; an outdated one is deleted when the session is saved again."""

EXACT: dict[str, Any] = (
    {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
)
"""Options for exact numbers: pandas before 3.1 rounds the last digit by default, later versions warn about this."""


@dataclass(frozen=True, eq=False)
class Session:
    """What a saved analysis holds.

    Parameters
    ----------
    results
        Image, probability, atoms, sub-images, networks and maps, by name; None for missing ones.
    asked, used
        Steps by name: as requested, and as run with automatic parameters filled in.
    columns
        Columns of the atoms by the step that made them.
    seconds
        Time each step took.
    styles
        Names and colours of classes, by column.
    left_out
        Atoms that Refine atoms left out, with the reason.
    doubt
        Why the atoms should not be trusted; "" where nothing speaks against them.
    behind, edited
        Steps, and trainings, of the atoms before an edit by hand, as in `Analysis`.
    flags
        (N,) doubtful results of each atom, in words; None if there are none.
    log
        What was done to the image, in order.
    """

    results: Mapping[str, Any]
    asked: Mapping[str, Step]
    used: Mapping[str, Step]
    columns: Mapping[str, list[str]]
    seconds: Mapping[str, float]
    styles: Mapping[str, Any]
    left_out: Atoms | None = None
    doubt: str = ""
    behind: Mapping[str, Step] = field(default_factory=dict)
    edited: Collection[str] = ()
    flags: npt.NDArray[np.object_] | None = None
    log: tuple[Done, ...] = ()

    @property
    def provenance(self) -> Provenance:
        """The record of where the results come from."""
        return provenance_of(
            results=self.results,
            asked=self.asked,
            used=self.used,
            columns=self.columns,
            seconds=self.seconds,
            styles=self.styles,
            doubt=self.doubt,
            behind=self.behind,
            edited=self.edited,
            log=self.log,
        )


def save(session: Session, folder: Path) -> Path:
    """Write all results to a folder; an existing session there is updated, other files are kept.

    Everything is first written next to the folder and then moved in, so that a failed save loses nothing.

    Raises
    ------
    InputError
        Without an image, or if the folder holds something else or cannot be written.
    """
    image = session.results["image"]
    if image is None:
        raise InputError("There is nothing to save yet; open an image first.")
    target = folder.resolve()
    earlier = earlier_files(target, image)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with writing(folder):
            part.mkdir(parents=True)
            _write(session, image, part)
            _move(part, target, earlier)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def load(folder: Path) -> Session:
    """The session in a folder; sub-images are cut again at the same positions and with the same settings.

    Raises
    ------
    InputError
        If the folder is not a session, or one of its files is missing, damaged or does not belong to it.
    """
    provenance = read_provenance(folder)
    try:
        asked, behind = (Recipe.model_validate(steps) for steps in (provenance.asked, provenance.behind))
    except ValidationError as error:
        raise _unusable(folder / PROVENANCE, "a record of the steps of this version", error) from error
    if not (folder / RECIPE).exists():
        raise _unusable(folder / RECIPE, "the record of the settings", FileNotFoundError())
    recipe = Recipe.parsed(folder / RECIPE)
    results = _read(folder, provenance)
    used = {name: getattr(recipe, name) for name in Recipe.model_fields if name in provenance.steps}
    if ExtractSubImages.name() in used and results["atoms"] is not None:
        moved = Encode.name() in used and used[Encode.name()].correct_positions
        atoms = as_found(results["atoms"]) if moved else results["atoms"]
        cut = used[ExtractSubImages.name()]
        later = [name for step, names in provenance.columns.items() if step not in cut.reads_from() for name in names]
        results["sub_images"] = cut(atoms.without(later), results["image"], results["probability"])
    return Session(
        results=results,
        asked={name: getattr(asked, name) for name in provenance.asked},
        used=used,
        columns=provenance.columns,
        seconds=provenance.seconds,
        styles=provenance.styles,
        left_out=_read_atoms(folder / LEFT_OUT, provenance) if (folder / LEFT_OUT).exists() else None,
        doubt=provenance.doubt,
        behind={name: getattr(behind, name) for name in provenance.behind},
        edited=provenance.edited,
        log=provenance.log,
    )


def earlier_files(folder: Path, image: Image) -> set[Path]:
    """Files that an earlier save of the same image wrote, relative to the folder; none for a new folder.

    Raises
    ------
    InputError
        If nothing may be saved there, since the folder holds something else or the session of another image, or if it
        cannot be written.
    """
    if not folder.exists():
        place = next(parent for parent in folder.parents if parent.exists())
        if not os.access(place, os.W_OK | os.X_OK):
            raise InputError(f"{folder} cannot be created: {place} is not writable; choose another folder.")
        return set()
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; choose another name for the folder.")
    if not any(folder.iterdir()):
        return set()
    if not (folder / PROVENANCE).exists():
        raise InputError(
            f"{folder} holds files that are not a saved session; choose a new or empty folder, or one with a session "
            "of this image."
        )
    provenance = read_provenance(folder)
    if provenance.image.sha256 != pixels_sha256(image):
        raise InputError(
            f"{folder} holds the session of another image, {provenance.image.name}, not of {image.name}; choose "
            "another folder."
        )
    return {Path(name) for name in (*FILES, REPORT, MASK, STD, SHARES)} | {map_file(name) for name in provenance.maps}


def map_file(name: str) -> Path:
    """File of the map of a column, relative to the folder."""
    return Path("maps") / f"{quote(name, safe=' ')}.tif"


def _write(session: Session, image: Image, folder: Path) -> None:
    results = session.results
    if (probability := results["probability"]) is not None:
        write_probability(folder, probability, image.pixel_size)
    write_image(folder / "image.tif", image)
    if (atoms := results["atoms"]) is not None:
        table = with_file_pixels(atoms.to_frame(), image)
        if session.flags is not None and FLAGS not in table:
            table = table.copy().assign(**{FLAGS: session.flags})
        table.to_csv(folder / "atoms.csv", index=False, lineterminator="\n")
    if session.left_out is not None:
        session.left_out.to_frame().to_csv(folder / LEFT_OUT, index=False, lineterminator="\n")
    if image.mask is not None:
        write_tiff(folder / MASK, image.mask.astype(np.uint8), image.pixel_size)
    for name, file in NETWORKS.items():
        if (vae := results[name]) is not None:
            _write_vae(vae, folder / file)
    maps = results["maps"] or {}
    for name, painted in maps.items():
        (folder / "maps").mkdir(exist_ok=True)
        write_tiff(folder / map_file(name), painted.astype(np.float32), image.pixel_size)
    if "label" in maps:
        write_tiff(folder / "labels.tif", label_image(maps["label"]), image.pixel_size)
    (folder / RECIPE).write_text(recipe_of(session.used).to_toml(), encoding="utf-8")
    (folder / PROVENANCE).write_text(to_json(session.provenance), encoding="utf-8")


def with_file_pixels(table: pd.DataFrame, image: Image) -> pd.DataFrame:
    """A table of atoms with their positions in the pixels of the file, where the image was resampled to square ones."""
    if image.file_pixels == (1.0, 1.0):
        return table
    beside = list(table).index("x_px") + 1
    for place, name in enumerate(IN_FILE):
        table.insert(beside + place, name, table[("y_px", "x_px")[place]] * image.file_pixels[place])
    return table


def label_image(painted: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8 | np.uint16]:
    """Label + 1 as an integer, 0 where there is none."""
    numbers = np.nan_to_num(painted + 1, nan=0.0)
    return numbers.astype(np.uint8 if numbers.max() < 256 else np.uint16)


def _move(part: Path, folder: Path, earlier: set[Path]) -> None:
    """Move the new files into the folder, the record last, and delete those of an earlier save not written again."""
    if not folder.exists():
        part.rename(folder)
        return
    files = [path.relative_to(part) for path in part.rglob("*") if path.is_file()]
    for file in sorted(files, key=lambda file: file.name == PROVENANCE):
        (folder / file).parent.mkdir(exist_ok=True)
        (part / file).replace(folder / file)
    for file in earlier - set(files):
        (folder / file).unlink(missing_ok=True)
    with suppress(OSError):  # it does not exist, or holds other files
        (folder / "maps").rmdir()


def _read(folder: Path, provenance: Provenance) -> dict[str, Any]:
    """The results by name; None for those that were not saved."""
    image = _read_image(folder / "image.tif", provenance)
    shape = image.data.shape
    atoms = folder / "atoms.csv"
    if provenance.types and not atoms.exists():
        raise _unusable(atoms, "the table of atoms", FileNotFoundError())
    networks = {name: folder / file for name, file in NETWORKS.items()}
    return {
        "image": image,
        "probability": read_probability(folder, shape, provenance.classes, _read_array),
        "atoms": _read_atoms(atoms, provenance) if atoms.exists() else None,
        "sub_images": None,
        **{name: _read_vae(file) if file.exists() else None for name, file in networks.items()},
        "maps": {name: _read_array(folder / map_file(name), shape) for name in provenance.maps} or None,
    }


def _pixel_size(provenance: Provenance) -> float | None:
    """nm per pixel; None for what earlier versions took though no atoms can be seen at it."""
    size = provenance.image.pixel_size
    return size if can_show_atoms(size) else None


def _read_image(path: Path, provenance: Provenance) -> Image:
    record = provenance.image
    data = _read_array(path, record.shape)
    mask = path.with_name(MASK)
    given = _read_array(mask, record.shape[-2:]) != 0 if mask.exists() else None
    image = Image(data, _pixel_size(provenance), record.name, dict(record.metadata), given)
    if pixels_sha256(image) != record.sha256:
        raise InputError(
            f"{path} is not the image that was analysed: its pixels differ from the record in {PROVENANCE}. Restore "
            "it, or analyse the new one."
        )
    return image


def _read_array(path: Path, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    import tifffile

    try:
        return np.asarray(tifffile.imread(path)).reshape(shape)
    except reader_errors() as error:
        raise _unusable(path, f"a TIFF of {' x '.join(map(str, shape))} pixels", error) from error


def _read_atoms(path: Path, provenance: Provenance) -> Atoms:
    try:
        table = pd.read_csv(path, **EXACT)
        if FLAGS not in provenance.types:
            table = table.drop(columns=FLAGS, errors="ignore")
        ids = pd.to_numeric(table["id"]).to_numpy()
        if not np.isfinite(table[["frame", "y_px", "x_px"]].to_numpy(float)).all():
            raise ValueError("frame, y_px or x_px is missing in a row")
        if ids.dtype.kind != "i" or len(np.unique(ids)) < len(ids):
            raise ValueError("ids are not unique whole numbers")
        table = table.astype({name: kind for name, kind in provenance.types.items() if name in table})
        return Atoms.from_frame(table, _pixel_size(provenance) if "y_nm" in table else None)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise _unusable(path, "a table with id, frame, y_px and x_px", error) from error


def _write_vae(vae: Vae, path: Path) -> None:
    from safetensors.torch import save as save_weights

    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in vae.weights.items()}
    path.write_bytes(save_weights(weights, metadata={"settings": json.dumps(vae.settings.model_dump())}))


def _read_vae(path: Path) -> Vae:
    from safetensors import SafetensorError, safe_open

    from local_crystallography.models.settings import VaeSettings
    from local_crystallography.models.vae import Vae

    try:
        with safe_open(path, framework="pt") as file:
            settings = VaeSettings.model_validate_json((file.metadata() or {})["settings"])
            vae = Vae(settings, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        if not all(bool(tensor.isfinite().all()) for tensor in vae.weights.values()):
            raise ValueError("weights are not finite")
        _ = vae.network  # building it detects weights that do not fit
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise _unusable(path, "a network saved with its settings", error) from error
    return vae


def _unusable(path: Path, expected: str, error: Exception) -> InputError:
    """One sentence on a file that cannot be used, with the first line of the reason."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path} is missing, {expected}; restore the file or save the session again.")
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    elif isinstance(error, KeyError):
        reason = f"{error.args[0]} is missing"
    else:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return InputError(f"{path} is not {expected} ({reason}); restore the file or save the session again.")

"""Provenance of a session: image, settings, versions, times."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.io.done import Done
from local_crystallography.io.write import native

PROVENANCE = "provenance.json"
PACKAGES = (
    "numpy",
    "scipy",
    "pandas",
    "scikit-image",
    "scikit-learn",
    "torch",
    "safetensors",
    "pydantic",
    "tifffile",
)


class ImageRecord(BaseModel):
    """The image of a session; `sha256` is the digest of its pixels, row by row."""

    model_config = ConfigDict(frozen=True)

    name: str
    shape: tuple[int, ...]
    dtype: str
    pixel_size: float | None
    sha256: str
    metadata: dict[str, JsonValue]


class Provenance(BaseModel):
    """Where the results of a session come from."""

    model_config = ConfigDict(frozen=True)

    session: Literal["local-crystallography 1"] = "local-crystallography 1"
    date: str
    image: ImageRecord
    versions: dict[str, str]
    steps: list[str]
    """Steps that were run, including one stopped early."""
    asked: dict[str, dict[str, JsonValue]]
    """Parameters as requested, by step; null is automatic. `recipe.toml` holds those used."""
    seeds: dict[str, int]
    seconds: dict[str, float]
    columns: dict[str, list[str]]
    """Columns of the atoms, by the step that made them."""
    types: dict[str, str]
    """Types of the numerical columns, which a text table does not record."""
    maps: list[str]
    classes: tuple[str, ...] = ()
    """Names of the classes of atoms in `probability_classes.tif`."""
    styles: dict[str, JsonValue] = {}
    """Names and colours of classes chosen by hand, by column."""
    doubt: str = ""
    """Why the atoms should not be trusted; "" if nothing speaks against them."""
    behind: dict[str, dict[str, JsonValue]] = {}
    """Steps whose results are of the atoms before an edit by hand, with the parameters as requested."""
    edited: list[str] = []
    """Trainings whose networks are still used although atoms were edited since."""
    log: tuple[Done, ...] = ()
    """What was done to the image, in order."""


def provenance_of(
    *,
    results: Mapping[str, Any],
    asked: Mapping[str, BaseModel],
    used: Mapping[str, BaseModel],
    columns: Mapping[str, list[str]],
    seconds: Mapping[str, float],
    styles: Mapping[str, Any],
    doubt: str,
    behind: Mapping[str, BaseModel],
    edited: Iterable[str],
    log: tuple[Done, ...] = (),
) -> Provenance:
    """The record of the current results; arguments as in `io.session.Session`."""
    image: Image = results["image"]
    probability = results["probability"]
    return Provenance(
        date=datetime.now().astimezone().isoformat(timespec="seconds"),
        image=ImageRecord(
            name=image.name,
            shape=image.data.shape,
            dtype=str(image.data.dtype),
            pixel_size=image.pixel_size,
            sha256=pixels_sha256(image),
            metadata=jsonable(image.metadata),
        ),
        versions=versions(),
        steps=list(used),
        asked={name: step.model_dump(mode="json") for name, step in asked.items()},
        seeds={name: step.seed for name, step in used.items() if hasattr(step, "seed")},
        seconds={name: round(time, 3) for name, time in seconds.items()},
        columns={step: list(names) for step, names in columns.items()},
        types={} if results["atoms"] is None else number_types(results["atoms"]),
        maps=list(results["maps"] or {}),
        classes=() if probability is None else probability.classes,
        styles=dict(styles),
        doubt=doubt,
        behind={name: step.model_dump(mode="json") for name, step in behind.items()},
        edited=sorted(edited),
        log=log,
    )


def read_provenance(folder: Path) -> Provenance:
    """The record of a session folder.

    Raises
    ------
    InputError
        Where the folder is not a session, or its record is damaged.
    """
    path = folder / PROVENANCE
    try:
        return Provenance.model_validate_json(path.read_bytes())
    except OSError as error:
        if not folder.exists():
            raise InputError(f"{folder} does not exist; check the spelling of the path.") from error
        raise InputError(
            f"{folder} is not a saved session, since it has no readable {PROVENANCE}; choose a folder written by "
            "saving a session."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the whole file"
        raise InputError(
            f"{path} is not a valid record of a session ({field}: {first['msg']}); restore the file or save the "
            "session again."
        ) from error


def pixels_sha256(image: Image) -> str:
    """Digest of the pixel values as written to file: little-endian, row by row."""
    digest = hashlib.sha256()
    for number in range(image.count):
        frame = native(image.read(number))
        digest.update(frame.astype(frame.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()


def number_types(atoms: Atoms) -> dict[str, str]:
    """NumPy type names of the numerical columns."""
    kinds = atoms.features.dtypes.items()
    return {str(name): str(kind) for name, kind in kinds if isinstance(kind, np.dtype) and kind.kind in "biuf"}


def versions() -> dict[str, str]:
    """Versions of Python, the system, this package and the numerical packages."""
    from local_crystallography import __version__

    known = {
        "local-crystallography": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    for name in PACKAGES:
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            continue
    return known


def jsonable(table: dict[Any, Any]) -> dict[str, Any]:
    """The part of a table that JSON can hold; numbers that are not finite become null."""
    plain = {str(key): _plain(value) for key, value in table.items()}
    return {key: value for key, value in plain.items() if value is not NotImplemented}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return jsonable(value)
    if isinstance(value, list | tuple):
        return [part for part in map(_plain, value) if part is not NotImplemented]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float) else NotImplemented


def to_json(provenance: Provenance) -> str:
    """The text of the file."""
    return json.dumps(provenance.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"

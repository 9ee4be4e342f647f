"""`local-crystallography info`: what a file or a session holds."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg

from local_crystallography.cli.output import Answering, say, tell


class Info(Answering):
    """List the images in a file with their shapes and pixel sizes, or the steps, atoms and versions of a session."""

    file: CliPositionalArg[Path] = Field(
        description="Image file: a microscope format, TIFF, PNG, JPEG or NumPy; or folder of a session."
    )

    def execute(self) -> int:
        """Print one line per array, * before the one that is opened by default; of a session what was done."""
        if self.file.is_dir():
            session_info(self.file)
        else:
            file_info(self.file)
        return 0


def file_info(file: Path) -> None:
    """Print what a file holds."""
    from local_crystallography.io.read import contents

    found = contents(file)
    for one in found:
        shape = " x ".join(map(str, one.shape))
        size = "pixel size unknown" if one.pixel is None else f"pixels of {one.pixel[0]:.4g} nm"
        if one.pixel is not None and one.pixel[0] != one.pixel[1]:
            size = f"pixels of {one.pixel[0]:.4g} x {one.pixel[1]:.4g} nm (height x width)"
        what = f"no image: {one.problem}" if one.problem else size
        say(f"{'*' if one.usual else ' '} {one.index}: {shape} {one.dtype}  {one.title or '(no name)'}  {what}")
    images = [
        {
            "index": one.index,
            "title": one.title,
            "shape": list(one.shape),
            "dtype": str(one.dtype),
            "pixel_size_nm": None if one.pixel is None else list(one.pixel),
            "opened_by_default": one.usual,
            "problem": one.problem,
        }
        for one in found
    ]
    tell(file=str(file), images=images)


def session_info(folder: Path) -> None:
    """Print image, steps, counts and versions of a session, from its record and its table, without opening it."""
    import pandas as pd

    from local_crystallography.data.errors import InputError
    from local_crystallography.io.provenance import read_provenance
    from local_crystallography.views.styles import ClassStyles

    record = read_provenance(folder)
    table = pd.DataFrame()
    if record.types:
        try:
            table = pd.read_csv(folder / "atoms.csv")
        except (OSError, ValueError) as error:
            raise InputError(f"{folder / 'atoms.csv'} cannot be read; restore it or save the session again.") from error
    image, known = record.image, record.image.pixel_size
    scale = "pixel size unknown" if known is None else f"pixels of {known:.4g} nm"
    say(f"Image: {image.name}  {' x '.join(map(str, image.shape))} {image.dtype}  {scale}")
    say(f"Saved: {record.date}")
    for name in record.steps:
        state = (
            "" if name in record.asked else ", of the atoms before an edit" if name in record.behind else ", stopped"
        )
        say(f"  {name.replace('_', '-')}: {record.seconds.get(name, 0.0):.1f} s{state}")
    classes: dict[str, int] = {}
    if "label" in table:
        styles = ClassStyles()
        styles.take(record.styles)
        counted = table["label"].dropna().astype(int).value_counts().sort_index()
        classes = {styles.name("label", int(str(number))): int(count) for number, count in counted.items()}
    say(f"Atoms: {len(table):,}" + "".join(f"; {name}: {count:,}" for name, count in classes.items()))
    if record.maps:
        say(f"Maps: {', '.join(record.maps)}")
    if record.doubt:
        say(f"Doubt: {record.doubt}")
    say("Versions: " + ", ".join(f"{name} {version}" for name, version in record.versions.items()))
    tell(
        session=str(folder),
        image=image.model_dump(mode="json", exclude={"metadata"}),
        saved=record.date,
        steps=list(record.steps),
        behind=list(record.behind),
        seconds=record.seconds,
        atoms=len(table),
        classes=classes,
        columns=list(table),
        maps=list(record.maps),
        doubt=record.doubt,
        versions=record.versions,
    )

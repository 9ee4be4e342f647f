"""A session as a script: what was done to an image, as Python, as a notebook or as a command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel

from local_crystallography.data.errors import InputError
from local_crystallography.io.done import Calibrated, Changed, Done, Given, Opened, Ran
from local_crystallography.io.session import Session
from local_crystallography.steps.training import Training

WIDTH = 100
LAST = "analysis.atoms.to_frame().to_csv('atoms.csv', index=False)"
SHOW = """import matplotlib.pyplot as plt

plt.imshow(analysis.image.read(0), cmap="gray")
first = analysis.atoms[analysis.atoms.frame == 0]
colour = first.features["label"] if "label" in first.features else "tab:orange"
plt.scatter(first.yx[:, 1], first.yx[:, 0], 6, colour)
plt.show()
for name, painted in (analysis.maps or {}).items():
    plt.imshow(painted)
    plt.title(name)
    plt.colorbar()
    plt.show()"""


def parts(session: Session, folder: str | Path) -> list[tuple[str, str]]:
    """The script in parts: a sentence of what each does, and its code.

    Raises
    ------
    InputError
        Without an image, or where an earlier network or map is needed that the session no longer holds.
    """
    log, image = session.log, session.results["image"]
    if image is None:
        raise InputError("There is nothing to write as a script yet; open an image first.")
    home, made, imports = repr(str(folder)), [], {"local_crystallography.analysis": {"Analysis"}}
    known = not any(isinstance(each, Opened) and not each.known for each in log)
    first = next((each.before for each in log if isinstance(each, Calibrated)), image.pixel_size)
    for number, done in enumerate(log):
        words, code = _part(done, log[number + 1 :], session, imports)
        made.append((words, code))
    begin = f"saved = Analysis.open({home})\n"
    if not known:
        made = [part for part in made if part[1]]
        opened = ("The session as saved: what was done before was not recorded", f"{begin}analysis = saved")
    else:
        size = "" if first == image.pixel_size else f"analysis.recalibrate({first!r})\n"
        words = f"The image {image.name}, as kept in the saved session"
        opened = (" ".join(words.split()), f"{begin}analysis = Analysis(saved.image)\n{size}".strip())
    if styles := {name: each for name, each in session.styles.items() if each}:
        made.append(("Names and colours of classes", f"analysis.styles.take({source(styles, imports)})"))
    lines = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(imports.items())]
    threads = _threads(log)
    return [
        ("Exact on the same machine with the same versions of the libraries", "\n".join(lines) + threads),
        opened,
        *made,
    ]


def to_python(session: Session, folder: str | Path) -> str:
    """The session as a script in Python; `folder` is where the session is saved."""
    made = [f"# {words}.\n{code}" for words, code in parts(session, folder)]
    made.append(f"# The table of atoms.\n{LAST}" if session.results["atoms"] is not None else "")
    return "\n\n".join(filter(None, made)) + "\n"


def to_notebook(session: Session, folder: str | Path) -> str:
    """The session as a Jupyter notebook, which shows the image with its atoms, and the maps, at the end."""
    made = parts(session, folder)
    cells = [_cell("markdown", f"# {' '.join(session.results['image'].name.split())}", 0)]
    for words, code in made:
        cells += [_cell("markdown", f"{words}.", len(cells)), _cell("code", code, len(cells) + 1)]
    cells.append(_cell("code", SHOW, len(cells)))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def to_command(session: Session, folder: str | Path) -> str:
    """The steps as a command that runs them with the settings used, and a sentence of what it leaves out."""
    if session.results["image"] is None:
        raise InputError("There is nothing to write as a command yet; open an image first.")
    home = Path(folder)
    out = home.with_name(f"{home.name}_again")
    paths = {"image": home / "image.tif", "--recipe": home / "recipe.toml", "--out": out}
    size = session.results["image"].pixel_size
    words = ["local-crystallography", "run", str(paths["image"]), "--recipe", str(paths["--recipe"])]
    words += [] if size is None else ["--pixel-size", repr(size)]
    by_hand = any(not isinstance(done, Ran) or done.stopped is not None or done.resumed for done in session.log)
    left = "# Leaves out what was changed by hand, and trainings stopped early; Copy as Python has them.\n"
    return (left if by_hand or any(session.styles.values()) else "") + shlex.join([*words, "--out", str(out)]) + "\n"


WRITERS = {"python": to_python, "command": to_command, "notebook": to_notebook}
"""What a session is written as, by the name of the form."""


def _part(done: Done, later: tuple[Done, ...], session: Session, imports: dict[str, set[str]]) -> tuple[str, str]:
    match done:
        case Ran():
            return _run(done, later, imports)
        case Changed():
            made = source(done.change, imports)
            first = f"change = {made}"
            if done.edited:
                return "Atoms edited by hand", f"{first}\nanalysis.edit(change(analysis.atoms))"
            imports.setdefault("local_crystallography", set()).add("Atoms")
            return "Columns or atoms set by hand", f"{first}\nanalysis.atoms = change(analysis.atoms or Atoms.at([]))"
        case Given():
            if any(_replaces(each, done.name) for each in later):
                raise InputError(
                    f"A {done.name} was given and then replaced, and is no longer in the session, so that what was "
                    "made of it cannot be written as a script."
                )
            words = f"The {done.name} was given, and is that of the saved session"
            return words, f"analysis.{done.name} = saved.{done.name}"
        case Calibrated():
            return "Pixel size in nm", f"analysis.recalibrate({done.pixel_size!r})"
        case Opened(known=True):
            imports.setdefault("tempfile", set()).add("TemporaryDirectory")
            saved = "analysis.save(f'{folder}/session')"
            code = f"with TemporaryDirectory() as folder:\n    analysis = Analysis.open({saved})"
            return "The session was saved and opened again", code
    return "", ""


def _replaces(done: Done, name: str) -> bool:
    return (isinstance(done, Given) and done.name == name) or (isinstance(done, Ran) and done.step.makes == name)


def _run(done: Ran, later: tuple[Done, ...], imports: dict[str, set[str]]) -> tuple[str, str]:
    step = done.step
    if done.resumed:
        if any(_replaces(each, step.makes) for each in later):
            raise InputError(
                f"{step.title()} was stopped, resumed and later run again: the network of then is no longer in the "
                "session, so that it cannot be written as a script."
            )
        words = f"{step.title()} was stopped and resumed; its network is that of the saved session"
        return words, f"analysis.{step.makes} = saved.{step.makes}"
    imports.setdefault("local_crystallography.data.progress", set()).add("finish")
    call = f"analysis.apply({source(step, imports)})"
    if done.stopped is None:
        return step.title() + (", of the edited atoms" if done.mended else ""), f"finish({call})"
    imports.setdefault("itertools", set()).add("count")
    code = f"reports = count(1)\nfinish({call}, lambda _: next(reports) == {done.stopped})"
    return f"{step.title()}, stopped after {done.stopped} reports of progress", code


def _threads(log: tuple[Done, ...]) -> str:
    """Lines that set the number of threads, on which the last digits of a training depend."""
    if not any(isinstance(done, Ran) and isinstance(done.step, Training) for done in log):
        return ""
    import torch

    return f"\nimport torch\n\ntorch.set_num_threads({torch.get_num_threads()})"


def source(value: Any, imports: dict[str, set[str]], indent: str = "") -> str:
    """A value as Python; names that it needs are added to `imports`. Texts are quoted, never code."""
    match value:
        case BaseModel():
            kind, unset = type(value), type(value).model_fields
            imports.setdefault(kind.__module__, set()).add(kind.__name__)
            given = {name: getattr(value, name) for name in unset if not _default(value, name)}
            items = [f"{name}={source(each, imports, indent + '    ')}" for name, each in given.items()]
            return _wrapped(f"{kind.__name__}(", items, ")", indent)
        case PurePath():
            imports.setdefault("pathlib", set()).add("Path")
            return f"Path({str(value)!r})"
        case Mapping():
            items = [f"{key!r}: {source(each, imports, indent + '    ')}" for key, each in value.items()]
            return _wrapped("{", items, "}", indent)
        case tuple() | list():
            items = [source(each, imports, indent + "    ") for each in value]
            ends = "[]" if isinstance(value, list) else "()"
            return _wrapped(ends[0], items, "," * (ends == "()" and len(items) == 1) + ends[1], indent)
    return repr(value)


def _default(model: BaseModel, name: str) -> bool:
    return bool(type(model).model_fields[name].get_default(call_default_factory=True) == getattr(model, name))


def _wrapped(start: str, items: list[str], end: str, indent: str) -> str:
    line = f"{start}{', '.join(items)}{end}"
    if not items or ("\n" not in line and len(indent) + len(line) <= WIDTH):
        return line
    return "\n".join([start, *(f"{indent}    {item}," for item in items), f"{indent}{end.lstrip(',')}"])


def _cell(kind: str, text: str, number: int) -> dict[str, Any]:
    cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text}
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}

"""The commands by name: each is imported only when it is called, and the list is read from the source, at once."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, create_model
from pydantic_settings import BaseSettings, CliSubCommand

if TYPE_CHECKING:
    from local_crystallography.steps.base import Step

PACKAGE = "local_crystallography"
COMMANDS: Mapping[str, str] = {
    "demo": "demo:Demo",
    "info": "info:Info",
    "sample": "sample:MakeSample",
    "run": "run:Run",
    "report": "report:WriteReport",
    "figure": "figure:DrawFigure",
    "script": "script:Script",
    "average-frames": "average_frames:AverageStack",
    "correct-image": "correct_image:CorrectImage",
    "train-segmenter": "train_segmenter:TrainSegmenter",
    "symmetry-chain": "symmetry_chain:SymmetryChain",
    "symmetry-study": "symmetry_study:SymmetryStudy",
    "study-windows": "study_windows:StudyWindows",
    "compare": "compare:CompareRuns",
    "profile": "measure:ProfileAcross",
    "means": "measure:MeanColumns",
    "completion": "completion:Completion",
}
"""Module in this folder and class of every command; beside them each step of a recipe is one."""


def names() -> tuple[str, ...]:
    """The names of all commands, in the order of the help."""
    own = list(COMMANDS)
    after = own.index("run") + 1
    return (*own[:after], *step_help(), *own[after:])


def model(name: str) -> type[BaseModel]:
    """The options of a command."""
    if name in step_help():
        from local_crystallography.cli.steps import step_command

        return step_command(step_class(name.replace("-", "_")), step_help()[name])
    module, _, kind = COMMANDS[name].partition(":")
    return getattr(import_module(f"{__package__}.{module}"), kind)  # type: ignore[no-any-return]


def stand_in(name: str) -> type[BaseModel]:
    """A command without its options, for the list of commands."""
    return create_model(name, __doc__=_help(name), __base__=BaseModel)


def command_line(base: type[BaseSettings], found: Mapping[str, type[BaseModel]]) -> type[BaseSettings]:
    """A parser of these commands, by name."""
    fields: Any = {name.replace("-", "_"): (CliSubCommand[kind], ...) for name, kind in found.items()}  # type: ignore[misc, valid-type]
    return create_model("CommandLine", __doc__=base.__doc__, __base__=base, **fields)


@cache
def step_help() -> Mapping[str, str]:
    """What each step of a recipe does, by the name of its command."""
    calls = {ast.unparse(node.target): node.value for node in _fields(_tree("recipe"))}
    steps = {name: call.keywords for name, call in calls.items() if isinstance(call, ast.Call)}
    return {
        name.replace("_", "-"): str(_constant(words, "description"))
        for name, words in steps.items()
        if _constant(words, "default_factory") is not None
    }


def step_class(name: str) -> type[Step]:
    """A step of a recipe, imported without the others."""
    recipe = _tree("recipe")
    kind = next(ast.unparse(n.annotation) for n in _fields(recipe) if ast.unparse(n.target) == name)
    imports = [node for node in recipe.body if isinstance(node, ast.ImportFrom)]
    module = next(str(node.module) for node in imports if kind in [each.name for each in node.names])
    return getattr(import_module(module), kind)  # type: ignore[no-any-return]


def _help(name: str) -> str:
    if name in step_help():
        return step_help()[name]
    module, _, kind = COMMANDS[name].partition(":")
    return ast.get_docstring(_class(_tree(f"cli.{module}"), kind)) or ""


def _tree(module: str) -> ast.Module:
    """The source of a module, which is not imported."""
    spec = find_spec(f"{PACKAGE}.{module}")
    return ast.parse(Path(str(spec and spec.origin)).read_text(encoding="utf-8"))


def _class(tree: ast.Module, name: str) -> ast.ClassDef:
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)


def _fields(recipe: ast.Module) -> list[ast.AnnAssign]:
    return [node for node in _class(recipe, "Recipe").body if isinstance(node, ast.AnnAssign)]


def _constant(keywords: Iterable[ast.keyword], name: str) -> object:
    """The value of a keyword, or the name it refers to."""
    value = next((each.value for each in keywords if each.arg == name), None)
    return value.value if isinstance(value, ast.Constant) else None if value is None else ast.unparse(value)

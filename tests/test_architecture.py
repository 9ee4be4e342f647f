"""Rules of the source tree: who may import whom, and what an import costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import local_crystallography

ROOT = Path(local_crystallography.__file__).parent
LEVELS = {
    "data": 0,
    "baselines": 1,
    "fitting": 1,
    "lattice": 2,
    "bayes": 2,
    "scan": 3,
    "models": 4,
    "clustering": 5,
    "steps": 6,
    "recipe": 7,
    "io": 8,
    "graph": 9,
    "simulate": 9,
    "views": 9,
    "segmenters": 10,
    "analysis": 10,
    "studies": 11,
    "report": 12,
    "cli": 13,
    "_napari": 14,
}
"""Every folder and module has a level, and imports from lower ones and from its own folder alone."""
CHANGES = ("append", "add", "update", "setdefault", "pop", "clear", "extend", "remove", "insert", "discard")
FILES = [path for path in sorted(ROOT.rglob("*.py")) if path.name != "__init__.py"]
GUI = {"napari", "magicgui", "qtpy", "pyqtgraph", "superqt", "PyQt6", "PySide6"}


def part(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(tree):
    """Every imported module, with whether it is imported at the top of the file at run time."""
    deferred = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    typing_only = {
        id(n)
        for i in ast.walk(tree)
        if isinstance(i, ast.If) and "TYPE_CHECKING" in ast.dump(i.test)
        for n in ast.walk(i)
    }
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        yield from ((name, id(node) not in deferred | typing_only) for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_downwards(path):
    """Late imports and those for types count as well."""
    own = part(path)
    for name, at_top in imports(ast.parse(path.read_text(encoding="utf-8"))):
        package, _, rest = name.partition(".")
        other = rest.split(".")[0]
        if package == "local_crystallography" and rest and other != own:
            assert LEVELS[other] < LEVELS[own] or (own, other) == ("cli", "_napari"), name
        if package in GUI and own != "cli":
            assert own == "_napari", name
        if package == "torch" and at_top:
            assert own == "models", name


def test_no_step_imports_another_but_where_it_names_it():
    """A step may continue another one (Encode looks at classes first), but never two each other."""
    allowed = {
        ("encode", "cluster"),
        ("encode_cvae", "train_cvae"),
        ("train_cvae", "training"),
        ("train_vae", "training"),
    }
    for path in (ROOT / "steps").glob("*.py"):
        if path.stem in ("__init__", "catalog"):
            continue
        for name, _ in imports(ast.parse(path.read_text(encoding="utf-8"))):
            if name.startswith("local_crystallography.steps."):
                other = name.split(".")[2]
                assert other in ("base", "catalog") or (path.stem, other) in allowed, (path.stem, other)


@pytest.mark.slow
def test_no_module_keeps_what_changes():
    """No list, set or dictionary that a function of a module changes, and no `global`."""
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global)], path
        made = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.List | ast.Dict | ast.Set)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                changes = node.func.attr in (
                    "append",
                    "add",
                    "update",
                    "setdefault",
                    "pop",
                    "clear",
                    "extend",
                    "remove",
                )
                assert not (changes and isinstance(node.func.value, ast.Name) and node.func.value.id in made), path
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    held = target.value if isinstance(target, ast.Subscript) else None
                    assert not (isinstance(held, ast.Name) and held.id in made), path


@pytest.mark.slow
def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, local_crystallography as lc; lc.Recipe, lc.Analysis, lc.Atoms;"
        "print([m for m in ('torch', 'napari', 'qtpy', 'pymc', 'PyQt6', 'pyqtgraph') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_every_public_name_can_be_had():
    assert all(getattr(local_crystallography, name) is not None for name in local_crystallography.__all__)

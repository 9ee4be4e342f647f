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
    "lattice": 1,
    "scan": 2,
    "models": 3,
    "bayes": 3,
    "simulate": 3,
    "clustering": 4,
    "views": 5,
    "steps": 6,
    "recipe": 7,
    "segmenters": 7,
    "columns": 8,
    "analysis": 9,
    "studies": 10,
    "report": 11,
    "io": 12,
    "cli": 13,
    "_napari": 14,
}
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


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_downwards(path):
    for name, at_top in imports(ast.parse(path.read_text(encoding="utf-8"))):
        package, _, rest = name.partition(".")
        if package == "local_crystallography" and rest and at_top:
            assert LEVELS[rest.split(".")[0]] <= LEVELS[part(path)], name
        if package in GUI and part(path) != "cli":
            assert part(path) == "_napari", name
        if package == "torch" and at_top:
            assert part(path) == "models", name


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, local_crystallography as lc; lc.Recipe, lc.Analysis, lc.Atoms;"
        "print([m for m in ('torch', 'napari', 'qtpy', 'pymc', 'PyQt6', 'pyqtgraph') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_every_public_name_can_be_had():
    assert all(getattr(local_crystallography, name) is not None for name in local_crystallography.__all__)

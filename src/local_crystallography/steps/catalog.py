"""Catalogue of all steps in this folder, and of the columns they declare."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from local_crystallography import steps
from local_crystallography.data.columns import Columns
from local_crystallography.steps.base import Step


@cache
def step_classes() -> dict[str, type[Step]]:
    """All steps by name, in the order of their files."""
    modules = [import_module(f"{steps.__name__}.{found.name}") for found in pkgutil.iter_modules(steps.__path__)]
    kinds = [kind for module in modules for kind in vars(module).values() if isinstance(kind, type)]
    own = [kind for kind in kinds if issubclass(kind, Step) and hasattr(kind, "makes") and "makes" in vars(kind)]
    return {kind.name(): kind for kind in own}


@cache
def columns() -> Columns:
    """All columns that steps add to the atoms."""
    return Columns({name: kind.adds for name, kind in step_classes().items()})

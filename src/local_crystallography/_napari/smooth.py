"""What would stop the window for a while, done so that it goes on: garbage collections, and the loading of torch."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PUT_OFF = 1_000_000
"""Collections of young garbage before a full one, while a job runs."""
MANY = 100_000
"""Objects that a full collection looks at in less than 0.1 s."""
LIBRARIES = ("libtorch_cpu", "libtorch_python")


@contextmanager
def young_garbage_only() -> Iterator[None]:
    """Put off full garbage collections: each stops the window, too, for 0.2 to 0.6 s once torch has been loaded."""
    thresholds = gc.get_threshold()
    if thresholds[2] == PUT_OFF:  # another job sees to it
        yield
        return
    gc.set_threshold(*thresholds[:2], PUT_OFF)
    try:
        yield
    finally:
        freeze()
        gc.set_threshold(*thresholds)


def freeze() -> None:
    """Let collections leave out what is there, where that is much: mostly libraries, which are never garbage."""
    if len(gc.get_objects()) > MANY:
        gc.freeze()


def thaw(layer: Any = None) -> None:
    """Let collections look at everything again, as something of it is to go; not for a layer they look at anyway."""
    if layer is None or not any(each is layer for each in gc.get_objects()):
        gc.unfreeze()


def load_torch() -> None:
    """Load the machine code of torch, if it is there, while other threads go on.

    `import torch` does the same, but holds the interpreter for 0.2 to 0.4 s; where this fails, it has to.
    """
    spec = None if "torch" in sys.modules or os.name != "posix" else find_spec("torch")
    if spec is None or spec.origin is None:
        return
    # unlike ctypes.CDLL(path), a call of a C function lets the interpreter go
    load = ctypes.CDLL(None).dlopen
    load.argtypes, load.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    ending = "dylib" if sys.platform == "darwin" else "so"
    for name in LIBRARIES:
        load(os.fsencode(Path(spec.origin).parent / "lib" / f"{name}.{ending}"), os.RTLD_NOW | os.RTLD_LOCAL)

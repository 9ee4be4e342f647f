"""Full garbage collections stop the window, for 0.2 to 0.8 s once torch is loaded: they pass by what jobs loaded."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PUT_OFF = 1_000_000
"""Collections of young garbage before a full one, while a job runs."""
MANY = 100
"""Modules loaded in a job from which on all there is is left out of later collections."""


@contextmanager
def young_garbage_only() -> Iterator[None]:
    """Put off full collections while a job runs; where it loaded libraries, later ones pass by all there is by then.

    What is passed by may be garbage later: call `gc.unfreeze` when something large is given up.
    """
    thresholds, loaded = gc.get_threshold(), len(sys.modules)
    if thresholds[2] == PUT_OFF:  # another job sees to it
        yield
        return
    gc.set_threshold(*thresholds[:2], PUT_OFF)
    try:
        yield
    finally:
        if len(sys.modules) - loaded > MANY:
            gc.freeze()
        gc.set_threshold(*thresholds)

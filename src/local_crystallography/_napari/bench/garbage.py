"""Full garbage collections stop the window, for 0.2 to 0.6 s once torch is loaded: none while a job runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

PUT_OFF = 1_000_000
"""Collections of young garbage before a full one, while a job runs."""


@contextmanager
def young_garbage_only() -> Iterator[None]:
    """Put off full collections while a job runs."""
    thresholds = gc.get_threshold()
    if thresholds[2] == PUT_OFF:  # another job sees to it
        yield
        return
    gc.set_threshold(*thresholds[:2], PUT_OFF)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)

"""The one exception that is meant for the person at the screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InputError(ValueError):
    """Something given cannot be used; the message says what is wrong and what to do."""


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Say of a file or folder that it cannot be written.

    Raises
    ------
    InputError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); choose another place.") from error
